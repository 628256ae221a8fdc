"""Batches: nests of dicts, lists, tuples and objects, with arrays in them.

(a) A walk with its own stack visits every value once, so that depth has no limit; a container that holds itself is not
    entered again, nor one that was found clean under another name.
(b) What a value is depends on its type alone and is remembered: to visit a clean array costs some 0.3 us.
(c) The path of a value is put into words only when something is found there.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastfinite import _core, _formats, _inputs, _slow, _tensors
from fastfinite._accept import accept
from fastfinite._accepted import Accepted, Sparse
from fastfinite._batch_report import ROOT, BatchReport, Finding, Name, in_words, path_of
from fastfinite._batch_types import (
    ARRAY,
    BY_DICT,
    NUMBER,
    PASSED_BY,
    TENSOR,
    UNKNOWN,
    Children,
    items,
    known_types,
    learn,
)
from fastfinite._errors import NonFiniteError, NonFiniteWarning
from fastfinite._formats import INF_ONLY, NON_FINITE, Format
from fastfinite._frames import NotInstalled
from fastfinite._report import ScanReport, describe
from fastfinite._scan import whole_number


def scan_batch(
    batch: object,
    *,
    allow_nan: bool = False,
    target_dtype: object = None,
    on_unknown: str = "ignore",
    limit: int = 1000,
) -> BatchReport:
    """Scan every array in a nest of containers, and say in which one, under which path, for which sample.

    Parameters
    ----------
    batch : object
        Arrays, tensors, frames, sparse arrays and numbers, as `scan` takes them, in any nest of mappings, sequences,
        named tuples, dataclasses, attrs classes, and objects with ``to_dict()``. Text, None and single integers are
        passed by.
    allow_nan : bool, default False
        Let nan, None and NaT pass; inf is still found.
    target_dtype : str or dtype, optional
        Find also finite values that would become inf when cast to this format.
    on_unknown : {"ignore", "raise"}, default "ignore"
        An object of a kind that is not known here is listed in ``not_scanned``, or a `TypeError`.
    limit : int, default 1000
        End after so many arrays that are not finite.

    Returns
    -------
    BatchReport
        True when nothing was found.

    Raises
    ------
    TypeError
        With ``on_unknown="raise"``, for an object that cannot be scanned.
    ValueError
        If `target_dtype`, `on_unknown` or `limit` is not one that is known.

    See Also
    --------
    guard : The same for every batch of a loader.
    check_finite : Raise for one array.

    Notes
    -----
    Cost: that of `all_finite` for each array, some 0.3 us for each more, 1 us for a tensor. Iterators are not touched,
    and so not scanned.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> x = np.ones((4, 3), np.float32)
    >>> x[2, 1] = np.nan
    >>> report = ff.scan_batch({"x": x, "meta": {"y": [np.zeros(2), np.array([-np.inf, 0.0])]}, "id": "a"})
    >>> [(finding.path, finding.report.first, finding.report.first_kind) for finding in report.findings]
    [('x', (2, 1), 'nan'), ('meta.y[1]', (0,), '-inf')]
    """
    return Walker(allow_nan, target_dtype, on_unknown, limit).walk(alone(batch))


class Walker:
    """How batches are scanned: the options of `scan_batch`, checked once."""

    __slots__ = ("_allow_nan", "_most", "_question", "_raises", "_target")

    def __init__(
        self, allow_nan: bool = False, target_dtype: object = None, on_unknown: str = "ignore", limit: int = 1000
    ) -> None:
        if on_unknown not in ("ignore", "raise"):
            raise ValueError(f"on_unknown must be 'ignore' or 'raise', not {on_unknown!r}")
        self._allow_nan = bool(allow_nan)
        self._raises = on_unknown == "raise"
        self._most = whole_number(limit, "limit", 1)
        self._target: Format | None = None
        if target_dtype is not None:
            self._target = _formats.of_name(target_dtype, "target_dtype")
        self._question: int = INF_ONLY if allow_nan else NON_FINITE

    def check(self, pairs: Iterable[tuple[object, object]], label: Callable[[], str]) -> BatchReport:
        """Scan what stands under these keys, and raise where it is not finite; errors begin with the label."""
        try:
            report = self.walk(pairs)
        except TypeError as error:
            raise TypeError(f"{label()}: {error}") from error
        if report.findings:
            raise NonFiniteError(f"{label()}: {in_words(report.findings)}", findings=report.findings)
        return report

    def walk(self, pairs: Iterable[tuple[object, object]]) -> BatchReport:
        """Scan what stands under these keys."""
        report = BatchReport()
        quick, allow_nan = self._target is None, self._allow_nan
        all_finite, plain_array, isfinite = _core.all_finite, _tensors.plain_array, math.isfinite
        arrays = size = 0
        # Of each container that is open: the children still to come, the key of the one at hand, the container, and how
        # much had been found before it. What could not be scanned is listed at its first path alone.
        stack: list[Iterator[tuple[object, object]]] = [iter(pairs)]
        keys: list[object] = [ROOT]
        opened: list[tuple[object, int]] = [(None, 0)]
        inside: set[int] = set()
        # Kept alive: an object that dies may leave its id to another.
        clean: dict[int, object] = {}
        while stack:
            for key, x in stack[-1]:
                kind = known_types.get(type(x))
                if kind is None:
                    kind = learn(x)
                if kind == PASSED_BY:
                    continue
                if quick:
                    array = x if kind == ARRAY else plain_array(x) if kind == TENSOR else None
                    if isinstance(array, np.ndarray):
                        if array.dtype.kind in "fiubc" and all_finite(array, allow_nan=allow_nan):
                            arrays += 1
                            size += array.nbytes
                            continue
                    elif kind == NUMBER and isfinite(x):    # type: ignore[arg-type]
                        arrays += 1
                        size += 8
                        continue
                keys[-1] = key
                children = self._children(x, kind, keys, report)
                if len(report.findings) >= self._most:
                    report.complete = False
                    stack.clear()
                    break
                if children is not None and id(x) not in inside and id(x) not in clean:
                    inside.add(id(x))
                    opened.append((x, len(report.findings)))
                    keys.append(ROOT)
                    stack.append(iter(children))
                    break
            else:
                stack.pop()
                keys.pop()
                x, before = opened.pop()
                inside.discard(id(x))
                if len(report.findings) == before:
                    clean[id(x)] = x
        report.arrays += arrays
        report.bytes += size
        return report

    def _children(
        self, x: Any, kind: int | Children, keys: list[object], report: BatchReport
    ) -> Iterable[tuple[object, object]] | None:
        """What is in a container; None of anything else, which is scanned here."""
        if not isinstance(kind, int):
            # Of Python's own containers nothing fails.
            return kind(x) if type(x) in (dict, list, tuple) else self._read(x, kind, keys, report)
        if kind == BY_DICT:
            return self._read(x, _by_dict, keys, report)
        if kind == UNKNOWN:
            self._leave_out(keys, f"objects of type {_type_name(x)} are not known", report)
            return None
        if isinstance(x, np.ndarray) and x.dtype.kind in "SUT":     # text, passed by as any other
            return None
        try:
            accepted = accept(x)
            if isinstance(accepted, Accepted) and accepted.label == "object" and not _slow.holds_numbers(accepted):
                return _objects(accepted)
            found = self._report(accepted)
        except NotInstalled as error:
            raise TypeError(f"{path_of(keys) or 'batch'} cannot be scanned: {error}") from error
        except Exception as error:      # of dtypes that cannot be scanned, and whatever the object's own code raises
            self._leave_out(keys, str(error) or type(error).__name__, report)
            return None
        self._add(x, accepted, found, keys, report)
        return None

    def _read(
        self, x: Any, children: Children, keys: list[object], report: BatchReport
    ) -> Iterator[tuple[object, object]]:
        try:
            yield from ((key, child) for key, child in children(x))     # pairs, or it is none
        except Exception as error:      # of code that is not ours
            self._leave_out(keys[:-1], f"{_type_name(x)} cannot be read: {str(error) or type(error).__name__}", report)

    def _report(self, accepted: Any) -> ScanReport | None:
        """What an input holds; None where the verdict alone was asked for and good."""
        plain = isinstance(accepted, Accepted)
        # Dates have no overflow.
        target = None if plain and accepted.array.dtype.kind in "mM" else self._target
        # What has parts that cannot be scanned has no verdict.
        partial = accepted.how == "fields" if plain else bool(getattr(accepted, "doubtful", ()))
        if target is None and not partial and not _inputs.answer(accepted, self._question):
            return None
        return _inputs.report(accepted, target, None, self._allow_nan)

    def _add(
        self, x: Any, accepted: Any, found: ScanReport | None, keys: Sequence[object], report: BatchReport
    ) -> None:
        """Take down one array that was scanned."""
        report.arrays += 1
        report.bytes += _size(x, accepted)
        for name in getattr(accepted, "not_scanned", ()) if found is None else found.not_scanned:
            report.not_scanned[path_of([*keys, Name(name)])] = "it holds no numbers"
        for name in getattr(accepted, "may_hold_numbers", ()):
            self._leave_out([*keys, Name(name)], "it holds lists, structs or mixed objects", report)
        path = path_of(keys)
        if found is not None and not found.passes(self._allow_nan):
            index = min((place for place in (found.first, found.first_overflow) if place is not None), default=None)
            text = describe(found, name=path or None, allow_nan=self._allow_nan)
            report.findings.append(Finding(path, found, index[0] if index else None, text))

    def _leave_out(self, keys: Sequence[object], reason: str, report: BatchReport) -> None:
        path = path_of(keys)
        if self._raises:
            raise TypeError(f"{path or 'batch'} cannot be scanned: {reason}")
        report.not_scanned[path] = reason


def warn_unscanned(report: BatchReport, label: str, stacklevel: int) -> None:
    """Say that there was nothing that could be scanned, and why."""
    reasons = "; ".join(list(dict.fromkeys(report.not_scanned.values()))[:4])
    warnings.warn(f"{label}: nothing of it could be scanned: {reasons}", NonFiniteWarning, stacklevel=stacklevel)


def alone(batch: object) -> tuple[tuple[object, object]]:
    """A batch as something to walk through."""
    return ((ROOT, batch),)


def _by_dict(x: Any) -> Iterable[tuple[object, object]]:
    found = x.to_dict()
    if not isinstance(found, Mapping):
        raise TypeError(f"its to_dict() gives no mapping but {type(found).__name__}")
    return items(found)


def _objects(accepted: Accepted) -> Iterator[tuple[object, object]]:
    """The objects of an array that are not masked."""
    for index, x in np.ndenumerate(accepted.array):
        if accepted.mask is None or not accepted.mask[index]:
            yield (index[0] if len(index) == 1 else index), x


def _type_name(x: object) -> str:
    cls = type(x)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _size(x: Any, accepted: Any) -> int:
    """Bytes, as the object itself says, or as its numbers have; of frames that do not say, 8 a cell."""
    if isinstance(accepted, Accepted):
        return int(accepted.array.nbytes)
    if isinstance(accepted, Sparse):
        return int(accepted.stored.array.nbytes)
    said = getattr(x, "nbytes", None)
    return said if isinstance(said, int) else 8 * math.prod(accepted.shape)

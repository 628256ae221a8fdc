"""Batches: nests of dicts, lists, tuples and objects, with arrays in them.

(a) A walk with its own stack visits every value once, so that depth has no limit; a container that holds itself is not
    entered again, nor one that was found clean under another name.
(b) What a value is depends on its type alone and is remembered: to visit a clean array costs some 0.3 us.
(c) The path of a value is put into words only when something is found there.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from types import EllipsisType, NoneType, SimpleNamespace
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np

from fastfinite import _core, _formats, _inputs, _tensors
from fastfinite._accept import accept, opener_of
from fastfinite._accepted import Accepted, Sparse
from fastfinite._formats import Format
from fastfinite._report import ScanReport, describe
from fastfinite._scan import whole_number
from fastfinite._tally import INF_ONLY, NON_FINITE

Children: TypeAlias = Callable[[Any], Iterable[tuple[object, object]]]
# What a type may be, beside a function that gives the children of a container.
_PASSED_BY, _ARRAY, _TENSOR, _NUMBER, _OTHER, _TO_DICT, _UNKNOWN = range(7)
_kinds: dict[type, int | Children] = {}
_MOST_TYPES = 1024
# Values that cannot be nan or inf, and classes of such, by the modules that have them.
_HARMLESS = (NoneType, EllipsisType, int, str, bytes, bytearray, range, slice, type, np.dtype, np.integer, np.bool_,
             np.character)
_HARMLESS_OF = (("enum", "Enum"), ("datetime", "date"), ("datetime", "time"), ("datetime", "timedelta"),
                ("datetime", "tzinfo"), ("pathlib", "PurePath"), ("uuid", "UUID"), ("torch", "dtype"),
                ("torch", "device"), ("torch", "layout"))


class Finding(NamedTuple):
    """One array of a batch that is not finite.

    Attributes
    ----------
    path : str
        Where it is in the batch, for example ``"meta.y[1]"``; empty where the batch is an array itself.
    report : ScanReport
        What is in it.
    sample : int or None
        Index of its first bad value along the first axis; None of a single number.
    text : str
        All that in words.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> finding = ff.scan_batch({"x": np.array([0.0, np.nan])}).findings[0]
    >>> finding.path, finding.sample, finding.report.nan
    ('x', 1, 1)
    """

    path: str
    report: ScanReport
    sample: int | None
    text: str

    def __str__(self) -> str:
        return self.text


class BatchReport:
    """What `scan_batch` found; true when everything that was scanned is finite.

    Attributes
    ----------
    ok : bool
        Nothing was found.
    findings : list of Finding
        One for each array that is not finite, in the order of the batch.
    not_scanned : dict of str to str
        What could not be checked: its path, and why.
    arrays : int
        Arrays and numbers looked at.
    bytes : int
        Their size.
    complete : bool
        False where the walk ended early, at ``max_findings``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> print(ff.scan_batch([np.ones(3), {"age": np.array([1.0, np.inf])}]))
    batch of 2 arrays (40 B) has 1 that is not finite
      [1].age (2 float64) has 1 non-finite value: 1 +inf; first +inf at index 1
    """

    __slots__ = ("arrays", "bytes", "complete", "findings", "not_scanned")

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.not_scanned: dict[str, str] = {}
        self.arrays = 0
        self.bytes = 0
        self.complete = True

    @property
    def ok(self) -> bool:
        return not self.findings

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values, fit for JSON."""
        findings = [
            {"path": finding.path, "sample": finding.sample, "report": finding.report.to_dict()}
            for finding in self.findings
        ]
        return {"ok": self.ok, "arrays": self.arrays, "bytes": self.bytes, "complete": self.complete,
                "findings": findings, "not_scanned": dict(self.not_scanned)}

    def __str__(self) -> str:
        bad = len(self.findings)
        verdict = "is finite" if not bad else f"has {bad} that {'is' if bad == 1 else 'are'} not finite"
        if not self.complete:
            verdict += ", and perhaps more: the scan ended there"
        lines = [f"batch of {_count(self.arrays, 'array')} ({size_text(self.bytes)}) {verdict}"]
        lines += [f"  {finding}" for finding in self.findings]
        lines += [f"  not scanned: {path or 'the batch'}: {reason}" for path, reason in self.not_scanned.items()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<BatchReport: {self}>"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def size_text(n: float) -> str:
    """"123 B", "1.5 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 999.5:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"


def scan_batch(
    batch: object,
    *,
    allow_nan: bool = False,
    target_dtype: object = None,
    on_unknown: str = "ignore",
    max_findings: int = 1000,
) -> BatchReport:
    """Scan every array in a nest of containers, and say in which one, under which path, for which sample.

    Parameters
    ----------
    batch : object
        Arrays, tensors, frames, sparse arrays and numbers, as `scan` takes them, in any nest of mappings, sequences,
        named tuples, dataclasses, attrs classes, and objects with ``to_dict()``. Text, None and integers of Python are
        passed by.
    allow_nan : bool, default False
        Let nan, None and NaT pass; inf is still found.
    target_dtype : str or dtype, optional
        Find also finite values that would become inf when cast to this format.
    on_unknown : {"ignore", "raise"}, default "ignore"
        An object of a kind that is not known here is listed in ``not_scanned``, or a `TypeError`.
    max_findings : int, default 1000
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
        If `target_dtype`, `on_unknown` or `max_findings` is not one that is known.

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
    return Walker(allow_nan, target_dtype, on_unknown, max_findings).walk(batch)


class Walker:
    """How batches are scanned: the options of `scan_batch`, checked once."""

    __slots__ = ("_allow_nan", "_most", "_question", "_raises", "_target")

    def __init__(
        self, allow_nan: bool = False, target_dtype: object = None, on_unknown: str = "ignore", most: int = 1000
    ) -> None:
        if on_unknown not in ("ignore", "raise"):
            raise ValueError(f"on_unknown must be 'ignore' or 'raise', not {on_unknown!r}")
        self._allow_nan = bool(allow_nan)
        self._raises = on_unknown == "raise"
        self._most = whole_number(most, "max_findings", 1)
        self._target: Format | None = None
        if target_dtype is not None:
            self._target = _formats.of_name(target_dtype, "target_dtype")
        self._question: int = INF_ONLY if allow_nan else NON_FINITE

    def walk(self, batch: object) -> BatchReport:
        """Scan a batch."""
        return self.walk_pairs(((_ROOT, batch),))

    def walk_pairs(self, pairs: Iterable[tuple[object, object]]) -> BatchReport:
        """Scan what stands under these keys."""
        report = BatchReport()
        quick, allow_nan = self._target is None, self._allow_nan
        all_finite, plain_array, isfinite = _core.all_finite, _tensors.plain_array, math.isfinite
        arrays = size = 0
        # Of each container that is open: the children still to come, the key of the one at hand, the container, and how
        # much had been found before it. What could not be scanned is listed at its first path alone.
        stack: list[Iterator[tuple[object, object]]] = [iter(pairs)]
        keys: list[object] = [_ROOT]
        opened: list[tuple[object, int]] = [(None, 0)]
        inside: set[int] = set()
        # Kept alive: an object that dies may leave its id to another.
        clean: dict[int, object] = {}
        while stack:
            for key, x in stack[-1]:
                kind = _kinds.get(type(x))
                if kind is None:
                    kind = _learn(x)
                if kind == _PASSED_BY:
                    continue
                if quick:
                    array = x if kind == _ARRAY else plain_array(x) if kind == _TENSOR else None
                    if isinstance(array, np.ndarray):
                        if array.dtype.kind in "fiubc" and all_finite(array, allow_nan=allow_nan):
                            arrays += 1
                            size += array.nbytes
                            continue
                    elif kind == _NUMBER and isfinite(x):    # type: ignore[arg-type]
                        arrays += 1
                        size += 8
                        continue
                keys[-1] = key
                children = self._examine(x, kind, keys, report) if isinstance(kind, int) else kind(x)
                if len(report.findings) >= self._most:
                    report.complete = False
                    stack.clear()
                    break
                if children is not None and id(x) not in inside and id(x) not in clean:
                    inside.add(id(x))
                    opened.append((x, len(report.findings)))
                    keys.append(_ROOT)
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

    def _examine(
        self, x: Any, kind: int, keys: list[object], report: BatchReport
    ) -> Iterable[tuple[object, object]] | None:
        """Scan what is not clean at first sight, or is of no common kind; an array of objects may have children."""
        if kind == _TO_DICT:
            reason = "its to_dict() gave no mapping"
            try:
                found = x.to_dict()
            except Exception as error:
                found, reason = None, f"its to_dict() failed: {error}"
            if isinstance(found, Mapping):
                return found.items()
            self._leave_out(keys, reason, report)
            return None
        if kind == _UNKNOWN:
            self._leave_out(keys, f"objects of type {_type_name(x)} are not known", report)
            return None
        if getattr(getattr(x, "dtype", None), "kind", "") in tuple("SUT"):      # text, passed by as any other
            return None
        try:
            accepted = accept(x)
            if isinstance(accepted, Accepted) and accepted.label == "object":
                try:
                    _inputs.answer(accepted, NON_FINITE)
                except TypeError:
                    return _objects(accepted.array)
            found = self._report(accepted)
        except TypeError as error:
            self._leave_out(keys, str(error), report)
            return None
        report.arrays += 1
        report.bytes += _size(x, accepted)
        path = path_of(keys)
        for name in getattr(accepted if found is None else found, "not_scanned", ()):
            report.not_scanned[f"{path}.{name}" if path else name] = "it holds no numbers"
        if found is not None and _is_bad(found, self._allow_nan):
            index = min((place for place in (found.first, found.first_overflow) if place is not None), default=None)
            text = describe(found, name=path or None, allow_nan=self._allow_nan)
            report.findings.append(Finding(path, found, index[0] if index else None, text))
        return None

    def _report(self, accepted: Any) -> ScanReport | None:
        """What an input holds; None where the verdict alone was asked for and good."""
        plain = isinstance(accepted, Accepted)
        # Dates have no overflow.
        target = None if plain and accepted.array.dtype.kind in "mM" else self._target
        records = plain and accepted.how == "fields"
        if target is None and not records and not _inputs.answer(accepted, self._question):
            return None
        return _inputs.report(accepted, target, None, self._allow_nan)

    def _leave_out(self, keys: Sequence[object], reason: str, report: BatchReport) -> None:
        path = path_of(keys)
        if self._raises:
            raise TypeError(f"{path or 'batch'} cannot be scanned: {reason}")
        report.not_scanned[path] = reason


def _is_bad(report: ScanReport, allow_nan: bool) -> bool:
    return bool(report.posinf + report.neginf + report.overflow) if allow_nan else not report.ok


def path_of(keys: Sequence[object]) -> str:
    """A path as Python would write it, names after dots, dotted ones as they are; of the batch itself nothing."""
    return "".join(
        f".{str.__str__(key)}" if _is_name(key) else f"[{key!r}]" for key in keys if key is not _ROOT
    ).removeprefix(".")


class Name(str):
    """A key that stands in the path as it is."""

    __slots__ = ()


_ROOT = Name()


def _is_name(key: object) -> TypeGuard[str]:
    return isinstance(key, Name) or (
        isinstance(key, str) and all(part.isidentifier() or part.isdigit() for part in key.split("."))
    )


def in_words(findings: Iterable[Finding]) -> str:
    """The first finding in full, and where the others are."""
    first, *others = findings
    also = ", ".join(finding.path or "the batch" for finding in others[:8]) + (", ..." if len(others) > 8 else "")
    return first.text + (f"; also in {also}" if others else "")


def _type_name(x: object) -> str:
    kind = type(x)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _size(x: Any, accepted: Any) -> int:
    """Bytes, as the object itself says, or as its numbers have; of frames that do not say, 8 a cell."""
    if isinstance(accepted, Accepted):
        return int(accepted.array.nbytes)
    if isinstance(accepted, Sparse):
        return int(accepted.stored.array.nbytes)
    said = getattr(x, "nbytes", None)
    return said if isinstance(said, int) else 8 * math.prod(accepted.shape)


# ---- what a type is ----------------------------------------------------------------------------------


def _learn(x: object) -> int | Children:
    """What objects of this type are, kept for the next one."""
    if len(_kinds) >= _MOST_TYPES:      # types that a program makes without end
        _kinds.clear()
    return _kinds.setdefault(type(x), _kind_of(x))


def _kind_of(x: Any) -> int | Children:
    kind = type(x)
    if kind is np.ndarray:
        return _ARRAY
    if issubclass(kind, _HARMLESS) or any(_is_of(kind, *place) for place in _HARMLESS_OF):
        return _PASSED_BY
    if issubclass(kind, float):
        return _NUMBER
    if issubclass(kind, (np.ndarray, np.generic, numbers.Number)):
        return _OTHER
    opener = opener_of(kind)
    if opener is not None:
        return _TENSOR if opener is _tensors.open_torch else _OTHER
    if hasattr(kind, "casefold"):       # text of another class
        return _PASSED_BY
    # Objects with to_dict() have more in it than their items.
    by_dict = callable(getattr(kind, "to_dict", None)) and not issubclass(kind, Mapping)
    return _container_of(x, kind) or (_OTHER if _has_memory(x) else _TO_DICT if by_dict else _items_of(kind))


def _container_of(x: Any, kind: type) -> Children | None:
    fields = getattr(kind, "_fields", None) if issubclass(kind, tuple) else None
    if fields is None and hasattr(kind, "__dataclass_fields__"):
        fields = [field.name for field in sys.modules["dataclasses"].fields(kind)]
    if issubclass(kind, Mapping):
        return lambda x: x.items()
    if fields is None and hasattr(kind, "__attrs_attrs__"):
        fields = [attribute.name for attribute in kind.__attrs_attrs__]
    if fields is not None:
        return _attributes([str(name) for name in fields])
    if issubclass(kind, (Sequence, Set)) and not _has_memory(x):
        return enumerate
    if issubclass(kind, SimpleNamespace):
        return lambda x: vars(x).items()
    return None


def _items_of(kind: type) -> int | Children:
    if all(callable(getattr(kind, name, None)) for name in ("keys", "items", "__getitem__")):
        return lambda x: x.items()
    return _UNKNOWN


def _attributes(names: Sequence[str]) -> Children:
    return lambda x: ((name, getattr(x, name, None)) for name in names)


def _is_of(kind: type, module: str, name: str) -> bool:
    known = getattr(sys.modules.get(module), name, None)
    return known is not None and issubclass(kind, known)


def _has_memory(x: Any) -> bool:
    """Whether NumPy reads an object as an array, not as a sequence."""
    if any(hasattr(type(x), name) for name in ("__array__", "__array_interface__", "__array_struct__")):
        return True
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def _objects(array: np.ndarray[Any, Any]) -> Iterable[tuple[object, object]]:
    if array.ndim == 1:
        return enumerate(array)
    return ((index, x) for index, x in np.ndenumerate(array))

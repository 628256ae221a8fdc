"""What is known of a chunk, and how it is joined with what is known of its neighbours. Runs on dask's workers.

(a) Places are counted from the first element of a part, so that how large the chunks before it are need not be known:
joining along an axis shifts them. (b) A part has O(columns) bytes, and that is all that travels. (c) Kernels use one
thread: the workers are the parallelism.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from fastfinite import _columns, _formats, _inputs, _scan
from fastfinite._accept import accept
from fastfinite._accepted import Array, Frame, Input, Part
from fastfinite._formats import Format
from fastfinite._report import COUNTS, ScanReport
from fastfinite._threads import threads

P = TypeVar("P", bound="KnownPart")
# Opens a chunk as arrays and tables that follow each other along the first axis: more than one of bags.
Opener: TypeAlias = Callable[[Any], Iterator[Input]]


class KnownPart:
    """Something that is known of a part of a whole."""

    __slots__ = ("extent",)

    # Its length along each axis.
    extent: tuple[int, ...]

    def join(self: P, other: P, axis: int) -> None:
        """Add what is known of the neighbour that follows along an axis."""
        raise NotImplementedError

    def copy(self: P) -> P:
        """One that others can be joined to, while this stays as it is."""
        return copy.copy(self)

    def end_chunk(self) -> None:
        """Tell that this is a whole chunk."""


def joined(parts: Sequence[P | None], axis: int) -> P | None:
    """Parts that follow each other along an axis as one; those of empty partitions of bags are None."""
    present = [part for part in parts if part is not None]
    if not present:
        return None
    first, *others = present
    if others:      # a task may be done again, and its input be that of another
        first = first.copy()
    for other in others:
        _check_neighbours(first.extent, other.extent, axis)
        first.join(other, axis)
        first.extent = tuple(n + m if i == axis else n for i, (n, m) in enumerate(zip(first.extent, other.extent)))
    return first


def _check_neighbours(one: tuple[int, ...], other: tuple[int, ...], axis: int) -> None:
    if [n for i, n in enumerate(one) if i != axis] != [n for i, n in enumerate(other) if i != axis]:
        raise ValueError(f"chunks of x do not fit: {one} and {other} follow each other along axis {axis}")


def _check_names(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> None:
    if one != other:
        raise ValueError(f"the columns of x are {one} in one chunk, and {other} in another")


def known_of(block: Any, opener: Opener, make: Callable[[Input], P]) -> P | None:
    """What is known of a chunk."""
    with threads(1):
        part = joined([make(opened) for opened in opener(block)], 0)
    if part is not None:
        part.end_chunk()
    return part


# ---- opening -------------------------------------------------------------------------------------------


def open_array(block: Any) -> Iterator[Input]:
    """A chunk of an array."""
    yield accept(block)


def open_items(block: Any) -> Iterator[Input]:
    """The items of a partition of a bag, arrays and tables of the same columns."""
    for item in block:
        opened = accept(item)
        if not opened.shape:
            raise TypeError(f"x is a bag whose items are no arrays, but {type(item).__name__}: pass it to scan_batch")
        if len(opened.shape) > 2:
            raise TypeError(f"x is a bag whose items have {len(opened.shape)} axes; they may have one or two")
        yield opened


class open_partition:
    """Opens the partitions of a data frame, of which only some columns were read."""

    def __init__(self, names: list[str], positions: list[int], others: list[int]) -> None:
        self._names, self._positions, self._others = names, positions, others

    def __dask_tokenize__(self) -> object:
        return tuple(self._names), tuple(self._positions), tuple(self._others)

    def __call__(self, block: Any) -> Iterator[Input]:
        """The partition with a place for every column."""
        opened = accept(self._in_order(block))
        assert isinstance(opened, Frame)

        def parts() -> Iterator[Part]:
            for accepted, (row, column) in opened.parts():
                # Columns that are neighbours here need not be so in the whole.
                for i in range(accepted.shape[1]):
                    one = np.s_[:, i : i + 1]
                    mask = None if accepted.mask is None else accepted.mask[one]
                    yield accepted._replace(array=accepted.array[one], mask=mask), (row, self._positions[column + i])

        # What a column of objects holds a partition without rows cannot tell.
        unscanned = sorted({*self._others, *(self._positions[i] for i in opened.unscanned if opened.shape[0])})
        doubtful = [self._positions[i] for i in opened.doubtful]
        yield Frame((opened.shape[0], len(self._names)), opened.label, self._names, unscanned, doubtful, parts)

    def _in_order(self, block: Any) -> Any:
        """The partition with its columns in the order of the collection, which finds them by name too."""
        expected, there = [self._names[i] for i in self._positions], [str(name) for name in block.columns]
        if there == expected:
            return block
        if len(set(there)) < len(there) or sorted(there) != sorted(expected):
            raise ValueError(f"x has the columns {tuple(expected)}, but one of its partitions has {tuple(there)}")
        return block.iloc[:, [there.index(name) for name in expected]]


# ---- scans ---------------------------------------------------------------------------------------------


class ScanPart(KnownPart):
    """Counts and places; with an axis, counts along it too."""

    __slots__ = ("_axis", "_by_axis", "report")

    # A row for each of the counts, and one for how many were looked at.
    _by_axis: Array | None

    def __init__(self, opened: Input, target: str | None, axis: int | None, allow_nan: bool) -> None:
        form = None if target is None else _formats.of_name(target, "target_dtype")
        if axis is not None:
            _scan.normalized_axis(axis, len(opened.shape))      # of the items of bags it was not known
        found = _inputs.report(opened, form, axis, allow_nan)
        self.extent, self._axis, self.report = tuple(opened.shape), axis, found.totals
        self._by_axis = None
        if axis is not None:
            rest = tuple(n for i, n in enumerate(self.extent) if i != axis)
            self._by_axis = np.empty((len(COUNTS) + 1, *rest), np.intp)
            for i, name in enumerate(COUNTS):
                self._by_axis[i] = getattr(found, name)
            self._by_axis[-1] = self.extent[axis] if found._looked_at is None else found._looked_at

    def copy(self) -> ScanPart:
        twin = super().copy()
        twin.report = copy.copy(self.report)
        return twin

    def join(self, other: ScanPart, axis: int) -> None:
        _check_names(self.report.names, other.report.names)
        shift = tuple(n if i == axis else 0 for i, n in enumerate(self.extent))
        self.report._merge(other.report, shift)
        mine = self.report.not_scanned
        self.report.not_scanned = (*mine, *(name for name in other.report.not_scanned if name not in mine))
        if self._axis is None:
            return
        assert self._by_axis is not None and other._by_axis is not None
        if axis == self._axis:
            self._by_axis = self._by_axis + other._by_axis
        else:
            self._by_axis = np.concatenate([self._by_axis, other._by_axis], 1 + axis - (axis > self._axis))

    def finished(self) -> ScanReport:
        """The report of the whole."""
        self.report.shape = self.extent
        if self._by_axis is None:
            return self.report
        counts = {name: np.array(row) for name, row in zip(COUNTS, self._by_axis)}
        found = ScanReport(
            self.extent, self.report.dtype, size=self.report.size, counts=counts, axis=self._axis,
            target_dtype=self.report.target_dtype, not_scanned=self.report.not_scanned, names=self.report.names,
            first=self.report.first, first_kind=self.report.first_kind, first_overflow=self.report.first_overflow,
        )
        if self.report.names is not None:
            found._looked_at = np.array(self._by_axis[-1])
        return found


class FoundPlaces(KnownPart):
    """Indices of the values of a kind, in C order, as many as were asked for."""

    __slots__ = ("_limit", "places")

    def __init__(self, opened: Input, question: int, limit: int | None) -> None:
        if isinstance(opened, Frame):
            _inputs.refuse_doubtful(opened)
        self.extent, self._limit = tuple(opened.shape), limit
        self.places = _inputs.indices(opened, question, limit)

    def join(self, other: FoundPlaces, axis: int) -> None:
        shift = np.array([n if i == axis else 0 for i, n in enumerate(self.extent)], np.intp)
        every = np.concatenate([self.places, other.places + shift])
        self.places = every[np.lexsort(every.T[::-1])][: self._limit]

    def finished(self) -> Array:
        """The indices in the whole."""
        return self.places


# ---- verdicts ------------------------------------------------------------------------------------------


class FoundBad(Exception):
    """Ends the work of a scheduler: a chunk holds what was asked for."""


class Answer:
    """Whether something was found; else why there may be no verdict.

    Attributes
    ----------
    found : bool
    refusal : str
        Of columns that may hold numbers, and could not be looked at.
    left_out, looked_at : frozenset of int
        Columns of data frames. One that is both holds numbers in some partitions, and in others something else.
    """

    __slots__ = ("found", "left_out", "looked_at", "refusal")

    def __init__(self, found: bool, refusal: str = "", left_out: Iterable[int] = (), columns: int = 0) -> None:
        self.found, self.refusal, self.left_out = found, refusal, frozenset(left_out)
        self.looked_at = frozenset(range(columns)) - self.left_out

    def verdict(self) -> bool:
        """The answer, or the TypeError that says why there is none."""
        mixed = self.left_out & self.looked_at
        if not self.found and (self.refusal or mixed):
            raise TypeError(self.refusal or f"cannot scan the columns {sorted(mixed)} of x: they hold numbers in some "
                            "partitions, and something else in others")
        return self.found


def answer_of(block: Any, opener: Opener, question: int, end: bool) -> Answer:
    """Whether a chunk holds what is asked for; with `end`, that is raised."""
    answer = Answer(False)
    with threads(1):
        for opened in opener(block):
            refusal, frame = "", isinstance(opened, Frame) and len(opened.shape) == 2 and opened.shape[0] > 0
            try:
                found = _inputs.answer(opened, question)
            except TypeError as error:
                if not isinstance(opened, Frame):
                    raise
                found, refusal = False, str(error)        # another chunk may hold something bad
            if found and end:
                raise FoundBad
            left_out = opened.unscanned if frame and isinstance(opened, Frame) else ()
            answer = any_of([answer, Answer(found, refusal, left_out, opened.shape[1] if frame else 0)], 0)
            if answer.found:
                break
    return answer


def any_of(answers: Sequence[Answer], axis: int) -> Answer:
    """The answer of several chunks."""
    whole = Answer(any(answer.found for answer in answers),
                   next((answer.refusal for answer in answers if answer.refusal), ""))
    whole.left_out = frozenset().union(*(answer.left_out for answer in answers))
    whole.looked_at = frozenset().union(*(answer.looked_at for answer in answers))
    return whole


# ---- statistics ----------------------------------------------------------------------------------------


class TablePart(KnownPart):
    """The table of sums of columns, along some axes."""

    __slots__ = ("_axes", "names", "rows", "table", "unscanned")

    def __init__(self, opened: Input, axes: tuple[int, ...] | None) -> None:
        # Of how many axes the items of a bag are is not known before.
        axes = tuple(range(len(opened.shape))) if axes is None else axes
        if axes and max(axes) >= len(opened.shape):
            raise np.exceptions.AxisError(max(axes), len(opened.shape))
        self.extent, self._axes = tuple(opened.shape), axes
        self.names = _inputs.names_of(opened)
        self.unscanned = set(opened.unscanned) if isinstance(opened, Frame) else set()
        # The lengths of all chunks along the first axis.
        self.rows: list[int] = []
        numbers, _ = _inputs.numbers_only(opened)
        table = _inputs.tabulated(numbers, axes)
        if self.unscanned and 1 not in axes:
            whole = _columns.empty_table(self.extent[1])
            whole[:, [i for i in range(self.extent[1]) if i not in self.unscanned]] = table
            table = whole
        self.table = table

    def copy(self) -> TablePart:
        twin = super().copy()
        twin.rows, twin.table, twin.unscanned = list(self.rows), self.table.copy(), set(self.unscanned)
        return twin

    def join(self, other: TablePart, axis: int) -> None:
        _check_names(self.names, other.names)
        if axis == 0:
            self.rows += other.rows
        self.unscanned |= other.unscanned
        if axis in self._axes:
            _columns.merge_tables(self.table, other.table)
            return
        rest = [i for i in range(len(self.extent)) if i not in self._axes]
        shapes = [(len(part.table), *(part.extent[i] for i in rest)) for part in (self, other)]
        tables = [part.table.reshape(shape) for part, shape in zip((self, other), shapes)]
        both = np.concatenate(tables, 1 + rest.index(axis))
        self.table = np.ascontiguousarray(both.reshape(len(both), -1))

    def end_chunk(self) -> None:
        self.rows = list(self.extent[:1])

    def finished(self) -> TablePart:
        """Itself."""
        return self


def named_format(target: Format | None) -> str | None:
    """A format as it travels."""
    return None if target is None else target.name

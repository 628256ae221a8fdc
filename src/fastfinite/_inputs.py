"""The questions of _tally.py, put to whatever was accepted: arrays, frames, sparse arrays, arrays of other devices.

A frame answers part by part, a sparse array by its values, a device by itself; their places are then worked out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fastfinite import _columns, _slow, _tally
from fastfinite._accepted import Accepted, Array, Chunked, Frame, Input, Part, Remote, Sparse
from fastfinite._formats import NAN_ONLY, NON_FINITE, Format
from fastfinite._report import COUNTS, ScanReport
from fastfinite._tabulate import Floats, tabulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Sparse arrays are made dense by rows of about so many values where that is the simplest.
_SLAB = 1 << 16


def answer(x: Input, question: int) -> bool:
    """Whether there is a value of the kind asked for."""
    if isinstance(x, Accepted):
        return _tally.answer(x, question)
    if isinstance(x, Frame):
        found = any(_tally.answer(accepted, question) for accepted, _ in x.parts())
        if not found:
            refuse_doubtful(x)
        return found
    if isinstance(x, Sparse):
        return _tally.answer(x.stored, question)
    return x.ask(question)


def refuse_doubtful(x: Frame) -> None:
    """Raise TypeError where columns that may hold numbers were not looked at: of these there is no verdict."""
    if x.doubtful:
        raise TypeError(f"cannot scan the columns {', '.join(map(repr, x.may_hold_numbers))}: they hold lists, structs "
                        "or mixed objects; choose the others, or use scan, which lists what it leaves out")


def report(x: Input, target: Format | None, axis: int | None, allow_nan: bool = False) -> ScanReport:
    """Counts and places; totals, or along an axis. With `allow_nan` the first place is that of an infinite value."""
    if isinstance(x, Accepted):
        return _report_array(x, target, axis, allow_nan)
    if isinstance(x, Frame):
        return _report_frame(x, target, axis, allow_nan)
    if isinstance(x, Sparse):
        return _report_sparse(x, target, axis, allow_nan)
    if isinstance(x, Chunked):
        return x.report(target, axis, allow_nan)
    # Whether finite values fit another format is found out here.
    if target is None and not x.ask(NON_FINITE):
        return _empty(x, target, axis, math.prod(x.shape))
    return report(x.fetch(), target, axis, allow_nan)


def _report_array(x: Accepted, target: Format | None, axis: int | None, allow_nan: bool) -> ScanReport:
    found = _tally.report_of(x, target, axis)
    if allow_nan:
        _tally.pass_over_nan(found, x)
    return found


def _empty(x: Frame | Sparse | Remote, target: Format | None, axis: int | None, size: int) -> ScanReport:
    """A report of nothing yet."""
    rest = None if axis is None else x.shape[:axis] + x.shape[axis + 1 :]
    counts = {name: 0 if rest is None else np.zeros(rest, np.intp) for name in COUNTS}
    return ScanReport(
        x.shape, x.label, size=size, counts=counts, axis=axis,
        target_dtype=None if target is None else target.name,
        not_scanned=x.not_scanned if isinstance(x, Frame) else (),
        names=tuple(x.names) if isinstance(x, Frame) else None,
    )


def _report_frame(x: Frame, target: Format | None, axis: int | None, allow_nan: bool) -> ScanReport:
    whole = _empty(x, target, None, 0)
    counts = _empty(x, target, axis, 0)
    looked_at = np.zeros_like(counts.nan)
    for accepted, origin in x.parts():
        part = _report_array(accepted, target, axis, allow_nan)
        whole._merge(part.totals, origin)
        if axis is not None:
            others = [slice(start, start + n) for start, n in zip(origin, accepted.shape)]
            del others[axis]
            for name in COUNTS:
                getattr(counts, name)[tuple(others)] += getattr(part, name)
            looked_at[tuple(others)] += accepted.shape[axis]
    if axis is None:
        return whole
    counts.size = whole.size
    counts._looked_at = looked_at
    counts.first, counts.first_kind, counts.first_overflow = whole.first, whole.first_kind, whole.first_overflow
    return counts


def _report_sparse(x: Sparse, target: Format | None, axis: int | None, allow_nan: bool) -> ScanReport:
    whole = _empty(x, target, axis, math.prod(x.shape))
    # Values of one place that fit the target may not do so together.
    if target is None and _tally.report_of(x.stored, None, None).ok:
        return whole
    values, coordinates = x.ordered()
    found = _report_array(values, target, None, allow_nan)
    if axis is None:
        for name in COUNTS:
            setattr(whole, name, getattr(found, name))
    else:
        rest = whole.nan.shape
        others = np.delete(coordinates, axis, axis=0)
        column: Array = np.ravel_multi_index(tuple(others), rest) if rest else np.zeros(coordinates.shape[1], np.intp)
        for name in COUNTS:
            for start, code in _slow.codes(values, target):
                bad = start + np.flatnonzero(code == _slow.CODE_OF_COUNT[name])
                np.add.at(getattr(whole, name).reshape(-1), column[bad], 1)
    if found.first is not None:
        whole.first, whole.first_kind = _place(coordinates, found.first[0]), found.first_kind
    if found.first_overflow is not None:
        whole.first_overflow = _place(coordinates, found.first_overflow[0])
    return whole


def _place(coordinates: Array, index: int) -> tuple[int, ...]:
    return tuple(int(i) for i in coordinates[:, index])


def indices(x: Input, question: int, limit: int | None) -> NDArray[np.intp]:
    """Indices of the values of the kind asked for, a row each, in C order, `limit` at most."""
    if isinstance(x, Remote):
        if not x.ask(NAN_ONLY if question == _tally.MISSING else question):
            return np.empty((0, len(x.shape)), np.intp)
        return indices(x.fetch(), question, limit)
    if isinstance(x, Chunked):
        return x.indices(question, limit)
    if isinstance(x, Accepted):
        return _unraveled(x, question, limit)
    if isinstance(x, Sparse):
        # All that is stored is looked at before any of it is sorted.
        if not len(_unraveled(x.stored, question, 1)):
            return np.empty((0, len(x.shape)), np.intp)
        values, coordinates = x.ordered()
        return coordinates[:, _unraveled(values, question, limit)[:, 0]].T
    found = [_unraveled(accepted, question, None) + np.array(origin, np.intp) for accepted, origin in x.parts()]
    every = np.concatenate(found) if found else np.empty((0, len(x.shape)), np.intp)
    return every[np.lexsort(every.T[::-1])][:limit]


def _unraveled(x: Accepted, question: int, limit: int | None) -> NDArray[np.intp]:
    size, shape = x.array.size, x.shape
    found = _tally.indices(x, question, size if limit is None else min(limit, size))
    if not shape:
        return np.empty((len(found), 0), np.intp)
    return np.stack(np.unravel_index(found, shape), axis=-1).astype(np.intp, copy=False).reshape(len(found), len(shape))


def nan_report(x: Input) -> ScanReport:
    """The totals of what counts as nan alone, None and NaT and nulls with it."""
    whole = report(x, None, None)
    kinds = {"nan": whole.nan, "null": whole.null}
    first, nan = (next((tuple(int(i) for i in row) for row in indices(x, question, 1)), None)
                  for question in (_tally.MISSING, NAN_ONLY))
    kind = None if first is None else "nan" if first == nan else "null"
    return ScanReport(whole.shape, whole.dtype, size=whole.size, counts=kinds, first=first, names=whole.names,
                      first_kind=kind)


def names_of(x: Input) -> tuple[str, ...] | None:
    """The names of the columns of a data frame."""
    if isinstance(x, Chunked):
        return x.names
    return tuple(x.names) if isinstance(x, Frame) and len(x.shape) == 2 else None


def numbers_only(x: Input) -> tuple[Input, tuple[str, ...]]:
    """The input without the columns that hold no numbers, and their names."""
    if not isinstance(x, Frame) or not x.unscanned:
        return x, ()
    frame = x
    left_out = set(frame.unscanned)
    kept = [position for position in range(len(frame.names)) if position not in left_out]
    moved = {position: place for place, position in enumerate(kept)}

    def parts() -> Iterator[Part]:
        for accepted, origin in frame.parts():
            yield accepted, (origin[0], moved[origin[1]])

    names = [frame.names[position] for position in kept]
    return Frame((frame.shape[0], len(kept)), frame.label, names, [], [], parts), frame.not_scanned


def as_row(x: Input) -> Input:
    """The input as the only row of something larger."""
    if isinstance(x, Accepted):
        return x._replace(array=x.array[np.newaxis], mask=_row(x.mask))
    if isinstance(x, (Remote, Chunked)):
        return as_row(x.fetch())
    shape = (1, *x.shape)
    if isinstance(x, Sparse):
        values, coordinates = x.ordered()
        first = np.zeros((1, coordinates.shape[1]), np.intp)
        return Sparse(shape, values, lambda: (values, np.concatenate([first, coordinates])))
    frame = x

    def parts() -> Iterator[Part]:
        for accepted, origin in frame.parts():
            yield accepted._replace(array=accepted.array[np.newaxis], mask=_row(accepted.mask)), (0, *origin)

    return Frame(shape, frame.label, frame.names, frame.unscanned, frame.doubtful, parts)


def _row(mask: Array | None) -> Array | None:
    return None if mask is None else mask[np.newaxis]


def tabulated(x: Input, axes: tuple[int, ...]) -> Floats:
    """The table of sums of the columns that are left when `axes` are reduced."""
    if isinstance(x, Accepted):
        return tabulate(x, axes)
    if isinstance(x, (Remote, Chunked)):
        return tabulated(x.fetch(), axes)
    others = tuple(i for i in range(len(x.shape)) if i not in axes)
    columns = np.arange(math.prod(x.shape[i] for i in others)).reshape([x.shape[i] for i in others])
    table = _columns.empty_table(columns.size)
    for accepted, origin in x.parts() if isinstance(x, Frame) else _slabs(x):
        place = columns[tuple(slice(origin[i], origin[i] + accepted.shape[i]) for i in others)].ravel()
        sums: Floats = np.ascontiguousarray(table[:, place])
        _columns.merge_tables(sums, tabulate(accepted, axes))
        table[:, place] = sums
    return table


def _slabs(x: Sparse) -> Iterator[Part]:
    """A sparse array, some of its rows at a time, with its zeros."""
    if len(x.shape) == 2 and x.shape[0] <= _SLAB:
        yield from _blocks_of_columns(x)
        return
    values, coordinates = x.ordered()
    if not x.shape:
        slab = np.zeros((), values.array.dtype)
        slab[...] = values.array[0] if len(values.array) else 0
        yield values._replace(array=slab), ()
        return
    rest = x.shape[1:]
    step = max(1, _SLAB // max(1, math.prod(rest)))
    for start in range(0, x.shape[0], step):
        rows = min(step, x.shape[0] - start)
        first, stop = np.searchsorted(coordinates[0], (start, start + rows))
        slab = np.zeros((rows, *rest), values.array.dtype)
        slab[(coordinates[0, first:stop] - start, *coordinates[1:, first:stop])] = values.array[first:stop]
        yield values._replace(array=slab), (start,) + (0,) * len(rest)


def by_column(x: Sparse) -> tuple[Accepted, Array, Array]:
    """The values of a sparse array of two axes column by column, and the row and column of each."""
    values, (row, column) = x.ordered()
    order = np.argsort(column, kind="stable")
    return values._replace(array=values.array[order]), row[order], column[order]


def _blocks_of_columns(x: Sparse) -> Iterator[Part]:
    """All rows of some columns at a time: of wide arrays, whose rows are many columns each."""
    rows, columns = x.shape
    values, row, column = by_column(x)
    stored = values.array
    step = max(1, _SLAB // max(1, rows))
    for start in range(0, columns, step):
        width = min(step, columns - start)
        first, stop = np.searchsorted(column, (start, start + width))
        slab = np.zeros((rows, width), stored.dtype)
        slab[row[first:stop], column[first:stop] - start] = stored[first:stop]
        yield values._replace(array=slab), (0, start)

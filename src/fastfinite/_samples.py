"""`Samples`: the rows of X as `diagnose` sees them, from memory or from a file.

One pass makes the statistics of the columns. What they make suspicious is then looked at again, in one more pass for
all the questions there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from fastfinite import _inputs
from fastfinite._accepted import Accepted, Array, Chunked, Frame, Input, Part, Remote, Sparse
from fastfinite._bad_map import BadMap, told_names
from fastfinite._files import Index
from fastfinite._second_look import Question, chunks
from fastfinite._statistics import ColumnStats, stats_of


class Samples:
    """Rows of columns, all axes but the first.

    Attributes
    ----------
    shape : tuple of int
        As it is told.
    rows : int
    stats : ColumnStats
        Of the columns that hold numbers.
    positions : ndarray of int
        Where these are among all.
    doubtful : tuple of str
        Columns that may hold numbers, and were not looked at.
    bad_map : BadMap
        Of all columns, for those who look at them to fill.
    """

    def __init__(
        self, shape: tuple[int, ...], names: Sequence[str] | None, stats: ColumnStats, positions: Array,
        parts: Callable[[Array], Iterable[Part]], doubtful: Sequence[str] = (),
    ) -> None:
        # Of all columns, as pictures have them.
        self.shape, self.rows, self.stats, self.positions = shape, shape[0], stats, positions
        # Gives the columns at these positions once more, and maybe others.
        self._parts = parts
        self.doubtful = tuple(doubtful)
        self.bad_map = BadMap(math.prod(shape[1:]), names)
        self.bad_map.reach(self.rows)

    def name_columns(self, names: Iterable[object]) -> None:
        """Name the columns, one for each that holds numbers."""
        self.stats.name_columns(names)
        told = list(self.bad_map.names or [""] * math.prod(self.shape[1:]))
        for position, name in zip(self.positions, self.stats.names or ()):
            told[position] = name
        self.bad_map.names = told

    def answer(self, questions: Sequence[Question]) -> None:
        """Go through the columns that are asked about."""
        columns = asked_columns(questions)
        if not len(columns):
            return
        positions = self.positions[columns]
        for chunk in chunks(self._parts(positions), positions, columns):
            for question in questions:
                question.take(chunk)


def asked_columns(questions: Sequence[Question]) -> Array:
    """The columns that are asked about, ascending."""
    return np.unique(np.concatenate([np.empty(0, np.intp), *(question.columns for question in questions)]))


def samples_of(opened: Input) -> Samples:
    """What was accepted, as samples."""
    if isinstance(opened, Remote):
        opened = opened.fetch()
    shape = opened.shape
    if not shape:
        raise ValueError("X must have rows; it is a single number")
    if isinstance(opened, Chunked):
        # It has come from there.
        from fastfinite._dask_samples import DaskSamples

        return DaskSamples(opened)
    if isinstance(opened, Frame):
        kept = np.delete(np.arange(len(opened.names)), opened.unscanned)
        frame = opened
        told = told_names(opened.names, opened.unscanned)
        return Samples(shape, told, stats_of(opened), kept, lambda columns: frame.parts(),
                       opened.may_hold_numbers)
    if isinstance(opened, Accepted):
        wide = (shape[0], math.prod(shape[1:]))
        mask = None if opened.mask is None else opened.mask.reshape(wide)
        table = opened._replace(array=opened.array.reshape(wide), mask=mask)
        return Samples(shape, None, stats_of(table), np.arange(wide[1]), lambda columns: [(table, (0, 0))])
    if len(shape) != 2:
        raise ValueError(f"X must have two axes, or be a dense array; its shape is {shape}")
    sparse = opened
    return Samples(shape, None, stats_of(opened), np.arange(shape[1]), lambda columns: columns_of(sparse, columns))


def flattened(accepted: Accepted, origin: Index, shape: Index) -> Iterator[Part]:
    """A block of an array as parts of a table, all axes but the first its columns."""
    extent = accepted.shape
    if 0 in extent:
        return
    # The last axes, as far as the block has them whole, are neighbours in one row, and so is the axis before them.
    run = len(shape) - 1
    while run > 1 and extent[run] == shape[run]:
        run -= 1
    for index in np.ndindex(extent[1:run]):
        place = (*(start + i for start, i in zip(origin[1:], index)), *origin[max(1, run):])
        column = int(np.ravel_multi_index(place, shape[1:])) if place else 0
        part = (slice(None), *index)
        width = math.prod(extent[max(1, run):])
        mask = None if accepted.mask is None else accepted.mask[part].reshape(extent[0], width)
        yield accepted._replace(array=accepted.array[part].reshape(extent[0], width), mask=mask), (origin[0], column)


def columns_of(x: Sparse, columns: Array) -> Iterator[Part]:
    """Columns with their zeros."""
    values, row, column = _inputs.by_column(x)
    for i in map(int, columns):
        first, stop = np.searchsorted(column, (i, i + 1))
        dense = np.zeros((x.shape[0], 1), values.array.dtype)
        dense[row[first:stop], 0] = values.array[first:stop]
        yield values._replace(array=dense), (0, i)

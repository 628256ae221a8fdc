"""Where the bad values are: `BadMap`, a small grid of counts that a picture, a page or a terminal shows.

(a) Rows are binned by powers of two: while they come, bins grow as often as need be, so that the number of rows need
not be known before, and nothing depends on how the rows are cut into parts. (b) Columns are binned evenly from the
start. (c) Values come as counts by column of rows that lie in one bin: `split` cuts them so.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from fastfinite._accepted import Array

# The grid has so many columns at most, and half to all of so many rows, where there are as many.
MOST_COLUMNS = 1024
MOST_ROWS = 128


class BadMap:
    """Counts of bad values by bins of rows and of columns.

    Attributes
    ----------
    shape : tuple of int
        Rows that were seen so far, and columns.
    names : sequence of str or None
        Of the columns.
    depth : int
        How many values there are for each row and column: of arrays of more axes, those between are summed.
    rows_per_bin, columns_per_bin : int
        The last bin of each may be smaller.
    """

    def __init__(self, columns: int, names: Sequence[str] | None = None, depth: int = 1) -> None:
        self.shape: tuple[int, int] = (0, columns)
        self.names = names
        self.depth = depth
        self.rows_per_bin: int = 1
        self.columns_per_bin: int = max(1, -(-columns // MOST_COLUMNS))
        self._grid = np.zeros((MOST_ROWS, -(-columns // self.columns_per_bin)), np.int64)

    def split(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut rows where bins end."""
        self.reach(stop)
        step = self.rows_per_bin
        while start < stop:
            end = min(stop, (start // step + 1) * step)
            yield start, end
            start = end

    def reach(self, rows: int) -> None:
        """Tell that there are at least so many rows."""
        self.shape = (max(self.shape[0], rows), self.shape[1])
        while rows > MOST_ROWS * self.rows_per_bin:
            pairs = self._grid.reshape(MOST_ROWS // 2, 2, -1).sum(axis=1)
            self._grid = np.concatenate([pairs, np.zeros_like(pairs)])
            self.rows_per_bin *= 2

    def add(self, counts: Array, row: int, columns: Array) -> None:
        """Add counts of these columns, all of rows in the bin of `row`."""
        np.add.at(self._grid[row // self.rows_per_bin], columns // self.columns_per_bin, counts)

    def join(self, other: BadMap) -> None:
        """Add the counts of other rows or columns of the same whole."""
        rows = max(self.shape[0], other.shape[0])
        self.reach(rows)
        if other.rows_per_bin < self.rows_per_bin:
            other = copy.deepcopy(other)
            other.reach(rows)
        self._grid += other._grid

    def __getstate__(self) -> dict[str, Any]:
        # A part of the whole has counts in a few bins of rows, and travels with these alone.
        used = np.flatnonzero(self._grid.any(axis=1))
        return {**self.__dict__, "_grid": (used, self._grid[used])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        used, counts = state.pop("_grid")
        self.__dict__.update(state)
        self._grid = np.zeros((MOST_ROWS, counts.shape[1]), np.int64)
        self._grid[used] = counts

    @property
    def counts(self) -> Array:
        """The grid, (bins of rows, bins of columns)."""
        grid: Array = self._grid[: -(-self.shape[0] // self.rows_per_bin)]
        return grid

    @property
    def sizes(self) -> Array:
        """How many values each cell stands for."""
        rows, columns = (_extents(n, step) for n, step in zip(self.shape, (self.rows_per_bin, self.columns_per_bin)))
        return np.asarray(rows[:, None] * columns * self.depth)

    def pooled(self, down: int, across: int) -> tuple[Array, Array]:
        """Counts and sizes of so many cells together."""
        counts, sizes = (
            np.add.reduceat(np.add.reduceat(cells, np.arange(0, cells.shape[0], down), axis=0),
                            np.arange(0, cells.shape[1], across), axis=1)
            for cells in (self.counts, self.sizes)
        )
        return counts, sizes

    @property
    def not_scanned(self) -> Array:
        """The columns of which the names say so: of these, that nothing is bad means nothing."""
        return np.flatnonzero([isinstance(name, _Unscanned) for name in self.names or ()])

    def __bool__(self) -> bool:
        return bool(self._grid.any())


class _Unscanned(str):
    """The name of a column that was not scanned; a column may be called so."""

    __slots__ = ()


def told_names(names: Sequence[str], unscanned: Collection[int]) -> list[str]:
    """The names of all columns, as pictures have them."""
    return [_Unscanned(f"{name} (not scanned)") if i in unscanned else name for i, name in enumerate(names)]


def _extents(n: int, step: int) -> Array:
    edges = np.minimum(np.arange(-(-n // step) + 1) * step, n)
    return np.diff(edges)

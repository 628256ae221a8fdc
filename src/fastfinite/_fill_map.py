"""Fills a `BadMap` with what the scan of a file finds: `ArrayMap` of an array, `TableMap` of a table.

(a) Only what the scan has found something in is looked at again, the rows of one bin at a time, by the kernels.
(b) Of arrays, rows are the first axis and columns the last, and what lies between is summed; those of one axis are one
column. The columns of records are their fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fastfinite import _inputs
from fastfinite._accepted import Accepted, Array, fields_of, of_array
from fastfinite._bad_map import BadMap, told_names
from fastfinite._files import FileArray, FileTable, Index, TableBlock, Values
from fastfinite._formats import Format
from fastfinite._scan_files import by_columns


class ArrayMap:
    """The map of an array that has axes.

    Parameters
    ----------
    array : FileArray
    target : Format or None
        Finite values that would overflow it are bad too.
    allow_nan : bool
        Nan and null are not bad.
    """

    def __init__(self, array: FileArray, target: Format | None, allow_nan: bool) -> None:
        self._target, self._allow_nan = target, allow_nan
        rows, *rest = array.shape
        if array.dtype.names is not None:
            names = [name for name, _ in fields_of(of_array(np.empty(0, array.dtype)))[0]]
            self.bad_map = BadMap(len(names), names, math.prod(rest))
        else:
            self.bad_map = BadMap(rest[-1] if rest else 1, depth=math.prod(rest[:-1]))
        self.bad_map.reach(rows)

    def add(self, accepted: Accepted, origin: Index) -> None:
        """Add a part of the array, whose first element has this index in the whole."""
        rows = len(accepted.array)
        for column, target, table in self._tables(accepted, origin[-1] if origin[1:] else 0):
            lines = len(table.array) // rows
            for start, stop in self.bad_map.split(origin[0], origin[0] + rows):
                part = _lines(table, (start - origin[0]) * lines, (stop - origin[0]) * lines)
                counts = _counts(part, target, self._allow_nan)
                (bad,) = np.nonzero(counts)
                self.bad_map.add(counts[bad], start, column + bad)

    def _tables(self, accepted: Accepted, first: int) -> Iterator[tuple[int, Format | None, Accepted]]:
        """Tables with as many lines for each row, and the column that the first column of each is."""
        if accepted.how == "fields":
            for position, (_, field) in enumerate(fields_of(accepted)[0]):
                yield position, None if field.array.dtype.kind in "mM" else self._target, _table(field, 1)
        elif accepted.array.ndim == 1:
            yield 0, self._target, _table(accepted, 1)
        else:
            for start, part in by_columns(accepted):
                yield first + start, self._target, _table(part, part.shape[-1])


class TableMap:
    """The map of a table, each column of which is mapped alone: which of them are scanned is known at the end.

    Parameters
    ----------
    table : FileTable
    target, allow_nan
        As of `ArrayMap`.
    """

    def __init__(self, table: FileTable, target: Format | None, allow_nan: bool) -> None:
        self._table, self._target, self._allow_nan = table, target, allow_nan
        self._columns: dict[int, BadMap] = {}

    def add(self, position: int, values: Values, block: TableBlock) -> None:
        """Add the values of a column in a block."""
        column = self._columns.setdefault(position, BadMap(1))
        target = None if values.dates else self._target
        for start, stop in column.split(block.first, block.first + block.rows):
            low, high = start - block.first, stop - block.first
            if values.rows is not None:     # in ascending order
                low, high = np.searchsorted(values.rows, (low, high))
            part = _lines(_table(values.accepted, 1), low, high)
            column.add(_counts(part, target, self._allow_nan), start, np.zeros(1, np.intp))

    def joined(self, rows: int) -> BadMap:
        """The map of all columns that were scanned, once all of so many rows have been read."""
        left_out = self._table.left_out()
        names = told_names([column.name for column in self._table.columns], left_out)
        whole = BadMap(len(names), names)
        whole.reach(rows)
        for position, column in self._columns.items():
            if position not in left_out:
                column.reach(rows)      # and so the bins are the same
                for number, counts in enumerate(column.counts):
                    whole.add(counts, number * whole.rows_per_bin, np.array([position]))
        return whole


def _table(accepted: Accepted, columns: int) -> Accepted:
    """An array as lines of so many columns."""
    mask = None if accepted.mask is None else accepted.mask.reshape(-1, columns)
    return accepted._replace(array=accepted.array.reshape(-1, columns), mask=mask)


def _lines(table: Accepted, start: int, stop: int) -> Accepted:
    mask = None if table.mask is None else table.mask[start:stop]
    return table._replace(array=table.array[start:stop], mask=mask)


def _counts(table: Accepted, target: Format | None, allow_nan: bool) -> Array:
    """How many values of each column are bad."""
    # Where there are nulls, totals are found much faster than counts by column.
    report = _inputs.report(table, target, None if table.shape[1] == 1 else 0)
    found = report.posinf + report.neginf if allow_nan else report.bad
    return np.atleast_1d(found + report.overflow)

"""Scans what the readers of files give, block by block, and adds the reports of the blocks up.

- `scan_array` scans the blocks of one array into one report;
- `scan_table` those of a table into one report a column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastfinite import _inputs, _slow
from fastfinite._accepted import Accepted, Array, Part, as_column, fields_of, of_array
from fastfinite._files import Block, DType, FileArray, FileTable, Index, Problem, TableBlock, Values
from fastfinite._formats import FINITE_BY_TYPE, NON_FINITE, Format
from fastfinite._report import COUNTS, ScanReport

# scan(axis=0) needs memory for each column, so wide blocks are counted so many columns at a time.
COLUMNS_AT_ONCE = 1 << 16
# The counts kept for each column.
COLUMN_COUNTS = tuple(name for name in COUNTS if name != "masked")


class Scanned(NamedTuple):
    """What the scan of an array gave; `columns` maps the kinds found to counts by column, where they were asked for."""

    report: ScanReport
    columns: dict[str, Array] | None
    bytes_read: int


def scan_array(
    array: FileArray,
    *,
    target_dtype: Format | None = None,
    columns: bool = False,
    allow_nan: bool = False,
    advance: Callable[[float], None] = lambda share: None,
    look_again: Callable[[Accepted, Index], None] | None = None,
) -> Scanned:
    """Scan the blocks of an array into one report, the same as that of a scan of the whole.

    Parameters
    ----------
    array : FileArray
    target_dtype : Format, optional
        Count also the finite values that would overflow it.
    columns : bool, default False
        Count by column too, in arrays of two dimensions.
    allow_nan : bool, default False
        The ``first`` of the report is the first infinite value.
    advance : callable
        Told after each block the share of the array it was.
    look_again : callable, optional
        Given each block in which there is a finding, and the index of its first element.

    Raises
    ------
    TypeError
        If the dtype cannot be scanned, with the reason.
    Exception
        Whatever the reader raises on damaged data.
    """
    whole = empty_report(array, target_dtype)
    by_column: dict[str, Array] | None = {} if columns and len(array.shape) == 2 else None
    if _finite_by_type(array, target_dtype):
        whole.size = math.prod(array.shape)
        return Scanned(whole, by_column, 0)
    total = math.prod(array.shape) * array.dtype.itemsize
    if total == 0:      # no elements, or elements of no bytes
        return Scanned(whole, by_column, 0)
    for block in array.blocks():
        accepted = accepted_block(block, array.format)
        part = _inputs.report(accepted, target_dtype, None, allow_nan)
        if by_column is not None and not part.ok:
            _add_columns(by_column, array.shape[1], accepted, block.origin[1], target_dtype)
        if look_again is not None and not part.passes(allow_nan):
            look_again(accepted, block.origin)
        whole._merge(part, block.origin)
        advance(block.values.nbytes / total)
    if whole.fields:
        fields, _ = fields_of(of_array(np.empty(0, array.dtype)))
        whole.fields = tuple(name for name, _ in fields if name in whole.fields)
    return Scanned(whole, by_column, total)


def accepted_block(block: Block, form: str | None) -> Accepted:
    """A block as it is scanned; what is missing is null."""
    accepted = of_array(block.values, form)
    if block.missing is None or not block.missing.any():
        return accepted
    return accepted._replace(mask=block.missing, nulls=True)


def empty_report(array: FileArray, target: Format | None) -> ScanReport:
    """The report of an array of which nothing has been read."""
    report = _inputs.report(nothing_of(array.dtype, array.format), target, None)
    report.shape, report.dtype = array.shape, array.format or report.dtype
    return report


def nothing_of(dtype: DType, form: str | None) -> Accepted:
    """No values of a dtype or format, or a TypeError if such values cannot be scanned."""
    if dtype.hasobject:
        raise TypeError("it holds pickled Python objects, and nothing is ever unpickled")
    if dtype.kind == "V" and dtype.names is None and form is None:
        raise TypeError(
            f"raw bytes of unknown meaning (dtype {dtype}; NumPy saves bfloat16 and 8-bit floats so): "
            "scan them in Python with fastfinite.scan(x, dtype='bfloat16')"
        )
    return of_array(np.empty(0, dtype), None if form in FINITE_BY_TYPE else form)


def _finite_by_type(array: FileArray, target: Format | None) -> bool:
    if array.gaps:
        return False
    return nothing_of(array.dtype, array.format).how == "finite" and _slow.integer_limit(array.dtype, target) is None


def _add_columns(
    counts: dict[str, Array], width: int, accepted: Accepted, first: int, target: Format | None
) -> None:
    """Add the counts of the columns of a block, of which `first` is the first, to those of the array."""
    if accepted.how == "fields":        # records have fields, no columns
        return
    for start, columns in by_columns(accepted):
        report = _inputs.report(columns, target, 0)
        for name in COLUMN_COUNTS:
            count = np.asarray(getattr(report, name))
            (bad,) = np.nonzero(np.broadcast_to(count, columns.shape[1]))
            if len(bad):
                # Fresh zeros take no memory until they are written to, and only bad columns are.
                total = counts.setdefault(name, np.zeros(width, np.intp))
                total[first + start + bad] += count[bad]


def by_columns(accepted: Accepted) -> Iterator[tuple[int, Accepted]]:
    """Cut an array along its last axis into parts that can be counted by column, each with the place of its first."""
    for start in range(0, accepted.shape[-1], COLUMNS_AT_ONCE):
        part = np.s_[..., start : start + COLUMNS_AT_ONCE]
        mask = None if accepted.mask is None else accepted.mask[part]
        yield start, accepted._replace(array=accepted.array[part], mask=mask)


# ------------------------------------------------------------------------------------------------ tables


class TableNumbers:
    """The numbers of a table as parts of a frame, as they are read.

    Attributes
    ----------
    names : list of str
    rows : int
        How many were read.
    lists : set of int
        Positions of columns that hold more values or fewer than a row each.
    """

    def __init__(self, table: FileTable, advance: Callable[[float], None]) -> None:
        self.names = [column.name for column in table.columns]
        self.rows = 0
        self.lists: set[int] = set()
        self._table, self._advance = table, advance
        self._dates: set[int] = set()

    def parts(self) -> Iterator[Part]:
        """Read the table once; dates, which have no statistics, are passed over."""
        for block in self._table.blocks():
            self.rows = max(self.rows, block.first + block.rows)
            for position, found in block.columns.items():
                for values in found:
                    if values.rows is not None:
                        self.lists.add(position)
                    if values.dates:
                        self._dates.add(position)
                    else:
                        yield as_column(values.accepted), (block.first, position)
            self._advance(block.share)

    def left_out(self) -> set[int]:
        """Positions of the columns that are not all numbers, once all of them have been read."""
        return self._dates.union(self._table.left_out())

    def problems(self) -> list[Problem]:
        """The columns that should be numbers and are not."""
        return [problem for problem in self._table.left_out().values() if problem.status != "text"]


class ScannedColumn(NamedTuple):
    """What the scan of a column of a table gave: its report, or the reason why there is none."""

    name: str
    label: str
    shape: Index
    result: Scanned | Problem


def scan_table(
    table: FileTable,
    *,
    target_dtype: Format | None = None,
    allow_nan: bool = False,
    advance: Callable[[float], None] = lambda share: None,
    look_again: Callable[[int, Values, TableBlock], None] | None = None,
) -> Iterator[ScannedColumn]:
    """Scan a table into one report a column, whose indices are rows.

    Parameters
    ----------
    table : FileTable
    target_dtype, allow_nan, advance
        As for `scan_array`.
    look_again : callable, optional
        Given the values of a column in which there is a finding, after the position of the column, and their block.

    Yields
    ------
    ScannedColumn
        When all of the table has been read, in the order of its columns.

    Raises
    ------
    Exception
        Whatever the reader raises on damaged data.
    """
    name = None if target_dtype is None else target_dtype.name
    reports = [ScanReport((0,), column.label, size=0, target_dtype=name) for column in table.columns]
    nbytes = [0] * len(reports)
    rows = 0
    for block in table.blocks():
        rows = max(rows, block.first + block.rows)
        for position, parts in block.columns.items():
            for values in parts:
                nbytes[position] += values.accepted.array.nbytes
                part = _add_values(reports[position], values, block.first, target_dtype, allow_nan)
                if look_again is not None and part is not None and not part.passes(allow_nan):
                    look_again(position, values, block)
        advance(block.share)
    left_out = table.left_out()
    for position, column in enumerate(table.columns):
        reports[position].shape = (rows,)
        result = left_out.get(position) or Scanned(reports[position], None, nbytes[position])
        yield ScannedColumn(column.name, column.label, (rows,), result)


def _add_values(
    report: ScanReport, values: Values, first_row: int, target: Format | None, allow_nan: bool
) -> ScanReport | None:
    """Add values to the report of their column; their own report, unless all of them are finite."""
    accepted = values.accepted
    if values.dates:
        target = None
    # The verdict alone costs a tenth of a report, which is most of the time where columns are many.
    if target is None and not _inputs.answer(accepted, NON_FINITE):
        report.size += accepted.array.size
        return None
    part = _inputs.report(accepted, target, None, allow_nan)
    if values.rows is not None:
        part.first, part.first_overflow = _row(part.first, values.rows), _row(part.first_overflow, values.rows)
    report._merge(part, (first_row,))
    return part


def _row(index: Index | None, rows: Array) -> Index | None:
    return None if index is None else (int(rows[index[0]]),)

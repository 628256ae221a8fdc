"""Reads CSV files with pyarrow, a block of whole lines at a time.

The type of a column is not known before its last cell is, so nothing is decided by the first block: a column is what
`_Column` has seen of it so far, and a block whose cells Arrow does not take for numbers is read again as text.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

import numpy as np

from fastfinite import _csv_cells, _files
from fastfinite._csv_cells import Cells
from fastfinite._files import (
    FileTable,
    NotScanned,
    Problem,
    TableBlock,
    TableColumn,
    Unreadable,
    Values,
    library,
    shortened,
)
from fastfinite._threads import get_num_threads

_BOM = b"\xef\xbb\xbf"
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
# In this order, where several would do: a comma may be part of a number.
_DELIMITERS = "\t;,| "
_SNIFFED_LINES = 20
# Parsing takes many times what it reads.
_BLOCK_SHARE = 2
# A line, or a quoted cell, that is longer than this is taken for damage.
_LONGEST = 64 << 20


class _Dialect(NamedTuple):
    """How the file is written: what parts its cells, those of its first line, and whether these are names."""

    delimiter: str
    first: list[str]
    header: bool

    @property
    def decimal_comma(self) -> bool:
        """Whether "1,5" may be a number: where commas do not part cells, they often are in numbers."""
        return self.delimiter != ","


class _Column:
    """What is known of a column so far."""

    def __init__(self) -> None:
        self.numeric = False
        # The first cell that is text, and its row.
        self.text: tuple[int, str] | None = None
        # Arrow did not take its cells for numbers, so it is read as strings from then on.
        self.strings = False

    @property
    def settled(self) -> bool:
        """Whether nothing more can be learnt: numbers and text have been seen."""
        return self.numeric and self.text is not None

    def problem(self, name: str) -> Problem | None:
        """Why it is not scanned; None if it is."""
        if self.text is None:
            return None
        row, cell = self.text
        where = f"row {row} is {shortened(cell)!r}"
        if not self.numeric:
            return Problem(name, "text", f"it holds text ({where})")
        return Problem(name, "not scanned", f"it holds numbers and text ({where}): mend that cell or take it out")


def read_csv(file: IO[bytes], size: int) -> Iterator[FileTable | Problem]:
    """Read a CSV file of any common dialect."""
    yield from _read(file, file, size)


def read_gzip(file: IO[bytes], size: int) -> Iterator[FileTable | Problem]:
    """Read a CSV file that gzip has compressed."""
    with gzip.open(file) as stream:
        yield from _read(stream, file, size)    # type: ignore[arg-type]


def _read(stream: IO[bytes], file: IO[bytes], size: int) -> Iterator[FileTable | Problem]:
    library("pyarrow.csv", "parquet")
    blocks = _whole_lines(stream)
    beginning = next(blocks, b"")
    if beginning.startswith(_WIDE_MARKS):
        raise NotScanned("it is written in UTF-16: save it as UTF-8")
    start = beginning.removeprefix(_BOM).lstrip(b"\r\n")
    if not start:
        raise Unreadable("the file holds no line")
    dialect = _dialect(start)
    names = [cell if dialect.header and cell else str(i) for i, cell in enumerate(dialect.first)]
    columns = [_Column() for _ in names]

    def left_out() -> dict[int, Problem]:
        found = ((i, column.problem(names[i])) for i, column in enumerate(columns))
        return {i: problem for i, problem in found if problem is not None}

    def read() -> Iterator[TableBlock]:
        reader = _Reader(dialect, columns, beginning.count(b"\n") - start.count(b"\n"))
        before = 0
        for number, block in enumerate(_chained(start, blocks)):
            position = file.tell()
            yield reader.block(block, dialect.header and number == 0, (position - before) / size)
            before = position

    yield FileTable([TableColumn(name, "float64") for name in names], size, read, left_out)


def _chained(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


# ------------------------------------------------------------------------------------------------ lines


def _whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Cut a stream after the ends of lines; those inside of quotes are none."""
    rest = b""
    ending = None
    while data := stream.read(-(-_files.STREAM_BLOCK // _BLOCK_SHARE)):
        block = rest + data
        if ending is None:      # only very old files end their lines with \r alone
            ending = b"\r" if b"\r" in block and b"\n" not in block else b"\n"
        end = _last_end(block, ending)
        if end == 0 and len(block) > _LONGEST:
            raise Unreadable(f"a line, or a cell in quotes, has more than {_LONGEST >> 20} MB")
        # Empty lines at the end of the file are no rows.
        kept = end
        while kept and block[kept - 1] in b"\r\n":
            kept -= 1
        if kept:
            kept += 2 if block.startswith(b"\r\n", kept) else 1
            yield block[:kept]
        rest = block[kept:]
    # Arrow would take all that follows for the text of one cell.
    if rest.count(b'"') % 2:
        raise Unreadable("a cell in quotes does not end: the number of quotes in the file is odd")
    if rest.strip(b"\r\n"):
        yield rest + b"\n"      # without which Arrow finds no line to skip as the header


def _last_end(block: bytes, ending: bytes) -> int:
    """The position after the last line that is whole; 0 if none is."""
    end = block.rfind(ending) + 1
    # Inside of quotes the number of quotes so far is odd.
    quotes = block.count(b'"', 0, end) if b'"' in block else 0
    while end and quotes % 2:
        before = block.rfind(ending, 0, end - 1) + 1
        quotes -= block.count(b'"', before, end)
        end = before
    return end


def _dialect(start: bytes) -> _Dialect:
    lines = start[: 1 << 20].decode("utf-8", "backslashreplace").splitlines(keepends=True)
    delimiter = _delimiter(lines[:_SNIFFED_LINES])
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST))
    try:
        cells = next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error as error:
        raise Unreadable(f"line 1: {error}") from None
    # pandas numbers columns without names, and leaves the place over its own numbers of rows empty.
    counted = len(cells) > 1 and cells == ["", *(str(i) for i in range(len(cells) - 1))]
    numbers = all(_csv_cells.is_number(cell, delimiter != ",") for cell in cells)
    return _Dialect(delimiter, cells, counted or not numbers)


def _delimiter(lines: list[str]) -> str:
    """The character that parts as many cells in every line, else the most frequent in the first."""
    bare = ["".join(line.split('"')[::2]) for line in lines if line.strip()]
    counts = {mark: [line.count(mark) for line in bare[:-1] or bare] for mark in _DELIMITERS}
    for mark in _DELIMITERS:
        if counts[mark] and counts[mark][0] and len(set(counts[mark])) == 1:
            return mark
    return max(",\t;|", key=lambda mark: counts[mark][:1])


# ------------------------------------------------------------------------------------------------ blocks


class _Reader:
    """Turns blocks of lines into blocks of columns, and keeps count of rows and lines."""

    def __init__(self, dialect: _Dialect, columns: list[_Column], first_line: int) -> None:
        self._dialect, self._columns = dialect, columns
        self._names = [f"f{i}" for i in range(len(columns))]
        self._rows, self._lines = 0, first_line

    def block(self, data: bytes, header: bool, share: float) -> TableBlock:
        """Read one block."""
        # One column has to be read for the number of rows.
        names = [name for name, column in zip(self._names, self._columns) if not column.settled] or self._names[:1]
        table = self._table(data, header, names)
        again = [name for name in names if str(table[name].type) not in ("null", "int64", "double", "string")]
        for name in again:
            self._columns[int(name[1:])].strings = True
        strings = self._table(data, header, again) if again else table
        found: dict[int, list[Values]] = {}
        for name in names:
            position = int(name[1:])
            cells = self._cells(position, (strings if name in again else table)[name].combine_chunks())
            if self._columns[position].text is None:
                found[position] = [Values(cells.accepted)]
        block = TableBlock(self._rows, table.num_rows, found, share)
        self._rows += table.num_rows
        self._lines += int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))
        return block

    def _cells(self, position: int, array: Any) -> Cells:
        column = self._columns[position]
        if str(array.type) != "string":
            cells = _csv_cells.of_numbers(array, column.numeric)
        else:
            cells = _csv_cells.of_strings(array, self._dialect.decimal_comma)
            column.strings = column.strings or cells.text is not None
        column.numeric = column.numeric or cells.numeric
        if cells.text is not None and column.text is None:
            cell = array[cells.text].cast("binary").as_py()
            column.text = self._rows + cells.text, cell.decode("utf-8", "backslashreplace")
        return cells

    def _table(self, data: bytes, header: bool, names: list[str]) -> Any:
        pyarrow, arrow_csv = library("pyarrow", "parquet"), library("pyarrow.csv", "parquet")
        known = [name for name in names if self._columns[int(name[1:])].strings]
        try:
            return arrow_csv.read_csv(
                pyarrow.BufferReader(data),
                read_options=arrow_csv.ReadOptions(
                    column_names=self._names, skip_rows_after_names=int(header), block_size=len(data) + 1,
                    use_threads=get_num_threads() > 1,
                ),
                parse_options=self._parsing(None),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=names, null_values=_csv_cells.PLAIN_NULLS, check_utf8=False,
                    column_types=dict.fromkeys(known, pyarrow.string()),
                ),
            )
        except pyarrow.ArrowInvalid as error:
            raise self._ragged(data, str(error)) from None

    def _parsing(self, invalid_row: Callable[[Any], str] | None) -> Any:
        # Of one column, an empty line is an empty cell.
        return library("pyarrow.csv", "parquet").ParseOptions(
            delimiter=self._dialect.delimiter, newlines_in_values=True, invalid_row_handler=invalid_row,
            ignore_empty_lines=len(self._names) > 1,
        )

    def _ragged(self, data: bytes, message: str) -> Unreadable:
        """What is wrong in a block that Arrow cannot parse, with the number of the line."""
        pyarrow, arrow_csv = library("pyarrow", "parquet"), library("pyarrow.csv", "parquet")
        # Arrow hands over only what is UTF-8.
        data = data.decode("utf-8", "backslashreplace").encode()
        found: list[Any] = []

        def handle(row: Any) -> str:
            found.append(row)
            return "skip" if len(found) == 1 else "error"

        with contextlib.suppress(pyarrow.ArrowInvalid):
            arrow_csv.read_csv(
                pyarrow.BufferReader(data),
                read_options=arrow_csv.ReadOptions(
                    column_names=self._names, block_size=len(data) + 1, use_threads=False
                ),
                parse_options=self._parsing(handle),
            )
        if not found:
            return Unreadable(f"damaged after line {self._lines}: {shortened(message)}")
        row = found[0]
        line = self._lines + data.count(b"\n", 0, _line_start(data, row.text.encode())) + 1
        return Unreadable(
            f"line {line} has {row.actual_columns} cells, the first line has {row.expected_columns}: "
            f"{shortened(row.text)!r}"
        )


def _line_start(data: bytes, line: bytes) -> int:
    """Where a line begins, not a longer one that holds the same text."""
    ends, position = b"\r\n", data.find(line)
    while position > 0 and not (data[position - 1] in ends and (data[position + len(line) :] or ends)[0] in ends):
        position = data.find(line, position + 1)
    return max(position, 0)

"""Reads Parquet and Arrow IPC files (Feather) with pyarrow, some rows at a time; stored statistics are not asked.

Columns that hold no numbers are not read. What is read is compared with what the file announces.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from fastfinite import _arrow_columns, _files
from fastfinite._files import FileTable, NotScanned, Problem, TableBlock, Unreadable, Values, library, read_with
from fastfinite._threads import get_num_threads

# Columns that are read side by side: each has buffers.
_SIDE_BY_SIDE = 256
_MOST_ROWS = 100_000
_MOST_RAGGED_ROWS = 1 << 10
# Where a stream is cut between two batches, only these are missing; the second is of versions before 0.15.
_ENDS = (b"\xff\xff\xff\xff\0\0\0\0", b"\0\0\0\0")
# Bytes that are read between two points where the pages of the file are given back.
_HELD = 32 << 20


class _Fields(NamedTuple):
    """The fields of a table: which of them hold numbers, and the position of the first leaf of each."""

    names: list[str]
    scanned: list[int]
    first_leaf: list[int]
    leaves: list[_arrow_columns.Leaf]

    def table(self, stored: int, blocks: Callable[[], Iterator[TableBlock]]) -> FileTable:
        left_out = {i: leaf.problem for i, leaf in enumerate(self.leaves) if leaf.problem is not None}

        def told() -> Iterator[TableBlock]:
            with read_with("pyarrow"):
                yield from blocks()

        return FileTable([leaf.column for leaf in self.leaves], stored, told, lambda: left_out)

    def values(self, field: int, array: Any) -> Iterator[tuple[int, list[Values]]]:
        """The numbers of an array of a field, by position of the leaf."""
        for position, found in enumerate(_arrow_columns.values(array), self.first_leaf[field]):
            if found:
                yield position, found


def _fields_of(schema: Any) -> _Fields:
    leaves: list[_arrow_columns.Leaf] = []
    first, scanned = [], []
    for number, field in enumerate(schema):
        first.append(len(leaves))
        leaves += _arrow_columns.leaves(field.name, field.type)
        if any(leaf.problem is None for leaf in leaves[first[-1] :]):
            scanned.append(number)
    return _Fields(list(schema.names), scanned, first, leaves)


# ------------------------------------------------------------------------------------------------ Parquet


def read_parquet(file: IO[bytes], size: int) -> Iterator[FileTable | Problem]:
    """Read a Parquet file, some rows of some columns at a time."""
    pyarrow = library("pyarrow", "parquet")
    parquet = library("pyarrow.parquet", "parquet")
    memory, source = _mapped(file, pyarrow)
    with read_with("pyarrow"):
        opened = parquet.ParquetFile(source, pre_buffer=False, page_checksum_verification=True)
        fields = _fields_of(opened.schema_arrow)
    if not fields.names:
        yield Problem(None, "not scanned", "the table has no columns")
        return
    yield fields.table(size, lambda: _parquet_blocks(opened, fields, memory))


def _parquet_blocks(opened: Any, fields: _Fields, memory: mmap.mmap) -> Iterator[TableBlock]:
    stored = _stored_columns(opened, fields)
    first = held = 0
    for group in range(opened.num_row_groups):
        about = opened.metadata.row_group(group)
        for start in range(0, len(fields.scanned), _SIDE_BY_SIDE):
            taken = fields.scanned[start : start + _SIDE_BY_SIDE]
            columns = [i for number in taken for i in stored[number]]
            ragged = any("[]" in fields.leaves[i].column.name for i in columns)
            done = 0
            # By position: names may occur twice, or hold dots.
            batches = opened.reader.iter_batches(
                _rows_at_once(about, len(columns), ragged), row_groups=[group], column_indices=columns,
                use_threads=get_num_threads() > 1,
            )
            share = len(taken) / len(fields.scanned) / max(1, opened.metadata.num_rows)
            for batch in batches:
                batch.validate()
                found = {position: values for number, array in zip(taken, batch.columns, strict=True)
                         for position, values in fields.values(number, array)}
                yield TableBlock(first + done, batch.num_rows, found, share * batch.num_rows)
                done += batch.num_rows
                held += batch.get_total_buffer_size()
                del batch, found
                if held > _HELD:
                    _give_back(memory)
                    held = 0
            if done != about.num_rows:
                raise Unreadable(f"row group {group} announces {about.num_rows} rows, but holds {done}")
        first += about.num_rows
    if first != opened.metadata.num_rows:
        raise Unreadable(f"the file announces {opened.metadata.num_rows} rows, but holds {first}")


def _stored_columns(opened: Any, fields: _Fields) -> list[list[int]]:
    """The columns as Parquet stores them, a leaf each, of every field."""
    ends = [*fields.first_leaf[1:], len(fields.leaves)]
    if len(opened.schema) != len(fields.leaves):
        raise NotScanned(f"{len(opened.schema)} columns are stored for {len(fields.leaves)}, in a way not known here")
    return [list(range(start, end)) for start, end in zip(fields.first_leaf, ends)]


def _rows_at_once(about: Any, columns: int, ragged: bool) -> int:
    """So many rows that a block has a few megabytes.

    How many values the lists of a column hold is written in its metadata, but pyarrow aborts where these are damaged.
    """
    each = 8 * columns + max(0, about.total_byte_size) // max(1, about.num_rows)
    return int(min(_MOST_RAGGED_ROWS if ragged else _MOST_ROWS, max(1, _files.STREAM_BLOCK // each)))


# ------------------------------------------------------------------------------------------------ Arrow IPC


def read_ipc(file: IO[bytes], size: int) -> Iterator[FileTable | Problem]:
    """Read an Arrow IPC file or stream, one record batch at a time."""
    pyarrow = library("pyarrow", "parquet")
    library("pyarrow.ipc", "parquet")
    if file.read(4) == b"FEA1":
        raise NotScanned("it is of Feather's version 1, which is no longer in use: write it anew as version 2")
    memory, source = _mapped(file, pyarrow)
    is_file = memory[:6] == b"ARROW1"
    with read_with("pyarrow"):
        opened = pyarrow.ipc.open_file(source) if is_file else pyarrow.ipc.open_stream(source)
        fields = _fields_of(opened.schema)
    if not fields.names:
        yield Problem(None, "not scanned", "the table has no columns")
        return
    yield fields.table(size, lambda: _ipc_blocks(pyarrow, memory, source, is_file, fields))
    ending = _ENDS[0] if memory[:4] == _ENDS[0][:4] else _ENDS[1]
    if not is_file and memory[-len(ending) :] != ending:
        yield Problem(None, "error", "truncated: the mark at the end of the stream is missing; the rest was scanned")


def _ipc_blocks(pyarrow: Any, memory: mmap.mmap, source: Any, is_file: bool, fields: _Fields) -> Iterator[TableBlock]:
    # A record batch that is compressed is decompressed whole. Of how many rows it is, the first column tells; then as
    # many columns are taken at a time as may be held.
    side_by_side, batches, largest, held = 1, 0, 1, 0
    waiting = fields.scanned
    while waiting:
        taken, waiting = waiting[:side_by_side], waiting[side_by_side:]
        share = len(taken) / len(fields.scanned) / batches if batches else 0.0
        step = min(_MOST_ROWS, max(1, _files.STREAM_BLOCK // (8 * len(taken))))
        first = number = 0
        for batch in _batches(pyarrow, source, is_file, taken):
            batch.validate(full=True)       # the offsets of lists are not to be believed
            rows = batch.num_rows
            largest = max(largest, 8 * rows, batch.nbytes // len(taken))
            for start in range(0, rows, step):
                part = batch.slice(start, step)
                found = {position: values for field, array in zip(taken, part.columns, strict=True)
                         for position, values in fields.values(field, array)}
                yield TableBlock(first + start, part.num_rows, found, share * part.num_rows / rows)
                held += part.nbytes
                del part, found
                if held > _HELD:
                    pyarrow.default_memory_pool().release_unused()
                    _give_back(memory)
                    held = 0
            first += rows
            number += 1
            del batch       # before the next is decompressed
        batches, side_by_side = number, max(1, _HELD // largest)


def _batches(pyarrow: Any, source: Any, is_file: bool, taken: list[int]) -> Iterator[Any]:
    options = pyarrow.ipc.IpcReadOptions(included_fields=taken, use_threads=get_num_threads() > 1)
    if not is_file:
        yield from pyarrow.ipc.open_stream(source, options=options)
        return
    opened = pyarrow.ipc.open_file(source, options=options)
    for number in range(opened.num_record_batches):
        yield opened.get_batch(number)


def _mapped(file: IO[bytes], pyarrow: Any) -> tuple[mmap.mmap, Any]:
    """The file in memory, and as a buffer of Arrow; never closed by hand, since Arrow's buffers are views of it."""
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return memory, pyarrow.py_buffer(memory)


def _give_back(memory: mmap.mmap) -> None:
    """Let go of the pages that were read: they stay in the system's cache, but not in this process."""
    if hasattr(memory, "madvise"):
        memory.madvise(mmap.MADV_DONTNEED)

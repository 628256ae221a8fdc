"""Files as arrays and tables to check: finds them, and opens each with the reader of its kind.

- `find` expands paths, folders and patterns into a list of files;
- `arrays_of` opens one file and yields its arrays and tables, and a `Problem` for whatever in it cannot be scanned.

A format is one function in a module of its own, named in `READERS` by suffix and imported when a file of that kind is
met: a function of an open file that yields `FileArray`, `FileTable` and `Problem`. Blocks say where in the whole they
lie, so the order they come in does not matter. Nothing is ever unpickled, and nothing in a file is believed before it
has been compared with the file's size.
"""

from __future__ import annotations

import contextlib
import glob
import importlib
import math
import mmap
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np

from fastfinite._accepted import Accepted, Array

# Mapped memory is scanned so much at a time: long enough for every thread to get megabytes, short enough for the
# progress bar to move and for Ctrl-C to be heard.
MAPPED_BLOCK = 64 << 20
# Decompressed data has to be held, so it is taken in smaller parts.
STREAM_BLOCK = 8 << 20

Index: TypeAlias = tuple[int, ...]
DType: TypeAlias = np.dtype[Any]


class Block(NamedTuple):
    """A part of an array, the index of its first element in the whole, and where values are missing (None: nowhere)."""

    values: Array
    origin: Index
    missing: Array | None = None


class FileArray(NamedTuple):
    """An array in a file, before it is read.

    Attributes
    ----------
    name : str or None
        Its name inside the file; None where the file holds one array without a name.
    shape : tuple of int
    dtype : dtype
    stored : int
        Bytes it takes in the file.
    blocks : callable
        Reads it: yields blocks that together cover the array once. To be called before the reader goes on.
    format : str or None
        The number format, where NumPy does not have it: `dtype` has its raw bits, or is no matter where all values of
        the format are finite.
    gaps : bool
        Values may be missing, so that even integers have to be read.
    """

    name: str | None
    shape: Index
    dtype: DType
    stored: int
    blocks: Callable[[], Iterator[Block]]
    format: str | None = None
    gaps: bool = False

    @property
    def label(self) -> str:
        return self.format or str(self.dtype)


class Values(NamedTuple):
    """Numbers of one column.

    Attributes
    ----------
    accepted : Accepted
    rows : ndarray of int or None
        The row of each in its block; None where each row has one.
    dates : bool
        They stand for dates or times, which do not overflow number formats, and have no statistics.
    """

    accepted: Accepted
    rows: Array | None = None
    dates: bool = False


class TableBlock(NamedTuple):
    """Some rows of some columns of a table.

    Attributes
    ----------
    first : int
        The row in the table that is the first here.
    rows : int
        How many.
    columns : dict
        Numbers by position of the column.
    share : float
        Of the whole that has to be read.
    """

    first: int
    rows: int
    columns: dict[int, list[Values]]
    share: float


class TableColumn(NamedTuple):
    """A column's name, and its type as it is told to the user."""

    name: str
    label: str


class FileTable(NamedTuple):
    """A table in a file, before it is read.

    Attributes
    ----------
    columns : list of TableColumn
    stored : int
        Bytes it takes in the file.
    blocks : callable
        Reads it: yields blocks that together cover every column once. To be called before the reader goes on.
    left_out : callable
        The columns that were not scanned, by position, and why. Final when the blocks have come to their end.
    """

    columns: list[TableColumn]
    stored: int
    blocks: Callable[[], Iterator[TableBlock]]
    left_out: Callable[[], dict[int, Problem]]


class Problem(NamedTuple):
    """Something in a file that was not scanned, and why; of status "text" where there is nothing to scan in it."""

    name: str | None
    status: str
    reason: str


class Source(NamedTuple):
    """A file to check: its path and size; or the reason why it cannot be."""

    path: str
    size: int
    problem: Problem | None = None


class Unreadable(Exception):
    """A file, or an array in it, is damaged; the message says how."""


class NotScanned(Exception):
    """A file, or an array in it, is sound, but cannot be scanned; the message says why and what to do."""


Item: TypeAlias = "FileArray | FileTable | Problem"
Reader: TypeAlias = Callable[[IO[bytes], int], Iterator[Item]]

# The module and the function that reads files of a suffix.
READERS: dict[str, tuple[str, str]] = {
    ".npy": ("_read_numpy", "read_npy"),
    ".npz": ("_read_numpy", "read_npz"),
    ".csv": ("_read_csv", "read_csv"),
    ".tsv": ("_read_csv", "read_csv"),
    ".csv.gz": ("_read_csv", "read_gzip"),
    ".tsv.gz": ("_read_csv", "read_gzip"),
    ".parquet": ("_read_arrow", "read_parquet"),
    ".feather": ("_read_arrow", "read_ipc"),
    ".arrow": ("_read_arrow", "read_ipc"),
    ".safetensors": ("_read_safetensors", "read_safetensors"),
    ".pt": ("_read_torch", "read_torch"),
    ".pth": ("_read_torch", "read_torch"),
    ".h5": ("_read_hdf5", "read_hdf5"),
    ".hdf5": ("_read_hdf5", "read_hdf5"),
}
# Folders that are one thing: those of this suffix, or that hold one of these files.
ZARR_SUFFIX = ".zarr"
ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup")


def _reader(suffix: str) -> Reader:
    module, function = READERS[suffix]
    reader: Reader = getattr(importlib.import_module(f"fastfinite.{module}"), function)
    return reader


def library(name: str, extra: str) -> Any:
    """Import what a reader needs; `extra` is the extra of this package that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise NotScanned(
            f"it is read with {name.partition('.')[0]}, which is not installed: pip install 'fastfinite[{extra}]'"
        ) from None


def reason_of(error: BaseException) -> str:
    """What an exception says, without the path and the number of the error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "not enough memory"
    return str(error) or type(error).__name__


def problem_of(error: Exception, name: str | None = None) -> Problem:
    """What an exception says of the file, or of the array in it that has this name."""
    return Problem(name, "not scanned" if isinstance(error, NotScanned) else "error", reason_of(error))


@contextlib.contextmanager
def read_with(name: str) -> Iterator[None]:
    """Say of the errors of a library that it cannot read the file: damaged files make it raise nearly anything."""
    try:
        yield
    except (Unreadable, NotScanned):
        raise
    except Exception as error:
        raise Unreadable(f"damaged, or of another format: {name} says {shortened(reason_of(error))!r}") from None


def shortened(text: str) -> str:
    """The first line of a text, if need be cut."""
    first = text.partition("\n")[0]
    return first if len(first) <= 120 else first[:117] + "..."


# ------------------------------------------------------------------------------------------------ finding files


def find(paths: Iterable[str]) -> tuple[list[Source], int]:
    """Expand paths, folders and patterns.

    Parameters
    ----------
    paths : iterable of str
        Files, folders (searched whole, links followed once) and, where nothing has that name, patterns with ``**``.

    Returns
    -------
    sources : list of Source
        In the order of `paths`, sorted inside each.
    skipped : int
        Files of other types in the folders.
    """
    sources: list[Source] = []
    skipped = 0
    for path in paths:
        for match in _matches(path):
            found, other = _expand(match)
            sources += found
            skipped += other
    return sources, skipped


def _matches(path: str) -> list[str]:
    # A file may be called "x[1].npy": what exists is no pattern.
    if os.path.lexists(path) or not glob.has_magic(path):
        return [path]
    return sorted(glob.glob(path, recursive=True)) or [path]


def _expand(path: str) -> tuple[list[Source], int]:
    try:
        if not os.path.isdir(path) or _is_zarr(path):
            return [_source(path)], 0
    except ValueError as error:     # a NUL in the path
        return [_failed(path, reason_of(error))], 0
    sources: list[Source] = []
    skipped = 0
    for entry in _walk(path, set()):
        if isinstance(entry, Source):
            sources.append(entry)
        elif suffix_of(entry) in READERS or os.path.isdir(entry):
            sources.append(_source(entry))
        else:
            skipped += 1
    if not sources:
        sources.append(_failed(path, f"no file in this folder is of a known type ({known()})"))
    return sources, skipped


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str | Source]:
    """Files below a folder, sorted; links to folders are followed, each folder is entered once."""
    waiting = [folder]      # not by recursion: folders may be nested deeper than Python's calls
    while waiting:
        path = waiting.pop()
        try:
            if not (path is folder or os.path.isdir(path)):
                yield path
                continue
            if path is not folder and _is_zarr(path):
                yield path
                continue
            status = os.stat(path)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                waiting += [os.path.join(path, name) for name in sorted(os.listdir(path), reverse=True)]
        except OSError as error:
            yield _failed(path, reason_of(error))


def _source(path: str) -> Source:
    """A file that is there, is a regular one, and has a suffix that is known; or a folder of zarr."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        return _failed(path, "no file matches this pattern" if glob.has_magic(path) else reason_of(error))
    except (OSError, ValueError) as error:
        return _failed(path, reason_of(error))
    if stat.S_ISDIR(status.st_mode):
        try:
            return Source(path, _size_of_folder(path))
        except OSError as error:
            return _failed(path, reason_of(error))
    if not stat.S_ISREG(status.st_mode):        # opening a named pipe would wait for ever
        return _failed(path, "not a regular file")
    if suffix_of(path) not in READERS:
        problem = Problem(None, "not scanned", f"the type of this file is not known by its name (known: {known()})")
        return Source(path, 0, problem)
    if status.st_size == 0:
        return _failed(path, "the file is empty (0 bytes)")
    return Source(path, status.st_size)


def _is_zarr(folder: str) -> bool:
    return suffix_of(folder.rstrip(os.sep)) == ZARR_SUFFIX or any(
        os.path.exists(os.path.join(folder, mark)) for mark in ZARR_MARKS
    )


def _size_of_folder(folder: str) -> int:
    return sum(os.lstat(os.path.join(path, name)).st_size for path, _, names in os.walk(folder) for name in names)


def _failed(path: str, reason: str) -> Source:
    return Source(path, 0, Problem(None, "error", reason))


def suffix_of(path: str) -> str:
    """The key of a path in `READERS`."""
    rest, suffix = os.path.splitext(path.lower())
    # Of compressed files the suffix before tells the kind.
    return os.path.splitext(rest)[1] + suffix if suffix == ".gz" else suffix


def known() -> str:
    return ", ".join([*READERS, ZARR_SUFFIX])


# ------------------------------------------------------------------------------------------------ reading files


def arrays_of(source: Source) -> Generator[Item, None, None]:
    """Yield the arrays and tables of a file one by one; the file stays open until the next is asked for."""
    if source.problem is not None:
        yield source.problem
        return
    try:
        if os.path.isdir(source.path):
            from fastfinite._read_zarr import read_zarr

            yield from read_zarr(source.path, source.size)
            return
        with open(source.path, "rb") as file:
            yield from _reader(suffix_of(source.path))(file, os.fstat(file.fileno()).st_size)
    except Exception as error:      # damaged files make readers raise nearly anything
        yield problem_of(error)


def mapped(
    file: IO[bytes], start: int, shape: Index, dtype: DType, fortran: bool = False, limit: int | None = None
) -> Iterator[Block]:
    """The blocks of an array that lies in a file as it would in memory, of `limit` bytes, or MAPPED_BLOCK."""
    position = start
    for origin, extent in boxes(shape, dtype.itemsize, fortran, limit or MAPPED_BLOCK):
        nbytes = math.prod(extent) * dtype.itemsize
        # One window at a time keeps the resident memory of this process as small as the block.
        before = position % mmap.ALLOCATIONGRANULARITY
        window = mmap.mmap(file.fileno(), before + nbytes, access=mmap.ACCESS_READ, offset=position - before)
        yield Block(shaped(window, before, extent, dtype, fortran), origin)
        position += nbytes


def shaped(buffer: Any, offset: int, shape: Index, dtype: DType, fortran: bool) -> Array:
    """A view of a buffer as an array."""
    flat: Array = np.frombuffer(buffer, dtype, math.prod(shape), offset)
    return flat.reshape(shape, order="F" if fortran else "C")


def boxes(shape: Index, itemsize: int, fortran: bool, limit: int) -> Iterator[tuple[Index, Index]]:
    """Cut an array into boxes that are contiguous in memory, in its order, of at most `limit` bytes.

    Yields
    ------
    origin : tuple of int
        Index of the first element of the box.
    shape : tuple of int
        Of the box; as many dimensions as the array has.
    """
    if fortran:
        for origin, extent in boxes(shape[::-1], itemsize, False, limit):
            yield origin[::-1], extent[::-1]
        return
    if math.prod(shape) == 0:
        return
    # Of the dimensions from `cut` on, a box takes all; of the one before, as much as fits; of the others, one.
    cut, slab = len(shape), itemsize
    while cut and slab * shape[cut - 1] <= limit:
        cut -= 1
        slab *= shape[cut]
    if cut == 0:
        yield (0,) * len(shape), shape
        return
    step = max(1, limit // slab)
    inner = shape[cut:]
    rows = shape[: cut - 1]
    # Not np.ndindex, which makes a list of each dimension first: a header can announce 2**40 rows.
    for number in range(math.prod(rows)):
        outer = tuple(int(i) for i in np.unravel_index(number, rows))
        for start in range(0, shape[cut - 1], step):
            taken = min(step, shape[cut - 1] - start)
            yield (*outer, start, *(0,) * len(inner)), (*(1,) * len(outer), taken, *inner)

"""Files as arrays to check: finds them, reads them in blocks of bounded size, adds the reports of the blocks up.

- `find` expands paths, folders and patterns into a list of files;
- `arrays_of` opens one file and yields its arrays, and a `Problem` for whatever in it cannot be scanned;
- `scan_array` scans the blocks of one array into one report.

A format is one reader in `READERS`, keyed by suffix: a function of an open file that yields `FileArray` and `Problem`.
Its blocks say where in the array they lie, so the order they come in does not matter. Nothing is ever unpickled, and
nothing in a file is believed before it has been compared with the file's size.
"""

from __future__ import annotations

import glob
import io
import math
import mmap
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib import format as npy

from fastfinite import _scan, _slow, _tally
from fastfinite._accepted import Array, fields_of, of_array
from fastfinite._formats import Format
from fastfinite._report import ScanReport

# Mapped memory is scanned so much at a time: long enough for every thread to get megabytes, short enough for the
# progress bar to move and for Ctrl-C to be heard.
MAPPED_BLOCK = 64 << 20
# Decompressed data has to be held, so it is taken in smaller parts.
STREAM_BLOCK = 8 << 20
# What NumPy itself is willing to parse; a longer header may not be safe to evaluate.
_LONGEST_HEADER = 10_000
_LARGEST = 2**63 - 1
# scan(axis=0) needs memory for each column, so wide blocks are counted so many columns at a time.
COLUMNS_AT_ONCE = 1 << 16
# The counts kept for each column.
COLUMN_COUNTS = ("nan", "posinf", "neginf", "null", "overflow")

Index: TypeAlias = tuple[int, ...]
DType: TypeAlias = np.dtype[Any]


class Block(NamedTuple):
    """A part of an array, and the index of its first element in the whole."""

    values: Array
    origin: Index


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
    """

    name: str | None
    shape: Index
    dtype: DType
    stored: int
    blocks: Callable[[], Iterator[Block]]


class Problem(NamedTuple):
    """Something in a file that was not scanned, and why."""

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


Reader: TypeAlias = Callable[[IO[bytes], int], Iterator["FileArray | Problem"]]


def reason_of(error: BaseException) -> str:
    """What an exception says, without the path and the number of the error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "not enough memory"
    return str(error) or type(error).__name__


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
        if not os.path.isdir(path):
            return [_source(path)], 0
    except ValueError as error:     # a NUL in the path
        return [_failed(path, reason_of(error))], 0
    sources: list[Source] = []
    skipped = 0
    for entry in _walk(path, set()):
        if isinstance(entry, Source):
            sources.append(entry)
        elif suffix_of(entry) in READERS:
            sources.append(_source(entry))
        else:
            skipped += 1
    if not sources:
        sources.append(_failed(path, f"no file in this folder is of a known type ({_known()})"))
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
            status = os.stat(path)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                waiting += [os.path.join(path, name) for name in sorted(os.listdir(path), reverse=True)]
        except OSError as error:
            yield _failed(path, reason_of(error))


def _source(path: str) -> Source:
    """A file that is there, is a regular one, and has a suffix that is known."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        return _failed(path, "no file matches this pattern" if glob.has_magic(path) else reason_of(error))
    except (OSError, ValueError) as error:
        return _failed(path, reason_of(error))
    if not stat.S_ISREG(status.st_mode):        # opening a named pipe would wait for ever
        return _failed(path, "not a regular file")
    if suffix_of(path) not in READERS:
        problem = Problem(None, "not scanned", f"the type of this file is not known by its name (known: {_known()})")
        return Source(path, 0, problem)
    if status.st_size == 0:
        return _failed(path, "the file is empty (0 bytes)")
    return Source(path, status.st_size)


def _failed(path: str, reason: str) -> Source:
    return Source(path, 0, Problem(None, "error", reason))


def suffix_of(path: str) -> str:
    """The key of a path in `READERS`."""
    return os.path.splitext(path)[1].lower()


def _known() -> str:
    return ", ".join(READERS)


# ------------------------------------------------------------------------------------------------ reading files


def arrays_of(source: Source) -> Iterator[FileArray | Problem]:
    """Yield the arrays of a file one by one; the file stays open until the next is asked for."""
    if source.problem is not None:
        yield source.problem
        return
    try:
        with open(source.path, "rb") as file:
            yield from READERS[suffix_of(source.path)](file, os.fstat(file.fileno()).st_size)
    except Exception as error:      # damaged files make readers raise nearly anything
        yield Problem(None, "error", reason_of(error))


def read_npy(file: IO[bytes], size: int) -> Iterator[FileArray | Problem]:
    """Read an .npy file by memory map; several arrays saved into one file one after the other are all found."""
    position = number = 0
    while position < size:
        file.seek(position)
        if number and file.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
            yield Problem(None, "error", f"{size - position} bytes after the array are not part of it; not scanned")
            return
        file.seek(position)
        number += 1
        name = f"array {number}" if number > 1 else None
        try:
            header = _read_header(file)
            start = file.tell()
            header.check_size(size - start)
        except Unreadable as error:
            yield Problem(name, "error", reason_of(error))
            return
        yield FileArray(name, header.shape, header.dtype, header.nbytes, _mapper(file, start, header))
        if header.dtype.hasobject:      # a pickle follows, and where it ends is not known
            return
        position = start + header.nbytes


def read_npz(file: IO[bytes], size: int) -> Iterator[FileArray | Problem]:
    """Read an .npz file member by member, each as a stream."""
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise Unreadable(f"not a zip archive, or a damaged one: {error}") from None
    with archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if not members:
            yield Problem(None, "not scanned", "the archive holds no arrays")
        for info in members:
            yield from _read_member(archive, info)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[FileArray | Problem]:
    name = info.filename.removesuffix(".npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile decompresses other methods without a limit: a kilobyte can become gigabytes.
        yield Problem(name, "not scanned", "compressed by a method other than deflate")
        return
    if info.flag_bits & 1:
        yield Problem(name, "not scanned", "encrypted")
        return
    try:
        with archive.open(info) as stream:
            header = _read_header(stream)
            left = info.file_size - stream.tell()
            header.check_size(left)
            if header.dtype.itemsize > MAPPED_BLOCK:
                raise Unreadable(f"one element has {header.dtype.itemsize} bytes, too many to hold at a time")
            yield FileArray(name, header.shape, header.dtype, info.compress_size, _streamer(stream, header))
            if left > header.nbytes and not header.dtype.hasobject:
                raise Unreadable(f"{left - header.nbytes} bytes after the array are not part of it; not scanned")
    except Exception as error:      # zipfile raises nearly anything on a damaged archive
        yield Problem(name, "error", reason_of(error))


# The formats. A suffix of a folder (zarr) would be looked up before the folder is searched.
READERS: dict[str, Reader] = {
    ".npy": read_npy,
    ".npz": read_npz,
}


class _Header(NamedTuple):
    """What an .npy header says of the data behind it."""

    shape: Index
    fortran: bool
    dtype: DType

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def check_size(self, available: int) -> None:
        """Raise unless the data can be there."""
        if any(n < 0 for n in self.shape):
            raise Unreadable(f"damaged header: negative dimension in shape {_shortened(str(self.shape))}")
        # Sizes that do not fit into 64 bits are not believed even where another dimension is 0.
        if math.prod(n for n in self.shape if n) * max(self.dtype.itemsize, 1) > _LARGEST:
            raise Unreadable("damaged header: the shape is larger than any array can be")
        if self.dtype.subdtype is not None:
            raise Unreadable(f"damaged header: dtype {self.dtype} has a shape of its own")
        try:
            np.empty((0,) * len(self.shape), np.int8)
        except ValueError as error:
            raise Unreadable(f"damaged header: {error}") from None
        if not self.dtype.hasobject and self.nbytes > available:
            raise Unreadable(f"truncated: the header announces {self.nbytes} bytes of data, {available} are there")


def _read_header(file: IO[bytes]) -> _Header:
    """Parse the header at the current position, and leave the file at the first byte of the data."""
    magic = file.read(npy.MAGIC_LEN)
    if not magic.startswith(npy.MAGIC_PREFIX):
        cut = len(magic) < len(npy.MAGIC_PREFIX) and npy.MAGIC_PREFIX.startswith(magic)
        raise Unreadable("truncated: the header is cut short" if cut else "not NumPy's .npy format")
    version = tuple(magic[len(npy.MAGIC_PREFIX) :])
    if len(version) == 2 and version not in ((1, 0), (2, 0), (3, 0)):
        raise Unreadable(f"version {version[0]}.{version[1]} of the .npy format is not known")
    width = 2 if version == (1, 0) else 4
    digits = file.read(width)
    length = int.from_bytes(digits, "little")
    if length > _LONGEST_HEADER:
        raise Unreadable(f"damaged header: {length} bytes long, more than the {_LONGEST_HEADER} that NumPy accepts")
    text = file.read(length)
    if len(digits) < width or len(text) < length:
        raise Unreadable("truncated: the header is cut short")
    return _parse_header(text, "utf-8" if version == (3, 0) else "latin-1")


def _parse_header(text: bytes, encoding: str) -> _Header:
    try:
        # NumPy has no public reader for version 3; escapes inside its literals say the same in version 2.
        plain = text.decode(encoding).encode("ascii", "backslashreplace")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # headers that Python 2 wrote are read with a warning
            shape, fortran, dtype = npy.read_array_header_2_0(
                io.BytesIO(struct.pack("<I", len(plain)) + plain), max_header_size=10 * _LONGEST_HEADER
            )
    except Exception as error:      # anything can be written there, and the parser raises accordingly
        raise Unreadable(f"damaged header: {_shortened(reason_of(error))}") from None
    return _Header(tuple(int(n) for n in shape), fortran, dtype)


def _shortened(text: str) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= 120 else first[:117] + "..."


def _mapper(file: IO[bytes], start: int, header: _Header) -> Callable[[], Iterator[Block]]:
    def blocks() -> Iterator[Block]:
        position = start
        for origin, shape in boxes(header.shape, header.dtype.itemsize, header.fortran, MAPPED_BLOCK):
            nbytes = math.prod(shape) * header.dtype.itemsize
            # One window at a time keeps the resident memory of this process as small as the block.
            before = position % mmap.ALLOCATIONGRANULARITY
            window = mmap.mmap(file.fileno(), before + nbytes, access=mmap.ACCESS_READ, offset=position - before)
            yield Block(_shaped(window, before, shape, header), origin)
            position += nbytes

    return blocks


def _streamer(stream: IO[bytes], header: _Header) -> Callable[[], Iterator[Block]]:
    def blocks() -> Iterator[Block]:
        for origin, shape in boxes(header.shape, header.dtype.itemsize, header.fortran, STREAM_BLOCK):
            nbytes = math.prod(shape) * header.dtype.itemsize
            data = stream.read(nbytes)
            if len(data) < nbytes:
                raise Unreadable("truncated: the data end before the array does")
            yield Block(_shaped(data, 0, shape, header), origin)
            del data
        stream.read(1)      # the checksum is compared at the end of the stream

    return blocks


def _shaped(buffer: Any, offset: int, shape: Index, header: _Header) -> Array:
    flat: Array = np.frombuffer(buffer, header.dtype, math.prod(shape), offset)
    return flat.reshape(shape, order="F" if header.fortran else "C")


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


# ------------------------------------------------------------------------------------------------ scanning arrays


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

    Raises
    ------
    TypeError
        If the dtype cannot be scanned, with the reason.
    Exception
        Whatever the reader raises on damaged data.
    """
    name = None if target_dtype is None else target_dtype.name
    whole = _empty_report(array, name)
    by_column: dict[str, Array] | None = {} if columns and len(array.shape) == 2 else None
    if _finite_by_type(array.dtype, target_dtype):
        whole.size = math.prod(array.shape)
        return Scanned(whole, by_column, 0)
    total = math.prod(array.shape) * array.dtype.itemsize
    if total == 0:      # no elements, or elements of no bytes
        return Scanned(whole, by_column, 0)
    for values, origin in array.blocks():
        part = _scan.scan(values, target_dtype=name)
        if allow_nan:
            _tally.pass_over_nan(part, of_array(values))
        if by_column is not None and not part.ok:
            _add_columns(by_column, array.shape[1], values, origin[1], name)
        whole._merge(part, origin)
        advance(values.nbytes / total)
    if whole.fields:
        fields, _ = fields_of(of_array(np.empty(0, array.dtype)))
        whole.fields = tuple(name for name, _ in fields if name in whole.fields)
    return Scanned(whole, by_column, total)


def _empty_report(array: FileArray, target: str | None) -> ScanReport:
    """The report of an array of which nothing has been read; refuses the dtypes that cannot be."""
    if array.dtype.hasobject:
        raise TypeError("it holds pickled Python objects, and nothing is ever unpickled")
    if array.dtype.kind == "V" and array.dtype.names is None:
        raise TypeError(
            f"raw bytes of unknown meaning (dtype {array.dtype}; NumPy saves bfloat16 and 8-bit floats so): "
            "scan them in Python with fastfinite.scan(x, dtype='bfloat16')"
        )
    report = _scan.scan(np.empty(0, array.dtype), target_dtype=target)
    report.shape = array.shape
    return report


def _finite_by_type(dtype: DType, target: Format | None) -> bool:
    return of_array(np.empty(0, dtype)).how == "finite" and _slow.integer_limit(dtype, target) is None


def _add_columns(counts: dict[str, Array], width: int, values: Array, first: int, target: str | None) -> None:
    """Add the counts of the columns of a block, of which `first` is the first, to those of the array."""
    for start in range(0, values.shape[1], COLUMNS_AT_ONCE):
        part = values[:, start : start + COLUMNS_AT_ONCE]
        if part.dtype.names is not None:        # records have fields, no columns
            return
        report = _scan.scan(part, axis=0, target_dtype=target)
        for name in COLUMN_COUNTS:
            count = np.asarray(getattr(report, name))
            (bad,) = np.nonzero(np.broadcast_to(count, part.shape[1]))
            if len(bad):
                # Fresh zeros take no memory until they are written to, and only bad columns are.
                total = counts.setdefault(name, np.zeros(width, np.intp))
                total[first + start + bad] += count[bad]

"""Reads .npy files by memory map, and the members of .npz archives as streams."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from fastfinite import _files
from fastfinite._files import (
    Block,
    DType,
    FileArray,
    Index,
    Problem,
    Unreadable,
    boxes,
    mapped,
    reason_of,
    shaped,
    shortened,
)

# What NumPy itself is willing to parse; a longer header may not be safe to evaluate.
_LONGEST_HEADER = 10_000
_LARGEST = 2**63 - 1


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
            if header.dtype.itemsize > _files.MAPPED_BLOCK:
                raise Unreadable(f"one element has {header.dtype.itemsize} bytes, too many to hold at a time")
            yield FileArray(name, header.shape, header.dtype, info.compress_size, _streamer(stream, header))
            if left > header.nbytes and not header.dtype.hasobject:
                raise Unreadable(f"{left - header.nbytes} bytes after the array are not part of it; not scanned")
    except Exception as error:      # zipfile raises nearly anything on a damaged archive
        yield Problem(name, "error", reason_of(error))


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
            raise Unreadable(f"damaged header: negative dimension in shape {shortened(str(self.shape))}")
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
        raise Unreadable(f"damaged header: {shortened(reason_of(error))}") from None
    return _Header(tuple(int(n) for n in shape), fortran, dtype)


def _mapper(file: IO[bytes], start: int, header: _Header) -> Callable[[], Iterator[Block]]:
    return lambda: mapped(file, start, header.shape, header.dtype, header.fortran)


def _streamer(stream: IO[bytes], header: _Header) -> Callable[[], Iterator[Block]]:
    def blocks() -> Iterator[Block]:
        for origin, shape in boxes(header.shape, header.dtype.itemsize, header.fortran, _files.STREAM_BLOCK):
            nbytes = math.prod(shape) * header.dtype.itemsize
            data = stream.read(nbytes)
            if len(data) < nbytes:
                raise Unreadable("truncated: the data end before the array does")
            yield Block(shaped(data, 0, shape, header.dtype, header.fortran), origin)
            del data
        stream.read(1)      # the checksum is compared at the end of the stream

    return blocks

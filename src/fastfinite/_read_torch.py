"""Reads what torch.save wrote, by torch.load(weights_only=True): PyTorch's own loader of tensors and plain values.

Nests are walked, and every tensor is named by its path. Tensors are mapped where PyTorch allows it.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pickle import UnpicklingError
from typing import IO, Any

import numpy as np

from fastfinite import _files
from fastfinite._accept import accept
from fastfinite._accepted import Accepted, Array, Sparse
from fastfinite._batch_report import path_of
from fastfinite._files import (
    Block,
    FileArray,
    NotScanned,
    Problem,
    Unreadable,
    boxes,
    library,
    mapped,
    read_with,
    shortened,
)

# A view may repeat its memory without end.
_MOST_REPEATS = 64
_PLAIN = (str, bytes, bool, int, type(None))
_MAPS = "/proc/self/maps"


def read_torch(file: IO[bytes], size: int) -> Iterator[FileArray | Problem]:
    """Read the tensors of a file."""
    try:
        torch = library("torch", "torch")
    except NotScanned:      # of which there are many builds, and none is an extra of this package
        raise NotScanned("it is read with PyTorch, which is not installed: see pytorch.org") from None
    native = _check_archive(file)
    loaded = _load(torch, file.name, mmap=native is not None)
    place = _places(file) if native else lambda address: None
    found = False
    for path, x in _leaves(loaded):
        item: FileArray | Problem | None
        try:
            item = _item(torch, file, size, path, x, place)
        except (TypeError, NotScanned) as error:
            item = Problem(path, "not scanned", _files.reason_of(error))
        if item is not None:
            found = True
            yield item
    if not found:
        yield Problem(None, "not scanned", "the file holds no tensors")


def _check_archive(file: IO[bytes]) -> bool | None:
    """Whether the numbers in the archive are in the order of bytes of this machine; None for the old format."""
    if not zipfile.is_zipfile(file):
        return None
    with read_with("zipfile"), zipfile.ZipFile(file) as archive:
        order = sys.byteorder
        for info in archive.infolist():
            # PyTorch compresses nothing, and would decompress without a limit.
            if info.compress_type != zipfile.ZIP_STORED:
                raise Unreadable(f"not written by PyTorch: {shortened(info.filename)!r} is compressed")
            if info.filename.endswith("/byteorder") and info.file_size < 16:
                order = archive.read(info).decode("ascii", "replace")   # type: ignore[assignment]
    return order == sys.byteorder


def _load(torch: Any, path: str, mmap: bool) -> Any:
    try:
        with warnings.catch_warnings(), read_with("PyTorch"):
            warnings.simplefilter("ignore")
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
            except UnpicklingError as error:
                lines = str(error).splitlines()
                why = next((line for line in lines if "GLOBAL" in line or "Unsupported" in line), lines[0])
                raise NotScanned(
                    "it holds more than tensors and plain values, and nothing else is ever unpickled "
                    f"({shortened(why)}): save its state_dict() alone"
                ) from None
    except RecursionError:
        raise Unreadable("damaged: it is nested without end") from None


def _leaves(loaded: Any) -> Iterator[tuple[str | None, Any]]:
    """Everything in a nest that is no container, with its path; containers that occur twice are entered once."""
    waiting: list[tuple[tuple[object, ...], Any]] = [((), loaded)]
    seen: dict[int, object] = {}
    while waiting:
        keys, x = waiting.pop()
        children: list[tuple[object, Any]] | None = None
        if isinstance(x, Mapping):
            children = list(x.items())
        elif isinstance(x, (list, tuple, set, frozenset)):
            children = list(enumerate(x))
        if children is None:
            yield path_of(keys) or None, x
        elif id(x) not in seen:
            seen[id(x)] = x
            waiting += [((*keys, key), child) for key, child in reversed(children)]


def _item(
    torch: Any, file: IO[bytes], size: int, path: str | None, x: Any, place: Callable[[int], int | None]
) -> FileArray | None:
    """A tensor as an array; a number that is not finite as one of no axes; None for what holds no numbers."""
    if isinstance(x, (*_PLAIN, torch.dtype, torch.device, torch.layout)):
        return None
    if isinstance(x, (float, complex)):
        number = np.asarray(x)
        return None if np.isfinite(number) else _array(path, number, None)
    accepted = accept(x)
    if isinstance(accepted, Sparse):
        return _array(f"{path or ''} (stored values)".strip(), accepted.stored.array, _format(accepted.stored))
    if not isinstance(accepted, Accepted):
        raise TypeError(f"cannot scan {type(x).__name__}")
    array = accepted.array
    if array.nbytes > _MOST_REPEATS * max(size, 1):
        raise NotScanned(f"it is a view of shape {tuple(array.shape)} that repeats the little that is stored")
    start = place(array.ctypes.data) if array.flags.c_contiguous and array.nbytes else None
    if start is None:
        return _array(path, array, _format(accepted))
    return FileArray(
        path, array.shape, array.dtype, array.nbytes,
        lambda: mapped(file, start, array.shape, array.dtype, limit=_files.STREAM_BLOCK), _format(accepted),
    )


def _format(accepted: Accepted) -> str | None:
    return accepted.format.name if accepted.format is not None and accepted.array.dtype.kind in "iu" else None


def _array(path: str | None, array: Array, form: str | None) -> FileArray:
    def blocks() -> Iterator[Block]:
        for origin, extent in boxes(array.shape, array.dtype.itemsize, False, _files.STREAM_BLOCK):
            yield Block(array[tuple(slice(i, i + n) for i, n in zip(origin, extent))], origin)

    stored = min(array.nbytes, math.prod(n for n, step in zip(array.shape, array.strides) if step) * array.itemsize)
    return FileArray(path, array.shape, array.dtype, stored, blocks, form)


def _places(file: IO[bytes]) -> Callable[[int], int | None]:
    """Where in the file an address lies that PyTorch has mapped it to; None where that cannot be told.

    What is read through PyTorch's map of the whole file stays in the memory of this process; windows of it do not.
    """
    found: list[tuple[int, int, int]] = []
    if os.path.exists(_MAPS):
        status = os.fstat(file.fileno())
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
        with open(_MAPS) as maps:
            for line in maps:
                span, _, offset, at, inode = line.split()[:5]
                if at == device and int(inode) == status.st_ino:
                    low, _, high = span.partition("-")
                    found.append((int(low, 16), int(high, 16), int(offset, 16)))

    def place(address: int) -> int | None:
        return next((address - low + offset for low, high, offset in found if low <= address < high), None)

    return place

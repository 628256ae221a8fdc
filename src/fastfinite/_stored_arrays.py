"""What HDF5 and zarr share: arrays in chunks, read a part at a time, and attributes that say what is missing.

Values equal to the attributes ``_FillValue`` and ``missing_value`` are counted as null. A fill value that is nan is
nan: it cannot be told from one that was computed.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fastfinite import _files
from fastfinite._accepted import Array
from fastfinite._files import Block, DType, FileArray, Index, NotScanned, Problem, Unreadable, boxes, read_with

FILLS = ("_FillValue", "missing_value")
# A chunk is held as a whole.
_LARGEST_CHUNK = 1 << 30
# What was never written is read as its fill value, without end where a shape is damaged. Compression makes numbers so
# many times smaller at most, and so many bytes are read in a minute in any case.
_MOST_RATIO = 2000
_READ_IN_ANY_CASE = 64 << 30


def text_problem(name: str | None, kind: str) -> Problem:
    """An array of text, in which there is nothing to scan."""
    return Problem(name, "text", f"it holds text ({kind})")


def stored_array(
    name: str | None, shape: Index, dtype: DType, chunks: Index | None, attributes: Mapping[str, Any], stored: int,
    read: Callable[[tuple[slice, ...]], Any], library: str,
) -> FileArray:
    """An array that is read by slices.

    Parameters
    ----------
    name, shape, dtype
        As of `FileArray`.
    chunks : tuple of int or None
        The shape of what has to be read at once.
    attributes : mapping
    stored : int
        The size of the file it is in.
    read : callable
        Gives a part of the array.
    library : str
        Whose errors are told.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biu" and nbytes > _READ_IN_ANY_CASE and nbytes > _MOST_RATIO * stored:
        raise NotScanned(f"it announces {nbytes} bytes where {stored} are stored: most of it was never written")
    if chunks is not None and math.prod(chunks) * dtype.itemsize > _LARGEST_CHUNK:
        raise Unreadable(f"its chunks have {math.prod(chunks) * dtype.itemsize} bytes, too many to hold at a time")
    fills = _fills(attributes, dtype)

    def blocks() -> Iterator[Block]:
        limit = _files.STREAM_BLOCK
        parts = boxes(shape, dtype.itemsize, False, limit) if chunks is None else \
            _chunk_boxes(shape, chunks, dtype.itemsize, limit)
        for origin, extent in parts:
            with read_with(library):
                values = np.asarray(read(tuple(slice(i, i + n) for i, n in zip(origin, extent))))
            if values.shape != extent or values.dtype != dtype:
                raise Unreadable(f"the part at {origin} has shape {values.shape} and dtype {values.dtype}")
            yield Block(values, origin, _missing(values, fills))

    return FileArray(name, shape, dtype, min(nbytes, stored), blocks, gaps=bool(len(fills)))


def _fills(attributes: Mapping[str, Any], dtype: DType) -> Array:
    """The values that stand for missing ones, of the dtype of the array."""
    found = []
    for key in FILLS:
        if key in attributes and dtype.kind in "iuf":
            try:
                numbers = np.atleast_1d(_decoded(attributes[key]))
                with np.errstate(all="ignore"):
                    found += [number for number in numbers.ravel().astype(dtype) if number == number]
            except (TypeError, ValueError, OverflowError):
                raise NotScanned(f"its attribute {key} is no number: {attributes[key]!r}") from None
    return np.array(found, dtype)


def _decoded(value: Any) -> Any:
    """xarray writes fill values of zarr's third version in base64."""
    if isinstance(value, str):
        try:
            return np.frombuffer(base64.b64decode(value, validate=True), "<f8")
        except (binascii.Error, ValueError):
            return float(value)
    return value


def _missing(values: Array, fills: Array) -> Array | None:
    if not len(fills):
        return None
    missing: Array = np.isin(values, fills)
    return missing


def _chunk_boxes(shape: Index, chunks: Index, itemsize: int, limit: int) -> Iterator[tuple[Index, Index]]:
    """As `boxes`, of whole chunks."""
    if math.prod(shape) == 0:
        return
    extent = [max(1, min(n, chunk)) for n, chunk in zip(shape, chunks)]
    for axis in reversed(range(len(shape))):
        more = limit // (math.prod(extent) * itemsize)
        extent[axis] = min(shape[axis], extent[axis] * max(1, more))
        if extent[axis] < shape[axis]:
            break
    for origin in itertools.product(*(range(0, n, step) for n, step in zip(shape, extent))):
        yield origin, tuple(min(step, n - i) for n, step, i in zip(shape, extent, origin))

"""Reads .safetensors files: the library says whether a file is sound, the tensors are mapped where its header says.

Where the library refuses a file for one of its tensors, the others are scanned all the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from fastfinite import _files
from fastfinite._files import Block, FileArray, Index, NotScanned, Problem, Unreadable, library, mapped, read_with

# What the library accepts is ten times as long, and takes a gigabyte to parse here.
_LONGEST_HEADER = 16 << 20
_MOST_AXES = 64
# NumPy's dtypes, and the formats it does not have.
_DTYPES: dict[str, tuple[str, str | None]] = {
    "BOOL": ("bool", None), "U8": ("u1", None), "I8": ("i1", None),
    "U16": ("<u2", None), "I16": ("<i2", None), "U32": ("<u4", None), "I32": ("<i4", None),
    "U64": ("<u8", None), "I64": ("<i8", None),
    "F16": ("<f2", None), "F32": ("<f4", None), "F64": ("<f8", None), "C64": ("<c8", None),
    "BF16": ("<u2", "bfloat16"), "F8_E4M3": ("u1", "float8_e4m3fn"), "F8_E5M2": ("u1", "float8_e5m2"),
    "F8_E8M0": ("u1", "float8_e8m0fnu"), "F8_E4M3FNUZ": ("u1", "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": ("u1", "float8_e5m2fnuz"),
}
# Formats without nan and inf, some bits a value.
_PACKED = {"F4": ("float4_e2m1fn", 4), "F6_E2M3": ("float6_e2m3fn", 6), "F6_E3M2": ("float6_e3m2fn", 6)}


def read_safetensors(file: IO[bytes], size: int) -> Iterator[FileArray | Problem]:
    """Read a file of tensors by memory map, in the order they lie in it."""
    safetensors = library("safetensors", "safetensors")
    header, start = _header(file, size)
    try:
        with read_with("safetensors"), safetensors.safe_open(file.name, framework="np"):
            pass
    except Unreadable as error:
        yield _files.problem_of(error)
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if not tensors:
        yield Problem(None, "not scanned", "the file holds no tensors")
    for name in sorted(tensors, key=lambda name: _place(tensors[name])):
        try:
            yield _tensor(file, name, tensors[name], start, size)
        except (Unreadable, NotScanned) as error:
            yield _files.problem_of(error, name)


def _header(file: IO[bytes], size: int) -> tuple[dict[str, Any], int]:
    """The entries of the header, and where the data begin."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise Unreadable(f"truncated, or not of this format: the header announces {length} bytes, "
                         f"{max(0, size - 8)} are there")
    if length > _LONGEST_HEADER:
        raise Unreadable(f"damaged header: {length} bytes long, more than the {_LONGEST_HEADER} that are read")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"damaged header: {_files.shortened(str(error))}") from None
    if not isinstance(header, dict):
        raise Unreadable("damaged header: it is no table of tensors")
    return header, 8 + length


def _place(entry: Any) -> int:
    """Where a tensor begins, if that can be told."""
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    return offsets[0] if isinstance(offsets, list) and offsets and isinstance(offsets[0], int) else -1


def _tensor(file: IO[bytes], name: str, entry: Any, start: int, size: int) -> FileArray:
    shape, (begin, end) = _checked(entry, size - start)
    kind = entry.get("dtype")
    dtype, form = _DTYPES.get(kind, ("u1", None)) if isinstance(kind, str) else ("u1", None)
    if kind in _PACKED:
        form, bits = _PACKED[kind]
        _compare(math.prod(shape) * bits, 8 * (end - begin))
        return FileArray(name, shape, np.dtype("u1"), end - begin, _packed, form)
    if kind not in _DTYPES:
        raise NotScanned(f"its number format, {kind!r}, is not known here")
    whole = np.dtype(dtype)
    _compare(8 * math.prod(shape) * whole.itemsize, 8 * (end - begin))
    return FileArray(name, shape, whole, end - begin, lambda: mapped(file, start + begin, shape, whole), form)


def _checked(entry: Any, available: int) -> tuple[Index, tuple[int, int]]:
    """Shape and place of a tensor, if they can be true."""
    shape = _whole_numbers(entry, "shape")
    offsets = _whole_numbers(entry, "data_offsets")
    if len(shape) > _MOST_AXES:
        raise Unreadable(f"damaged header: {len(shape)} axes, more than the {_MOST_AXES} that arrays have")
    if len(offsets) != 2 or not offsets[0] <= offsets[1] <= available:
        raise Unreadable(f"damaged header, or truncated: it lies at {offsets}, but there are {available} bytes of data")
    return shape, (offsets[0], offsets[1])


def _whole_numbers(entry: Any, key: str) -> Index:
    numbers = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
        raise Unreadable(f"damaged header: it has no valid {key}")
    return tuple(numbers)


def _compare(needed: int, there: int) -> None:
    if needed != there:
        raise Unreadable(f"damaged header: its shape takes {needed // 8} bytes, its place has {there // 8}")


def _packed() -> Iterator[Block]:
    raise NotScanned("it has several values to a byte, which are finite, but cannot be cast to other formats here")

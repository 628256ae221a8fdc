"""Arrays to measure on: sizes, dtypes, layouts, and where the bad value is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 1 << 16
COLUMNS = 32
WIDE = 100
SMOKE_BYTES = 1 << 15


@dataclass(frozen=True)
class Size:
    """So many elements or, where `elements` is 0, so many bytes."""

    label: str
    elements: int = 0
    nbytes: int = 0

    def count(self, dtype: np.dtype[Any], smoke: bool = False) -> int:
        if self.elements:
            return self.elements
        return (min(self.nbytes, SMOKE_BYTES) if smoke else self.nbytes) // dtype.itemsize


SIZES = (
    Size("8 elements", elements=8),
    Size("1000 elements", elements=1000),
    Size("400 kB", nbytes=400_000),
    Size("40 MB", nbytes=40_000_000),
    Size("400 MB", nbytes=400_000_000),
)
LAYOUTS = ("C", "Fortran", "other columns", "left half", "strided", "reversed")
BAD = ("clean", "bad first", "bad last")
DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64")


def dtype_of(name: str) -> np.dtype[Any]:
    """The dtype of that name; ImportError for bfloat16 without ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def normal(n: int, dtype: np.dtype[Any]) -> Array:
    """Standard normal values, the same block over and over; uint16 gets the bits of bfloat16.

    When the array is full, it is all there is: a peak of memory that is read afterwards is the array's.
    """
    x = np.empty(n, dtype)
    first = min(n, BLOCK)
    x[:first] = _block(first, dtype)
    for start in range(first, n, BLOCK):
        part = x[start : start + BLOCK]
        part[:] = x[: len(part)]
    return x


def _block(n: int, dtype: np.dtype[Any]) -> Array:
    rng = np.random.default_rng(2024)
    block: Array = rng.standard_normal(n)
    if dtype.kind == "c":
        return (block + 1j * rng.standard_normal(n)).astype(dtype)
    if dtype == np.uint16:
        return (block.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return block.astype(dtype)


def laid_out(n: int, dtype: np.dtype[Any], layout: str) -> Array:
    """An array of about n elements (whole rows where it has two dimensions), or a view of them in a larger one."""
    rows, wide = max(n // COLUMNS, 1), max(n // WIDE, 1)
    make: dict[str, Callable[[], Array]] = {
        "C": lambda: normal(n, dtype),
        "Fortran": lambda: normal(rows * COLUMNS, dtype).reshape(COLUMNS, rows).T,
        "other columns": lambda: normal(rows * COLUMNS * 2, dtype).reshape(rows, COLUMNS * 2)[:, ::2],
        "left half": lambda: normal(wide * WIDE * 2, dtype).reshape(wide, WIDE * 2)[:, :WIDE],
        "strided": lambda: normal(2 * n, dtype)[::2],
        "reversed": lambda: normal(n, dtype)[::-1],
    }
    return make[layout]()


@functools.lru_cache(maxsize=1)
def dataset(n: int, dtype: np.dtype[Any], layout: str = "C", bad: str = "clean") -> Array:
    """The array of a benchmark. One is kept, so benchmarks of one array are to follow each other."""
    x = laid_out(n, dtype, layout)
    if bad != "clean":
        x[(0 if bad == "bad first" else -1,) * x.ndim] = np.nan
    return x


def size_text(nbytes: int) -> str:
    for unit, scale in (("MB", 10**6), ("kB", 10**3)):
        if nbytes >= scale:
            return f"{nbytes / scale:.3g} {unit}"
    return f"{nbytes} B"

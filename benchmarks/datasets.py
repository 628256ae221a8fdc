"""Arrays to measure on: sizes, dtypes, layouts, and where the bad value is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 1 << 16
COLUMNS = 32
WIDE = 100
SMOKE_BYTES = 1 << 15
# Real values are whole multiples of these (integers are the numbers of them), so that sums can be had exactly.
GRAINS = {"float16": 2.0**-8, "float32": 2.0**-20, "float64": 2.0**-20, "int32": 2.0**-20, "int64": 2.0**-20}


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


@dataclass(frozen=True)
class Shape:
    rows: int
    columns: int

    @property
    def label(self) -> str:
        return f"{self.rows:,} x {self.columns:,}"

    def smoke(self) -> Shape:
        return Shape(min(self.rows, 200), min(self.columns, 40))


SHAPES = (
    Shape(10, 3),
    Shape(1000, 10),
    Shape(128, 1000),
    Shape(1_000_000, 32),
    Shape(1_000_000, 3),
    Shape(1_000_000, 10),
    Shape(100_000, 1000),
    Shape(10_000_000, 1),
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
    if dtype.name in GRAINS:
        return (np.rint(block / GRAINS[dtype.name]) * (GRAINS[dtype.name] if dtype.kind == "f" else 1)).astype(dtype)
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


@functools.lru_cache(maxsize=1)
def matrix(shape: Shape, dtype: np.dtype[Any], layout: str = "C", faults: str = "clean") -> Array:
    """The rows and columns of a benchmark. One is kept, as with `dataset`."""
    rows, columns = shape.rows, shape.columns
    if layout == "other columns":
        x = normal(2 * rows * columns, dtype).reshape(rows, 2 * columns)[:, ::2]
    elif layout == "Fortran":
        x = normal(rows * columns, dtype).reshape(columns, rows).T
    else:
        x = normal(rows * columns, dtype).reshape(rows, columns)
    if faults == "1 % nan":
        for j in range(columns):
            x[37 * j % 100 :: 100, j] = np.nan
    return x


def exact_variance(x: Array) -> Array:
    """The variance of the columns of an array of `matrix`, without nan, rounded once: summed as integers."""
    rows, columns = x.shape
    grain = GRAINS[x.dtype.name] if x.dtype.kind == "f" else 1.0
    step = min(BLOCK, max(1, (1 << 20) // columns))     # no sum of squares reaches 2**63
    count, total, square = (np.zeros(columns, object) for _ in range(3))
    for start in range(0, rows, step):
        numbers = x[start : start + step].astype(np.float64) / grain
        present = ~np.isnan(numbers)
        whole = np.where(present, numbers, 0).astype(np.int64)
        count += present.sum(axis=0).astype(object)
        total += whole.sum(axis=0).astype(object)
        square += (whole * whole).sum(axis=0).astype(object)
    exact = [Fraction(n * q - t * t, n * n) for n, t, q in zip(count, total, square)]
    return np.array([float(value) * grain**2 for value in exact])


def size_text(nbytes: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if nbytes >= scale:
            return f"{nbytes / scale:.3g} {unit}"
    return f"{nbytes} B"

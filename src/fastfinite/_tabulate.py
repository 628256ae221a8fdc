"""The table of sums of an array of any dtype.

The kernels take float32 and float64 of any layout. Everything else comes to them in slabs of some rows, as one of the
two: small floats and small integers as float32, wider integers as float64, 64-bit integers less their smallest value
(which is exact), long double and objects as exact fractions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastfinite import _columns, _formats, _slow
from fastfinite._accepted import Accepted, Array

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of the table of sums, as in _kernels/table.pxd.
(COUNT, NAN, POSINF, NEGINF, ZERO, NEGATIVE, LOW, LOW_REST, HIGH, HIGH_REST, MEAN, MEAN_REST, SQUARE, SQUARE_REST,
 SCALE) = range(15)
_SCALE_BITS = 600
# Values in a slab: enough to make the calls cheap, few enough to stay in cache.
_SLAB = 1 << 16

Floats: TypeAlias = "NDArray[np.float64]"


def equal(low: Floats, high: Floats) -> NDArray[np.bool_]:
    # On bits: where another library has set flush-to-zero, 0.0 == 5e-324. There is no -0.0 and no nan in a table.
    return np.asarray(low.view(np.int64) == high.view(np.int64))


def check_table(table: Floats) -> None:
    """Raise ValueError unless a table can be one: whole counts, a known scale, sums that are numbers."""
    counts, scale = table[COUNT : NEGATIVE + 1], table[SCALE]
    with np.errstate(all="ignore"):
        whole = (counts >= 0) & (counts <= 2.0**53) & (counts == np.floor(counts))
    numbers_only = not np.isnan(table[[LOW, HIGH, LOW_REST, HIGH_REST, MEAN]]).any()
    if not whole.all() or not np.isin(scale, (-_SCALE_BITS, 0, _SCALE_BITS)).all() or not numbers_only:
        raise ValueError("state has sums that cannot be: counts must be whole, scales known, limits and means numbers")


def tabulate(accepted: Accepted, axes: tuple[int, ...]) -> Floats:
    """The table of sums of the columns that are left when `axes` are reduced: a row a field, a column a column."""
    array, kind = accepted.array, accepted.array.dtype.kind
    others = tuple(i for i in range(array.ndim) if i not in axes)
    if accepted.parts == 2 or accepted.how == "fields" or kind in "cmM":
        raise TypeError(f"cannot take column statistics of dtype {array.dtype}: " + (
            "complex numbers have no order; pass x.real and x.imag" if accepted.parts == 2 or kind == "c" else
            "pass its fields one by one" if accepted.how == "fields" else
            "dates have no variance; pass them as integers"))
    if accepted.mask is None and accepted.label in ("float32", "float64") and accepted.how == "bits":
        return tabulate_floats(array, axes, others)
    columns = math.prod(array.shape[i] for i in others)
    table = _columns.empty_table(columns)
    order = axes + others
    mask = None if accepted.mask is None else accepted.mask.transpose(order)
    for slab, missing in _slabs(array.view(np.ndarray).transpose(order), mask, len(axes), columns):
        _columns.merge_tables(table, _tabulate_slab(slab, missing, accepted))
    return table


def tabulate_floats(array: Array, axes: tuple[int, ...], others: tuple[int, ...]) -> Floats:
    """The table of an array of float32 or float64."""
    table: Floats = _columns.tabulate(array, axes, others)
    if array.dtype.itemsize == 8 and _columns.extremes(table):
        rescale_extremes(table, array, axes, others)
    return table


def _slabs(array: Array, mask: Array | None, row_axes: int, columns: int) -> Iterator[tuple[Array, Array | None]]:
    """The rows of an array, in order, as arrays of two dimensions of about so many values; small copies at most."""
    if row_axes == 0 or array.size <= _SLAB:
        if array.size:
            yield array.reshape(-1, columns), None if mask is None else mask.reshape(-1, columns)
        return
    one = array.size // array.shape[0]
    step = max(1, _SLAB // one)
    for start in range(0, array.shape[0], step):
        part = slice(start, start + step) if step > 1 or row_axes == 1 else start
        slab, missing = array[part], None if mask is None else mask[part]
        if isinstance(part, slice):
            yield slab.reshape(-1, columns), None if missing is None else missing.reshape(-1, columns)
        else:       # one row of the first axis is more than a slab
            yield from _slabs(slab, missing, row_axes - 1, columns)


def _tabulate_slab(slab: Array, missing: Array | None, accepted: Accepted) -> Floats:
    dtype = slab.dtype
    masked = None if accepted.nulls else missing
    if accepted.how == "values":
        return _tabulate_fractions(slab, missing, accepted.nulls)
    if accepted.is_raw and accepted.format is not None:
        slab = _formats.values_of_bits(slab, accepted.format)
    elif dtype.kind in "iu" and dtype.itemsize == 8 and not _formats.is_ml_dtype(dtype):
        return _without_masked(_tabulate_integers(slab, missing), masked)
    with np.errstate(all="ignore"):
        wide = accepted.label == "float64" or (dtype.kind in "iu" and dtype.itemsize == 4)
        values = slab.astype(np.float64 if wide else np.float32)
        if missing is not None:
            values[missing] = np.nan
    return _without_masked(tabulate_floats(values, (0,), (1,)), masked)


def _without_masked(table: Floats, missing: Array | None) -> Floats:
    if missing is not None:
        table[NAN] -= missing.sum(axis=0)
    return table


def rescale_extremes(table: Floats, array: Array, axes: tuple[int, ...], others: tuple[int, ...]) -> None:
    """Sum columns again, scaled by a power of two, whose squares are not normal numbers."""
    with np.errstate(all="ignore"):
        spread = table[HIGH] * 0.5 - table[LOW] * 0.5
    finite = (table[COUNT] > 0) & (table[POSINF] + table[NEGINF] == 0)
    huge, tiny = finite & (spread > 2.0**479), finite & (spread < 2.0**-481) & ~equal(table[LOW], table[HIGH])
    for column in np.flatnonzero(huge | tiny):
        bits = _SCALE_BITS if huge[column] else -_SCALE_BITS
        where = np.unravel_index(column, tuple(array.shape[i] for i in others)) if others else ()
        index: list[Any] = [slice(None)] * array.ndim
        for i, position in zip(others, where):
            index[i] = position
        one = array[tuple(index)]
        scaled = _columns.tabulate(one, tuple(range(one.ndim)), (), 2.0**-bits)[:, 0]
        table[MEAN : SQUARE_REST + 1, column] = scaled[MEAN : SQUARE_REST + 1]
        table[SCALE, column] = bits


def _pair(integers: Array) -> tuple[Floats, Floats]:
    """64-bit integers as sums of two float64, exactly."""
    upper = (integers >> integers.dtype.type(32)).astype(np.float64) * 2.0**32
    lower = (integers & integers.dtype.type(0xFFFFFFFF)).astype(np.float64)
    head = upper + lower
    return head, lower - (head - upper)


def _tabulate_integers(slab: Array, missing: Array | None) -> Floats:
    native = slab.astype(slab.dtype.newbyteorder("="))
    present = np.ones(native.shape, np.bool_) if missing is None else ~missing
    limits = np.iinfo(native.dtype)
    low = native.min(axis=0, initial=limits.max, where=present)
    high = native.max(axis=0, initial=limits.min, where=present)
    # Differences of 64-bit integers are exact as unsigned ones, whatever wraps around.
    distance = (native.view(np.uint64) - low.view(np.uint64)).astype(np.float64)
    distance[~present] = np.nan
    table: Floats = _columns.tabulate(distance, (0,), (1,))
    empty = table[COUNT] == 0
    table[ZERO] = ((native == 0) & present).sum(axis=0)
    table[NEGATIVE] = ((native < 0) & present).sum(axis=0)
    base, base_rest = _pair(low)
    table[LOW], table[LOW_REST] = np.where(empty, np.inf, base), np.where(empty, 0, base_rest)
    head, rest = _pair(high)
    table[HIGH], table[HIGH_REST] = np.where(empty, -np.inf, head), np.where(empty, 0, rest)
    total = base + table[MEAN]
    back = total - base
    rest = (base - (total - back)) + (table[MEAN] - back) + (table[MEAN_REST] + base_rest)
    table[MEAN] = total + rest
    table[MEAN_REST] = rest - (table[MEAN] - total)
    table[MEAN : MEAN_REST + 1, empty] = 0
    return table


def _tabulate_fractions(slab: Array, missing: Array | None, nulls: bool) -> Floats:
    table: Floats = _columns.empty_table(slab.shape[1])
    for column in range(slab.shape[1]):
        table[:, column] = _fraction_entry(slab[:, column], None if missing is None else missing[:, column], nulls)
    return table


def _fraction_entry(values: Array, missing: Array | None, nulls: bool) -> Floats:
    entry: Floats = _columns.empty_table(1)[:, 0]
    numbers: list[Fraction] = []
    bounds: list[float] = []
    with np.errstate(all="ignore"):
        codes = _slow.codes_of_values(values, missing, nulls)
    for code, value in zip(codes, values):
        if code == _slow.FINITE:
            numbers.append(_fraction(value))
        elif code in (_slow.NAN, _slow.NULL):
            entry[NAN] += 1
        elif code in (_slow.POSINF, _slow.NEGINF):
            entry[POSINF if code == _slow.POSINF else NEGINF] += 1
            bounds.append(math.inf if code == _slow.POSINF else -math.inf)
    entry[COUNT] = len(numbers)
    entry[ZERO] = sum(number == 0 for number in numbers)
    entry[NEGATIVE] = sum(number < 0 for number in numbers) + entry[NEGINF]
    if numbers:
        mean = sum(numbers, Fraction(0)) / len(numbers)
        square = sum(((number - mean) ** 2 for number in numbers), Fraction(0))
        spread = max(numbers) - min(numbers)
        bits = _SCALE_BITS if spread > 2**480 else -_SCALE_BITS if 0 < spread < Fraction(1, 2**480) else 0
        entry[SQUARE], entry[SQUARE_REST] = _fraction_pair(square / Fraction(4) ** bits)
        entry[SCALE] = bits
        entry[MEAN], entry[MEAN_REST] = _fraction_pair(mean / Fraction(2) ** bits)
        entry[LOW], entry[LOW_REST] = _fraction_pair(min(numbers))
        entry[HIGH], entry[HIGH_REST] = _fraction_pair(max(numbers))
        if spread and entry[LOW] == entry[HIGH] and entry[LOW_REST] == entry[HIGH_REST]:
            # Apart by less than a pair of float64 can tell, but not constant.
            entry[HIGH_REST] = math.nextafter(entry[HIGH_REST], math.inf)
    if bounds:
        entry[LOW] = min(entry[LOW], *bounds)
        entry[HIGH] = max(entry[HIGH], *bounds)
    return entry


def _fraction(value: Any) -> Fraction:
    if isinstance(value, (complex, np.complexfloating)):
        raise TypeError("cannot take column statistics of complex numbers: they have no order")
    number = _slow.exact(value)
    if abs(number) > Fraction(sys.float_info.max):
        raise ValueError(f"cannot take column statistics: {value} is beyond the range of float64")
    return number


def _fraction_pair(number: Fraction) -> tuple[float, float]:
    head = float(number)
    return head, float(number - Fraction(head))

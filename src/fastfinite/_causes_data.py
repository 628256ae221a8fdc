"""Causes in the data: what its column statistics show, and what a second look at the columns they point to does.

The statistics take one pass. Only columns that they make suspicious are looked at again, one at a time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Array
from fastfinite._diagnosis import Cause
from fastfinite._report import plural
from fastfinite._statistics import ColumnStats

# Numbers that stand for "no value" in data sets: of surveys, of NetCDF, of models and sensors, the limits of types.
SENTINELS = (-1e20, 1e20, -99.0, -999.0, -999.9, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 9.96921e36, 1e30, -1e30,
             *(sign * (2.0**bits - less) for bits in (15, 31, 63) for sign in (1, -1) for less in (0, 1)),
             2.0**16 - 1, 2.0**32 - 1,
             *(sign * float(np.finfo(dtype).max) for dtype in ("float32", "float64") for sign in (1, -1)))
# Standard deviations of columns that differ by this are a note, by that a warning.
_UNEVEN, _VERY_UNEVEN = 1e4, 1e6
# From this share of positive values on, a column of them is one that a log may be taken of.
_MOSTLY = 0.9


class Columns:
    """The columns of the data: their statistics, their names, and each of them when it is asked for."""

    def __init__(
        self, stats: ColumnStats, rows: int, column: Callable[[int], Array], positions: Sequence[int] | None = None
    ) -> None:
        self.stats, self.rows, self.column = stats, rows, column
        # Where they are in a frame that has other columns too.
        self.positions = range(len(stats)) if positions is None else positions
        self.finite = stats.count - stats.posinf - stats.neginf
        # Whose smallest value stands for "missing", and is no matter of logs.
        self.with_sentinels: set[int] = set()

    def cause(self, code: str, severity: str, column: int, what: str, why: str, remedy: str, **more: Any) -> Cause:
        """A cause in one column."""
        names = self.stats.names
        return Cause(code, severity, "X", what, why, remedy, column=self.positions[column],
                     name=None if names is None else names[column], **more)


def causes_in_data(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    """All causes that columns show."""
    yield from _not_finite(columns)
    yield from _overflowing(columns, target)
    yield from _imprecise_integers(columns, target)
    yield from _sentinels(columns)
    yield from _without_variance(columns, target)
    yield from _uneven(columns)
    yield from _exponents(columns, target)
    yield from _logarithms(columns)


def _not_finite(columns: Columns) -> Iterator[Cause]:
    stats = columns.stats
    kinds = (
        ("nan", stats.nan, np.isnan, "every sum that it enters is NaN: the mean, the loss, then every weight",
         "drop the rows or impute them (sklearn.impute.SimpleImputer); in a loop, fastfinite.guard finds them"),
        ("inf", stats.posinf + stats.neginf, np.isinf,
         "inf - inf and inf * 0 are NaN, in the first layer or when it is standardized",
         "find out what made it (a division by 0, an overflow); fastfinite.safe_divide does not make it"),
    )
    for code, counts, test, why, remedy in kinds:
        for column in map(int, np.flatnonzero(counts)):
            count = int(counts[column])
            if count == columns.rows:
                what, first = f"all {columns.rows} values are {code}", 0
            else:
                # Missing values of frames count as nan, and are None here.
                first = int(np.argmax(test(as_floats(columns.column(column)))))
                what = f"{count} of {columns.rows} values are {code}; the first in row {first}"
            yield columns.cause(code, "error", column, what, why, remedy, count=count,
                                share=count / columns.rows, first=first)


def as_floats(values: Array) -> Array:
    """A column as float64, None and other missing values as nan."""
    with np.errstate(all="ignore"):
        floats: Array = values.astype(np.float64)
    return floats


def overflow_limit(target: _formats.Format) -> tuple[float, bool]:
    """The magnitude that overflows a format, and whether itself does; of float64 no float64 is."""
    limit, included = target.overflow_limit()
    return (float(limit), included) if limit <= sys.float_info.max else (math.inf, True)


def exp_limit(target: _formats.Format) -> float:
    """The largest number of which exp is finite in a format."""
    return math.log(min(overflow_limit(target)[0], sys.float_info.max))


def _overflowing(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    limit, included = overflow_limit(target)
    largest = _largest(columns.stats)
    for column in map(int, np.flatnonzero(largest >= limit)):
        values = np.abs(as_floats(columns.column(column)))
        over = (values >= limit if included else values > limit) & np.isfinite(values)
        count = int(over.sum())
        if count:
            first = int(np.argmax(over))
            yield columns.cause(
                "overflow", "error", column,
                f"{plural(count, 'value')} of magnitude {limit:.4g} or more; the first in row {first}",
                f"cast to {target.name} they are inf, and then NaN",
                "standardize before the cast (fastfinite.standardize), or train in a wider dtype",
                count=count, share=count / columns.rows, first=first,
            )


def _largest(stats: ColumnStats) -> Array:
    """The largest finite magnitude of each column, as far as its limits tell."""
    limits = np.abs(np.stack([stats.min, stats.max]))
    return np.asarray(np.where(np.isnan(limits), 0, limits).max(axis=0))


def _imprecise_integers(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    exact, (largest, _) = 2.0 ** (target.mantissa + 1), overflow_limit(target)
    for column in map(int, np.flatnonzero(_largest(columns.stats) >= exact)):
        values = columns.column(column)
        if values.dtype.kind == "f":
            # Identifiers become float64 when one of them is missing. Beyond 2**53 every float64 is whole.
            floats = np.where(np.abs(values) <= 2.0**53, values, 0).astype(np.float64)
            if (floats != np.floor(floats)).any():
                continue
            whole = floats.astype(np.int64)
        elif values.dtype.kind in "iu":
            whole = values
        else:
            continue
        rounded, lost = _rounded(whole, target.mantissa + 1)
        lost &= np.abs(rounded) < largest       # beyond that nothing is left of them
        count = int(lost.sum())
        if count:
            first = int(np.argmax(lost))
            merged = len(np.unique(whole)) - len(np.unique(rounded))
            yield columns.cause(
                "integer-digits", "warning" if merged else "note", column,
                f"{plural(count, 'integer')} beyond 2**{target.mantissa + 1}"
                + (f", {merged} of which become equal to others" if merged else "") + f"; the first in row {first}",
                f"{target.name} holds whole numbers up to 2**{target.mantissa + 1}: neighbours become equal, as "
                "identifiers and time stamps do",
                "subtract an origin first, or do not use identifiers as numbers",
                count=count, share=count / columns.rows, first=first,
            )


def _rounded(values: Array, bits: int) -> tuple[Array, Array]:
    """Whole numbers rounded to so many significant bits, ties to even, and where that changed them."""
    sign = values < 0
    size = values.astype(np.uint64)
    size = np.where(sign, ~size + np.uint64(1), size)
    length = np.zeros(size.shape, np.uint64)        # the place of the highest bit
    for step in (32, 16, 8, 4, 2, 1):
        length += np.where((size >> length) >> np.uint64(step) != 0, np.uint64(step), np.uint64(0))
    cut = np.maximum(length.astype(np.int64) + 1 - bits, 0).astype(np.uint64)
    kept = size >> cut
    rest, half = size - (kept << cut), (np.uint64(1) << cut) >> np.uint64(1)
    kept = kept + ((rest > half) | ((rest == half) & (rest > 0) & (kept % np.uint64(2) == 1)))
    rounded = np.ldexp(kept.astype(np.float64), cut.astype(np.intc))
    return np.where(sign, -rounded, rounded), rest > 0


def _sentinels(columns: Columns) -> Iterator[Cause]:
    suspicious = np.zeros(len(columns.stats), np.bool_)
    for limits in (columns.stats.min, columns.stats.max):
        # Where a limit is infinite, a sentinel may be hidden behind it.
        suspicious |= _known(limits) | np.isinf(limits)
    for column in np.flatnonzero(suspicious & (columns.finite >= 3)):
        yield from _isolated(columns, int(column))


def _known(values: Array) -> Array:
    """Which of them are known to stand for missing values."""
    found = np.zeros(values.shape, np.bool_)
    large = np.flatnonzero((np.abs(values) >= 0.99 * min(map(abs, SENTINELS))) & np.isfinite(values))
    if len(large):
        candidates, known = values[large], np.sort(SENTINELS)
        above = np.clip(np.searchsorted(known, candidates), 1, len(known) - 1)
        for nearest in (known[above - 1], known[above]):
            found[large] |= np.abs(candidates - nearest) <= 1e-6 * np.abs(nearest)
    return found


def _isolated(columns: Columns, column: int) -> Iterator[Cause]:
    values = as_floats(columns.column(column))
    known = _known(values)
    rest = values[~known & np.isfinite(values)]
    if len(rest) < 2:
        return
    low, high = float(rest.min()), float(rest.max())
    for value in map(float, np.unique(values[known])):
        same = values == value
        count, first = int(same.sum()), int(np.argmax(same))
        # However wide the others spread, a negative one among them that are none stands apart.
        apart = max(low - value, value - high) > max(high - low, 1.0) or value < 0 <= low
        if count > len(rest) or not apart:
            continue
        columns.with_sentinels.add(column)
        yield columns.cause(
            "sentinel", "warning", column,
            f"{value:g} stands apart from all other values ({low:g} to {high:g}), "
            f"{plural(count, 'time')}; the first in row {first}",
            "a number that means 'missing' moves the mean, and the loss goes where it is",
            "make it NaN, then drop or impute it",
            count=count, share=count / columns.rows, first=first,
        )


def _without_variance(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    stats = columns.stats
    if columns.rows < 2:
        return
    for column in map(int, np.flatnonzero(stats.constant)):
        yield columns.cause(
            "constant", "warning", column, f"every value is {stats.min[column]:g}",
            "its standard deviation is 0: (x - mean) / std is 0 / 0, NaN in every row",
            "drop the column, or scale with fastfinite.standardize, which makes it 0", **_present(columns, column),
        )
    # Some ten times the resolution; columns of half precision are made from wider ones.
    rtol, name = (1e-15, "float64") if target.mantissa > 23 else (1e-6, "float32")
    for column in map(int, np.flatnonzero(stats.near_constant(rtol))):
        yield columns.cause(
            "near-constant", "warning", column,
            f"standard deviation {stats.std[column]:.3g} about a mean of {stats.mean[column]:.6g}",
            f"the spread is at the limit of {name}: dividing by it blows up rounding errors",
            "subtract the mean in float64 before the cast (fastfinite.standardize), or drop the column",
            **_present(columns, column),
        )


def _present(columns: Columns, column: int) -> dict[str, Any]:
    """How many values a column has, which share of its rows that is, and which is the first."""
    count = int(columns.stats.count[column])
    first = 0 if count == columns.rows else int(np.argmin(np.isnan(as_floats(columns.column(column)))))
    return {"count": count, "share": count / columns.rows, "first": first}


def _uneven(columns: Columns) -> Iterator[Cause]:
    stats = columns.stats
    std = np.where(np.isfinite(stats.std) & (stats.std > 0) & ~stats.constant, stats.std, np.nan)
    if np.isfinite(std).sum() < 2:
        return
    large, small = int(np.nanargmax(std)), int(np.nanargmin(std))
    with np.errstate(all="ignore"):
        ratio = std[large] / std[small]
    if ratio >= _UNEVEN:
        yield columns.cause(
            "uneven-scale", "warning" if ratio >= _VERY_UNEVEN else "note", large,
            f"its standard deviation, {std[large]:.3g}, is {ratio:.2g} times that of column "
            f"{columns.positions[small]} ({std[small]:.3g})",
            "no learning rate fits both: the gradient of the large one explodes, or the small one is not learnt",
            "standardize the columns (fastfinite.standardize, fastfinite.sklearn.ColumnScaler)",
            count=columns.rows, share=1.0,
        )


def _exponents(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    limit, largest = exp_limit(target), columns.stats.max
    over = np.flatnonzero(np.isfinite(largest) & (largest > limit))
    if len(over):
        column = int(over[np.argmax(largest[over])])
        above = as_floats(columns.column(column)) > limit
        count = int(above.sum())
        yield columns.cause(
            "exp-overflow", "note", column,
            f"values up to {largest[column]:.4g}, in {plural(len(over), 'column')} above {limit:.3g}",
            f"exp of a number above {limit:.3g} is inf in {target.name}: in a softmax or a sigmoid that is written out",
            "standardize, or use fastfinite.softmax, sigmoid and logsumexp, which do not overflow",
            count=count, share=count / columns.rows, first=int(np.argmax(above)),
        )


def _logarithms(columns: Columns) -> Iterator[Cause]:
    stats = columns.stats
    below = stats.zero + stats.negative - stats.neginf
    with np.errstate(all="ignore"):
        positive = (columns.finite - below) / columns.finite
        skewed = (stats.std > stats.mean) & (stats.max > 10 * stats.mean)
    for column in np.flatnonzero((below > 0) & (positive >= _MOSTLY) & skewed):
        if column in columns.with_sentinels:
            continue
        values = as_floats(columns.column(int(column)))
        first = int(np.argmax((values <= 0) & np.isfinite(values)))
        yield columns.cause(
            "log-of-zero", "note", int(column),
            f"{plural(int(below[column]), 'value')} of 0 or less in a positive, skewed column; first in row {first}",
            "the log that such columns are often given is -inf or NaN there",
            "fastfinite.safe_log(x, fill=...), or log1p",
            count=int(below[column]), share=float(below[column]) / columns.rows, first=first,
        )

"""Causes in the data: what its column statistics show, and what a second look at the columns they point to does.

The statistics take one pass. Only columns that they make suspicious are looked at again, one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Array
from fastfinite._diagnosis import Cause
from fastfinite._report import plural
from fastfinite._statistics import ColumnStats

# Numbers that stand for "no value" in data sets: of surveys, of NetCDF, of models and sensors, the limits of types.
SENTINELS = (-1e20, 1e20, -999.0, -999.9, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 9.96921e36, 1e30, -1e30,
             *(sign * 2.0**bits for bits in (15, 31, 63) for sign in (1, -1)), 2.0**15 - 1, 2.0**31 - 1,
             *(sign * float(np.finfo(dtype).max) for dtype in ("float32", "float64") for sign in (1, -1)))
# Standard deviations of columns that differ by this are a note, by that a warning.
_UNEVEN, _VERY_UNEVEN = 1e4, 1e6
# From this share of positive values on, a column of them is one that a log may be taken of.
_MOSTLY = 0.9


class Columns:
    """The columns of the data: their statistics, their names, and each of them when it is asked for."""

    def __init__(self, stats: ColumnStats, rows: int, column: Callable[[int], Array]) -> None:
        self.stats, self.rows, self.column = stats, rows, column
        self.finite = stats.count - stats.posinf - stats.neginf
        # Whose smallest value stands for "missing", and is no matter of logs.
        self.with_sentinels: set[int] = set()

    def cause(self, code: str, severity: str, column: int, what: str, why: str, remedy: str, **more: Any) -> Cause:
        """A cause in one column."""
        names = self.stats.names
        return Cause(code, severity, "X", what, why, remedy, column=column,
                     name=None if names is None else names[column], **more)


def causes_in_data(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    """All causes that columns show."""
    yield from _not_finite(columns)
    yield from _overflowing(columns, target)
    yield from _imprecise_integers(columns, target)
    yield from _sentinels(columns)
    yield from _without_variance(columns)
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


def _overflowing(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    limit, included = target.overflow_limit()
    largest = _largest(columns.stats)
    for column in map(int, np.flatnonzero(largest >= float(limit))):
        values = np.abs(as_floats(columns.column(column)))
        over = (values >= float(limit) if included else values > float(limit)) & np.isfinite(values)
        count = int(over.sum())
        if count:
            first = int(np.argmax(over))
            yield columns.cause(
                "overflow", "error", column,
                f"{plural(count, 'value')} of magnitude {float(limit):.4g} or more; the first in row {first}",
                f"cast to {target.name} they are inf, and then NaN",
                "standardize before the cast (fastfinite.standardize), or train in a wider dtype",
                count=count, share=count / columns.rows, first=first,
            )


def _largest(stats: ColumnStats) -> Array:
    """The largest finite magnitude of each column, as far as its limits tell."""
    limits = np.abs(np.stack([stats.min, stats.max]))
    return np.asarray(np.where(np.isnan(limits), 0, limits).max(axis=0))


def _imprecise_integers(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    exact = 2.0 ** (target.mantissa + 1)
    for column in np.flatnonzero(_largest(columns.stats) > exact):
        values = columns.column(int(column))
        if values.dtype.kind not in "iu" or target.name not in _formats.NATIVE:
            continue
        with np.errstate(all="ignore"):
            lost = values.astype(target.name).astype(np.float64) != values.astype(np.float64)
            # Integers that float64 does not hold either are compared as integers.
            lost |= np.abs(values.astype(np.float64)) > 2.0**53
        count = int(lost.sum())
        if count:
            first = int(np.argmax(lost))
            yield columns.cause(
                "integer-digits", "warning", int(column),
                f"{plural(count, 'integer')} beyond 2**{target.mantissa + 1}; the first in row {first}",
                f"{target.name} holds whole numbers up to 2**{target.mantissa + 1}: neighbours become equal, as "
                "identifiers and time stamps do",
                "subtract an origin first, or do not use identifiers as numbers",
                count=count, share=count / columns.rows, first=first,
            )


def _sentinels(columns: Columns) -> Iterator[Cause]:
    for limits in (columns.stats.min, columns.stats.max):
        with np.errstate(all="ignore"):
            known = (np.abs(limits - np.reshape(SENTINELS, (-1, 1))) <= 1e-6 * np.abs(limits)).any(axis=0)
        for column in np.flatnonzero(known & np.isfinite(limits) & (columns.finite >= 3)):
            yield from _isolated(columns, int(column), float(limits[column]))


def _isolated(columns: Columns, column: int, value: float) -> Iterator[Cause]:
    values = as_floats(columns.column(column))
    same = values == value
    rest = values[~same & np.isfinite(values)]
    count = int(same.sum())
    if len(rest) < 2 or count == 0 or count > len(rest):
        return
    spread, gap = rest.max() - rest.min(), np.abs(rest - value).min()
    if gap > max(spread, 1.0):
        columns.with_sentinels.add(column)
        first = int(np.argmax(same))
        yield columns.cause(
            "sentinel", "warning", column,
            f"{value:g} stands apart from all other values ({rest.min():g} to {rest.max():g}), "
            f"{plural(count, 'time')}; the first in row {first}",
            "a number that means 'missing' moves the mean, and the loss goes where it is",
            "make it NaN, then drop or impute it",
            count=count, share=count / columns.rows, first=first,
        )


def _without_variance(columns: Columns) -> Iterator[Cause]:
    stats = columns.stats
    if columns.rows < 2:
        return
    for column in np.flatnonzero(stats.constant):
        yield columns.cause(
            "constant", "warning", int(column), f"every value is {stats.min[column]:g}",
            "its standard deviation is 0: (x - mean) / std is 0 / 0, NaN in every row",
            "drop the column, or scale with fastfinite.standardize, which makes it 0",
            count=int(stats.count[column]), share=1.0, first=0,
        )
    for column in np.flatnonzero(stats.near_constant(1e-6)):
        yield columns.cause(
            "near-constant", "warning", int(column),
            f"standard deviation {stats.std[column]:.3g} about a mean of {stats.mean[column]:.6g}",
            "the spread is at the limit of float32: dividing by it blows up rounding errors",
            "subtract the mean in float64 before the cast (fastfinite.standardize), or drop the column",
            count=int(stats.count[column]), share=1.0, first=0,
        )


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
            f"its standard deviation, {std[large]:.3g}, is {ratio:.2g} times that of column {small} ({std[small]:.3g})",
            "no learning rate fits both: the gradient of the large one explodes, or the small one is not learnt",
            "standardize the columns (fastfinite.standardize, fastfinite.sklearn.ColumnScaler)",
            count=columns.rows, share=1.0,
        )


def _exponents(columns: Columns, target: _formats.Format) -> Iterator[Cause]:
    limit = math.log(float(target.overflow_limit()[0]))
    over = np.flatnonzero(np.isfinite(columns.stats.max) & (columns.stats.max > limit))
    if len(over):
        column = int(np.nanargmax(np.where(np.isfinite(columns.stats.max), columns.stats.max, -np.inf)))
        yield columns.cause(
            "exp-overflow", "note", column,
            f"values up to {columns.stats.max[column]:.4g}, in {plural(len(over), 'column')} above {limit:.3g}",
            f"exp of a number above {limit:.3g} is inf in {target.name}: in a softmax or a sigmoid that is written out",
            "standardize, or use fastfinite.softmax, sigmoid and logsumexp, which do not overflow",
            count=len(over), share=len(over) / len(columns.stats),
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
        first = int(np.argmax(values <= 0))
        yield columns.cause(
            "log-of-zero", "note", int(column),
            f"{plural(int(below[column]), 'value')} of 0 or less in a positive, skewed column; first in row {first}",
            "the log that such columns are often given is -inf or NaN there",
            "fastfinite.safe_log(x, fill=...), or log1p",
            count=int(below[column]), share=float(below[column]) / columns.rows, first=first,
        )

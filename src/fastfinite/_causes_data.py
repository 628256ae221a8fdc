"""Causes in the data: what its column statistics show, and what a second look at the columns they point to does.

The statistics take one pass, and the columns that they make suspicious one more, all together. So every finder of
causes is a generator in two steps: it yields first the questions it has for the second look, and then, resumed when
they have been answered, the causes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Array
from fastfinite._diagnosis import Cause
from fastfinite._report import plural
from fastfinite._samples import Samples
from fastfinite._second_look import EmptyRows, LostDigits, Occurrences, Places, Question, Sentinels
from fastfinite._statistics import ColumnStats

# Yields questions once, and causes from then on.
Finder: TypeAlias = "Iterator[list[Question] | Cause]"

# Numbers that stand for "no value" in data sets: of surveys, of NetCDF, of models and sensors, the limits of types.
SENTINELS = (-1e20, 1e20, -99.0, -999.0, -999.9, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 9.96921e36, 1e30, -1e30,
             *(sign * (2.0**bits - less) for bits in (15, 31, 63) for sign in (1, -1) for less in (0, 1)),
             2.0**16 - 1, 2.0**32 - 1,
             *(sign * float(np.finfo(dtype).max) for dtype in ("float32", "float64") for sign in (1, -1)))
# Standard deviations of columns that differ by this are a note, by that a warning.
_UNEVEN, _VERY_UNEVEN = 1e4, 1e6
# From this share of positive values on, a column of them is one that a log may be taken of.
_MOSTLY = 0.9


class Findings:
    """What the finders share: the samples, the format that is meant, and what one of them tells the others."""

    def __init__(self, samples: Samples, target: _formats.Format) -> None:
        self.samples, self.target = samples, target
        self.stats: ColumnStats = samples.stats
        self.rows: int = samples.rows
        self.finite = self.stats.count - self.stats.posinf - self.stats.neginf
        # Columns whose smallest value stands for "missing", and is no matter of logs.
        self.with_sentinels: set[int] = set()

    def cause(self, code: str, severity: str, column: Any, what: str, why: str, remedy: str, **more: Any) -> Cause:
        """A cause in one column; that of more axes is named by its index along those."""
        names, position = self.stats.names, int(self.samples.positions[column])
        name = None if names is None else names[column]
        if name is None and self.has_places:
            name = str([int(i) for i in np.unravel_index(position, self.samples.shape[1:])])
        return Cause(code, severity, "X", what, why, remedy, column=position, name=name, **more)

    @property
    def has_places(self) -> bool:
        """Whether columns are the pixels of images, or the like: of these some never vary."""
        return len(self.samples.shape) > 2

    def counted(self, count: Any, first: Any) -> dict[str, Any]:
        """How many values of a column are concerned, which share of its rows that is, and which is the first."""
        return {"count": int(count), "share": int(count) / self.rows, "first": None if first is None else int(first)}


def causes_in_data(samples: Samples, target: _formats.Format) -> Iterator[Cause]:
    """All causes that columns show."""
    findings = Findings(samples, target)
    finders: list[Finder] = [find(findings) for find in (
        _nothing, _not_finite, _overflowing, _vanishing, _imprecise_integers, _sentinels, _without_variance, _uneven,
        _exponents, _logarithms, _bad_rows)]
    questions: list[Question] = []
    for finder in finders:
        asked = next(finder)
        assert isinstance(asked, list)
        questions += asked
    samples.answer(questions)
    for finder in finders:
        for cause in finder:
            assert isinstance(cause, Cause)
            yield cause


def _nothing(findings: Findings) -> Finder:
    yield []
    if findings.rows == 0 or len(findings.stats) == 0:
        what = "no rows" if findings.rows == 0 else "no columns of numbers"
        yield Cause("empty", "error", "X", f"there are {what}", "the mean loss of nothing is 0 / 0, NaN",
                    "look at what left them out: a filter, a join, dropna")
    if findings.samples.doubtful:
        names = ", ".join(map(repr, findings.samples.doubtful[:8]))
        yield Cause("not-scanned", "warning", "X", f"columns that may hold numbers were not looked at: {names}",
                    "they hold lists, structs, mixed objects or nothing: what is in them is not known",
                    "make them columns of numbers, or leave them out", count=len(findings.samples.doubtful))


def _not_finite(findings: Findings) -> Finder:
    stats = findings.stats
    kinds = (
        ("nan", stats.nan, np.isnan, "every sum that it enters is NaN: the mean, the loss, then every weight",
         "drop the rows or impute them (sklearn.impute.SimpleImputer); in a loop, fastfinite.guard finds them"),
        ("inf", stats.posinf + stats.neginf, np.isinf,
         "inf - inf and inf * 0 are NaN, in the first layer or when it is standardized",
         "find out what made it (a division by 0, an overflow); fastfinite.safe_divide does not make it"),
    )
    # Of a column where all are bad, the first is known.
    seen = [Occurrences(np.flatnonzero((counts > 0) & (counts < findings.rows)), test, of_bad=True)
            for _, counts, test, _, _ in kinds]
    every = np.flatnonzero(stats.nan + stats.posinf + stats.neginf)
    yield [*seen, Places(every, findings.samples.bad_map, findings.samples.positions)]
    for (code, counts, _, why, remedy), places in zip(kinds, seen):
        first = dict(zip(places.columns, places.first))
        for column in map(int, np.flatnonzero(counts)):
            count = int(counts[column])
            counted = findings.counted(count, first.get(column, 0))
            if column in first:
                what = f"{count} of {findings.rows} values are {code}; the first in row {first[column]}"
                yield findings.cause(code, "error", column, what, why, remedy, **counted)
            else:
                yield findings.cause(f"all-{code}", "error", column, f"all {findings.rows} values are {code}", why,
                                     "drop the column: there is nothing that the others could be made of", **counted)


def _vanishing(findings: Findings) -> Finder:
    yield []
    largest, least = _largest(findings.stats), findings.target.value(1) / 2
    for column in np.flatnonzero((largest > 0) & (largest <= least)):
        yield findings.cause(
            "underflow", "warning", column, f"no value is larger than {largest[column]:.3g}",
            f"cast to {findings.target.name} all of them are 0",
            "standardize before the cast (fastfinite.standardize), or train in a wider dtype",
            **findings.counted(findings.stats.count[column], None),
        )


def _overflowing(findings: Findings) -> Finder:
    name = findings.target.name
    limit, included = findings.target.float_limit()

    def overflows(values: Array) -> Array:
        size = np.abs(values)
        return np.asarray((size >= limit if included else size > limit) & np.isfinite(values))

    over = Occurrences(np.flatnonzero(_largest(findings.stats) >= limit), overflows)
    yield [over]
    for column, count, first in zip(over.columns, over.count, over.first):
        if count:
            yield findings.cause(
                "overflow", "error", column,
                f"{plural(int(count), 'value')} of magnitude {limit:.6g} or more; the first in row {first}",
                f"cast to {name} they are inf, and then NaN",
                "standardize before the cast (fastfinite.standardize), or train in a wider dtype",
                **findings.counted(count, first),
            )


def _largest(stats: ColumnStats) -> Array:
    """The largest finite magnitude of each column, as far as its limits tell."""
    limits = np.abs(np.stack([stats.min, stats.max]))
    return np.asarray(np.where(np.isnan(limits), 0, limits).max(axis=0))


def _imprecise_integers(findings: Findings) -> Finder:
    name, bits = findings.target.name, findings.target.mantissa + 1
    large = np.flatnonzero(_largest(findings.stats) >= 2.0**bits)
    lost = LostDigits(large, bits, findings.target.float_limit()[0])
    yield [lost]
    for i in map(int, np.flatnonzero(lost.whole & (lost.count > 0))):
        merged = lost.merged(i)
        number = f"{merged}{' or more' if lost.more[i] else ''}"
        yield findings.cause(
            "integer-digits", "warning" if merged else "note", lost.columns[i],
            f"{plural(int(lost.count[i]), 'integer')} beyond 2**{bits}"
            + (f", {number} of which become equal to others" if merged else "") + f"; the first in row {lost.first[i]}",
            f"{name} holds whole numbers up to 2**{bits}: neighbours become equal, as identifiers and time stamps do",
            "subtract an origin first, or do not use identifiers as numbers",
            **findings.counted(lost.count[i], lost.first[i]),
        )


def _sentinels(findings: Findings) -> Finder:
    suspicious = np.zeros(len(findings.stats), np.bool_)
    for limits in (findings.stats.min, findings.stats.max):
        # Where a limit is infinite, a sentinel may be hidden behind it.
        suspicious |= _known(limits) | np.isinf(limits)
    seen = Sentinels(np.flatnonzero(suspicious & (findings.finite >= 3)), _known)
    yield [seen]
    for column, others, low, high, found in zip(seen.columns, seen.others, seen.low, seen.high, seen.found):
        for value, (count, first) in sorted(found.items()):
            # However wide the others spread, a negative one among them that are none stands apart.
            apart = max(low - value, value - high) > max(high - low, 1.0) or value < 0 <= low
            if others < 2 or not apart:
                continue
            findings.with_sentinels.add(int(column))
            yield findings.cause(
                "sentinel", "warning", column,
                f"{value:g} stands apart from all other values ({low:g}{'' if low == high else f' to {high:g}'}), "
                f"{plural(count, 'time')}; the first in row {first}",
                "a number that means 'missing' moves the mean and the scale, and the model learns to fit it",
                "make it NaN, then drop or impute it",
                **findings.counted(count, first),
            )


def _known(values: Array) -> Array:
    """Which of them are known to stand for missing values."""
    known = np.sort(SENTINELS)
    found = np.zeros(values.shape, np.bool_)
    large = (np.abs(values) >= 0.99 * np.abs(known).min()) & np.isfinite(values)
    candidates = values[large]
    above = np.clip(np.searchsorted(known, candidates), 1, len(known) - 1)
    near = [np.abs(candidates - nearest) <= 1e-6 * np.abs(nearest) for nearest in (known[above - 1], known[above])]
    found[large] = near[0] | near[1]
    return found


def _without_variance(findings: Findings) -> Finder:
    stats = findings.stats
    rtol, name = findings.target.near_constant
    enough = findings.rows >= 2
    severity = "note" if findings.has_places else "warning"
    constant = np.flatnonzero(stats.constant & np.isfinite(stats.min) & enough)
    near = np.flatnonzero(stats.near_constant(rtol) & enough)
    flat = np.union1d(constant, near)
    present = Occurrences(flat[stats.count[flat] < findings.rows], lambda values: ~np.isnan(values))
    yield [present]
    first = dict(zip(present.columns, present.first))
    for column in map(int, constant):
        yield findings.cause(
            "constant", severity, column, f"every value is {stats.min[column]:g}",
            "its standard deviation is 0: (x - mean) / std is 0 / 0, NaN in every row",
            "drop the column, or scale with fastfinite.standardize, which makes it 0",
            **findings.counted(stats.count[column], first.get(column, 0)),
        )
    for column in map(int, near):
        yield findings.cause(
            "near-constant", severity, column,
            f"standard deviation {stats.std[column]:.3g} about a mean of {stats.mean[column]:.6g}",
            f"the spread is at the limit of {name}: dividing by it blows up rounding errors",
            "subtract the mean in float64 before the cast (fastfinite.standardize), or drop the column",
            **findings.counted(stats.count[column], first.get(column, 0)),
        )


def _uneven(findings: Findings) -> Finder:
    yield []
    stats = findings.stats
    std = np.where(np.isfinite(stats.std) & (stats.std > 0), stats.std, np.nan)
    if np.isfinite(std).sum() < 2:
        return
    large, small = int(np.nanargmax(std)), int(np.nanargmin(std))
    with np.errstate(all="ignore"):
        ratio = std[large] / std[small]
    if ratio >= _UNEVEN:
        yield findings.cause(
            "uneven-scale", "warning" if ratio >= _VERY_UNEVEN else "note", large,
            f"its standard deviation, {std[large]:.3g}, is {ratio:.2g} times that of column "
            f"{findings.samples.positions[small]} ({std[small]:.3g})",
            "no learning rate fits both: the gradient of the large one explodes, or the small one is not learnt",
            "standardize the columns of numbers (fastfinite.standardize, fastfinite.sklearn.ColumnScaler)",
            **findings.counted(findings.rows, None),
        )


def _exponents(findings: Findings) -> Finder:
    limit, largest = findings.target.exp_limit(), findings.stats.max
    over = np.flatnonzero(np.isfinite(largest) & (largest > limit))
    above = Occurrences(over[np.argsort(-largest[over], kind="stable")[:1]], lambda values: values > limit)
    yield [above]
    for column, count, first in zip(above.columns, above.count, above.first):
        yield findings.cause(
            "exp-overflow", "note", column,
            f"values up to {largest[column]:.4g}, in {plural(len(over), 'column')} above {limit:.3g}",
            f"exp of a number above {limit:.3g} is inf in {findings.target.name}: in a softmax or a sigmoid that is "
            "written out",
            "standardize, or use fastfinite.softmax, sigmoid and logsumexp, which do not overflow",
            **findings.counted(count, first),
        )


def _logarithms(findings: Findings) -> Finder:
    stats = findings.stats
    below = stats.zero + stats.negative
    with np.errstate(all="ignore"):
        positive = (stats.count - below) / stats.count
        # Where a value is infinite, there is no deviation.
        skewed = (stats.std > stats.mean) & (stats.max > 10 * stats.mean)
    columns = np.flatnonzero((below > 0) & (positive >= _MOSTLY) & skewed)
    places = Occurrences(columns, lambda values: values <= 0)
    yield [places]
    for column, first in zip(columns, places.first):
        if int(column) in findings.with_sentinels:
            continue
        yield findings.cause(
            "log-of-zero", "note", column,
            f"{plural(int(below[column]), 'value')} of 0 or less in a positive, skewed column; first in row {first}",
            "the log that such columns are often given is -inf or NaN there",
            "fastfinite.safe_log(x, fill=...)" + ("" if stats.negative[column] else ", or log1p"),
            **findings.counted(below[column], first),
        )


def _bad_rows(findings: Findings) -> Finder:
    """Rows of which nothing is a number: a failed join, an empty line."""
    columns = len(findings.stats)
    if columns < 2 or not findings.stats.nan.all():
        yield []
        return
    empty = EmptyRows(columns, findings.rows)
    yield [empty]
    if empty.count:
        yield Cause(
            "empty-row", "error", "X",
            f"{plural(empty.count, 'row')} without any number; the first is row {empty.first}",
            "nothing can be imputed from nothing: the loss of these rows is NaN",
            "drop them; they often come from a join that found no partner",
            **findings.counted(empty.count, empty.first),
        )

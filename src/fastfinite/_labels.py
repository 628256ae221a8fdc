"""`Labels`: what has to be known of labels, gathered some rows at a time, so that they may be larger than memory."""

from __future__ import annotations

import math

import numpy as np

from fastfinite._accepted import Array, as_floats

# Up to so many different whole numbers are taken for classes.
MOST_CLASSES = 1000
# Rows of probabilities may miss a sum of 1 by so much: what float16 loses on some hundred classes.
SUM_TOLERANCE = 1e-3
# From this share of rows with several labels on, labels of many columns are not one-hot, but several at once.
MULTI_LABEL = 0.05
_ROWS = 1 << 16


class Rows:
    """Rows of which something is true: how many, the first, and of how many."""

    __slots__ = ("count", "first", "total")

    def __init__(self, bad: Array | None = None) -> None:
        self.count, self.first, self.total = 0, -1, 0
        if bad is not None:
            self.add(bad, 0)

    def add(self, bad: Array, row: int) -> None:
        """Add the verdicts of the rows from `row` on."""
        count = int(bad.sum())
        if count and (self.count == 0 or row + int(np.argmax(bad)) < self.first):
            self.first = row + int(np.argmax(bad))
        self.count += count
        self.total += len(bad)

    def join(self, other: Rows) -> None:
        """Add those that follow."""
        if other.count and self.count == 0:
            self.first = self.total + other.first
        self.count += other.count
        self.total += other.total

    @property
    def share(self) -> float:
        return self.count / max(self.total, 1)

    def __bool__(self) -> bool:
        return self.count > 0


class Labels:
    """Facts of labels: classes, {0, 1}, probabilities, one-hot rows or the targets of a regression.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        Of what they are stored as; where it holds no numbers, nothing more is known.
    present, nan : Rows
        Those that are finite; those with a value that is not.
    outside : Rows
        Those with a value that is not in [0, 1].
    fraction, beyond : Rows
        Of one label a row: no whole number; not in [0, `classes`).
    inside, off, several : Rows
        Of several a row: all in [0, 1]; of these, not of sum 1; of a sum of more than one label.
    label : str
        The dtype as it is told.
    largest : float
        The largest magnitude that is finite.
    values : ndarray
        The different ones, ascending, as long as they may be classes: `many` is True where there are more.
    beyond_values : ndarray
        Up to two of those that are `beyond`.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[np.generic], classes: int | None = None, label: str = ""
    ) -> None:
        self.shape, self.dtype, self.classes, self.label = shape, dtype, classes, label or str(dtype)
        self.largest = 0.0
        self.present, self.nan, self.outside, self.fraction, self.beyond = Rows(), Rows(), Rows(), Rows(), Rows()
        self.inside, self.off, self.several = Rows(), Rows(), Rows()
        self.values, self.many = np.empty(0), False
        self.beyond_values = np.empty(0)

    @property
    def are_numbers(self) -> bool:
        return self.dtype.kind in "biuf"

    @property
    def is_single(self) -> bool:
        """Whether each row has one."""
        return math.prod(self.shape[1:]) == 1

    def add(self, values: Array, row: int) -> None:
        """Add the rows from `row` on, as float64."""
        with np.errstate(all="ignore"):
            self._add(values, row)

    def _add(self, values: Array, row: int) -> None:
        nan = ~np.isfinite(values)
        self.largest = max(self.largest, float(np.abs(values).max(initial=0, where=~nan)))
        if self.is_single:
            self.nan.add(nan.reshape(-1), row)
            self._add_single(values.reshape(-1), ~nan.reshape(-1), row)
        else:
            rest = tuple(range(1, values.ndim))
            outside = (values < 0) | (values > 1)
            self.add_rows(values.sum(axis=rest), self._any(nan), self._any(outside & ~nan), row)

    @staticmethod
    def _any(bad: Array) -> Array:
        return np.asarray(bad.any(axis=tuple(range(1, bad.ndim))))

    def join(self, other: Labels) -> None:
        """Add the labels of the rows that follow."""
        if not other.are_numbers:
            self.dtype, self.label = other.dtype, other.label
        for name in ("present", "nan", "outside", "fraction", "beyond", "inside", "off", "several"):
            getattr(self, name).join(getattr(other, name))
        self._add_values(other.values, other.many)
        self.largest = max(self.largest, other.largest)
        self.beyond_values = np.union1d(self.beyond_values, other.beyond_values)[:2]
        self.shape = (self.shape[0] + other.shape[0], *self.shape[1:])

    def _add_values(self, values: Array, many: bool = False) -> None:
        if not self.many:
            self.values = np.union1d(self.values, values)
            self.many = many or len(self.values) > MOST_CLASSES

    def _add_single(self, y: Array, present: Array, row: int) -> None:
        beyond = present & ((y < 0) | (y >= (np.inf if self.classes is None else self.classes)))
        self.present.add(present, row)
        self.outside.add(present & ((y < 0) | (y > 1)), row)
        self.fraction.add(present & (y != np.floor(y)), row)
        self.beyond.add(beyond, row)
        self._add_values(y[present])
        if len(self.beyond_values) < 2:
            self.beyond_values = np.union1d(self.beyond_values, y[beyond])[:2]

    def add_rows(self, sums: Array, nan: Array, outside: Array, row: int) -> None:
        """Add rows of several labels: their sums, and which of them have one that is nan or not in [0, 1]."""
        self.nan.add(nan, row)
        self.present.add(~nan, row)
        self.outside.add(outside, row)
        inside = ~(nan | outside)
        self.inside.add(inside, row)
        self.off.add(inside & (np.abs(sums - 1) > SUM_TOLERANCE), row)
        self.several.add(sums > 1.5, row)


def labels_of(y: Array, classes: int | None, label: str = "") -> Labels:
    """The facts of an array."""
    labels = Labels(y.shape, y.dtype, classes, label)
    if labels.are_numbers:
        for row in range(0, len(y), _ROWS):
            labels.add(as_floats(y[row : row + _ROWS]), row)
    return labels

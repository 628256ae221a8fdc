"""The second look at columns that their statistics made suspicious: questions, all answered in one more pass.

(a) A question names its columns and takes chunks: some rows of some of them, in any order of rows and columns. (b) What
it keeps does not grow with the rows, but for a bit a row where whole rows may be empty. (c) Chunks have some megabytes,
whatever the data have.
"""

from __future__ import annotations

import copy
import functools
import numbers
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Accepted, Array, Part, as_floats
from fastfinite._bad_map import BadMap
from fastfinite._core import all_finite

# Values of a chunk, 2 MB as float64; and rows, however wide they are.
_CHUNK = 1 << 18
_LEAST_ROWS = 16
# Different values that are kept in all, to see which of them become equal.
_MOST_DIFFERENT = 1 << 20
# Of one sentinel a column has few spellings.
_MOST_SENTINELS = 64
_NEVER = np.iinfo(np.int64).max


class Chunk:
    """Some rows of some columns, as numbers that NumPy has.

    Attributes
    ----------
    values : ndarray, shape (rows, columns)
    missing : ndarray of bool or None
        Cells without a value.
    nulls : bool
        Whether those are nan, or masked and left out.
    row : int
        The first row.
    columns : ndarray of int
        Ascending.
    """

    def __init__(self, values: Array, missing: Array | None, nulls: bool, row: int, columns: Array) -> None:
        self.values, self.missing, self.nulls, self.row, self.columns = values, missing, nulls, row, columns

    @functools.cached_property
    def is_finite(self) -> bool:
        """Whether the kernels, which are much faster than what is asked here, find all values finite."""
        with_nulls = self.nulls and self.missing is not None
        return self.values.dtype.kind != "O" and not with_nulls and all_finite(self.values)

    def floats(self, part: Any) -> Array:
        """Some cells as float64, None and other missing values as nan."""
        floats = as_floats(self.values[part])
        if self.nulls and self.missing is not None:
            floats[self.missing[part]] = np.nan
        return floats

    def present(self, part: Any, test: Array) -> Array:
        """The cells of a test that are not left out."""
        return test if self.missing is None or self.nulls else np.asarray(test & ~self.missing[part])


def chunks(parts: Iterable[Part], positions: Array, columns: Array) -> Iterator[Chunk]:
    """Cut out of the parts of a table what is to be looked at: the columns at these positions, ascending."""
    for accepted, (row, first) in parts:
        low, high = np.searchsorted(positions, (first, first + accepted.shape[1]))
        if low == high:
            continue
        inside: Any = positions[low:high] - first
        if len(inside) == accepted.shape[1]:
            inside = slice(None)
        taken = columns[low:high]
        step = max(_LEAST_ROWS, _CHUNK // len(taken))
        for start in range(0, accepted.shape[0], step):
            yield _chunk(accepted, (slice(start, start + step), inside), row + start, taken)


def _chunk(accepted: Accepted, part: Any, row: int, columns: Array) -> Chunk:
    values = accepted.array[part]
    if accepted.is_raw and accepted.format is not None:
        values = _formats.values_of_bits(values, accepted.format)
    missing = None if accepted.mask is None else accepted.mask[part]
    return Chunk(values, missing if missing is not None and missing.any() else None, accepted.nulls, row, columns)


class Question:
    """Something that is asked of some columns; with `of_bad` only where something is not finite."""

    of_bad = False

    def __init__(self, columns: Iterable[int]) -> None:
        self.columns = np.asarray(list(columns), np.intp)
        # The columns of the chunk before, and the places of those of them that are asked for, here and there.
        self._before: tuple[Array | None, Array, Array] = (None, self.columns, self.columns)

    def take(self, chunk: Chunk) -> None:
        """Look at what a chunk has of the columns."""
        if self.of_bad and chunk.is_finite:
            return
        if chunk.columns is not self._before[0]:
            _, *places = np.intersect1d(self.columns, chunk.columns, assume_unique=True, return_indices=True)
            self._before = (chunk.columns, places[0], places[1])
        _, own, there = self._before
        if len(own):
            self.look(chunk, own, there)

    def look(self, chunk: Chunk, own: Array, there: Array) -> None:
        """Look at some columns: `own` are their places in this question, `there` those in the chunk."""
        raise NotImplementedError

    def for_rows(self, start: int, stop: int) -> Question:
        """The same question, before it has taken anything, for some of the rows."""
        return copy.deepcopy(self)

    def join(self, other: Any, axis: int) -> None:
        """Add the answer of others of the rows, or for axis 1 of others of the columns."""
        raise NotImplementedError


class Occurrences(Question):
    """How often a test holds in each column, and in which row first."""

    def __init__(self, columns: Iterable[int], test: Callable[[Array], Array], of_bad: bool = False) -> None:
        super().__init__(columns)
        self._test, self.of_bad = test, of_bad
        self.count = np.zeros(len(self.columns), np.int64)
        self.first = np.full(len(self.columns), _NEVER)

    def look(self, chunk: Chunk, own: Array, there: Array) -> None:
        part = np.s_[:, there]
        found = chunk.present(part, self._test(chunk.floats(part)))
        self.count[own] += found.sum(axis=0)
        hit = found.any(axis=0)
        first = chunk.row + found.argmax(axis=0)
        self.first[own[hit]] = np.minimum(self.first[own[hit]], first[hit])

    def join(self, other: Occurrences, axis: int) -> None:
        self.count += other.count
        self.first = np.minimum(self.first, other.first)


class Sentinels(Question):
    """Values of each column that are known to stand for missing ones, and the limits of the others."""

    def __init__(self, columns: Iterable[int], known: Callable[[Array], Array]) -> None:
        super().__init__(columns)
        self._known = known
        number = len(self.columns)
        # Of the values that are none: how many, the smallest and the largest.
        self.others = np.zeros(number, np.int64)
        self.low, self.high = np.full(number, np.inf), np.full(number, -np.inf)
        # By column: how often each occurs, and where first.
        self.found: list[dict[float, tuple[int, int]]] = [{} for _ in range(number)]

    def look(self, chunk: Chunk, own: Array, there: Array) -> None:
        part = np.s_[:, there]
        values = chunk.floats(part)
        present = chunk.present(part, np.isfinite(values))
        known = self._known(values) & present
        others = present & ~known
        self.others[own] += others.sum(axis=0)
        self.low[own] = np.minimum(self.low[own], np.where(others, values, np.inf).min(axis=0))
        self.high[own] = np.maximum(self.high[own], np.where(others, values, -np.inf).max(axis=0))
        for i in np.flatnonzero(known.any(axis=0)):
            rows = np.flatnonzero(known[:, i])
            different, first, counts = np.unique(values[rows, i], return_index=True, return_counts=True)
            found = self.found[own[i]]
            for value, row, count in zip(different.tolist(), rows[first] + chunk.row, counts):
                _add(found, value, int(count), int(row))

    def join(self, other: Sentinels, axis: int) -> None:
        self.others += other.others
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        for mine, more in zip(self.found, other.found):
            for value, (count, row) in more.items():
                _add(mine, value, count, row)


def _add(found: dict[float, tuple[int, int]], value: float, count: int, row: int) -> None:
    before, earliest = found.get(value, (0, _NEVER))
    if before or len(found) < _MOST_SENTINELS:
        found[value] = before + count, min(earliest, row)


class LostDigits(Question):
    """Whole numbers that a format of so many significant bits rounds, and how many of them become equal to others.

    Columns that hold a fraction are none of whole numbers.
    """

    def __init__(self, columns: Iterable[int], bits: int, largest: float) -> None:
        super().__init__(columns)
        self._bits, self._largest = bits, largest
        number = len(self.columns)
        self.whole = np.ones(number, np.bool_)
        self.count = np.zeros(number, np.int64)
        self.first = np.full(number, _NEVER)
        self._most = max(1 << 10, _MOST_DIFFERENT // max(1, number))
        self._different: list[Array] = [np.empty(0, np.int64) for _ in range(number)]
        # Whether there were more different ones than are kept.
        self.more = np.zeros(number, np.bool_)

    def look(self, chunk: Chunk, own: Array, there: Array) -> None:
        for i, j in zip(own, there):
            if not self.whole[i]:
                continue
            rows, whole = self._integers(chunk, j)
            if whole is None:
                self.whole[i] = False
                continue
            size = magnitudes(whole)
            # Their highest bit is so many above their lowest. Beyond the largest nothing is left of them.
            high, low = size >> np.uint64(self._bits), size & (~size + np.uint64(1))
            lost = (high > 0) & (high >= low) & (size < self._largest)
            if lost.any():
                self.count[i] += int(lost.sum())
                self.first[i] = min(self.first[i], chunk.row + int(rows[np.argmax(lost)]))
            # Smaller ones are exact, and equal to nothing else.
            self._keep(i, whole[size >= 2.0**self._bits])

    def _integers(self, chunk: Chunk, column: int) -> tuple[Array, Array | None]:
        """Rows and values of what is present and finite; no values where one has a fraction."""
        part = np.s_[:, column]
        values, floats = chunk.values[part], chunk.floats(part)
        rows = np.flatnonzero(chunk.present(part, np.isfinite(floats)))
        values, floats = values[rows], floats[rows]
        if values.dtype.kind in "iu":
            return rows, values
        if values.dtype.kind == "O":
            for dtype in (np.int64, np.uint64):
                limits = np.iinfo(dtype)
                if all(isinstance(value, numbers.Integral) and limits.min <= int(value) <= limits.max
                       for value in values):
                    return rows, values.astype(dtype)
            return rows, None
        # Identifiers become float64 when one of them is missing. Beyond 2**53 every float64 is whole.
        floats = np.where(np.abs(floats) <= 2.0**53, floats, 0)
        return rows, floats.astype(np.int64) if (floats == np.floor(floats)).all() else None

    def _keep(self, i: int, values: Array) -> None:
        if len(values) and not self.more[i]:
            kept = np.unique(np.concatenate([self._different[i].astype(values.dtype), values]))
            self.more[i] |= len(kept) > self._most
            self._different[i] = kept[: self._most]

    def join(self, other: LostDigits, axis: int) -> None:
        self.whole &= other.whole
        self.count += other.count
        self.first = np.minimum(self.first, other.first)
        self.more |= other.more
        for i, values in enumerate(other._different):
            self._keep(i, values)

    def merged(self, i: int) -> int:
        """How many of the different values of a column are no longer different."""
        rounded, _ = rounded_to(self._different[i], self._bits)
        return len(self._different[i]) - len(np.unique(rounded))


def magnitudes(values: Array) -> Array:
    """Whole numbers of 64 bits without their sign."""
    size = values.astype(np.uint64)
    return np.where(values < 0, ~size + np.uint64(1), size)


def rounded_to(values: Array, bits: int) -> tuple[Array, Array]:
    """Whole numbers rounded to so many significant bits, ties to even, and where that changed them."""
    size = magnitudes(values)
    length = np.zeros(size.shape, np.uint64)        # the place of the highest bit
    for step in (32, 16, 8, 4, 2, 1):
        length += np.where((size >> length) >> np.uint64(step) != 0, np.uint64(step), np.uint64(0))
    cut = np.maximum(length.astype(np.int64) + 1 - bits, 0).astype(np.uint64)
    kept = size >> cut
    rest, half = size - (kept << cut), (np.uint64(1) << cut) >> np.uint64(1)
    kept = kept + ((rest > half) | ((rest == half) & (rest > 0) & (kept % np.uint64(2) == 1)))
    rounded = np.ldexp(kept.astype(np.float64), cut.astype(np.intc))
    return np.where(values < 0, -rounded, rounded), rest > 0


class EmptyRows(Question):
    """Rows in which every column is nan; `count` of them, and the `first`."""

    def __init__(self, columns: int, rows: int, start: int = 0) -> None:
        super().__init__(range(columns))
        self._rows, self._start = rows, start
        # A bit a row, the first row the highest of the first byte; made when there is something to look at.
        self._bits: Array | None = None
        # Of rows of which all columns have been joined.
        self._count, self._first = 0, _NEVER

    def for_rows(self, start: int, stop: int) -> Question:
        return EmptyRows(len(self.columns), stop - start, start)

    def look(self, chunk: Chunk, own: Array, there: Array) -> None:
        if self._bits is None:
            self._bits = np.packbits(np.ones(self._rows, np.bool_))
        start, number = chunk.row - self._start, chunk.values.shape[0]
        bits = self._bits[start // 8 : -(-(start + number) // 8)]
        flags = np.unpackbits(bits)
        mine = flags[start % 8 :][:number]
        rows = np.flatnonzero(mine & (not chunk.is_finite))
        for column in there:
            if not len(rows):
                break
            part = rows, column
            rows = rows[chunk.present(part, np.isnan(chunk.floats(part)))]
        mine[:] = 0
        mine[rows] = 1
        bits[:] = np.packbits(flags)

    def join(self, other: EmptyRows, axis: int) -> None:
        if axis == 1:
            # Where there is nothing, there are no rows, or none of the columns.
            if self._bits is None or other._bits is None:
                self._bits = other._bits if self._bits is None else self._bits
            else:
                self._bits &= other._bits
            return
        first = self.first, other.first
        self._count, self._first, self._bits = self.count + other.count, min(first), None

    @property
    def count(self) -> int:
        bits = np.empty(0, np.uint8) if self._bits is None else self._bits
        slabs = (bits[i : i + _CHUNK] for i in range(0, len(bits), _CHUNK))
        return self._count + sum(int(np.unpackbits(slab).sum()) for slab in slabs)

    @property
    def first(self) -> int:
        if self._bits is None or not self._bits.any():
            return self._first
        byte = int(np.argmax(self._bits != 0))
        place = 8 * byte + int(np.argmax(np.unpackbits(self._bits[byte : byte + 1])))
        return min(self._first, self._start + place)


class Places(Question):
    """Fills a map of the values that are not finite, of columns that have these places in it."""

    of_bad = True

    def __init__(self, columns: Iterable[int], bad_map: BadMap, positions: Array) -> None:
        super().__init__(columns)
        self._map, self._positions = bad_map, positions

    def look(self, chunk: Chunk, own: Array, there: Array) -> None:
        part = np.s_[:, there]
        bad = chunk.present(part, ~np.isfinite(chunk.floats(part)))
        places = self._positions[chunk.columns[there]]
        for start, stop in self._map.split(chunk.row, chunk.row + chunk.values.shape[0]):
            self._map.add(bad[start - chunk.row : stop - chunk.row].sum(axis=0), start, places)

    def join(self, other: Places, axis: int) -> None:
        self._map.join(other._map)

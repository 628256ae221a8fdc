"""Column statistics: accept the input, run the kernels, read the answers off the table of sums.

The kernels take float32 and float64 of any layout. Everything else comes here in slabs of some rows, as one of the two:
small floats and small integers as float32, wider integers as float64, 64-bit integers less their smallest value (which
is exact), long double and objects as exact fractions.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfinite import _columns, _formats, _scan, _slow
from fastfinite._accept import Accepted, Array, accept
from fastfinite._report import NonFiniteError

# Rows of the table of sums, as in _kernels/table.pxd.
(COUNT, NAN, POSINF, NEGINF, ZERO, NEGATIVE, LOW, LOW_REST, HIGH, HIGH_REST, MEAN, MEAN_REST, SQUARE, SQUARE_REST,
 SCALE) = range(15)
_SCALE_BITS = 600
_POLICIES = ("omit", "propagate", "raise")
# Values in a slab: enough to make the calls cheap, few enough to stay in cache.
_SLAB = 1 << 17

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class ColumnStats:
    """Statistics of columns, of one array or of a stream of batches; made by `column_stats`, or empty.

    Parameters
    ----------
    ddof : int, default 0
        ``var`` divides by ``count - ddof``.
    nan_policy : {"omit", "propagate", "raise"}, default "omit"
        Leave nan out (it is counted in any case), let it make the statistics of its column nan, or refuse it.
    names : sequence of str, optional
        Names of the columns, for tables and messages.

    Attributes
    ----------
    count : ndarray of int64
        Values that are not nan.
    nan, posinf, neginf, zero, negative : ndarray of int64
        How many are nan, +inf, -inf, 0 (or -0) and below 0.
    min, max, mean, var, std : ndarray of float64
        Of the values that are not nan; inf counts as a value (mean inf, var nan). nan where there is no value, ``var``
        and ``std`` where ``count <= ddof``.
    constant : ndarray of bool
        All values present are equal (-0.0 equals 0.0); False where there is none. Exact.
    names : tuple of str or None
    ddof : int

    Notes
    -----
    Accuracy: ``var`` is within 4 units in the last place of the exact variance of the given numbers wherever that is a
    normal float64, whatever the offset, the number of rows (to 2**53) and their order; it is never negative, and ``std``
    is right where ``var`` overflows or underflows. Counts, min, max and constant are exact, for 64-bit integers too
    (whose min and max are rounded to float64 only to be shown).

    Method: blocks of 8192 rows, corrected two-pass about a pivot near the mean of the block, compensated sums, combined
    in double-double arithmetic after Chan, Golub and LeVeque (1983).

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> stream = ff.ColumnStats()
    >>> for batch in (np.array([[1.0, 5.0], [2.0, 5.0]]), np.array([[3.0, 5.0]])):
    ...     _ = stream.update(batch)
    >>> stream.mean, stream.constant
    (array([2., 5.]), array([False,  True]))
    """

    __slots__ = ("_shape", "_table", "ddof", "names", "nan_policy")

    def __init__(self, *, ddof: int = 0, nan_policy: str = "omit", names: Sequence[object] | None = None) -> None:
        self.ddof = operator.index(ddof)
        self.nan_policy = _checked_policy(nan_policy)
        self.names = None if names is None else tuple(str(name) for name in names)
        self._table: Floats | None = None
        self._shape: tuple[int, ...] = () if names is None else (len(names),)

    # ---- adding --------------------------------------------------------------------------------------

    def update(self, batch: ArrayLike) -> ColumnStats:
        """Add a batch of rows, or one row.

        Parameters
        ----------
        batch : array_like, shape (rows, columns) or (columns,)
            For statistics of columns of another shape, that shape with or without a first axis of rows.

        Returns
        -------
        ColumnStats
            The object itself.

        Raises
        ------
        ValueError
            If the number of columns is another, or with ``nan_policy="raise"`` there is a nan. Nothing is changed then.
        TypeError
            If the dtype has no order or no variance. Nothing is changed then.
        """
        if type(batch) is np.ndarray and self._table is not None:
            table, row = self._table, batch.shape if batch.ndim == len(self._shape) else batch.shape[1:]
            quiet = self.nan_policy != "raise"
            if row == self._shape and quiet and batch.dtype.char in "fd" and _columns.add_few_rows(table, batch):
                return self
        accepted = accept(batch)
        array = accepted.array
        known = self._table is not None or self.names is not None
        one = array.ndim == (len(self._shape) if known else 1)
        if array.ndim == 0 and not known:
            raise ValueError("batch has no columns: it is a single number")
        shape = array.shape if one else array.shape[1:]
        if known and shape != self._shape:
            raise ValueError(f"batch has {_columns_text(shape)}, but the statistics are of {_columns_text(self._shape)}")
        if one:
            mask = None if accepted.mask is None else accepted.mask[np.newaxis]
            accepted = accepted._replace(array=array[np.newaxis], mask=mask)
        table = _tabulate(accepted, (0,))
        if self.nan_policy == "raise":
            _refuse_nan(batch, table)
        self._absorb(table, shape)
        return self

    def merge(self, *others: ColumnStats) -> ColumnStats:
        """Add the statistics of other rows of the same columns.

        Parameters
        ----------
        *others : ColumnStats

        Returns
        -------
        ColumnStats
            The object itself.

        Raises
        ------
        ValueError
            If one of them is of another number of columns, or its names are others. Nothing is changed then.
        """
        for other in others:
            if not isinstance(other, ColumnStats):
                raise TypeError(f"others must be ColumnStats, not {type(other).__name__}")
        shape, names = (self._shape if self._table is not None or self.names is not None else None), self.names
        for other in others:
            if other._table is None:
                continue
            if shape is not None and shape != other._shape:
                raise ValueError(f"cannot merge statistics of {_columns_text(shape)} with those of "
                                 f"{_columns_text(other._shape)}")
            if names is not None and other.names is not None and names != other.names:
                raise ValueError(f"cannot merge statistics of columns {names} with those of columns {other.names}")
            shape, names = other._shape, names or other.names
        for other in others:
            if other._table is not None:
                self._absorb(other._table, other._shape)
        self.names = names
        return self

    def __add__(self, other: ColumnStats) -> ColumnStats:
        if not isinstance(other, ColumnStats):
            return NotImplemented
        return self.copy().merge(other)

    def _absorb(self, table: Floats, shape: tuple[int, ...]) -> None:
        if self._table is None:
            self._table, self._shape = table.copy(), shape
        else:
            _columns.merge_tables(self._table, table)

    def copy(self) -> ColumnStats:
        """Return an independent copy."""
        return _restore(self.__reduce__()[1][0])

    __copy__ = copy

    def __deepcopy__(self, memo: object) -> ColumnStats:
        return self.copy()

    # ---- reading -------------------------------------------------------------------------------------

    def _field(self, field: int) -> Floats:
        if self._table is None:
            return np.zeros(self._shape)
        return self._table[field].reshape(self._shape)

    def _integers(self, field: int) -> Counts:
        return self._field(field).astype(np.int64)

    @property
    def count(self) -> Counts:
        return self._integers(COUNT) + self.posinf + self.neginf

    @property
    def nan(self) -> Counts:
        return self._integers(NAN)

    @property
    def posinf(self) -> Counts:
        return self._integers(POSINF)

    @property
    def neginf(self) -> Counts:
        return self._integers(NEGINF)

    @property
    def zero(self) -> Counts:
        return self._integers(ZERO)

    @property
    def negative(self) -> Counts:
        return self._integers(NEGATIVE)

    def _shown(self, values: Floats, defined: NDArray[np.bool_]) -> Floats:
        if self.nan_policy == "propagate":
            defined = defined & (self.nan == 0)
        return np.where(defined, values, np.nan)

    @property
    def min(self) -> Floats:
        return self._shown(self._field(LOW), self.count > 0)

    @property
    def max(self) -> Floats:
        return self._shown(self._field(HIGH), self.count > 0)

    @property
    def mean(self) -> Floats:
        positive, negative = self.posinf > 0, self.neginf > 0
        values = np.where(positive, np.inf, np.where(negative, -np.inf, self._field(MEAN)))
        return self._shown(values, (self.count > 0) & ~(positive & negative))

    def _mean_square(self) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
        """The variance over 2**(2 * scale), that scale, and where there is one."""
        count = self.count
        defined = (count > self.ddof) & (count > 0) & (self.posinf == 0) & (self.neginf == 0)
        with np.errstate(all="ignore"):
            return self._field(SQUARE) / np.where(defined, count - self.ddof, 1), self._integers(SCALE), defined

    @property
    def var(self) -> Floats:
        value, scale, defined = self._mean_square()
        with np.errstate(all="ignore"):
            return self._shown(np.ldexp(value, 2 * scale), defined)

    @property
    def std(self) -> Floats:
        value, scale, defined = self._mean_square()
        with np.errstate(all="ignore"):
            return self._shown(np.ldexp(np.sqrt(value), scale), defined)

    @property
    def constant(self) -> NDArray[np.bool_]:
        equal = _equal(self._field(LOW), self._field(HIGH)) & _equal(self._field(LOW_REST), self._field(HIGH_REST))
        return equal & (self.count > 0)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of every attribute: that of the array without the axes that were reduced."""
        return self._shape

    def __len__(self) -> int:
        return math.prod(self._shape) if self._table is not None or self.names is not None else 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColumnStats):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None     # type: ignore[assignment]

    # ---- keeping -------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        table = None if self._table is None else self._table.copy()
        return _restore, ((self.ddof, self.nan_policy, self.names, table, self._shape),)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, fit for strict JSON; `from_dict` gives the same statistics back.

        Returns
        -------
        dict
            The state, as hexadecimal floats in ``"sums"``, and for reading the counts as lists of numbers.
        """
        sums = None if self._table is None else [[float(value).hex() for value in row] for row in self._table]
        names = None if self.names is None else list(self.names)
        state = {"ddof": self.ddof, "nan_policy": self.nan_policy, "names": names, "shape": list(self._shape)}
        counts = {name: getattr(self, name).tolist() for name in ("count", "nan", "posinf", "neginf", "zero", "negative")}
        return state | counts | {"constant": self.constant.tolist(), "sums": sums}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> ColumnStats:
        """Return the statistics that `to_dict` wrote down.

        Parameters
        ----------
        state : dict

        Returns
        -------
        ColumnStats

        Raises
        ------
        ValueError
            If `state` lacks an entry or its sums do not fit its shape.
        """
        try:
            names, sums, shape = state["names"], state["sums"], tuple(int(n) for n in state["shape"])
            stats = cls(ddof=state["ddof"], nan_policy=state["nan_policy"], names=names)
            table = None if sums is None else np.array([[float.fromhex(value) for value in row] for row in sums])
        except (KeyError, TypeError) as error:
            raise ValueError(f"state is not what to_dict returns: {error!r}") from error
        if table is not None and table.shape != (SCALE + 1, math.prod(shape)):
            raise ValueError(f"state has sums of shape {table.shape} for columns of shape {shape}")
        stats._table, stats._shape = table, shape
        return stats

    def __str__(self) -> str:
        from fastfinite import _stats_table

        return _stats_table.text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from fastfinite import _stats_table

        return _stats_table.html(self)


def _restore(state: tuple[Any, ...]) -> ColumnStats:
    ddof, nan_policy, names, table, shape = state
    stats = ColumnStats(ddof=ddof, nan_policy=nan_policy, names=names)
    stats._table, stats._shape = table, shape
    return stats


def _equal(low: Floats, high: Floats) -> NDArray[np.bool_]:
    # On bits: where another library has set flush-to-zero, 0.0 == 5e-324. There is no -0.0 and no nan in a table.
    return np.asarray(low.view(np.int64) == high.view(np.int64))


def _checked_policy(nan_policy: str) -> str:
    if nan_policy not in _POLICIES:
        raise ValueError(f"nan_policy must be one of {', '.join(map(repr, _POLICIES))}, not {nan_policy!r}")
    return nan_policy


def _columns_text(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} columns" if len(shape) == 1 else f"columns of shape {shape}"


def _refuse_nan(x: object, table: Floats) -> None:
    if table[NAN].any():
        _scan.check_finite(x, name="x")     # the message with the place
        raise NonFiniteError(f"x has {int(table[NAN].sum())} nan")


# ---- functions ---------------------------------------------------------------------------------------


def column_stats(
    x: ArrayLike, *, ddof: int = 0, axis: int | tuple[int, ...] | None = 0, nan_policy: str = "omit"
) -> ColumnStats:
    """Count, range, mean, variance and more of every column, in one pass over memory.

    Parameters
    ----------
    x : array_like
        Any real dtype that `scan` takes, of any layout: floats, integers, bool, masked arrays (masked cells are left
        out), object arrays of numbers.
    ddof : int, default 0
        ``var`` divides by ``count - ddof``.
    axis : int, tuple of int or None, default 0
        The axes to reduce; None for all. What is left has the shape of the statistics.
    nan_policy : {"omit", "propagate", "raise"}, default "omit"
        Leave nan out (it is counted in any case), let it make the statistics of its column nan, or refuse it.

    Returns
    -------
    ColumnStats
        Float64 statistics whatever the dtype.

    Raises
    ------
    TypeError
        If the dtype has no order or no variance (complex numbers, dates, text).
    ValueError
        If `axis` or `nan_policy` is wrong, or with ``nan_policy="raise"`` there is a nan (`NonFiniteError`).

    See Also
    --------
    column_variance, constant_columns, near_constant_columns, standardize

    Notes
    -----
    Accuracy and method: see `ColumnStats`. The result has the same bits for every layout and number of threads. Cost:
    one pass over memory; extra memory O(columns).

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> stats = ff.column_stats(np.array([[1e7, 0.1], [1e7 + 1, 0.1], [1e7 + 2, 0.1]], np.float32))
    >>> stats.mean, stats.var
    (array([1.00000010e+07, 1.00000001e-01]), array([0.66666667, 0.        ]))
    >>> stats.constant
    array([False,  True])
    """
    accepted = accept(x)
    ndim = accepted.array.ndim
    axes = tuple(range(ndim)) if axis is None else _normalized_axes(axis, ndim)
    stats = ColumnStats(ddof=ddof, nan_policy=nan_policy)
    table = _tabulate(accepted, axes)
    if stats.nan_policy == "raise":
        _refuse_nan(x, table)
    stats._table, stats._shape = table, tuple(n for i, n in enumerate(accepted.array.shape) if i not in axes)
    return stats


def _normalized_axes(axis: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    axes = tuple(_scan.normalized_axis(entry, ndim) for entry in (axis if isinstance(axis, tuple) else (axis,)))
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis={axis} names an axis twice")
    return tuple(sorted(axes))


def column_variance(
    x: ArrayLike,
    *,
    ddof: int = 0,
    axis: int | tuple[int, ...] | None = 0,
    nan_policy: str = "propagate",
    out: Floats | None = None,
) -> Floats:
    """Variance of every column: ``np.var(x, axis=0)``, exact to 4 units in the last place.

    Parameters
    ----------
    x, ddof, axis, nan_policy
        As for `column_stats`, but that nan propagates unless said otherwise.
    out : ndarray of float64, optional
        Where to put the result.

    Returns
    -------
    ndarray of float64
        `out` where given.

    Raises
    ------
    TypeError, ValueError
        As `column_stats`; and if `out` is of another shape or dtype.

    Notes
    -----
    Accuracy, method and cost: see `column_stats`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.column_variance(np.full((10, 1), 0.1, np.float32))
    array([0.])
    """
    variance = column_stats(x, ddof=ddof, axis=axis, nan_policy=nan_policy).var
    if out is None:
        return variance
    if not isinstance(out, np.ndarray) or out.shape != variance.shape or out.dtype != np.float64:
        given = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out must be an array of float64 of shape {variance.shape}, not {given}")
    out[...] = variance
    return out


def constant_columns(x: ArrayLike, *, axis: int | tuple[int, ...] | None = 0) -> NDArray[np.bool_]:
    """Which columns hold one value only (nan left out): the ones that a standard deviation must not divide.

    Parameters
    ----------
    x, axis
        As for `column_stats`.

    Returns
    -------
    ndarray of bool
        True where all values present are equal; False where there is none.

    Raises
    ------
    TypeError, ValueError
        As `column_stats`.

    Notes
    -----
    Exact, with no tolerance: subnormal differences count, and 2**62 is not 2**62 + 1. Cost: see `column_stats`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.constant_columns(np.array([[0.1, 1.0], [0.1, 2.0]]))
    array([ True, False])
    """
    return column_stats(x, axis=axis).constant


def near_constant_columns(
    x: ArrayLike, *, rtol: float, axis: int | tuple[int, ...] | None = 0
) -> NDArray[np.bool_]:
    """Which columns vary, but by no more than a fraction of their size.

    Parameters
    ----------
    x, axis
        As for `column_stats`.
    rtol : float
        A column is near constant where ``0 < std <= rtol * sqrt(mean**2 + var)``.

    Returns
    -------
    ndarray of bool
        False for columns that are exactly constant (see `constant_columns`).

    Raises
    ------
    ValueError
        If `rtol` is negative or nan; else as `column_stats`.

    Notes
    -----
    ``sqrt(mean**2 + var) / std`` is the condition number of the variance (Chan, Golub and LeVeque 1983): changing each
    number by a part in 1/u changes the variance by at most about 2 * u * condition. With ``rtol`` some 10 times the
    resolution of the source of the data (1e-6 for float32, 1e-15 for float64) the columns found are those in which the
    spread may be nothing but rounding. The statistics themselves are exact in any case.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.near_constant_columns(np.array([[1e8, 1.0], [1e8 + 1, 2.0]]), rtol=1e-6)
    array([ True, False])
    """
    if not rtol >= 0:
        raise ValueError(f"rtol must be at least 0, not {rtol!r}")
    return _near_constant(column_stats(x, axis=axis), rtol)


def _near_constant(stats: ColumnStats, rtol: float) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        return np.asarray(~stats.constant & (stats.std <= rtol * np.hypot(stats.mean, stats.std)))


# ---- tables of any dtype -----------------------------------------------------------------------------


def _tabulate(accepted: Accepted, axes: tuple[int, ...]) -> Floats:
    array, kind = accepted.array, accepted.array.dtype.kind
    others = tuple(i for i in range(array.ndim) if i not in axes)
    if accepted.parts == 2 or accepted.how == "fields" or kind in "cmM":
        raise TypeError(f"cannot take column statistics of dtype {array.dtype}: " + (
            "complex numbers have no order; pass x.real and x.imag" if accepted.parts == 2 or kind == "c" else
            "pass its fields one by one" if accepted.how == "fields" else
            "dates have no variance; pass them as integers"))
    if accepted.mask is None and accepted.label in ("float32", "float64") and accepted.how == "bits":
        table: Floats = _columns.tabulate(array, axes, others)
        return _rescale_extremes(table, array, axes, others) if accepted.label == "float64" else table
    columns = math.prod(array.shape[i] for i in others)
    table = _columns.empty_table(columns)
    order = axes + others
    mask = None if accepted.mask is None else accepted.mask.transpose(order)
    for slab, missing in _slabs(array.view(np.ndarray).transpose(order), mask, len(axes), columns):
        _columns.merge_tables(table, _tabulate_slab(slab, missing, accepted))
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
        inner = row_axes if isinstance(part, slice) else row_axes - 1
        slab, missing = array[part], None if mask is None else mask[part]
        if isinstance(part, slice):
            yield slab.reshape(-1, columns), None if missing is None else missing.reshape(-1, columns)
        else:
            yield from _slabs(slab, missing, inner, columns)


def _tabulate_slab(slab: Array, missing: Array | None, accepted: Accepted) -> Floats:
    dtype = slab.dtype
    if accepted.how == "values":
        return _tabulate_fractions(slab, missing)
    if dtype.kind in "iu" and dtype.itemsize == 8 and not _formats.is_ml_dtype(dtype):
        return _tabulate_integers(slab, missing)
    with np.errstate(all="ignore"):
        wide = dtype == np.float64 or (dtype.kind in "iu" and dtype.itemsize == 4)
        values = slab.astype(np.float64 if wide else np.float32)
        if missing is not None:
            values[missing] = np.nan
    table: Floats = _columns.tabulate(values, (0,), (1,))
    if wide:
        table = _rescale_extremes(table, values, (0,), (1,))
    return _without_masked(table, missing)


def _without_masked(table: Floats, missing: Array | None) -> Floats:
    if missing is not None:
        table[NAN] -= missing.sum(axis=0)
    return table


def _rescale_extremes(table: Floats, array: Array, axes: tuple[int, ...], others: tuple[int, ...]) -> Floats:
    """Sum columns again, scaled by a power of two, whose squares are not normal numbers."""
    with np.errstate(all="ignore"):
        spread = table[HIGH] * 0.5 - table[LOW] * 0.5
    finite = (table[COUNT] > 0) & (table[POSINF] + table[NEGINF] == 0)
    huge, tiny = finite & (spread > 2.0**499), finite & (spread < 2.0**-481) & ~_equal(table[LOW], table[HIGH])
    for column in np.flatnonzero(huge | tiny):
        bits = _SCALE_BITS if huge[column] else -_SCALE_BITS
        where = np.unravel_index(column, tuple(array.shape[i] for i in others)) if others else ()
        index: list[Any] = [slice(None)] * array.ndim
        for i, position in zip(others, where):
            index[i] = position
        one = array[tuple(index)]
        scaled = _columns.tabulate(one, tuple(range(one.ndim)), (), 2.0**-bits)[:, 0]
        with np.errstate(all="ignore"):
            table[MEAN : MEAN_REST + 1, column] = np.ldexp(scaled[MEAN : MEAN_REST + 1], bits)
        table[SQUARE : SQUARE_REST + 1, column] = scaled[SQUARE : SQUARE_REST + 1]
        table[SCALE, column] = bits
    return table


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
    return _without_masked(table, missing)


def _tabulate_fractions(slab: Array, missing: Array | None) -> Floats:
    table: Floats = _columns.empty_table(slab.shape[1])
    for column in range(slab.shape[1]):
        table[:, column] = _fraction_entry(slab[:, column], None if missing is None else missing[:, column])
    return table


def _fraction_entry(values: Array, missing: Array | None) -> Floats:
    entry: Floats = _columns.empty_table(1)[:, 0]
    numbers: list[Fraction] = []
    bounds: list[float] = []
    with np.errstate(all="ignore"):
        codes = _slow.codes_of_values(values, missing)
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
        entry[MEAN], entry[MEAN_REST] = _fraction_pair(mean)
        spread = max(numbers) - min(numbers)
        bits = _SCALE_BITS if spread > 2**500 else -_SCALE_BITS if 0 < spread < Fraction(1, 2**480) else 0
        entry[SQUARE], entry[SQUARE_REST] = _fraction_pair(square / Fraction(4) ** bits)
        entry[SCALE] = bits
        entry[LOW], entry[LOW_REST] = _fraction_pair(min(numbers))
        entry[HIGH], entry[HIGH_REST] = _fraction_pair(max(numbers))
    if bounds:
        entry[LOW] = min(entry[LOW], *bounds)
        entry[HIGH] = max(entry[HIGH], *bounds)
    return entry


def _fraction(value: Any) -> Fraction:
    if isinstance(value, complex) or (isinstance(value, np.complexfloating)):
        raise TypeError("cannot take column statistics of complex numbers: they have no order")
    number = Fraction(*value.as_integer_ratio()) if hasattr(value, "as_integer_ratio") else Fraction(value)
    if abs(number) > Fraction(np.finfo(np.float64).max):
        raise ValueError(f"cannot take column statistics: {value} is beyond the range of float64")
    return number


def _fraction_pair(number: Fraction) -> tuple[float, float]:
    head = float(number)
    return head, float(number - Fraction(head))

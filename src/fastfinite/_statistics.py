"""Column statistics: `ColumnStats`, which reads its answers off a table of sums, and the functions that make one."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from fastfinite import _columns, _inputs, _scan
from fastfinite._accept import accept
from fastfinite._accepted import Chunked, Frame, Input, Part
from fastfinite._errors import NonFiniteError
from fastfinite._report import describe
from fastfinite._tabulate import (
    COUNT,
    HIGH,
    HIGH_REST,
    LOW,
    LOW_REST,
    MEAN,
    MEAN_REST,
    NAN,
    NEGATIVE,
    NEGINF,
    POSINF,
    SCALE,
    SQUARE,
    SQUARE_REST,
    ZERO,
    Floats,
    check_table,
    equal,
    tabulate_floats,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_MOST_ROWS = 2**53
_POLICIES = ("omit", "propagate", "raise")

Counts: TypeAlias = "NDArray[np.int64]"


class ColumnStats:
    """Statistics of columns, of one array or of a stream of batches; made by `column_stats`, or empty.

    Batches are added with `update`, statistics of other rows with ``+``, ``sum`` or `merge`. A first batch of one
    dimension is one row of columns. Use an object in one thread at a time: let each make its own, and merge them.

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
    not_scanned : tuple of str
        Columns of data frames that hold no numbers, and so have no statistics.
    ddof : int

    Notes
    -----
    Accuracy: ``var`` is within 4 units in the last place of the exact variance of the given numbers wherever that is a
    normal float64, whatever the offset, the number of rows (to 2**53) and their order; it is never negative, and
    ``std`` is right where ``var`` overflows or underflows. Counts, min, max and constant are exact, for 64-bit
    integers too (whose min and max are rounded to float64 only to be shown).

    Method: blocks of 16384 rows, corrected two-pass about a pivot near the mean of the block, compensated sums,
    combined in double-double arithmetic after Chan, Golub and LeVeque (1983). Merging keeps means to 106 bits: the
    ``std`` of streams of 64-bit integers near 2**62 is off by up to 2**-44, absolutely. ``mean`` is within half a unit
    in the last place and ``std * 2**-46``. Statistics are equal (``==``) when all their sums are, to the last bit;
    those of other splits of the same rows may differ in it.

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

    __slots__ = ("_ddof", "_frame_names", "_names", "_nan_policy", "_not_scanned", "_shape", "_table")

    def __init__(self, *, ddof: int = 0, nan_policy: str = "omit", names: Sequence[object] | None = None) -> None:
        self._ddof = _scan.whole_number(ddof, "ddof")
        self._nan_policy = _checked_policy(nan_policy)
        self._names = None if names is None else tuple(str(name) for name in names)
        # Those of the first frame that was added, which every other has to have; names that are given stand above.
        self._frame_names: tuple[str, ...] | None = None
        self._not_scanned: tuple[str, ...] = ()
        self._table: Floats | None = None
        self._shape: tuple[int, ...] = () if names is None else (len(names),)

    @property
    def ddof(self) -> int:
        return self._ddof

    @property
    def nan_policy(self) -> str:
        return self._nan_policy

    @property
    def names(self) -> tuple[str, ...] | None:
        return self._names

    def names_differ(self, names: tuple[str, ...] | None) -> bool:
        """Whether a frame with these names has other columns than those that the statistics are of."""
        mine = self._frame_names or self._names
        return names is not None and mine is not None and names != mine

    @property
    def not_scanned(self) -> tuple[str, ...]:
        return self._not_scanned

    # ---- adding --------------------------------------------------------------------------------------

    def update(self, batch: ArrayLike) -> ColumnStats:
        """Add a batch of rows, or one row.

        Parameters
        ----------
        batch : array_like or data frame, shape (rows, columns) or (columns,)
            For statistics of columns of another shape, that shape with or without a first axis of rows.

        Returns
        -------
        ColumnStats
            The object itself.

        Raises
        ------
        ValueError
            If the number of columns is another, a frame's columns have other names than those of the frames before, or
            with ``nan_policy="raise"`` there is a nan. Nothing is changed then.
        TypeError
            If the dtype has no order or no variance. Nothing is changed then.
        """
        if type(batch) is np.ndarray and self._table is not None:
            row = batch.shape if batch.ndim == len(self._shape) else batch.shape[1:]
            if row == self._shape and self.nan_policy != "raise" and _columns.add_row(self._table, batch):
                return self
        opened = accept(batch)
        known = self._table is not None or self.names is not None
        one = len(opened.shape) == (len(self._shape) if known else 1)
        if len(opened.shape) == 0 and not known:
            raise ValueError("batch has no columns: it is a single number")
        found: ColumnStats | None = None
        if isinstance(opened, Chunked):
            # How many columns it has may not be known before.
            opened, found = (opened.fetch(), None) if one else (opened, stats_of(opened))
        accepted, left_out = _inputs.numbers_only(opened)
        names = None if one else _inputs.names_of(accepted)
        shape = accepted.shape if one else accepted.shape[1:]
        if found is not None:
            shape, names, left_out = found.shape, found.names, found.not_scanned
        if known and shape != self._shape:
            raise ValueError(
                f"batch has {columns_text(shape)}, but the statistics are of {columns_text(self._shape)}"
            )
        if names is not None and self._frame_names is not None and names != self._frame_names:
            raise ValueError(f"batch has the columns {names}, but the statistics are of {self._frame_names}")
        if found is not None:
            table = found._table
            assert table is not None
        else:
            table = _inputs.tabulated(_inputs.as_row(accepted) if one else accepted, (0,))
        if self.nan_policy == "raise" and table[NAN].any():
            raise _nan_error(accept(batch), "batch", self.names)      # with its place in the whole frame
        self._names, self._frame_names = self._names or names, self._frame_names or names
        self._leave_out(left_out)
        self._absorb(table, shape)
        return self

    def merge(self, *others: ColumnStats) -> ColumnStats:
        """Add the statistics of other rows of the same columns; ``ddof`` and ``nan_policy`` stay those of this object.

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
            If one of them is of another number of columns, or its names are others, or it holds nan and this object's
            ``nan_policy`` is "raise". Nothing is changed then.
        """
        for other in others:
            if not isinstance(other, ColumnStats):
                raise TypeError(f"others must be ColumnStats, not {type(other).__name__}")
        shape, names = (self._shape if self._table is not None or self.names is not None else None), self.names
        for other in others:
            if names is not None and other.names is not None and names != other.names:
                raise ValueError(f"cannot merge statistics of columns {names} with those of columns {other.names}")
            names = names or other.names
            if other._table is None:
                continue
            if shape is not None and shape != other._shape:
                raise ValueError(f"cannot merge statistics of {columns_text(shape)} with those of "
                                 f"{columns_text(other._shape)}")
            if self.nan_policy == "raise" and other.nan.any():
                raise NonFiniteError(f"cannot merge statistics with {int(other.nan.sum())} nan: nan_policy is 'raise'")
            shape = other._shape
        # Taken before the first is added: the object itself may be among them.
        tables = [(other._table.copy(), other._shape) for other in others if other._table is not None]
        for table, other_shape in tables:
            self._absorb(table, other_shape)
        for other in others:
            self._leave_out(other.not_scanned)
            self._names, self._frame_names = self._names or other._names, self._frame_names or other._frame_names
        return self

    def __add__(self, other: ColumnStats) -> ColumnStats:
        if not isinstance(other, ColumnStats):
            return NotImplemented
        return self.copy().merge(other)

    def __radd__(self, other: object) -> ColumnStats:
        # sum() begins with 0.
        return self.copy() if isinstance(other, int) and other == 0 else NotImplemented

    def _take(self, opened: Input, axes: tuple[int, ...]) -> None:
        """Become the statistics of one input, reduced along some axes."""
        if isinstance(opened, Chunked):
            self._take_chunked(opened, axes)
            return
        accepted, self._not_scanned = _inputs.numbers_only(opened)
        table = _inputs.tabulated(accepted, axes)
        if axes == (0,):
            self._names = self._frame_names = _inputs.names_of(accepted)
        if self.nan_policy == "raise" and table[NAN].any():
            raise _nan_error(opened, "x", self.names)       # with its place in the whole frame
        self._table = table
        self._shape = tuple(n for i, n in enumerate(accepted.shape) if i not in axes)

    def _take_chunked(self, opened: Chunked, axes: tuple[int, ...] | None) -> None:
        whole = self._of_chunks(opened.table(axes), axes)
        if self.nan_policy == "raise" and whole.nan.any():
            raise _nan_error(opened, "x", whole.names)
        self._table, self._shape, self._not_scanned = whole._table, whole._shape, whole._not_scanned
        self._names = self._frame_names = whole._names

    @classmethod
    def _of_chunks(cls, found: Any, axes: tuple[int, ...] | None) -> ColumnStats:
        """What `Chunked.table` has found along these axes, or all."""
        axes = tuple(range(len(found.extent))) if axes is None else axes
        names = list(found.names) if found.names is not None and axes == (0,) else None
        stats = cls._of_table(found.table, tuple(n for i, n in enumerate(found.extent) if i not in axes), names)
        if names is None:
            return stats
        kept = [i for i in range(len(names)) if i not in found.unscanned]
        return stats._some_columns(kept, [names[i] for i in sorted(found.unscanned)])

    def name_columns(self, names: Iterable[object]) -> None:
        """Name the columns.

        Parameters
        ----------
        names : iterable
            One for each.

        Raises
        ------
        ValueError
            If there are more or fewer.
        """
        given = tuple(str(name) for name in names)
        if (len(given),) != self._shape:
            raise ValueError(f"names must be one for each of {columns_text(self._shape)}; there are {len(given)}")
        self._names = given

    def _leave_out(self, names: Iterable[str]) -> None:
        self._not_scanned = tuple(dict.fromkeys((*self._not_scanned, *names)))

    def _absorb(self, table: Floats, shape: tuple[int, ...]) -> None:
        if self._table is None:
            self._table, self._shape = table.copy(), shape
        else:
            _columns.merge_tables(self._table, table)

    @classmethod
    def _of_table(cls, table: Floats, shape: tuple[int, ...], names: Sequence[str] | None) -> ColumnStats:
        stats = cls(names=names)
        stats._absorb(table, shape)
        return stats

    def _some_columns(self, positions: Sequence[int], left_out: Iterable[str]) -> ColumnStats:
        """Statistics of one axis of columns, less those that were left out."""
        assert self._table is not None
        names = None if self.names is None else [self.names[i] for i in positions]
        table = np.ascontiguousarray(self._table[:, list(positions)])
        stats = self._of_table(table, (len(positions),), names)
        stats._leave_out(left_out)
        return stats

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
        field_values: Floats = self._table[field].reshape(self._shape)
        return field_values

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
        with np.errstate(all="ignore"):
            finite = np.ldexp(self._field(MEAN), self._integers(SCALE))
        values = np.where(positive, np.inf, np.where(negative, -np.inf, finite))
        return self._shown(values, (self.count > 0) & ~(positive & negative))

    def _mean_pairs(self) -> tuple[list[float], list[float]]:
        """The means of the finite values as sums of two float64 each, more exact than `mean`."""
        scale = self._integers(SCALE).ravel()
        with np.errstate(all="ignore"):
            pairs = [np.ldexp(self._field(field).ravel(), scale).tolist() for field in (MEAN, MEAN_REST)]
        return pairs[0], pairs[1]

    def _mean_square(self) -> tuple[Floats, NDArray[np.int64], NDArray[np.bool_]]:
        """The variance over 2**(2 * scale), that scale, and where there is one."""
        count = self.count
        ddof = min(max(self.ddof, -_MOST_ROWS), _MOST_ROWS)
        defined = (count > ddof) & (count > 0) & (self.posinf == 0) & (self.neginf == 0)
        if self._table is None:
            return np.zeros(self._shape), np.zeros(self._shape, np.int64), np.asarray(defined)
        divisor = np.where(defined, count - ddof, 1).astype(np.float64).ravel()
        value = _columns.quotients(self._table[SQUARE], self._table[SQUARE_REST], divisor)
        return value.reshape(self._shape), self._integers(SCALE), np.asarray(defined)

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
        heads = equal(self._field(LOW), self._field(HIGH))
        return np.asarray(heads & equal(self._field(LOW_REST), self._field(HIGH_REST)) & (self.count > 0))

    def near_constant(self, rtol: float) -> NDArray[np.bool_]:
        """Which columns vary, but by no more than a fraction of their size; see `near_constant_columns`.

        Parameters
        ----------
        rtol : float
            Flags in tables are for 1e-6, about what float32 resolves.

        Returns
        -------
        ndarray of bool
        """
        # At the scale of the sums: a standard deviation of half the smallest subnormal is not 0 there.
        value, _, defined = self._mean_square()
        with np.errstate(all="ignore"):
            std, mean = np.sqrt(value), self._field(MEAN)
            return np.asarray(~self.constant & defined & (std <= rtol * np.hypot(mean, std)))

    def plot(self, figure: Any = None) -> Any:
        """Draw the range of each column, its mean and standard deviation, and what is wrong with it.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, optional
            Where to draw; else a new figure of pyplot.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            If matplotlib, the extra ``plot``, is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> import fastfinite as ff
        >>> from matplotlib.figure import Figure
        >>> stats = ff.column_stats(np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, 5.0]]))
        >>> figure = stats.plot(Figure())
        >>> figure.axes[0].get_title(loc="left")
        '2 columns, 2 of them flagged'
        """
        from fastfinite import _pictures

        return _pictures.plot(_pictures.stats_panels(self), figure)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added yet."""
        return self._table is None

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

    __hash__: ClassVar[None]    # type: ignore[assignment]

    # ---- keeping -------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        table = None if self._table is None else self._table.copy()
        names = (self._names, self._frame_names)
        return _restore, ((self.ddof, self.nan_policy, *names, table, self._shape, self.not_scanned),)

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
        frame_names = None if self._frame_names is None else list(self._frame_names)
        state |= {"frame_names": frame_names, "not_scanned": list(self.not_scanned)}
        kinds = ("count", "nan", "posinf", "neginf", "zero", "negative")
        counts = {name: getattr(self, name).tolist() for name in kinds}
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
            names, sums, shape = state["names"], state["sums"], tuple(operator.index(n) for n in state["shape"])
            stats = cls(ddof=state["ddof"], nan_policy=state["nan_policy"], names=names)
            table = None if sums is None else np.array([[float.fromhex(value) for value in row] for row in sums])
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"state is not what to_dict returns: {error!r}") from error
        if min(shape, default=0) < 0 or (names is not None and shape != (len(names),)):
            raise ValueError(f"state has shape {shape} and names {names}")
        if table is not None:
            if table.shape != (SCALE + 1, math.prod(shape)):
                raise ValueError(f"state has sums of shape {table.shape} for columns of shape {shape}")
            check_table(table)
        stats._table, stats._shape = table, shape
        stats._leave_out(str(name) for name in state.get("not_scanned", ()))
        frame_names = state.get("frame_names")
        stats._frame_names = None if frame_names is None else tuple(str(name) for name in frame_names)
        return stats

    def __str__(self) -> str:
        from fastfinite import _stats_table

        return _stats_table.text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from fastfinite import _stats_table

        return _stats_table.html(self)


def _restore(state: tuple[Any, ...]) -> ColumnStats:
    ddof, nan_policy, names, frame_names, table, shape, not_scanned = state
    stats = ColumnStats(ddof=ddof, nan_policy=nan_policy, names=names)
    stats._frame_names = frame_names
    stats._table, stats._shape, stats._not_scanned = table, shape, not_scanned
    return stats


def _checked_policy(nan_policy: str) -> str:
    if nan_policy not in _POLICIES:
        raise ValueError(f"nan_policy must be one of {', '.join(map(repr, _POLICIES))}, not {nan_policy!r}")
    return nan_policy


def columns_text(shape: tuple[int, ...]) -> str:
    """"32 columns", or the shape where it is not one-dimensional."""
    return f"{shape[0]} columns" if len(shape) == 1 else f"columns of shape {shape}"


def _nan_error(accepted: Input, name: str, names: Sequence[object] | None) -> NonFiniteError:
    report = _inputs.nan_report(accepted)
    return NonFiniteError(describe(report, name=name, columns=report.names or names), report)


# ---- functions ---------------------------------------------------------------------------------------


def column_stats(
    x: ArrayLike, *, ddof: int = 0, axis: int | tuple[int, ...] | None = 0, nan_policy: str = "omit"
) -> ColumnStats:
    """Count, range, mean, variance and more of every column, in one pass over memory.

    Parameters
    ----------
    x : array_like
        Anything real that `scan` takes, of any layout: floats, integers, bool, masked arrays (masked cells are left
        out), object arrays of numbers; tensors, frames (null counts as nan; columns without numbers are left out and
        listed in ``not_scanned``), sparse arrays.
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
        If `axis` or `nan_policy` is wrong, if an object array holds a number beyond the range of float64, or with
        ``nan_policy="raise"`` there is a nan (`NonFiniteError`).

    See Also
    --------
    column_variance, constant_columns, near_constant_columns, standardize

    Notes
    -----
    Accuracy and method: see `ColumnStats`. The result has the same bits for every layout and number of threads.

    Cost: one pass over memory, and one more for each column of float64 whose squares would overflow or underflow; extra
    memory O(columns). Threads share the rows, 16384 at least each.

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
    stats = ColumnStats(ddof=ddof, nan_policy=nan_policy)
    if type(x) is np.ndarray and x.ndim == 2 and axis == 0 and type(axis) is int and x.dtype.char in "fd":
        # What is nearly always asked, past what any input needs.
        table, shape = tabulate_floats(x, (0,), (1,)), x.shape[1:]
    else:
        opened = accept(x)
        ndim = len(opened.shape)
        if axis is None and isinstance(opened, Chunked):
            stats._take_chunked(opened, None)
        else:
            stats._take(opened, tuple(range(ndim)) if axis is None else normalized_axes(axis, ndim))
        return stats
    if stats.nan_policy == "raise" and table[NAN].any():
        raise _nan_error(accept(x), "x", None)
    stats._table, stats._shape = table, shape
    return stats


def stats_of(opened: Input) -> ColumnStats:
    """Statistics of the columns of what was accepted."""
    stats = ColumnStats()
    stats._take(opened, (0,))
    return stats


def stats_of_parts(
    shape: tuple[int, ...], parts: Callable[[], Iterator[Part]], names: Sequence[str] | None = None
) -> ColumnStats:
    """Statistics along the last axis of something that is read in parts, once."""
    table = _inputs.tabulated(Frame(shape, "", list(names or ()), [], [], parts), tuple(range(len(shape) - 1)))
    return ColumnStats._of_table(table, shape[-1:], names)


def normalized_axes(axis: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    axes = tuple(_scan.normalized_axis(entry, ndim) for entry in (axis if isinstance(axis, tuple) else (axis,)))
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis={axis} names an axis twice")
    return tuple(sorted(axes))


def _of_all_columns(x: object, axis: Any, stats: ColumnStats, values: NDArray[Any], otherwise: object) -> NDArray[Any]:
    """Values of the columns that hold numbers, with something else for the columns of a frame that do not."""
    frame = None if type(x) is np.ndarray or not stats.not_scanned else accept(x)
    if axis not in (0, -2):
        return values
    if isinstance(frame, Frame):
        return among_all_columns(values, frame.shape[1], frame.unscanned, otherwise)
    if isinstance(frame, Chunked) and frame.names is not None:
        # What a chunk holds is known to the statistics alone: their names are some of all, in the same order.
        kept = iter((*(stats.names or ()), None))
        wanted, unscanned = next(kept), []
        for i, name in enumerate(frame.names):
            if name == wanted:
                wanted = next(kept)
            else:
                unscanned.append(i)
        return among_all_columns(values, len(frame.names), unscanned, otherwise)
    return values


def among_all_columns(
    values: NDArray[Any], columns: int, unscanned: Iterable[int], otherwise: object
) -> NDArray[Any]:
    """Values of columns as they lie among all, with something else for those at these positions."""
    whole = np.full(columns, otherwise, values.dtype)
    whole[np.delete(np.arange(columns), list(unscanned))] = values
    return whole


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
    stats = column_stats(x, ddof=ddof, axis=axis, nan_policy=nan_policy)
    variance = _of_all_columns(x, axis, stats, stats.var, np.nan)
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
    stats = column_stats(x, axis=axis)
    return _of_all_columns(x, axis, stats, stats.constant, False)


def near_constant_columns(
    x: ArrayLike, *, rtol: float, axis: int | tuple[int, ...] | None = 0
) -> NDArray[np.bool_]:
    """Which columns vary, but by no more than a fraction of their size.

    Parameters
    ----------
    x : array_like
        As for `column_stats`.
    rtol : float
        A column is near constant where ``0 < std <= rtol * sqrt(mean**2 + var)``.
    axis : int, tuple of int or None, default 0
        As for `column_stats`.

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
    if not isinstance(rtol, numbers.Real) or not rtol >= 0:
        raise ValueError(f"rtol must be at least 0, not {rtol!r}")
    stats = column_stats(x, axis=axis)
    return _of_all_columns(x, axis, stats, stats.near_constant(rtol), False)

"""The scanning API: accept the input, ask the kernels, put the answer into a report."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fastfinite import _core, _formats, _inputs, _tally
from fastfinite._accept import accept
from fastfinite._accepted import Accepted, Array, Chunked, Frame, Input
from fastfinite._errors import NonFiniteError
from fastfinite._formats import NON_FINITE
from fastfinite._report import ScanReport, describe

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")

# check_finite counts by column, which takes memory for each, up to so many.
_MOST_COLUMNS = 1 << 16


def answer(x: object, question: int) -> bool:
    """Whether `x`, of any kind that can be scanned, holds a value of the kind asked for."""
    return _inputs.answer(accept(x), question)


def scan(
    x: object, *, axis: int | None = None, dtype: object = None, target_dtype: object = None
) -> ScanReport:
    """Count the values of each non-finite kind, and find the first.

    Parameters
    ----------
    x : array_like, tensor, data frame or sparse array
        Any shape, layout and real or complex dtype: float16, float32, float64, long double, ml_dtypes' formats,
        integers and bool (finite by type), datetime64 and timedelta64 (NaT counts as nan), records (field by field),
        masked arrays (masked cells are missing), and object arrays of numbers and None.

        Tensors of PyTorch (bfloat16 and 8-bit floats with them, sparse ones, on any device), arrays of JAX and of
        whatever speaks DLPack or has a buffer, xarray's ``DataArray``; arrays of scipy.sparse, whose zeros are finite;
        frames and columns of pandas, and of polars, pyarrow and others by way of narwhals. Columns of frames that hold
        no numbers are left out and listed in ``not_scanned``; missing values are counted in ``null``.
    axis : int, optional
        Count along this axis: the counts become arrays, one for each column. Totals are then in ``.totals``.
    dtype : str or dtype, optional
        The format of raw bits in an array of integers or of void: "bfloat16", "float8_e4m3fn", "float8_e5m2", ...
    target_dtype : str or dtype, optional
        Count in ``.overflow`` the finite values that would become inf when cast to this format.

    Returns
    -------
    ScanReport
        True when nothing was found.

    Raises
    ------
    TypeError
        If the dtype cannot be scanned (text, raw bytes, objects that are no numbers), with the reason; if a frame has
        no column of numbers, or is lazy; if a tensor is quantized or has no values.
    ValueError
        If `dtype` or `target_dtype` is unknown or of another width, or `axis` is out of range (`AxisError`).

    See Also
    --------
    all_finite : The verdict alone, with early exit.
    check_finite : Raise instead of reporting.

    Notes
    -----
    Exact, on bits: no rounding, no floating-point flag, no warning. A complex value is nan if either part is, else inf
    if either part is, with the sign of its real part where both are.

    Cost: one pass at the speed of memory where the data is clean; what other libraries keep in memory is viewed, not
    copied, but for columns with nulls (some 8 MB at a time). An array of another device is asked there, and travels
    only when something was found. Totals of data that is bad throughout take some 1.3 times as long, counts by column
    of such data 10 times. Extra memory O(1), with `axis` O(columns).

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> x = np.ones((4, 3), np.float32)
    >>> x[2, 1] = np.nan
    >>> report = ff.scan(x)
    >>> report.nan, report.first
    (1, (2, 1))
    >>> print(report)
    array (4 x 3 float32) has 1 non-finite value: 1 nan; first nan at row 2, column 1
    >>> ff.scan(x, axis=0).columns
    array([1])
    >>> ff.scan(np.array([1.0, 70000.0]), target_dtype="float16").overflow
    1
    """
    accepted = accept(x, dtype)
    target = None if target_dtype is None else _formats.of_name(target_dtype, "target_dtype")
    if axis is not None:
        axis = normalized_axis(axis, len(accepted.shape))
    return _inputs.report(accepted, target, axis)


def check_names(names: Sequence[object], shape: tuple[Any, ...]) -> None:
    """Raise ValueError unless there is a name for each column of a shape; of collections its lengths may be nan."""
    if len(shape) != 2 or len(names) != shape[1] == shape[1]:
        raise ValueError(f"columns must name each column of x; it has {len(names)}, and x has shape {shape}")


def whole_number(value: Any, name: str, least: int | None = None) -> int:
    """An argument that has to be an integer, or an error that names it."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, not {value!r}")
    return number


def normalized_axis(axis: object, ndim: int) -> int:
    """The axis as a number from 0, or NumPy's AxisError."""
    number = whole_number(axis, "axis")
    if not -ndim <= number < ndim:
        raise np.exceptions.AxisError(number, ndim)
    return number % ndim


def nonfinite(x: object, *, limit: int | None = None) -> NDArray[np.intp]:
    """Indices of the values that are not finite, as ``np.argwhere(~np.isfinite(x))``.

    Parameters
    ----------
    x : array_like
        As for `scan`, but for records.
    limit : int, optional
        At most so many, the first in C order.

    Returns
    -------
    ndarray of intp, shape (found, x.ndim)
        In C order, whatever the layout. Masked cells are not listed.

    Raises
    ------
    TypeError
        If the dtype cannot be scanned.
    ValueError
        If `limit` is negative.

    Notes
    -----
    Cost: one pass at the speed of memory, and memory for what is found alone.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.nonfinite(np.array([[1.0, np.nan], [np.inf, 2.0]]))
    array([[0, 1],
           [1, 0]])
    """
    accepted = accept(x)
    if isinstance(accepted, Accepted) and accepted.how == "fields":
        raise TypeError("nonfinite does not list records; scan their fields one by one")
    if isinstance(accepted, Frame):
        _inputs.refuse_doubtful(accepted)
    most = None if limit is None else whole_number(limit, "limit", 0)
    return _inputs.indices(accepted, NON_FINITE, most)


def check_finite(
    x: T,
    *,
    name: str | None = None,
    columns: Iterable[object] | None = None,
    allow_nan: bool = False,
    target_dtype: object = None,
) -> T:
    """Return `x` unchanged if every value is finite, else raise an error that says what is where.

    Parameters
    ----------
    x : array_like
        As for `scan`.
    name : str, optional
        What the message calls `x`.
    columns : iterable, optional
        Names of the columns of a two-dimensional `x`, for the message. Those of a data frame are known.
    allow_nan : bool, default False
        Let nan (and None, NaT) pass; inf is still refused.
    target_dtype : str or dtype, optional
        Refuse also finite values that would become inf when cast to this format.

    Returns
    -------
    object
        `x` itself.

    Raises
    ------
    NonFiniteError
        If a value is not finite. A `ValueError`, with the `ScanReport` in its ``report``.
    TypeError
        If the dtype cannot be scanned.
    ValueError
        If `columns` does not match `x`.

    Notes
    -----
    Cost: that of `all_finite` where `x` is clean; one or two passes more where it is not.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> X = np.ones((1000, 2))
    >>> X[17, 1] = np.nan
    >>> ff.check_finite(X, name="X", columns=["height", "age"])
    Traceback (most recent call last):
        ...
    fastfinite.NonFiniteError: X (1000 x 2 float64) has 1 non-finite value: 1 nan; first nan at row 17, column 1 ...
    """
    accepted: Input | None = None
    if columns is not None:
        accepted = accept(x)
        columns = list(columns)
        check_names(columns, accepted.shape)
    if target_dtype is None and _core.all_finite(x, allow_nan=allow_nan):
        return x
    if accepted is None:
        accepted = accept(x)
    target = None if target_dtype is None else _formats.of_name(target_dtype, "target_dtype")
    tabular = len(accepted.shape) == 2 and accepted.shape[1] <= _MOST_COLUMNS and (
        not isinstance(accepted, Accepted) or accepted.how != "fields")
    report = _inputs.report(accepted, target, 0 if tabular else None, allow_nan)
    total = report.totals
    if total.passes(allow_nan):
        if isinstance(accepted, Frame):
            _inputs.refuse_doubtful(accepted)
        elif isinstance(accepted, Accepted) and total.not_scanned:
            raise _tally.unscanned(accepted, total.not_scanned)
        elif isinstance(accepted, Chunked) and total.not_scanned:
            accepted.ask(NON_FINITE)        # raises where there is no verdict
        return x
    if columns is not None:
        check_names(columns, report.shape)      # of collections it may be known now only
    by_column = report if tabular else None
    message = describe(total, name=name, columns=columns, by_column=by_column, allow_nan=allow_nan)
    raise NonFiniteError(message, total, by_column)


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Array:
    """Convert to an array and check that every value is finite, as ``np.asarray_chkfinite``; refuse text.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
    order : {"C", "F", "A", "K"}, optional
        As for ``np.asarray``.

    Returns
    -------
    ndarray

    Raises
    ------
    NonFiniteError
        If a value is not finite: a `ValueError`, as NumPy's.
    TypeError
        If the dtype cannot be checked (text, objects that are no numbers). NumPy's function lets those pass unchecked.

    Notes
    -----
    Cost: one pass at the speed of memory.

    Examples
    --------
    >>> import fastfinite as ff
    >>> ff.asarray_chkfinite([1, 2], dtype=float)
    array([1., 2.])
    """
    array: Array = np.asarray(a, dtype=dtype, order=order)
    check_finite(array)
    return array

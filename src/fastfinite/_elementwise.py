"""safe_log and safe_divide: thin functions over the ufuncs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite import _ufuncs
from fastfinite._core import undisturbed
from fastfinite._formats import SMALLEST

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


def safe_log(
    x: ArrayLike,
    /,
    *,
    fill: ArrayLike | None = None,
    floor: ArrayLike | None = None,
    out: Any = None,
    where: ArrayLike = True,
    dtype: DTypeLike | None = None,
) -> Any:
    """Natural logarithm of every x > 0, and a finite number of your choice instead of -inf and nan elsewhere.

    Parameters
    ----------
    x : array_like
        Real numbers of any shape: float16, float32, float64, bfloat16; integers promote as in `numpy.log`. pandas,
        xarray and dask objects and torch's CPU tensors come back as their own kind.
    fill : array_like, optional
        The result where ``x <= 0``; broadcasts with `x`.
    floor : array_like, optional
        The result is ``log(max(x, floor))``; at least 0, broadcasts with `x`. By default the smallest positive number
        of the dtype, if no `fill` is given. With a floor of 0 the log is exact: -inf where ``x <= 0``.
    out, where, dtype : optional
        As for any ufunc: where to put the result, which elements to compute, the type to compute in.

    Returns
    -------
    ndarray or scalar
        Of the dtype of `x`, or the common one of `x` and an array `fill` or `floor`; Python and NumPy scalars do not
        widen it.

    Raises
    ------
    ValueError
        If both `fill` and `floor` are given, a floor is negative or nan, or a number is more than the dtype can hold.
    TypeError
        If the dtype of `x` is complex, long double, or no number.

    See Also
    --------
    log_sigmoid : The log of a sigmoid, without the sigmoid.
    binary_cross_entropy : The loss that takes logs of probabilities.

    Notes
    -----
    ===========  ==================  =============  =========
    x            default             fill           floor
    ===========  ==================  =============  =========
    x > 0        log(x)              log(x)         log(max(x, floor))
    0, -0        log of smallest     fill           log(floor)
    x < 0, -inf  log of smallest     fill           log(floor)
    inf          inf                 inf            inf
    nan          nan                 nan            nan
    ===========  ==================  =============  =========

    The smallest numbers are 6e-8, 1.4e-45, 4.9e-324 and 9.2e-41 of float16, float32, float64 and bfloat16, with the
    logs -16.6, -103.3, -744.4 and -92.2. Subnormal numbers have their exact logs. The derivative is 1 / x, and 0 where
    the fill or the floor is taken.

    Accuracy: within 0.75 units in the last place for float32, over all its values; 0.9 for float64; float16 and
    bfloat16 are correctly rounded. No warning and no floating-point flag, whatever the input.

    Cost: one pass, no temporary; 1.1 times as long as `numpy.log` for float32, 1.5 for float64 in cache, no longer out
    of it. Large arrays are spread over threads.

    Method: reduction to [sqrt(1/2), sqrt(2)); a minimax polynomial, for float64 of (x - 1) / (x + 1) as in FreeBSD's
    msun, e_log.c; for float32 with what the first sums lose.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.safe_log(np.array([1.0, 0.0, -1.0, np.nan]), fill=-99.0)
    array([  0., -99., -99.,  nan])
    >>> ff.safe_log(np.array([1e-20, 0.0]), floor=1e-12)
    array([-27.63102112, -27.63102112])
    >>> print(ff.safe_log(np.float32(0)))
    -103.27893
    """
    options = _options(out, where, dtype)
    if fill is not None:
        if floor is not None:
            raise ValueError("fill and floor exclude each other: x <= 0 becomes the fill, or the log of the floor")
        return _call(_ufuncs._log_or_fill, "safe_log", x, _scalar("fill", fill, dtype, x), **options)
    if floor is None:
        return _call(_ufuncs._log, "safe_log", x, **options)
    undisturbed(_check_floor, floor)
    return _call(_ufuncs._log_floor, "safe_log", x, _scalar("floor", floor, dtype, x), **options)


def safe_divide(
    a: ArrayLike,
    b: ArrayLike,
    /,
    *,
    fill: ArrayLike = 0.0,
    out: Any = None,
    where: ArrayLike = True,
    dtype: DTypeLike | None = None,
) -> Any:
    """Divide, with a number of your choice where the divisor is 0.

    Parameters
    ----------
    a, b : array_like
        Real numbers; they broadcast. float16, float32, float64, bfloat16; integers are divided as floats.
    fill : array_like, default 0.0
        The result where ``b == 0``; broadcasts with both.
    out, where, dtype : optional
        As for any ufunc: where to put the result, which elements to compute, the type to compute in.

    Returns
    -------
    ndarray or scalar
        Of the common dtype; Python and NumPy scalars as `fill` do not widen it.

    Raises
    ------
    ValueError
        If a number given as `fill` is more than the dtype can hold.
    TypeError
        If a dtype is complex, long double, or no number.

    See Also
    --------
    standardize : Divides by the deviation of columns, constant ones too.

    Notes
    -----
    =========================  ======
    case                       result
    =========================  ======
    a is nan                   nan
    b is 0 or -0               fill
    b is nan                   nan
    all others                 a / b, as IEEE 754 rounds it: inf where it overflows, inf / inf is nan
    =========================  ======

    Accuracy: the correctly rounded quotient. No warning and no floating-point flag, whatever the input. The derivative
    is 1 / b and -a / b**2, and 0 where the fill is taken.

    Cost: one pass, no temporary, at the speed of `numpy.divide`; large arrays are spread over threads.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.safe_divide([1.0, 2.0, 0.0], [2.0, 0.0, 0.0])
    array([0.5, 0. , 0. ])
    >>> ff.safe_divide([1.0, 2.0, 0.0], [2.0, 0.0, 0.0], fill=np.nan)
    array([0.5, nan, nan])
    """
    options = _options(out, where, dtype)
    return _call(_ufuncs._divide, "safe_divide", a, b, _scalar("fill", fill, dtype, a, b), **options)


_NO_NUMBERS = (np.character, np.void, np.datetime64, np.timedelta64, np.complexfloating)


def _call(ufunc: np.ufunc, name: str, *operands: Any, **options: Any) -> Any:
    try:
        return ufunc(*operands, **options)
    except TypeError as error:
        raise TypeError(str(error).replace(f"'{ufunc.__name__}'", f"'{name}'")) from None


def _options(out: Any, where: Any, dtype: Any) -> dict[str, Any]:
    """What was given, for a ufunc: objects that override ufuncs may not know all."""
    options = {}
    if out is not None:
        options["out"] = out
    if where is not True:
        options["where"] = where
    if dtype is not None:
        options["dtype"] = dtype
    return options


def _scalar(name: str, value: Any, dtype: Any, *operands: Any) -> Any:
    """The parameter as the ufunc is to get it."""
    # Of arrays of NumPy's own floats Python's floats do not decide the type, and those of ordinary size can be had in
    # all. Before NumPy 2, whole numbers may decide it, and anything beside an array without axes.
    if type(value) in (float, int) and dtype is None and (value == 0 or 1e-4 < abs(value) < 6e4):
        for operand in operands:
            if type(operand) is not np.ndarray or operand.dtype.kind != "f" or not operand.ndim:
                break
        else:
            return float(value)
    return undisturbed(_typed, name, value, dtype, *operands)


def _typed(name: str, value: Any, dtype: Any, *operands: Any) -> Any:
    """A scalar parameter in the floating type of the operands, so that it does not decide the type of the result.

    Python's own numbers would do for NumPy's types, not for bfloat16 nor in pandas. A floor that is greater than 0
    stays so; a number that the type cannot hold is refused.
    """
    if not isinstance(value, (bool, int, float, np.generic)) or isinstance(value, _NO_NUMBERS):
        return value
    try:
        number = value.item() if isinstance(value, (np.floating, np.integer, np.bool_)) else float(value)
    except OverflowError:
        raise ValueError(f"{name} is more than float64 can hold") from None
    common = np.dtype(dtype) if dtype is not None else _common_dtype(operands)
    if common is None or common.name not in SMALLEST:
        return number
    with np.errstate(all="ignore"):
        typed = common.type(number)
        if abs(typed) == math.inf > abs(number):
            raise ValueError(f"{name}={number!r} is more than {common.name} can hold")
        return common.type(SMALLEST[common.name]) if name == "floor" and typed == 0 < number else typed


def _common_dtype(operands: tuple[Any, ...]) -> np.dtype[Any] | None:
    dtypes: list[Any] = []
    for operand in operands:
        own = getattr(operand, "dtypes", None)      # of a frame or series, or of xarray's data set
        if own is not None:
            several = own.values() if callable(getattr(own, "values", None)) else own
            dtypes += list(several) if hasattr(several, "__iter__") else [several]
        elif isinstance(getattr(operand, "dtype", None), np.dtype):
            dtypes.append(operand.dtype)
        elif not isinstance(operand, (bool, int, float)):
            dtypes.append(np.asarray(operand).dtype)
    try:
        # pandas' own dtypes of numbers are NumPy's with a mask.
        return np.result_type(*(getattr(dtype, "numpy_dtype", dtype) for dtype in dtypes)) if dtypes else None
    except TypeError:
        return None


def _check_floor(floor: Any) -> None:
    if getattr(floor, "chunks", None) is not None:      # dask's, not to be computed for a check
        return
    masked = getattr(floor, "compressed", None)
    values = np.asarray(floor if masked is None else masked())
    with np.errstate(all="ignore"):
        # Times are for the ufunc to refuse: to compare them with a number is deprecated.
        if not values.size or values.dtype.kind in "mM" or np.min(values) >= 0:
            return
        bad = values[~(values >= 0)]
    raise ValueError(f"floor must be at least 0, not {bad[0]}")

"""The same checks on dask: arrays, data frames, and bags of arrays, on whatever scheduler they run.

The functions of the package take collections of dask by themselves: ``fastfinite.column_stats(x)`` is computed when it
is called. Here are the same functions with ``compute=False``, which gives what has yet to be computed; what is computed
together reads the data once.

>>> import dask
>>> import dask.array as da
>>> import fastfinite.dask as ffd
>>> x = da.ones((1000, 4), chunks=(250, 4))
>>> report, stats = dask.compute(ffd.scan(x, compute=False), ffd.column_stats(x, compute=False))
>>> report.ok, stats.constant
(True, array([ True,  True,  True,  True]))
"""

from __future__ import annotations

try:
    import dask.base  # noqa: F401
except ImportError as _error:
    raise ImportError("fastfinite.dask needs dask: pip install 'fastfinite[dask]'") from _error

import functools
import operator
from collections.abc import Iterable
from typing import Any

import fastfinite
from fastfinite import _formats, _scan
from fastfinite._accept import accept, opener_of
from fastfinite._dask import DaskInput
from fastfinite._dask_checked import checked
from fastfinite._dask_parts import TablePart
from fastfinite._errors import NonFiniteError
from fastfinite._formats import INF_ONLY, NON_FINITE
from fastfinite._statistics import ColumnStats, among_all_columns, normalized_axes

__all__ = ["all_finite", "check_finite", "column_stats", "constant_columns", "diagnose", "scan", "standardize"]


def all_finite(x: Any, *, allow_nan: bool = False, compute: bool = True) -> Any:
    """Whether every value of a collection is finite.

    Parameters
    ----------
    x : dask Array, DataFrame, Series or Bag of arrays
    allow_nan : bool, default False
        Look for inf alone.
    compute : bool, default True
        Whether to compute it now, or to return a ``Delayed``.

    Returns
    -------
    bool or Delayed

    Raises
    ------
    TypeError
        If `x` is no collection of dask, or its dtype cannot be scanned.

    See Also
    --------
    fastfinite.all_finite : The same of arrays in memory.

    Notes
    -----
    Computed now, it ends at the first chunk that is not finite: futures of a cluster that are not done are cancelled,
    and of a scheduler in this process the tasks that wait are given up. Cost: one pass; a few bytes a chunk travel.

    Examples
    --------
    >>> import dask.array as da
    >>> import fastfinite.dask as ffd
    >>> ffd.all_finite(da.ones(1000, chunks=100))
    True
    """
    opened = _opened(x)
    if compute:
        return fastfinite.all_finite(x, allow_nan=allow_nan)
    return opened.lazy_answer(INF_ONLY if allow_nan else NON_FINITE, operator.not_)


def scan(x: Any, *, axis: int | None = None, target_dtype: object = None, compute: bool = True) -> Any:
    """Count the values of each non-finite kind, and find the first.

    Parameters
    ----------
    x : dask Array, DataFrame, Series or Bag of arrays
        Of any chunks; their lengths need not be known. The arrays of a bag follow each other along the first axis.
    axis, target_dtype
        As for `fastfinite.scan`.
    compute : bool, default True
        Whether to compute it now, or to return a ``Delayed``.

    Returns
    -------
    ScanReport or Delayed
        The same as of the whole in memory; ``first`` is in the indices of the whole.

    Raises
    ------
    TypeError
        If `x` is no collection of dask, or its dtype cannot be scanned.
    ValueError
        If `target_dtype` is unknown, or `axis` is out of range.

    Notes
    -----
    Cost: one pass; a report a chunk travels, with `axis` O(columns) bytes.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import fastfinite.dask as ffd
    >>> x = np.ones((1000, 3))
    >>> x[700, 1] = np.nan
    >>> ffd.scan(da.from_array(x, chunks=(100, 2))).first
    (700, 1)
    """
    opened = _opened(x)
    target = None if target_dtype is None else _formats.of_name(target_dtype, "target_dtype")
    if axis is not None:
        axis = _scan.normalized_axis(axis, len(opened.shape))
    lazy = opened.lazy_report(target, axis, False)
    return lazy.compute() if compute else lazy


def check_finite(
    x: Any, *, name: str | None = None, columns: Iterable[object] | None = None, allow_nan: bool = False,
    target_dtype: object = None, compute: bool = True,
) -> Any:
    """Return `x` if every value is finite, else raise an error that says what is where.

    Parameters
    ----------
    x : dask Array, DataFrame, Series or Bag of arrays
    name, columns, allow_nan, target_dtype
        As for `fastfinite.check_finite`.
    compute : bool, default True
        Whether to check it now; else each chunk is checked when it is computed.

    Returns
    -------
    collection
        `x` itself, or with ``compute=False`` one of the same chunks that raises when one of them is not finite.

    Raises
    ------
    NonFiniteError
        If a value is not finite. Of an array whose chunks are known the place is that in the whole.
    TypeError
        If `x` is no collection of dask, or its dtype cannot be scanned.
    ValueError
        If `columns` does not match `x`, or `target_dtype` is unknown.

    Notes
    -----
    Cost: one pass, and one more where something is found; with ``compute=False`` none of its own.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import fastfinite.dask as ffd
    >>> x = np.ones((1000, 3))
    >>> x[700, 1] = np.nan
    >>> safe = ffd.check_finite(da.from_array(x, chunks=(500, 3)), name="X", compute=False)
    >>> safe.sum().compute()
    Traceback (most recent call last):
        ...
    fastfinite.NonFiniteError: chunk (1, 0) of X (500 x 3 float64) has 1 non-finite value: 1 nan; first nan at row ...
    """
    opened = _opened(x)
    if compute:
        return fastfinite.check_finite(
            x, name=name, columns=columns, allow_nan=allow_nan, target_dtype=target_dtype)
    target = None if target_dtype is None else _formats.of_name(target_dtype, "target_dtype")
    names = None if columns is None else [str(column) for column in columns]
    if names is not None:
        _scan.check_names(names, opened.shape)
    return checked(opened, name or "x", names, allow_nan, target)


def column_stats(
    x: Any, *, ddof: int = 0, axis: int | tuple[int, ...] | None = 0, nan_policy: str = "omit", compute: bool = True
) -> Any:
    """Count, range, mean and variance of every column, in one pass.

    Parameters
    ----------
    x : dask Array, DataFrame, Series or Bag of arrays
        Of any chunks; their lengths need not be known.
    ddof, axis, nan_policy
        As for `fastfinite.column_stats`.
    compute : bool, default True
        Whether to compute it now, or to return a ``Delayed``.

    Returns
    -------
    ColumnStats or Delayed
        Counts, min, max and constant are exact, moments within 4 units in the last place, whatever the chunks are and
        whoever computes them.

    Raises
    ------
    TypeError
        If `x` is no collection of dask, or its dtype has no order or no variance.
    ValueError
        As `fastfinite.column_stats`.

    Notes
    -----
    Cost: one pass; about 120 bytes for each column of a chunk travel.

    Examples
    --------
    >>> import dask.array as da
    >>> import fastfinite.dask as ffd
    >>> x = da.arange(1000, chunks=100).reshape(-1, 1)
    >>> ffd.column_stats(x, compute=False).compute().mean
    array([499.5])
    """
    opened = _opened(x)
    if compute:
        return fastfinite.column_stats(x, ddof=ddof, axis=axis, nan_policy=nan_policy)
    empty = ColumnStats(ddof=ddof, nan_policy=nan_policy)
    axes = None if axis is None else normalized_axes(axis, len(opened.shape))
    return opened.lazy_table(axes, functools.partial(_as_stats, empty=empty, axes=axes))


def _as_stats(part: TablePart, empty: ColumnStats, axes: tuple[int, ...] | None) -> ColumnStats:
    found = ColumnStats._of_chunks(part, axes)
    if empty.nan_policy == "raise" and found.nan.any():
        raise NonFiniteError(f"x has {int(found.nan.sum())} nan, and nan_policy is 'raise'")
    return empty.copy().merge(found)


def constant_columns(x: Any, *, axis: int | tuple[int, ...] | None = 0, compute: bool = True) -> Any:
    """Which columns hold one value only (nan left out): the ones that a standard deviation must not divide.

    Parameters
    ----------
    x : dask Array, DataFrame, Series or Bag of arrays
    axis
        As for `fastfinite.constant_columns`.
    compute : bool, default True
        Whether to compute it now, or to return a ``Delayed``.

    Returns
    -------
    ndarray of bool or Delayed

    Raises
    ------
    TypeError, ValueError
        As `column_stats`.

    Notes
    -----
    Cost: see `column_stats`, with which it shares its tasks.

    Examples
    --------
    >>> import dask.array as da
    >>> import fastfinite.dask as ffd
    >>> ffd.constant_columns(da.ones((100, 2), chunks=(10, 2)))
    array([ True,  True])
    """
    opened = _opened(x)
    if compute:
        return fastfinite.constant_columns(x, axis=axis)
    axes = None if axis is None else normalized_axes(axis, len(opened.shape))
    return opened.lazy_table(axes, functools.partial(_constant, axes=axes))


def _constant(part: TablePart, axes: tuple[int, ...] | None) -> Any:
    constant = _as_stats(part, ColumnStats(), axes).constant
    if part.names is None or axes != (0,):
        return constant
    return among_all_columns(constant, len(part.names), part.unscanned, False)


def standardize(x: Any, *, stats: ColumnStats | None = None) -> Any:
    """Shift and scale every column to zero mean and unit variance, when it is computed.

    Parameters
    ----------
    x : dask Array, DataFrame, Series or Bag of arrays
    stats : ColumnStats, optional
        Of the training data, for example. By default those of `x`, which are computed with the result.

    Returns
    -------
    dask Array
        Of the chunks of `x`; of a bag, a bag. Its values are those of `fastfinite.standardize`, as exact as these.

    Raises
    ------
    TypeError
        If `x` is no collection of dask, or its dtype is not a real number of at most 64 bits.
    ValueError
        If `stats` is of other columns.

    Notes
    -----
    Cost: one pass, and one before it where `stats` is not given. In data frames and bags without `stats` chunks wait in
    memory for the statistics.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import fastfinite.dask as ffd
    >>> x = da.from_array(np.array([[1.0, 7.0], [3.0, 7.0]]), chunks=(1, 2))
    >>> ffd.standardize(x).compute()
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    _opened(x)
    return fastfinite.standardize(x, stats=stats)


def diagnose(X: Any, y: Any = None, **options: Any) -> Any:
    """Name every cause of a NaN loss or an accuracy of 0 that a collection shows; see `fastfinite.diagnose`.

    Parameters
    ----------
    X : dask Array, DataFrame, Series or Bag of arrays
    y : dask Array or Series, or array_like, optional
        Without predictions it may be larger than memory.
    **options
        As for `fastfinite.diagnose`; `y_pred` and `logits` are brought into memory.

    Returns
    -------
    Diagnosis

    Raises
    ------
    TypeError, ValueError
        As `fastfinite.diagnose`; and if `X` is no collection of dask.

    Notes
    -----
    Cost: one pass, and one more over the chunks of suspicious columns, both where the chunks are.

    Examples
    --------
    >>> import dask.array as da
    >>> import fastfinite.dask as ffd
    >>> [cause.code for cause in ffd.diagnose(da.ones((10, 1), chunks=(5, 1)))]
    ['constant']
    """
    _opened(X)
    return fastfinite.diagnose(X, y, **options)


def _opened(x: Any) -> DaskInput:
    opened = accept(x) if hasattr(type(x), "__dask_graph__") and opener_of(type(x)) is not None else None
    if not isinstance(opened, DaskInput):
        raise TypeError(f"x must be an array, data frame or bag of dask, not {type(x).__name__}; "
                        "the functions of fastfinite itself take all others")
    return opened

"""Zero mean and unit variance, with the statistics of `column_stats`, in one further pass."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite import _columns, _formats
from fastfinite._accept import accept, as_array
from fastfinite._accepted import Accepted, Array, Chunked
from fastfinite._inputs import names_of
from fastfinite._statistics import ColumnStats, column_stats, columns_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Parameters are repeated until they fill about so many elements, so that narrow rows are taken several at once.
_LINE = 2048
# Values that are copied at a time where the layouts are not for the kernels.
_SLAB = 1 << 16


def standardize(x: ArrayLike, *, stats: ColumnStats | None = None, out: Array | None = None) -> Array:
    """Shift and scale every column to zero mean and unit variance; columns without variance become 0.

    Parameters
    ----------
    x : array_like, shape (rows, ...)
        Floats, integers or bool; statistics are of axis 0.
    stats : ColumnStats, optional
        Of the training data, for example. By default, those of `x`.
    out : ndarray, optional
        Where to put the result; `x` itself to work in place. Of the shape of `x`, float.

    Returns
    -------
    ndarray
        `out` where given; else of the dtype of `x`, or float64 where that is no float.

    Raises
    ------
    ValueError
        If `stats` is of other columns, or `out` of another shape or read-only.
    TypeError
        If the dtype of `x` is not a real number of at most 64 bits, or `out` is no array of floats.

    See Also
    --------
    inverse_standardize : Undo it.

    Notes
    -----
    The result is ``(x - mean) / std``, computed in float64 with the float64 statistics: for float32 within 0.501 units
    in the last place of the exact quotient, for float64 within 1 unit of it but for the rounding of ``x - mean``.
    nan stays nan. A constant column (``std`` 0) is divided by 1, so that it becomes 0, and new data in it keep their
    distance from the constant. Columns that hold inf have no variance and become nan, and so do masked cells.

    Cost: one pass, in addition to that of `column_stats` where `stats` is not given; memory for the result alone.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.standardize(np.array([[1.0, 0.1], [3.0, 0.1]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    return _scale(x, stats, out, inverse=False)


def inverse_standardize(x: ArrayLike, *, stats: ColumnStats, out: Array | None = None) -> Array:
    """Undo `standardize`: ``x * std + mean``.

    Parameters
    ----------
    x : array_like, shape (rows, ...)
    stats : ColumnStats
        The statistics that `standardize` used.
    out : ndarray, optional
        Where to put the result; `x` itself to work in place.

    Returns
    -------
    ndarray
        As for `standardize`.

    Raises
    ------
    ValueError, TypeError
        As for `standardize`.

    Notes
    -----
    Computed in float64 with one rounding (fused where the processor has it) and rounded to the dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> x = np.array([[1.0, 0.1], [3.0, 0.1]])
    >>> stats = ff.column_stats(x)
    >>> ff.inverse_standardize(ff.standardize(x, stats=stats), stats=stats)
    array([[1. , 0.1],
           [3. , 0.1]])
    """
    return _scale(x, stats, out, inverse=True)


def _scale(x: ArrayLike, stats: ColumnStats | None, out: Array | None, *, inverse: bool) -> Array:
    opened = accept(x)
    if isinstance(opened, Chunked):
        lazy: Array = _scale_chunked(x, opened, stats, out, inverse)
        return lazy
    names, accepted = names_of(opened), as_array(opened)
    array = accepted.array
    _check_kind(accepted)
    if array.ndim == 0:
        raise ValueError("x must have at least one axis, of rows; it is a single number")
    if stats is None:
        stats = column_stats(x)
    _check_stats(stats, names)
    if stats.shape != array.shape[1:]:
        hint = "; for one row pass x[np.newaxis]" if stats.shape == array.shape else ""
        wanted = columns_text(stats.shape)
        raise ValueError(f"x must have rows of {wanted}, as stats has; its shape is {array.shape}{hint}")
    if out is None:
        out = np.empty_like(array, dtype=array.dtype if accepted.how == "bits" else np.float64, subok=False)
    _check_out(out, array)
    values = array.view(np.ndarray)
    if _harmful_overlap(out, values):
        values = values.copy()
    if array.size == 0:
        return out
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and not inverse:
        _fill_from_integers(out, values, stats)
    else:
        unit, center, spread = _parameters(stats, inverse)
        _fill(out, values, unit, center, spread, inverse)
    if accepted.mask is not None:
        out[accepted.mask] = np.nan
    return out


def _scale_chunked(x: Any, opened: Chunked, stats: ColumnStats | None, out: Any, inverse: bool) -> Any:
    if out is not None:
        raise TypeError("out is for arrays in memory; the result of a collection of dask is a new one")
    if stats is not None:
        _check_stats(stats, opened.names)
    from fastfinite._dask_scaled import scaled

    return scaled(opened, stats, inverse)


def _check_stats(stats: Any, names: tuple[str, ...] | None) -> None:
    if not isinstance(stats, ColumnStats):
        raise TypeError(f"stats must be a ColumnStats, not {type(stats).__name__}")
    if stats.names_differ(names):
        raise ValueError(f"x has the columns {names}, but stats is of {stats.names}")
    if stats.is_empty:
        raise ValueError("stats is empty: update it with data first")


def _check_kind(accepted: Accepted) -> None:
    dtype = accepted.array.dtype
    small_float = (accepted.how == "bits" and accepted.parts == 1 and dtype.kind not in "mM"
                   and not accepted.is_raw)
    if not small_float and not (accepted.how == "finite" and (dtype.kind in "biu" or _formats.is_ml_dtype(dtype))):
        raise TypeError(f"cannot standardize dtype {accepted.label}: it must be a real number of at most 64 bits")


def _check_out(out: Any, array: Array) -> None:
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    if _formats.of_dtype(out.dtype) is None or out.dtype.kind in "cmM":
        raise TypeError(f"out must be an array of floats, not of {out.dtype}")
    if out.shape != array.shape:
        raise ValueError(f"out has shape {out.shape}, but x has shape {array.shape}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")


def _parameters(
    stats: ColumnStats, inverse: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    mean, std = np.atleast_1d(stats.mean).ravel(), np.atleast_1d(stats.std).ravel()
    std = np.where((std == 0) | np.atleast_1d(stats.constant).ravel(), 1.0, std)
    # A quarter of everything, where a difference may overflow.
    with np.errstate(all="ignore"):
        far = ~(np.maximum(np.abs(mean), std) < 2.0**1000) & np.isfinite(mean) & (not inverse)
        unit = np.where(far, 0.25, 1.0)
        return unit, mean * unit, std * unit


def _fill(
    out: Array, array: Array, unit: NDArray[np.float64], center: NDArray[np.float64], spread: NDArray[np.float64],
    inverse: bool,
) -> None:
    columns = len(unit)
    flat_out, flat = _two_dimensional(out, columns), _two_dimensional(array, columns)
    if flat_out is not None and flat is not None:
        repeat = max(1, _LINE // columns) if flat.flags.c_contiguous and flat_out.flags.c_contiguous else 1
        unit_row, center_row, spread_row = (np.tile(values, repeat) for values in (unit, center, spread))
        if _columns.scale_into(flat_out, flat, unit_row, center_row, spread_row, inverse):
            return
    _fill_by_slabs(out, array, unit, center, spread, inverse)


def _fill_from_integers(out: Array, array: Array, stats: ColumnStats) -> None:
    """64-bit integers: less a whole number near the mean before they become floats, so that near ones stay apart."""
    unit, _, spread = _parameters(stats, inverse=False)
    columns = len(unit)
    bases, rests = _split_means(stats, np.iinfo(array.dtype))
    base, center = np.array(bases, array.dtype.newbyteorder("=")), np.array(rests)
    step = max(1, _SLAB // columns)
    for start in range(0, array.shape[0], step):
        slab = array[start : start + step]
        values = slab.astype(base.dtype).reshape(-1, columns)
        # As unsigned numbers the distances are exact, whatever wraps around; the comparison has their sign.
        apart = values.view(np.uint64) - base.view(np.uint64)
        distance = np.where(values < base, -(np.uint64(0) - apart).astype(np.float64), apart.astype(np.float64))
        _fill(distance, distance, unit, center, spread, inverse=False)
        with np.errstate(all="ignore"):
            out[start : start + step] = distance.reshape(slab.shape)


def _split_means(stats: ColumnStats, limits: Any) -> tuple[list[int], list[float]]:
    """Each mean as a whole number that the dtype can hold, and the rest."""
    bases, rests = [], []
    for mean, head, rest in zip(stats.mean.ravel(), *stats._mean_pairs()):
        base = min(max(int(head), limits.min), limits.max) if math.isfinite(mean) else 0
        bases.append(base)
        rests.append(float(Fraction(head) + Fraction(rest) - base) if math.isfinite(mean) else float(mean))
    return bases, rests


def _two_dimensional(array: Array, columns: int) -> Array | None:
    """The array as rows and columns without a copy, or None."""
    if array.ndim == 2:
        return array
    return array.reshape(array.shape[0], columns) if array.flags.c_contiguous else None


def _harmful_overlap(out: Array, array: Array) -> bool:
    """Whether writing `out` would change what is still to be read: they share memory and are not one and the same."""
    same = (out.ctypes.data == array.ctypes.data and out.strides == array.strides and out.dtype == array.dtype)
    return not same and np.may_share_memory(out, array)


def _fill_by_slabs(
    out: Array, array: Array, unit: NDArray[np.float64], center: NDArray[np.float64], spread: NDArray[np.float64],
    inverse: bool,
) -> None:
    columns = len(unit)
    step = max(1, _SLAB // columns)
    for start in range(0, array.shape[0], step):
        part = array[start : start + step]
        single = part.dtype == np.float32 and out.dtype == np.float32
        with np.errstate(all="ignore"):
            slab = np.require(part, np.float32 if single else np.float64, ("C", "A")).reshape(-1, columns)
        result = np.empty_like(slab)
        if not _columns.scale_into(result, slab, unit, center, spread, inverse):
            raise AssertionError("a contiguous slab is for the kernels")
        with np.errstate(all="ignore"):
            out[start : start + step] = result.reshape(part.shape).astype(out.dtype, copy=False)

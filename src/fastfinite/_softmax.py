"""softmax, log_softmax and logsumexp."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite import _rows
from fastfinite._accepted import Array
from fastfinite._core import QUICK_KINDS
from fastfinite._loss_arguments import (
    harmful_overlap,
    kind_of,
    place_for,
    real_numbers,
    result_dtype,
    with_kinds,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Axis = int | Sequence[int] | None


def softmax(x: ArrayLike, axis: Axis = None, *, out: Array | None = None) -> Any:
    """Exponentials that sum to 1: exp(x) / sum(exp(x)), without overflow.

    Parameters
    ----------
    x : array_like
        Real numbers of any shape and layout: float16, float32, float64, bfloat16, integers.
    axis : int or tuple of int, optional
        What sums to 1; by default the whole array, as in SciPy. Of logits with a row for each sample, -1.
    out : ndarray, optional
        Where to put the result, of the shape of `x` and a float dtype; `x` itself to work in place.

    Returns
    -------
    ndarray or scalar
        Of the shape and dtype of `x`; float64 for integers.

    Raises
    ------
    ValueError
        If `axis` is out of range, or `out` has another shape or is read-only.
    TypeError
        If the dtype is complex or no number.

    See Also
    --------
    log_softmax : Its log, exact where the softmax is 0 or 1.
    cross_entropy : The loss of it.

    Notes
    -----
    -inf becomes 0; a row with inf, with nan, or of -inf alone becomes nan, as in SciPy.
    The derivative of element i by element j is s_i * ((i == j) - s_j).

    Accuracy: within 4 units in the last place of float64, 1 of float32; subnormal results are kept. No warning, no
    floating-point flag. Cost: one pass over rows of up to 256 elements, three over longer ones; O(1) memory besides the
    result.

    Method: shifted by the largest element (Blanchard, Higham and Higham 2021), whose exponential is not added to the
    sum of the others before it has to be.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.softmax(np.array([[1000.0, 1000.0], [0.0, -np.inf]]), axis=-1)
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _map(_rows.SOFTMAX, x, axis, out)


def log_softmax(x: ArrayLike, axis: Axis = None, *, out: Array | None = None) -> Any:
    """Log of the softmax: x - logsumexp(x), exact where the softmax is 0 or 1.

    Parameters
    ----------
    x : array_like
        Real numbers of any shape and layout: float16, float32, float64, bfloat16, integers.
    axis : int or tuple of int, optional
        What sums to 1; by default the whole array, as in SciPy. Of logits with a row for each sample, -1.
    out : ndarray, optional
        Where to put the result, of the shape of `x` and a float dtype; `x` itself to work in place.

    Returns
    -------
    ndarray or scalar
        Of the shape and dtype of `x`; float64 for integers.

    Raises
    ------
    ValueError
        If `axis` is out of range, or `out` has another shape or is read-only.
    TypeError
        If the dtype is complex or no number.

    See Also
    --------
    softmax : Without the log.
    cross_entropy : The loss made of it.

    Notes
    -----
    -inf stays -inf. A row with nan becomes nan; one of -inf alone, too. Where one class is all but certain its log is
    -sum(exp(x_j - x_i)), not 0.

    Accuracy: within 4 units in the last place of float64, 1 of float32, except where x - max(x) cancels
    against the log of the sum. No warning, no floating-point flag. Cost: as `softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.log_softmax(np.array([40.0, 0.0]))
    array([-4.24835426e-18, -4.00000000e+01])
    """
    return _map(_rows.LOG_SOFTMAX, x, axis, out)


def logsumexp(x: ArrayLike, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Log of the sum of exponentials, without overflow.

    Parameters
    ----------
    x : array_like
        Real numbers of any shape and layout: float16, float32, float64, bfloat16, integers.
    axis : int or tuple of int, optional
        What is summed; by default the whole array.
    keepdims : bool, default False
        Keep the summed axes, with length 1.

    Returns
    -------
    ndarray or scalar
        Of the shape of `x` without the axes, and its dtype; float64 for integers.

    Raises
    ------
    ValueError
        If `axis` is out of range.
    TypeError
        If the dtype is complex or no number.

    See Also
    --------
    log_softmax : What is left of `x` when this is taken off.

    Notes
    -----
    nan gives nan, else inf gives inf; of no elements, or of -inf alone, it is -inf. The derivative is the softmax.

    Accuracy: within 2 units in the last place, where the largest element does not cancel against the log of the sum. No
    warning, no floating-point flag. Cost: one pass over rows of up to 256 elements, two over longer ones.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.logsumexp(np.array([[1000.0, 1000.0], [-np.inf, 3.0]]), axis=1)
    array([1000.69314718,    3.        ])
    """
    array, _, axes = _accept(x, axis)
    rows, length = _rows_last(array, axes)
    result, _ = run_rows(_rows.LOGSUMEXP, (rows, None, None), length, with_result=True)
    if length == 0:
        result = np.full(math.prod(rows.shape[: rows.ndim - len(axes)]), -np.inf)
    shape = tuple(1 if i in axes else n for i, n in enumerate(array.shape) if keepdims or i not in axes)
    return rounded_to(result.reshape(shape), result_dtype(array))[()]


def _accept(x: ArrayLike, axis: Axis) -> tuple[Array, np.dtype[Any], tuple[int, ...]]:
    array = real_numbers(x, "x")
    if axis is None:
        axes = tuple(range(array.ndim))
    else:
        try:
            given: tuple[int, ...] = (operator.index(axis),)    # type: ignore[arg-type]
        except TypeError:
            given = tuple(operator.index(i) for i in axis)      # type: ignore[union-attr]
        axes = tuple(_normalized(i, array.ndim) for i in given)
        if len(set(axes)) < len(axes):
            raise ValueError(f"axis must not name an axis twice: {axis}")
    return array, result_dtype(array), axes


def _normalized(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def _rows_last(array: Array, axes: tuple[int, ...]) -> tuple[Array, int]:
    """A view whose last axes are the row, and the row's length."""
    others = tuple(i for i in range(array.ndim) if i not in axes)
    return array.transpose(*others, *axes), math.prod(array.shape[i] for i in axes)


def _map(task: int, x: ArrayLike, axis: Axis, out: Array | None) -> Any:
    array, dtype, axes = _accept(x, axis)
    target = place_for(out, "out", array.shape, dtype)
    written = np.empty(array.shape, target.dtype) if harmful_overlap(target, (array,)) else target
    rows, length = _rows_last(array, axes)
    run_rows(task, (rows, None, _rows_last(written, axes)[0]), length)
    if written is not target:
        target[...] = written
    return target if out is not None else target[()]


def run_rows(
    task: int,
    arrays: tuple[Array | None, Array | None, Array | None],
    length: int,
    *,
    label: Array | None = None,
    weight: Array | None = None,
    grad_scale: float = 1.0,
    with_result: bool = False,
) -> tuple[Any, float]:
    """The numbers of the rows, and their sum."""
    listed, kinds = with_kinds(*arrays)
    full = kinds[0] not in QUICK_KINDS
    return _rows.run(task, listed, kinds, full, length, label, weight, grad_scale, with_result)


def rounded_to(values: Array, dtype: np.dtype[Any]) -> Array:
    """Rounded by the kernels: NumPy's cast would warn, and flush what is subnormal if that has been set."""
    out = np.empty(values.shape, dtype)
    _rows.round_into(out, kind_of(out), values)
    return out

"""softmax, log_softmax, logsumexp and the cross-entropy of classes."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastfinite import _losses, _rows
from fastfinite._cross_entropy import (
    KINDS,
    Array,
    broadcast,
    check_reduction,
    complain,
    harmful_overlap,
    packed,
    place_for_gradient,
    real_numbers,
    reduced,
)
from fastfinite._formats import SMALLEST

Axis = int | Sequence[int] | None

_SOFTMAX, _LOG_SOFTMAX, _LOGSUMEXP, _CROSS_ENTROPY = range(4)


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

    Accuracy: within 3 units in the last place of float64, 1 of float32; subnormal results are kept. No warning, no
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
    return _map(_SOFTMAX, x, axis, out)


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

    Accuracy: within 3 units in the last place of float64, 1 of float32, except where x - max(x) cancels
    against the log of the sum. No warning, no floating-point flag. Cost: as `softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.log_softmax(np.array([40.0, 0.0]))
    array([-4.24835426e-18, -4.00000000e+01])
    """
    return _map(_LOG_SOFTMAX, x, axis, out)


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
    result = _run(_LOGSUMEXP, [rows, None, None], length, with_result=True)
    if length == 0:
        result = np.full(math.prod(rows.shape[: rows.ndim - len(axes)]), -np.inf)
    shape = tuple(1 if i in axes else n for i, n in enumerate(array.shape) if keepdims or i not in axes)
    return _losses.undisturbed(_converted, result.reshape(shape), _result_dtype(array))[()]


def cross_entropy(
    y_true: ArrayLike,
    logits: ArrayLike,
    *,
    reduction: str = "mean",
    weight: ArrayLike | None = None,
    return_grad: bool = False,
    grad_out: Array | None = None,
) -> Any:
    """Cross-entropy of classes, -log_softmax(logits) at the label, exact where it is all but certain.

    Parameters
    ----------
    y_true : array_like, shape (...,) or (..., classes)
        Integers from 0 to classes - 1, one for each row of logits; or rows of the shape of `logits`, one-hot or
        probabilities, from 0 to 1.
    logits : array_like, shape (..., classes)
        Of float16, float32, float64, bfloat16, or integers.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the number of rows, whatever the weights.
    weight : array_like, optional
        Factors of the rows, at least 0; broadcast to ``logits.shape[:-1]``. For factors of classes give
        ``class_weight[y_true]``. A weight of 0 makes exactly 0.
    return_grad : bool, default False
        Return the gradient with respect to `logits` as well: of the mean, of the sum, or of each row's loss.
    grad_out : ndarray, optional
        Where to write the gradient, of the shape of `logits` and a float dtype; it is returned as well.

    Returns
    -------
    loss : float, or ndarray with "none"
        "none" gives ``logits.shape[:-1]`` and the dtype of `logits` (float64 for integers). Of no rows the mean is nan
        and the sum 0.
    grad : ndarray
        Where asked for.

    Raises
    ------
    ValueError
        If a label is no class (the message names the row) or outside [0, 1], a weight negative or nan, or the shapes do
        not match.
    TypeError
        If labels for each row are no integers, or a dtype is complex or no number.

    See Also
    --------
    binary_cross_entropy_with_logits : For two classes, of one logit.

    Notes
    -----
    A logit of -inf takes its class out; the loss is inf where that is the label. A row with inf or nan, or of -inf
    alone, gives nan. The gradient is softmax - y_true; at the label it is minus the share of the others.

    Accuracy: each loss within 3 units in the last place; sums are in float64 with compensation, in one order. No
    warning, no floating-point flag. Cost: one pass over rows of up to 256 classes, two over longer ones, one more for
    the gradient; 8 bytes a row.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> logits = np.array([[40.0, 0.0, 0.0], [0.0, 2.0, 1.0]])
    >>> ff.cross_entropy([0, 2], logits, reduction="none")
    array([8.49670851e-18, 1.40760596e+00])
    >>> loss, grad = ff.cross_entropy([0, 2], logits, return_grad=True)
    >>> grad
    array([[-4.24835426e-18,  2.12417713e-18,  2.12417713e-18],
           [ 4.50152866e-02,  3.32620478e-01, -3.77635764e-01]])
    """
    check_reduction(reduction)
    array = real_numbers(logits, "logits")
    if array.ndim == 0:
        raise ValueError("logits must have an axis of classes; they are a single number")
    shape, classes = array.shape[:-1], array.shape[-1]
    label, soft = _losses.undisturbed(_labels, y_true, shape, classes)
    weights = broadcast(weight, "weight", shape)
    if weights is not None:
        _losses.undisturbed(_check_weights, weights)
    if classes == 0 and math.prod(shape):
        raise ValueError(f"logits must have at least one class; their shape is {array.shape}")
    dtype = _result_dtype(array)
    grad = place_for_gradient(grad_out, array.shape, dtype) if return_grad or grad_out is not None else None
    written = grad
    if grad is not None and harmful_overlap(grad, (array, soft)):
        written = np.empty(grad.shape, grad.dtype)
    rows = math.prod(shape)
    result = _run(
        _CROSS_ENTROPY,
        [array, soft, written],
        classes,
        label=label,
        weight=None if weights is None else np.ascontiguousarray(weights, np.float64),
        grad_scale=1 / rows if reduction == "mean" and rows else 1.0,
        with_result=True,
    )
    if grad is not None and written is not grad:
        grad[...] = written
    loss: Any
    if reduction == "none":
        loss = _losses.undisturbed(_converted, result.reshape(shape), dtype)
    else:
        loss = reduced(_losses.undisturbed(_exact_sum, result), rows, reduction, None)
    return packed(loss, grad, None)


def _check_weights(weights: Array) -> None:
    bad = ~(weights >= 0)
    if np.any(bad):
        complain("weight", "at least 0", weights, bad)


def _labels(y_true: ArrayLike, shape: tuple[int, ...], classes: int) -> tuple[Array | None, Array | None]:
    """Labels as one class for each row, or as rows."""
    label = real_numbers(y_true, "y_true")
    if label.shape == (*shape, classes):
        bad = ~((label >= 0) & (label <= 1)) & (label == label)
        if label.dtype.kind != "b" and np.any(bad):
            complain("y_true", "from 0 to 1", label, bad)
        return None, label
    if label.shape != shape:
        raise ValueError(f"y_true must have the shape {shape}, of classes, or {(*shape, classes)}, of rows of "
                         f"probabilities, to match the logits; its shape is {label.shape}")
    if label.dtype.kind not in "iu":
        raise TypeError(f"y_true must hold integers where it has one label for each row of logits, not {label.dtype}")
    bad = (label < 0) | (label >= classes)
    if np.any(bad):
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f" in row {index[0] if len(index) == 1 else index}" if index else ""
        count = np.count_nonzero(bad)
        raise ValueError(f"y_true must be classes from 0 to {classes - 1}: {count} of {label.size} "
                         f"{'is' if count == 1 else 'are'} not, the first is {label[index]}{where}")
    return np.ascontiguousarray(label, np.intp).reshape(-1), None


def _accept(x: ArrayLike, axis: Axis) -> tuple[Array, np.dtype[Any], tuple[int, ...]]:
    array = real_numbers(x, "x")
    if axis is None:
        axes = tuple(range(array.ndim))
    else:
        given = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
        axes = tuple(_normalized(operator.index(i), array.ndim) for i in given)
        if len(set(axes)) < len(axes):
            raise ValueError(f"axis must not name an axis twice: {axis}")
    return array, _result_dtype(array), axes


def _normalized(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def _rows_last(array: Array, axes: tuple[int, ...]) -> tuple[Array, int]:
    """A view whose last axes are the row, and the row's length."""
    others = tuple(i for i in range(array.ndim) if i not in axes)
    return array.transpose(*others, *axes), math.prod(array.shape[i] for i in axes)


def _result_dtype(array: Array) -> np.dtype[Any]:
    return array.dtype.newbyteorder("=") if array.dtype.name in SMALLEST else np.dtype(np.float64)


def _map(task: int, x: ArrayLike, axis: Axis, out: Array | None) -> Any:
    array, dtype, axes = _accept(x, axis)
    target = np.empty(array.shape, dtype) if out is None else _checked_out(out, array.shape)
    written = np.empty(array.shape, target.dtype) if harmful_overlap(target, (array,)) else target
    rows, length = _rows_last(array, axes)
    _run(task, [rows, None, _rows_last(written, axes)[0]], length)
    if written is not target:
        target[...] = written
    return target if out is not None else target[()]


def _checked_out(out: Array, shape: tuple[int, ...]) -> Array:
    try:
        return place_for_gradient(out, shape, np.dtype(np.float64))
    except (TypeError, ValueError) as error:
        text = str(error).replace("grad_out", "out").replace("the predictions", "x")
        raise type(error)(text) from None


def _run(
    task: int,
    arrays: list[Array | None],
    length: int,
    *,
    label: Array | None = None,
    weight: Array | None = None,
    grad_scale: float = 1.0,
    with_result: bool = False,
) -> Any:
    kinds = [-1 if array is None else KINDS[array.dtype.name] for array in arrays]
    return _rows.run(task, arrays, kinds, kinds[0] not in (0, 1, 3), length, label, weight, grad_scale, with_result)


def _converted(values: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(all="ignore"):
        return values.astype(dtype)


def _exact_sum(values: Array) -> float:
    """The sum of a contiguous array of float64, compensated."""
    return math.fsum(values) if np.all(np.isfinite(values)) else float(np.sum(values))

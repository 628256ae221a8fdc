"""The cross-entropy of many classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite import _rows
from fastfinite._accepted import Array
from fastfinite._core import undisturbed
from fastfinite._loss_arguments import (
    broadcast,
    check_reduction,
    complain,
    harmful_overlap,
    mean_of,
    packed,
    place_for,
    real_numbers,
    result_dtype,
)
from fastfinite._softmax import rounded_to, run_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


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
        probabilities, from 0 to 1. Their sum should be 1; it is not checked.
    logits : array_like, shape (..., classes)
        Of float16, float32, float64, bfloat16, or integers. For another axis, give ``np.moveaxis(logits, axis, -1)``.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the number of rows, not by the sum of the weights.
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
        If a label is no class (the message names the row), a label of such a row is outside [0, 1], a weight is
        negative or nan, or the shapes do not match.
    TypeError
        If labels for each row are no integers, or a dtype is complex or no number.

    See Also
    --------
    binary_cross_entropy_with_logits : For two classes, of one logit.

    Notes
    -----
    A logit of -inf takes its class out; the loss is inf where that is the label. A row with inf or nan, or of -inf
    alone, gives nan. The gradient is softmax * sum(y_true) - y_true; at the label of a class it is minus the share of
    the others.

    Accuracy: each loss within 4 units in the last place; sums are in float64 with compensation, in one order. No
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
    if classes == 0 and math.prod(shape):
        raise ValueError(f"logits must have at least one class; their shape is {array.shape}")
    weights = broadcast(weight, "weight", shape)
    if weights is not None:
        undisturbed(_check_weights, weights)
        weights = undisturbed(np.ascontiguousarray, weights, np.float64)
    label, soft = undisturbed(_labels, y_true, shape, classes)
    dtype = result_dtype(array)
    grad = place_for(grad_out, "grad_out", array.shape, dtype) if return_grad or grad_out is not None else None
    written = grad
    if grad is not None and harmful_overlap(grad, (array, soft, label, weights)):
        written = np.empty(grad.shape, grad.dtype)
    rows = math.prod(shape)
    result, total = run_rows(
        _rows.CROSS_ENTROPY,
        (array, soft, written),
        classes,
        label=label,
        weight=weights,
        grad_scale=1 / rows if reduction == "mean" and rows else 1.0,
        with_result=True,
    )
    if grad is not None and written is not grad:
        grad[...] = written
    loss: Any
    if reduction == "none":
        loss = rounded_to(result.reshape(shape), dtype)
    else:
        loss = mean_of(total, rows) if reduction == "mean" else total
    return packed(loss, grad, None)


def _check_weights(weights: Array) -> None:
    bad = ~(weights >= 0)
    if np.any(bad):
        complain("weight", "at least 0", weights, bad)


def _between_0_and_1(label: Array) -> bool:
    """Without a temporary of its size; nan is passed over."""
    with np.errstate(all="ignore"):
        return bool(np.fmin.reduce(label, axis=None) >= 0) and bool(np.fmax.reduce(label, axis=None) <= 1)


def _labels(y_true: ArrayLike, shape: tuple[int, ...], classes: int) -> tuple[Array | None, Array | None]:
    """Labels as one class for each row, or as rows."""
    label = real_numbers(y_true, "y_true")
    if label.shape == (*shape, classes):
        if label.size and not _between_0_and_1(label):
            complain("y_true", "from 0 to 1", label, (label < 0) | (label > 1))
        if not shape and label.dtype.kind in "iu" and label.sum() != 1:
            raise ValueError("logits of one axis are one row of classes: y_true must be its class or its one-hot "
                             "labels; for one logit for each label take binary_cross_entropy_with_logits")
        return None, label
    if label.shape != shape:
        raise ValueError(f"y_true must have the shape {shape}, of classes, or {(*shape, classes)}, of rows of "
                         f"probabilities, to match the logits; its shape is {label.shape}")
    if label.dtype.kind not in "iu" and label.size:
        raise TypeError(f"y_true must hold integers where it has one label for each row of logits, not {label.dtype}; "
                        "convert it with astype(int)")
    bad = (label < 0) | (label >= classes)
    if np.any(bad):
        hint = "; classes count from 0" if np.any(label == classes) else ""
        complain("y_true", f"classes from 0 to {classes - 1}", label, bad, "in row", hint)
    return np.ascontiguousarray(label, np.intp).reshape(-1), None

"""The binary cross-entropies: what they accept, and what they say of what they do not."""

from __future__ import annotations

import functools
import math
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastfinite import _losses, _ufuncs
from fastfinite._accepted import Array
from fastfinite._core import (
    ELEMENT_KINDS,
    LOSS_OF_LOGITS,
    LOSS_OF_PROBABILITIES,
    QUICK_KINDS,
    TIER_DOUBLES,
    TIER_SINGLES,
    TIER_WIDENED,
    undisturbed,
)
from fastfinite._formats import SMALLEST
from fastfinite._loss_arguments import (
    broadcast,
    check_reduction,
    complain,
    harmful_overlap,
    kind_of,
    mean_of,
    packed,
    place_for,
    real_numbers,
    result_dtype,
    with_kinds,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_SMALLEST_NORMAL = sys.float_info.min


class LossInfo(NamedTuple):
    """What a loss met on its way, before weights.

    Attributes
    ----------
    floored : int
        Probabilities whose log was taken of the floor.
    saturated : int
        Predictions that say 0 or 1 with certainty: probabilities that are 0 or 1, logits whose sigmoid is.
    nan : int
        Elements whose loss is nan.
    """

    floored: int
    saturated: int
    nan: int


def binary_cross_entropy(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    reduction: str = "mean",
    weight: ArrayLike | None = None,
    floor: float | None = None,
    return_grad: bool = False,
    grad_out: Array | None = None,
    return_info: bool = False,
) -> Any:
    """Cross-entropy of probabilities, -(y log(p) + (1 - y) log(1 - p)), finite for every p from 0 to 1.

    Parameters
    ----------
    y_true : array_like
        Labels from 0 to 1, of any real dtype.
    y_prob : array_like
        Probabilities of the label 1, of the same shape: float16, float32, float64, bfloat16, or integers.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the number of elements, not by the sum of the weights.
    weight : array_like, optional
        Factors of the losses, at least 0; broadcast to the shape of `y_prob`. A weight of 0 makes exactly 0, even of
        inf and nan.
    floor : float, optional
        Logs are taken of at least this. By default the smallest positive number of the dtype; 0 for the exact value,
        which is inf where a prediction is certain and wrong.
    return_grad : bool, default False
        Return the gradient with respect to `y_prob` as well: of the mean, of the sum, or of each loss.
    grad_out : ndarray, optional
        Where to write the gradient, of the shape of `y_prob` and a float dtype; it is returned as well.
    return_info : bool, default False
        Return a `LossInfo` as well: how many probabilities were floored or certain, how many losses are nan.

    Returns
    -------
    loss : float, or ndarray with "none"
        "none" gives the dtype of `y_prob` (float64 for integers). Of no elements the mean is nan and the sum 0.
    grad : ndarray
        Where asked for.
    info : LossInfo
        Where asked for.

    Raises
    ------
    ValueError
        If labels or probabilities are outside [0, 1], weights negative or nan, or the shapes differ: (n,) and (n, 1)
        do not broadcast.
    TypeError
        If a dtype is complex or no number.

    See Also
    --------
    binary_cross_entropy_with_logits : Prefer it: logits keep what a sigmoid rounds away.

    Notes
    -----
    A label of 0 or 1 takes one of the logs alone: 0 log(0) is 0. nan in a label or a probability gives nan;
    `check_finite` says where it is. The order is scikit-learn's, labels first; PyTorch's is the other.

    The gradient is (1 - y) / (1 - p) - y / p, at most the largest number of its dtype, and each part 0 where its log is
    of the floor: what `LossInfo` counts as floored no longer learns. A certain mistake costs as much as the floor says,
    by default 744 in float64, 103 in float32, 16.6 in float16. Logits have none of this.

    Accuracy: each loss within 2 units in the last place (2.5 with weights). Sums are in float64 with compensation, in
    one order for every layout and number of threads; of float32, their terms are exact to 2**-30. No warning, no
    floating-point flag.

    Cost: one pass, spread over threads where it is long; no temporaries but the result of "none".

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> y, p = np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 0.5, 1e-8])
    >>> ff.binary_cross_entropy(y, p)
    0.17328679763998633
    >>> ff.binary_cross_entropy(y, p, reduction="none", floor=0)
    array([0.00000000e+00, 0.00000000e+00, 6.93147181e-01, 1.00000001e-08])
    >>> ff.binary_cross_entropy([1.0], [0.0], return_info=True)
    (744.4400719213812, LossInfo(floored=1, saturated=1, nan=0))
    """
    return _binary(
        LOSS_OF_PROBABILITIES, y_true, y_prob, reduction, weight, None, floor, return_grad, grad_out, return_info
    )


def binary_cross_entropy_with_logits(
    y_true: ArrayLike,
    logits: ArrayLike,
    *,
    reduction: str = "mean",
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    return_grad: bool = False,
    grad_out: Array | None = None,
    return_info: bool = False,
) -> Any:
    """Cross-entropy of logits, y softplus(-z) + (1 - y) softplus(z), exact in both tails and at infinity.

    Parameters
    ----------
    y_true : array_like
        Labels from 0 to 1, of any real dtype.
    logits : array_like
        Log odds of the label 1, of the same shape: float16, float32, float64, bfloat16, or integers.
    reduction : {"mean", "sum", "none"}, default "mean"
        "mean" divides by the number of elements, not by the sum of the weights.
    weight : array_like, optional
        Factors of the losses, at least 0; broadcast to the shape of `logits`. A weight of 0 makes exactly 0, even of
        inf and nan.
    pos_weight : array_like, optional
        Factors of the part of the label 1, at least 0; broadcast to the shape of `logits`.
    return_grad : bool, default False
        Return the gradient with respect to `logits` as well: of the mean, of the sum, or of each loss.
    grad_out : ndarray, optional
        Where to write the gradient, of the shape of `logits` and a float dtype; it is returned as well.
    return_info : bool, default False
        Return a `LossInfo` as well: for how many logits the sigmoid is 0 or 1 in their dtype, how many losses are nan.

    Returns
    -------
    loss : float, or ndarray with "none"
        "none" gives the dtype of `logits` (float64 for integers). Of no elements the mean is nan and the sum 0.
    grad : ndarray
        Where asked for.
    info : LossInfo
        Where asked for.

    Raises
    ------
    ValueError
        If labels are outside [0, 1], weights negative or nan, or the shapes differ: (n,) and (n, 1) do not broadcast.
    TypeError
        If a dtype is complex or no number.

    See Also
    --------
    binary_cross_entropy : The same of probabilities.
    log_sigmoid : What it is made of.

    Notes
    -----
    A logit of inf has the loss 0 where the label agrees with it and inf where it does not; nan gives nan.
    The gradient is (1 - y) s(z) - y s(-z), s the sigmoid: -s(-z) for the label 1, which s(z) - 1 would round to 0. Of a
    mean of many float16 logits it is subnormal: give a `grad_out` of float32. Inputs are paired by position, whatever
    the index of a Series says.

    Accuracy: each loss within 2 units in the last place (2.5 with weights). Sums are in float64 with compensation, in
    one order for every layout and number of threads; of float32, their terms are exact to 2**-30. No warning, no
    floating-point flag.

    Cost: one pass, spread over threads where it is long; no temporaries but the result of "none".

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> y, z = np.array([1, 1, 0, 0]), np.array([100.0, -2.0, -17.0, 8e7])
    >>> ff.binary_cross_entropy_with_logits(y, z, reduction="none")
    array([3.72007598e-44, 2.12692801e+00, 4.13993763e-08, 8.00000000e+07])
    >>> loss, grad = ff.binary_cross_entropy_with_logits(y, z, return_grad=True)
    >>> loss, grad
    (20000000.531732015, array([-9.30018994e-45, -2.20199269e-01,  1.03498439e-08,  2.50000000e-01]))
    """
    return _binary(
        LOSS_OF_LOGITS, y_true, logits, reduction, weight, pos_weight, 0.0, return_grad, grad_out, return_info
    )


def _binary(
    loss: int,
    y_true: ArrayLike,
    prediction: ArrayLike,
    reduction: str,
    weight: ArrayLike | None,
    pos_weight: ArrayLike | None,
    floor: float | None,
    return_grad: bool,
    grad_out: Array | None,
    return_info: bool,
) -> Any:
    name = "logits" if loss == LOSS_OF_LOGITS else "y_prob"
    check_reduction(reduction)
    label, predicted = real_numbers(y_true, "y_true"), real_numbers(prediction, name)
    if label.shape != predicted.shape:
        raise ValueError(
            f"y_true and {name} must have the same shape, not {label.shape} and {predicted.shape}; they are not "
            "broadcast, which would pair labels with the predictions of others: reshape one, or use numpy.broadcast_to"
        )
    weights = broadcast(weight, "weight", predicted.shape)
    pos_weights = broadcast(pos_weight, "pos_weight", predicted.shape)
    dtype = result_dtype(predicted)
    floor = undisturbed(_checked_floor, floor, dtype)
    out = np.empty(predicted.shape, dtype) if reduction == "none" else None
    grad = place_for(grad_out, "grad_out", predicted.shape, dtype) if return_grad or grad_out is not None else None
    inputs = (label, predicted, weights, pos_weights)
    written = grad if grad is None or not harmful_overlap(grad, inputs) else np.empty(grad.shape, grad.dtype)
    tier = undisturbed(_tier, label, predicted, floor)
    run = functools.partial(_losses.run, loss, tier=tier, floor=floor)
    check = functools.partial(undisturbed, _check, label, predicted, weights, pos_weights)
    average = functools.partial(_average, run, label, predicted, weights, pos_weights)
    value: Any = None
    in_place = written is not None and any(x is not None and np.may_share_memory(written, x) for x in inputs)
    if in_place:
        # Nothing may be lost to a gradient that goes over its input: what is wanted of that comes first. (Counted, so
        # that the sum is made as it is beside a gradient.)
        total, flags, _ = run(*with_kinds(*inputs, None, None), summed=reduction != "none", counted=True)
        check(flags)
        value = average(total) if reduction == "mean" else total
    total, flags, counts = run(
        *with_kinds(*inputs, out, written),
        grad_scale=1 / predicted.size if reduction == "mean" and predicted.size else 1.0,
        saturation=_saturation(dtype) if return_info and loss == LOSS_OF_LOGITS else (-math.inf, math.inf),
        summed=reduction != "none" and not in_place,
        counted=return_info,
    )
    if not in_place:
        check(flags)
        value = average(total) if reduction == "mean" else total
    if grad is not None and written is not grad:
        grad[...] = written
    return packed(out if out is not None else value, grad, LossInfo(*counts) if return_info else None)


def _checked_floor(floor: float | None, dtype: np.dtype[Any]) -> float:
    if floor is None:
        return SMALLEST[dtype.name]
    if not 0 <= floor < 1:
        raise ValueError(f"floor must be at least 0 and less than 1, not {floor}")
    return float(floor) or (SMALLEST["float64"] if floor > 0 else 0.0)


def _tier(label: Array, predicted: Array, floor: float) -> int:
    kind = kind_of(predicted)
    # The quick log takes normal numbers of float64; a smaller floor is for the other.
    if kind not in QUICK_KINDS or 0 < floor < _SMALLEST_NORMAL:
        return TIER_DOUBLES
    return TIER_SINGLES if kind == kind_of(label) == ELEMENT_KINDS["float32"] else TIER_WIDENED


@functools.cache
def _saturation(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Logits below the first have the sigmoid 0, above the second 1."""
    bits = np.dtype(f"u{dtype.itemsize}")
    last = int(np.array(1000, dtype).view(bits))

    def edge(sign: int, value: int) -> float:
        low, high = 0, last
        while high - low > 1:
            middle = (low + high) // 2
            x = np.array(middle, bits).view(dtype) * dtype.type(sign)
            low, high = (low, middle) if _ufuncs.sigmoid(x) == value else (middle, high)
        return sign * float(np.array(low, bits).view(dtype))

    return edge(-1, 0), edge(1, 1)


def _average(
    run: Any, label: Array, predicted: Array, weight: Array | None, pos_weight: Array | None, total: float
) -> float:
    mean = mean_of(total, predicted.size)
    if math.isinf(mean):
        # The sum may be too large where the mean is not.
        share = np.float64(1 / predicted.size)
        shares = np.broadcast_to(share, predicted.shape) if weight is None else weight * share
        mean = run(*with_kinds(label, predicted, shares, pos_weight, None, None), summed=True)[0]
    return mean


def _check(
    label: Array, predicted: Array, weight: Array | None, pos: Array | None, flags: tuple[bool, ...]
) -> None:
    bad_label, bad_prob, bad_weight, bad_pos = flags
    if bad_label:
        hint = "; labels -1 and 1 are (y_true + 1) / 2" if np.any(label == -1) else ""
        complain("y_true", "from 0 to 1", label, (label < 0) | (label > 1), hint=hint)
    if bad_prob:
        hint = "; of logits take binary_cross_entropy_with_logits"
        complain("y_prob", "from 0 to 1", predicted, (predicted < 0) | (predicted > 1), hint=hint)
    if bad_weight and weight is not None:
        complain("weight", "at least 0", weight, ~(weight >= 0))
    if bad_pos and pos is not None:
        complain("pos_weight", "at least 0", pos, ~(pos >= 0))

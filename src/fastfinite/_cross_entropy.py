"""The binary cross-entropies: what they accept, and what they say of what they do not."""

from __future__ import annotations

import functools
import math
import operator
import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfinite import _losses, _ufuncs
from fastfinite._formats import SMALLEST

Array = NDArray[Any]

REDUCTIONS = ("mean", "sum", "none")
# Element types by the numbers of the kernel table.
KINDS = {"float16": 0, "float32": 1, "float64": 2, "bfloat16": 3, "bool": 4, "int8": 5, "uint8": 6, "int16": 7,
         "uint16": 8, "int32": 9, "uint32": 10, "int64": 11, "uint64": 12}
_OF_LOGITS, _OF_PROBABILITIES = 0, 1
_SINGLES, _WIDENED, _DOUBLES = 0, 1, 2
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
        "mean" divides by the number of elements, whatever the weights.
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
    A label of 0 or 1 takes one of the logs alone: 0 log(0) is 0. nan in a label or a probability gives nan.
    The gradient is (1 - y) / (1 - p) - y / p, each part 0 where its log is of the floor.

    Accuracy: each loss within 2 units in the last place (float32: of float32, 2**-30 before it is rounded); sums are in
    float64 with compensation, in one order for every layout and number of threads. No warning, no floating-point flag.

    Cost: one pass; no temporaries but the result of "none".

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
        _OF_PROBABILITIES, y_true, y_prob, reduction, weight, None, floor, return_grad, grad_out, return_info
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
        "mean" divides by the number of elements, whatever the weights.
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
    The gradient is (1 - y) s(z) - y s(-z), s the sigmoid: -s(-z) for the label 1, which s(z) - 1 would round to 0.

    Accuracy: each loss within 2 units in the last place (float32: of float32, 2**-32 before it is rounded); sums are in
    float64 with compensation, in one order for every layout and number of threads. No warning, no floating-point flag.

    Cost: one pass; no temporaries but the result of "none".

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
    return _binary(_OF_LOGITS, y_true, logits, reduction, weight, pos_weight, 0.0, return_grad, grad_out, return_info)


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
    name = "logits" if loss == _OF_LOGITS else "y_prob"
    check_reduction(reduction)
    label, predicted = real_numbers(y_true, "y_true"), real_numbers(prediction, name)
    if label.shape != predicted.shape:
        raise ValueError(
            f"y_true and {name} must have the same shape, not {label.shape} and {predicted.shape}; they are not "
            "broadcast, which would pair labels with the predictions of others: reshape one, or use numpy.broadcast_to"
        )
    weights = broadcast(weight, "weight", predicted.shape)
    pos_weights = broadcast(pos_weight, "pos_weight", predicted.shape)
    dtype = predicted.dtype.newbyteorder("=") if predicted.dtype.name in SMALLEST else np.dtype(np.float64)
    if floor is None:
        floor = SMALLEST[dtype.name]
    elif not 0 <= floor < 1:
        raise ValueError(f"floor must be at least 0 and less than 1, not {floor}")
    out = np.empty(predicted.shape, dtype) if reduction == "none" else None
    grad = place_for_gradient(grad_out, predicted.shape, dtype) if return_grad or grad_out is not None else None
    inputs = (label, predicted, weights, pos_weights)
    written = grad if grad is None or not harmful_overlap(grad, inputs) else np.empty(grad.shape, grad.dtype)
    tier = _losses.undisturbed(_tier, label, predicted, floor)
    run = functools.partial(_losses.run, loss, tier=tier, floor=floor)
    if written is not None and any(array is not None and np.may_share_memory(written, array) for array in inputs):
        # Nothing may be lost to a gradient that goes over its input if that is refused.
        _, flags, _ = run(*_with_kinds(*inputs, None, None))
        if any(flags):
            _losses.undisturbed(_refuse, flags, label, predicted, weights, pos_weights)
    total, flags, counts = run(
        *_with_kinds(*inputs, out, written),
        grad_scale=1 / predicted.size if reduction == "mean" and predicted.size else 1.0,
        saturation=_saturation(dtype) if return_info and loss == _OF_LOGITS else (-math.inf, math.inf),
        summed=reduction != "none",
        counted=return_info,
    )
    if any(flags):
        _losses.undisturbed(_refuse, flags, label, predicted, weights, pos_weights)
    if grad is not None and written is not grad:
        grad[...] = written
    return packed(reduced(total, predicted.size, reduction, out), grad, LossInfo(*counts) if return_info else None)


def _with_kinds(*arrays: Array | None) -> tuple[list[Array | None], list[int]]:
    return list(arrays), [-1 if array is None else KINDS[array.dtype.name] for array in arrays]


def _tier(label: Array, predicted: Array, floor: float) -> int:
    kind = KINDS[predicted.dtype.name]
    # The quick log takes normal numbers of float64; a smaller floor is for the other.
    if kind not in (0, 1, 3) or 0 < floor < _SMALLEST_NORMAL:
        return _DOUBLES
    return _SINGLES if kind == KINDS[label.dtype.name] == 1 else _WIDENED


@functools.cache
def _saturation(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Logits below the first have the sigmoid 0, above the second 1."""
    bits = np.dtype(f"u{dtype.itemsize}")
    last = int(np.array(1000, dtype).view(bits))

    def edge(sign: int, value: int) -> float:
        low, high = 0, last
        while high - low > 1:
            middle = (low + high) // 2
            x = sign * np.array(middle, bits).view(dtype)
            low, high = (low, middle) if _ufuncs.sigmoid(x) == value else (middle, high)
        return float(sign * np.array(low, bits).view(dtype))

    return edge(-1, 0), edge(1, 1)


def _refuse(flags: tuple[bool, ...], label: Array, predicted: Array, weight: Array | None, pos: Array | None) -> None:
    bad_label, bad_prob, bad_weight, bad_pos = flags
    if bad_label:
        complain("y_true", "from 0 to 1", label, (label < 0) | (label > 1))
    if bad_prob:
        complain("y_prob", "from 0 to 1", predicted, (predicted < 0) | (predicted > 1))
    if bad_weight and weight is not None:
        complain("weight", "at least 0", weight, ~(weight >= 0))
    if bad_pos and pos is not None:
        complain("pos_weight", "at least 0", pos, ~(pos >= 0))


def complain(name: str, wanted: str, array: Array, bad: Array) -> None:
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    count = int(np.count_nonzero(bad))
    where = "" if not index else f" at index {index[0] if len(index) == 1 else index}"
    raise ValueError(f"{name} must be {wanted}: {count} of {array.size} {'is' if count == 1 else 'are'} not, "
                     f"the first is {array[index]}{where}")


# ---- what all losses share ---------------------------------------------------------------------------


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}, not {reduction!r}")


def real_numbers(value: ArrayLike, name: str) -> Array:
    """An array of a dtype that kernels know, or TypeError."""
    masked_array = getattr(sys.modules.get("numpy.ma.core"), "MaskedArray", None)
    if masked_array is not None and isinstance(value, masked_array):
        raise TypeError(f"{name} must not be a masked array: give masked elements a weight of 0")
    array = np.asarray(value)
    if array.dtype.name in KINDS:
        return array
    numbers = array.dtype.kind == "f"       # long double
    if array.dtype.kind == "O":             # text would be read as numbers
        numbers = not any(isinstance(element, (str, bytes)) for element in array.flat)
    if numbers:
        try:
            with np.errstate(all="ignore"):
                return array.astype(np.float64)
        except (TypeError, ValueError):
            pass
    raise TypeError(f"{name} must hold real numbers, not {array.dtype}")


def broadcast(value: ArrayLike | None, name: str, shape: tuple[int, ...]) -> Array | None:
    if value is None:
        return None
    array = real_numbers(value, name)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        text = f"{name} must broadcast to the shape of the losses, {shape}; its shape is {array.shape}"
        raise ValueError(text) from None


def place_for_gradient(grad_out: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if grad_out is None:
        return np.empty(shape, dtype)
    if not isinstance(grad_out, np.ndarray) or grad_out.dtype.name not in SMALLEST:
        found = getattr(grad_out, "dtype", type(grad_out).__name__)
        raise TypeError(f"grad_out must be an array of floats, not {found}")
    if grad_out.shape != shape:
        raise ValueError(f"grad_out must have the shape of the predictions, {shape}, not {grad_out.shape}")
    if not grad_out.flags.writeable:
        raise ValueError("grad_out must be writeable; it is read-only")
    return grad_out


def harmful_overlap(grad: Array, inputs: tuple[Array | None, ...]) -> bool:
    """Whether writing one element could change another that is still to be read."""
    for array in inputs:
        if array is None or not np.may_share_memory(grad, array):
            continue
        same = (grad.__array_interface__["data"], grad.strides, grad.dtype) == (
            array.__array_interface__["data"], array.strides, array.dtype)
        if not same:
            return True
    return False


def reduced(total: float, size: int, reduction: str, losses: Array | None) -> Any:
    if reduction == "none":
        return losses
    if reduction == "sum":
        return total
    return _losses.undisturbed(operator.truediv, total, size) if size else math.nan


def packed(loss: Any, grad: Array | None, info: object) -> Any:
    """The loss alone, or with what else was asked for."""
    more = tuple(part for part in (grad, info) if part is not None)
    return (loss, *more) if more else loss

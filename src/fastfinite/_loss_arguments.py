"""What all losses accept and refuse, and what they return."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite._accepted import Array, is_masked
from fastfinite._core import ELEMENT_KINDS, undisturbed
from fastfinite._formats import SMALLEST

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

REDUCTIONS = ("mean", "sum", "none")
# Names of dtypes are slow to come by, types are not. Others, such as ml_dtypes' bfloat16, are added when they are met.
_KINDS: dict[type, int] = {
    np.dtype(name).type: kind for name, kind in ELEMENT_KINDS.items() if name != "bfloat16"
}
_NO_NUMBERS = (str, bytes, np.datetime64, np.timedelta64)
_FLOAT_KINDS = frozenset(ELEMENT_KINDS[name] for name in SMALLEST)


def kind_of(array: Array) -> int:
    """The number of an element type in the kernel table, -1 where it has none."""
    kind = _KINDS.get(array.dtype.type)
    if kind is None:
        kind = _KINDS[array.dtype.type] = ELEMENT_KINDS.get(array.dtype.name, -1)
    return kind


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}, not {reduction!r}")


def real_numbers(value: ArrayLike, name: str) -> Array:
    """An array of a dtype that kernels know, or TypeError."""
    if is_masked(value):
        raise TypeError(f"{name} must not be a masked array; fill it or leave the masked elements out first")
    array = np.asarray(value)
    if kind_of(array) >= 0:
        return array
    numbers = array.dtype.kind == "f"       # long double
    if array.dtype.kind == "O":             # text and dates would be read as numbers
        numbers = not any(element is None or isinstance(element, _NO_NUMBERS) for element in array.flat)
    if numbers:
        try:
            with np.errstate(all="ignore"):
                return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
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


def place_for(out: Array | None, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Where an elementwise result goes: the array given as ``name``, or a new one."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or is_masked(out):
        raise TypeError(f"{name} must be an array of floats, not {type(out).__name__}")
    if kind_of(out) not in _FLOAT_KINDS:
        raise TypeError(f"{name} must be an array of floats, not {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {out.shape}")
    if not out.flags.writeable:
        raise ValueError(f"{name} must be writeable; it is read-only")
    return out


def with_kinds(*arrays: Array | None) -> tuple[list[Array | None], list[int]]:
    """Arrays as the extension modules take them."""
    return list(arrays), [-1 if array is None else kind_of(array) for array in arrays]


def result_dtype(array: Array) -> np.dtype[Any]:
    """A float dtype stays; of others the result is float64."""
    if kind_of(array) not in _FLOAT_KINDS:
        return np.dtype(np.float64)
    return array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")


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


def mean_of(total: float, size: int) -> float:
    """Of no elements it is nan, as NumPy's."""
    return undisturbed(operator.truediv, total, size) if size else math.nan


def packed(loss: Any, grad: Array | None, info: object) -> Any:
    """The loss alone, or with what else was asked for."""
    more = tuple(part for part in (grad, info) if part is not None)
    return (loss, *more) if more else loss


def complain(name: str, wanted: str, array: Array, bad: Array, place: str = "at index", hint: str = "") -> None:
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    count = int(np.count_nonzero(bad))
    where = "" if not index else f" {place} {index[0] if len(index) == 1 else index}"
    raise ValueError(f"{name} must be {wanted}: {count} of {array.size} {'is' if count == 1 else 'are'} not, "
                     f"the first is {array[index]}{where}{hint}")

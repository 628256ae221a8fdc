"""The one path by which input becomes something that can be scanned, or is refused with a reason."""

from __future__ import annotations

import numbers
import sys
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from fastfinite import _formats
from fastfinite._formats import Format

Array = NDArray[Any]


class Accepted(NamedTuple):
    """Input that can be scanned.

    Attributes
    ----------
    array : ndarray
        The numbers, a view wherever there was memory to view.
    how : {"bits", "values", "finite", "fields"}
        Scanned on bits by the kernels; value by value (long double, objects); finite by type; field by field.
    format : Format or None
        For "bits", the format of an element or of its parts.
    parts : int
        2 for complex numbers scanned on bits, else 1.
    mask : ndarray or None
        True where a masked array says that the value is missing; of the shape of `array`.
    label : str
        The dtype as it is told to the user.
    names : list of str or None
        Names of the columns, where `x` was a data frame.
    """

    array: Array
    how: str
    format: Format | None
    parts: int
    mask: Array | None
    label: str
    names: list[str] | None = None


def accept(x: object, dtype: object = None, mask: Array | None = None) -> Accepted:
    """Accept an array, masked array, scalar or array-like; ``dtype`` names the format of raw bits."""
    accepted = _accept(x, dtype, mask)
    columns = None if isinstance(x, np.ndarray) else getattr(x, "columns", None)
    if columns is None or callable(columns) or accepted.array.ndim != 2:
        return accepted
    names = [str(name) for name in columns]
    return accepted._replace(names=names) if len(names) == accepted.array.shape[1] else accepted


def is_masked(x: object) -> TypeGuard[np.ma.MaskedArray[Any, Any]]:
    """Whether this is a masked array, without an import of numpy.ma."""
    # NumPy imports numpy.ma when it is first asked for. Asking here could leave a child that is forked meanwhile with
    # an import lock that nobody holds; and while it is not imported, or only half, there are no masked arrays.
    masked_array = getattr(sys.modules.get("numpy.ma.core"), "MaskedArray", None)
    return masked_array is not None and isinstance(x, masked_array)


def _accept(x: object, dtype: object, mask: Array | None) -> Accepted:
    if is_masked(x):
        cells: Any = x.mask
        mask = np.broadcast_to(cells, x.shape) if isinstance(cells, np.ndarray) or cells else None
    array = np.asarray(x)
    if dtype is not None:
        return _accept_bits(array, _formats.of_name(dtype, "dtype"), mask)
    kind, label = array.dtype.kind, array.dtype.name
    if _formats.is_ml_dtype(array.dtype):
        if label in _formats.FINITE_BY_TYPE:
            return Accepted(array, "finite", None, 1, mask, label)
        known = _formats.of_dtype(array.dtype)
        if known is not None:
            return Accepted(array, "bits", known, 2 if label in _formats.COMPLEX else 1, mask, label)
    elif kind in "biu":
        return Accepted(array, "finite", None, 1, mask, label)
    elif kind in "fcmM":
        known = _formats.of_dtype(array.dtype)
        if known is None:       # long double
            return Accepted(array, "values", None, 1, mask, label)
        return Accepted(array, "bits", known, 2 if kind == "c" else 1, mask, label)
    elif kind == "O":
        if array.ndim == 0 and not isinstance(x, (np.ndarray, numbers.Number)):
            raise TypeError(f"x must be array_like, not {type(x).__name__}")
        return Accepted(array, "values", None, 1, mask, label)
    elif array.dtype.names is not None:
        return Accepted(array, "fields", None, 1, mask, "record")
    raise TypeError(f"cannot scan dtype {array.dtype}: {_reason(array.dtype)}")


def _accept_bits(array: Array, named: Format, mask: Array | None) -> Accepted:
    if array.dtype.name == named.name or (array.dtype.kind in "uiV" and array.dtype.names is None
                                          and not _formats.is_ml_dtype(array.dtype)):
        if array.dtype.itemsize != named.itemsize:
            raise ValueError(f"dtype={named.name!r} has {named.itemsize} bytes an element, "
                             f"but x has {array.dtype.itemsize} ({array.dtype})")
        return Accepted(array, "bits", named, 1, mask, named.name)
    raise TypeError(f"dtype={named.name!r} reads x as raw bits, so x must hold unsigned integers of {named.bits} bits, "
                    f"not {array.dtype}")


def _reason(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "SUT":
        return "it holds text, not numbers; convert it first, for example with astype(float)"
    if dtype.kind == "V" and not _formats.is_ml_dtype(dtype):
        return "it holds raw bytes of unknown meaning; say what they are with dtype=, for example dtype='bfloat16'"
    return "its number format is not known here"


def fields_of(accepted: Accepted) -> tuple[list[tuple[str, Accepted]], list[str]]:
    """The fields of a record array that hold numbers, nested ones by dotted names, and those that do not."""
    found: list[tuple[str, Accepted]] = []
    refused: list[str] = []
    for name in accepted.array.dtype.names or ():
        mask = None if accepted.mask is None else accepted.mask[name]
        try:
            field = accept(accepted.array[name], mask=mask)
        except TypeError:
            refused.append(name)
            continue
        if field.how == "fields":
            inner, inner_refused = fields_of(field)
            found += [(f"{name}.{key}", value) for key, value in inner]
            refused += [f"{name}.{key}" for key in inner_refused]
        else:
            found.append((name, field))
    return found, refused

"""What the objects in a batch are, told by their types alone and remembered."""

from __future__ import annotations

import numbers
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from types import EllipsisType, NoneType, SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from fastfinite import _tensors
from fastfinite._accept import opener_of
from fastfinite._accepted import is_of

Children: TypeAlias = Callable[[Any], Iterable[tuple[object, object]]]
# What objects of a type may be; those of a container are a function that gives their children by key.
PASSED_BY, ARRAY, TENSOR, NUMBER, OTHER, BY_DICT, UNKNOWN = range(7)
known_types: dict[type, int | Children] = {}
_MOST_TYPES = 1024
# Values that cannot be nan or inf, and classes of such, by the modules that have them.
_HARMLESS = (NoneType, EllipsisType, int, str, bytes, bytearray, range, slice, type, np.dtype, np.integer, np.bool_,
             np.character)
_HARMLESS_OF = (("enum", "Enum"), ("datetime", "date", "time", "timedelta", "tzinfo"), ("pathlib", "PurePath"),
                ("uuid", "UUID"), ("torch", "dtype", "device", "layout"))


def learn(x: object) -> int | Children:
    """What objects of this type are, kept for the next one."""
    if len(known_types) >= _MOST_TYPES:      # types that a program makes without end
        known_types.clear()
    try:
        return known_types.setdefault(type(x), _type_of(x))
    except Exception:       # of classes that do not let themselves be looked at
        return UNKNOWN


def _type_of(x: Any) -> int | Children:
    cls = type(x)
    if cls is np.ndarray:
        return ARRAY
    if issubclass(cls, float):
        return NUMBER
    if cls.__name__ == "NaTType":       # of pandas, which says that it is a datetime
        return UNKNOWN
    if issubclass(cls, _HARMLESS) or any(is_of(cls, *place) for place in _HARMLESS_OF):
        return PASSED_BY
    if issubclass(cls, (np.ndarray, np.generic, numbers.Number)):
        return OTHER
    opener = opener_of(cls)
    if opener is not None:
        return TENSOR if opener is _tensors.open_torch else OTHER
    if hasattr(cls, "casefold"):        # text of another class
        return PASSED_BY
    children = _container_of(x, cls)
    if children is not None:
        return children
    if _has_memory(x):
        return OTHER
    if callable(getattr(cls, "to_dict", None)):
        return BY_DICT
    return items if all(callable(getattr(cls, name, None)) for name in ("keys", "items", "__getitem__")) else UNKNOWN


def _container_of(x: Any, cls: type) -> Children | None:
    if is_of(cls, "xarray", "Dataset"):     # whose items leave the coordinates out
        return lambda x: items(x.variables)
    if issubclass(cls, Mapping):
        return items
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _attributes([str(name) for name in cls._fields])
    if hasattr(cls, "__dataclass_fields__"):
        return _attributes([field.name for field in sys.modules["dataclasses"].fields(cls)])
    if hasattr(cls, "__attrs_attrs__"):
        return _attributes([attribute.name for attribute in cls.__attrs_attrs__])
    if issubclass(cls, SimpleNamespace):
        return lambda x: items(vars(x))
    if issubclass(cls, (Sequence, Set)) and not _has_memory(x):
        return enumerate
    return None


def items(x: Any) -> Iterable[tuple[object, object]]:
    """The values of a mapping by their keys."""
    return x.items()      # type: ignore[no-any-return]


def _attributes(names: Sequence[str]) -> Children:
    return lambda x: ((name, getattr(x, name)) for name in names)


def _has_memory(x: Any) -> bool:
    """Whether NumPy reads an object as an array, not as a sequence."""
    if any(hasattr(type(x), name) for name in ("__array__", "__array_interface__", "__array_struct__")):
        return True
    try:
        memoryview(x)
    except TypeError:
        return False
    except ValueError:      # a buffer, which was released
        return True
    return True

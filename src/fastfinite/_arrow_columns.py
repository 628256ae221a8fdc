"""Columns of Arrow, nested ones too, as numbers that can be scanned.

The numbers of a column lie in its leaves: those of a struct are its fields, ``point.x``, those of a list are its
elements, ``samples[]``, those of a map its keys and values, ``map[].value``. Null is a finding, of a list too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastfinite._accepted import Accepted, Array, of_array
from fastfinite._files import Problem, TableColumn, Values, library

# Arrow's names of the types of NumPy that differ from NumPy's, and of the integers that dates and times are.
_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}
_NUMPY = {"timestamp": "int64", "time64": "int64", "date64": "int64", "duration": "int64", "time32": "int32",
          "date32": "int32"}


class Leaf(NamedTuple):
    """A column of numbers, or of something else that cannot be scanned."""

    column: TableColumn
    problem: Problem | None


def leaves(name: str, kind: Any) -> Iterator[Leaf]:
    """The leaves of a column of this type, in the order in which `values` gives theirs."""
    types = library("pyarrow", "parquet").types
    if _inner(kind, types) is not None:
        yield from leaves(name, _inner(kind, types))
    elif types.is_struct(kind) and kind.num_fields:
        for i in range(kind.num_fields):
            yield from leaves(f"{name}.{kind.field(i).name}", kind.field(i).type)
    elif types.is_map(kind):
        yield from leaves(f"{name}[].key", kind.key_type)
        yield from leaves(f"{name}[].value", kind.item_type)
    elif _is_list(kind, types):
        yield from leaves(f"{name}[]", kind.value_type)
    else:
        label = _NAMES.get(str(kind), str(kind))
        yield Leaf(TableColumn(name, label), _problem(name, kind, types))


def _inner(kind: Any, types: Any) -> Any:
    """The type of the values of a type that only says how they are stored or what they mean; else None."""
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return kind.value_type
    return getattr(kind, "storage_type", None)


def _is_list(kind: Any, types: Any) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
                or str(kind).startswith(("list_view", "large_list_view")))


def _problem(name: str, kind: Any, types: Any) -> Problem | None:
    label = str(kind)
    if label in ("string", "large_string", "string_view"):
        return Problem(name, "text", f"it holds text ({label})")
    if (types.is_null(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
            or types.is_decimal(kind) or (types.is_temporal(kind) and not types.is_interval(kind))):
        return None
    return Problem(name, "not scanned", f"it holds no numbers, but {label}")


def values(array: Any, rows: Array | None = None) -> Iterator[list[Values]]:
    """The numbers of the leaves of an array, a list for each leaf, empty where they cannot be scanned.

    Parameters
    ----------
    array : pyarrow.Array
    rows : ndarray of int, optional
        The row of each element; each is one itself if not given.
    """
    pyarrow = library("pyarrow", "parquet")
    types, kind = pyarrow.types, array.type
    if types.is_dictionary(kind):
        yield from values(array.dictionary_decode(), rows)
    elif types.is_run_end_encoded(kind):
        yield from values(library("pyarrow.compute", "parquet").run_end_decode(array), rows)
    elif hasattr(kind, "storage_type"):
        yield from values(array.storage, rows)
    elif types.is_struct(kind) and kind.num_fields:
        for child in array.flatten():
            yield from values(child, rows)
    elif types.is_map(kind):
        entries = pyarrow.list_(pyarrow.struct([("key", kind.key_type), ("value", kind.item_type)]))
        yield from values(array.cast(entries), rows)
    elif _is_list(kind, types):
        yield from _list_values(array, rows)
    elif _problem("", kind, types) is not None:
        yield []
    else:
        yield [Values(_numbers(array, types), rows, bool(types.is_temporal(kind)))]


def _list_values(array: Any, rows: Array | None) -> Iterator[list[Values]]:
    compute = library("pyarrow.compute", "parquet")
    parents = memory_of(compute.list_parent_indices(array), "int64")
    null_lists = missing(array)
    nulls = None if null_lists is None else np.flatnonzero(null_lists)
    for found in values(array.flatten(), parents if rows is None else rows[parents]):
        if nulls is not None:     # told of the first leaf, once
            found.append(Values(_nulls(len(nulls)), nulls if rows is None else rows[nulls]))
            nulls = None
        yield found


def missing(array: Any) -> Array | None:
    """Which elements of an array are null; None where none is."""
    if array.null_count == 0:
        return None
    valid = _bits(array, 0)
    return np.logical_not(valid, out=valid)


def flags(array: Any) -> Array:
    """A boolean array; what it holds where values are missing has no meaning."""
    return _bits(array, 1)


def _bits(array: Any, buffer: int) -> Array:
    # By hand: pyarrow's to_numpy imports pandas, which takes longer than most files. Of a slice, its own bytes alone.
    start, first = divmod(array.offset, 8)
    packed = np.frombuffer(array.buffers()[buffer] or b"", np.uint8)[start:]
    return np.unpackbits(packed, count=first + len(array), bitorder="little")[first:].view(np.bool_)


def _nulls(number: int) -> Accepted:
    return with_nulls(np.zeros(number, np.bool_), np.ones(number, np.bool_))


def _numbers(array: Any, types: Any) -> Accepted:
    kind = array.type
    if types.is_null(kind):
        return _nulls(len(array))
    if types.is_boolean(kind):
        numbers = flags(array)
    elif types.is_decimal(kind):
        numbers = memory_of(array.cast("double"), "float64")
    else:
        name = str(kind)
        numbers = memory_of(array, _NUMPY.get(name.partition("[")[0]) or _NAMES.get(name, name))
    return with_nulls(numbers, missing(array))


def with_nulls(numbers: Array, missing: Array | None) -> Accepted:
    """Numbers of which some may be missing."""
    accepted = of_array(numbers)
    return accepted if missing is None else accepted._replace(mask=missing, nulls=True)


def memory_of(array: Any, dtype: str) -> Array:
    """The memory of an array; what it holds where values are missing has no meaning."""
    memory = array.buffers()[1]
    if memory is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(memory, dtype, len(array), array.offset * np.dtype(dtype).itemsize)

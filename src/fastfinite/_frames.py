"""Data frames and their columns, as parts that can be scanned.

(a) pandas keeps columns of one dtype together: neighbours that lie in one block are one view of it. Its nullable
    columns say which of their values are missing, and NaN beside NA stays what it is.
(b) Every other library is read through narwhals, a column at a time: a view where the column lies in one piece
    without nulls, else copies of ROWS values at most.
(c) A column that holds no numbers (text, dates, categories) is left out, and its position kept. So is one that may hold
    some in another shape (lists, structs, mixed objects), and that it may is kept too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastfinite import _slow
from fastfinite._accepted import Accepted, Array, Frame, Part, as_column, is_of, of_array

ROWS = 1 << 20
_NUMBERS = "biufc"
# How the names of types begin that hold text or dates, in pandas, pyarrow, polars and narwhals.
_WITHOUT_NUMBERS = ("large_string", "string", "binary", "large_binary", "date", "time", "timestamp", "duration",
                    "period", "categorical", "enum", "fixed_size_binary", "dictionary<values=string",
                    "dictionary<values=large_string")
# Integers that NumPy does not have.
_TOO_WIDE = ("int128", "uint128")
# What libraries of frames give to others, what narwhals' own classes and its plugins have, and lazy frames.
_MARKS = ("__dataframe__", "__arrow_c_stream__", "__arrow_c_array__", "__narwhals_dataframe__",
          "__narwhals_series__", "__narwhals_lazyframe__", "collect_schema")


class _Columns:
    """Neighbouring columns of one dtype: the first position, how many, the dtype's name, and the values by part."""

    __slots__ = ("first", "label", "parts", "width")

    def __init__(
        self, first: int, width: int, label: str, parts: Callable[[], Iterator[tuple[int, Accepted]]]
    ) -> None:
        self.first, self.width, self.label, self.parts = first, width, label, parts


class NotInstalled(TypeError):
    """What reads an object is not installed."""


def is_frame(kind: type) -> bool:
    """Whether objects of this type are frames or columns of a library that narwhals may know."""
    return any(hasattr(kind, mark) for mark in _MARKS) or _is_pandas(kind)


def _is_pandas(kind: type) -> bool:
    return is_of(kind, "pandas", "DataFrame", "Series")


def open_frame(x: Any) -> Frame:
    """Accept a frame or a column of one."""
    name = getattr(x, "name", None)
    if type(x).__module__.partition(".")[0] == "narwhals":
        x = x.to_native()
    if _is_pandas(type(x)):
        return _open_pandas(x)
    try:
        import narwhals.stable.v2 as narwhals
    except ImportError:
        raise NotInstalled(f"{_type_name(x)} is read through narwhals, which is not installed; "
                           "pip install 'fastfinite[frames]'") from None
    native, names = _arrow_table(x)
    # narwhals does not know lazy columns, and warns of lazy frames of dask.
    lazy = hasattr(type(x), "__dask_graph__")
    frame = None if lazy else narwhals.from_native(native, allow_series=True, pass_through=True)
    if lazy or isinstance(frame, narwhals.LazyFrame):
        raise TypeError(f"x is lazy ({_type_name(x)}), so there is nothing to scan yet; collect (compute) it first")
    if isinstance(frame, narwhals.Series):
        return _frame([_narwhals_columns(frame, 0)], [str(name or frame.name or "")], (len(frame),))
    if not isinstance(frame, narwhals.DataFrame):
        raise TypeError(f"x must be array_like or a data frame, not {_type_name(x)}")
    columns = [_narwhals_columns(series, position) for position, series in enumerate(frame.iter_columns())]
    return _frame(columns, [str(name) for name in names or frame.columns], frame.shape)


def _type_name(x: object) -> str:
    return f"{type(x).__module__}.{type(x).__qualname__}"


def _arrow_table(x: Any) -> tuple[Any, list[str] | None]:
    """What pyarrow has as the tables and chunked arrays that narwhals knows; names that occur twice apart."""
    pyarrow: Any = sys.modules.get("pyarrow")
    if pyarrow is None:
        return x, None
    if isinstance(x, pyarrow.Array):
        return pyarrow.chunked_array([x]), None
    if isinstance(x, pyarrow.RecordBatch):
        x = pyarrow.Table.from_batches([x])
    if not isinstance(x, pyarrow.Table):
        return x, None
    return x.rename_columns([str(i) for i in range(x.num_columns)]), list(x.column_names)


class _LeftOut:
    """A column that is not scanned, and whether it may hold numbers all the same."""

    __slots__ = ("doubtful", "first")

    def __init__(self, first: int, doubtful: bool) -> None:
        self.first, self.doubtful = first, doubtful


def _frame(columns: list[_Columns | _LeftOut], names: list[str], shape: tuple[int, ...]) -> Frame:
    known = [group for group in columns if isinstance(group, _Columns)]
    left_out = [group for group in columns if isinstance(group, _LeftOut)]
    if not known and len(shape) == 1:
        raise TypeError("x is a column that holds no numbers" + (f": {names[0]!r}" if names[0] else ""))
    if not known and names:
        raise TypeError("x has no column of numbers to scan; its columns are "
                        f"{', '.join(map(repr, names[:8]))}{', ...' if len(names) > 8 else ''}")
    labels = {group.label for group in known}

    def parts() -> Iterator[Part]:
        for group in known:
            for row, accepted in group.parts():
                if len(shape) == 1:
                    yield accepted, (row,)
                else:
                    # A block of several columns is one already.
                    column = accepted if accepted.array.ndim == 2 else as_column(accepted)
                    yield column, (row, group.first)

    unscanned, doubtful = [group.first for group in left_out], [group.first for group in left_out if group.doubtful]
    return Frame(shape, labels.pop() if len(labels) == 1 else "mixed", names, unscanned, doubtful, parts)


def _in_one_piece(first: int, accepted: Accepted, width: int = 1) -> _Columns:
    """A column, or a block of several, that is at hand in one piece."""
    return _Columns(first, width, accepted.label, lambda: iter([(0, accepted)]))


def _with_nulls(values: Array, missing: Array) -> Accepted:
    accepted = of_array(values)
    return accepted._replace(mask=missing, nulls=True) if missing.any() else accepted


def _objects(values: Array, first: int) -> _Columns | _LeftOut:
    """A column of objects, if all of them are numbers or None."""
    accepted = of_array(values)
    there = [x for x in values if not _is_missing(x)]
    if there and _slow.holds_numbers(accepted):
        return _in_one_piece(first, accepted)
    # In a column of text, nan says that there is none. Where nothing else is in it, nobody knows what it holds.
    text = all(isinstance(x, str) for x in there) and len(there) >= min(len(values), 1)
    return _LeftOut(first, doubtful=not text)


def _is_missing(x: object) -> bool:
    return x is None or type(x).__name__ in ("NAType", "NaTType") or (isinstance(x, float) and x != x)


# ---- pandas ------------------------------------------------------------------------------------------


def _open_pandas(x: Any) -> Frame:
    if x.ndim == 1:
        name = "" if x.name is None else str(x.name)
        return _frame([_pandas_series(x, 0)], [name], x.shape)
    columns: list[_Columns | _LeftOut] = []
    dtypes = list(x.dtypes)
    first = 0
    while first < len(dtypes):
        dtype, stop = dtypes[first], first + 1
        if isinstance(dtype, np.dtype) and dtype.kind in _NUMBERS:
            while stop < len(dtypes) and dtypes[stop] == dtype:
                stop += 1
        if stop - first > 1:
            columns += _pandas_block(x.iloc[:, first:stop], first)
        else:
            columns.append(_pandas_series(x.iloc[:, first], first))
        first = stop
    return _frame(columns, [str(name) for name in x.columns], x.shape)


def _pandas_block(block: Any, first: int) -> list[_Columns | _LeftOut]:
    """Neighbours of one NumPy dtype: one view, where they lie together."""
    # The first row of columns that lie apart is a copy; so is all of them.
    together = np.may_share_memory(block.iloc[:1].to_numpy(), block.iloc[:, 0].to_numpy())
    if not together:
        return [_pandas_series(block.iloc[:, i], first + i) for i in range(block.shape[1])]
    return [_in_one_piece(first, of_array(block.to_numpy()), block.shape[1])]


def _pandas_series(series: Any, first: int) -> _Columns | _LeftOut:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return _objects(series.to_numpy(), first)
        if dtype.kind not in _NUMBERS:
            return _LeftOut(first, doubtful=False)
        return _in_one_piece(first, of_array(series.to_numpy()))
    pandas: Any = sys.modules["pandas"]
    if isinstance(dtype, pandas.SparseDtype):       # has no missing value but nan
        values, decimal, nullable = dtype.subtype, False, False
    else:
        values, nullable = getattr(dtype, "numpy_dtype", None), True
        decimal = str(getattr(dtype, "pyarrow_dtype", "")).startswith("decimal")
    if not isinstance(values, np.dtype) or (values.kind not in _NUMBERS and not decimal):
        return _LeftOut(first, not _is_without_numbers(dtype))

    def parts() -> Iterator[tuple[int, Accepted]]:
        for start in range(0, len(series), ROWS):
            piece = series.iloc[start : start + ROWS]
            if decimal:
                yield start, of_array(piece.to_numpy(dtype=object, na_value=None))
                continue
            missing = piece.isna().to_numpy() if nullable else np.zeros(len(piece), np.bool_)
            filled = {"na_value": values.type(0)} if missing.any() else {}
            yield start, _with_nulls(piece.to_numpy(dtype=values, **filled), missing)

    return _Columns(first, 1, "decimal" if decimal else values.name, parts)


def _is_without_numbers(dtype: Any) -> bool:
    """Whether an extension dtype of pandas is of text, dates, or categories of these."""
    if hasattr(dtype, "categories"):
        categories = dtype.categories
        return getattr(categories.dtype, "kind", "") not in "fcO" or all(isinstance(x, str) for x in categories)
    return _says_text(str(getattr(dtype, "pyarrow_dtype", dtype)))


def _says_text(name: str) -> bool:
    # Not "struct".
    return name == "str" or name.lower().startswith(_WITHOUT_NUMBERS)


# ---- narwhals ----------------------------------------------------------------------------------------


def _narwhals_columns(series: Any, first: int) -> _Columns | _LeftOut:
    native = series.to_native()
    dtype = getattr(native, "dtype", None)
    if isinstance(dtype, np.dtype):    # a library like pandas, where narwhals takes nan for null
        if dtype.kind not in _NUMBERS:
            return _LeftOut(first, dtype.kind == "O")
        return _in_one_piece(first, of_array(series.to_numpy()))
    label = type(series.dtype).__name__.lower()
    # narwhals does not know all of pyarrow's.
    decimal = label == "decimal" or str(getattr(native, "type", "")).startswith("decimal")
    if not decimal and (label in _TOO_WIDE or not (series.dtype.is_numeric() or label == "boolean")):
        kind = str(getattr(native, "type", dtype if label == "unknown" else label))
        return _LeftOut(first, not _says_text(kind))
    if not decimal and len(series) <= ROWS and series.null_count() == 0:
        values = series.to_numpy()
        # Views are taken now: between two reads of whole columns the interpreter is out of the caches, and slow.
        if not values.flags.owndata:
            return _in_one_piece(first, of_array(values))

    def parts() -> Iterator[tuple[int, Accepted]]:
        for start in range(0, len(series), ROWS):
            piece = series[start : start + ROWS]
            if decimal:     # objects, None among them
                yield start, of_array(np.array(piece.to_list(), object))
            elif piece.null_count() == 0:
                yield start, of_array(piece.to_numpy())
            else:
                missing = piece.is_null().to_numpy()
                yield start, _with_nulls(piece.fill_null(False if label == "boolean" else 0).to_numpy(), missing)

    return _Columns(first, 1, {"boolean": "bool"}.get(label, "decimal" if decimal else label), parts)

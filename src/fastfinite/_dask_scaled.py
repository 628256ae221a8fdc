"""`standardize` of collections of dask: a collection of the same chunks, each scaled when it is computed."""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.graph_manipulation import clone
from dask.highlevelgraph import HighLevelGraph

from fastfinite._accept import accept, as_array
from fastfinite._accepted import Array, Chunked
from fastfinite._dask import DaskInput, check_known_columns, is_array, is_bag, starts_of
from fastfinite._dask_parts import TablePart
from fastfinite._standardize import inverse_standardize, standardize
from fastfinite._statistics import ColumnStats, columns_text
from fastfinite._threads import threads


def scaled(x: Chunked, stats: ColumnStats | None, inverse: bool) -> Any:
    """An array of scaled chunks; of a bag, a bag."""
    assert isinstance(x, DaskInput)
    collection = x.whole
    if stats is not None:       # the caller may go on to update them
        stats = stats.copy()
    if is_bag(collection):
        if stats is None:
            stats = x.lazy_table((0,), _stats)
        return collection.map(_scaled_item, stats=stats, inverse=inverse)
    if len(x.shape) == 0:
        raise ValueError("x must have at least one axis, of rows; it is a single number")
    if is_array(collection):
        check_known_columns(x)
    else:
        as_array(accept(collection._meta))      # raises where a column holds no numbers
    if stats is not None and not _same(stats.shape, x.shape[1:]):
        raise ValueError(f"x must have rows of {columns_text(stats.shape)}, as stats has; its shape is {x.shape}")
    chunks = collection.chunks if is_array(collection) else (
        (float("nan"),) * collection.npartitions, *((n,) for n in x.shape[1:]))
    starts = [starts_of(lengths) for lengths in chunks[1:]]
    # Of other tasks than those that are scaled: chunks are read twice, and none is held until the statistics are there.
    source = DaskInput(clone(collection, seed="fastfinite")) if is_array(collection) and stats is None else x
    given = source.lazy_table((0,), _stats) if stats is None else None
    name = f"fastfinite-scaled-{tokenize(x.token, stats if stats is None else stats.to_dict(), inverse)}"
    layer: dict[Any, Any] = {}
    if given is None:
        layer[f"{name}-stats"] = stats
    held = f"{name}-stats" if given is None else given.key
    for index in np.ndindex(*(len(lengths) for lengths in chunks)):
        place = tuple(begin[i] for begin, i in zip(starts, index[1:]))
        key = x.keys[index] if is_array(collection) else x.keys[index[0]]
        layer[(name, *index)] = (functools.partial(_scaled_block, place=place, inverse=inverse), key, held)
    dependencies = [x.collection] if given is None else [x.collection, given]
    graph = HighLevelGraph.from_collections(name, layer, dependencies=dependencies)
    return da.Array(graph, name, chunks, dtype=_result_dtype(collection))


def _stats(part: TablePart) -> ColumnStats:
    return ColumnStats._of_chunks(part, (0,))


def _same(shape: tuple[int, ...], other: tuple[Any, ...]) -> bool:
    """Whether two shapes may be the same, where lengths that are not known are nan."""
    return len(shape) == len(other) and all(n == m or m != m for n, m in zip(shape, other))


def _result_dtype(collection: Any) -> np.dtype[Any]:
    example = np.ones((1,) * collection.ndim, collection.dtype) if is_array(collection) else collection._meta_nonempty
    return np.dtype(standardize(example).dtype)


def _scaled_item(item: Any, stats: ColumnStats, inverse: bool) -> Array:
    with threads(1):
        return inverse_standardize(item, stats=stats) if inverse else standardize(item, stats=stats)


def _scaled_block(block: Any, stats: ColumnStats, place: tuple[int, ...], inverse: bool) -> Array:
    extent = block.shape[1:]
    if extent != stats.shape:       # some of the columns
        assert stats._table is not None
        table = stats._table.reshape(-1, *stats.shape)
        part = table[(slice(None), *(slice(i, i + n) for i, n in zip(place, extent)))]
        stats = ColumnStats._of_table(np.ascontiguousarray(part).reshape(len(table), -1), extent, None)
    return _scaled_item(block, stats, inverse)

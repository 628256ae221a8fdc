"""`check_finite` as a step of a pipeline: the same collection, each chunk of which is checked when it is computed."""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from fastfinite import _formats, _inputs
from fastfinite._accept import accept
from fastfinite._accepted import Frame
from fastfinite._dask import DaskInput, is_array, is_bag
from fastfinite._dask_parts import named_format
from fastfinite._errors import NonFiniteError
from fastfinite._formats import Format
from fastfinite._report import ScanReport, describe
from fastfinite._threads import threads


def checked(
    x: DaskInput, name: str, columns: list[str] | None, allow_nan: bool, target: Format | None
) -> Any:
    """The collection, which raises for the first chunk that is not finite; places are those in the whole, if known."""
    collection = x.collection
    options: dict[str, Any] = {"name": name, "columns": columns, "allow_nan": allow_nan, "target": named_format(target)}
    if is_bag(collection):
        return collection.map(_checked, where="an item", origin=None, **options)
    if not is_array(collection):
        return collection.map_partitions(
            _checked, where="a partition", origin=None, **options, meta=collection._meta, enforce_metadata=False)
    layer_name = f"fastfinite-checked-{tokenize(collection, options)}"
    starts = [np.cumsum([0, *lengths])[:-1] for lengths in collection.chunks]
    layer: dict[Any, Any] = {}
    for index in np.ndindex(x.keys.shape):
        place = [begin[i] for begin, i in zip(starts, index)]
        origin = None if np.isnan(place).any() else tuple(map(int, place))
        work = functools.partial(_checked, where=f"chunk {index}", origin=origin, **options)
        layer[(layer_name, *index)] = (work, x.keys[index])
    graph = HighLevelGraph.from_collections(layer_name, layer, dependencies=[collection])
    return da.Array(graph, layer_name, collection.chunks, meta=collection._meta)


def _checked(
    block: Any, where: str, origin: tuple[int, ...] | None, name: str, columns: list[str] | None, allow_nan: bool,
    target: str | None,
) -> Any:
    opened = accept(block)
    form = None if target is None else _formats.of_name(target, "target_dtype")
    with threads(1):
        found = _inputs.report(opened, form, None, allow_nan)
    if found.passes(allow_nan):
        if isinstance(opened, Frame):
            _inputs.refuse_doubtful(opened)
        return block
    whole = ScanReport(found.shape, found.dtype, size=0, target_dtype=target, not_scanned=found.not_scanned,
                       names=found.names)
    whole._merge(found, origin or (0,) * len(found.shape))
    called = f"{where} of {name}" + ("" if origin is not None else ", its rows counted from its first,")
    raise NonFiniteError(describe(whole, name=called, columns=columns, allow_nan=allow_nan), whole)

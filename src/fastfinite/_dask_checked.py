"""`check_finite` as a step of a pipeline: the same collection, each chunk of which is checked when it is computed."""

from __future__ import annotations

import functools
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from fastfinite import _formats, _inputs, _scan
from fastfinite._accept import accept
from fastfinite._accepted import Frame
from fastfinite._dask import DaskInput, is_array, is_bag, starts_of
from fastfinite._dask_parts import named_format
from fastfinite._errors import NonFiniteError
from fastfinite._formats import Format
from fastfinite._report import ScanReport, describe
from fastfinite._threads import threads

# Where places are counted from when it is not known where a chunk lies in the whole.
_ROWS = ", its rows counted from its first,"
_COLUMNS = ", its rows and columns counted from its first,"


def checked(x: DaskInput, name: str, columns: list[str] | None, allow_nan: bool, target: Format | None) -> Any:
    """The collection, which raises for the first chunk that is not finite; places are those in the whole, if known."""
    collection = x.whole
    options: dict[str, Any] = {"name": name, "columns": columns, "allow_nan": allow_nan, "target": named_format(target)}
    if is_bag(collection):
        return collection.map(_checked, where="an item", counted=_ROWS, origin=None, **options)
    if not is_array(collection):
        return collection.map_partitions(_checked, where="a partition", counted=_ROWS, origin=None, **options,
                                         meta=collection._meta, enforce_metadata=False)
    layer_name = f"fastfinite-checked-{tokenize(collection, options)}"
    starts = [starts_of(lengths) for lengths in collection.chunks]
    layer: dict[Any, Any] = {}
    for index in np.ndindex(x.keys.shape):
        place = [begin[i] for begin, i in zip(starts, index)]
        unknown = [bool(np.isnan(start)) for start in place]
        origin = tuple(0 if start != start else int(start) for start in place)
        counted = _COLUMNS if any(unknown[1:]) else _ROWS if any(unknown) else ""
        named = options | {"columns": None} if any(unknown[1:]) else options
        work = functools.partial(_checked, where=f"chunk {index}", counted=counted, origin=origin, **named)
        layer[(layer_name, *index)] = (work, x.keys[index])
    graph = HighLevelGraph.from_collections(layer_name, layer, dependencies=[collection])
    return da.Array(graph, layer_name, collection.chunks, meta=collection._meta)


def _checked(
    block: Any, where: str, counted: str, origin: tuple[int, ...] | None, name: str, columns: list[str] | None,
    allow_nan: bool, target: str | None,
) -> Any:
    form = None if target is None else _formats.of_name(target, "target_dtype")
    with threads(1):
        opened = accept(block)
        found = _inputs.report(opened, form, None, allow_nan)
    if found.passes(allow_nan):
        if isinstance(opened, Frame):
            _inputs.refuse_doubtful(opened)
        return block
    if columns is not None and origin is None:
        _scan.check_names(columns, found.shape)
    whole = ScanReport(found.shape, found.dtype, size=0, target_dtype=target, not_scanned=found.not_scanned,
                       names=found.names)
    whole._merge(found, origin or (0,) * len(found.shape))
    raise NonFiniteError(
        describe(whole, name=f"{where} of {name}{counted}", columns=columns, allow_nan=allow_nan), whole)

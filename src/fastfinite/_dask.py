"""Collections of dask as input: what is asked of them becomes a tree of tasks, of the kernels' answers for each chunk.

(a) A tree joins chunks along the last axis first, some at a time; its tasks are named after what they do, so that the
same question is the same task. (b) Nothing is known of a chunk before it is there: its size need not be. (c) A verdict
ends the work: a cluster's futures are cancelled, and of a scheduler in this process the tasks are given up. (d) The
tasks of an array are a layer that dask can fuse: a chunk that nothing else needs is read and looked at by one task.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask import config
from dask.base import get_scheduler, tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from fastfinite import _dask_parts
from fastfinite._accept import accept
from fastfinite._accepted import Array, Chunked, Frame, Input, is_of
from fastfinite._dask_parts import (
    Answer,
    FoundBad,
    FoundPlaces,
    KnownPart,
    ScanPart,
    TablePart,
    joined,
    known_of,
    named_format,
)
from fastfinite._formats import Format
from fastfinite._report import ScanReport

# So many neighbours are joined by a task, where dask's `split_every` says nothing.
_SPLIT = 16


class Lazy(Delayed):        # type: ignore[misc]
    """What has yet to be computed. Its graph is optimized with those of arrays: what they share is read once."""

    __slots__ = ()
    __dask_optimize__ = staticmethod(da.Array.__dask_optimize__)


def is_array(x: object) -> bool:
    return is_of(type(x), "dask.array", "Array")


def is_bag(x: object) -> bool:
    return is_of(type(x), "dask.bag", "Bag")


class DaskInput(Chunked):
    """A collection of dask.

    Attributes
    ----------
    whole : object
        The collection.
    collection : object
        Whose chunks are read: the same, of data frames without the columns that hold no numbers.
    keys : ndarray of object
        The keys of the chunks, as these lie.
    opener : callable
        Opens a chunk.
    """

    def __init__(self, x: Any) -> None:
        self.whole, self.collection, self.names = x, x, None
        # Columns of data frames that are known to hold no numbers.
        self.others: list[int] = []
        self.opener: _dask_parts.Opener = _dask_parts.open_array
        if is_array(x):
            # What cannot be scanned is refused before anything is computed.
            self.shape, self.label = tuple(x.shape), accept(np.empty(0, x.dtype)).label
            if not hasattr(x.__dask_graph__(), "layers"):
                raise TypeError("arrays of dask's query planning are not taken: set array.query-planning to False")
            self.keys = _grid(x.name, x.numblocks)
            return
        if is_bag(x):
            # Of which shape the items are is not known.
            self.shape, self.label = (math.nan, math.nan), "mixed"
            self.opener = _dask_parts.open_items
        else:
            self._select(x)
        self.keys = _grid(self.collection.__dask_keys__()[0][0], (self.collection.npartitions,))

    @functools.cached_property
    def token(self) -> str:
        """What tells it from others: of data frames, the columns that are left out too."""
        return str(tokenize(self.collection, self.opener))

    def _select(self, x: Any) -> None:
        """Leave out the columns of a data frame that hold no numbers, by their types."""
        opened = accept(_with_numbers(x._meta))
        self.label = opened.label
        self.shape = (math.nan, *opened.shape[1:])
        if isinstance(opened, Frame) and len(opened.shape) == 2:
            self.names = tuple(opened.names)
            others = [i for i in opened.unscanned if i not in opened.doubtful]
            kept = [i for i in range(len(opened.names)) if i not in others]
            if others and x.columns.is_unique:
                x = x[[x.columns[i] for i in kept]]
            else:
                kept, others = list(range(len(opened.names))), []
            self.others = others
            self.opener = _dask_parts.open_partition(opened.names, kept, others)
        if not hasattr(x, "optimize"):
            raise TypeError("data frames of dask without query planning are not taken: set dataframe.query-planning "
                            "to True")
        self.collection = x.optimize()

    # ---- questions -----------------------------------------------------------------------------------

    def ask(self, question: int) -> bool:
        scheduler = get_scheduler(collections=[Delayed("", {})])
        client = getattr(scheduler, "__self__", None)
        clustered = is_of(type(client), "distributed", "Client")
        name, work = self._answer_of(question, end=not clustered)
        # Where nothing else tells, dask begins with the last name: the first chunk has it.
        last = self.keys.size
        layer = {(name, f"{last - i:012d}"): (work, chunk) for i, chunk in enumerate(self.keys.flat)}
        keys = list(layer)
        graph = Lazy.__dask_optimize__(HighLevelGraph.from_collections(name, layer, [self.collection]), keys)
        if clustered:
            return _first_answer(client, graph, keys).verdict()
        try:
            return _dask_parts.any_of(scheduler(dict(graph), keys), 0).verdict()
        except FoundBad:
            return True

    def lazy_answer(self, question: int, finish: Callable[[bool], bool]) -> Lazy:
        """Whether it holds a value of a kind, to be computed."""
        name, work = self._answer_of(question, end=False)
        return _lazy(name, *self._tasks(name, work), _dask_parts.any_of, functools.partial(_verdict, finish=finish))

    def _answer_of(self, question: int, end: bool) -> tuple[str, Callable[[Any], Answer]]:
        """What is asked of a chunk, and the name of these tasks; with `end`, what is found ends the work."""
        work = functools.partial(_dask_parts.answer_of, opener=self.opener, question=question, end=end)
        return f"fastfinite-answer-{tokenize(self.token, question, end)}", work

    def report(self, target: Format | None, axis: int | None, allow_nan: bool) -> ScanReport:
        found: ScanReport = self.lazy_report(target, axis, allow_nan).compute()
        return found

    def indices(self, question: int, limit: int | None) -> Array:
        make = functools.partial(FoundPlaces, question=question, limit=limit)
        found: Array = self.lazy("indices", make).compute()
        return found

    def table(self, axes: tuple[int, ...] | None) -> TablePart:
        """The table of sums."""
        found: TablePart = self.lazy_table(axes).compute()
        return found

    def fetch(self) -> Input:
        if is_bag(self.collection):
            raise TypeError("x is a bag of dask, and has to be an array here")
        return accept(self.collection.compute())

    def lazy_report(self, target: Format | None, axis: int | None, allow_nan: bool) -> Lazy:
        """The report, to be computed."""
        make = functools.partial(ScanPart, target=named_format(target), axis=axis, allow_nan=allow_nan)
        return self.lazy("scan", make)

    def lazy_table(self, axes: tuple[int, ...] | None, finish: Callable[[TablePart], Any] | None = None) -> Lazy:
        """The table of sums, or what is made of it, to be computed."""
        return self.lazy("columns", functools.partial(TablePart, axes=axes), finish)

    def lazy(self, name: str, make: Callable[..., KnownPart], finish: Callable[[Any], Any] | None = None) -> Lazy:
        """What is known of the whole once that of all chunks is joined, and at last finished."""
        name = f"fastfinite-{name}-{tokenize(self.token, name, make)}"
        work = functools.partial(known_of, opener=self.opener, make=make)
        return _lazy(name, *self._tasks(name, work), joined, functools.partial(_finished, finish=finish))

    def _tasks(self, name: str, work: Callable[[Any], Any]) -> tuple[HighLevelGraph, Array]:
        """A task for each chunk: the graph, and the keys of the tasks as the chunks lie."""
        if is_array(self.collection):
            axes, meta = tuple(range(self.keys.ndim)), np.empty((0,) * self.keys.ndim, object)
            graph = da.blockwise(work, axes, self.collection, axes, name=name, meta=meta, align_arrays=False).dask
        else:
            layer = {(name, *index): (work, self.keys[index]) for index in np.ndindex(self.keys.shape)}
            graph = HighLevelGraph.from_collections(name, layer, dependencies=[self.collection])
        return graph, _grid(name, self.keys.shape)


def _lazy(
    name: str, graph: HighLevelGraph, level: Array, join: Callable[..., Any], finish: Callable[[Any], Any]
) -> Lazy:
    """What is joined of the tasks of a graph, and at last finished."""
    layer: dict[Any, Any] = {}
    last = joined_tasks(layer, level, f"{name}-join", join)
    key = f"{name}-all-{tokenize(last, finish)}"
    layer[key] = (finish, last)
    return Lazy(key, HighLevelGraph({**graph.layers, key: layer}, {**graph.dependencies, key: {name}}))


def _with_numbers(meta: Any) -> Any:
    """A partition without rows, in which columns of objects, which may hold numbers, do."""
    if meta.ndim == 1:
        return meta.astype(float) if _is_of_objects(meta.dtype) else meta
    if not meta.columns.is_unique:
        return meta
    return meta.astype({name: float for name, dtype in meta.dtypes.items() if _is_of_objects(dtype)})


def _is_of_objects(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _grid(name: str, counts: Sequence[int]) -> Array:
    keys = np.empty(tuple(counts), object)
    for index in np.ndindex(keys.shape):
        keys[index] = (name, *index)
    return keys


def starts_of(lengths: Sequence[Any]) -> list[Any]:
    """Where each chunk along an axis begins."""
    starts: list[Any] = np.cumsum([0, *lengths])[:-1].tolist()
    return starts


def check_known_columns(x: DaskInput) -> None:
    """Raise ValueError where chunks are of unknown lengths along another axis than the first."""
    if any(length != length for lengths in getattr(x.collection, "chunks", ())[1:] for length in lengths):
        raise ValueError(f"x has columns of unknown number, its chunks are {x.collection.chunks}; "
                         "compute_chunk_sizes() finds it out")


def joined_tasks(layer: dict[Any, Any], level: Array, name: str, join: Callable[..., Any]) -> Any:
    """Add tasks to a layer that join neighbours until one is left; its key."""
    chosen = config.get("split_every", None) or _SPLIT
    for axis in reversed(range(level.ndim)):
        split = max(2, chosen.get(axis, _SPLIT) if isinstance(chosen, dict) else chosen)
        depth, work = 0, functools.partial(join, axis=axis)
        while level.shape[axis] > 1:
            groups = np.array_split(np.arange(level.shape[axis]), -(-level.shape[axis] // split))
            moved = np.moveaxis(level, axis, -1)
            above = np.empty((*moved.shape[:-1], len(groups)), object)
            for index in np.ndindex(above.shape):
                key = above[index] = (f"{name}-{split}-{axis}-{depth}", *index)
                layer[key] = (work, [moved[(*index[:-1], i)] for i in groups[index[-1]]])
            level = np.moveaxis(above, -1, axis)
            depth += 1
    return level.item()


def _verdict(answer: Answer, finish: Callable[[bool], bool]) -> bool:
    return finish(answer.verdict())


def _finished(part: Any, finish: Callable[[Any], Any] | None) -> Any:
    if part is None:
        raise ValueError("x is a bag without items")
    found = part.finished()
    return found if finish is None else finish(found)


def _first_answer(client: Any, graph: Any, keys: list[Any]) -> Answer:
    """The answer of a cluster, which is told to stop as soon as it is known."""
    from distributed import as_completed

    futures = client.get(graph, keys, sync=False)
    whole = Answer(False)
    try:
        for _, answer in as_completed(futures, with_results=True):
            whole = _dask_parts.any_of([whole, answer], 0)
            if whole.found:
                break
    finally:
        client.cancel([future for future in futures if not future.done()])
    return whole

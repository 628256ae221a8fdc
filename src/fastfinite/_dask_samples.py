"""What `diagnose` looks at in collections of dask: the second look is taken where the chunks are.

Questions travel to the chunks with the columns that they are about, and come back with their answers, O(columns) each.
"""

from __future__ import annotations

import copy
import functools
import math
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from dask.highlevelgraph import HighLevelGraph

from fastfinite._accept import as_array
from fastfinite._accepted import Accepted, Array, Chunked, Frame, Input, Part, Remote, Sparse, numbers_of
from fastfinite._bad_map import told_names
from fastfinite._dask import DaskInput, Lazy, check_known_columns, is_bag, joined_tasks, starts_of
from fastfinite._dask_parts import KnownPart, Opener
from fastfinite._labels import Labels, labels_of
from fastfinite._samples import Samples, asked_columns, columns_of, flattened
from fastfinite._second_look import Question, chunks
from fastfinite._statistics import ColumnStats
from fastfinite._threads import threads


class DaskSamples(Samples):
    """The rows of a collection of dask."""

    def __init__(self, x: Chunked) -> None:
        assert isinstance(x, DaskInput)
        check_known_columns(x)
        found = x.table((0,))
        width = math.prod(found.extent[1:])
        names = None
        if found.names is None:
            stats = ColumnStats._of_table(found.table, (width,), None)
        else:
            stats = ColumnStats._of_chunks(found, (0,))
            names = told_names(found.names, found.unscanned)
        kept = np.array([i for i in range(width) if i not in found.unscanned], np.intp)
        doubtful = sorted(found.unscanned - set(x.others))
        super().__init__(found.extent, names, stats, kept, lambda columns: [],
                         [found.names[i] for i in doubtful] if found.names else ())
        self._input = x
        # Where each chunk begins, along every axis; of one row of chunks it is known how long each is.
        self._starts = [starts_of(found.rows)]
        self._lengths = found.rows
        if len(found.extent) > 1:
            known = getattr(x.collection, "chunks", None)
            rest = known[1:] if known is not None else [(n,) for n in found.extent[1:]]
            self._starts += [starts_of(lengths) for lengths in rest]

    def answer(self, questions: Sequence[Question]) -> None:
        columns = asked_columns(questions)
        if not len(columns):
            return
        positions = self.positions[columns]
        collection, keys = self._input.collection, self._input.keys
        # Never the name of other questions, which another thread may ask meanwhile.
        name = f"fastfinite-look-{uuid.uuid4().hex}"
        layer: dict[Any, Any] = {f"{name}-questions": _Held(questions, positions, columns, self.shape)}
        level = np.empty(keys.shape, object)
        for index in np.ndindex(level.shape):
            key = level[index] = (name, *index)
            origin = tuple(starts[i] for starts, i in zip(self._starts, index))
            origin += (0,) * (len(self.shape) - len(origin))
            work = functools.partial(_answered, opener=self._input.opener, origin=origin, rows=self._lengths[index[0]])
            # Of tables it is known which columns a chunk has.
            layer[key] = (work, keys[index], f"{name}-questions") if self._is_asked(index, positions) else None
        last = joined_tasks(layer, level, f"{name}-join", _joined_answers)
        graph = HighLevelGraph.from_collections(name, layer, dependencies=[collection])
        found = Lazy(last, graph, layer=name).compute()
        for question, answer in zip(questions, found):
            question.join(answer, 0)

    def _is_asked(self, index: tuple[int, ...], positions: Array) -> bool:
        if len(index) != 2 or len(self.shape) != 2:
            return True
        starts = [*self._starts[1], self.shape[1]]
        low, high = np.searchsorted(positions, starts[index[1] : index[1] + 2])
        return bool(low < high)


class _Held:
    """Questions on their way, and the columns that they are about."""

    def __init__(self, questions: Sequence[Question], positions: Array, columns: Array, shape: tuple[int, ...]) -> None:
        self.questions, self.positions, self.columns, self.shape = list(questions), positions, columns, shape


def _answered(block: Any, held: _Held, opener: Opener, origin: tuple[int, ...], rows: int) -> list[Question]:
    """The questions with what a chunk says of them."""
    asked = [question.for_rows(origin[0], origin[0] + rows) for question in held.questions]
    with threads(1), np.errstate(all="ignore"):
        row = origin[0]
        for opened in opener(block):
            parts = _parts(opened, (row, *origin[1:]), held)
            for chunk in chunks(parts, held.positions, held.columns):
                for question in asked:
                    question.take(chunk)
            row += opened.shape[0]
    return asked


def _parts(opened: Input, origin: tuple[int, ...], held: _Held) -> Iterator[Part]:
    """A chunk as parts of rows and columns, where they are in the whole."""
    if isinstance(opened, Remote):
        opened = opened.fetch()
    if isinstance(opened, Frame):
        if len(opened.shape) == 1:
            yield from flattened(as_array(opened), origin, held.shape)
            return
        for accepted, (row, column) in opened.parts():
            yield accepted, (origin[0] + row, column)
    elif isinstance(opened, Sparse):
        inside = held.positions - origin[1]
        inside = inside[(inside >= 0) & (inside < opened.shape[1])]
        for accepted, (row, column) in columns_of(opened, inside):
            yield accepted, (origin[0] + row, origin[1] + column)
    else:
        assert isinstance(opened, Accepted)
        yield from flattened(opened, origin, held.shape)


def _joined_answers(parts: Sequence[list[Question] | None], axis: int) -> list[Question] | None:
    present = [part for part in parts if part is not None]
    if not present:
        return None
    # A task may be done again, and its input be that of another.
    first = copy.deepcopy(present[0])
    for part in present[1:]:
        for mine, other in zip(first, part):
            mine.join(other, min(axis, 1))
    return first


# ---- labels --------------------------------------------------------------------------------------------


class _LabelPart(KnownPart):
    """The facts of the labels of a chunk."""

    __slots__ = ("labels",)

    def __init__(self, opened: Input) -> None:
        self.extent = tuple(opened.shape)
        self.labels = labels_of(numbers_of(as_array(opened)), None)

    def copy(self) -> _LabelPart:
        twin = super().copy()
        twin.labels = copy.deepcopy(self.labels)
        return twin

    def join(self, other: _LabelPart, axis: int) -> None:
        self.labels.join(other.labels)

    def finished(self) -> Labels:
        """The facts of all."""
        return self.labels


def labels_of_collection(x: Chunked) -> Labels:
    """The facts of labels, of one axis or of rows of labels."""
    assert isinstance(x, DaskInput)
    if not x.shape or is_bag(x.collection):
        raise ValueError("y must have rows, and be an array or a column of a data frame")
    if len(x.keys.shape) > 1 and any(n > 1 for n in x.keys.shape[1:]):
        x = DaskInput(x.collection.rechunk(dict.fromkeys(range(1, x.keys.ndim), -1)))
    found: Labels = x.lazy("labels", _LabelPart).compute()
    return found

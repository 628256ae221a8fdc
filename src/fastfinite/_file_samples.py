"""What `diagnose` reads from files: samples and labels that are streamed, and opened anew for every pass."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from fastfinite import _files, _inputs, _scan_files
from fastfinite._accepted import Array, Frame, Part
from fastfinite._bad_map import told_names
from fastfinite._files import FileArray, FileTable, Index, NotScanned, Problem, Source, Unreadable
from fastfinite._labels import Labels
from fastfinite._progress import ProgressBar
from fastfinite._samples import Samples, flattened
from fastfinite._scan_files import TableNumbers
from fastfinite._second_look import as_floats, chunks
from fastfinite._statistics import ColumnStats

Advance = Callable[[float], None]


class FileItem:
    """An array or a table in a file.

    Attributes
    ----------
    path : str
    name : str or None
        Its name in the file.
    columns : list of str or None
        The names of the columns of a table.
    shape : tuple of int or None
        Of an array.
    """

    def __init__(self, source: Source, number: int, item: FileArray | FileTable, progress: str) -> None:
        self.path = source.path
        self.name = item.name if isinstance(item, FileArray) else None
        self.columns = [column.name for column in item.columns] if isinstance(item, FileTable) else None
        self.shape = item.shape if isinstance(item, FileArray) else None
        self._source, self._number, self._progress = source, number, progress

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[FileArray | FileTable, Advance]]:
        """Open it for one pass, with a bar that shows how far that has come."""
        bar = ProgressBar(self._progress, self._source.size)
        with contextlib.closing(bar.through([self._source])) as items:
            _, item = next(itertools.islice(items, self._number, None), (None, None))
            if item is None or isinstance(item, Problem):
                raise Unreadable("it changed while it was read")
            try:
                yield item, bar.advance
            finally:
                bar.hide()


def items_of(path: str, progress: str = "never") -> list[FileItem | Problem]:
    """The arrays and tables of a file, and whatever in it cannot be read."""
    sources, _ = _files.find([path])
    if len(sources) != 1:
        raise NotScanned(f"it stands for {len(sources)} files: name one")
    found: list[FileItem | Problem] = []
    for number, item in enumerate(_files.arrays_of(sources[0])):
        found.append(item if isinstance(item, Problem) else FileItem(sources[0], number, item, progress))
    return found


def only_item(path: str, name: str) -> FileItem:
    """The one array or table of a file; `name` is the argument that named the file."""
    items = items_of(path)
    for item in items:
        if isinstance(item, Problem):
            raise ValueError(f"{name}: {path}: {item.reason}")
    if len(items) != 1:
        raise ValueError(f"{name}: {path} holds {len(items)} arrays: load the one that is meant")
    (item,) = items
    assert isinstance(item, FileItem)
    return item


# ------------------------------------------------------------------------------------------------ samples


def samples_of_file(
    item: FileItem, target: str | None = None, problems: Callable[[Problem], None] = lambda problem: None
) -> tuple[Samples, Labels | None]:
    """The samples in a file, and the labels where a column of a table is their `target`.

    `problems` is told of columns that should be numbers and are not.
    """
    if item.columns is not None:
        return _samples_of_table(item, item.columns, target, problems)
    with item.opened() as (array, _):
        assert isinstance(array, FileArray)
        _scan_files.empty_report(array, None)       # refuses what cannot be scanned
        shape = array.shape
    if not shape:
        raise ValueError("it must have rows, and is a single number")
    width = math.prod(shape[1:])

    def parts() -> Iterator[Part]:
        for accepted, origin in _blocks(item):
            yield from flattened(accepted, origin, shape)

    stats = _stats((shape[0], width), parts)
    return Samples(shape, None, stats, np.arange(width), lambda columns: parts()), None


def _blocks(item: FileItem) -> Iterator[Part]:
    with item.opened() as (array, advance):
        assert isinstance(array, FileArray)
        total = max(1, math.prod(array.shape))
        for block in array.blocks():
            yield _scan_files.accepted_block(block, array.format), block.origin
            advance(block.values.size / total)


def _stats(shape: Index, parts: Callable[[], Iterator[Part]], names: list[str] | None = None) -> ColumnStats:
    frame = Frame(shape, "", names or [], [], [], parts)
    return ColumnStats._of_table(_inputs.tabulated(frame, (0,)), shape[1:], names)


def _samples_of_table(
    item: FileItem, names: list[str], target: str | None, problems: Callable[[Problem], None]
) -> tuple[Samples, Labels | None]:
    label = None if target is None else _position(names, target)
    labels = None if label is None else Labels((0,), np.dtype(np.float64))
    with item.opened() as (table, advance):
        assert isinstance(table, FileTable)
        numbers = TableNumbers(table, advance)

        def parts() -> Iterator[Part]:
            for part in numbers.parts():
                if part[1][1] != label:
                    yield part
                elif labels is not None:
                    _add_column(labels, part)

        whole = _stats((0, len(names)), parts, names)
        # The values of lists have no row that is theirs alone.
        left_out = numbers.left_out() | numbers.lists
    for problem in numbers.problems():
        problems(problem)
    if label is not None and label in left_out:
        raise NotScanned(f"its column {target!r} holds no numbers: encode the classes as numbers")
    if labels is not None:
        labels.shape = (numbers.rows,)
    kept = [i for i in range(len(names)) if i not in left_out and i != label]
    stats = whole._some_columns(kept, [names[i] for i in sorted(left_out)])

    def again(columns: Array) -> Iterator[Part]:
        wanted = set(columns.tolist())
        with item.opened() as (table, advance):
            assert isinstance(table, FileTable)
            for part in TableNumbers(table, advance).parts():
                if part[1][1] in wanted:
                    yield part

    told = told_names(names, left_out)
    if label is not None:
        told[label] += " (labels)"
    return Samples((numbers.rows, len(names)), told, stats, np.array(kept, np.intp), again), labels


def _position(names: Sequence[str], target: str) -> int:
    found = [i for i, name in enumerate(names) if name == target]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotScanned(f"{len(found)} of its columns are called {target!r}")
    raise NotScanned(f"it has no column {target!r}; its columns are {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")


def _add_column(labels: Labels, part: Part) -> None:
    position = np.array([part[1][1]])
    for chunk in chunks([part], position, position):
        labels.add(as_floats(chunk.values)[:, 0], chunk.row)


# ------------------------------------------------------------------------------------------------ labels


def labels_of_file(item: FileItem) -> Labels:
    """The labels in a file: an array, or a table of one column."""
    if item.columns is not None:
        if len(item.columns) != 1:
            raise NotScanned(f"it is a table of {len(item.columns)} columns, and labels are one")
        _, labels = samples_of_file(item, item.columns[0])
        assert labels is not None
        return labels
    with item.opened() as (array, _):
        assert isinstance(array, FileArray)
        dtype, shape = array.dtype, array.shape
        if dtype.kind not in "SU":
            _scan_files.empty_report(array, None)
    if not shape:
        raise ValueError("it must have rows, and is a single number")
    labels = Labels(shape, np.dtype(np.float64) if array.format else dtype)
    if labels.are_numbers:
        for part in _whole_rows(item, shape):
            for chunk in chunks([part], np.arange(part[0].shape[1]), np.arange(part[0].shape[1])):
                labels.add(as_floats(chunk.values).reshape(-1, *shape[1:]), chunk.row)
    return labels


def _whole_rows(item: FileItem, shape: Index) -> Iterator[Part]:
    """An array as parts of a table that have all its columns."""
    width = math.prod(shape[1:])
    ragged: dict[tuple[int, int], list[Part]] = {}
    for accepted, origin in _blocks(item):
        for part in flattened(accepted, origin, shape):
            if part[0].shape[1] == width:
                yield part
            else:       # in Fortran order, or of chunks that are narrower than the rows
                rows = (part[1][0], part[0].shape[0])
                ragged.setdefault(rows, []).append(part)
    for (row, _), pieces in ragged.items():
        pieces.sort(key=lambda piece: piece[1][1])
        masks = [np.zeros(piece.shape, np.bool_) if piece.mask is None else piece.mask for piece, _ in pieces]
        whole = np.concatenate([piece.array for piece, _ in pieces], axis=1)
        yield pieces[0][0]._replace(array=whole, mask=np.concatenate(masks, axis=1)), (row, 0)


def array_of_file(item: FileItem) -> Array:
    """All values of an array in a file, or of a table of one column; missing ones are nan."""
    if item.columns is not None:
        raise NotScanned("it is a table: read it first, and give one of its columns")
    shape = item.shape or ()
    parts = (part for accepted, origin in _blocks(item) for part in flattened(accepted, origin, shape))
    every = np.arange(math.prod(shape[1:]))
    found = list(chunks(parts, every, every))
    dtype = np.result_type(*(chunk.values.dtype for chunk in found)) if found else np.dtype(np.float64)
    values = np.empty((shape[0], len(every)), dtype)
    for chunk in found:
        rows = slice(chunk.row, chunk.row + len(chunk.values))
        values[rows, chunk.columns[0] : chunk.columns[-1] + 1] = chunk.values
    return values.reshape(shape)

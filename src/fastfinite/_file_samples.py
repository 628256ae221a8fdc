"""What `diagnose` reads from files: samples and labels that are streamed, and opened anew for every pass."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from fastfinite import _files, _scan_files
from fastfinite._accepted import Array, Part
from fastfinite._bad_map import told_names
from fastfinite._files import DType, FileArray, FileTable, Index, NotScanned, Problem, Source, Unreadable
from fastfinite._labels import Labels
from fastfinite._progress import ProgressBar
from fastfinite._report import listed
from fastfinite._samples import Samples, flattened
from fastfinite._scan_files import TableNumbers
from fastfinite._second_look import chunks
from fastfinite._statistics import stats_of_parts
from fastfinite._terminal import where


class FileItem:
    """An array or a table in a file.

    Attributes
    ----------
    path : str
    name : str or None
        Its name in the file.
    columns : list of str or None
        The names of the columns of a table.
    shape, dtype, format
        Of an array, as those of `FileArray`; None of a table.
    """

    def __init__(self, source: Source, number: int, item: FileArray | FileTable, bar: ProgressBar) -> None:
        self.path, self.name = source.path, None
        self.columns: list[str] | None = None
        self.shape: Index | None = None
        self.dtype: DType | None = None
        self.format: str | None = None
        if isinstance(item, FileTable):
            self.columns = [column.name for column in item.columns]
        else:
            self.name, self.shape, self.dtype, self.format = item.name, item.shape, item.dtype, item.format
        self._source, self._number, self._bar = source, number, bar

    @property
    def where(self) -> str:
        """Its path, and its name if it has one."""
        return where(self.path, self.name)

    def expect(self, passes: int) -> None:
        """Tell the bar that it will be read so many times."""
        self._bar.expect(passes * self._source.size)

    @contextlib.contextmanager
    def opened(self) -> Iterator[FileArray | FileTable]:
        """Open it for one pass, of which the bar is told with `advance`."""
        with contextlib.closing(self._bar.through([self._source])) as items:
            _, item = next(itertools.islice(items, self._number, None), (None, None))
            if item is None or isinstance(item, Problem):
                raise Unreadable("it changed while it was read")
            try:
                yield item
            finally:
                self._bar.hide()

    def advance(self, share: float) -> None:
        """Tell the bar how much more has been read."""
        self._bar.advance(share)


def items_of(path: str, bar: ProgressBar) -> list[FileItem | Problem]:
    """The arrays and tables of a file, and whatever in it cannot be read."""
    sources, _ = _files.find([path])
    if len(sources) != 1:
        raise NotScanned(f"it stands for {len(sources)} files: name one")
    found: list[FileItem | Problem] = []
    for number, item in enumerate(_files.arrays_of(sources[0])):
        found.append(item if isinstance(item, Problem) else FileItem(sources[0], number, item, bar))
    return found


def only_item(path: str) -> FileItem:
    """The one array or table of a file."""
    items = items_of(path, ProgressBar("never", 0))
    for item in items:
        if isinstance(item, Problem):
            raise Unreadable(item.reason)
    if len(items) != 1:
        raise NotScanned(f"it holds {len(items)} arrays: load the one that is meant")
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
    shape = _rows_of(item)
    width = math.prod(shape[1:])

    def parts() -> Iterator[Part]:
        for accepted, origin in _blocks(item):
            yield from flattened(accepted, origin, shape)

    stats = stats_of_parts((shape[0], width), parts)
    return Samples(shape, None, stats, np.arange(width), lambda columns: parts()), None


def _rows_of(item: FileItem) -> Index:
    """The shape of an array that has rows of numbers."""
    assert item.shape is not None and item.dtype is not None
    _scan_files.nothing_of(item.dtype, item.format)        # refuses what cannot be scanned
    if not item.shape:
        raise ValueError("it must have rows, and is a single number")
    return item.shape


def _blocks(item: FileItem) -> Iterator[Part]:
    with item.opened() as array:
        assert isinstance(array, FileArray)
        total = max(1, math.prod(array.shape))
        for block in array.blocks():
            yield _scan_files.accepted_block(block, array.format), block.origin
            item.advance(block.values.size / total)


def _samples_of_table(
    item: FileItem, names: list[str], target: str | None, problems: Callable[[Problem], None]
) -> tuple[Samples, Labels | None]:
    label = None if target is None else _position(names, target)
    labels = None if label is None else Labels((0,), np.dtype(np.float64))
    with item.opened() as table:
        assert isinstance(table, FileTable)
        numbers = TableNumbers(table, item.advance)

        def parts() -> Iterator[Part]:
            for part in numbers.parts():
                if part[1][1] != label:
                    yield part
                elif labels is not None:
                    _add_column(labels, part)

        whole = stats_of_parts((0, len(names)), parts, names)
        # The values of lists have no row that is theirs alone.
        left_out = numbers.left_out() | numbers.lists
    for problem in numbers.problems():
        if problem.name != target:
            problems(problem)
    if labels is not None:
        labels.shape = (numbers.rows,)
        if label in left_out:       # which is a cause
            labels = Labels(labels.shape, np.dtype(object), label="text, dates or lists")
    kept = [i for i in range(len(names)) if i not in left_out and i != label]
    stats = whole._some_columns(kept, [names[i] for i in sorted(left_out - {label})])

    def again(columns: Array) -> Iterator[Part]:
        with item.opened() as table:
            assert isinstance(table, FileTable)
            yield from TableNumbers(table, item.advance).parts()

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


def _add_column(labels: Labels, part: Part) -> None:
    position = np.array([part[1][1]])
    for chunk in chunks([part], position, position):
        labels.add(chunk.floats(np.s_[:, 0]), chunk.row)


# ------------------------------------------------------------------------------------------------ labels


def labels_of_file(item: FileItem, column: str | None = None) -> Labels:
    """The labels in a file: an array, or a column of a table, which is named unless it is the only one."""
    if item.columns is not None:
        if column is None and len(item.columns) != 1:
            raise NotScanned(f"it is a table of {len(item.columns)} columns, and labels are one: name it with --target")
        _, labels = samples_of_file(item, item.columns[0] if column is None else column)
        assert labels is not None
        return labels
    assert item.dtype is not None and item.shape is not None
    if item.dtype.kind in "SU":
        return Labels(item.shape, item.dtype)
    shape = _rows_of(item)
    labels = Labels(shape, np.dtype(np.float64) if item.format else item.dtype)
    width = math.prod(shape[1:])
    gathered: dict[tuple[int, int], _Gathered] = {}
    for block, origin in _blocks(item):
        for part in flattened(block, origin, shape):
            (rows, columns), row = part[0].shape, part[1][0]
            every = np.arange(part[1][1], part[1][1] + columns)
            # Where rows are not whole, in Fortran order or of narrow chunks, what the columns say is added up.
            whole = None if columns == width else gathered.setdefault((row, rows), _Gathered(rows))
            for chunk in chunks([part], every, every):
                values = chunk.floats(slice(None))
                if whole is None:
                    labels.add(values.reshape(-1, *shape[1:]), chunk.row)
                else:
                    whole.add(values, slice(chunk.row - row, chunk.row - row + len(values)))
            if whole is not None:
                whole.columns += columns
                if whole.columns == width:
                    labels.add_rows(*gathered.pop((row, rows)).facts, row)
    return labels


class _Gathered:
    """What some columns of some rows of labels say."""

    def __init__(self, rows: int) -> None:
        self.columns = 0
        self._sums, self._nan, self._outside = np.zeros(rows), np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)

    def add(self, values: Array, rows: slice) -> None:
        """Add columns of some of the rows."""
        nan = ~np.isfinite(values)
        with np.errstate(all="ignore"):
            self._sums[rows] += values.sum(axis=1)
        self._nan[rows] |= nan.any(axis=1)
        self._outside[rows] |= (((values < 0) | (values > 1)) & ~nan).any(axis=1)

    @property
    def facts(self) -> tuple[Array, Array, Array]:
        return self._sums, self._nan, self._outside


def array_of_file(item: FileItem) -> Array:
    """All values of an array in a file; missing ones are nan."""
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

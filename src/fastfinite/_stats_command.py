"""``fastfinite stats``: the statistics of the columns of tables and arrays in files, read block by block."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastfinite import _files, _scan_files
from fastfinite._accepted import Part, as_column
from fastfinite._check import state_of
from fastfinite._files import FileArray, FileTable, Index, Problem, Source
from fastfinite._progress import ProgressBar
from fastfinite._report import plural
from fastfinite._scan_files import TableNumbers
from fastfinite._statistics import ColumnStats, stats_of_parts
from fastfinite._stats_table import flagged, flags_of
from fastfinite._terminal import (
    CLEAN,
    FAILED,
    complain,
    flush_stdout,
    printable,
    problem_text,
    shown,
    where,
    write,
    write_object,
)

# What is shown beside the state of ColumnStats in JSON.
_NUMBERS = ("min", "max", "mean", "std")


class Entry(NamedTuple):
    """The statistics of an array or table, or the reason why there are none."""

    file: str
    name: str | None
    status: str
    reason: str | None = None
    shape: Index | None = None
    stats: ColumnStats | None = None


def stats(options: argparse.Namespace) -> int:
    """Run ``fastfinite stats``."""
    sources, _ = _files.find(options.paths)
    bar = ProgressBar(options.progress, sum(source.size for source in sources))
    code, lines, found = CLEAN, [], _Found()
    try:
        for source, item in bar.through(sources):
            for entry in _entries(source, item, bar):
                if entry.status in ("error", "not scanned"):
                    code = FAILED
                if options.json:
                    lines.append(json.dumps(_json_entry(entry), allow_nan=False))
                else:
                    bar.hide()
                    _print(entry)
                if options.gathered is not None:
                    _gather(options.gathered, entry)
                    found.add(entry)
    finally:
        bar.hide()
    if options.json:
        write_object("tables", lines, {"exit_code": code})
    if options.gathered is not None:
        options.gathered.write(found.text(len(sources)), found.state)
    return code


class _Found:
    """What there was, counted for the head of a page; statistics give no verdict."""

    def __init__(self) -> None:
        self._tables = self._columns = self._flagged = self._unscanned = self._problems = 0

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        if entry.stats is None:
            self._problems += entry.status != "text"
            return
        self._tables += 1
        self._columns += len(entry.stats)
        self._flagged += flagged(flags_of(entry.stats))
        self._unscanned += len(entry.stats.not_scanned)

    @property
    def state(self) -> str:
        """In a word, as `page` has them."""
        return state_of("done", self._problems > 0, self._tables)

    def text(self, files: int) -> str:
        """In words."""
        words = [f"{plural(self._tables, 'table')} in {plural(files, 'file')}"]
        words += [f"{self._flagged} of {plural(self._columns, 'column')} flagged"] if self._columns else []
        words += [f"{plural(self._unscanned, 'column')} not scanned"] if self._unscanned else []
        words += [plural(self._problems, "problem")] if self._problems else []
        return ", ".join(words)


def _entries(source: Source, item: _files.Item, bar: ProgressBar) -> Iterator[Entry]:
    if isinstance(item, Problem):
        yield _unscanned(source, item)
        return
    name = item.name if isinstance(item, FileArray) else None
    try:
        found = _of_table(item, bar) if isinstance(item, FileTable) else (_of_array(item, bar), item.shape, [])
    except TypeError as error:
        yield _unscanned(source, Problem(name, "not scanned", _files.reason_of(error)))
    except Exception as error:      # damaged data make readers raise nearly anything
        yield _unscanned(source, _files.problem_of(error, name))
    else:
        result, shape, problems = found
        yield Entry(source.path, name, "stats", None, shape, result)
        yield from (_unscanned(source, problem) for problem in problems)


def _unscanned(source: Source, problem: Problem) -> Entry:
    return Entry(source.path, problem.name, problem.status, problem.reason)


def _of_array(array: FileArray, bar: ProgressBar) -> ColumnStats:
    """The columns are the last axis; an array of one axis is one column."""
    _scan_files.nothing_of(array.dtype, array.format)       # refuses what cannot be scanned
    shape = array.shape if len(array.shape) > 1 else (math.prod(array.shape), 1)
    total = max(1, math.prod(array.shape))

    def parts() -> Iterator[Part]:
        for block in array.blocks():
            accepted = _scan_files.accepted_block(block, array.format)
            if len(array.shape) > 1:
                yield accepted, block.origin
            else:
                yield as_column(accepted), (sum(block.origin), 0)
            bar.advance(accepted.array.size / total)

    return stats_of_parts(shape, parts)


def _of_table(table: FileTable, bar: ProgressBar) -> tuple[ColumnStats, Index, list[Problem]]:
    """Statistics of the columns of numbers, the shape, and the columns that should be numbers and are not."""
    numbers = TableNumbers(table, bar.advance)
    names = numbers.names
    whole = stats_of_parts((0, len(names)), numbers.parts, names)
    left_out = numbers.left_out()
    kept = [i for i in range(len(names)) if i not in left_out]
    others = [names[i] for i in sorted(left_out)]
    return whole._some_columns(kept, others), (numbers.rows, len(names)), numbers.problems()


# ------------------------------------------------------------------------------------------------ output


def _print(entry: Entry) -> None:
    if entry.stats is None:
        flush_stdout()      # keeps the order where both streams go to one place
        complain(problem_text(entry.file, entry.name, entry.status, entry.reason))
        return
    for line in f"{where(entry.file, entry.name)}: {entry.stats}".splitlines():
        write(printable(line))


def _gather(gathered: Any, entry: Entry) -> None:
    if entry.stats is None:
        gathered.problem(problem_text(entry.file, entry.name, entry.status, entry.reason))
    else:
        gathered.statistics(where(entry.file, entry.name), entry.stats)


def _json_entry(entry: Entry) -> dict[str, Any]:
    result: dict[str, Any] = {"file": shown(entry.file), "name": entry.name, "status": entry.status,
                              "reason": entry.reason, "shape": entry.shape, "stats": None}
    if entry.stats is not None:
        numbers = {name: _finite(getattr(entry.stats, name)) for name in _NUMBERS}
        result["stats"] = entry.stats.to_dict() | numbers
    return result


def _finite(values: Any) -> list[float | None]:
    """For strict JSON, which has neither nan nor inf."""
    return [value if math.isfinite(value) else None for value in np.asarray(values).tolist()]

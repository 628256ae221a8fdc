"""``fastfinite check``: every array and column of the files is an `Entry`, which is counted and printed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastfinite import _files, _scan_files, _terminal_map
from fastfinite._bad_map import BadMap
from fastfinite._files import FileArray, FileTable, Index, Problem, Source
from fastfinite._fill_map import ArrayMap, TableMap
from fastfinite._progress import ProgressBar
from fastfinite._report import KINDS, ScanReport, describe, plural
from fastfinite._scan_files import COLUMN_COUNTS, Scanned
from fastfinite._terminal import (
    CLEAN,
    FAILED,
    FINDINGS,
    PLAIN,
    RED,
    YELLOW,
    complain,
    flush_stdout,
    in_colour,
    printable,
    problem_text,
    shown,
    where,
    write,
    write_object,
)

# What --allow-nan lets pass.
_NAN_KINDS = ("nan", "null")
# Lines of --columns for one array, in text.
_LISTED_COLUMNS = 50


def state_of(worst: str, failed: bool, read: int) -> str:
    """The state of a page, from the worst that was found in what was read, and whether all was and how much."""
    return worst if worst == "findings" or not failed else "incomplete" if read else "failed"


class Entry(NamedTuple):
    """One line of the result: an array or a column that was scanned, or something that was not, and why.

    `bad_map` is that of an array; the last column of a table has that of the table.
    """

    file: str
    name: str | None
    status: str
    reason: str | None = None
    kind: str | None = None
    shape: Index | None = None
    dtype: str | None = None
    scanned: Scanned | None = None
    bad_map: BadMap | None = None

    @property
    def code(self) -> int:
        """The exit code that this entry alone would give."""
        if self.status in ("error", "not scanned") or (self.scanned and self.scanned.report.not_scanned):
            return FAILED
        return FINDINGS if self.status == "non-finite" else CLEAN


def check(options: argparse.Namespace) -> int:
    """Run ``fastfinite check``."""
    start = time.perf_counter()
    sources, skipped = _files.find(options.paths)
    bar = ProgressBar(options.progress, sum(source.size for source in sources))
    output = _JsonOutput(options) if options.json else _TextOutput(options, bar)
    summary = Summary(files=len(sources), skipped=skipped)
    entries: list[Entry] = []
    try:
        for entry in _entries(sources, options, bar):
            summary.add(entry)
            output.add(entry)
            if options.gathered is not None:
                entries.append(entry)
    finally:
        bar.hide()
    summary.seconds = time.perf_counter() - start
    output.finish(summary)
    if options.gathered is not None:
        options.gathered.entries(entries)
        options.gathered.write(str(summary), summary.state)
    return summary.code


def _entries(sources: list[Source], options: argparse.Namespace, bar: ProgressBar) -> Iterator[Entry]:
    for source, item in bar.through(sources):
        if isinstance(item, Problem):
            yield _unscanned(source, item)
        elif isinstance(item, FileTable):
            yield from _columns(source, item, options, bar)
        else:
            yield _array(source, item, options, bar)


def _unscanned(source: Source, problem: Problem) -> Entry:
    return Entry(source.path, problem.name, problem.status, problem.reason)


def _maps_wanted(options: argparse.Namespace) -> bool:
    """The one place that decides whether maps of the bad values are made: they take time where there are many."""
    return options.gathered is not None or (not options.json and _terminal_map.wanted(options.map))


def _array(source: Source, array: FileArray, options: argparse.Namespace, bar: ProgressBar) -> Entry:
    entry = Entry(source.path, array.name, "", None, "array", array.shape, array.label)
    found: ArrayMap | None = None
    try:
        if array.shape and _maps_wanted(options):
            found = ArrayMap(array, options.target_dtype, options.allow_nan)
        scanned = _scan_files.scan_array(
            array, target_dtype=options.target_dtype, columns=options.columns, allow_nan=options.allow_nan,
            advance=bar.advance, look_again=found.add if found else None,
        )
    except TypeError as error:
        return entry._replace(status="not scanned", reason=_files.reason_of(error))
    except Exception as error:      # damaged data make readers raise nearly anything; the others are still checked
        problem = _files.problem_of(error)
        return entry._replace(status=problem.status, reason=problem.reason)
    return _judged(entry, scanned, options.allow_nan)._replace(bad_map=found.bad_map if found else None)


def _columns(source: Source, table: FileTable, options: argparse.Namespace, bar: ProgressBar) -> Iterator[Entry]:
    found = TableMap(table, options.target_dtype, options.allow_nan) if _maps_wanted(options) else None
    try:
        columns = list(_scan_files.scan_table(
            table, target_dtype=options.target_dtype, allow_nan=options.allow_nan, advance=bar.advance,
            look_again=found.add if found else None,
        ))
    except Exception as error:      # as for arrays
        yield _unscanned(source, _files.problem_of(error))
        return
    for column in columns:
        entry = Entry(source.path, column.name, "", None, "column", column.shape, column.label)
        if found is not None and column is columns[-1]:
            entry = entry._replace(bad_map=found.joined(*column.shape))
        if isinstance(column.result, Problem):
            yield entry._replace(status=column.result.status, reason=column.result.reason)
        else:
            yield _judged(entry, column.result, options.allow_nan)


def _judged(entry: Entry, scanned: Scanned, allow_nan: bool) -> Entry:
    report = scanned.report
    if not report.passes(allow_nan):
        return entry._replace(status="non-finite", scanned=scanned)
    if report.not_scanned:
        reason = "fields that hold no numbers: " + ", ".join(map(repr, report.not_scanned))
        return entry._replace(status="not scanned", reason=reason, scanned=scanned)
    return entry._replace(status="finite" if report.ok else "allowed", scanned=scanned)


class Summary:
    """Counts over all entries."""

    def __init__(self, files: int, skipped: int) -> None:
        self.files, self.skipped = files, skipped
        self.arrays = self.columns = self.scanned = self.text = 0
        self.finite = self.allowed = self.non_finite = self.not_scanned = self.errors = 0
        self.bytes = 0
        self.seconds = 0.0
        self.code = CLEAN

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.arrays += entry.kind == "array"
        self.columns += entry.kind == "column"
        self.scanned += entry.scanned is not None
        self.text += entry.status == "text"
        self.finite += entry.status == "finite"
        self.allowed += entry.status == "allowed"
        self.non_finite += entry.status == "non-finite"
        self.not_scanned += entry.status == "not scanned"
        self.errors += entry.status == "error"
        self.bytes += entry.scanned.bytes_read if entry.scanned else 0
        self.code = max(self.code, entry.code)

    @property
    def state(self) -> str:
        """In a word, as `page` has them; clean is only what was looked at whole."""
        worst = "findings" if self.non_finite else "clean" if self.scanned and not self.text else "done"
        return state_of(worst, self.code == FAILED, self.scanned)

    @property
    def rate(self) -> float | None:
        """GB/s, where anything was read."""
        return self.bytes / self.seconds / 1e9 if self.bytes and self.seconds > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "files": self.files,
            "arrays": self.arrays,
            "columns": self.columns,
            "finite": self.finite,
            "allowed": self.allowed,
            "non_finite": self.non_finite,
            "text": self.text,
            "not_scanned": self.not_scanned,
            "errors": self.errors,
            "skipped_files": self.skipped,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
            "gb_per_s": None if self.rate is None else round(self.rate, 3),
            "exit_code": self.code,
        }

    def __str__(self) -> str:
        counts = [
            f"{number} {what}"
            for number, what in (
                (self.finite, "finite"),
                (self.allowed, "with nan allowed"),
                (self.non_finite, "non-finite"),
                (self.text, "text"),
                (self.not_scanned, "not scanned"),
                (self.errors, "error" if self.errors == 1 else "errors"),
            )
            if number
        ]
        things = [plural(self.arrays, "array")] if self.arrays or not self.columns else []
        things += [plural(self.columns, "column")] if self.columns else []
        text = f"{' and '.join(things)} in {plural(self.files, 'file')}: {', '.join(counts) or 'nothing to scan'}"
        text += f"; {_size(self.bytes)} read in {self.seconds:.3f} s"
        if self.rate is not None:
            text += f" ({_size(round(self.rate * 1e9))}/s)"
        if self.skipped:
            text += f"; {plural(self.skipped, 'file')} of other types skipped"
        return text


def _size(number: int) -> str:
    if number < 1000:
        return plural(number, "byte")
    size, units = float(number), iter(("kB", "MB", "GB", "TB", "PB", "EB"))
    unit = ""
    while size >= 999.5:
        size, unit = size / 1000, next(units)
    return f"{size:.3g} {unit}"


# ------------------------------------------------------------------------------------------------ output


class _TextOutput:
    """A line an array or column on stdout, problems on stderr."""

    def __init__(self, options: argparse.Namespace, bar: ProgressBar) -> None:
        self._quiet, self._allow_nan, self._bar = options.quiet, options.allow_nan, bar
        self._maps = _terminal_map.wanted(options.map)
        self._colour = in_colour(sys.stdout)

    def add(self, entry: Entry) -> None:
        if not (self._quiet and entry.code == CLEAN):
            self._bar.hide()
            self._add_line(entry)
        if entry.bad_map and self._maps:
            self._bar.hide()
            for line in _terminal_map.lines_on_stdout(entry.bad_map):
                self._line(line, RED)

    def _add_line(self, entry: Entry) -> None:
        if entry.scanned is None:
            text = problem_text(entry.file, entry.name, entry.status, entry.reason)
            if entry.code == CLEAN:     # text, in which there is nothing to find
                self._line(text)
                return
            flush_stdout()      # keeps the order where both streams go to one place
            complain(text)
            return
        colour = RED if entry.status == "non-finite" else YELLOW if entry.code == FAILED else None
        unit = "row" if entry.kind == "column" else "index"
        name = where(entry.file, entry.name)
        self._line(describe(entry.scanned.report, name=name, allow_nan=self._allow_nan, unit=unit), colour)
        bad = _bad_columns(entry.scanned.columns, self._allow_nan)
        for column in bad[:_LISTED_COLUMNS]:
            self._line("  " + _column_text(column, self._allow_nan), colour)
        if len(bad) > _LISTED_COLUMNS:
            self._line(f"  ... and {len(bad) - _LISTED_COLUMNS} more columns (--json lists all)", colour)

    def finish(self, summary: Summary) -> None:
        if not (self._quiet and summary.code == CLEAN):
            self._line(str(summary))
        flush_stdout()

    def _line(self, text: str, colour: str | None = None) -> None:
        text = printable(text)
        write(f"{colour}{text}{PLAIN}" if colour and self._colour else text)


class _JsonOutput:
    """One object on stdout, at the end."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._quiet, self._allow_nan = options.quiet, options.allow_nan
        self._arrays: list[str] = []

    def add(self, entry: Entry) -> None:
        if not (self._quiet and entry.code == CLEAN):
            self._arrays.append(json.dumps(_json_entry(entry, self._allow_nan), allow_nan=False))

    def finish(self, summary: Summary) -> None:
        write_object("arrays", self._arrays, {"summary": summary.to_dict()})


def _json_entry(entry: Entry, allow_nan: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "file": shown(entry.file),
        "name": entry.name,
        "status": entry.status,
        "reason": entry.reason,
    }
    # The same keys for every entry: what was not scanned has null for its counts.
    values = entry.scanned.report.to_dict() if entry.scanned else dict.fromkeys(ScanReport((), "", size=0).to_dict())
    del values["ok"]
    if entry.shape is not None:
        values["shape"] = list(entry.shape)
        values["dtype"] = values["dtype"] or entry.dtype
    if entry.scanned and entry.scanned.columns is not None:
        values["columns"] = _bad_columns(entry.scanned.columns, allow_nan)
    return result | values


def _bad_columns(columns: dict[str, Any] | None, allow_nan: bool) -> list[dict[str, int]]:
    """The columns with findings, ascending, each with all its counts."""
    found = [np.flatnonzero(count) for kind, count in (columns or {}).items() if not (allow_nan and kind in _NAN_KINDS)]
    if not columns or not found:
        return []
    zeros = dict.fromkeys(COLUMN_COUNTS, 0)
    return [
        {"column": int(i), **zeros, **{kind: int(count[i]) for kind, count in columns.items()}}
        for i in np.unique(np.concatenate(found))
    ]


def _column_text(column: dict[str, int], allow_nan: bool) -> str:
    names = {**KINDS, "overflow": "overflow"}
    kinds = [kind for kind in COLUMN_COUNTS if column[kind] and not (allow_nan and kind in _NAN_KINDS)]
    return f"column {column['column']}: " + ", ".join(f"{column[kind]} {names[kind]}" for kind in kinds)

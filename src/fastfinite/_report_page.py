"""What ``--html`` and ``--plot`` of `check`, `stats` and `diagnose` write: a page, and its pictures alone.

All is gathered while the command runs, and written when it has ended. Without matplotlib a page has its tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastfinite import _pictures, _stats_table
from fastfinite._accepted import Array
from fastfinite._diagnosis import Diagnosis, summed_up
from fastfinite._page import MOST_ROWS, Picture, Table, Words, page
from fastfinite._panel_style import Panel
from fastfinite._panels import bad_map_panel
from fastfinite._report import KINDS, place
from fastfinite._statistics import ColumnStats
from fastfinite._stats_table import flags_of
from fastfinite._terminal import OutputError, shown, where

if TYPE_CHECKING:
    from fastfinite._check import Entry

# Of more arrays the first have pictures.
_MOST_PICTURES = 24
_CAUSE = ("severity", "cause", "what", "why", "remedy")
_PLACE = ("severity", "cause", "input", "column", "name", "count", "share", "first row")


class Gathered:
    """What a command has found so far.

    Parameters
    ----------
    options : Namespace
        With the paths to write to, `html` and `plot`, or None.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._html, self._plot = options.html, options.plot
        listed = ", ".join(map(shown, options.paths[:3])) + (", ..." if len(options.paths) > 3 else "")
        self._title = f"fastfinite {options.command}: {listed}"
        self._parts: list[Table | Words | Picture] = []
        self._panels: list[Panel] = []
        # What could not be scanned.
        self._problems: list[str] = []
        self._pictures = 0
        self._without = ""
        try:
            _pictures.check_library()
        except ImportError as error:
            if self._plot is not None:      # before the work, not after it
                raise OutputError(str(error)) from None
            self._without = str(error)

    def problem(self, text: str) -> None:
        """Add something that could not be scanned."""
        self._problems.append(text)

    def add(self, *parts: Table | Words) -> None:
        """Add tables and words."""
        self._parts += parts

    def draw(self, title: str, panels: Sequence[Panel]) -> None:
        """Add a picture."""
        self._pictures += bool(panels)
        if not panels or self._without or self._pictures > _MOST_PICTURES:
            return
        self._panels += _pictures.named(panels, title)
        if self._html is not None:
            light, dark = (_pictures.as_svg(_pictures.figure_of(panels, dark=dark, svg=True)) for dark in (False, True))
            self._parts.append(Picture(title, light, dark))

    def diagnosis(self, name: str, found: Diagnosis) -> None:
        """Add a diagnosis: what to do, then where it is, then what the columns are like."""
        groups = found.groups()
        rows = [(group[0].severity, group[0].code, summed_up(group), group[0].why, group[0].remedy) for group in groups]
        self.add(Table(f"{name}: {found.found()}", _CAUSE, rows, found.heading(), wordy=True))
        places = [(cause.severity, cause.code, cause.where, cause.column, cause.name, cause.count, cause.share,
                   cause.first) for cause in found]
        if places:
            self.add(Table(f"{name}: where", _PLACE, places))
        self.draw(name, _pictures.diagnosis_panels(found))
        self._add_columns(name, found.stats, found.flags())

    def statistics(self, name: str, stats: ColumnStats) -> None:
        """Add the statistics of the columns of an array or table."""
        self._add_columns(name, stats, flags_of(stats))
        self.draw(name, _pictures.stats_panels(stats))

    def _add_columns(self, name: str, stats: ColumnStats, flags: dict[str, Array]) -> None:
        rows, more = _stats_table.rows(stats, MOST_ROWS, flags)
        self.add(Table(f"{name}: columns", _stats_table.HEAD, rows, "; ".join(_stats_table.left_out(stats, more))))

    def entries(self, entries: Sequence[Entry]) -> None:
        """Add what a check found."""
        head = ("status", "file", "name", "values", "dtype", "shape", *KINDS.values(), "overflow", "first", "reason")
        self.add(Table("arrays and columns", head, [_cells(entry) for entry in entries]))
        for entry in entries:
            if entry.bad_map:
                name = where(entry.file, None if entry.kind == "column" else entry.name)
                self.draw(name, [bad_map_panel(entry.bad_map)])

    def write(self, verdict: str, state: str) -> None:
        """Write the files; `state` is one of those of `page`."""
        if self._plot is not None:
            figure = _pictures.figure_of(self._panels or [_pictures.nothing(verdict)])
            _written(self._plot, lambda: _pictures.save(figure, self._plot))
        if self._html is None:
            return
        notes = [self._without] if self._without and self._pictures else []
        if self._pictures > _MOST_PICTURES:
            notes.append(f"{self._pictures - _MOST_PICTURES} more arrays have no picture here")
        parts = [*self._parts]
        parts += [Words("not scanned", self._problems)] if self._problems else []
        parts += [Words("pictures", notes)] if notes else []
        text = page(self._title, verdict, state, parts)

        def write() -> None:
            with open(self._html, "w", encoding="utf-8") as file:
                file.write(text)

        _written(self._html, write)


def _written(path: str, write: Any) -> None:
    try:
        write()
    except OSError as error:
        raise OutputError(f"{shown(path)}: {error.strerror or error}") from error


def _cells(entry: Entry) -> tuple[object, ...]:
    what: tuple[object, ...] = (entry.status, shown(entry.file), entry.name)
    shape = None if entry.shape is None else " x ".join(map(str, entry.shape)) or "scalar"
    if entry.scanned is None:
        return (*what, None, entry.dtype, shape, *[None] * (len(KINDS) + 2), entry.reason)
    report = entry.scanned.report
    unit = "row" if entry.kind == "column" else "index"
    first = report.first if report.first is not None else report.first_overflow
    at = None if first is None else place(first, None, report.first_field, unit)
    counts = (getattr(report, kind) or None for kind in (*KINDS, "overflow"))
    return (*what, report.size, report.dtype, shape, *counts, at, entry.reason)

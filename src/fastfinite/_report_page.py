"""What `check`, `stats` and `diagnose` write with ``--html`` and ``--plot``: pages, and pictures alone.

Everything is gathered while the command runs, and written when it has ended. A page without matplotlib has tables alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from fastfinite import _pictures, _stats_table
from fastfinite._diagnosis import Diagnosis
from fastfinite._page import Picture, Table, Words, page
from fastfinite._panel_style import Panel
from fastfinite._report import COUNTS, ScanReport, place, plural
from fastfinite._statistics import ColumnStats
from fastfinite._terminal import OutputError, shown

# Pictures of a page, and panels of a picture: of more arrays, the first.
MOST_PICTURES = 24
_STATES = ("clean", "findings", "failed")


class Written(Protocol):
    """The options of the files to write."""

    html: str | None
    plot: str | None


class Report:
    """A page, and the panels of a picture, as they are gathered."""

    def __init__(self, options: argparse.Namespace, title: str) -> None:
        self._options, self._title = options, title
        self._parts: list[Table | Words | tuple[str, list[Panel]]] = []
        self._panels: list[Panel] = []
        if options.plot is not None:
            _pictures.check_library()       # before the work, not after it

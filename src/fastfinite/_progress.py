"""A progress bar by bytes on the terminal, drawn by rich where that is installed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Sequence
from typing import Any

from fastfinite._files import Item, Problem, Source, arrays_of
from fastfinite._terminal import cut, encodable, printable, shown

# Work that is done sooner needs no bar, and does not pay for the import of rich.
_DELAY = 1.0
_INTERVAL = 0.1
# Characters that bytes, rate and time left take; the bar and the name of the file share the rest of the line.
_NUMBERS = 32
_LEAST_BAR, _LONGEST_BAR, _LEAST_NAME = 4, 40, 8


class ProgressBar:
    """A bar on stderr that appears when the work takes longer than a second.

    Parameters
    ----------
    mode : {"auto", "always", "never"}
        On a terminal after a second; at once and wherever stderr goes; not at all. Dumb terminals never have one.
    total : int
        Bytes to go through: of all files, as often as `through` will be called for them.
    """

    def __init__(self, mode: str, total: int) -> None:
        self._forced = mode == "always"
        can_draw = sys.stderr is not None and os.environ.get("TERM") != "dumb"
        self._wanted = can_draw and (self._forced or (mode == "auto" and sys.stderr.isatty()))
        self._due = time.monotonic() + (0.0 if self._forced else _DELAY)
        self._total = total
        # Bytes that are done, that are shown, where the file at hand ends, and those of the item at hand.
        self._done, self._shown, self._end, self._stored = 0.0, 0.0, 0.0, 0
        # The file at hand: its number of how many, and its name.
        self._number, self._name = "", ""
        self._bar: Any = None
        self._task: Any = None
        self._room = 0

    def expect(self, more: int) -> None:
        """Add bytes to go through."""
        self._total += more

    def at(self, done: float) -> None:
        """Show that so many bytes are done, if it is time to show something."""
        now = time.monotonic()
        if not self._wanted or now < self._due:
            return
        self._due = now + _INTERVAL
        if self._bar is None and not self._make():
            self._wanted = False
            return
        self._shown = max(self._shown, min(done, self._total))
        self._bar.update(self._task, completed=self._shown, description=self._file())
        self._bar.start()
        self._bar.refresh()

    def through(self, sources: Sequence[Source]) -> Generator[tuple[Source, Item], None, None]:
        """Yield what the files hold, and keep account of what has been gone through; to be called for each pass."""
        for number, source in enumerate(sources, 1):
            self._number = f"{number}/{len(sources)} " if len(sources) > 1 else ""
            self._name = os.path.basename(source.path.rstrip(os.sep))
            self._done, self._end = self._end, self._end + source.size
            self.at(self._done)
            for item in arrays_of(source):
                self._stored = 0 if isinstance(item, Problem) else item.stored
                within = self._within(self._stored)
                yield source, item
                self._done = within
                self.at(within)
            self._done = self._end
            self.at(self._end)

    def _within(self, more: float) -> float:
        """After so many bytes more, but not beyond the file: of some formats it is not known what an item takes."""
        return min(self._done + more, self._end)

    def advance(self, share: float) -> None:
        """Show that another share of what `through` gave last is done."""
        self._done = self._within(share * self._stored)
        self.at(self._done)

    def hide(self) -> None:
        """Remove the bar from the screen, so that a line can be written; the next `at` brings it back."""
        if self._bar is not None:
            self._bar.stop()

    def _make(self) -> bool:
        try:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )
            from rich.table import Column
        except ImportError:
            if self._forced:
                print("fastfinite: no progress bar: it needs rich (pip install fastfinite[cli])", file=sys.stderr)
            return False
        console = Console(stderr=True, force_terminal=True if self._forced else None)
        bar = min(_LONGEST_BAR, max(_LEAST_BAR, (console.width - _NUMBERS) // 3))
        # No thread of rich's own: the bar is drawn when a block is done, and so never between two halves of a line.
        self._bar = Progress(
            BarColumn(bar), DownloadColumn(table_column=Column(no_wrap=True)),
            TransferSpeedColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            TextColumn("{task.description}", markup=False),
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False,
        )
        self._room = console.width - _NUMBERS - bar - 1
        self._task = self._bar.add_task("", total=self._total)
        return True

    def _file(self) -> str:
        """The file at hand, in the room that there is for it."""
        room = self._room - len(self._number)
        name = cut(encodable(printable(shown(self._name)), sys.stderr), room) if room >= _LEAST_NAME else ""
        return (self._number + name).rstrip() if room >= -1 else ""

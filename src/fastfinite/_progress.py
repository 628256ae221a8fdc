"""A progress bar by bytes on the terminal, drawn by rich where that is installed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from fastfinite._files import Item, Problem, Source, arrays_of

# Work that is done sooner needs no bar, and does not pay for the import of rich.
_DELAY = 1.0
_INTERVAL = 0.1


class ProgressBar:
    """A bar on stderr that appears when the work takes longer than a second.

    Parameters
    ----------
    mode : {"auto", "always", "never"}
        On a terminal after a second; at once and wherever stderr goes; not at all.
    total : int
        Bytes to go through.
    """

    def __init__(self, mode: str, total: int) -> None:
        self._wanted = mode == "always" or (mode == "auto" and _on_terminal())
        self._forced = mode == "always"
        self._due = time.monotonic() + (0.0 if self._forced else _DELAY)
        self._total = total
        # Bytes that are done, and those of the item at hand.
        self._done, self._stored = 0.0, 0
        self._bar: Any = None
        self._task: Any = None

    def at(self, done: float) -> None:
        """Show that so many bytes are done, if it is time to show something."""
        now = time.monotonic()
        if not self._wanted or now < self._due:
            return
        self._due = now + _INTERVAL
        if self._bar is None and not self._make():
            self._wanted = False
            return
        self._bar.start()
        self._bar.update(self._task, completed=done)
        self._bar.refresh()

    def through(self, sources: Iterable[Source]) -> Iterator[tuple[Source, Item]]:
        """Yield what the files hold, and keep account of what has been gone through."""
        done = 0.0
        for source in sources:
            self._done = done
            for item in arrays_of(source):
                self._stored = 0 if isinstance(item, Problem) else item.stored
                within = self._done + self._stored
                yield source, item
                self._done = within
                self.at(within)
            done += source.size
            self.at(done)

    def advance(self, share: float) -> None:
        """Show that another share of what `through` gave last is done."""
        self._done += share * self._stored
        self.at(self._done)

    def hide(self) -> None:
        """Remove the bar from the screen, so that a line can be written; the next `at` brings it back."""
        if self._bar is not None:
            self._bar.stop()

    def _make(self) -> bool:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
        except ImportError:
            if self._forced:
                print("fastfinite: no progress bar: it needs rich (pip install fastfinite[cli])", file=sys.stderr)
            return False
        console = Console(stderr=True, force_terminal=True if self._forced else None)
        # No thread of rich's own: the bar is drawn when a block is done, and so never between two halves of a line.
        self._bar = Progress(
            BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=self._total)
        return True


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

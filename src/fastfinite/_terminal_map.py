"""A `BadMap` as lines of text: each character stands for some rows and columns, and is the darker the more are bad."""

from __future__ import annotations

import os
import shutil
import sys

import numpy as np

from fastfinite._accepted import Array
from fastfinite._bad_map import BadMap
from fastfinite._report import plural
from fastfinite._terminal import cut, printable, wide

MOST_WIDE, MOST_HIGH = 72, 10
# None is bad, some are, more, most, all; and the frame.
_BLOCKS, _ASCII = " ░▒▓█│", " .:*#|"
# In fewer characters beside the numbers of rows there is nothing to see.
_LEAST_ROOM = 16


def wanted(mode: str) -> bool:
    """Whether maps are shown: always, never, or in the mode "auto" on a terminal."""
    return mode == "always" or (mode == "auto" and sys.stdout is not None and sys.stdout.isatty())


def lines_on_stdout(bad_map: BadMap) -> list[str]:
    """The map as it fits to where the output goes."""
    width = min(MOST_WIDE, shutil.get_terminal_size().columns)
    return lines_of(bad_map, width, MOST_HIGH, _has_blocks())


def _has_blocks() -> bool:
    # In the locale C Python writes UTF-8 all the same, and sets LC_CTYPE itself.
    if (os.environ.get("LC_ALL") or os.environ.get("LANG")) in ("C", "POSIX"):
        return False
    try:
        _BLOCKS.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def lines_of(bad_map: BadMap, width: int, height: int, blocks: bool = True) -> list[str]:
    """Draw a map, with the numbers of rows and columns, and how much a character stands for.

    Parameters
    ----------
    bad_map : BadMap
        Of one column, the rows go from left to right.
    width, height : int
        Characters a line has at most, and lines of characters the map has.
    blocks : bool
        Whether to draw with blocks; else all is ASCII.

    Returns
    -------
    list of str
        Empty where the map is, or where there is no room for it.
    """
    rows, columns = bad_map.shape
    strip = columns == 1
    margin = "" if strip else " " * (len(str(rows - 1)) + 1)
    room = width - len(margin) - 2
    if rows * columns == 0 or room < _LEAST_ROOM:
        return []
    marks = _BLOCKS if blocks else _ASCII
    bins = bad_map.counts.shape[::-1] if strip else bad_map.counts.shape
    down, across = -(-bins[0] // height), -(-bins[1] // room)
    grid = _shades(*bad_map.pooled(across, down)).T if strip else _shades(*bad_map.pooled(down, across))
    if strip:
        labels, ends = [""], ("0", str(rows - 1))
        numbers = [(min(rows, across * bad_map.rows_per_bin), "row")]
    else:
        high, broad = down * bad_map.rows_per_bin, across * bad_map.columns_per_bin
        labels, ends = [f"{i * high:{len(margin) - 1}} " for i in range(len(grid))], _names_of_ends(bad_map, blocks)
        numbers = [(min(rows, high), "row"), (min(columns, broad), "column")]
    frame = marks[-1]
    drawn = [label + frame + "".join(marks[shade] for shade in line) + frame for label, line in zip(labels, grid)]
    each = " x ".join(plural(number, one) for number, one in numbers)
    short = "cell: " + " x ".join(str(number) for number, _ in numbers)
    legends = (f"one cell: {each}; {marks[1]} some bad, {marks[4]} all", f"one cell: {each}", short, "")
    legend = next(text for text in legends if len(text) <= room + 1)
    return [*drawn, f"{margin} {_below(ends, grid.shape[1], room)}", f"{margin} {legend}".rstrip()]


def _shades(bad: Array, of: Array) -> Array:
    """The shade of each cell, 0 to 4: nothing, up to a third, two thirds, less than all, all."""
    # Lists have more values than rows.
    return np.asarray(np.where(bad == 0, 0, np.minimum(1 + 3 * bad // np.maximum(of, 1), 4)))


def _names_of_ends(bad_map: BadMap, blocks: bool) -> tuple[str, str]:
    """What the first and the last column are called."""
    if bad_map.names is None:
        return "0", str(bad_map.shape[1] - 1)
    first, last = (printable(bad_map.names[i]).encode("utf-8" if blocks else "ascii", "backslashreplace").decode()
                   for i in (0, -1))
    return first, last


def _below(ends: tuple[str, str], cells: int, room: int) -> str:
    """Both under their cells; one after the other where the cells are too few."""
    first, last = ends
    if cells == 1:
        return first
    gap = cells - wide(first) - wide(last)
    if gap > 0:
        return first + " " * gap + last
    half = (room - len(" to ")) // 2
    return f"{cut(first, half)} to {cut(last, half)}"

"""`ColumnStats` as a table to read, in a terminal and in a notebook."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite._report import in_html

if TYPE_CHECKING:
    from fastfinite._statistics import ColumnStats

# Rows shown; of more columns, those with something to say come first.
_MOST_ROWS = 30
_LONGEST_NAME = 32
# Within so much of being constant, a column is flagged: some 10 times the resolution of float32.
NEAR = 1e-6
_HEAD = ("column", "count", "nan", "inf", "min", "max", "mean", "std", "flags")


def _rows(stats: ColumnStats) -> tuple[list[tuple[str, ...]], int]:
    """The cells of the rows to show, and how many columns were left out."""
    columns = len(stats)
    flat = {
        name: np.atleast_1d(np.asarray(getattr(stats, name))).ravel()
        for name in ("count", "nan", "posinf", "neginf", "min", "max", "mean", "std", "constant")
    }
    near = np.atleast_1d(stats.near_constant(NEAR)).ravel()
    infinite = flat["posinf"] + flat["neginf"]
    weight = 8 * (infinite > 0) + 4 * flat["constant"] + 2 * (flat["nan"] > 0) + near + 4 * (flat["count"] == 0)
    order = np.arange(columns)
    if columns > _MOST_ROWS:
        order = np.argsort(-weight, kind="stable")[:_MOST_ROWS]
    rows = []
    for i in order:
        flags = [
            word
            for word, on in (
                ("empty", flat["count"][i] == 0),
                ("constant", flat["constant"][i]),
                ("near constant", near[i]),
                ("nan", flat["nan"][i] > 0),
                ("inf", infinite[i] > 0),
            )
            if on
        ]
        digits = _digits(flat["min"][i], flat["max"][i])
        numbers = [_number(flat[name][i], digits) for name in ("min", "max", "mean")] + [_number(flat["std"][i], 6)]
        counts = [str(flat["count"][i]), str(flat["nan"][i]), str(infinite[i])]
        rows.append((label_of(stats, int(i)), *counts, *numbers, ", ".join(flags)))
    return rows, columns - len(order)


def label_of(stats: ColumnStats, column: int) -> str:
    """What a column is called."""
    if stats.names is not None:
        name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in stats.names[column])
        return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    if len(stats.shape) == 1:
        return str(column)
    return str(tuple(int(i) for i in np.unravel_index(column, stats.shape))) if stats.shape else ""


def _digits(low: float, high: float) -> int:
    """So many that the smallest and the largest value can be told apart."""
    return next((digits for digits in (6, 9, 13) if low == high or f"{low:.{digits}g}" != f"{high:.{digits}g}"), 17)


def _number(value: Any, digits: int) -> str:
    return "nan" if math.isnan(value) else f"{value:.{digits}g}"


def _heading(stats: ColumnStats) -> str:
    columns = len(stats)
    return f"ColumnStats of {columns} column{'' if columns == 1 else 's'}"


def _left_out(stats: ColumnStats, more: int) -> list[str]:
    lines = [f"... and {more} more column{'' if more == 1 else 's'}"] if more else []
    return lines + ([f"not scanned: {', '.join(map(repr, stats.not_scanned))}"] if stats.not_scanned else [])


def text(stats: ColumnStats) -> str:
    """The table in plain text."""
    rows, more = _rows(stats)
    widths = [max(len(row[i]) for row in [_HEAD, *rows]) for i in range(len(_HEAD))]
    lines = [_heading(stats)]
    for row in [_HEAD, *rows] if rows else []:
        cells = [cell.ljust(width) if i in (0, len(_HEAD) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines + _left_out(stats, more))


def html(stats: ColumnStats) -> str:
    """The table in HTML; names are escaped."""
    rows, more = _rows(stats)
    head = "".join(f"<th>{cell}</th>" for cell in _HEAD)
    body = "".join(
        "<tr>" + "".join(f"<td>{in_html(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    foot = "".join(f"<p>{in_html(line)}</p>" for line in _left_out(stats, more))
    return (f"<table><caption>{_heading(stats)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{foot}")

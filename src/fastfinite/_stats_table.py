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
HEAD = ("column", "count", "nan", "inf", "min", "max", "mean", "std", "flags")


def rows(stats: ColumnStats, most: int) -> tuple[list[tuple[Any, ...]], int]:
    """The values of the rows to show, as `HEAD` names them, and how many columns were left out."""
    columns = len(stats)
    flat = {
        name: np.atleast_1d(np.asarray(getattr(stats, name))).ravel()
        for name in ("count", "nan", "posinf", "neginf", "min", "max", "mean", "std", "constant")
    }
    infinite = flat["posinf"] + flat["neginf"]
    flags = {
        "empty": flat["count"] == 0,
        "constant": flat["constant"],
        "near constant": np.atleast_1d(stats.near_constant(NEAR)).ravel(),
        "nan": flat["nan"] > 0,
        "inf": infinite > 0,
    }
    order = np.arange(columns)
    if columns > most:
        weights = {"empty": 4, "constant": 4, "near constant": 1, "nan": 2, "inf": 8}
        order = np.argsort(-sum(weights[word] * on for word, on in flags.items()), kind="stable")[:most]
    found = [
        (label_of(stats, i), int(flat["count"][i]), int(flat["nan"][i]), int(infinite[i]),
         *(float(flat[name][i]) for name in ("min", "max", "mean", "std")),
         ", ".join(word for word, on in flags.items() if on[i]))
        for i in map(int, order)
    ]
    return found, columns - len(order)


def _cells(row: tuple[Any, ...]) -> tuple[str, ...]:
    name, count, nan, inf, low, high, mean, std, flags = row
    digits = _digits(low, high)
    numbers = [_number(value, digits) for value in (low, high, mean)]
    return name, str(count), str(nan), str(inf), *numbers, _number(std, 6), flags


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
    found, more = rows(stats, _MOST_ROWS)
    table = [HEAD, *map(_cells, found)]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEAD))]
    lines = [_heading(stats)]
    for row in table if found else []:
        cells = [cell.ljust(width) if i in (0, len(HEAD) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines + _left_out(stats, more))


def html(stats: ColumnStats) -> str:
    """The table in HTML; names are escaped."""
    found, more = rows(stats, _MOST_ROWS)
    head = "".join(f"<th>{cell}</th>" for cell in HEAD)
    body = "".join(
        "<tr>" + "".join(f"<td>{in_html(cell)}</td>" for cell in row) + "</tr>" for row in map(_cells, found)
    )
    foot = "".join(f"<p>{in_html(line)}</p>" for line in _left_out(stats, more))
    return (f"<table><caption>{_heading(stats)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{foot}")

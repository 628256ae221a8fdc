"""`ColumnStats` as a table to read, in a terminal and in a notebook."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite._accepted import Array
from fastfinite._formats import FORMATS
from fastfinite._report import in_html, plural

if TYPE_CHECKING:
    from fastfinite._statistics import ColumnStats

# Rows shown; of more columns, those with something to say come first.
_MOST_ROWS = 30
_LONGEST_NAME = 32
HEAD = ("column", "count", "nan", "inf", "min", "max", "mean", "std", "flags")
# What matters more where not all columns are shown.
_WEIGHTS = {"empty": 4, "constant": 4, "near constant": 1, "nan": 2, "+inf": 8, "-inf": 8}


def flags_of(stats: ColumnStats, near: float = FORMATS["float32"].near_constant[0]) -> dict[str, Array]:
    """What there is to say of columns, each with which of them it is said of; `near` is how near constant is near."""
    return {
        "empty": _flat(stats.count) == 0,
        "constant": _flat(stats.constant),
        "near constant": _flat(stats.near_constant(near)),
        "nan": _flat(stats.nan) > 0,
        "+inf": _flat(stats.posinf) > 0,
        "-inf": _flat(stats.neginf) > 0,
    }


def flagged(flags: dict[str, Array]) -> int:
    """How many columns have a flag."""
    return int(np.count_nonzero(np.logical_or.reduce([*flags.values()])))


def rows(stats: ColumnStats, most: int, flags: dict[str, Array]) -> tuple[list[tuple[Any, ...]], int]:
    """The values of the rows to show, as `HEAD` names them, and how many columns were left out."""
    columns = len(stats)
    flat = {name: _flat(getattr(stats, name)) for name in ("count", "nan", "min", "max", "mean", "std")}
    flat["inf"] = _flat(stats.posinf) + _flat(stats.neginf)
    order = np.arange(columns)
    if columns > most:
        order = np.argsort(-sum(_WEIGHTS.get(word, 1) * on for word, on in flags.items()), kind="stable")[:most]
    found = [
        (label_of(stats, i), *(int(flat[name][i]) for name in ("count", "nan", "inf")),
         *(float(flat[name][i]) for name in ("min", "max", "mean", "std")),
         ", ".join(dict.fromkeys(word.lstrip("+-") for word, on in flags.items() if on[i])))
        for i in map(int, order)
    ]
    return found, columns - len(order)


def _flat(values: Any) -> Array:
    return np.atleast_1d(np.asarray(values)).ravel()


def _cells(row: tuple[Any, ...]) -> tuple[str, ...]:
    name, count, nan, inf, low, high, mean, std, flags = row
    digits = _digits(low, high)
    numbers = [_number(value, digits) for value in (low, high, mean)]
    return _short(name), str(count), str(nan), str(inf), *numbers, _number(std, 6), flags


def label_of(stats: ColumnStats, column: int) -> str:
    """What a column is called."""
    if stats.names is not None:
        return stats.names[column]
    if len(stats.shape) == 1:
        return str(column)
    return str(tuple(int(i) for i in np.unravel_index(column, stats.shape))) if stats.shape else ""


def _short(name: str) -> str:
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _digits(low: float, high: float) -> int:
    """So many that the smallest and the largest value can be told apart."""
    return next((digits for digits in (6, 9, 13) if low == high or f"{low:.{digits}g}" != f"{high:.{digits}g}"), 17)


def _number(value: Any, digits: int) -> str:
    return "nan" if math.isnan(value) else f"{value:.{digits}g}"


def _heading(stats: ColumnStats) -> str:
    return f"ColumnStats of {plural(len(stats), 'column')}"


def left_out(stats: ColumnStats, more: int) -> list[str]:
    """What else there is than the rows that are shown."""
    lines = [f"... and {plural(more, 'more column')}"] if more else []
    return lines + ([f"not scanned: {', '.join(map(repr, stats.not_scanned))}"] if stats.not_scanned else [])


def text(stats: ColumnStats) -> str:
    """The table in plain text."""
    found, more = rows(stats, _MOST_ROWS, flags_of(stats))
    table = [HEAD, *map(_cells, found)]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEAD))]
    lines = [_heading(stats)]
    for row in table if found else []:
        cells = [cell.ljust(width) if i in (0, len(HEAD) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines + left_out(stats, more))


def html(stats: ColumnStats) -> str:
    """The table in HTML; names are escaped."""
    found, more = rows(stats, _MOST_ROWS, flags_of(stats))
    head = "".join(f"<th>{cell}</th>" for cell in HEAD)
    body = "".join(
        "<tr>" + "".join(f"<td>{in_html(cell)}</td>" for cell in row) + "</tr>" for row in map(_cells, found)
    )
    foot = "".join(f"<p>{in_html(line)}</p>" for line in left_out(stats, more))
    return (f"<table><caption>{_heading(stats)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{foot}")

"""What a command found as one HTML page of tables and pictures, to attach to a ticket: `page`.

(a) One file that asks for nothing else. The policy in its head allows its own script alone, by hash, so that a name
could not run as code even if it were not escaped. (b) All of it is read without the script, which only adds sorting,
filters and the choice between light and dark. (c) Order is worked out here, where integers are compared exactly: each
row holds the ranks of its cells in their columns, and the script compares those. (d) Pictures are images, each in light
and in dark, so that what is named inside one cannot meet another.
"""

from __future__ import annotations

import base64
import hashlib
import math
import numbers
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fastfinite._page_style import SCRIPT, STYLE
from fastfinite._report import in_html, plural
from fastfinite._terminal import printable
from fastfinite._version import __version__

# Rows of a table, and lines of words, that a page shows.
MOST_ROWS = 5000
# A table with more rows has a filter, and scrolls under its head.
_LONG = 20
# Text with more characters is broken into lines.
_WIDE = 30

# Worst first, which is how a column of states is sorted; each with the colour of its badge.
_STATES = {
    "error": "bad", "non-finite": "bad", "warning": "doubt", "not scanned": "doubt", "note": "told", "allowed": "plain",
    "finite": "good", "text": "plain",
}
_ORDER = {state: place for place, state in enumerate(_STATES)}
# Green is only what was looked at whole; what gives no verdict, or only notes, is "done".
_VERDICTS = {
    "findings": "bad", "failed": "bad", "warnings": "doubt", "incomplete": "doubt", "done": "plain", "clean": "good",
}
# Ranks of what comes last, whichever way a column is sorted.
_NAN, _EMPTY = -1, -2


class Table(NamedTuple):
    """Rows of cells, each a text, a number or None; columns in which all cells are empty are not shown.

    Of a `wordy` one the rows are read, and not compared: where there is little room each is a list.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""
    wordy: bool = False


class Picture(NamedTuple):
    """One picture twice, as the text of an SVG file: for a light page and for a dark one."""

    title: str
    light: str
    dark: str


class Words(NamedTuple):
    """Lines whose spaces are kept."""

    title: str
    lines: Sequence[str]


def page(title: str, verdict: str, state: str, parts: Sequence[Table | Picture | Words]) -> str:
    """The whole page; `state`, one of `_VERDICTS`, colours the verdict."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
              "base-uri 'none'; form-action 'none'")
    body = "\n".join(f"<section>\n<h2>{_text(part.title)}</h2>\n{_part(part)}\n</section>" for part in parts)
    # The icon is empty, so that a browser does not ask a server for one.
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="fastfinite {__version__}">
<link rel="icon" href="data:,">
<title>{_text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{_text(title)}</h1>
<p class="verdict {_VERDICTS[state]}"><b>{state}</b> <span>{_text(verdict)}</span></p>
</header>
<main>
{body}
</main>
<footer>fastfinite {__version__}</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _part(part: Table | Picture | Words) -> str:
    if isinstance(part, Table):
        return "\n".join(_table(part))
    if isinstance(part, Picture):
        name, themes = _text(part.title), (("light", part.light), ("dark", part.dark))
        images = "\n".join(_image(name, theme, svg) for theme, svg in themes)
        return f'<div class="picture" role="region" tabindex="0" aria-label="{name}">\n{images}\n</div>'
    # Of the line ends in it, HTML drops one that comes first.
    lines = "\n".join(map(_text, part.lines[:MOST_ROWS]))
    return "\n".join([f"<pre>\n{lines}</pre>", *_left_out(len(part.lines), "line")])


def _text(text: str) -> str:
    return in_html(printable(text))


def _image(name: str, theme: str, svg: str) -> str:
    data = base64.b64encode(svg.encode("utf-8", "replace")).decode()
    return f'<img class="{theme}" alt="{name}" src="data:image/svg+xml;base64,{data}">'


def _left_out(n: int, what: str) -> list[str]:
    return [f'<p class="note">... and {plural(n - MOST_ROWS, f"more {what}")}</p>'] if n > MOST_ROWS else []


# ---- tables -----------------------------------------------------------------------------------------

_Value = str | int | float | None
_Key = tuple[int, float, tuple[str | int, ...]]


class _Column:
    """The cells of one column, as HTML and as ranks."""

    def __init__(self, head: str, cells: Sequence[object]) -> None:
        self.values = [_value(cell) for cell in cells]
        filled = [value for value in self.values if value is not None]
        self.empty = not filled
        # A column of names may hold one that is also the name of a state.
        self.states = all(value in _STATES for value in filled)
        aligned = "" if any(isinstance(value, str) for value in filled) else ' class="number"'
        self._name = _text(head)
        self.head = f'<th scope="col"{aligned}>{self._name}</th>'

    def html(self, wordy: bool) -> list[str]:
        """The cells; of a wordy table each knows its head."""
        name = f' data-head="{self._name}"' if wordy else ""
        if self.states:
            return [f'<td{name}><b class="{_STATES[str(value)]}">{value}</b></td>' if value else "<td></td>"
                    for value in self.values]
        return [_cell(value, name) for value in self.values]

    def ranks(self) -> list[int]:
        keys = [self._key(value) for value in self.values]
        order = {key: rank for rank, key in enumerate(sorted({key for key in keys if not isinstance(key, int)}))}
        return [key if isinstance(key, int) else order[key] for key in keys]

    def _key(self, value: _Value) -> _Key | int:
        """What to sort by: numbers before text. Ranks of those that come last are known already."""
        if value is None:
            return _EMPTY
        if isinstance(value, str):
            return (1, _ORDER[value], ()) if self.states else (1, 0, _natural(value))
        return _NAN if isinstance(value, float) and math.isnan(value) else (0, value, ())


def _table(table: Table) -> Iterator[str]:
    rows = table.rows[:MOST_ROWS]
    if any(len(row) != len(table.head) for row in rows):
        raise ValueError(f"table {table.title!r}: rows must have {plural(len(table.head), 'cell')}, as its head has")
    columns = [column for column in map(_Column, table.head, zip(*rows)) if not column.empty]
    if columns:
        kind = (" long" if len(rows) > _LONG else "") + (" wordy" if table.wordy else "")
        yield f'<div class="table{kind}" role="region" tabindex="0" aria-label="{_text(table.title)}">\n<table>'
        yield f"<thead><tr>{''.join(column.head for column in columns)}</tr></thead>\n<tbody>"
        cells, ranks = [column.html(table.wordy) for column in columns], [column.ranks() for column in columns]
        for row, order in zip(zip(*cells), zip(*ranks)):
            yield f'<tr data-ranks="{" ".join(map(str, order))}">{"".join(row)}</tr>'
        yield "</tbody>\n</table>\n</div>"
    else:
        yield '<p class="note">nothing to show</p>'
    yield from _left_out(len(table.rows), "row")
    if table.note:
        yield f'<p class="note">{_text(table.note)}</p>'


def _value(cell: object) -> _Value:
    """A number as a plain one, everything else as text; None where there is nothing to show."""
    if isinstance(cell, numbers.Integral) and not isinstance(cell, bool):
        return int(cell)
    if isinstance(cell, numbers.Real) and not isinstance(cell, bool):
        return float(cell)
    return None if cell is None else printable(str(cell)) or None


def _natural(text: str) -> tuple[str | int, ...]:
    """As people sort text: "column 2" is before "column 10"."""
    # Text and digits take turns, so that like is compared with like; int refuses very many digits.
    parts = re.split("([0-9]{1,18})", text.casefold())
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts))


def _cell(value: _Value, name: str) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, str):
        broken = ' class="words"' if len(value) > _WIDE else ""
        return f"<td{broken}{name}>{in_html(value)}</td>"
    if isinstance(value, int):
        # Digits are grouped by space alone, so that a number is copied and found as it is.
        first, *groups = f"{value:,}".split(",")
        text = first + "".join(f"<span>{group}</span>" for group in groups)
        return f'<td class="number"{name}>{text}</td>'
    short = f"{value:.6g}"
    if not math.isfinite(value):
        return f'<td class="number odd"{name}>{short}</td>'
    full = "" if float(short) == value else f' title="{value!r}"'
    return f'<td class="number"{name}{full}>{short}</td>'

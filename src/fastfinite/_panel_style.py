"""What the panels of pictures share: colours, words, names on axes, legends.

(a) A panel is a function that draws into given axes, and changes nothing else: no pyplot, no settings. (b) Meaning is
never by colour alone; the colours are Okabe's and Ito's, darkened on white until they stand out. (c) Names are text:
there is no mathematics in them, and control characters and what no font has are escaped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastfinite._terminal import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# So many columns have their names on an axis, cut to this length.
MOST_NAMED = 40
_LONGEST_NAME = 24
# More names than these along x stand upright.
_SLANTED = 12


class Style(NamedTuple):
    """The colours of a picture, `heat` those of shares from the least to 1; whether its fonts are a browser's; and
    what is before the titles."""

    ground: str
    ink: str
    faint: str
    line: str
    nan: str
    posinf: str
    neginf: str
    constant: str
    near_constant: str
    heat: tuple[str, ...]
    every_glyph: bool = False
    name: str = ""


LIGHT = Style("#ffffff", "#1b1f24", "#848b94", "#0072b2", "#a8447f", "#00805c", "#0072b2", "#c65300", "#946200",
              ("#dd7a00", "#b53f00", "#4a0d00"))
DARK = Style("#16181d", "#e6e8eb", "#7d858f", "#56b4e9", "#df8dbb", "#1fbf92", "#56b4e9", "#ec7530", "#e6b33c",
             ("#c2560a", "#f0a020", "#fff7c2"))


class Panel(NamedTuple):
    """A panel that has something to show, and its height in inches."""

    draw: Callable[[Axes, Style], None]
    height: float


def dress(axes: Axes, style: Style, title: str, across: str, down: str, pad: float = 6) -> None:
    """Give axes their colours and words."""
    axes.set_facecolor(style.ground)
    axes.grid(False)
    axes.tick_params(which="both", color=style.faint, labelcolor=style.ink, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(style.faint)
    if style.name:
        title = f"{drawable([style.name], style)[0]}: {title}"
    axes.set_title(title, loc="left", pad=pad, fontsize=10, color=style.ink, parse_math=False)
    axes.set_xlabel(across, fontsize=9, color=style.ink)
    axes.set_ylabel(down, fontsize=9, color=style.ink)


def number_axis(axis: Axis) -> None:
    """Ticks at whole numbers, written in full; on a logarithmic axis at its powers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value == round(value) else ""))


def name_axis(axis: Axis, names: Sequence[str], style: Style, **look: Any) -> None:
    """A tick with its name for each column."""
    axis.set_ticks(range(len(names)), labels=drawable(names, style), parse_math=False, usetex=False, **look)


def column_axis(axes: Axes, columns: int, names: Sequence[str] | None, style: Style) -> None:
    """The columns along x."""
    axes.set_xlim(-0.5, columns - 0.5)
    if names is None or columns > MOST_NAMED:
        number_axis(axes.xaxis)
    else:
        slope = 45 if columns <= _SLANTED else 90
        name_axis(axes.xaxis, names, style, rotation=slope, rotation_mode="anchor", ha="right", va="center_baseline")


def names_height(columns: int, names: Sequence[str] | None) -> float:
    """How many inches the names along x need."""
    return 0.0 if names is None or columns > MOST_NAMED else 0.06 * min(_LONGEST_NAME, max(map(len, names), default=0))


def drawable(names: Sequence[str], style: Style) -> list[str]:
    """Names escaped and shortened."""
    texts = [printable(name) for name in names]
    if not style.every_glyph and not all(map(str.isascii, texts)):
        known = _glyphs()
        texts = ["".join(c if c.isascii() or known(c) else c.encode("unicode_escape").decode() for c in text)
                 for text in texts]
    return [text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..." for text in texts]


def _glyphs() -> Callable[[str], bool]:
    """Whether a character is in one of the fonts that text is drawn with; of others matplotlib would warn."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = []
    for family in FontProperties().get_family():
        for name in rcParams.get(f"font.{family}", [family]):
            with contextlib.suppress(ValueError):       # not installed
                fonts.append(get_font(findfont(FontProperties(family=[name]), fallback_to_default=False)))
    return lambda c: any(font.get_char_index(ord(c)) for font in fonts)


def legend(axes: Axes, style: Style) -> None:
    """The legend, to the right of the axes."""
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), borderaxespad=0.8, fontsize=8, frameon=False,
                labelcolor=style.ink)

"""The ranges of columns as a panel: from minimum to maximum, mean and standard deviation, and what is wrong with them.

(a) The scale is a symmetric logarithm; values are put on it before they are drawn, so that neither 1e308 nor 1e-320 is
beyond what the library computes with. (b) Many columns are drawn as bands, very many in groups of neighbours.
(c) Flags stand outside the axes, between them and the names or the title, a lane for each kind, so that they hide
nothing and nothing hides them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite._accepted import Array
from fastfinite._panel_style import MOST_NAMED, Panel, Style, column_axis, dress, legend, name_axis
from fastfinite._report import plural
from fastfinite._stats_table import flagged, label_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastfinite._statistics import ColumnStats

# More columns than these are bands, and no more places than those are drawn.
_MOST_LINES, _MOST_GROUPS = 100, 400
_MOST_DECADES = 20
# Sizes within such a factor are drawn on a linear scale.
_SIMILAR = 30
_LARGEST = np.finfo(np.float64).max
# Points from the axes to the first lane of flags, and between lanes.
_AWAY, _LANE = 8, 8


class Scale:
    """A symmetric logarithm: linear up to 10**exponent, which is at 1, and a decade a unit beyond.

    Of sizes that are similar it is linear throughout.
    """

    def __init__(self, sizes: Array) -> None:
        sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
        least, most = (math.log10(size) for size in (sizes.min(), sizes.max())) if len(sizes) else (0.0, 0.0)
        self.linear = most - least <= math.log10(_SIMILAR)
        decade = most if self.linear else max(least, most - _MOST_DECADES + 1)
        self.exponent = math.floor(decade)

    def __call__(self, values: Array) -> Array:
        """Where values are drawn."""
        half = self.exponent // 2       # the least numbers are below 10**-308
        places = values / 10.0**half / 10.0 ** (self.exponent - half)
        if self.linear:
            return np.asarray(places)
        decades = np.log10(np.maximum(np.abs(places), 1))
        return np.asarray(np.copysign(np.minimum(np.abs(places), 1) + decades, places))

    def ticks(self, low: float, high: float) -> tuple[list[float], list[str]]:
        """Places between two, and what is written there."""
        from matplotlib.ticker import MaxNLocator

        if self.linear:
            places = [float(t) for t in MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
            half = self.exponent // 2
            values = [t * 10.0**half * 10.0 ** (self.exponent - half) for t in places]
            shown = [(t, v) for t, v in zip(places, values) if low <= t <= high and math.isfinite(v)]
            texts = next(texts for digits in (3, 6, 9, 13, 17)
                         if len(set(texts := [f"{v:.{digits}g}" for _, v in shown])) == len(shown) or digits == 17)
            return [t for t, _ in shown], texts
        step = max(1, math.ceil((high - low) / 9))
        whole = [t for t in range(math.ceil(low), math.floor(high) + 1) if t % step == 0]
        return [float(t) for t in whole], [self._power(t) for t in whole]

    def _power(self, t: int) -> str:
        exponent = self.exponent + abs(t) - 1
        size = f"{10.0**exponent:g}" if -4 <= exponent <= 4 else f"1e{exponent}"
        return "0" if t == 0 else size if t > 0 else f"-{size}"


class _Columns:
    """The columns, or groups of neighbours where there are many: what is drawn of each, and where."""

    def __init__(self, stats: ColumnStats, flags: dict[str, Array]) -> None:
        flat = {name: np.asarray(getattr(stats, name)).ravel() for name in
                ("count", "posinf", "neginf", "min", "max", "mean", "std")}
        self.number, self.flags = len(stats), flags
        # Few go downwards, beside their names; more to the right.
        self.downwards = self.number <= MOST_NAMED
        # Infinite values are at the ends of the axis, all else in a lane of its own.
        self.lanes = [name for name, on in flags.items() if on.any() and not name.endswith("inf")]
        self.step = max(1, -(-self.number // _MOST_GROUPS))
        self._starts = np.arange(0, self.number, self.step)
        self.edges = np.append(self._starts, self.number) - 0.5
        self.places = (self.edges[1:] + self.edges[:-1]) / 2
        # How many points there are for each.
        self.room = 450 / len(self.places)

        low, high, mean = (np.where(np.isfinite(flat[name]), flat[name], np.nan) for name in ("min", "max", "mean"))
        with np.errstate(over="ignore", invalid="ignore"):
            # Nothing is beyond the least and the largest, whatever the standard deviation is.
            around = [np.clip(flat["mean"] + sign * flat["std"], low, high) for sign in (-1, 1)]
        self.scale = Scale(np.fmax(np.abs(low), np.abs(high)))
        self.mean = self.scale(mean)
        self.low, self.below = (self.scale(np.fmin.reduceat(values, self._starts)) for values in (low, around[0]))
        self.high, self.above = (self.scale(np.fmax.reduceat(values, self._starts)) for values in (high, around[1]))

        known = np.concatenate([self.low, self.high])
        known = known[np.isfinite(known)]
        bottom, top = (known.min(), known.max()) if len(known) else (-1.0, 1.0)
        margin = 0.04 * (top - bottom) or max(abs(top) * 0.05, 0.05)
        self.bottom, self.top = bottom - margin, top + margin
        finite = self.any_of(flat["count"] > flat["posinf"] + flat["neginf"])
        self.low = np.where(finite & self.any_of(flags["-inf"]), self.bottom, self.low)
        self.high = np.where(finite & self.any_of(flags["+inf"]), self.top, self.high)

    def any_of(self, on: Array) -> Array:
        """By group, whether one of its columns is so."""
        return np.asarray(np.logical_or.reduceat(on, self._starts))

    def mark(self, axes: Axes, at: Array, value: Array | float, **look: Any) -> None:
        """Draw a mark of each of these places."""
        value = np.broadcast_to(value, at.shape)
        axes.plot(*((value, at) if self.downwards else (at, value)), linestyle="none", **look)


def draw_column_ranges(axes: Axes, stats: ColumnStats, flags: dict[str, Array], style: Style) -> None:
    """The ranges of columns, and their flags as `flags_of` has them."""
    columns = _Columns(stats, flags)
    _draw_axes(axes, stats, columns, style)
    _draw_bands(axes, columns, style)
    if columns.step == 1:
        columns.mark(axes, columns.places, columns.mean, marker="d" if columns.downwards else "_", color=style.ink,
                     markersize=np.clip(columns.room * 0.5, 1.5, 5), label="mean")
    _draw_flags(axes, columns, style)
    legend(axes, style)


def _draw_axes(axes: Axes, stats: ColumnStats, columns: _Columns, style: Style) -> None:
    number, away = flagged(columns.flags), _AWAY + _LANE * len(columns.lanes)
    title = plural(columns.number, "column", grouped=True) + (f", {number:,} of them flagged" if number else "")
    value = "value" if columns.scale.linear else "value, symmetric logarithm"
    axes.set_autoscale_on(False)
    if columns.downwards:
        dress(axes, style, title, value, "")
        axes.set(xlim=(columns.bottom, columns.top), ylim=(columns.number - 0.5, -0.5))
        name_axis(axes.yaxis, [label_of(stats, i) for i in range(columns.number)], style)
        if columns.lanes:
            axes.tick_params(axis="y", pad=away - _LANE / 2)
    else:
        across = "column" if columns.step == 1 else f"column, {columns.step:,} at a place"
        dress(axes, style, title, across, value, pad=6 + away)
        axes.set_ylim(columns.bottom, columns.top)
        column_axis(axes, columns.number, None, style)
    beside = axes.xaxis if columns.downwards else axes.yaxis
    places, texts = columns.scale.ticks(columns.bottom, columns.top)
    beside.set_ticks(places, labels=texts)
    beside.grid(True, color=style.faint, alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_bands(axes: Axes, columns: _Columns, style: Style) -> None:
    whole = (columns.low, columns.high, "minimum to maximum")
    middle = (columns.below, columns.above, "mean ± standard deviation")
    if len(columns.places) > _MOST_LINES:
        for (start, stop, label), alpha in ((whole, 0.35), (middle, 0.7)):
            # With an outline, of which something is seen where there is no height.
            axes.stairs(stop, columns.edges, baseline=start, fill=True, color=style.line, alpha=alpha, linewidth=0.7,
                        label=label)
        return
    lines: Any = axes.hlines if columns.downwards else axes.vlines
    for (start, stop, label), alpha, width, most in ((whole, 1, 0.2, 1.4), (middle, 0.55, 0.5, 6)):
        lines(columns.places, start, stop, color=style.line, alpha=alpha, label=label,
              linewidth=np.clip(columns.room * width, 0.7, most))


def _draw_flags(axes: Axes, columns: _Columns, style: Style) -> None:
    from matplotlib.transforms import offset_copy

    figure: Any = axes.figure
    data = axes.get_yaxis_transform() if columns.downwards else axes.get_xaxis_transform()
    looks = _looks(style)
    for name, on in columns.flags.items():
        if not on.any():
            continue
        marker, colour, fill = looks[name]
        edge, away = float(name == "+inf"), 0
        if name in columns.lanes:
            away = _AWAY + _LANE * columns.lanes.index(name)
            edge, away = (0.0, -away) if columns.downwards else (1.0, away)
        else:
            marker = marker[columns.downwards]
        where = offset_copy(data, figure, *((away, 0) if columns.downwards else (0, away)), units="points")
        columns.mark(axes, columns.places[columns.any_of(on)], edge, marker=marker, color=colour, markersize=5.5,
                     markerfacecolor=colour if fill else "none", transform=where, clip_on=False, zorder=3,
                     label=f"{name}: {plural(int(on.sum()), 'column', grouped=True)}")


def _looks(style: Style) -> dict[str, tuple[Any, str, bool]]:
    """By flag its marker, or those for columns along x and along y; its colour; whether it is filled."""
    return {
        "empty": ("o", style.ink, False),
        "constant": ("s", style.constant, True),
        "near constant": ("D", style.near_constant, False),
        "nan": ("x", style.nan, True),
        "+inf": ("^>", style.posinf, True),
        "-inf": ("v<", style.neginf, True),
        "other causes": ("*", style.ink, True),
    }


def ranges_panel(stats: ColumnStats, flags: dict[str, Array]) -> Panel:
    height = max(2.4, 1.1 + 0.2 * len(stats)) if len(stats) <= MOST_NAMED else 3.4
    return Panel(lambda axes, style: draw_column_ranges(axes, stats, flags, style), height)

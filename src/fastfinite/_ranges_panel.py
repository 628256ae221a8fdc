"""The ranges of columns as a panel: from minimum to maximum, mean and standard deviation, and what is wrong with them.

(a) The scale is a symmetric logarithm; values are put on it before they are drawn, so that neither 1e308 nor 1e-320 is
beyond what the library computes with. (b) Many columns are drawn as bands, very many in groups of neighbours.
(c) Flags stand beside the axes, a lane for each kind, so that they hide nothing and nothing hides them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite._accepted import Array
from fastfinite._panel_style import MOST_NAMED, Panel, Style, column_axis, counted, dress, legend, name_axis
from fastfinite._stats_table import NEAR, label_of

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
    """The columns, or groups of neighbours where there are many: what is drawn of each."""

    def __init__(self, stats: ColumnStats) -> None:
        flat = {name: np.asarray(getattr(stats, name)).ravel() for name in
                ("count", "nan", "posinf", "neginf", "min", "max", "mean", "std", "constant")}
        n = len(stats)
        self.step = max(1, -(-n // _MOST_GROUPS))
        self.starts = np.arange(0, n, self.step)
        self.places = (self.starts + np.minimum(self.starts + self.step, n) - 1) / 2
        self.flags = {
            "empty": flat["count"] == 0,
            "nan": flat["nan"] > 0,
            "constant": flat["constant"],
            "near constant": np.asarray(stats.near_constant(NEAR)).ravel(),
            "+inf": flat["posinf"] > 0,
            "-inf": flat["neginf"] > 0,
        }
        with np.errstate(over="ignore", invalid="ignore"):
            around = [np.clip(flat["mean"] + sign * flat["std"], -_LARGEST, _LARGEST) for sign in (-1, 1)]
        self.low, self.high = (np.where(np.isfinite(flat[name]), flat[name], np.nan) for name in ("min", "max"))
        self.mean = np.where(np.isfinite(flat["mean"]), flat["mean"], np.nan)
        self.finite = flat["count"] > flat["posinf"] + flat["neginf"]
        self.scale = Scale(np.fmax(np.abs(self.low), np.abs(self.high)))
        self.low, self.below = (np.fmin.reduceat(values, self.starts) for values in (self.low, around[0]))
        self.high, self.above = (np.fmax.reduceat(values, self.starts) for values in (self.high, around[1]))

    def any_of(self, on: Array) -> Array:
        """By group, whether one of its columns is so."""
        return np.asarray(np.logical_or.reduceat(on, self.starts))


def draw_column_ranges(axes: Axes, stats: ColumnStats, style: Style) -> None:
    """The ranges of columns and their flags: downwards where they are few, else along x."""
    from matplotlib.transforms import offset_copy

    n, columns = len(stats), _Columns(stats)
    flat = n <= MOST_NAMED
    looks = _looks(style)
    lanes = [name for name, on in columns.flags.items() if on.any() and not name.endswith("inf")]
    flagged = int(np.count_nonzero(np.logical_or.reduce(list(columns.flags.values()))))
    title = counted(n, "column") + (f", {flagged:,} of them flagged" if flagged else "")
    dress(axes, style, title, "", "", pad=6 + (0 if flat else _AWAY + _LANE * len(lanes)))
    axes.set_autoscale_on(False)

    scaled = [columns.scale(values) for values in (columns.low, columns.high, columns.below, columns.above)]
    known = np.concatenate(scaled)
    known = known[np.isfinite(known)]
    bottom, top = (known.min(), known.max()) if len(known) else (-1.0, 1.0)
    margin = 0.04 * (top - bottom) or max(abs(top) * 0.05, 0.05)
    bottom, top = bottom - margin, top + margin
    low, high, below, above = scaled
    finite = columns.any_of(columns.finite)
    low = np.where(finite & columns.any_of(columns.flags["-inf"]), bottom, low)
    high = np.where(finite & columns.any_of(columns.flags["+inf"]), top, high)

    across, beside = (axes.yaxis, axes.xaxis) if flat else (axes.xaxis, axes.yaxis)
    if flat:
        axes.set(xlim=(bottom, top), ylim=(n - 0.5, -0.5))
        name_axis(across, [label_of(stats, i) if stats.names is None else stats.names[i] for i in range(n)],
                  style)
    else:
        axes.set_ylim(bottom, top)
        column_axis(axes, n, None, style)
        axes.set_xlabel("column" if columns.step == 1 else f"column, {columns.step:,} at a place")
    places, texts = columns.scale.ticks(bottom, top)
    beside.set_ticks(places, labels=texts)
    beside.grid(True, color=style.faint, alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)

    room = 450 / len(columns.places)
    for start, stop, alpha, label in ((low, high, 0.35, "minimum to maximum"),
                                      (below, above, 0.7, "mean ± standard deviation")):
        if len(columns.places) > _MOST_LINES:
            edges = np.append(columns.starts, n) - 0.5
            # With an outline, of which something is seen where there is no height.
            axes.stairs(stop, edges, baseline=start, fill=True, color=style.line, alpha=alpha, linewidth=0.7,
                        label=label)
        else:
            thin = start is low
            (axes.hlines if flat else axes.vlines)(
                columns.places, start, stop, color=style.line, alpha=1 if thin else 0.55, label=label,
                linewidth=np.clip(room * (0.2 if thin else 0.5), 0.7, 1.4 if thin else 6))

    def marks(at: Array, value: Array | float, **look: Any) -> None:
        value = np.broadcast_to(value, at.shape)
        axes.plot(*((value, at) if flat else (at, value)), linestyle="none", **look)

    if columns.step == 1:
        marks(columns.places, columns.scale(columns.mean), marker="d" if flat else "_", color=style.ink,
              markersize=np.clip(room * 0.5, 1.5, 5), label="mean")
    figure: Any = axes.figure
    data = axes.get_yaxis_transform() if flat else axes.get_xaxis_transform()
    for name, on in columns.flags.items():
        if not on.any():
            continue
        marker, colour, fill = looks[name]
        away = _AWAY + _LANE * lanes.index(name) if name in lanes else 0
        where = offset_copy(data, figure, *((away, 0) if flat else (0, away)), units="points")
        if name.endswith("inf"):
            marker = marker[flat]
        marks(columns.places[columns.any_of(on)], float(name != "-inf"), marker=marker, color=colour, markersize=5.5,
              markerfacecolor=colour if fill else "none", transform=where, clip_on=False, zorder=3,
              label=f"{name}: {counted(int(on.sum()), 'column')}")
    legend(axes, style, away=_AWAY + _LANE * len(lanes) if flat else 0)


def _looks(style: Style) -> dict[str, tuple[Any, str, bool]]:
    """By flag its marker, or those for columns along x and along y; its colour; whether it is filled."""
    return {
        "empty": ("o", style.ink, False),
        "nan": ("x", style.nan, True),
        "constant": ("s", style.constant, True),
        "near constant": ("D", style.near_constant, False),
        "+inf": ("^>", style.posinf, True),
        "-inf": ("v<", style.neginf, True),
    }


def ranges_panel(stats: ColumnStats) -> Panel:
    height = max(2.4, 1.1 + 0.2 * len(stats)) if len(stats) <= MOST_NAMED else 3.4
    return Panel(lambda axes, style: draw_column_ranges(axes, stats, style), height)

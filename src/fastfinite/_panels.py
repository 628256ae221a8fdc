"""Panels of pictures: where bad values are, how many there are by column or row, and how saturated logits are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastfinite._accepted import Array
from fastfinite._panel_style import Panel, Style, column_axis, dress, legend, names_height, number_axis
from fastfinite._report import KINDS, ScanReport, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastfinite._bad_map import BadMap
    from fastfinite._saturation import Histogram

# More rows and columns of cells than these would be hard to see.
_MOST_CELLS = (64, 128)
# Up to so many cells with something in them are ringed.
_RINGED = 8
_MOST_BARS = 200


# ---- where bad values are ------------------------------------------------------------------------------


def draw_bad_map(axes: Axes, bad_map: BadMap, style: Style) -> None:
    """The share of bad values by rows and columns; the least share is well seen, and none is blank."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator

    rows, columns = bad_map.shape
    unscanned = bad_map.not_scanned
    hatched = f" (hatched: {plural(len(unscanned), 'column', grouped=True)} not scanned)" if len(unscanned) else ""
    dress(axes, style, _where(bad_map), "column" + hatched, "row")
    column_axis(axes, columns, bad_map.names, style)
    axes.set_ylim(rows - 0.5, -0.5)
    number_axis(axes.yaxis)
    steps = [-(-n // most) for n, most in zip(bad_map.counts.shape, _MOST_CELLS)]
    counts, sizes = bad_map.pooled(*steps)
    y = np.minimum(np.arange(len(counts) + 1) * (bad_map.rows_per_bin * steps[0]), rows) - 0.5
    x = np.minimum(np.arange(counts.shape[1] + 1) * (bad_map.columns_per_bin * steps[1]), columns) - 0.5
    if hatched:
        cells = np.unique(unscanned // (bad_map.columns_per_bin * steps[1]))
        axes.broken_barh(list(zip(x[cells], np.diff(x)[cells])), (-0.5, rows), facecolor="none", hatch="////",
                         edgecolor=style.faint, linewidth=0, rasterized=True)
    colours = LinearSegmentedColormap.from_list("share", style.heat)
    # A share is never below that of one value in a whole cell.
    norm = LogNorm(min(1 / sizes.max(), 0.1), 1)
    # One image in an SVG, where thousands of cells would be large.
    mesh = axes.pcolormesh(x, y, np.ma.masked_equal(counts / sizes, 0), cmap=colours, norm=norm, rasterized=True)
    found = np.argwhere(counts)
    if len(found) <= _RINGED and counts.size > 20 * _RINGED:
        middle_y, middle_x = (y[1:] + y[:-1]) / 2, (x[1:] + x[:-1]) / 2
        axes.plot(middle_x[found[:, 1]], middle_y[found[:, 0]], "o", ms=13, mfc="none", mec=style.ink, mew=0.8,
                  clip_on=False)
    if sizes.max() > 1:
        bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.015, 0, 0.02, 1)), ticks=LogLocator(numticks=6),
                                   format=FuncFormatter(lambda value, _: f"{value:g}"))
        bar.minorticks_off()
        bar.ax.tick_params(color=style.faint, labelcolor=style.ink, labelsize=8)
        bar.set_label("share of bad values", fontsize=9, color=style.ink)
        bar.outline.set_edgecolor(style.faint)


def bad_map_panel(bad_map: BadMap) -> Panel:
    height = 1.6 + min(2.0, 0.1 * bad_map.shape[0]) + names_height(bad_map.shape[1], bad_map.names)
    return Panel(lambda axes, style: draw_bad_map(axes, bad_map, style), height)


def _where(bad_map: BadMap) -> str:
    """"3 bad values in 2 of 32 columns, rows 17 to 90 of 100"."""
    counts = bad_map.counts
    total = int(counts.sum())
    if total == 0:
        return "no bad values"
    rows, columns = (np.flatnonzero(counts.any(axis=axis)) for axis in (1, 0))
    if bad_map.columns_per_bin == 1:
        place = f"in {len(columns):,} of {bad_map.shape[1]:,} columns"
    else:
        place = _within("column", columns, bad_map.columns_per_bin, bad_map.shape[1])
    within = _within("row", rows, bad_map.rows_per_bin, bad_map.shape[0])
    return f"{plural(total, 'bad value', grouped=True)} {place}, {within}"


def _within(noun: str, bins: Array, step: int, n: int) -> str:
    first, last = int(bins[0]) * step, min((int(bins[-1]) + 1) * step, n) - 1
    words = f"{noun} {first:,}" if first == last else f"{noun}s {first:,} to {last:,}"
    return ("within " if step > 1 else "") + f"{words} of {n:,}"


# ---- how many ------------------------------------------------------------------------------------------


def draw_bad_counts(axes: Axes, report: ScanReport, style: Style) -> None:
    """Counts of bad values by column or row, stacked by kind."""
    down = report.axis == 0
    kinds = {**KINDS, "overflow": f"overflow of {report.target_dtype}"}
    counts = {kind: np.asarray(getattr(report, kind)) for kind in kinds}
    n = report.shape[1 if down else 0]
    step = max(1, -(-n // _MOST_BARS))
    totals = {label: int(counts[kind].sum()) for kind, label in kinds.items()}
    noun = "column" if down else "row"
    bad = int(np.count_nonzero(sum(counts.values())))
    found = ", ".join(f"{count:,} {label}" for label, count in totals.items() if count)
    of = plural(n, noun, grouped=True)
    title = f"{found} in {bad:,} of {of}" if bad else f"nothing found in {of}"
    dress(axes, style, title, noun if step == 1 else f"{noun}, {step:,} a bar", "values")
    column_axis(axes, n, report.names if down else None, style)
    number_axis(axes.yaxis)
    edges = np.minimum(np.arange(-(-n // step) + 1) * step, n) - 0.5
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    looks = {"nan": (style.nan, ""), "posinf": (style.posinf, "////"), "neginf": (style.neginf, "\\\\\\\\"),
             "null": (style.faint, "...."), "overflow": (style.constant, "xxxx")}
    base = np.zeros(len(middle), np.int64)
    for kind, (colour, hatch) in looks.items():
        if not totals[kinds[kind]]:
            continue
        heights = np.add.reduceat(counts[kind], np.arange(0, n, step))
        axes.bar(middle, heights, width * 0.9, base, color=colour, hatch=hatch, edgecolor=style.ground, linewidth=0,
                 label=kinds[kind])
        base += heights
    axes.set_ylim(0, max(1, base.max(initial=0)) * 1.05)
    if bad:
        # Beside a high bar a low one is not seen.
        low = (base > 0) & (base < 0.03 * base.max())
        axes.plot(middle[low], base[low] + 0.03 * base.max(), "v", color=style.ink, markersize=4)
        legend(axes, style)


def bad_counts_panel(report: ScanReport) -> Panel:
    height = 2.8 + (names_height(report.shape[1], report.names) if report.axis == 0 else 0)
    return Panel(lambda axes, style: draw_bad_counts(axes, report, style), height)


# ---- saturation ----------------------------------------------------------------------------------------


def draw_saturation(axes: Axes, histogram: Histogram, style: Style) -> None:
    """A histogram of margins, and the region in which there is no gradient left."""
    counts, edges, limits = histogram.counts, histogram.edges, histogram.limits
    title = f"{share_text(histogram.share)} saturated: {limits[-1]:.3g} or more from undecided"
    dress(axes, style, title, histogram.label, "rows")
    low, high = min(edges[0], limits[0] * 1.15 if limits[0] < 0 else 0), max(edges[-1], limits[-1] * 1.15)
    axes.set_xlim(low, high)
    present = counts[counts > 0]
    # One among many has to be seen.
    if present.max() > 100 * present.min():
        axes.set_yscale("log")
        axes.set_ylim(0.5, present.max() * 2)
    else:
        axes.set_ylim(0, present.max() * 1.05)
    number_axis(axes.yaxis)
    axes.stairs(counts, edges, fill=True, color=style.line, baseline=axes.get_ylim()[0])
    for limit in limits:
        axes.axvspan(limit, high if limit > 0 else low, facecolor="none", edgecolor=style.constant, alpha=0.5,
                     hatch="///", linewidth=0)
        axes.axvline(limit, color=style.constant, linewidth=1.2, linestyle="--")


def saturation_panel(histogram: Histogram) -> Panel:
    return Panel(lambda axes, style: draw_saturation(axes, histogram, style), 2.6)


def share_text(share: float) -> str:
    """A share of which little is not none, and nearly all is not all."""
    if 0 < share < 0.0001:
        return "less than 0.01%"
    if 0.9999 < share < 1:
        return "more than 99.99%"
    return f"{share:.2%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}"

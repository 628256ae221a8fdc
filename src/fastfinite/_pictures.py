"""Figures of what was found, drawn by matplotlib: panels, one below the other, and their files.

(a) Only `plot` asks pyplot for a figure, so that notebooks and scripts show it; whoever writes files has figures that
nothing else knows of. (b) The same figure gives the same bytes: no dates, no random names. (c) Text in SVG is text,
which can be searched, read aloud and selected.
"""

from __future__ import annotations

import functools
import io
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastfinite._panel_style import DARK, LIGHT, Panel, Style, dress
from fastfinite._panels import bad_counts_panel, bad_map_panel, saturation_panel
from fastfinite._ranges_panel import ranges_panel
from fastfinite._report import ScanReport
from fastfinite._stats_table import flags_of
from fastfinite._terminal import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fastfinite._accepted import Array
    from fastfinite._diagnosis import Diagnosis
    from fastfinite._statistics import ColumnStats

_WIDTH = 9.0
_EMPTY = Panel(lambda axes, style: axes.set_axis_off(), 1.0)


def figure_of(panels: Sequence[Panel], figure: Any = None, dark: bool | None = None, *, svg: bool = False) -> Any:
    """Draw panels into a figure or subfigure, or into a new one that pyplot does not know.

    `dark` says on what ground; where it is None the figure keeps its own, and the colours fit that. With `svg` names
    keep every character, for a figure that only `as_svg` will see: a browser has the fonts.
    """
    check_library()
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure

    panels = panels or [_EMPTY]
    if figure is None:
        figure = Figure(figsize=_size(panels), facecolor=LIGHT.ground)
    if dark is None:
        red, green, blue = to_rgb(figure.get_facecolor())
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
    else:
        figure.set_facecolor((DARK if dark else LIGHT).ground)
    if isinstance(figure, Figure) and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    style = (DARK if dark else LIGHT)._replace(every_glyph=svg)
    heights = [panel.height for panel in panels]
    for panel, axes in zip(panels, figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]):
        panel.draw(axes, style)
    return figure


def plot(panels: Sequence[Panel], figure: Any = None) -> Any:
    """Draw panels into a figure, a new one of pyplot where none is given."""
    check_library()
    if figure is None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=_size(panels or [_EMPTY]))
    return figure_of(panels, figure)


def stats_panels(stats: ColumnStats, flags: dict[str, Array] | None = None) -> list[Panel]:
    """The panels of the statistics of columns, with the flags that are given or their own."""
    if not len(stats) or stats.is_empty:
        return []
    return [ranges_panel(stats, flags_of(stats) if flags is None else flags)]


def scan_panels(report: ScanReport) -> list[Panel]:
    """The panels of a scan of a table by column or row."""
    if report.axis is None or len(report.shape) != 2:
        raise ValueError("there is no picture but of counts by column or row of two-dimensional data, such as "
                         f"scan(x, axis=0); this report is of shape {report.shape} with axis={report.axis}")
    return [bad_counts_panel(report)] if all(report.shape) else []


def diagnosis_panels(diagnosis: Diagnosis) -> list[Panel]:
    """The panels of a diagnosis that have something to show."""
    panels = [bad_map_panel(diagnosis.bad_map)] if diagnosis.bad_map else []
    panels += stats_panels(diagnosis.stats, diagnosis.flags())
    if diagnosis.saturation is not None:
        panels.append(saturation_panel(diagnosis.saturation))
    return panels


def named(panels: Sequence[Panel], name: str) -> list[Panel]:
    """The same panels, with a name before what their titles say."""
    def draw(panel: Panel, axes: Any, style: Style) -> None:
        panel.draw(axes, style._replace(name=name))

    return [panel._replace(draw=functools.partial(draw, panel)) for panel in panels]


def nothing(words: str) -> Panel:
    """A panel that only says something."""
    def draw(axes: Any, style: Style) -> None:
        dress(axes, style, printable(words), "", "")
        axes.set_axis_off()

    return Panel(draw, 1.0)


def as_svg(figure: Figure) -> str:
    """The figure as an <svg> element, to be put into a page or a file."""
    text = io.StringIO()
    _write(figure, text, "svg")
    _, element, rest = text.getvalue().partition("<svg")
    return element + rest


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure to a file; the same figure gives the same file."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in (".png", ".svg"):
        raise ValueError(f"path must end in .png or .svg, not {os.fspath(path)!r}")
    with open(path, "wb") as file:
        _write(figure, file, suffix[1:])


def _write(figure: Figure, file: Any, kind: str) -> None:
    import matplotlib

    settings = {"svg.hashsalt": "fastfinite", "svg.fonttype": "none", "savefig.bbox": "standard"}
    metadata: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        if kind == "svg":       # of fonts that measure the text, and do not draw it
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        # The solver of the layout leaves the last bits of places to chance, and what is written depends on them.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes in figure.axes:
            left, bottom, width, height = axes.get_position().bounds
            axes.set_position((round(left, 5), round(bottom, 5), round(width, 5), round(height, 5)))
        figure.savefig(file, format=kind, dpi=144, metadata=metadata, facecolor=figure.get_facecolor())


def _size(panels: Sequence[Panel]) -> tuple[float, float]:
    return _WIDTH, sum(panel.height for panel in panels)


def check_library() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'fastfinite[plot]'") from error

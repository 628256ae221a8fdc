"""Pictures: what is drawn is read back from the figure, in the coordinates of the data."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from optional import require

import fastfinite as ff
from fastfinite import _pictures
from fastfinite._bad_map import BadMap, told_names
from fastfinite._diagnosis import Diagnosis
from fastfinite._formats import of_name
from fastfinite._panel_style import DARK, LIGHT, Panel
from fastfinite._panels import draw_bad_map, draw_saturation, share_text
from fastfinite._ranges_panel import Scale, draw_column_ranges
from fastfinite._samples import Samples
from fastfinite._saturation import Histogram, saturation
from fastfinite._stats_table import flags_of

matplotlib = require("matplotlib")
Figure, Text = require("matplotlib.figure").Figure, require("matplotlib.text").Text
to_rgb, to_rgba = matplotlib.colors.to_rgb, matplotlib.colors.to_rgba

nan, inf = np.nan, np.inf
HOSTILE = ["$x^2$", "<script>alert(1)</script>", "n" * 200, "身高", "a\nb\x1b[31m", "$\\frac", "&amp;", "%s{0}",
           "\ud800"]
SHOWN = ["$x^2$", "<script>alert(1)</scr...", "n" * 21 + "...", "\\u8eab\\u9ad8", "a\\nb\\x1b[31m", "$\\frac", "&amp;",
         "%s{0}", "\\ud800"]


def drawn(draw, *arguments, style=LIGHT):
    """Axes with a panel in them, laid out."""
    figure = Figure((9, 4), layout="constrained")
    axes = figure.subplots()
    draw(axes, *arguments, style)
    figure.draw_without_rendering()
    return axes


def ranges(stats):
    """Axes with the ranges of columns."""
    return drawn(draw_column_ranges, stats, flags_of(stats))


def map_of(bad, names=None):
    bad = np.asarray(bad, bool)
    found = BadMap(bad.shape[1], names)
    for start, stop in found.split(0, len(bad)):
        found.add(bad[start:stop].sum(axis=0), start, np.arange(bad.shape[1]))
    return found


def one_in(rows, columns, row, column):
    found = BadMap(columns)
    found.reach(rows)
    found.add(np.array([1]), row, np.array([column]))
    return found


def title(axes):
    return axes.get_title(loc="left")


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def cells(axes):
    """The mesh of a map: edges of columns, of rows, and shares, nan where it is blank."""
    mesh, = axes.collections
    corners = mesh.get_coordinates()
    return corners[0, :, 0], corners[:, 0, 1], np.ma.filled(mesh.get_array(), nan)


def contrast(colour, ground):
    """The ratio of luminances, as the guidelines for readable pages define it."""
    bright = []
    for rgb in (to_rgb(colour), to_rgb(ground)):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        bright.append(0.05 + np.dot(linear, [0.2126, 0.7152, 0.0722]))
    return max(bright) / min(bright)


# ---- the map -----------------------------------------------------------------------------------------


def test_a_small_map_shows_every_value_at_its_row_and_column():
    bad = np.zeros((5, 3), bool)
    bad[1, 2] = bad[4, 0] = True
    axes = drawn(draw_bad_map, map_of(bad))
    x, y, shares = cells(axes)
    np.testing.assert_array_equal(x, [-0.5, 0.5, 1.5, 2.5])
    np.testing.assert_array_equal(y, np.arange(6) - 0.5)
    np.testing.assert_array_equal(shares, np.where(bad, 1, nan))
    assert axes.get_ylim() == (4.5, -0.5) and axes.get_xlim() == (-0.5, 2.5)        # rows go down
    assert title(axes) == "2 bad values in 2 of 3 columns, rows 1 to 4 of 5"
    assert axes.child_axes == []        # cells of one value need no scale of shares


def test_what_is_good_is_blank():
    mesh, = drawn(draw_bad_map, map_of([[1, 0], [0, 0]])).collections
    np.testing.assert_array_equal(mesh.get_facecolors()[:, 3], [1, 0, 0, 0])


@pytest.mark.parametrize(("rows", "columns"), [(10**9, 30), (10**6, 1000), (1, 100_000), (3, 10), (10**12, 100_000)])
def test_one_value_among_many_is_seen_where_it_is(rows, columns):
    row, column = rows - 1, columns // 3
    axes = drawn(draw_bad_map, one_in(rows, columns, row, column))
    x, y, shares = cells(axes)
    assert (x[0], x[-1], y[0], y[-1]) == (-0.5, columns - 0.5, -0.5, rows - 0.5)
    (i, j), = np.argwhere(~np.isnan(shares))
    assert x[j] < column < x[j + 1] and y[i] < row < y[i + 1]
    assert shares[i, j] == 1 / ((x[j + 1] - x[j]) * (y[i + 1] - y[i]))
    mesh, = axes.collections
    assert mesh.norm.vmin <= shares[i, j] <= mesh.norm.vmax == 1
    assert contrast(mesh.get_facecolors().reshape(*shares.shape, 4)[i, j, :3], LIGHT.ground) > 2.9
    # Of 100 dots an inch no cell is below 3, and in a large map it is ringed.
    box = axes.get_window_extent()
    assert box.width / shares.shape[1] > 3 and box.height / shares.shape[0] > 3
    if shares.size > 160:
        ring, = axes.lines
        assert (ring.get_xdata(), ring.get_ydata()) == ((x[j] + x[j + 1]) / 2, (y[i] + y[i + 1]) / 2)
        assert ring.get_markerfacecolor() == "none" and not ring.get_clip_on()


@pytest.mark.parametrize("style", [LIGHT, DARK])
def test_colours_keep_their_contrast(style):
    assert contrast(style.ink, style.ground) > 7
    for colour in (style.line, style.nan, style.posinf, style.neginf, style.constant, style.near_constant, style.faint,
                   style.heat[0]):
        assert contrast(colour, style.ground) > 2.9
    steps = [contrast(colour, style.ground) for colour in style.heat]
    assert steps == sorted(steps)


def test_a_whole_column_a_whole_row_and_everything():
    bad = np.zeros((100_000, 30), bool)
    bad[:, 17] = True
    shares = cells(drawn(draw_bad_map, map_of(bad)))[2]
    np.testing.assert_array_equal(np.flatnonzero((shares == 1).all(axis=0)), [17])
    shares = cells(drawn(draw_bad_map, map_of(bad.T)))[2]
    assert np.flatnonzero(~np.isnan(shares).any(axis=1)).tolist() == [17]
    axes = drawn(draw_bad_map, map_of(np.ones((300, 500))))
    assert (cells(axes)[2] == 1).all() and not axes.lines
    assert title(axes) == "150,000 bad values in 500 of 500 columns, within rows 0 to 299 of 300"


@pytest.mark.parametrize(("bad_map", "words"), [
    (map_of(np.zeros((3, 2))), "no bad values"),
    (map_of(np.eye(1, 4)), "1 bad value in 1 of 4 columns, row 0 of 1"),
    (one_in(10**6, 2000, 130_000, 1999), "1 bad value within columns 1,998 to 1,999 of 2,000, "
                                         "within rows 122,880 to 131,071 of 1,000,000"),
])
def test_the_title_of_a_map_claims_no_more_than_the_bins_tell(bad_map, words):
    assert title(drawn(draw_bad_map, bad_map)) == words


def test_shares_have_a_scale():
    axes = drawn(draw_bad_map, one_in(10**6, 30, 5, 5))
    bar, = axes.child_axes
    assert bar.get_ylabel() == "share of bad values"
    ticks = {text.get_text(): text.get_position()[1] for text in bar.yaxis.get_ticklabels()}
    assert {ticks[text] for text in ("0.001", "0.01", "0.1", "1")} == {0.001, 0.01, 0.1, 1}
    assert bar.get_ylim() == pytest.approx((1 / (2 * 8192), 1), rel=1e-12)


def test_few_columns_have_names_and_many_have_numbers():
    names = [f"c{i}" for i in range(41)]
    assert labels(drawn(draw_bad_map, map_of(np.eye(40), names[:40])).xaxis) == names[:40]
    for axes in (drawn(draw_bad_map, map_of(np.eye(41), names)), drawn(draw_bad_map, map_of(np.eye(41)))):
        assert {"0", "20", "40"} <= set(labels(axes.xaxis))
    assert "400,000" in labels(drawn(draw_bad_map, one_in(10**6, 2, 0, 0)).yaxis)


def test_columns_that_were_not_scanned_are_hatched_and_not_blank():
    names = told_names(["a", "b", "c", "d", "e"], {1, 3, 4})
    axes = drawn(draw_bad_map, map_of(np.eye(2, 5), names))
    hatched, mesh = axes.collections
    areas = [sorted({(x, y) for x, y in path.vertices}) for path in hatched.get_paths()]
    assert areas == [[(i - 0.5, -0.5), (i - 0.5, 1.5), (i + 0.5, -0.5), (i + 0.5, 1.5)] for i in (1, 3, 4)]
    assert hatched.get_hatch() and hatched.get_zorder() <= mesh.get_zorder()
    assert labels(axes.xaxis) == ["a", "b (not scanned)", "c", "d (not scanned)", "e (not scanned)"]
    assert axes.get_xlabel() == "column (hatched: 3 columns not scanned)"
    assert drawn(draw_bad_map, map_of(np.eye(2, 4), ["a", "b", "c", "d"])).get_xlabel() == "column"


def test_of_very_many_columns_those_are_hatched_among_which_one_was_not_scanned():
    many = one_in(10, 100_000, 0, 0)
    many.names = told_names(["x"] * 100_000, {50_000, 99_999})
    hatched, mesh = drawn(draw_bad_map, many).collections
    edges = mesh.get_coordinates()[0, :, 0]
    (first, end), last = ((path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in hatched.get_paths())
    assert first < 50_000 < end == edges[edges > 50_000][0] and last == (edges[-2], 99_999.5)


# ---- the ranges --------------------------------------------------------------------------------------


def flagged_example():
    x = np.array([[1.0, 7, nan, nan, 1, -inf, inf], [2, 7, 5, nan, 4, 2, -inf], [9, 7, 6, nan, inf, 3, 0]])
    return ff.ColumnStats(names=["plain", "flat", "gap", "void", "up", "down", "both"]).update(x)


def marks(axes):
    """The places along the columns of the marks of each label, and their heights."""
    return {line.get_label(): (list(line.get_ydata()), list(line.get_xdata())) for line in axes.lines}


def test_ranges_of_few_columns_lie_beside_their_names():
    axes = ranges(flagged_example())
    assert labels(axes.yaxis) == ["plain", "flat", "gap", "void", "up", "down", "both"]
    assert axes.get_ylim() == (6.5, -0.5)
    low, high = axes.get_xlim()
    thin, thick = ([path.vertices[:, 0].tolist() for path in lines.get_paths()] for lines in axes.collections)
    exponent = Scale(np.array([9.0, 7, 6, 4, 3])).exponent
    assert exponent == 0        # places are the values: all of them are of a similar size
    assert thin[0] == [1, 9] and thin[1] == [7, 7] and thin[2] == [5, 6]
    assert thin[4] == [1, high] and thin[5] == [low, 3] and thin[6] == [low, high]
    np.testing.assert_allclose(thick[0], [1, 4 + np.std([1, 2, 9])])        # not below the least value
    assert title(axes) == "7 columns, 6 of them flagged"


def test_flags_stand_beside_their_columns_each_kind_with_its_mark():
    axes = ranges(flagged_example())
    found = marks(axes)
    assert found["nan: 2 columns"][0] == [2, 3] and found["empty: 1 column"][0] == [3]
    assert found["constant: 1 column"][0] == [1]
    assert found["+inf: 2 columns"] == ([4, 6], [1, 1]) and found["-inf: 2 columns"] == ([5, 6], [0, 0])
    assert found["mean"][0] == list(range(7))
    lines = [line for line in axes.lines if line.get_label() != "mean"]
    assert len({line.get_marker() for line in lines}) == len(lines) == 5
    assert not any(line.get_clip_on() for line in lines)
    inside = axes.get_window_extent()
    for line in lines:
        x = line.get_transform().transform(line.get_xydata())[:, 0]
        edge = {"+": inside.x1, "-": inside.x0}.get(line.get_label()[0])
        assert (x < inside.x0 - 5).all() if edge is None else np.allclose(x, edge)
    # Between the axes and the names, and not beside the legend.
    names_end = max(text.get_window_extent().x1 for text in axes.yaxis.get_ticklabels())
    assert names_end < min(line.get_window_extent().x0 for line in lines)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["minimum to maximum", "mean ± standard deviation", "mean", "empty: 1 column",
                     "constant: 1 column", "nan: 2 columns", "+inf: 2 columns", "-inf: 2 columns"]


def test_ranges_of_more_columns_go_to_the_right():
    x = 1 + np.random.default_rng(0).random((9, 100))
    x[:, 60] = 2
    axes = ranges(ff.column_stats(x))
    thin, _ = axes.collections
    segments = np.array([path.vertices for path in thin.get_paths()])
    np.testing.assert_array_equal(segments[:, 0, 0], np.arange(100))
    np.testing.assert_array_equal(segments[:, 1, 1], x.max(axis=0))
    flag = axes.lines[-1]
    assert flag.get_label() == "constant: 1 column" and flag.get_xdata() == [60]
    assert flag.get_transform().transform(flag.get_xydata())[0, 1] > axes.get_window_extent().y1 + 5


def test_very_many_columns_are_drawn_in_groups_of_neighbours():
    x = 1 + np.random.default_rng(0).random((3, 100_000))
    x[1, 77_777], x[2, 50_000], x[:, 99_999] = nan, 9, nan
    axes = ranges(ff.column_stats(x))
    band, _ = axes.patches
    high, edges, low = band.get_data()
    np.testing.assert_array_equal(edges, np.arange(0, 100_001, 250) - 0.5)
    np.testing.assert_array_equal(high, np.fmax.reduce(x.reshape(3, 400, 250), axis=(0, 2)))
    np.testing.assert_array_equal(low, np.fmin.reduce(x.reshape(3, 400, 250), axis=(0, 2)))
    flags = {line.get_label(): list(line.get_xdata()) for line in axes.lines}
    assert flags == {"empty: 1 column": [99_874.5], "nan: 2 columns": [77_874.5, 99_874.5]}
    assert axes.get_xlabel() == "column, 250 at a place" and axes.get_xlim() == (-0.5, 99_999.5)


@pytest.mark.parametrize(("n", "name"), [(41, ""), (60, "x.npy"), (300, "x.npy"), (1000, "x.npy")])
def test_the_title_is_above_every_flag(n, name):
    x = 1 + np.random.default_rng(0).random((3, n))
    x[1, ::7], x[:, 5], x[:, 6], x[:, 8] = nan, 2, nan, 1e8 + np.arange(3)
    panels = _pictures.stats_panels(ff.column_stats(x))
    figure = _pictures.figure_of(_pictures.named(panels, name) if name else panels)
    figure.draw_without_rendering()
    axes, = figure.axes
    flags = [line.get_window_extent() for line in axes.lines if line.get_label() != "mean"]
    words = f"{n:,} columns"
    assert len(flags) == 4 and title(axes).startswith(f"{name}: {words}" if name else words)
    text, = (text for text in axes.get_children() if isinstance(text, Text) and text.get_text() == title(axes))
    assert text.get_window_extent().y0 > max(flag.y1 for flag in flags)


@pytest.mark.parametrize("n", [3, 60, 1000])
def test_the_axis_of_values_says_what_its_scale_is(n):
    x = 1 + np.random.default_rng(0).random((3, n))
    for largest, words in ((2, "value"), (1e9, "value, symmetric logarithm")):
        x[0, 0] = largest
        axes = ranges(ff.column_stats(x))
        assert (axes.get_xlabel() if n <= 40 else axes.get_ylabel()) == words


@pytest.mark.parametrize("n", [3, 60, 1000])
def test_standard_deviations_are_drawn_within_the_range_of_their_column(n):
    x = np.random.default_rng(0).lognormal(0, 3, (50, n))
    assert (x.mean(axis=0) < x.std(axis=0)).all()
    axes = ranges(ff.column_stats(x))
    if axes.patches:
        (high, _, low), (above, _, below) = (band.get_data() for band in axes.patches)
    else:
        down = int(n > 40)
        (low, high), (below, above) = (np.array([path.vertices[:, down] for path in band.get_paths()]).T
                                       for band in axes.collections)
    assert (below == low).all() and (above < high).any() and (above <= high).all()


def test_columns_that_causes_name_are_marked_beside_what_statistics_flag():
    x = np.random.default_rng(0).normal(size=(40, 4))
    x[::5, 1], x[:, 2], x[3, 3] = -999, 7, nan
    found = ff.diagnose(x, columns=["a", "b", "c", "d"])
    assert {cause.code: cause.column for cause in found} == {"sentinel": 1, "constant": 2, "nan": 3}
    _, axes = figure_of(found).axes
    assert marks(axes)["other causes: 1 column"][0] == [1] and marks(axes)["constant: 1 column"][0] == [2]
    assert title(axes) == "4 columns, 3 of them flagged"


def test_columns_that_causes_name_are_found_beside_others_that_were_not_scanned():
    pandas = require("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"t": list("ab") * 20, "a": rng.normal(size=40), "u": list("ab") * 20})
    frame["b"] = [-999.0, *rng.normal(size=39)]
    found = ff.diagnose(frame)
    assert [(cause.code, cause.column) for cause in found] == [("sentinel", 3)]
    assert found.flags()["other causes"].tolist() == [False, True]
    frame.columns = ["t", "b", "b (not scanned)", "b"]
    assert ff.diagnose(frame).flags()["other causes"].tolist() == [False, True]


def test_near_constant_is_what_the_diagnosis_means_by_it():
    x = np.array([[1e8, 1e15], [1e8 + 1, 1e15 + 1], [1e8, 1e15]])
    for target, near in (("float32", [True, True]), ("float64", [False, True]), ("float16", [True, True])):
        found = ff.diagnose(x, target_dtype=target)
        assert found.flags()["near constant"].tolist() == near
        assert [column in {c.column for c in found if c.code == "near-constant"} for column in (0, 1)] == near


@pytest.mark.parametrize("n", [1, 3, 40, 150, 1000])
def test_no_number_is_too_large_or_too_small_to_draw(n):
    extremes = np.array([[1e308, 1e-320, nan, 0, inf, 5e-324], [-1.7e308, 0, nan, 0, -inf, -5e-324],
                         [1.79e308, -1e-320, nan, 0, inf, 1e-320]])
    for part in (extremes, extremes[:, 1:2], extremes[:, 5:], extremes[:, :1], extremes[:, 2:3], extremes[:, 4:5]):
        stats = ff.column_stats(np.resize(part, (3, n)))
        axes = ranges(stats)
        axes.figure.savefig(BytesSink())
        for lines in (*axes.collections, *axes.patches):
            assert lines.get_visible()
        assert np.isfinite([*axes.get_xlim(), *axes.get_ylim()]).all()


class BytesSink:
    """A file that keeps nothing."""

    def write(self, data):
        return len(data)

    def flush(self):
        pass


@pytest.mark.parametrize("sizes", [[1.0, 1e9], [3e-320, 1e300], [5.0, 6.0], [1e308, 1.7e308], [5e-324, 1e-320], [0.0],
                                   [1e-12, 1.0, inf, nan], [100.0, 2999.0, 3001.0]])
def test_the_scale_keeps_the_order_and_its_ticks_say_what_is_there(sizes):
    sizes = np.array(sizes)
    scale = Scale(sizes)
    finite = sizes[np.isfinite(sizes)]
    values = np.unique(np.concatenate([-finite, [0.0], finite, finite / 3]))
    places = scale(values)
    assert (np.diff(places) >= 0).all() and (places == -scale(-values)).all() and (scale(np.zeros(1)) == 0).all()
    assert np.abs(places).max() <= 21
    low, high = scale(np.array([-finite.max(), finite.max()]))
    ticks, texts = scale.ticks(low, high)
    assert 1 <= len(ticks) == len(set(texts)) <= 11 and all(low <= t <= high for t in ticks)
    close = 1e-2 if finite.max() < 1e-300 else 1e-9       # the least numbers have few digits
    np.testing.assert_allclose(scale(np.array([float(text) for text in texts])), ticks, rtol=close, atol=1e-12)


def test_close_values_far_from_zero_are_told_apart():
    axes = ranges(ff.column_stats(np.array([[1e8], [1e8 + 2]])))
    assert labels(axes.xaxis)[0] == "100000000" and labels(axes.xaxis)[-1] == "100000002"


@pytest.mark.parametrize(("x", "axis", "names"), [
    (np.ones((4, 2, 3)), 0, [str((i, j)) for i in range(2) for j in range(3)]),
    (np.ones((4, 2)), None, [""]),
    (np.ones((4, 2)), 1, ["0", "1", "2", "3"]),
])
def test_columns_without_names_are_called_by_their_index(x, axis, names):
    assert labels(ranges(ff.column_stats(x, axis=axis)).yaxis) == names


# ---- saturation --------------------------------------------------------------------------------------


def test_a_histogram_with_its_saturated_region():
    z = np.concatenate([np.linspace(-10, 10, 98), [-17.0, 20.0]])
    histogram = saturation(z, of_name("float32", "target_dtype"))
    axes = drawn(draw_saturation, histogram)
    steps = next(patch for patch in axes.patches if hasattr(patch, "get_data"))
    counts, edges, base = steps.get_data()
    np.testing.assert_array_equal(counts, histogram.counts)
    np.testing.assert_array_equal(edges, histogram.edges)
    assert base == 0 and axes.get_xlabel() == "logit" and axes.get_ylabel() == "rows"
    assert title(axes) == "2% saturated: 15.9 or more from undecided"
    low, high = axes.get_xlim()
    edge = 23 * np.log(2)
    shaded = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches if patch is not steps]
    assert {tuple(sorted(span)) for span in shaded} == {(low, -edge), (edge, high)}
    assert all(patch.get_hatch() for patch in axes.patches if patch is not steps)
    assert [line.get_xdata()[0] for line in axes.lines] == [-edge, edge]


def test_a_margin_without_sign_is_saturated_on_one_side():
    axes = drawn(draw_saturation, Histogram(np.array([0.0, 1, 2]), np.array([5, 2]), (4.0,), "margin", 0.0))
    assert [line.get_xdata()[0] for line in axes.lines] == [4.0] and axes.get_xlim() == (0, 4.6)
    assert title(axes) == "0% saturated: 4 or more from undecided"


def test_one_among_many_has_a_bar():
    for most, scale in ((99, "linear"), (1000, "log")):
        axes = drawn(draw_saturation, Histogram(np.array([0.0, 1, 2]), np.array([most, 1]), (1.0,), "margin", 0.1))
        assert axes.get_yscale() == scale and axes.get_ylim()[0] < 1
    assert "1,000" in labels(axes.yaxis)


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (1e-9, "less than 0.01%"), (0.0012, "0.12%"), (0.5, "50%"),
                                             (0.996, "99.60%"), (1 - 1e-9, "more than 99.99%"), (1, "100%")])
def test_a_share_says_neither_none_nor_all_where_it_is_not(share, text):
    assert share_text(share) == text


# ---- counts of a scan --------------------------------------------------------------------------------


def test_counts_by_column_are_stacked_by_kind():
    x = np.array([[nan, inf, 1.0], [nan, nan, 1e30], [inf, 1.0, 2.0]])
    axes, = ff.scan(x, axis=0, target_dtype="float16").plot(Figure()).axes
    bars = {bar.get_label(): [(patch.get_y(), patch.get_height()) for patch in bar] for bar in axes.containers}
    assert bars == {"nan": [(0, 2), (0, 1), (0, 0)], "+inf": [(2, 1), (1, 1), (0, 0)],
                    "overflow of float16": [(3, 0), (2, 0), (0, 1)]}
    assert len({bar[0].get_hatch() for bar in axes.containers}) == 3
    assert title(axes) == "3 nan, 2 +inf, 1 overflow of float16 in 3 of 3 columns" and axes.get_xlabel() == "column"


def test_counts_by_row_are_binned_where_there_are_many():
    x = np.zeros((5001, 2))
    x[4000], x[5000, 0] = nan, -inf
    axes, = ff.scan(x, axis=1).plot(Figure()).axes
    nans, infs = axes.containers
    assert len(nans) == 193 and axes.get_xlabel() == "row, 26 a bar"
    found = [(patch.get_x() + patch.get_width() / 2, patch.get_height()) for bar in (nans, infs) for patch in bar
             if patch.get_height()]
    assert found == [(pytest.approx(4000 // 26 * 26 + 12.5), 2), (pytest.approx(4996), 1)]
    assert title(axes) == "2 nan, 1 -inf in 2 of 5,001 rows"


def test_a_low_bar_beside_a_high_one_has_a_mark():
    x = np.zeros((1000, 3))
    x[:, 0], x[0, 2] = nan, nan
    axes, = ff.scan(x, axis=0).plot(Figure()).axes
    mark, = axes.lines
    assert mark.get_xdata() == [2]


def test_a_clean_scan_says_so():
    axes, = ff.scan(np.ones((4, 3)), axis=0).plot(Figure()).axes
    assert title(axes) == "nothing found in 3 columns" and not axes.containers


@pytest.mark.parametrize("report", [ff.scan(np.ones((2, 2))), ff.scan(np.ones(3)), ff.scan(np.ones(3), axis=0),
                                    ff.scan(np.ones((2, 2, 2)), axis=0)])
def test_other_scans_have_no_picture(report):
    with pytest.raises(ValueError, match=r"two-dimensional data, such as scan\(x, axis=0\); this report is of shape"):
        report.plot(Figure())


# ---- names -------------------------------------------------------------------------------------------


def diagnosis(names=None, logits=True):
    x = np.random.default_rng(0).normal(size=(20, len(names) if names else 9))
    x[3, 1], x[:, 2] = nan, 7
    samples = Samples(x.shape, names, ff.ColumnStats(names=names).update(x), np.arange(x.shape[1]), lambda columns: [])
    samples.bad_map = map_of(~np.isfinite(x), names)
    z = saturation(x[:, 0] * 30, of_name("float32", "target_dtype")) if logits else None
    return Diagnosis([], samples, "float32", z)


def figure_of(diagnosis, **options):
    return _pictures.figure_of(_pictures.diagnosis_panels(diagnosis), **options)


def test_names_are_text_escaped_and_shortened():
    figure = figure_of(diagnosis(HOSTILE))
    figure.savefig(BytesSink())
    where, ranges, _ = figure.axes
    assert labels(where.xaxis) == labels(ranges.yaxis) == SHOWN
    for text in (*where.xaxis.get_ticklabels(), *ranges.yaxis.get_ticklabels()):
        assert not text.get_parse_math() and not text.get_usetex()


def test_names_of_a_scanned_frame():
    pandas = require("pandas")
    frame = pandas.DataFrame([[nan] * len(HOSTILE)], columns=[*HOSTILE[:-1], "z"])
    axes, = ff.scan(frame, axis=0).plot(Figure()).axes
    axes.figure.draw_without_rendering()
    assert labels(axes.xaxis) == [*SHOWN[:-1], "z"]


def texts_of(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_svg_is_well_formed_and_holds_names_as_text():
    svg = _pictures.as_svg(figure_of(diagnosis(HOSTILE)))
    assert svg.startswith("<svg") and "<script" not in svg
    texts = texts_of(svg)
    assert all(texts.count(name) == 2 for name in SHOWN)
    assert "9 columns, 2 of them flagged" in texts


def test_svg_for_a_browser_keeps_every_character():
    texts = texts_of(_pictures.as_svg(figure_of(diagnosis(HOSTILE), svg=True)))
    assert texts.count("身高") == 2 and texts.count("\\ud800") == 2 and "\\u8eab\\u9ad8" not in texts


# ---- figures -----------------------------------------------------------------------------------------


def test_panels_that_have_nothing_to_show_are_left_out():
    assert len(_pictures.diagnosis_panels(diagnosis())) == 3
    for name, nothing in (("saturation", None), ("bad_map", BadMap(9)), ("stats", ff.ColumnStats())):
        setattr(found := diagnosis(), name, nothing)
        assert len(_pictures.diagnosis_panels(found)) == 2
    figure = _pictures.figure_of([])
    assert len(figure.axes) == 1 and not figure.axes[0].axison


def test_a_figure_is_as_high_as_its_panels():
    panels = [Panel(lambda axes, style: None, height) for height in (1.0, 3.0)]
    figure = _pictures.figure_of(panels)
    assert figure.get_size_inches().tolist() == [9, 4]
    figure.draw_without_rendering()
    first, second = (axes.get_window_extent().height for axes in figure.axes)
    assert second == pytest.approx(3 * first)


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    written = []
    for name in ("a", "b"):
        figure = figure_of(diagnosis(HOSTILE))
        for suffix in (".svg", ".png"):
            _pictures.save(figure, tmp_path / (name + suffix))
            written.append((tmp_path / (name + suffix)).read_bytes())
        written.append(_pictures.as_svg(figure))
    assert written[:3] == written[3:] and written[-1] == _pictures.as_svg(figure)
    assert written[1].startswith(b"\x89PNG\r\n") and b"<?xml" in written[0][:10]
    assert "date" not in written[2].lower().replace("data", "")


@pytest.mark.parametrize("name", ["a.pdf", "a", "png", "a.svgz"])
def test_other_files_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"path must end in \.png or \.svg, not"):
        _pictures.save(_pictures.figure_of([]), tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("dark", "style"), [(False, LIGHT), (True, DARK)])
def test_light_and_dark(dark, style):
    figure = figure_of(diagnosis(), dark=dark)
    assert figure.get_facecolor() == to_rgba(style.ground)
    figure.draw_without_rendering()
    assert {to_rgba(text.get_color()) for text in figure.findobj(Text) if text.get_text()} == {to_rgba(style.ink)}
    assert f"fill: {style.ground}" in _pictures.as_svg(figure)


def test_a_figure_that_is_given_keeps_its_ground_and_the_colours_fit_it():
    for ground, style in (("black", DARK), ("#fafafa", LIGHT), ("#203040", DARK)):
        figure = Figure(facecolor=ground)
        assert ff.column_stats(np.eye(3)).plot(figure) is figure
        assert figure.get_facecolor() == to_rgba(ground)
        assert figure.axes[0].title.get_color() != style.ground
        assert figure.axes[0].xaxis.label.get_color() == style.ink


def test_a_part_of_a_figure_can_be_given():
    left, right = Figure((12, 4), layout="constrained").subfigures(1, 2)
    assert ff.column_stats(np.eye(3)).plot(left) is left
    assert ff.scan(np.full((3, 3), nan), axis=0).plot(right) is right
    left.figure.draw_without_rendering()
    assert len(left.axes) == len(right.axes) == 1


def test_settings_stay_as_they_are_and_those_of_the_user_do_no_harm():
    changed = {"axes.grid": True, "text.parse_math": True, "svg.fonttype": "path", "axes.spines.top": False,
               "savefig.facecolor": "red", "savefig.bbox": "tight", "image.cmap": "jet"}
    plain = _pictures.as_svg(figure_of(diagnosis(HOSTILE), dark=True))
    with matplotlib.rc_context(changed):
        before = dict(matplotlib.rcParams)
        figure = figure_of(diagnosis(HOSTILE), dark=True)
        svg = _pictures.as_svg(figure)
        assert dict(matplotlib.rcParams) == before
    assert texts_of(svg) == texts_of(plain) and f"fill: {DARK.ground}" in svg
    assert not figure.axes[0].xaxis.get_gridlines()[0].get_visible()


def test_only_plot_without_a_figure_asks_pyplot(run_python):
    run_python("""
import sys, numpy as np, fastfinite as ff
from matplotlib.figure import Figure
from fastfinite import _pictures
stats, report = ff.column_stats(np.eye(3)), ff.scan(np.full((3, 3), np.nan), axis=0)
panels = _pictures.diagnosis_panels(ff.diagnose(np.eye(3)))
_pictures.as_svg(_pictures.figure_of(panels)), stats.plot(Figure()), report.plot(Figure())
assert "matplotlib.pyplot" not in sys.modules
figure = stats.plot()
from matplotlib import pyplot
assert pyplot.gcf() is figure and len(figure.axes) == 1
assert report.plot() is pyplot.gcf() is not figure and len(pyplot.get_fignums()) == 2
""", MPLBACKEND="agg")


def test_without_matplotlib_the_remedy_is_named(fail_python):
    line = fail_python("import sys; sys.modules['matplotlib'] = None\n"
                       "import numpy as np, fastfinite as ff; ff.column_stats(np.eye(3)).plot()")
    assert line == "ImportError: pictures need matplotlib: pip install 'fastfinite[plot]'"

"""ColumnStats as a table, in plain text and in HTML."""

import re

import numpy as np
import pytest

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf


def named(names, x):
    return ff.ColumnStats(names=names).update(x)


def example():
    return named(["age", "size", "0.1", "bad"],
                 np.array([[20.0, 1e8, 0.1, nan], [30.0, 1e8 + 1, 0.1, inf], [40.5, 1e8 + 2, 0.1, 1.0]]))


def test_a_small_table():
    assert str(example()) == """\
ColumnStats of 4 columns
column  count  nan  inf        min        max       mean       std  flags
age         3    0    0         20       40.5    30.1667   8.36992
size        3    0    0  100000000  100000002  100000001  0.816497  near constant
0.1         3    0    0        0.1        0.1        0.1         0  constant
bad         2    1    1          1        inf        inf       nan  nan, inf"""
    assert repr(example()) == str(example())


def test_a_small_table_in_html():
    stats = named(["a"], np.array([[1.0], [3.0]]))
    assert stats._repr_html_() == (
        "<table><caption>ColumnStats of 1 column</caption><thead><tr><th>column</th><th>count</th><th>nan</th>"
        "<th>inf</th><th>min</th><th>max</th><th>mean</th><th>std</th><th>flags</th></tr></thead><tbody><tr><td>a</td>"
        "<td>2</td><td>0</td><td>0</td><td>1</td><td>3</td><td>2</td><td>1</td><td></td></tr></tbody></table>"
    )


def test_text_and_html_say_the_same():
    words = re.split(r"  +", str(example()).splitlines()[-1])
    cells = re.findall("<td>(.*?)</td>", example()._repr_html_())[-9:]
    assert words == cells


def test_names_are_escaped_in_html():
    text = named(["<script>alert('x')</script>", "a&b"], np.ones((2, 2)))._repr_html_()
    assert "<script" not in text and "a&amp;b" in text and "&lt;script&gt;" in text


def test_control_characters_and_long_names_do_not_break_the_table():
    names = ["a\nb", "c\td", "\x1b[31mred", "x" * 100, "\u202eabc", "é 名"]
    stats = named(names, np.ones((2, 6)))
    lines = str(stats).splitlines()
    assert len(lines) == 8 and all(line.isprintable() for line in lines) and max(map(len, lines)) < 120
    assert "\x1b" not in stats._repr_html_() and "é 名" in lines[-1]


@pytest.mark.parametrize("columns", [30, 31, 100, 1000])
def test_of_many_columns_those_that_matter_come_first(columns):
    x = np.random.default_rng(0).standard_normal((10, columns))
    x[:, columns - 1], x[3, columns - 2], x[4, columns - 3] = 5, nan, inf
    x[:, columns - 4] = 1e9 + np.arange(10)
    x[:, columns - 5] = nan
    lines = str(ff.column_stats(x)).splitlines()
    assert lines[0] == f"ColumnStats of {columns} columns"
    shown = [line.split()[0] for line in lines[2:32]]
    if columns == 30:
        assert shown == [str(j) for j in range(30)] and len(lines) == 32
        return
    assert set(shown[:5]) == {str(columns - j) for j in range(1, 6)}
    assert shown[5:] == [str(j) for j in range(25)]
    assert len(lines) == 33 and f"{columns - 30} more column" in lines[-1]
    assert ff.column_stats(x)._repr_html_().count("<tr>") == 31


def test_what_is_left_out_is_not_called_unremarkable_when_it_is_not():
    lines = str(ff.column_stats(np.ones((3, 50)))).splitlines()
    assert "20 more columns" in lines[-1] and lines[2].endswith("constant")


def test_one_column_more_is_one_column():
    x = np.random.default_rng(0).standard_normal((10, 31))
    assert str(ff.column_stats(x)).splitlines()[-1] == "... and 1 more column"


def test_columns_of_more_dimensions_and_of_none():
    lines = str(ff.column_stats(np.zeros((2, 2, 3)))).splitlines()
    assert [line[:6] for line in lines[2:]] == ["(0, 0)", "(0, 1)", "(0, 2)", "(1, 0)", "(1, 1)", "(1, 2)"]
    assert str(ff.column_stats(np.arange(5.0), axis=None)).splitlines()[0] == "ColumnStats of 1 column"
    assert len(str(ff.column_stats(np.arange(5.0), axis=None)).splitlines()) == 3


def test_nothing_yet():
    assert str(ff.ColumnStats()) == str(ff.column_stats(np.empty((3, 0)))) == "ColumnStats of 0 columns"
    assert "empty" in str(ff.column_stats(np.empty((0, 1))))
    assert "empty" in str(ff.ColumnStats(names=["a"])) and "<table>" in ff.ColumnStats()._repr_html_()


def test_flags_are_those_of_the_functions():
    x = np.array([[1.0, 1e8, nan, 0.0, 1e-300], [1.0, 1e8 + 8, nan, 5e-324, 2e-300]])
    flags = [line.partition("  ")[2] for line in str(ff.column_stats(x)).splitlines()[2:]]
    assert [("constant" in f, "near" in f, "empty" in f) for f in flags] == [
        (True, False, False), (True, True, False), (False, False, True), (False, False, False), (False, False, False)]
    assert ff.near_constant_columns(x, rtol=1e-6).tolist() == [False, True, False, False, False]


def test_huge_and_tiny_numbers_keep_the_columns_in_line():
    x = np.array([[1e308, 5e-323, -123456789.123], [-1e308, 0, 1e-5]])
    lines = str(ff.column_stats(x)).splitlines()
    ends = [match.end() for match in re.finditer(r"\S+", lines[1])][1:-1]
    for line in lines[2:]:
        assert [match.end() for match in re.finditer(r"\S+", line)][1:] == ends

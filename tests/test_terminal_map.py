"""The map of the bad values in the terminal: what is drawn, that it is all of what the scan found, and when."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from optional import require

from fastfinite import _files, _formats, _scan_files, _terminal_map
from fastfinite._bad_map import BadMap
from fastfinite._cli import main
from fastfinite._fill_map import ArrayMap, TableMap
from fastfinite._terminal_map import lines_of

pytestmark = pytest.mark.usefixtures("in_tmp_path")
NAN, INF = np.nan, np.inf
FLOAT16 = _formats.of_name("float16", "target_dtype")


def drawn(bad, *size, names=None, depth=1, **options):
    """The map of these counts of bad values."""
    found = BadMap(bad.shape[1], names, depth)
    for start, stop in found.split(0, len(bad)):
        found.add(bad[start:stop].sum(axis=0), start, np.arange(bad.shape[1]))
    return lines_of(found, *(size or (72, 10)), **options)


# ------------------------------------------------------------------------------------------------ drawing


def test_a_cell_is_the_darker_the_more_of_it_is_bad():
    bad = np.zeros((800, 20), int)
    for column, rows in enumerate([0, 1, 26, 27, 53, 54, 79, 80]):
        bad[:rows, column] = 1
    bad[640:] = 1
    assert drawn(bad) == [
        "  0 │ ░░▒▒▓▓█            │",
        " 80 │                    │",
        "160 │                    │",
        "240 │                    │",
        "320 │                    │",
        "400 │                    │",
        "480 │                    │",
        "560 │                    │",
        "640 │████████████████████│",
        "720 │████████████████████│",
        "     0                 19",
        "     one cell: 80 rows x 1 column; ░ some bad, █ all",
    ]
    assert drawn(bad, blocks=False)[:2] == ["  0 | ..::**#            |", " 80 |                    |"]
    assert drawn(bad, blocks=False)[-1] == "     one cell: 80 rows x 1 column; . some bad, # all"
    assert all(line.isascii() for line in drawn(bad, blocks=False, names=[*"é" * 20]))


def test_of_one_column_rows_go_to_the_right():
    bad = np.zeros((1000, 1), int)
    bad[:100] = bad[999] = 1
    assert drawn(bad, 40, 10) == [
        "│███░                           ░│",
        " 0                            999",
        " one cell: 32 rows; ░ some bad, █ all",
    ]
    assert drawn(bad[:1]) == ["│█│", " 0", " one cell: 1 row; ░ some bad, █ all"]


@pytest.mark.parametrize("width", [20, 24, 40, 72, 200])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (5, 2), (129, 70), (5000, 1), (70_000, 2050), (3, 5000)])
def test_one_bad_value_is_never_blank_and_no_line_is_too_long(shape, width):
    for row, column in ((0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 3)):
        found = BadMap(shape[1])
        found.reach(shape[0])
        found.add(np.ones(1, int), row, np.array([column]))
        lines = lines_of(found, width, 10)
        assert len(lines) <= 12 and all(len(line) <= width for line in lines)
        # With so many digits of rows a narrow terminal has no room.
        assert sum(map("".join(lines[:-1]).count, "░▒▓█")) == (1 if lines else 0)
        assert lines or width - len(str(shape[0])) < 21


def test_what_is_empty_is_not_drawn():
    assert lines_of(BadMap(3), 72, 10) == lines_of(BadMap(0), 72, 10) == drawn(np.zeros((3, 0), int)) == []
    assert drawn(np.ones((3, 3), int), 5, 10) == []


def test_names_stand_below_and_cannot_write_to_the_terminal():
    bad = np.ones((2, 12), int)
    assert drawn(bad, names=["age", *"b" * 10, "size"])[-2] == "   age     size"
    assert drawn(bad, names=["\x1b[2J", *"b" * 10, "a\nbc"])[-2] == r"   \x1b[2J to a\nbc"
    assert drawn(bad, blocks=False, names=["\x1b", *"b" * 10, "é\ud800"])[-2] == r"   \x1b to \xe9\ud800"
    long = drawn(bad, 40, 10, names=["年" * 30, *"b" * 10, "z" * 30])[-2]
    assert long == "   " + "年" * 6 + "... to " + "z" * 13 + "..."


def test_where_there_are_axes_between_a_cell_is_full_when_all_of_them_are_bad():
    assert drawn(np.full((4, 2), 3), depth=3)[0] == "0 │██│"
    assert drawn(np.full((4, 2), 2), depth=3)[0] == "0 │▓▓│"


# ------------------------------------------------------------------------------------------------ filling


def map_of_array(path, target=None, allow_nan=False):
    (source,), _ = _files.find([str(path)])
    for item in _files.arrays_of(source):
        found = ArrayMap(item, target, allow_nan)
        _scan_files.scan_array(item, target_dtype=target, allow_nan=allow_nan, look_again=found.add)
    return found.bad_map


def map_of_table(path, target=None, allow_nan=False):
    (source,), _ = _files.find([str(path)])
    for item in _files.arrays_of(source):
        found = TableMap(item, target, allow_nan)
        columns = list(
            _scan_files.scan_table(item, target_dtype=target, allow_nan=allow_nan, look_again=found.add)
        )
    return found.joined(*columns[0].shape)


def expected(bad):
    """The grid of a mask of rows, others, columns, by definition."""
    flat = bad.reshape(len(bad), -1, bad.shape[-1] if bad.ndim > 1 else 1).sum(axis=1)
    rows = 1
    while len(bad) > 128 * rows:
        rows *= 2
    return np.add.reduceat(flat, np.arange(0, len(bad), rows), axis=0)


def planted(shape, dtype=np.float64):
    rng = np.random.default_rng(3)
    x = rng.normal(size=shape)
    for value in (NAN, INF, -INF, 1e6):
        x[rng.random(shape) < 0.01] = value
    return x.astype(dtype)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("limit", [8, 500, 1 << 26])
@pytest.mark.parametrize("shape", [(5,), (700,), (300, 7), (3, 40), (150, 3, 5), (2, 3, 4, 5)])
def test_every_bad_value_of_an_array_is_in_its_cell_whatever_the_blocks(shape, limit, order, monkeypatch):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", limit)
    monkeypatch.setattr(_scan_files, "COLUMNS_AT_ONCE", 3)
    x = np.asarray(planted(shape), order=order)
    np.save("x.npy", x)
    np.testing.assert_array_equal(map_of_array("x.npy").counts, expected(~np.isfinite(x)))
    np.testing.assert_array_equal(map_of_array("x.npy", FLOAT16).counts, expected(~(np.abs(x) < 65520)))
    np.testing.assert_array_equal(map_of_array("x.npy", None, True).counts, expected(np.isinf(x)))
    assert map_of_array("x.npy").sizes.sum() == x.size


def test_integers_that_overflow_are_in_the_map():
    x = np.arange(600).reshape(200, 3)
    x[150, 1] = 70_000
    np.save("x.npy", x)
    assert not map_of_array("x.npy") and np.argwhere(map_of_array("x.npy", FLOAT16).counts).tolist() == [[75, 1]]


@pytest.mark.parametrize("limit", [1, 1 << 26])
def test_fields_of_records_are_columns(limit, monkeypatch):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", limit)
    x = np.zeros((6, 2), [("id", "i4"), ("label", "U3"), ("a", "f4"), ("v", "f8", (2, 2)), ("when", "M8[s]")])
    x["a"][2, 1] = NAN
    x["v"][5, 0] = 1e6
    x["when"][0] = "NaT"
    np.save("x.npy", x)
    found = map_of_array("x.npy", FLOAT16)
    assert found.names == ["id", "a", "v", "when"] and found.shape == (6, 4)
    cells = {tuple(place): int(found.counts[tuple(place)]) for place in np.argwhere(found.counts)}
    assert cells == {(0, 3): 2, (2, 1): 1, (5, 2): 4}


def test_raw_bits_are_mapped():
    safetensors = require("safetensors.numpy")
    ml_dtypes = require("ml_dtypes")
    x = planted((300, 4), ml_dtypes.bfloat16)
    safetensors.save_file({"x": x}, "x.safetensors")
    np.testing.assert_array_equal(map_of_array("x.safetensors").counts, expected(~np.isfinite(x.astype(float))))


@pytest.mark.parametrize("chunks", [(7, 2), (400, 5)])
def test_fill_values_are_in_the_map(chunks):
    h5py = require("h5py")
    x = planted((400, 5))
    x[::9, 2] = -999
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=chunks).attrs["_FillValue"] = -999.0
    np.testing.assert_array_equal(map_of_array("x.h5").counts, expected(~np.isfinite(x) | (x == -999)))
    np.testing.assert_array_equal(map_of_array("x.h5", None, True).counts, expected(np.isinf(x)))


@pytest.mark.parametrize("limit", [100, 8 << 20])
def test_columns_of_tables_are_mapped_by_position_but_for_those_that_are_not_scanned(limit, monkeypatch):
    require("pyarrow")
    monkeypatch.setattr(_files, "STREAM_BLOCK", limit)
    x = planted((900, 2))
    words = np.where(np.isnan(x), "", x.astype(str))
    spoiled = ["nan"] * 899 + ["oops"]
    lines = [f"{a},text,{bad},{b}\n" for (a, b), bad in zip(words, spoiled)]
    with open("x.csv", "w", encoding="utf-8") as file:
        file.write("a,s,bad,b\n" + "".join(lines))
    found = map_of_table("x.csv")
    assert found.names == ["a", "s (not scanned)", "bad (not scanned)", "b"] and found.shape == (900, 4)
    np.testing.assert_array_equal(found.counts[:, [0, 3]], expected(~np.isfinite(x)))
    assert not found.counts[:, [1, 2]].any()


@pytest.mark.parametrize("group", [10, 1000])
def test_values_of_lists_are_in_the_cells_of_their_rows(group):
    pyarrow = require("pyarrow")
    parquet = require("pyarrow.parquet")
    lists = [[1.0] * (i % 4) for i in range(1000)]
    lists[7] = [NAN, 1.0, INF]
    lists[500] = None
    lists[998] = [1.0, None]
    dates = pyarrow.array([None if i == 3 else i for i in range(1000)], pyarrow.timestamp("s"))
    table = pyarrow.table({"x": np.full(1000, 1e6), "y": pyarrow.array(lists), "when": dates})
    parquet.write_table(table, "x.parquet", row_group_size=group)
    found = map_of_table("x.parquet")
    assert found.rows_per_bin == 8
    cells = {tuple(place): int(found.counts[tuple(place)]) for place in np.argwhere(found.counts).tolist()}
    assert cells == {(0, 1): 2, (62, 1): 1, (124, 1): 1, (0, 2): 1}
    assert map_of_table("x.parquet", FLOAT16).counts[:, 0].sum() == 1000
    assert map_of_table("x.parquet", None, True).counts.sum() == 1


# ------------------------------------------------------------------------------------------------ on the command line


def mapped(capsys, *arguments):
    """The lines of stdout but for the summary, and whether a map is among them."""
    main(["check", *arguments])
    lines = capsys.readouterr().out.splitlines()
    return lines, any("one cell:" in line for line in lines)


def test_the_map_follows_what_was_found(capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")
    x = np.ones((4, 3))
    x[2:, 1] = NAN
    np.save("x.npy", x)
    np.save("y.npy", np.ones(3))
    np.save("z.npy", np.float64(NAN))
    assert mapped(capsys, "--map", "always", "--columns", "x.npy", "y.npy", "z.npy")[0][:-1] == [
        "x.npy (4 x 3 float64) has 2 non-finite values: 2 nan; first nan at row 2, column 1",
        "  column 1: 2 nan",
        "0 │   │",
        "1 │   │",
        "2 │ █ │",
        "3 │ █ │",
        "   0 2",
        "   one cell: 1 row x 1 column; ░ some bad, █ all",
        "y.npy (3 float64) is finite: 3 values",
        "z.npy (float64 scalar) has 1 non-finite value: 1 nan; first nan",
    ]
    monkeypatch.setenv("LC_ALL", "C")
    assert mapped(capsys, "--map", "always", "x.npy")[0][3] == "2 | # |"


def test_the_readme_shows_what_is_drawn(capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")
    root = Path(__file__).parents[1]
    if not (root / "examples").is_dir():
        pytest.skip("the examples are in the source tree only")
    lines, _ = mapped(capsys, "--map", "always", str(root / "examples" / "breast_cancer_faulty.npy"))
    assert "```\n{}\n```".format("\n".join(lines[1:-1])) in (root / "README.md").read_text(encoding="utf-8")


def test_the_map_of_a_table_follows_its_columns(capsys, monkeypatch):
    require("pyarrow")
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    with open("x.csv", "w", encoding="utf-8") as file:
        file.write("a,b,text\n1,nan,x\n1,2,y\n")
    lines, _ = mapped(capsys, "--map", "always", "--quiet", "x.csv")
    assert lines[:-1] == [
        "x.csv: b (2 float64) has 1 non-finite value: 1 nan; first nan at row 0",
        "0 │ █ │",
        "1 │   │",
        "   a to text (not scanned)",
        "   one cell: 1 row x 1 column; ░ some bad, █ all",
    ]


def test_the_map_is_for_terminals_unless_it_is_asked_for(capsys, monkeypatch):
    np.save("x.npy", np.full((3, 3), NAN))
    np.save("y.npy", np.ones((3, 3)))
    made = []
    monkeypatch.setattr(_scan_files, "scan_array", spied(_scan_files.scan_array, made))
    for terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        assert mapped(capsys, "x.npy")[1] is terminal
        assert mapped(capsys, "--map", "always", "x.npy")[1] is True
        assert mapped(capsys, "--map", "never", "x.npy")[1] is False
        assert made == [terminal, True, False]
        made.clear()
        assert mapped(capsys, "--map", "always", "y.npy")[1] is False
        assert mapped(capsys, "--map", "always", "--allow-nan", "x.npy")[1] is False
        made.clear()
        main(["check", "--json", "--map", "always", "x.npy"])
        assert json.loads(capsys.readouterr().out)["arrays"][0]["nan"] == 9 and made == [False]
        made.clear()


def spied(scan, made):
    """As `scan`, noting whether a map is filled."""

    def spy(*arguments, **options):
        made.append(options["look_again"] is not None)
        return scan(*arguments, **options)

    return spy


@pytest.mark.parametrize("encoding, plain", [("utf-8", False), ("cp437", False), ("latin-1", True), ("ascii", True)])
def test_blocks_are_drawn_where_the_encoding_has_them(encoding, plain, monkeypatch, tmp_path):
    for name in ("LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    found = BadMap(2)
    found.reach(1)
    found.add(np.ones(2, int), 0, np.arange(2))
    with open(tmp_path / "out", "w", encoding=encoding) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert _terminal_map.lines_on_stdout(found)[0] == ("0 |##|" if plain else "0 │██│")

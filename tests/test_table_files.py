"""Tables in files: Parquet, Arrow and CSV, written by pyarrow, pandas and by hand."""

import datetime
import decimal
import gzip
import sys
from pathlib import Path

import file_fuzz
import numpy as np
import pytest
import reference
from file_checks import LINUX, peak_of
from optional import require

pyarrow = require("pyarrow")
import pyarrow.csv as arrow_csv  # noqa: E402
import pyarrow.feather as feather  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402

from fastfinite import _files  # noqa: E402
from fastfinite._cli import main  # noqa: E402

pytestmark = pytest.mark.usefixtures("in_tmp_path")
NAN, INF = np.nan, np.inf


def write_parquet(table, name="x.parquet", **options):
    parquet.write_table(table, name, **options)
    return name


def write_file(table, name="x.arrow", **options):
    with pyarrow.ipc.new_file(name, table.schema, options=pyarrow.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=1000)
    return name


def write_stream(table, name="x.arrow", **options):
    with pyarrow.ipc.new_stream(name, table.schema, options=pyarrow.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=1000)
    return name


WRITERS = {
    "parquet": write_parquet,
    "parquet, small groups and pages": lambda t: write_parquet(
        t, row_group_size=70, data_page_size=100, use_dictionary=False, version="2.6", data_page_version="2.0"
    ),
    "parquet, zstd and checksums": lambda t: write_parquet(t, compression="zstd", write_page_checksum=True),
    "feather": lambda t: feather.write_feather(t, "x.feather", chunksize=99) or "x.feather",
    "arrow file": write_file,
    "arrow file, lz4": lambda t: write_file(t, compression="lz4"),
    "arrow stream": write_stream,
    "arrow stream, zstd": lambda t: write_stream(t, compression="zstd"),
}


def csv(text, name="x.csv"):
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


# ------------------------------------------------------------------------------------------------ Parquet, Arrow


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_kind_of_column(write, check):
    n = 5000
    values = np.arange(n, dtype=float)
    values[[17, 4999]] = NAN, -INF
    missing = np.zeros(n, bool)
    missing[[3, 2500]] = True
    # What lies under a null is no value.
    under = np.where(missing, INF, 1.0)
    table = pyarrow.table({
        "double": values,
        "float": values.astype("f4"),
        "half": pyarrow.array(np.clip(values, -INF, 1).astype("f2")),
        "int": np.arange(n),
        "bool": np.arange(n) % 2 == 0,
        "nulls": pyarrow.array(under, mask=missing),
        "int nulls": pyarrow.array(np.arange(n, dtype="u1"), mask=missing),
        "bool nulls": pyarrow.array(np.arange(n) % 2 == 0, mask=missing),
        "dates": pyarrow.array([datetime.date(2020, 1, 1), None] + [datetime.date(2021, 1, 1)] * (n - 2)),
        "times": pyarrow.array(np.arange(n), pyarrow.timestamp("us")),
        "decimals": pyarrow.array([None if i == 9 else decimal.Decimal(i) for i in range(n)], pyarrow.decimal128(9, 2)),
        "text": [str(i) for i in range(n)],
        "bytes": [b"x"] * n,
        "of words": pyarrow.array(["a", "b"] * (n // 2)).dictionary_encode(),
        "of numbers": pyarrow.array(values).dictionary_encode(),
        "void": pyarrow.nulls(n),
    })
    code, found = check(write(table))
    assert code == 2
    assert list(found) == table.column_names
    status = {name: entry["status"] for name, entry in found.items()}
    assert status == dict.fromkeys(table.column_names, "non-finite") | dict.fromkeys(
        ("int", "bool", "times"), "finite") | {"text": "text", "bytes": "not scanned", "of words": "text"}
    for name in ("double", "float", "half", "of numbers"):
        entry = found[name]
        assert (entry["nan"], entry["neginf"], entry["null"], entry["first"], entry["first_kind"], entry["size"]) == (
            1, 1, 0, [17], "nan", n)
    for name in ("nulls", "int nulls", "bool nulls"):
        entry = found[name]
        assert (entry["null"], entry["posinf"], entry["first"], entry["first_kind"], entry["finite"]) == (
            2, 0, [3], "null", n - 2), name
    assert (found["dates"]["null"], found["dates"]["first"]) == (1, [1])
    assert (found["decimals"]["null"], found["decimals"]["first"]) == (1, [9])
    assert (found["void"]["null"], found["void"]["size"]) == (n, n)
    assert (found["double"]["dtype"], found["float"]["dtype"], found["half"]["dtype"]) == (
        "float64", "float32", "float16")
    assert {tuple(entry["shape"]) for entry in found.values()} == {(n,)}


def columns_with_nulls(n):
    """Cells by name of the column, None where they are null, and the columns, of which nobody says what lies there."""
    rng = np.random.default_rng(5)
    missing = (rng.random(n) < 0.1) & (np.arange(n) > 20)        # some columns have nan before their first null
    large = rng.normal(size=n) * 4e4      # some of it overflows float16
    elsewhere, everywhere = large.copy(), large.copy()
    elsewhere[np.flatnonzero(~missing)[[40, 41, 300]]] = NAN, -INF, INF
    everywhere[rng.random(n) < 0.3] = NAN
    whole = {"clean": large, "bad beside nulls": elsewhere, "nan under nulls": np.where(missing, NAN, large),
             "both": np.where(missing, INF, elsewhere), "nan anywhere": everywhere, "float": everywhere.astype("f4"),
             "half": rng.normal(size=n).astype("f2"), "int": large.astype("i4"), "bool": large > 0}
    cells = {name: np.where(missing, None, values.astype(object)) for name, values in whole.items()}
    return cells, {name: pyarrow.array(values, mask=missing) for name, values in whole.items()}


@pytest.mark.parametrize("block", [700, 8 << 20])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_columns_with_nulls_hold_what_their_cells_say(write, block, check, monkeypatch):
    monkeypatch.setattr(_files, "STREAM_BLOCK", block)      # blocks then begin inside of bytes of the bitmap
    cells, columns = columns_with_nulls(1500)
    table = pyarrow.table(columns)
    file = write(pyarrow.concat_tables([table.slice(3, 400), table.slice(403, 13), table.slice(416)]))
    for target in (None, "float16"):
        _, found = check(file, *([] if target is None else ["--target-dtype", target]))
        for name, values in cells.items():
            expected = reference.scan(values[3:], target_dtype=target)
            for count in ("nan", "posinf", "neginf", "null", "overflow", "size", "first_kind"):
                assert found[name][count] == getattr(expected, count), (name, count)
            for place in ("first", "first_overflow"):
                index = getattr(expected, place)
                assert found[name][place] == (None if index is None else list(index)), (name, place)
    _, found = check(file, "--allow-nan")
    for name, values in cells.items():
        infinite = [i for i, value in enumerate(values[3:]) if value in (INF, -INF)]
        assert found[name]["first"] == (infinite[:1] or None), name


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_nested_columns_are_scanned_leaf_by_leaf(write, check):
    points = [{"x": 1.0, "y": {"z": 1.0, "name": "a"}}, None, {"x": NAN, "y": None}] + [{"x": 2.0, "y": None}] * 300
    samples = [[1.0, 2.0], None, [], [3.0, None, INF]] + [[1.0]] * 299
    deep = [[[1.0], [NAN]], [], [[2.0, NAN]]] + [[[0.5] * 3]] * 300
    maps = [[("a", 1.0)], [], [("b", NAN), ("c", 2.0)]] + [[("a", 3.0)]] * 300
    table = pyarrow.table({
        "point": points,
        "samples": samples,
        "deep": deep,
        "fixed": pyarrow.array([[1.0, 2.0], [NAN, 3.0]] + [[0.0, 0.0]] * 301, pyarrow.list_(pyarrow.float32(), 2)),
        "map": pyarrow.array(maps, pyarrow.map_(pyarrow.string(), pyarrow.float64())),
        "plain": np.ones(303),
    })
    code, found = check(write(table))
    assert code == 1
    assert list(found) == ["point.x", "point.y.z", "point.y.name", "samples[]", "deep[][]", "fixed[]", "map[].key",
                           "map[].value", "plain"]
    assert found["point.y.name"]["status"] == found["map[].key"]["status"] == "text"
    places = {name: (entry["nan"], entry["posinf"], entry["null"], entry["first"], entry["size"])
              for name, entry in found.items() if entry["status"] == "non-finite"}
    assert places == {
        "point.x": (1, 0, 1, [1], 303),
        "point.y.z": (0, 0, 302, [1], 303),
        "samples[]": (0, 1, 2, [1], 2 + 1 + 3 + 299),
        "deep[][]": (2, 0, 0, [0], 4 + 900),
        "fixed[]": (1, 0, 0, [1], 606),
        "map[].value": (1, 0, 0, [2], 303),
    }


def test_stored_statistics_are_not_believed(check):
    # Parquet's leave NaN out, and say "no nulls" of it.
    assert check(write_parquet(pyarrow.table({"x": [1.0, NAN, 3.0]}), write_statistics=True))[0] == 1


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_tables_without_rows_or_columns(write, check):
    code, found = check(write(pyarrow.table({"a": pyarrow.array([], "float64"), "b": pyarrow.array([], "string")})))
    assert (code, found["a"]["status"], found["a"]["size"], found["b"]["status"]) == (0, "finite", 0, "text")
    code, found = check(write(pyarrow.table({})))
    assert (code, found[None]["reason"]) == (2, "the table has no columns")


@pytest.mark.parametrize("write", [WRITERS[name] for name in ("parquet", "arrow file", "arrow stream")])
def test_names_that_occur_twice_or_hold_dots(write, check):
    columns = [pyarrow.array(["a"]), pyarrow.array([NAN]), pyarrow.array([1.0]), pyarrow.array([{"b": INF}])]
    code, found = check(write(pyarrow.table(columns, ["x", "x", "a.b", "a"])))
    assert code == 1
    assert [(entry["name"], entry["status"]) for entry in found] == [
        ("x", "text"), ("x", "non-finite"), ("a.b", "finite"), ("a.b", "non-finite")]


def test_many_columns(check):
    table = pyarrow.table({f"c{i}": [float(i), NAN if i == 700 else 1.0] for i in range(1000)})
    for name in (write_parquet(table), write_file(table)):
        code, found = check(name)
        assert (code, len(found)) == (1, 1000)
        assert [key for key, entry in found.items() if entry["status"] != "finite"] == ["c700"]


def test_target_and_allowed_nan(check):
    dates = pyarrow.array([70_000] * 4, "date32")
    table = pyarrow.table({"x": [1.0, NAN, 7e4, None], "n": [1, 2, 70_000, 4], "t": dates})
    code, found = check("--target-dtype", "float16", write_parquet(table))
    assert (code, found["x"]["overflow"], found["n"]["overflow"], found["n"]["first_overflow"]) == (1, 1, 1, [2])
    assert found["t"]["overflow"] == 0
    code, found = check("--allow-nan", "x.parquet")
    assert (code, found["x"]["status"], found["x"]["null"]) == (0, "allowed", 1)


def test_the_words_of_a_table(lines):
    write_parquet(pyarrow.table({"a": [1.0, 2.0], "b": [NAN, INF], "c": ["x", "y"], "d": [b"x", b"y"]}))
    assert lines("x.parquet") == (2, [
        "x.parquet: a (2 float64) is finite: 2 values",
        "x.parquet: b (2 float64) has 2 non-finite values: 1 nan, 1 +inf; first nan at row 0",
        "x.parquet: c: not scanned: it holds text (string)",
    ], ["fastfinite: x.parquet: d: not scanned: it holds no numbers, but binary"])
    assert lines("--quiet", "x.parquet")[1] == [
        "x.parquet: b (2 float64) has 2 non-finite values: 1 nan, 1 +inf; first nan at row 0"]


def test_the_summary_counts_columns(capsys):
    write_parquet(pyarrow.table({"a": [1.0], "b": [NAN], "c": ["x"]}))
    np.save("x.npy", np.ones(2))
    main(["check", "x.parquet", "x.npy"])
    assert capsys.readouterr().out.splitlines()[-1].startswith(
        "1 array and 3 columns in 2 files: 2 finite, 1 non-finite, 1 text; ")


def test_files_of_other_kinds_and_old_ones(check):
    Path("x.feather").write_bytes(b"FEA1" + bytes(100))
    assert "version 1" in check("x.feather")[1][None]["reason"]
    for name in ("x.parquet", "x.arrow", "x.feather"):
        Path(name).write_bytes(b"0123456789" * 30)
        code, found = check(name)
        assert (code, found[None]["status"]) == (2, "error")
        assert found[None]["reason"]


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.csv", "x.tsv.gz"])
def test_without_pyarrow(name, check, monkeypatch):
    Path(name).write_bytes(gzip.compress(b"a\n1\n") if name.endswith("gz") else b"a\n1\n")
    for module in ("pyarrow", "pyarrow.csv", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    code, found = check(name)
    assert (code, found[None]["status"]) == (2, "not scanned")
    assert found[None]["reason"] == "it is read with pyarrow, which is not installed: pip install 'fastfinite[parquet]'"


# ------------------------------------------------------------------------------------------------ CSV

NAN_WORDS = ["nan", "NaN", "NAN", "-nan", "-NaN", "+nan", "#NUM!", "#DIV/0!", "nan(ind)", "-nan(ind)", "1.#QNAN",
             "-1.#IND"]
NULL_WORDS = ["", "NA", "N/A", "#N/A", "n/a", "null", "NULL", "None", "none", "<NA>"]
POSINF_WORDS = ["inf", "Inf", "INF", "+inf", "Infinity", "infinity", "+Infinity", "1e999", "1.#INF"]
NEGINF_WORDS = ["-inf", "-Inf", "-Infinity", "-INFINITY", "-1e999", "-1.#INF"]
WORDS = [(word, kind) for kind, words in (("nan", NAN_WORDS), ("null", NULL_WORDS), ("posinf", POSINF_WORDS),
                                          ("neginf", NEGINF_WORDS)) for word in words]


@pytest.mark.parametrize("word, kind", WORDS)
def test_every_spelling(word, kind, check):
    for cell in (word, f'"{word}"', f" {word} "):
        code, found = check(csv(f"a,b\n1.5,2\n{cell},3\n-7,4\n"))
        assert (code, found["a"]["status"], found["a"][kind], found["a"]["first"]) == (1, "non-finite", 1, [1]), cell
        assert (found["a"]["finite"], found["b"]["status"]) == (2, "finite")


def test_numbers_as_they_are_written(check):
    numbers = ["1", "-1", "+1", "1.", ".5", "1e5", "1E-5", "+1.5e+5", "1.5D+03", " 2 ", '"3"', "1e-999", "1" * 30]
    for first in ("1", "#NUM!"):        # by Arrow, and cell by cell
        code, found = check(csv("a,b\n" + "".join(f"{number},0\n" for number in [first, *numbers])))
        assert (found["a"]["size"], found["a"]["nan"], code) == (1 + len(numbers), int(first != "1"), int(first != "1"))


def test_na_in_a_text_column_is_text(lines):
    assert lines(csv("name,x\nNA,1\nSmith,2\nnan,3\n")) == (0, [
        "x.csv: name: not scanned: it holds text (row 1 is 'Smith')",
        "x.csv: x (3 float64) is finite: 3 values",
    ], [])


def test_numbers_and_text_in_one_column(lines):
    reason = "it holds numbers and text (row 1 is 'oops'): mend that cell or take it out"
    assert lines(csv("x,y\n1,1\noops,1\n4,1\n")) == (
        2, ["x.csv: y (3 float64) is finite: 3 values"], [f"fastfinite: x.csv: x: not scanned: {reason}"])


@pytest.mark.parametrize("bad", ["abc", "2020-01-01", "true", "12:30", "1,5", "1_000", "caf\xe9"])
@pytest.mark.parametrize("row", [0, 1, 500, 999])
def test_a_column_is_judged_by_all_its_blocks(bad, row, check, monkeypatch):
    monkeypatch.setattr(_files, "STREAM_BLOCK", 700)
    cells = ["1.5"] * 1000
    cells[row] = f'"{bad}"'
    cells[700] = "nan"
    body = "".join(f"{cell},2,{i}\n" for i, cell in enumerate(cells))
    code, found = check(csv(f"x,y,n\n{body}".encode("latin-1")))
    assert (code, found["x"]["status"]) == (2, "not scanned")
    assert f"(row {row} is '{'caf' if bad.startswith('caf') else bad}" in found["x"]["reason"]
    assert (found["y"]["status"], found["y"]["size"], found["n"]["size"]) == ("finite", 1000, 1000)


def test_blocks_add_up_to_the_whole(check, monkeypatch):
    random = np.random.default_rng(0)
    words = ["1", "2.5", "nan", "", "inf", "-inf", "-3", "1e999", "#NUM!"]
    cells = random.choice(words, (400, 3))
    text = "a;b;c\r\n" + "".join(";".join(row) + "\r\n" for row in cells)
    expected = check(csv(text))
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(_files, "STREAM_BLOCK", size)
        _, found = check("x.csv")
        for name in "abc":
            assert found[name] == expected[1][name]
    counts = [np.isin(cells[:, 1], kind).sum() for kind in (["nan", "#NUM!"], ["inf", "1e999"], ["-inf"], [""])]
    assert [found["b"][kind] for kind in ("nan", "posinf", "neginf", "null")] == counts


def test_headers(check):
    assert list(check(csv("1,2\n3,4\n"))[1]) == ["0", "1"]
    assert check("x.csv")[1]["0"]["size"] == 2
    assert list(check(csv("1,nan\n3,4\n"))[1]) == ["0", "1"]
    assert list(check(csv("a,2\n3,4\n"))[1]) == ["a", "2"]
    assert list(check(csv(",x\n0,4\n"))[1]) == ["0", "x"]
    assert check("x.csv")[0] == 0
    # As pandas writes a frame without names.
    code, found = check(csv(",0,1\n0,4,5\n"))
    assert (code, [entry["size"] for entry in found]) == (0, [1, 1, 1])
    assert [entry["name"] for entry in check(csv("x,x\n1,nan\n"))[1]] == ["x", "x"]
    code, found = check(csv("h,k"))
    assert (code, found["h"]["size"]) == (0, 0)


def test_dialects(check):
    for text in ("\ufeffa,b\r\n1,nan\r\n\r\n", '"a","b"\n"1","nan"\n', "a\tb\n1\tnan\n", "a;b\n1;nan\n", "a|b\n1|nan\n",
                 "a b\n1 nan\n", "\n\na,b\n1,nan", "a,b\r1,nan\r", 'a,b\n1,"nan"', "a;b\n1,5;nan\n2,5;1\n"):
        code, found = check(csv(text))
        assert (code, list(found), found["a"]["status"], found["b"]["nan"]) == (1, ["a", "b"], "finite", 1), text
    code, found = check(csv("1,5;2,5\n3,5;4\n"))
    assert (code, [entry["size"] for entry in found.values()]) == (0, [2, 2])
    assert check(csv('text,x\n"a, ""b""\nc",1\n"d\n\n",inf\n'))[1]["x"]["first"] == [1]
    Path("x.tsv.gz").write_bytes(gzip.compress(b"a\tb\n1\tnan\n"))
    assert check("x.tsv.gz")[1]["b"]["nan"] == 1


def test_an_empty_line_is_an_empty_cell_where_there_is_one_column(check):
    code, found = check(csv("x\n1\n\n3\n\n\n"))
    assert (code, found["x"]["null"], found["x"]["first"], found["x"]["size"]) == (1, 1, [1], 3)
    code, found = check(csv("x,y\n1,2\n\n3,4\n\n\n"))
    assert (code, found["x"]["size"]) == (0, 2)


@pytest.mark.parametrize("block", [20, 8 << 20])
def test_ragged_rows_are_told_by_line(block, lines, monkeypatch):
    monkeypatch.setattr(_files, "STREAM_BLOCK", block)
    body = "a,b,text\n" + '1,2,"x\ny"\n' * 30
    for row, count in (("3,4", 2), ("3,4,5,6", 4)):
        assert lines(csv(body + row + "\n1,2,3\n")) == (
            2, [], [f"fastfinite: x.csv: line 62 has {count} cells, the first line has 3: '{row}'"])


def test_a_quote_that_does_not_end_hides_nothing(check):
    code, found = check(csv('x,s\n1,a\n2,"b\n3,c\nnan,d\n'))
    assert (code, found[None]["status"]) == (2, "error")
    assert "quotes does not end" in found[None]["reason"]


def test_a_stream_that_was_cut_between_batches(check):
    write_stream(pyarrow.table({"x": np.ones(2000)}))
    data = Path("x.arrow").read_bytes()
    Path("x.arrow").write_bytes(data[:-8])
    code, found = check("x.arrow")
    assert (code, found["x"]["status"], found["x"]["size"]) == (2, "finite", 2000)
    assert "truncated" in found[None]["reason"]


def test_what_is_no_table(check):
    for data, words in ((b"\n\n\n", "holds no line"), ("a,b\n1,2\n".encode("utf-16"), "UTF-16")):
        code, found = check(csv(data))
        assert code == 2 and words in found[None]["reason"]
    Path("x.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n")[:-9])
    code, found = check("x.csv.gz")
    assert code == 2 and "end-of-stream" in found[None]["reason"]


def test_thousands_of_columns(check):
    rows = np.ones((5, 4000))
    rows[3, 2345] = NAN
    np.savetxt("x.csv", rows, delimiter=",", header=",".join(f"c{i}" for i in range(4000)), comments="")
    code, found = check("x.csv")
    assert (code, len(found)) == (1, 4000)
    assert [key for key, entry in found.items() if entry["status"] != "finite"] == ["c2345"]


def test_what_pandas_writes(check):
    pandas = require("pandas")
    frame = pandas.DataFrame({"x": [1.0, NAN, INF], "s": ["a", None, "c"], "n": [1, 2, 3]})
    frame.to_csv("x.csv")
    frame.to_parquet("x.parquet")
    code, found = check("x.csv")
    assert (code, found["x"]["null"], found["x"]["posinf"], found["s"]["status"]) == (1, 1, 1, "text")
    code, found = check("x.parquet")
    assert (code, found["x"]["posinf"], found["x"]["first"]) == (1, 1, [1])


# ------------------------------------------------------------------------------------------------ memory, damage

@LINUX
@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "lz4.arrow", "x.csv", "x.csv.gz"])
def test_large_tables_are_streamed(name):
    column = np.arange(5_000_000) % 1000 + 0.5
    table = pyarrow.table({f"c{i}": column for i in range(10)})     # 400 MB
    if name.endswith("parquet"):
        write_parquet(table, name, use_dictionary=False, compression="none", row_group_size=len(column))
    elif name.endswith("arrow"):
        with pyarrow.ipc.new_file(name, table.schema, options=pyarrow.ipc.IpcWriteOptions(
                compression="lz4" if "lz4" in name else None)) as writer:
            writer.write_table(table)
    else:
        part = pyarrow.BufferOutputStream()
        arrow_csv.write_csv(table.slice(0, 200_000), part, arrow_csv.WriteOptions(include_header=False))
        data = part.getvalue().to_pybytes()
        packed = gzip.compress(data, 1) if name.endswith("gz") else data
        Path(name).write_bytes(packed * (320_000_000 // len(data)))
    megabytes, code = peak_of(name)
    assert code == 0
    assert megabytes < 300


def originals():
    """Sound files to damage, by suffix."""
    n = 300
    values = np.linspace(0, 1, n)
    values[5] = NAN
    table = pyarrow.table({
        "x": values, "n": pyarrow.array(np.arange(n), mask=np.arange(n) % 7 == 0), "s": [str(i) for i in range(n)],
        "l": [[1.0] * (i % 4) for i in range(n)], "d": pyarrow.array(["a", "b", None] * (n // 3)).dictionary_encode(),
        "p": [{"a": float(i), "b": None} for i in range(n)],
        "k": pyarrow.array([1.5, 2.5, 3.5] * (n // 3)).dictionary_encode(),
    })
    files = {".parquet": [], ".arrow": [], ".csv": [], ".csv.gz": []}
    for i, options in enumerate([{}, {"compression": "zstd", "write_page_checksum": True},
                                 {"compression": "none", "use_dictionary": False, "row_group_size": 100}]):
        files[".parquet"].append(Path(write_parquet(table, f"original{i}.parquet", **options)))
    for i, options in enumerate([{}, {"compression": "lz4"}, {"compression": "zstd"}]):
        files[".arrow"] += [Path(write_file(table, f"file{i}.arrow", **options)),
                            Path(write_stream(table, f"stream{i}.arrow", **options))]
    flat = table.select(["x", "n", "s"])
    arrow_csv.write_csv(flat, "original.csv")
    files[".csv"].append(Path("original.csv"))
    Path("original.csv.gz").write_bytes(gzip.compress(Path("original.csv").read_bytes()))
    files[".csv.gz"].append(Path("original.csv.gz"))
    return files


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv", ".csv.gz"])
def test_damaged_tables(suffix, tmp_path):
    files = [path.absolute() for path in originals()[suffix]]
    folder = tmp_path / "damaged"
    folder.mkdir()
    faults = file_fuzz.faults_of(folder, files, suffix)
    assert faults == []

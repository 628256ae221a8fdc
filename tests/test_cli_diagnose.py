"""``fastfinite diagnose``: what it prints is what diagnose says, and its exit code too."""

import json
from pathlib import Path

import numpy as np
import pytest
from optional import require

import fastfinite as ff
from fastfinite._cli import main

pytestmark = pytest.mark.usefixtures("in_tmp_path")
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
TABLE = "age,dose,sick\n31,5,1\n52,5,2\n44,5,2\n28,5,1\n"


@pytest.fixture
def diagnose(capsys):
    """Run: exit code, output, complaints."""

    def run(*arguments):
        code = main(["diagnose", *arguments])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    np.save("clean.npy", X)
    np.save("y.npy", y)
    X[4, 1] = np.nan
    np.save("X.npy", X)
    return X, y


def test_arrays_and_labels_are_diagnosed_as_in_python(arrays, diagnose):
    X, y = arrays
    assert diagnose("X.npy", "y.npy") == (1, f"{ff.diagnose(X, y)}\n", "")
    assert diagnose("clean.npy", "y.npy")[0] == 0
    code, out, _ = diagnose("X.npy", "--json", "--target-dtype", "float16")
    expected = json.loads(json.dumps(ff.diagnose(X, target_dtype="float16").to_dict()))
    assert code == 1 and json.loads(out) == {
        "version": ff.__version__, "diagnoses": [{"file": "X.npy", "name": None, **expected}],
        "problems": [], "exit_code": 1}


def test_the_readme_shows_what_is_printed(diagnose):
    require("pyarrow")
    Path("table.csv").write_text(TABLE, encoding="utf-8")
    code, out, err = diagnose("table.csv", "--target", "sick")
    assert code == 1 and err == "" and f"$ fastfinite diagnose table.csv --target sick\n{out}```" in README


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_are_diagnosed_with_their_names(suffix, diagnose):
    pandas = require("pandas")
    require("pyarrow")
    frame = pandas.DataFrame({"a": [1.0, None, 3.0], "text": ["x", "y", "z"], "b": [7.0, 7.0, 7.0], "y": [0, 1, 1]})
    getattr(frame, f"to_{suffix}")(f"t.{suffix}", index=False)
    code, out, err = diagnose(f"t.{suffix}", "--target", "y", "--json")
    (found,) = json.loads(out)["diagnoses"]
    assert code == 1 and err == "" and found["not_scanned"] == ["text"]
    assert [(cause["code"], cause["column"], cause["name"]) for cause in found["causes"]] == [
        ("nan", 0, "a"), ("constant", 2, "b")]


def test_a_column_of_numbers_and_text_is_told_and_fails(diagnose):
    require("pyarrow")
    Path("t.csv").write_text("a,b\n1,2\n2,oops\n3,4\n", encoding="utf-8")
    code, out, err = diagnose("t.csv")
    assert code == 2 and "not scanned: 'b'" in out
    assert err.startswith("fastfinite: t.csv: b: not scanned: ") and "oops" in err


@pytest.mark.parametrize(("arguments", "words"), [
    (["none.npy"], "No such file"), (["X.npy", "y.npy", "y.npy"], "not 3 files"),
    (["X.npy", "--target", "a"], "--target 'a' names no array of X.npy, which has none with a name"),
    (["X.npy", "y.npy", "--target", "a"], "--target names a column of labels, and y.npy is an array"),
    (["X.npy", "none.npy"], "none.npy: No such file"), (["X.npy", "pair.npz"], "it holds 2 arrays, and labels are one"),
    (["pair.npz", "--array", "c"], "--array 'c' names no array of pair.npz, which has 'a', 'b'"),
    (["pair.npz", "y.npy"], "labels are of one array, and there are 2: choose with --array ('a', 'b')"),
    (["raw.npy"], "raw bytes of unknown meaning"), (["cut.npy"], "truncated"), (["."], "it stands for 7 files"),
    (["number.npy"], "must have rows"), (["X.npy", "number.npy"], "must have rows"),
])
def test_what_cannot_be_diagnosed_is_refused_with_a_reason(arguments, words, arrays, diagnose):
    np.savez("pair.npz", a=arrays[0], b=arrays[1])
    np.save("raw.npy", np.zeros(3, "V2"))
    np.save("number.npy", 3.0)
    Path("cut.npy").write_bytes(Path("X.npy").read_bytes()[:-8])
    code, out, err = diagnose(*arguments)
    assert code == 2 and out == "" and words in err and len(err.splitlines()) == 1


def test_the_labels_may_be_a_column_of_another_table(diagnose):
    require("pyarrow")
    X = np.random.default_rng(0).normal(size=(3, 2))
    np.save("X.npy", X)
    Path("y.csv").write_text("id,sick\n7,1\n8,2\n9,1\n", encoding="utf-8")
    assert diagnose("X.npy", "y.csv", "--target", "sick") == (1, f"{ff.diagnose(X, [1, 2, 1])}\n", "")
    assert "it is a table of 2 columns, and labels are one: name it with --target" in diagnose("X.npy", "y.csv")[2]


def test_what_cannot_be_read_is_told_in_json_and_on_the_page_too(diagnose):
    Path("cut.npy").write_bytes(b"nothing")
    code, out, err = diagnose("cut.npy", "--json", "--html", "d.html")
    found = json.loads(out)
    assert code == found["exit_code"] == 2 and found["diagnoses"] == []
    assert [f"fastfinite: {problem}\n" for problem in found["problems"]] == [err]
    assert "1 problem" in Path("d.html").read_text(encoding="utf-8")


def test_the_target_has_to_be_a_column_of_numbers(diagnose):
    require("pyarrow")
    Path("t.csv").write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
    assert "it has no column 'c'; its columns are 'a', 'b'" in diagnose("t.csv", "--target", "c")[2]
    code, out, err = diagnose("t.csv", "--target", "b")
    assert (code, err) == (1, "") and "ERROR text-labels: y: the dtype of the labels is text, dates or lists" in out


def test_lists_have_no_rows_of_their_own_and_are_listed(diagnose):
    pyarrow = require("pyarrow")
    lists = pyarrow.array([[1.0], [2.0, 3.0, np.nan], []])
    require("pyarrow.parquet").write_table(
        pyarrow.table({"a": [1.0, None, 3.0], "l": lists, "b": [1.0, 2.0, None]}), "t.parquet")
    code, out, err = diagnose("t.parquet", "--json")
    (found,) = json.loads(out)["diagnoses"]
    assert code == 1 and err == "" and found["not_scanned"] == ["l[]"]
    causes = [(cause["code"], cause["column"], cause["first"]) for cause in found["causes"]]
    assert causes == [("nan", 0, 1), ("nan", 2, 2)]

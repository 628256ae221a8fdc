"""diagnose on files: the same page as for the array in memory, whatever the format and however the file is cut."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from optional import require

import fastfinite as ff
from fastfinite import _files, _second_look

pytestmark = pytest.mark.usefixtures("in_tmp_path", "strict_errors")
nan, inf = np.nan, np.inf
NAMES = ["plain", "holes", "inf", "sentinel", "same", "price", "number", "large"]


@pytest.fixture(params=["whole", "in small parts"], autouse=True)
def parts(request, monkeypatch):
    if request.param != "whole":
        monkeypatch.setattr(_files, "MAPPED_BLOCK", 1000)
        monkeypatch.setattr(_files, "STREAM_BLOCK", 1000)
        monkeypatch.setattr(_second_look, "_CHUNK", 50)


ROWS = 300


def samples():
    """Every cause that needs a second look."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, len(NAMES)))
    x[[40, 41, 200], 1] = nan
    x[[7, 250], 2] = inf, -inf
    x[[11, 290], 3] = -999
    x[:, 4] = 7
    x[:, 5] = np.exp(6 * rng.random(ROWS)) ** 2
    x[[30, 50], 5] = 0
    x[:, 6] = 2**24 + np.arange(ROWS)
    x[77, 7] = 1e39
    return x


def page(*arguments, **options):
    return ff.diagnose(*arguments, **options).to_dict()


def save_parquet(path, x):
    parquet, pyarrow = require("pyarrow.parquet"), require("pyarrow")
    parquet.write_table(pyarrow.table(dict(zip(NAMES, x.T))), path, row_group_size=100)


def save_arrow(path, x):
    pyarrow = require("pyarrow")
    table = pyarrow.table(dict(zip(NAMES, x.T)))
    with require("pyarrow.ipc").new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=70)


def save_csv(path, x):
    require("pyarrow")
    with (gzip.open(path, "wt") if path.endswith("gz") else open(path, "w")) as file:
        np.savetxt(file, x, delimiter=",", header=",".join(NAMES), comments="")


def save_hdf5(path, x):
    with require("h5py").File(path, "w") as file:
        file.create_dataset("X", data=x, chunks=(64, 3))


def save_zarr(path, x):
    zarr = require("zarr")
    zarr.create_array(path, data=x, chunks=(64, *[3] * (x.ndim - 1)))


ARRAYS = {
    "x.npy": np.save,
    "f.npy": lambda path, x: np.save(path, np.asfortranarray(x)),
    "x.npz": lambda path, x: np.savez_compressed(path, X=x),
    "x.safetensors": lambda path, x: require("safetensors.numpy").save_file({"X": x}, path),
    "x.h5": save_hdf5,
    "x.zarr": save_zarr,
}
TABLES = {"x.parquet": save_parquet, "x.arrow": save_arrow, "x.csv": save_csv, "x.tsv.gz": save_csv}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_in_files_are_diagnosed_as_in_memory(name):
    x = samples()
    ARRAYS[name](name, x)
    expected = page(x)
    assert {cause["code"] for cause in expected["causes"]} >= {
        "nan", "inf", "overflow", "sentinel", "constant", "log-of-zero", "integer-digits", "exp-overflow"}
    assert page(name) == page(Path(name)) == expected
    assert page(name, columns=NAMES) == page(x, columns=NAMES)


@pytest.mark.parametrize("name", TABLES)
def test_tables_in_files_are_diagnosed_as_in_memory(name):
    x = samples()
    TABLES[name](name, x)
    assert page(name) == page(x, columns=NAMES)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(24,), (24, 1), (6, 5, 4), (5, 2, 3, 4), (3, 1, 2, 1, 5), (0, 3), (4, 0)])
def test_axes_but_the_first_are_columns(shape, order):
    x = np.random.default_rng(1).normal(size=shape)
    if x.size:
        x.flat[[5, x.size // 2, x.size - 1]] = nan, inf, -999
    expected = page(x)
    assert expected["shape"] == list(shape)
    np.save("x.npy", np.array(x, order=order))
    assert page("x.npy") == expected
    if order == "C" and x.size:
        save_zarr("x.zarr", x)
        assert page("x.zarr") == expected


def test_raw_bits_and_missing_values_are_read_as_what_they_are():
    ml_dtypes = require("ml_dtypes")
    x = np.array([[1.5, nan], [2.5, 3.0], [inf, 4.0]])
    save = require("safetensors.numpy").save_file
    save({"X": x.astype(ml_dtypes.bfloat16)}, "x.safetensors")
    assert page("x.safetensors") == page(x)
    with require("h5py").File("x.h5", "w") as file:
        file.create_dataset("X", data=np.array([[1, 5], [2, -9], [3, 7]])).attrs["_FillValue"] = -9
    assert page("x.h5") == page(np.array([[1, 5], [2, nan], [3, 7]]))


# ---- labels --------------------------------------------------------------------------------------------

LABELS = {
    "binary": np.arange(ROWS) % 2,
    "one and two": np.arange(ROWS) % 2 + 1.0,
    "classes": np.arange(ROWS) % 3 + 1,
    "nan": np.where(np.arange(ROWS) == 99, nan, 1.0),
    "a column": np.arange(ROWS)[:, None] % 2,
    "many": np.linspace(0, 1, ROWS) ** 2,
    "one-hot": np.where(np.arange(ROWS)[:, None] == [[250] * 5], 0.0, np.eye(5)[np.arange(ROWS) % 5]),
    "text": np.array(["a", "b"] * (ROWS // 2)),
    "other length": np.arange(ROWS + 1) % 2,
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels_in_files_are_judged_as_in_memory(labels):
    x, y = np.random.default_rng(0).normal(size=(ROWS, 2)), LABELS[labels]
    expected = page(x, y)
    assert bool(expected["causes"]) == (labels not in ("binary", "many"))
    np.save("x.npy", x)
    for order in "CF":
        np.save("y.npy", np.array(y, order=order))
        assert page(x, "y.npy") == page("x.npy", "y.npy") == expected
    if labels == "one-hot":
        with require("h5py").File("y.h5", "w") as file:
            file.create_dataset("y", data=y, chunks=(64, 2))
        assert page(x, "y.h5") == expected


@pytest.mark.parametrize("text", ["a\nx\ny\n", "a\n2020-01-01\n2021-01-01\n", "a\n1\nx\n"])
def test_a_column_that_is_no_numbers_is_a_cause_as_labels(text):
    require("pyarrow")
    Path("y.csv").write_text(text, encoding="utf-8")
    (cause,) = ff.diagnose(np.eye(2), "y.csv")
    assert (cause.code, cause.count) == ("text-labels", 2)


def test_labels_and_predictions_may_both_be_files():
    x, y, p = np.eye(4), np.array([0, 1, 1, 0]), np.array([0.0, 0.5, 0.0, 1.0])
    for name, values in (("y", y), ("p", p), ("z", 9 * p[:, None] - 3)):
        np.save(f"{name}.npy", values)
    assert page(x, "y.npy", y_pred="p.npy") == page(x, y, y_pred=p)
    assert page(x, "y.npy", logits="z.npy") == page(x, y, logits=9 * p[:, None] - 3)


def test_a_table_of_one_column_is_labels():
    require("pyarrow")
    x = np.random.default_rng(0).normal(size=(4, 2))
    Path("y.csv").write_text("sick\n1\n2\nNA\n2\n", encoding="utf-8")
    assert page(x, "y.csv") == page(x, np.array([1, 2, nan, 2]))


# ---- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "words"), [
    (("pair.npz",), "X: pair.npz: it holds 2 arrays: load the one that is meant"),
    (("x.txt",), "X: x.txt: the type of this file is not known by its name"),
    (("cut.npy",), "X: cut.npy: truncated"),
    (("number.npy",), "X: number.npy: it must have rows"),
    (([[1.0]], "wide.csv"), "y: wide.csv: it is a table of 2 columns, and labels are one"),
    ((".",), "X: .: it stands for "),
    (("records.npy",), "X: records.npy: "),
    (("objects.npy",), "nothing is ever unpickled"),
])
def test_files_that_cannot_be_diagnosed_are_value_errors_with_the_reason(arguments, words):
    require("pyarrow")
    np.savez("pair.npz", a=np.ones(3), b=np.ones(3))
    np.save("number.npy", 3.0)
    np.save("records.npy", np.zeros(3, [("a", "f8"), ("b", "S3")]))
    np.save("objects.npy", np.array([[1, None]], object))
    np.save("cut.npy", np.ones(9))
    Path("cut.npy").write_bytes(Path("cut.npy").read_bytes()[:-8])
    for name, text in (("x.txt", "1\n"), ("wide.csv", "a,b\n1,2\n"), ("text.csv", "a\nx\n")):
        Path(name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        ff.diagnose(*arguments)
    assert words in str(caught.value)


# ---- memory --------------------------------------------------------------------------------------------

CHILD = """
import resource, sys
import numpy as np
import fastfinite as ff
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = ff.diagnose("x.npy", "y.npy")
print(len(found), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_and_its_labels_are_never_held_in_memory(order, parts):
    rows = 1 << 20
    x = np.lib.format.open_memmap("x.npy", "w+", np.float32, (rows, 100))
    x[:] = np.linspace(-1, 1, 100)[None] + np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    x[7] = nan
    x[rows - 1] = -999
    one_hot = np.lib.format.open_memmap("y.npy", "w+", np.float32, (rows, 80), fortran_order=order == "F")
    one_hot[:, 0] = 1
    del x, one_hot
    result = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    causes, megabytes = map(int, result.stdout.split())
    assert causes == 100 + 100 + 1 and megabytes < 160        # of 400 and 320


# ---- on the command line -------------------------------------------------------------------------------


@pytest.fixture
def diagnose(capsys):
    from fastfinite._cli import main

    def run(*arguments):
        code = main(["diagnose", *arguments])
        return (code, *capsys.readouterr())

    return run


def test_every_array_of_a_file_is_diagnosed(diagnose):
    x = samples()
    np.savez("x.npz", good=x[:, :1], bad=x[:, :2], number=np.float64(3))
    code, out, err = diagnose("x.npz")
    assert out == f"x.npz: good\n{ff.diagnose(x[:, :1])}\n\nx.npz: bad\n{ff.diagnose(x[:, :2])}\n"
    assert (code, err) == (2, "fastfinite: x.npz: number: it must have rows, and is a single number\n")
    code, out, _ = diagnose("x.npz", "--array", "bad", "--json")
    (found,) = json.loads(out)["diagnoses"]
    assert code == 1 and found["name"] == "bad" and found["causes"] == page(x[:, :2])["causes"]


def test_an_array_of_the_same_file_may_be_the_labels(diagnose):
    x, y = np.random.default_rng(0).normal(size=(ROWS, 2)), LABELS["one and two"]
    np.savez("x.npz", X=x, y=y)
    assert diagnose("x.npz", "--target", "y") == (1, f"{ff.diagnose(x, y)}\n", "")
    np.savez("x.npz", X=x, y=y, other=x[:3])
    assert diagnose("x.npz", "--target", "y", "--array", "X") == (1, f"{ff.diagnose(x, y)}\n", "")
    code, _, err = diagnose("x.npz", "--target", "y")
    assert code == 2 and "labels are of one array, and there are 2: choose with --array ('X', 'other')" in err


def test_one_damaged_array_does_not_hide_the_others(diagnose):
    x = samples()
    require("safetensors.numpy").save_file({"a": x, "b": x[:, :1]}, "x.safetensors")
    data = bytearray(Path("x.safetensors").read_bytes())
    data[8:8 + int.from_bytes(data[:8], "little")] = data[8:8 + int.from_bytes(data[:8], "little")].replace(
        b'"b":{"dtype":"F64"', b'"b":{"dtype":"X64"')
    Path("x.safetensors").write_bytes(data)
    code, out, err = diagnose("x.safetensors")
    assert code == 2 and str(ff.diagnose(x)) in out and "b: not scanned: its number format, 'X64'" in err

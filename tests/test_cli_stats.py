"""``fastfinite stats``: what it prints is what column_stats says of the whole."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from optional import require

import fastfinite as ff
from fastfinite import _files
from fastfinite._cli import main

pytestmark = pytest.mark.usefixtures("in_tmp_path")
NAN, INF = np.nan, np.inf


@pytest.fixture
def stats(capsys):
    """Run with --json: exit code, entries."""

    def stats(*arguments):
        code = main(["stats", "--json", *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        result = json.loads(out, parse_constant=lambda constant: pytest.fail(f"bare {constant} in JSON"))
        assert result["exit_code"] == code
        return code, result["tables"]

    return stats


def planted(shape, dtype="f8"):
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    array.flat[[0, 5]] = NAN, INF
    return array


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("limit", [8, 40, 1 << 20])
@pytest.mark.parametrize("shape", [(40, 3), (5, 8, 3), (1, 7)])
def test_arrays(shape, limit, order, stats, monkeypatch):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", limit)
    for dtype in ("f4", "f8", "i8"):
        integers = np.arange(np.prod(shape)).reshape(shape)
        array = np.asarray(integers if dtype == "i8" else planted(shape, dtype), order=order)
        np.save("x.npy", array)
        code, (entry,) = stats("x.npy")
        whole = ff.column_stats(array.reshape(-1, shape[-1]))
        found = ff.ColumnStats.from_dict(entry["stats"])
        assert (code, entry["status"], entry["shape"]) == (0, "stats", list(shape))
        for name in ("count", "nan", "posinf", "neginf", "zero", "negative", "min", "max", "constant"):
            assert np.array_equal(getattr(found, name), getattr(whole, name), equal_nan=True), name
        np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-13)
        np.testing.assert_allclose(found.std, whole.std, rtol=1e-13)
        assert entry["stats"]["min"] == [value if np.isfinite(value) else None for value in whole.min]


def test_one_axis_is_one_column_and_a_number_too(stats):
    np.save("x.npy", np.array([1.0, 2.0, NAN]))
    np.save("y.npy", np.float32(5))
    np.save("z.npy", np.empty((0, 2)))
    code, (x, y, z) = stats("x.npy", "y.npy", "z.npy")
    assert (code, x["stats"]["mean"], x["stats"]["count"], x["stats"]["nan"]) == (0, [1.5], [2], [1])
    assert (y["stats"]["max"], z["stats"]["count"], z["stats"]["mean"]) == ([5.0], [0, 0], [None, None])


@pytest.mark.parametrize("limit", [30, 1 << 20])
def test_tables(limit, stats, monkeypatch):
    require("pyarrow")
    monkeypatch.setattr(_files, "STREAM_BLOCK", limit)
    body = "".join(f"{i},word,{i % 3 or 'nan'},1\n" for i in range(50))
    Path("x.csv").write_text(f"a,text,b,mixed\n{body}50,w,,x\n")
    code, (table, mixed) = stats("x.csv")
    found = table["stats"]
    assert (code, table["shape"]) == (2, [51, 4])
    assert (found["names"], found["not_scanned"]) == (["a", "b"], ["text", "mixed"])
    assert (found["mean"][0], found["min"], found["max"]) == (25.0, [0.0, 1.0], [50.0, 2.0])
    assert (found["count"], found["nan"]) == ([51, 33], [0, 18])
    assert (mixed["name"], mixed["status"]) == ("mixed", "not scanned")


def test_parquet(stats):
    pyarrow = require("pyarrow")
    parquet = require("pyarrow.parquet")
    big = 2**62
    parquet.write_table(pyarrow.table({
        "x": [1.0, None, NAN], "n": [big, big + 1, big + 2], "s": ["a", "b", "c"],
        "d": pyarrow.array([1, 2, 3], "date32"), "l": [[1.0, 2.0], [], [3.0]],
    }), "x.parquet")
    code, (table,) = stats("x.parquet")
    found = table["stats"]
    assert (code, found["names"], found["not_scanned"]) == (0, ["x", "n", "l[]"], ["s", "d"])
    assert (found["count"], found["nan"], found["constant"]) == ([1, 3, 3], [2, 0, 0], [True, False, False])
    assert found["std"][1] == pytest.approx(np.sqrt(2 / 3), abs=1e-9)
    assert found["mean"][2] == 2.0


def test_the_table_in_text(capsys):
    np.save("x.npy", np.array([[1.0, 5.0], [2.0, 5.0]]))
    assert main(["stats", "x.npy"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"x.npy: {line}" if number == 0 else line
        for number, line in enumerate(str(ff.column_stats(np.load("x.npy"))).splitlines())
    ]


def test_what_has_no_statistics(stats, capsys):
    np.save("text.npy", np.array(["a"]))
    np.save("complex.npy", np.ones(2, complex))
    Path("cut.npy").write_bytes(Path("text.npy").read_bytes()[:-1])
    np.save("good.npy", np.ones((2, 2)))
    names = ["text.npy", "complex.npy", "cut.npy", "missing.npy", "good.npy"]
    code, entries = stats(*names)
    assert code == 2
    assert [entry["status"] for entry in entries] == ["not scanned", "not scanned", "error", "error", "stats"]
    assert main(["stats", *names]) == 2
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 4 and "complex numbers have no order" in err
    assert out.startswith("good.npy: ColumnStats of 2 columns" + os.linesep.replace("\r", ""))


def test_tensors_and_hierarchies(stats):
    torch = require("torch")
    safetensors = require("safetensors.torch")
    h5py = require("h5py")
    safetensors.save_file({"w": torch.tensor([[1.0, NAN], [3.0, 4.0]]).to(torch.bfloat16)}, "x.safetensors")
    with h5py.File("x.h5", "w") as file:
        file["g/x"] = np.array([[1.0, -9.0], [3.0, 4.0]])
        file["g/x"].attrs["_FillValue"] = -9.0
    for name in ("x.safetensors", "x.h5"):
        code, (entry,) = stats(name)
        assert (code, entry["stats"]["mean"], entry["stats"]["nan"]) == (0, [2.0, 4.0], [0, 1])


def test_files_of_none_of_the_options_of_check(capsys):
    assert main(["stats", "--quiet", "x.npy"]) == 2
    assert "unrecognized arguments: --quiet" in capsys.readouterr().err

"""Files of groups of arrays: HDF5, written by h5py, and zarr folders of both versions."""

import base64
import json
import os
import sys
from pathlib import Path

import file_fuzz
import numpy as np
import pytest
from file_checks import LINUX, peak_of
from optional import require

from fastfinite import _files, _stored_arrays

h5py = require("h5py")
zarr = require("zarr")

pytestmark = pytest.mark.usefixtures("in_tmp_path")
NAN, INF = np.nan, np.inf


def planted(shape, dtype="f8"):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    array.flat[[3, -1]] = NAN, -INF
    return array


# ------------------------------------------------------------------------------------------------ HDF5

LAYOUTS = {
    "contiguous": {}, "chunked": {"chunks": (7, 3)}, "growing": {"maxshape": (None, 20)},
    "gzip": {"chunks": (5, 20), "compression": "gzip", "shuffle": True},
    "lzf and checksums": {"chunks": (50, 1), "compression": "lzf", "fletcher32": True},
}


@pytest.mark.parametrize("limit", [1, 100, 1000, 1 << 23])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_hdf5(layout, limit, check, monkeypatch):
    monkeypatch.setattr(_files, "STREAM_BLOCK", limit)
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("a/b/x", data=planted((50, 20), "f4"), **layout)
    code, found = check("--columns", "x.h5")
    item = found["a/b/x"]
    assert (code, item["nan"], item["neginf"], item["size"], item["first"], item["dtype"]) == (
        1, 1, 1, 1000, [0, 3], "float32")
    assert [column["column"] for column in item["columns"]] == [3, 19]


def test_every_kind_of_dataset(check):
    with h5py.File("x.hdf5", "w") as file:
        for dtype in ("f2", "<f4", ">f8", "c8", "c16"):
            file[f"floats/{dtype}"] = planted((2, 5), dtype)
        for dtype in ("i1", ">u2", "i8", "?"):
            file[f"integers/{dtype}"] = np.ones(3, dtype)
        file["scalar"] = NAN
        file["empty"] = h5py.Empty("f8")
        file["none"] = np.ones((0, 3))
        file["text"] = ["a", "b"]
        file["fixed text"] = np.array([b"a", b"b"])
        file["enum"] = np.array([0, 1], h5py.enum_dtype({"a": 0, "b": 1}))
        record = np.zeros(3, [("a", "f4"), ("v", "f8", 2)])
        record["v"][1, 0] = INF
        file["record"] = record
        ragged = file.create_dataset("ragged", 3, h5py.vlen_dtype("f8"))
        ragged[0], ragged[2] = [1.0, 2.0], [3.0, NAN]
        file["reference"] = file["text"].ref
        file["soft"] = h5py.SoftLink("/scalar")
        file["floats/self"] = file["floats"]
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
        file.create_dataset("raw", 4, "f8", external=[("raw.bin", 0, 32)])
        layout = h5py.VirtualLayout(4, "f8")
        layout[:] = h5py.VirtualSource("other.h5", "x", 4)
        file.create_virtual_dataset("virtual", layout)
    code, found = check("x.hdf5")
    assert code == 2
    for dtype in ("f2", "<f4", ">f8", "c8", "c16"):
        assert (found[f"floats/{dtype}"]["nan"], found[f"floats/{dtype}"]["neginf"]) == (1, 1)
    finite = {"integers/i1", "integers/>u2", "integers/i8", "integers/?", "empty", "none", "enum"}
    assert {name for name, item in found.items() if item["status"] == "finite"} == finite
    assert {name for name, item in found.items() if item["status"] == "text"} == {"text", "fixed text"}
    assert (found["scalar"]["first"], found["record"]["first"], found["record"]["first_field"]) == ([], [1], "v")
    for name, words in (("reference", "references"), ("ragged", "lists of different lengths"),
                        ("outside", "a link to 'other.h5'"), ("raw", "in other files"), ("virtual", "in other files")):
        assert found[name]["status"] == "not scanned"
        assert words in found[name]["reason"]
    assert "soft" not in found and "floats/self/f2" not in found


def test_files_without_datasets(check):
    with h5py.File("x.h5", "w") as file:
        file.create_group("a/b")
    code, found = check("x.h5")
    assert (code, found[None]["reason"]) == (2, "the file holds no datasets")


def test_what_was_never_written_is_not_read_for_ever(check):
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("x", (1 << 20, 1 << 20), "f4", chunks=(1 << 10, 1 << 10))
        file.create_dataset("n", (1 << 20, 1 << 20), "i4", chunks=(1 << 10, 1 << 10))
    code, found = check("x.h5")
    assert (code, found["n"]["status"]) == (2, "finite")
    assert "never written" in found["x"]["reason"]


# ------------------------------------------------------------------------------------------------ zarr


@pytest.mark.parametrize("limit", [1, 1000, 1 << 23])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("options", [{}, {"chunks": (7, 3)}, {"chunks": (5, 4), "shards": (10, 20)}])
def test_zarr_folders(version, options, limit, check, monkeypatch):
    if version == 2 and "shards" in options:
        pytest.skip("version 2 has no shards")
    monkeypatch.setattr(_files, "STREAM_BLOCK", limit)
    root = zarr.open_group("x.zarr", mode="w", zarr_format=version)
    root.create_array("a/b", shape=(50, 20), dtype="f4", **options)[:] = planted((50, 20), "f4")
    root.create_array("n", shape=(5,), dtype="i2")[:] = 1
    root.create_array("scalar", shape=(), dtype="f8")[()] = NAN
    root.create_array("none", shape=(0, 4), dtype="f8")
    code, found = check("x.zarr")
    assert (code, list(found)) == (1, ["a/b", "n", "none", "scalar"])
    assert (found["a/b"]["nan"], found["a/b"]["neginf"], found["a/b"]["first"], found["a/b"]["size"]) == (
        1, 1, [0, 3], 1000)
    assert (found["n"]["status"], found["none"]["status"], found["scalar"]["nan"]) == ("finite", "finite", 1)


@pytest.mark.parametrize("version", [2, 3])
def test_folders_of_zarr_are_found_in_others_and_under_any_name(version, check):
    for name in ("data/x.zarr", "data/deep/plain"):
        zarr.create_array(name, shape=(3,), dtype="f8", zarr_format=version)[:] = [1, NAN, 2]
    np.save("data/y.npy", np.ones(2))
    for paths in (["data"], ["data/x.zarr/", "data/deep/plain", "data/y.npy"]):
        code, found = check(*paths)
        assert (code, len(found)) == (1, 3)
        assert sorted(item["nan"] for item in found) == [0, 1, 1]


def test_one_damaged_array_does_not_hide_the_others(check):
    root = zarr.open_group("x.zarr", mode="w")
    for name in "abc":
        root.create_array(name, shape=(4,), dtype="f8")[:] = NAN
    Path("x.zarr/a/zarr.json").write_text("{")
    Path("x.zarr/b/c/0").write_bytes(b"noise")
    code, found = check("x.zarr")
    assert (code, found["a"]["status"], found["b"]["status"], found["c"]["nan"]) == (2, "error", "error", 4)
    assert found["a"]["reason"] and found["b"]["reason"]


def test_other_folders(check):
    os.mkdir("x.zarr")
    code, found = check("x.zarr")
    assert (code, found[None]["reason"]) == (2, "the folder holds no arrays of zarr")


def test_text_and_pickles_in_zarr(check):
    root = zarr.open_group("x.zarr", mode="w", zarr_format=2)
    root.create_array("text", shape=(2,), dtype="U3")[:] = ["a", "b"]
    root.create_array("pickled", shape=(2,), dtype="f8")[:] = 1
    path = Path("x.zarr/pickled/.zarray")
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps(metadata | {"compressor": None, "filters": [{"id": "pickle", "protocol": 5}]}))
    code, found = check("x.zarr")
    assert (code, found["text"]["status"], found["pickled"]["status"]) == (2, "text", "not scanned")
    assert "nothing is ever unpickled" in found["pickled"]["reason"]


@pytest.mark.parametrize("name", ["x.h5", "x.zarr"])
def test_without_the_library(name, check, monkeypatch):
    library, extra = ("h5py", "hdf5") if name == "x.h5" else ("zarr", "zarr")
    if name == "x.h5":
        Path(name).write_bytes(b"x")
    else:
        os.mkdir(name)
    monkeypatch.setitem(sys.modules, library, None)
    code, found = check(name)
    assert (code, found[None]["status"]) == (2, "not scanned")
    assert found[None]["reason"] == (
        f"it is read with {library}, which is not installed: pip install 'fastfinite[{extra}]'")


# ------------------------------------------------------------------------------------------------ missing values


def hdf5_with(values, **attributes):
    with h5py.File("x.h5", "w") as file:
        file["x"] = values
        file["x"].attrs.update(attributes)
    return "x.h5"


def test_fill_values_are_null(check):
    values = np.array([1, -9, NAN, INF, -99], "f4")
    code, found = check(hdf5_with(values, _FillValue=np.float32(-9), missing_value=[-99.0]))
    assert (code, found["x"]["null"], found["x"]["nan"], found["x"]["posinf"], found["x"]["first"]) == (1, 2, 1, 1, [1])
    assert found["x"]["first_kind"] == "null"
    code, found = check("--allow-nan", hdf5_with(np.array([1, -9, 3]), _FillValue=-9))
    assert (code, found["x"]["status"], found["x"]["null"]) == (0, "allowed", 1)
    # A nan that stands for a missing value cannot be told from one that was computed.
    assert check(hdf5_with(values, _FillValue=NAN))[1]["x"]["nan"] == 1
    code, found = check(hdf5_with(values, _FillValue="none"))
    assert (code, found["x"]["status"]) == (2, "not scanned")


@pytest.mark.parametrize("fill", [-9.0, base64.b64encode(np.float64(-9).tobytes()).decode()])
def test_fill_values_of_zarr(fill, check):
    zarr.create_array("x.zarr", shape=(3,), dtype="f8", attributes={"_FillValue": fill})[:] = [1, -9, 3]
    code, found = check("x.zarr")
    assert (code, found[None]["null"], found[None]["first"]) == (1, 1, [1])


@pytest.mark.parametrize("limit", [1, 30, 200, 10_000])
@pytest.mark.parametrize("shape, chunks", [((), ()), ((7,), (3,)), ((0, 4), (2, 2)), ((5, 6, 7), (2, 3, 4)),
                                           ((3, 4), (10, 10)), ((9, 1, 5), (1, 1, 5))])
def test_boxes_of_chunks_cover_the_array_once(shape, chunks, limit):
    count = np.zeros(shape, int)
    for origin, extent in _stored_arrays._chunk_boxes(shape, chunks, 8, limit):
        assert all(start % chunk == 0 for start, chunk in zip(origin, chunks))
        count[tuple(slice(start, start + n) for start, n in zip(origin, extent))] += 1
    assert (count == 1).all()


# ------------------------------------------------------------------------------------------------ memory, damage


@LINUX
@pytest.mark.parametrize("name", ["x.h5", "chunked.h5", "x.zarr"])
def test_large_arrays_are_read_in_parts(name):
    shape, part = (4000, 10_000), np.ones((400, 10_000))        # 320 MB
    if name == "x.zarr":
        array = zarr.create_array(name, shape=shape, dtype="f8", chunks=(400, 1000))
    else:
        file = h5py.File(name, "w")
        options = {"chunks": (400, 1000), "compression": "lzf"} if "chunked" in name else {}
        array = file.create_dataset("x", shape, "f8", **options)
    for row in range(0, 4000, 400):
        array[row : row + 400] = part
    if name != "x.zarr":
        file.close()
    megabytes, code = peak_of(name)
    assert code == 0
    assert megabytes < 300


def originals(suffix):
    values = planted((20, 6))
    if suffix == ".h5":
        with h5py.File("original.h5", "w") as file:
            file["a/plain"] = values
            file["a"].create_dataset("packed", data=values, chunks=(7, 6), compression="gzip", fletcher32=True)
            file["text"] = ["a", "b"]
            file["record"] = np.zeros(3, [("a", "f4"), ("b", "i8")])
            file["a/plain"].attrs["_FillValue"] = -1.0
            file.create_dataset("ragged", 2, h5py.vlen_dtype("f4"))[0] = [1.0, NAN]
        with h5py.File("latest.h5", "w", libver="latest") as file:
            file["x"] = values
            file.create_dataset("y", data=values, chunks=(5, 2), compression="lzf", maxshape=(None, 6))
        return [Path("original.h5").absolute(), Path("latest.h5").absolute()]
    for version in (2, 3):
        root = zarr.open_group(f"v{version}.zarr", mode="w", zarr_format=version)
        root.create_array("a/x", shape=values.shape, dtype="f8", chunks=(7, 6))[:] = values
        root.create_array("y", shape=(4,), dtype="i2")[:] = 1
    zarr.create_array("sharded.zarr", shape=values.shape, dtype="f4", chunks=(5, 3), shards=(10, 6))[:] = values
    return [Path(name).absolute() for name in ("v2.zarr", "v3.zarr", "sharded.zarr")]


@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_damaged_hierarchies(suffix, tmp_path):
    files = originals(suffix)
    folder = tmp_path / "damaged"
    folder.mkdir()
    faults = file_fuzz.faults_of(folder, files, suffix)
    assert faults == []

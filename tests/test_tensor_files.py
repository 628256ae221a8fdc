"""Files of tensors: .safetensors and what torch.save writes."""

import json
import math
import os
import pickle
import struct
import sys
import warnings
from pathlib import Path

import file_fuzz
import numpy as np
import pytest
from file_checks import LINUX, peak_of
from optional import require

torch = require("torch")
safetensors_numpy = require("safetensors.numpy")
safetensors_torch = require("safetensors.torch")

pytestmark = pytest.mark.usefixtures("in_tmp_path")
NAN, INF = math.nan, math.inf


def write(header, data=b"", name="x.safetensors"):
    """A file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    Path(name).write_bytes(struct.pack("<Q", len(text)) + text + data)
    return name


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


# ------------------------------------------------------------------------------------------------ safetensors


def test_every_format_of_safetensors(check):
    special = {
        name: torch.tensor([[1.0, NAN, INF], [0.5, -INF, 2.0]]).to(getattr(torch, name))
        for name in ("float64", "float32", "float16", "bfloat16", "complex64", "float8_e4m3fn", "float8_e5m2",
                     "float8_e4m3fnuz", "float8_e5m2fnuz")
    }
    plain = {name: torch.ones(3, dtype=getattr(torch, name))
             for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")}
    safetensors_torch.save_file(special | plain, "x.safetensors", {"format": "pt"})
    code, found = check("x.safetensors")
    assert code == 1
    assert set(found) == set(special) | set(plain)
    for name, tensor in special.items():
        wide = tensor.to(torch.complex64 if name == "complex64" else torch.float32)
        assert found[name]["nan"] == int(wide.isnan().sum()), name
        assert found[name]["posinf"] + found[name]["neginf"] == int(wide.isinf().sum()), name
        assert (found[name]["dtype"], found[name]["shape"], found[name]["first"]) == (name, [2, 3], [0, 1])
    assert {found[name]["status"] for name in plain} == {"finite"}


def test_formats_that_no_library_writes_yet(check):
    write({"scale": entry("F8_E8M0", [2], 0, 2), "four": entry("F4", [4], 2, 4), "six": entry("F6_E3M2", [4], 4, 7)},
          b"\x7f\xff" + bytes(5))
    code, found = check("x.safetensors")
    assert (code, found["scale"]["nan"], found["scale"]["dtype"]) == (1, 1, "float8_e8m0fnu")
    assert (found["four"]["status"], found["four"]["size"], found["four"]["dtype"]) == ("finite", 4, "float4_e2m1fn")
    assert found["six"]["status"] == "finite"


def test_shapes_order_and_names(check):
    arrays = {"scalar": np.array(NAN), "empty": np.ones((0, 3)), "b.weight": np.ones((2, 3, 4)), "": np.ones(1)}
    safetensors_numpy.save_file(arrays, "x.safetensors")
    code, found = check("x.safetensors")
    assert (code, found["scalar"]["nan"], found["scalar"]["first"], found["empty"]["size"]) == (1, 1, [], 0)
    assert {name: tuple(found[name]["shape"]) for name in arrays} == {name: x.shape for name, x in arrays.items()}
    safetensors_numpy.save_file({}, "x.safetensors")
    code, found = check("x.safetensors")
    assert (code, found[None]["reason"]) == (2, "the file holds no tensors")


def test_a_large_header(check):
    arrays = {f"layer{i}": np.full(2, NAN if i == 7777 else i) for i in range(10_000)}
    safetensors_numpy.save_file(arrays, "x.safetensors")
    code, found = check("x.safetensors")
    assert (code, len(found)) == (1, 10_000)
    assert [name for name, item in found.items() if item["status"] != "finite"] == ["layer7777"]


BAD_ENTRIES = {
    "beyond the end": (entry("F32", [100], 8, 408), "truncated"),
    "of another size": (entry("F32", [3], 8, 16), "its shape takes 12 bytes, its place has 8"),
    "of an unknown format": (entry("F3", [2], 8, 16), "its number format, 'F3', is not known here"),
    "of no format": (entry(None, [2], 8, 16), "its number format, None, is not known here"),
    "negative": (entry("F32", [-2], 8, 16), "no valid shape"),
    "backwards": (entry("F32", [2], 16, 8), "it lies at (16, 8)"),
    "of many axes": (entry("F32", [1] * 70, 8, 12), "70 axes"),
    "huge": (entry("F32", [2**62, 2**62], 8, 16), "its shape takes"),
    "nothing": (None, "no valid shape"),
}


@pytest.mark.parametrize("bad, words", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_one_bad_tensor_does_not_hide_the_others(bad, words, check):
    write({"good": entry("F32", [2], 0, 8), "bad": bad}, np.array([1, NAN, 1, 1], "<f4").tobytes())
    code, found = check("x.safetensors")
    assert code == 2
    assert found["good"]["nan"] == 1
    assert words in found["bad"]["reason"]
    assert "safetensors says" in found[None]["reason"]


@pytest.mark.parametrize("data, words", [
    (b"\x05", "truncated"), (struct.pack("<Q", 2**63) + b"{}", "truncated"),
    (struct.pack("<Q", 50) + b"{}", "truncated"),
    (struct.pack("<Q", 2) + b"[]", "no table"), (struct.pack("<Q", 2) + b"\xff\xff", "damaged header"),
    (struct.pack("<Q", 100_000) + b"[" * 100_000, "damaged header"),
    (struct.pack("<Q", 17 << 20) + b" " * (17 << 20), "more than"),
])
def test_headers_that_are_none(data, words, check):
    Path("x.safetensors").write_bytes(data)
    code, found = check("x.safetensors")
    assert (code, found[None]["status"]) == (2, "error")
    assert words in found[None]["reason"]


def test_without_the_libraries(check, monkeypatch):
    write({"x": entry("F32", [2], 0, 8)}, bytes(8))
    torch.save(torch.ones(2), "x.pt")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    code, found = check("x.safetensors")
    assert (code, found[None]["status"]) == (2, "not scanned")
    assert found[None]["reason"] == (
        "it is read with safetensors, which is not installed: pip install 'fastfinite[safetensors]'")
    monkeypatch.setitem(sys.modules, "torch", None)
    code, found = check("x.pt")
    assert (code, found[None]["status"]) == (2, "not scanned")
    assert found[None]["reason"] == "it is read with PyTorch, which is not installed: see pytorch.org"


# ------------------------------------------------------------------------------------------------ PyTorch


@pytest.mark.parametrize("new", [True, False])
def test_nests_are_walked(new, check):
    tied = torch.tensor([1.0, NAN])
    nest = {
        "model": {"layer.weight": torch.tensor([[1.0, 2.0], [INF, 1.0]]), "layer.bias": tied, "tied": tied},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0), "momentum": torch.ones(3, dtype=torch.bfloat16)}},
                      "param_groups": [{"lr": 0.1, "betas": (0.9, NAN), "params": [0, 1]}]},
        "eight": torch.tensor([1.0, NAN]).to(torch.float8_e5m2),
        "transposed": torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, -INF]]).T[1:],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "expanded": torch.tensor([NAN]).expand(3, 4),
        "epoch": 7, "name": "x", "none": None,
    }
    if not new:     # which never knew them
        del nest["eight"]
    torch.save(nest, "x.pt", _use_new_zipfile_serialization=new)
    code, found = check("x.pt")
    assert code == 1
    counts = {name: (item["nan"], item["posinf"], item["neginf"], item["first"], item["dtype"])
              for name, item in found.items()}
    assert counts.pop("eight", None) == ((1, 0, 0, [1], "float8_e5m2") if new else None)
    assert counts == {
        "model.layer.weight": (0, 1, 0, [1, 0], "float32"),
        "model.layer.bias": (1, 0, 0, [1], "float32"),
        "model.tied": (1, 0, 0, [1], "float32"),
        "optimizer.state[0].step": (0, 0, 0, None, "float32"),
        "optimizer.state[0].momentum": (0, 0, 0, None, "bfloat16"),
        "optimizer.param_groups[0].betas[1]": (1, 0, 0, [], "float64"),
        "transposed": (0, 0, 1, [1, 1], "float32"),
        "parameter": (0, 0, 0, None, "float32"),
        "expanded": (12, 0, 0, [0, 0], "float32"),
    }


def test_a_state_dict_and_a_single_tensor(check):
    torch.save(torch.nn.Linear(3, 2).state_dict(), "x.pth")
    assert check("x.pth")[0] == 0
    torch.save(torch.tensor([1.0, NAN]), "x.pt")
    assert check("x.pt")[1][None]["first"] == [1]


def test_unusual_tensors(check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    torch.save({
        "sparse": torch.tensor([[0.0, NAN], [1.0, 0.0]]).to_sparse(),
        "quantized": quantized,
        "meta": torch.ones(3, device="meta"),
        "repeated": torch.ones(1).expand(1 << 40),
    }, "x.pt")
    code, found = check("x.pt")
    assert code == 2
    assert found["sparse (stored values)"]["nan"] == 1
    assert "quantized" in found["quantized"]["reason"] and "meta" in found["meta"]["reason"]
    assert "repeats" in found["repeated"]["reason"]


def test_containers_that_hold_themselves_or_are_many(check):
    nest = [torch.tensor([NAN])]
    nest.append(nest)
    torch.save(nest, "x.pt")
    assert list(check("x.pt")[1]) == ["[0]"]
    doubling = [torch.ones(1)]
    for _ in range(60):
        doubling = [doubling, doubling]
    torch.save(doubling, "x.pt")
    code, found = check("x.pt")
    assert (code, len(found)) == (0, 1)


def test_files_without_tensors(check):
    torch.save({"epoch": 3, "lr": 0.5}, "x.pt")
    code, found = check("x.pt")
    assert (code, found[None]["reason"]) == (2, "the file holds no tensors")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_nothing_else_is_ever_unpickled(check):
    torch.save({"x": torch.ones(2), "evil": Evil()}, "new.pt")
    torch.save({"x": torch.ones(2), "evil": Evil()}, "old.pt", _use_new_zipfile_serialization=False)
    Path("plain.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("new.pt", "old.pt", "plain.pt"):
        code, found = check(name)
        assert (code, found[None]["status"]) == (2, "not scanned")
        assert "nothing else is ever unpickled" in found[None]["reason"]
        assert not Path("unpickled").exists()


# ------------------------------------------------------------------------------------------------ memory, damage


@LINUX
@pytest.mark.parametrize("name", ["x.safetensors", "x.pt"])
def test_large_tensors_are_mapped(name):
    tensors = {f"t{i}": torch.ones(16, 1 << 20) for i in range(6)}      # 400 MB
    if name.endswith("pt"):
        torch.save(tensors, name)
    else:
        safetensors_torch.save_file(tensors, name)
    megabytes, code = peak_of(name)
    assert code == 0
    assert megabytes < 300


def originals(suffix):
    tensors = {"a": torch.ones(4, 5), "b.c": torch.tensor([1.0, NAN]).to(torch.bfloat16), "n": torch.arange(9),
               "e": torch.ones(0, 2), "f8": torch.ones(7).to(torch.float8_e4m3fn)}
    if suffix == ".safetensors":
        safetensors_torch.save_file(tensors, "original.safetensors", {"made": "by hand"})
        return [Path("original.safetensors").absolute()]
    torch.save({"model": tensors, "lr": [0.1, NAN], "epoch": 3}, "new.pt")
    torch.save({"model": tensors, "t": torch.ones(3, 2).T}, "old.pt", _use_new_zipfile_serialization=False)
    return [Path("new.pt").absolute(), Path("old.pt").absolute()]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_damaged_tensors(suffix, tmp_path):
    files = originals(suffix)
    folder = tmp_path / "damaged"
    folder.mkdir()
    faults = file_fuzz.faults_of(folder, files, suffix)
    assert faults == []

"""Reading files: the report of the blocks is that of the whole, and what is damaged is never taken for clean."""

import io
import itertools
import os
import struct
import warnings
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

import fastfinite as ff
from fastfinite import _files, _formats, _read_numpy, _scan_files
from fastfinite._files import Problem

NAN, INF = np.nan, np.inf
KNOWN = _files.known()


def items_of(path):
    """The arrays in a file as (name, scan report), the problems as they are."""
    (source,), skipped = _files.find([str(path)])
    assert skipped == 0
    found = []
    for item in _files.arrays_of(source):
        found.append(item if isinstance(item, Problem) else (item.name, _scan_files.scan_array(item).report))
    return found


def only_problem(path):
    (item,) = items_of(path)
    assert isinstance(item, Problem), item
    return item


def npy_bytes(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz_bytes(compression=zipfile.ZIP_STORED, **members):
    """An archive of members given as bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def header_bytes(text, version=(1, 0), length=None):
    """A header with any text in it, and any length said of it."""
    data = text.encode("utf-8" if version == (3, 0) else "latin-1")
    code = "<H" if version == (1, 0) else "<I"
    return b"\x93NUMPY" + bytes(version) + struct.pack(code, len(data) if length is None else length) + data


def planted(shape, dtype, seed):
    """An array with a few values of each kind in random places."""
    random = np.random.default_rng(seed)
    array = random.normal(size=shape).astype(dtype)
    flat = array.reshape(-1)
    for value in (NAN, INF, -INF):
        if flat.size:
            flat[random.integers(0, flat.size, size=3)] = value
    return array


# ------------------------------------------------------------------------------------------------ blocks and merging

SHAPES = [(), (1,), (0,), (0, 3), (7,), (100,), (5, 7), (1, 40), (40, 1), (3, 4, 5), (2, 1, 3, 11), (2, 0, 3)]


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("limit", [1, 8, 24, 100, 10_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_cover_the_array_once_in_the_order_of_memory(shape, limit, fortran):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape, order="F" if fortran else "C")
    taken = []
    for origin, extent in _files.boxes(shape, 8, fortran, limit):
        assert len(origin) == len(extent) == len(shape)
        box = array[tuple(slice(start, start + n) for start, n in zip(origin, extent))]
        assert box.shape == extent
        assert box.size == 1 or box.size * 8 <= limit
        taken += box.ravel(order="F" if fortran else "C").tolist()
    assert taken == list(range(array.size))


def test_boxes_of_an_array_of_the_largest_size_come_one_by_one():
    for fortran, expected in ((False, (1, 1 << 24)), (True, (1 << 24, 1))):
        boxes = _files.boxes((1 << 30, 1 << 30), 4, fortran, 1 << 26)
        assert next(boxes) == ((0, 0), expected)
        assert next(boxes) == ((1 << 24, 0) if fortran else (0, 1 << 24), expected)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("limit", [1, 40, 300, 1 << 26])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_report_of_the_blocks_is_the_report_of_the_whole(tmp_path, monkeypatch, suffix, shape, limit, order):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", limit if suffix == ".npy" else 1 << 26)
    monkeypatch.setattr(_files, "STREAM_BLOCK", limit)
    for seed, dtype in enumerate(["<f4", ">f8", "<f2", "<c16", "<c8"]):
        array = np.asarray(planted(shape, dtype, seed), order=order)
        path = tmp_path / f"{seed}{suffix}"
        if suffix == ".npy":
            np.save(path, array)
        else:
            np.savez_compressed(path, array)
        ((name, report),) = items_of(path)
        assert name == (None if suffix == ".npy" else "arr_0")
        assert report == ff.scan(array)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("limit", [8, 64, 1 << 26])
def test_columns_and_the_first_infinite_value_over_blocks(tmp_path, monkeypatch, limit, order):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", limit)
    monkeypatch.setattr(_scan_files, "COLUMNS_AT_ONCE", 3)
    target = _formats.of_name("float16", "target_dtype")
    for seed in range(20):
        array = np.asarray(planted((9, 7), np.float64, seed), order=order)
        array[seed % 9, seed % 7] = 1e6
        np.save(tmp_path / "x.npy", array)
        (source,), _ = _files.find([str(tmp_path / "x.npy")])
        (item,) = _files.arrays_of(source)
        with open(source.path, "rb") as file:
            (item,) = _read_numpy.read_npy(file, source.size)
            found = _scan_files.scan_array(item, target_dtype=target, columns=True, allow_nan=True)
        whole = ff.scan(array, axis=0, target_dtype="float16")
        for kind in ("nan", "posinf", "neginf", "overflow"):
            expected = getattr(whole, kind)
            assert getattr(found.report, kind) == expected.sum()
            assert found.columns.get(kind, np.zeros(7)).tolist() == expected.tolist()
        infinite = np.argwhere(np.isinf(array))
        assert found.report.first == tuple(infinite[0])
        assert found.report.first_kind == ("+inf" if array[found.report.first] > 0 else "-inf")
        assert found.report.first_overflow == whole.first_overflow
        assert found.bytes_read == array.nbytes


def test_first_with_allow_nan_is_none_where_nothing_is_infinite(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1.0, NAN]))
    (source,), _ = _files.find([str(tmp_path / "x.npy")])
    with open(source.path, "rb") as file:
        (item,) = _read_numpy.read_npy(file, source.size)
        report = _scan_files.scan_array(item, allow_nan=True).report
    assert (report.nan, report.first, report.first_kind) == (1, None, None)


RECORD = [("id", "i4"), ("label", "U3"), ("a", "f4"), ("v", "f8", (2, 2)), ("when", "M8[s]")]


@pytest.mark.parametrize("limit", [1, 300, 1 << 26])
def test_records_are_scanned_field_by_field(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", limit)
    array = np.zeros((3, 5), RECORD)
    array["a"][2, 4] = NAN
    array["v"][1, 3, 1, 0] = -INF
    array["when"][0, 2] = "NaT"
    array["v"][2, 0, 0, 0] = INF
    np.save(tmp_path / "x.npy", array)
    ((_, report),) = items_of(tmp_path / "x.npy")
    assert report == ff.scan(array)
    assert (report.nan, report.posinf, report.neginf) == (2, 1, 1)
    assert (report.first, report.first_field) == ((0, 2), "when")
    assert report.not_scanned == ("label",)
    with open(tmp_path / "x.npy", "rb") as file:
        (item,) = _read_numpy.read_npy(file, os.path.getsize(tmp_path / "x.npy"))
        passed = _scan_files.scan_array(item, allow_nan=True).report
    assert (passed.first, passed.first_kind, passed.first_field) == ((1, 3), "-inf", "v")


def test_other_dtypes_that_files_hold(tmp_path):
    values = {
        "longdouble": np.array([1, NAN, INF], np.longdouble),
        "datetime": np.array(["2020-01-01", "NaT"], "M8[s]"),
        "timedelta": np.array([1, "NaT"], "m8[ms]"),
        "bool": np.array([True, False]),
    }
    expected = {"longdouble": (1, 1), "datetime": (1, 0), "timedelta": (1, 0), "bool": (0, 0)}
    for name, array in values.items():
        np.save(tmp_path / f"{name}.npy", array)
        ((_, report),) = items_of(tmp_path / f"{name}.npy")
        assert (report.nan, report.posinf) == expected[name]
        assert report == ff.scan(array)


def test_records_without_bytes_hold_no_values(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(99, [("a", "f8", (0,))]))
    ((_, report),) = items_of(tmp_path / "x.npy")
    assert (report.ok, report.size, report.shape) == (True, 0, (99,))


def test_integers_are_finite_by_type_and_not_read(tmp_path):
    with open(tmp_path / "x.npy", "wb") as file:
        npy.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (1 << 31, 2)})
        file.truncate(file.tell() + (1 << 35))      # 32 GiB that take no place on the disk
    (source,), _ = _files.find([str(tmp_path / "x.npy")])
    with open(source.path, "rb") as file:
        (item,) = _read_numpy.read_npy(file, source.size)
        report, columns, bytes_read = _scan_files.scan_array(item, columns=True)
    assert (report.ok, report.size, report.shape, bytes_read, columns) == (True, 1 << 32, (1 << 31, 2), 0, {})


def test_integers_are_read_where_they_may_overflow_the_target(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1, 70_000, -70_000]))
    with open(tmp_path / "x.npy", "rb") as file:
        (item,) = _read_numpy.read_npy(file, os.path.getsize(tmp_path / "x.npy"))
        report = _scan_files.scan_array(item, target_dtype=_formats.of_name("float16", "target_dtype")).report
    assert (report.overflow, report.first_overflow) == (2, (1,))


def test_a_large_sparse_file_is_scanned_to_its_last_value(tmp_path):
    shape = (1 << 14, 1 << 14)
    with open(tmp_path / "x.npy", "wb") as file:
        npy.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": True, "shape": shape})
        file.truncate(file.tell() + 2 * shape[0] * shape[1])
        file.seek(-2, os.SEEK_END)
        file.write(np.float16(NAN).tobytes())
    ((_, report),) = items_of(tmp_path / "x.npy")
    assert (report.nan, report.first, report.size) == (1, (shape[0] - 1, shape[1] - 1), 1 << 28)


def test_merge_takes_the_least_index_whatever_the_order_of_the_blocks():
    array = planted((6, 6), np.float32, 3)
    parts = [(array[i : i + 2, j : j + 3], (i, j)) for i in (0, 2, 4) for j in (0, 3)]
    expected = ff.scan(array)
    for order in itertools.islice(itertools.permutations(parts), 0, 720, 17):
        whole = ff.scan(np.empty((0, 6), np.float32))
        whole.shape = array.shape
        for values, origin in order:
            whole._merge(ff.scan(values), origin)
        assert whole == expected


# ------------------------------------------------------------------------------------------------ what files may hold


def test_arrays_saved_one_after_the_other_are_all_scanned(tmp_path):
    with open(tmp_path / "x.npy", "wb") as file:
        np.save(file, np.ones(3))
        np.save(file, np.array([[1.0], [NAN]]))
        np.save(file, np.arange(3))
    (one, two, three) = items_of(tmp_path / "x.npy")
    assert one == (None, ff.scan(np.ones(3)))
    assert two == ("array 2", ff.scan(np.array([[1.0], [NAN]])))
    assert three == ("array 3", ff.scan(np.arange(3)))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_bytes_after_the_array_are_told(tmp_path, suffix):
    data = npy_bytes(np.ones(3)) + bytes(5)
    (tmp_path / f"x{suffix}").write_bytes(data if suffix == ".npy" else npz_bytes(x=data))
    (name, report), problem = items_of(tmp_path / f"x{suffix}")
    assert report.ok
    assert name == (None if suffix == ".npy" else "x")
    assert problem == Problem(name, "error", "5 bytes after the array are not part of it; not scanned")


def test_headers_of_every_version(tmp_path):
    array = np.zeros(3, [("größe", "f4"), ("高", "f8")])
    array["高"][1] = NAN
    for version in ((2, 0), (3, 0)):
        names = ("größe", "高") if version == (3, 0) else ("größe", "h")
        with open(tmp_path / "x.npy", "wb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            npy.write_array(file, array.astype([(names[0], "f4"), (names[1], "f8")]), version=version)
        ((_, report),) = items_of(tmp_path / "x.npy")
        assert (report.nan, report.first, report.first_field) == (1, (1,), names[1])
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (2L,), }"       # as Python 2 wrote it
    (tmp_path / "x.npy").write_bytes(header_bytes(text) + np.array([1.0, INF]).tobytes())
    ((_, report),) = items_of(tmp_path / "x.npy")
    assert (report.posinf, report.first) == (1, (1,))


def test_members_are_named_as_numpy_names_them(tmp_path):
    data = npy_bytes(np.ones(2))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("folder/", "folder/a.npy", "no suffix", "b.npy.npy", "é.npy"):
            archive.writestr(name, b"" if name == "folder/" else data)
        archive.writestr("notes.txt", "words")
    *arrays, problem = items_of(tmp_path / "x.npz")
    assert [name for name, _ in arrays] == ["folder/a", "no suffix", "b.npy", "é"]
    assert problem == Problem("notes.txt", "error", "not NumPy's .npy format")


# ------------------------------------------------------------------------------------------------ what is damaged

DESCR = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"
HOSTILE = [
    (header_bytes(DESCR % "(1000000000000,)"),
     "truncated: the header announces 8000000000000 bytes of data, 16 are there"),
    (header_bytes(DESCR % "(-2,)"), "damaged header: negative dimension in shape (-2,)"),
    (header_bytes(DESCR % "(-2, -1)"), "damaged header: negative dimension in shape (-2, -1)"),
    (header_bytes(DESCR % "(9223372036854775807, 9223372036854775807, 4)"),
     "damaged header: the shape is larger than any array can be"),
    (header_bytes(DESCR % "(4611686018427387904, 4)"), "damaged header: the shape is larger than any array can be"),
    (header_bytes(DESCR % "(0, 9223372036854775808)"), "damaged header: the shape is larger than any array can be"),
    (header_bytes(DESCR % ("(" + "9" * 4000 + ",)")), "damaged header: the shape is larger than any array can be"),
    (header_bytes(DESCR % ("(" + "1, " * 80 + ")")), "damaged header: "),
    (header_bytes(DESCR % "(1.5,)"), "damaged header: shape is not valid: (1.5,)"),
    (header_bytes(DESCR % "2"), "damaged header: shape is not valid: 2"),
    (header_bytes("{'descr': '<f9', 'fortran_order': False, 'shape': (2,), }"), "damaged header: "),
    (header_bytes("{'descr': ('<f8', (3,)), 'fortran_order': False, 'shape': (2,), }"), "damaged header: "),
    (header_bytes("{'descr': '<f8', 'shape': (2,), }"), "damaged header: Header does not contain the correct keys"),
    (header_bytes("__import__('os').abort()"), "damaged header: "),
    (header_bytes("(" * 5000), "damaged header: "),
    (header_bytes("-" * 9000 + "1"), "damaged header: "),
    (header_bytes(""), "damaged header: "),
    (header_bytes("\0" * 50), "damaged header: "),
    (header_bytes("{'descr': '<f8'", (3, 0)), "damaged header: "),
    (header_bytes("x", (2, 0), length=0xFFFFFFFF),
     "damaged header: 4294967295 bytes long, more than the 10000 that NumPy accepts"),
    (header_bytes("x", length=9999), "truncated: the header is cut short"),
    (header_bytes("x", (9, 1)), "version 9.1 of the .npy format is not known"),
    (b"\x93NUM", "not NumPy's .npy format"),
    (b"0123456789 and so on", "not NumPy's .npy format"),
]


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("data, reason", HOSTILE)
def test_hostile_headers_are_one_clear_line(tmp_path, suffix, data, reason):
    path = tmp_path / f"x{suffix}"
    data = data + bytes(16)
    path.write_bytes(data if suffix == ".npy" else npz_bytes(zipfile.ZIP_DEFLATED, x=data))
    (source,), _ = _files.find([str(path)])
    for item in _files.arrays_of(source):
        assert isinstance(item, Problem)
        assert item.status == "error"
        assert item.reason.startswith(reason)
        assert "\n" not in item.reason
        assert len(item.reason) < 200


def test_what_is_not_numbers_is_refused_with_the_reason(tmp_path):
    refused = {
        "objects": (npy_bytes(np.array([1.0, None]), allow_pickle=True), "nothing is ever unpickled"),
        "field": (npy_bytes(np.zeros(2, [("a", "f8"), ("b", "O")]), allow_pickle=True), "nothing is ever unpickled"),
        "void": (npy_bytes(np.zeros(3, "V2")), "raw bytes of unknown meaning"),
        "text": (npy_bytes(np.array(["a", "b"])), "it holds text"),
        "bytes": (npy_bytes(np.array([b"a", b"b"])), "it holds text"),
        "no numbers": (npy_bytes(np.zeros(2, [("a", "U2")])), "none of its fields holds numbers"),
    }
    for name, (data, reason) in refused.items():
        (tmp_path / "x.npy").write_bytes(data)
        with pytest.raises(TypeError, match=reason):
            items_of(tmp_path / "x.npy")
        (tmp_path / "x.npz").write_bytes(npz_bytes(**{name: data}))
        with pytest.raises(TypeError, match=reason):
            items_of(tmp_path / "x.npz")


def test_nothing_in_a_pickle_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "x.npy", np.array([Trap()], object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", np.array([Trap()], object))
    for name in ("x.npy", "x.npz"):
        with pytest.raises(TypeError):
            items_of(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_archives_that_cannot_be_read(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    assert only_problem(path).reason == "not a zip archive, or a damaged one: File is not a zip file"
    path.write_bytes(npz_bytes())
    assert only_problem(path) == Problem(None, "not scanned", "the archive holds no arrays")
    path.write_bytes(npz_bytes(zipfile.ZIP_BZIP2, x=npy_bytes(np.ones(3))))
    assert only_problem(path) == Problem("x", "not scanned", "compressed by a method other than deflate")
    encrypted = bytearray(npz_bytes(x=npy_bytes(np.ones(3))))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    assert only_problem(path) == Problem("x", "not scanned", "encrypted")


def test_a_wrong_checksum_is_found(tmp_path):
    data = npz_bytes(x=npy_bytes(np.ones(1000)))
    spoiled = bytearray(data)
    spoiled[len(data) // 2] ^= 1        # still finite: only the checksum tells
    (tmp_path / "x.npz").write_bytes(spoiled)
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
        items_of(tmp_path / "x.npz")


def test_a_damaged_member_does_not_hide_the_others(tmp_path):
    cut = npy_bytes(np.ones(10))[:-1]
    (tmp_path / "x.npz").write_bytes(npz_bytes(a=npy_bytes(np.ones(2)), b=cut, c=npy_bytes(np.array([NAN]))))
    (a, b, c) = items_of(tmp_path / "x.npz")
    assert a == ("a", ff.scan(np.ones(2)))
    assert b == Problem("b", "error", "truncated: the header announces 80 bytes of data, 79 are there")
    assert c == ("c", ff.scan(np.array([NAN])))


# ------------------------------------------------------------------------------------------------ finding files


def test_folders_are_searched_whole_sorted_and_each_once(tmp_path):
    for name in ("b.npy", "a.NPY", "sub/deep/c.npz", "sub/.hidden.npy", "notes.txt", "sub/table.dat"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    os.symlink(tmp_path, tmp_path / "sub" / "loop")
    os.symlink(tmp_path / "nowhere.npy", tmp_path / "sub" / "broken.npy")
    sources, skipped = _files.find([str(tmp_path)])
    found = [os.path.relpath(source.path, tmp_path).replace(os.sep, "/") for source in sources]
    assert found == ["a.NPY", "b.npy", "sub/.hidden.npy", "sub/broken.npy", "sub/deep/c.npz"]
    assert [source.problem is None for source in sources] == [True, True, True, False, True]
    assert sources[3].problem.reason == "No such file or directory"
    assert skipped == 2


def test_patterns_are_expanded_and_names_with_brackets_are_names(tmp_path):
    for name in ("x1.npy", "x2.npy", "x[1].npy"):
        np.save(tmp_path / name, np.ones(2))

    def find(pattern):
        return [os.path.basename(source.path) for source in _files.find([str(tmp_path / pattern)])[0]]

    assert find("x?.npy") == ["x1.npy", "x2.npy"]
    assert find("x[1].npy") == ["x[1].npy"]
    assert find("x[12].npy") == ["x1.npy", "x2.npy"]
    (source,), _ = _files.find([str(tmp_path / "y*.npy")])
    assert source.problem == Problem(None, "error", "no file matches this pattern")


def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.npy").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError) as refused:
        os.stat("nul\0.npy")        # "embedded null byte", from Python 3.13 on in other words
    expected = {
        "pipe.npy": ("error", "not a regular file"),
        "empty": ("error", f"no file in this folder is of a known type ({KNOWN})"),
        "zero.npy": ("error", "the file is empty (0 bytes)"),
        "notes.txt": ("not scanned", f"the type of this file is not known by its name (known: {KNOWN})"),
        "missing.npy": ("error", "No such file or directory"),
        "nul\0.npy": ("error", str(refused.value).split(" in path")[0]),
    }
    for name, (status, reason) in expected.items():
        (source,), _ = _files.find([f"{tmp_path}/{name}"])
        assert (source.problem.status, source.problem.reason.split(" in path")[0]) == (status, reason)

"""scan_batch: every array in a nest is looked at, once, and told of by its path; the batch stays as it is."""

import array
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import pathlib
import pickle
import types
import typing
import uuid
import weakref
from collections import ChainMap, OrderedDict, UserDict, UserList, UserString, defaultdict, deque, namedtuple
from collections.abc import Mapping

import numpy as np
import pytest
from optional import require
from refusals import Unknown, kind_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = float("nan"), float("inf")
Pair = namedtuple("Pair", "first second")


@dataclasses.dataclass
class Sample:
    x: object
    y: object = None


@dataclasses.dataclass(frozen=True)
class Slotted:
    __slots__ = ("x",)
    x: object


class Graph:
    """Tells what it has by to_dict(), as PyTorch Geometric's Data."""

    def __init__(self, **parts):
        self.parts = parts

    def to_dict(self):
        return dict(self.parts)


class Columns:
    """Has the methods of a mapping without being one."""

    def __init__(self, **parts):
        self.parts = parts

    def keys(self):
        return self.parts.keys()

    def items(self):
        return self.parts.items()

    def __getitem__(self, key):
        return self.parts[key]


def bad(n=2):
    """Finite but for the last value."""
    x = np.zeros(n)
    x[-1] = nan
    return x


def objects(*values):
    x = np.empty(len(values), object)
    x[:] = values
    return x


def paths(batch, **options):
    return [finding.path for finding in ff.scan_batch(batch, **options).findings]


def only(batch, **options):
    (finding,) = ff.scan_batch(batch, **options).findings
    return finding


# ---- containers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "batch, path",
    [
        (bad(), ""),
        ([bad()], "[0]"),
        ((1.0, bad()), "[1]"),
        ({"x": bad()}, "x"),
        (OrderedDict(x=bad()), "x"),
        (defaultdict(list, x=[bad()]), "x[0]"),
        (ChainMap({}, {"x": bad()}), "x"),
        (types.MappingProxyType({"x": bad()}), "x"),
        (UserDict({"x": bad()}), "x"),
        (UserList([bad()]), "[0]"),
        (deque([0.0, bad()]), "[1]"),
        ({nan}, "[0]"),
        (frozenset([nan]), "[0]"),
        (Pair(0.0, bad()), "second"),
        (Sample(0.0, bad()), "y"),
        (Slotted(bad()), "x"),
        (Graph(edge_attr=bad()), "edge_attr"),
        (Columns(x=bad()), "x"),
        (types.SimpleNamespace(x=bad()), "x"),
        (objects(0.0, bad()), "[1]"),
        (objects({"y": bad()}, "text"), "[0].y"),
        ({"a": [Pair(Sample(Graph(u=UserDict(v=bad()))), None)]}, "a[0].first.x.u.v"),
        ([[], {}, (), set(), deque(), bad()], "[5]"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_bad_array_is_found_in_every_container(batch, path):
    report = ff.scan_batch(batch)
    assert [finding.path for finding in report.findings] == [path] and not report.not_scanned
    assert not report and not report.ok and report.complete


def test_attrs_classes_are_containers():
    attrs = require("attrs")

    @attrs.define
    class Slots:
        x: object
        _hidden: object = 0.0

    @attrs.frozen(slots=False)
    class Plain:
        y: object

    assert paths(Slots(bad(), Plain(bad()))) == ["x", "_hidden.y"]


def test_a_container_without_fields_has_nothing_to_scan():
    attrs = require("attrs")
    batch = [dataclasses.make_dataclass("Empty", [])(), attrs.make_class("Empty", [])(), namedtuple("Empty", "")(),
             types.SimpleNamespace()]
    report = ff.scan_batch(batch, on_unknown="raise")
    assert report and report.not_scanned == {} and report.arrays == 0


def test_what_a_dataclass_has_beside_its_fields_is_not_scanned():
    @dataclasses.dataclass
    class Reading:
        value: float
        missing: typing.ClassVar[float] = nan
        scale: dataclasses.InitVar[float] = inf

    report = ff.scan_batch(Reading(1.0, 2.0))
    assert report and report.arrays == 1


class Arguments:
    def to_dict(self, orient):
        raise AssertionError("not to be called")


class Rows:
    def to_dict(self):
        return [{"x": 1.0}]


@pytest.mark.parametrize("value", [Arguments(), Rows()], ids=["takes arguments", "gives a list"])
def test_a_to_dict_of_another_kind_makes_no_container(value):
    report = ff.scan_batch({"meta": value, "x": bad()})
    assert [finding.path for finding in report.findings] == ["x"]


def test_a_field_that_was_never_set_is_passed_by():
    sample = Sample(bad())
    del sample.y
    assert paths(Slotted(sample)) == ["x.x"]


def test_a_mapping_that_is_a_dataclass_too_is_read_as_a_mapping():
    # As the outputs of Hugging Face's models are.
    @dataclasses.dataclass
    class Output(OrderedDict):
        loss: object = None

    output = Output()
    output["logits"] = bad()
    assert paths(output) == ["logits"]


def test_findings_come_in_the_order_of_the_batch():
    batch = {"b": bad(), "a": [bad(), 1.0, {"z": bad()}], "c": (bad(),)}
    assert paths(batch) == ["b", "a[0]", "a[2].z", "c[0]"]


def test_a_defaultdict_is_not_grown_by_the_scan():
    batch = defaultdict(list)
    assert ff.scan_batch(batch) and not batch


# ---- arrays and numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [nan, inf, -inf, complex(0, nan), np.float16(nan), np.float64(inf), np.longdouble(nan), np.complex64(complex(inf)),
     decimal.Decimal("NaN"), decimal.Decimal("-Infinity"), np.datetime64("NaT", "s"), np.array(nan)],
    ids=repr,
)
def test_a_number_that_is_not_finite_is_found(number):
    finding = only({"loss": [number]})
    assert finding.path == "loss[0]" and finding.sample is None and finding.report == ff.scan(number)
    assert only(number).path == ""


@pytest.mark.parametrize(
    "number", [0.0, -1.5, 1e308, 2j, np.float32(3), decimal.Decimal(1), fractions.Fraction(1, 3), np.array(1.0)],
    ids=repr,
)
def test_a_finite_number_is_counted(number):
    report = ff.scan_batch([number])
    assert report and report.arrays == 1 and not report.not_scanned


def test_subclasses_of_float_are_numbers():
    class Metres(float):
        pass

    assert paths([Metres(1), Metres("nan")]) == ["[1]"]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "c8", "c16", "G", ">f4", "m8[s]", "M8[ns]", "O"])
def test_arrays_of_every_kind_are_scanned(dtype):
    x = np.zeros((3, 4), dtype)
    x[2, 1] = nan if x.dtype.kind not in "mM" else "NaT"
    finding = only({"x": x, "ok": np.zeros((3, 4), dtype)})
    assert (finding.path, finding.sample, finding.report) == ("x", 2, ff.scan(x))


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f4", "c16", "m8[s]"])
def test_finite_arrays_are_counted(dtype):
    x = np.zeros((3, 4), dtype)
    report = ff.scan_batch([x, x[::2], x[:0]])
    assert report and report.arrays == 3 and report.bytes == x.nbytes + x[::2].nbytes


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: x[::-1], lambda x: np.broadcast_to(x, (2, *x.shape))])
def test_arrays_of_every_layout_are_scanned(view):
    x = np.zeros((3, 4))
    x[0, 0] = inf
    assert only([view(x)]).report == ff.scan(view(x))


def test_whatever_has_memory_is_an_array():
    class Image(np.ndarray):
        pass

    values = array.array("d", [1.0, nan])
    assert paths([values, memoryview(values), bad().view(Image), np.ma.array(bad())]) == ["[0]", "[1]", "[2]", "[3]"]


def test_an_object_with_an_array_method_is_an_array():
    class Image:
        def __array__(self, dtype=None, copy=None):
            return bad()

    finding = only({"image": Image()})
    assert finding.path == "image" and finding.report.first == (1,)


def test_masked_cells_are_no_findings():
    x = np.ma.array([nan, 1.0], mask=[True, False])
    assert ff.scan_batch({"x": x, "m": np.ma.masked})
    x[1] = inf
    assert only({"x": x}).report == ff.scan(x)


def test_ml_dtypes_are_scanned():
    ml_dtypes = require("ml_dtypes")
    x = bad().astype(ml_dtypes.bfloat16)
    finding = only({"x": x})
    assert finding.report.dtype == "bfloat16" and finding.sample == 1


def test_the_sample_is_the_index_along_the_first_axis():
    x = np.zeros((4, 3, 2), np.float32)
    x[2, 1, 0] = x[3, 0, 0] = -inf
    finding = only({"x": x})
    assert finding.sample == 2 and finding.report.first == (2, 1, 0) and finding.report.neginf == 2


def test_a_finding_reads_as_a_sentence():
    finding = only({"x": bad()})
    assert finding.text == str(finding) == "x (2 float64) has 1 non-finite value: 1 nan; first nan at index 1"
    assert str(only(bad())) == "array (2 float64) has 1 non-finite value: 1 nan; first nan at index 1"


# ---- object arrays and records -----------------------------------------------------------------------


def test_object_arrays_of_numbers_are_arrays():
    finding = only({"x": np.array([1.0, None, nan], object)})
    assert finding.path == "x" and finding.report.null == 1 and finding.report.nan == 1


def test_object_arrays_of_arrays_are_containers():
    table = np.empty((2, 2), object)
    table[0, 1], table[1, 0] = bad(), Pair(1.0, bad())
    assert paths({"t": table}) == ["t[(0, 1)]", "t[(1, 0)].second"]
    assert paths(np.array({"a": bad()}, object)) == ["[()].a"]


def test_object_arrays_of_text_are_passed_by():
    report = ff.scan_batch({"id": np.array(["a", None], object)})
    assert report and report.not_scanned == {}


def test_records_are_scanned_field_by_field():
    x = np.zeros(3, [("a", "f4"), ("id", "U3"), ("n", [("b", "f8")])])
    x["n"]["b"][1] = nan
    for batch in ({"r": x}, {"r": x.view(np.recarray)}):
        report = ff.scan_batch(batch)
        (finding,) = report.findings
        assert (finding.path, finding.sample, finding.report.first_field) == ("r", 1, "n.b")
        assert report.not_scanned == {"r.id": "it holds no numbers"}
    assert list(ff.scan_batch(x).not_scanned) == ["id"]
    assert only({"r": x[1]}).sample is None


def test_finite_records_list_their_fields_of_text():
    report = ff.scan_batch({"r": np.zeros(3, [("a", "f4"), ("id", "U3")])})
    assert report and report.arrays == 1 and list(report.not_scanned) == ["r.id"]


# ---- frames ------------------------------------------------------------------------------------------


def frames():
    columns = {"a": [1.0, nan], "id": ["x", "y"], "b": [1.0, 2.0]}
    for module in ("pandas", "polars"):
        library = require(module)
        yield library.DataFrame(columns), library.DataFrame({"a": [1.0, 2.0], "id": ["x", "y"]})


def test_frames_are_scanned_column_by_column():
    for frame, clean in frames():
        report = ff.scan_batch({"d": [clean, frame]})
        (finding,) = report.findings
        assert (finding.path, finding.sample, finding.report.first) == ("d[1]", 1, (1, 0))
        assert "row 1, column 0 ('a')" in finding.text
        assert report.not_scanned == dict.fromkeys(["d[0].id", "d[1].id"], "it holds no numbers")


def test_a_frame_alone_lists_its_columns_by_name():
    for frame, _ in frames():
        report = ff.scan_batch(frame)
        assert paths(frame) == [""] and list(report.not_scanned) == ["id"]


def test_columns_are_scanned_and_columns_of_text_listed():
    for frame, _ in frames():
        report = ff.scan_batch({"y": frame["a"], "id": frame["id"]})
        assert [finding.path for finding in report.findings] == ["y"] and list(report.not_scanned) == ["id"]


def test_missing_values_of_frames_are_found():
    pd = require("pandas")
    frame = pd.DataFrame({"n": pd.array([1, None], "Int64")})
    assert only({"d": frame}).report.null == 1 and ff.scan_batch({"d": frame}, allow_nan=True)


def test_xarray_is_scanned():
    xr = require("xarray")
    assert paths({"a": xr.DataArray(bad()), "s": xr.Dataset({"v": ("t", bad())})}) == ["a", "s.v"]


def test_sparse_arrays_are_scanned():
    sparse = require("scipy.sparse")
    x = sparse.coo_array(([1.0, nan], ([0, 2], [1, 1])), (3, 3))
    for form in (x, x.tocsr(), x.tocsc()):
        finding = only({"x": [form], "i": sparse.eye_array(3)})
        assert (finding.path, finding.sample, finding.report.first) == ("x[0]", 2, (2, 1))


# ---- tensors -----------------------------------------------------------------------------------------


def sparse_tensor(torch, value):
    return torch.sparse_coo_tensor([[0, 2]], torch.tensor([1.0, value]), (3,), check_invariants=True)


# Tensors of three values, the last of which is the one that is given.
TENSORS = {
    "float32": lambda torch, value: torch.tensor([1.0, 2.0, value]),
    "float16": lambda torch, value: torch.tensor([1.0, 2.0, value]).half(),
    "bfloat16": lambda torch, value: torch.tensor([1.0, 2.0, value]).bfloat16(),
    "float8": lambda torch, value: torch.tensor([1.0, 2.0, value]).to(torch.float8_e5m2),
    "complex": lambda torch, value: torch.tensor([1.0, 2.0, complex(0, value)]),
    "conjugate": lambda torch, value: torch.tensor([1.0, 2.0, complex(0, value)]).conj(),
    "requires_grad": lambda torch, value: torch.tensor([1.0, 2.0, value], requires_grad=True),
    "computed": lambda torch, value: torch.tensor([1.0, 2.0, value], requires_grad=True) * 2,
    "parameter": lambda torch, value: torch.nn.Parameter(torch.tensor([1.0, 2.0, value])),
    "strided": lambda torch, value: torch.tensor([1.0, 0.0, 2.0, 0.0, value, 0.0])[::2],
    "expanded": lambda torch, value: torch.tensor([1.0, 2.0, value])[:, None].expand(3, 4),
    "sparse": sparse_tensor,
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_every_kind_are_scanned(kind):
    torch = require("torch")
    for value in (nan, inf):
        x = TENSORS[kind](torch, value)
        finding = only({"x": [x]})
        assert (finding.path, finding.sample, finding.report) == ("x[0]", 2, ff.scan(x))
    report = ff.scan_batch({"x": [TENSORS[kind](torch, 0.5)]})
    assert report and report.arrays == 1 and report.not_scanned == {}


def test_tensors_of_integers_are_finite_and_counted():
    torch = require("torch")
    batch = [torch.arange(3), torch.ones(2, dtype=torch.bool), torch.ones(4, dtype=torch.uint8), torch.empty(0)]
    report = ff.scan_batch(batch)
    assert report and (report.arrays, report.bytes) == (4, 24 + 2 + 4)


def test_a_tensor_of_one_number_has_no_sample():
    torch = require("torch")
    assert only({"loss": torch.tensor(nan)}).sample is None


def test_tensors_without_values_are_listed():
    torch = require("torch")
    report = ff.scan_batch({"m": torch.empty(2, device="meta"), "x": torch.tensor([nan])})
    assert list(report.not_scanned) == ["m"] and "meta" in report.not_scanned["m"]
    assert [finding.path for finding in report.findings] == ["x"]
    with pytest.raises(TypeError, match=r"^m cannot be scanned: .*meta"):
        ff.scan_batch({"m": torch.empty(2, device="meta")}, on_unknown="raise")


def test_what_describes_tensors_is_passed_by():
    torch = require("torch")
    report = ff.scan_batch([torch.float32, torch.device("cpu"), torch.strided, torch.Size([1])], on_unknown="raise")
    assert report.arrays == 0


def test_packed_sequences_are_scanned():
    torch = require("torch")
    packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([[1.0], [nan]]), torch.tensor([[2.0]])])
    assert paths({"p": packed}) == ["p.data"]


def test_results_of_torch_are_scanned():
    torch = require("torch")
    assert paths(torch.max(torch.tensor([[1.0, nan]]), dim=1)) == ["[0]"]


# ---- shared containers, cycles, depth -----------------------------------------------------------------


def test_a_container_that_holds_itself_is_entered_once():
    batch = {"x": [bad()]}
    batch["self"] = batch
    batch["x"].append([batch["x"], batch])
    assert paths(batch) == ["x[0]"]
    loop = []
    loop.append(loop)
    assert ff.scan_batch(loop)
    ring = objects(None, None)
    ring[0], ring[1] = ring, bad()
    assert paths(ring) == ["[1]"]


def test_objects_that_know_each_other_are_entered_once():
    parent, child = types.SimpleNamespace(), types.SimpleNamespace(x=bad())
    parent.child, child.parent = child, parent
    assert paths(parent) == ["child.x"]


def test_what_is_shared_is_found_under_each_name():
    x = [bad()]
    assert paths({"a": x, "b": x, "c": x[0]}) == ["a[0]", "b[0]", "c"]


def test_the_same_array_counts_each_time():
    x = np.zeros(3)
    report = ff.scan_batch([x, x])
    assert (report.arrays, report.bytes) == (2, 48)


def wrapped(x, wrap=lambda x: [x, x], times=40):
    for _ in range(times):
        x = wrap(x)
    return x


@pytest.mark.parametrize(
    "wrap, part", [(lambda x: [x], "[0]"), (lambda x: {"a": x}, ".a"), (lambda x: Pair(x, None), ".first")],
    ids=["list", "dict", "named tuple"],
)
def test_depth_has_no_limit(wrap, part):
    depth = 100_000
    assert ff.scan_batch(wrapped(1.0, wrap, depth)).arrays == 1
    same = only([wrapped(bad(), wrap, depth)]).path == "[0]" + part * depth
    assert same


@pytest.mark.parametrize(
    "wrap",
    [lambda x: [x, x], lambda x: {"a": x, "b": x}, lambda x: Graph(a=x, b=x), lambda x: objects(x, x)],
    ids=["list", "dict", "to_dict", "object array"],
)
def test_what_is_shared_and_clean_is_entered_once(wrap):
    assert ff.scan_batch(wrapped({"x": np.ones(3)}, wrap)).arrays == 1


def test_what_is_shared_and_bad_ends_at_the_limit():
    report = ff.scan_batch(wrapped(bad()), limit=5)
    assert len(report.findings) == 5 and not report.complete
    assert report.findings[0].path == "[0]" * 40 and report.findings[1].path == "[0]" * 39 + "[1]"


class Visited(UserDict):
    """Refuses to be entered without end."""

    visits = 0

    def items(self):
        type(self).visits += 1
        assert self.visits < 5000, "entered without end"
        return super().items()


def test_what_is_shared_and_unknown_ends_too():
    Visited.visits = 0
    assert ff.scan_batch(wrapped(Visited(x=Unknown()))).not_scanned


# ---- what is passed by, what is left out --------------------------------------------------------------


class Color(enum.Enum):
    RED = nan


HARMLESS = [
    None, True, 3, 10**400, "nan", b"nan", bytearray(b"nan"), "", ..., range(3), slice(None), int, np.float32,
    np.dtype("f4"), np.int8(1), np.True_, np.str_("nan"), np.bytes_(b"nan"), np.array(["nan"]), np.array([b"nan"]),
    np.array(["nan"], getattr(np.dtypes, "StringDType", lambda: "U3")()), Color.RED, enum.IntFlag("Flag", "A").A,
    datetime.datetime(2020, 1, 1), datetime.date(2020, 1, 1), datetime.time(), datetime.timedelta(1),
    datetime.timezone.utc, pathlib.Path("nan"), pathlib.PureWindowsPath("nan"), uuid.UUID(int=0),
]


@pytest.mark.parametrize("value", HARMLESS, ids=kind_of)
def test_what_cannot_be_nan_is_passed_by(value):
    for batch in (value, [value], {"id": value}):
        report = ff.scan_batch(batch, on_unknown="raise", target_dtype="float16")
        assert report and (report.arrays, report.bytes, report.not_scanned) == (0, 0, {})


def test_text_of_another_class_is_passed_by():
    # Each letter of it is a UserString again, and so on.
    class Text(UserString):
        reads = 0

        def __getitem__(self, index):
            Text.reads += 1
            assert Text.reads < 1000, "entered without end"
            return super().__getitem__(index)

    report = ff.scan_batch({"id": Text("a"), "x": bad()})
    assert [finding.path for finding in report.findings] == ["x"]


ITERATORS = {
    "iterator": iter, "generator": lambda values: (x for x in values), "map": lambda values: map(float, values),
    "zip": lambda values: zip(values), "enumerate": enumerate, "reversed": reversed,
}


@pytest.mark.parametrize("kind", ITERATORS)
def test_iterators_are_not_consumed(kind):
    iterator, twin = (ITERATORS[kind]([1.0, 2.0]) for _ in range(2))
    report = ff.scan_batch({"i": iterator, "x": np.zeros(1)})
    assert report and list(report.not_scanned) == ["i"] and list(iterator) == list(twin)


@pytest.mark.parametrize("value", [Unknown(), object(), len, lambda: 1, types, iter([]), {}.values()], ids=kind_of)
def test_an_object_of_an_unknown_kind_is_listed_or_refused(value):
    name = type(value).__name__
    report = ff.scan_batch({"a": [value, bad()]})
    assert list(report.not_scanned) == ["a[0]"] and name in report.not_scanned["a[0]"]
    assert [finding.path for finding in report.findings] == ["a[1]"]
    with pytest.raises(TypeError, match=rf"^a\[0\] cannot be scanned: .*\b{name}\b"):
        ff.scan_batch({"a": [value]}, on_unknown="raise")
    assert list(ff.scan_batch(value).not_scanned) == [""]
    with pytest.raises(TypeError, match=r"^batch cannot be scanned: "):
        ff.scan_batch(value, on_unknown="raise")


def test_unknown_types_are_named_with_their_module():
    assert ff.scan_batch(Unknown()).not_scanned[""].endswith(f"{Unknown.__module__}.Unknown are not known")


def test_raw_bytes_are_listed_with_the_reason():
    report = ff.scan_batch({"v": np.zeros(2, "V4")})
    assert "raw bytes" in report.not_scanned["v"] and report.arrays == 0


# ---- paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "batch, path",
    [
        ({0: nan}, "[0]"),
        ({-1: {2: nan}}, "[-1][2]"),
        ({"x": {0: nan}}, "x[0]"),
        ({"a b": nan}, "['a b']"),
        ({"x": {"a b": [nan]}}, "x['a b'][0]"),
        ({"x": {"": nan}}, "x['']"),
        ({"it's": nan}, '["it\'s"]'),
        ({"a\nb": nan}, r"['a\nb']"),
        ({"x-y": nan}, "['x-y']"),
        ({"encoder.layers.0.weight": nan}, "encoder.layers.0.weight"),
        ({"x": {"encoder.0": nan}}, "x.encoder.0"),
        ({"a.": nan}, "['a.']"),
        ({".a": nan}, "['.a']"),
        ({".": nan}, "['.']"),
        ({"größe": nan}, "größe"),
        ({None: nan}, "[None]"),
        ({True: nan}, "[True]"),
        ({1.5: nan}, "[1.5]"),
        ({(1, "a"): nan}, "[(1, 'a')]"),
        ({b"k": nan}, "[b'k']"),
        ([[[nan]]], "[0][0][0]"),
    ],
)
def test_a_path_is_what_a_user_would_write(batch, path):
    assert only(batch).path == path


# ---- options -----------------------------------------------------------------------------------------


def test_allow_nan_lets_nan_pass_and_finds_inf():
    mixed = np.array([[nan], [-inf], [inf]], np.float32)
    batch = {"n": bad(), "f": nan, "o": np.array([None, nan], object), "t": np.array(["NaT"], "M8[s]"), "x": mixed}
    finding = only(batch, allow_nan=True)
    assert (finding.path, finding.sample) == ("x", 1) and finding.report.first_kind == "-inf"
    assert finding.text == "x (3 x 1 float32) has 2 infinite values: 1 +inf, 1 -inf; first -inf at row 1, column 0"
    assert paths({"f": inf, "n": nan}, allow_nan=True) == ["f"]
    assert len(ff.scan_batch(batch).findings) == 5


def test_target_dtype_finds_what_would_overflow():
    batch = {"x": np.array([[1.0], [1e5]]), "f": 1e5, "i": np.array([70_000]), "s": np.float32(1e5), "ok": np.ones(2)}
    assert ff.scan_batch(batch)
    report = ff.scan_batch(batch, target_dtype="float16")
    assert [finding.path for finding in report.findings] == ["x", "f", "i", "s"] and report.arrays == 5
    assert report.findings[0].sample == 1 and report.findings[0].report.first_overflow == (1, 0)
    assert report.findings[0].text == "x (2 x 1 float64) has 1 value that overflows float16, first at row 1, column 0"
    assert ff.scan_batch(batch, target_dtype="bfloat16") and ff.scan_batch(batch, target_dtype=np.float32)


def test_target_dtype_and_allow_nan_go_together():
    batch = {"n": bad(), "x": np.array([nan, 1e5])}
    assert paths(batch, allow_nan=True, target_dtype="float16") == ["x"]
    assert paths(batch, target_dtype="float16") == ["n", "x"]


def test_target_dtype_leaves_dates_to_be_scanned_for_nat():
    dates = np.array(["2020-01-01", "NaT"], "M8[s]")
    records = np.zeros(2, [("when", "M8[s]"), ("x", "f4")])
    records["x"][1] = nan
    report = ff.scan_batch({"when": dates, "r": records}, target_dtype="float16")
    assert [finding.path for finding in report.findings] == ["when", "r"] and not report.not_scanned


def test_target_dtype_applies_to_tensors_and_frames():
    torch, pd = require("torch"), require("pandas")
    batch = {"t": torch.tensor([1.0, 1e5]), "b": torch.tensor([1e5]).bfloat16(), "d": pd.DataFrame({"a": [1e5]})}
    assert paths(batch, target_dtype=torch.float16) == ["t", "b", "d"] and ff.scan_batch(batch)


@pytest.mark.parametrize("n, complete", [(1, False), (3, False), (4, True)])
def test_the_scan_ends_at_the_limit(n, complete):
    report = ff.scan_batch([bad(), [bad()], bad()], limit=n)
    assert len(report.findings) == min(n, 3) and report.complete == complete and report.arrays == min(n, 3)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"on_unknown": "skip"}, ValueError, "on_unknown must be 'ignore' or 'raise', not 'skip'"),
        ({"on_unknown": None}, ValueError, "on_unknown must be 'ignore' or 'raise', not None"),
        ({"limit": 0}, ValueError, "limit must be at least 1, not 0"),
        ({"limit": 1.5}, TypeError, "limit must be an integer, not 1.5"),
        ({"target_dtype": "int8"}, ValueError, "target_dtype='int8' is not a floating-point format"),
        ({"target_dtype": "nonsense"}, ValueError, "target_dtype='nonsense' is not a floating-point format"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_bad_options_are_refused_with_the_reason(options, error, message):
    with pytest.raises(error) as caught:
        ff.scan_batch([], **options)
    assert message in str(caught.value)


def test_options_are_named():
    with pytest.raises(TypeError):
        ff.scan_batch([], True)


# ---- reports -----------------------------------------------------------------------------------------


def everything():
    """A batch with a finding of every kind."""
    records = np.zeros(2, [("a", "f4"), ("id", "U3")])
    records["a"][1] = inf
    batch = {0: nan, "x": [bad(3), np.float32(1e5)], "r": records, "c": complex(0, inf), "o": np.array([None], object),
             "u": Unknown(), "m": np.ma.array([nan, inf], mask=[1, 0]), "t": np.array(["NaT"], "M8[s]")}
    for module in ("pandas", "polars"):
        try:
            frame = require(module).DataFrame({"a": [1.0, nan], "id": ["x", "y"], "b": [1, 2]})
        except pytest.skip.Exception:
            continue
        batch[module] = frame
    return batch


@pytest.mark.parametrize("target", [None, "float16"])
def test_a_report_is_strict_json(target):
    batch = everything()
    if target:
        del batch["t"]
    report = ff.scan_batch(batch, target_dtype=target)
    plain = report.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == ["ok", "arrays", "bytes", "complete", "findings", "not_scanned"]
    assert [entry["path"] for entry in plain["findings"]] == [finding.path for finding in report.findings]
    found = ff.scan(nan, target_dtype=target)
    assert plain["findings"][0] == {"path": "[0]", "sample": None, "report": found.to_dict()}


@pytest.mark.parametrize("duplicate", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy])
def test_a_report_survives_pickle_and_copy(duplicate):
    report = ff.scan_batch(everything())
    twin = duplicate(report)
    assert type(twin) is ff.BatchReport and twin.findings == report.findings and type(twin.findings[0]) is ff.Finding
    assert twin.to_dict() == report.to_dict() and str(twin) == str(report)


def test_a_report_reads_well():
    assert str(ff.scan_batch([])) == "batch of 0 arrays (0 B) is finite"
    assert str(ff.scan_batch(np.zeros(1))) == "batch of 1 array (8 B) is finite"
    report = ff.scan_batch({"x": [bad(), np.zeros(1000)], "u": Unknown(), "y": [bad()]})
    first, *lines = str(report).splitlines()
    assert first == "batch of 3 arrays (8.03 kB) has 2 that are not finite"
    assert lines[:2] == [f"  {finding}" for finding in report.findings]
    assert lines[2].startswith("  not scanned: u: ") and len(lines) == 3
    assert repr(report) == f"<BatchReport: {report}>"
    assert str(ff.scan_batch(Unknown())).splitlines()[1].startswith("  not scanned: the batch: ")


def test_a_report_says_that_the_scan_ended_early():
    text = str(ff.scan_batch([bad(), bad()], limit=1)).splitlines()[0]
    assert text == "batch of 1 array (16 B) has 1 that is not finite, and perhaps more: the scan ended there"


@pytest.mark.parametrize(
    "n, text", [(999, "999 B"), (1000, "1 kB"), (999_400, "999 kB"), (999_999, "1 MB"), (1_500_000, "1.5 MB")]
)
def test_sizes_have_no_exponent(n, text):
    assert str(ff.scan_batch(np.zeros(n, np.uint8))) == f"batch of 1 array ({text}) is finite"


def test_arrays_and_bytes_are_counted():
    batch = {"x": np.zeros((3, 4), np.float32), "y": [bad(5), 1.0, nan, 7, "text"], "o": objects(np.ones(2), None)}
    report = ff.scan_batch(batch)
    assert (report.arrays, report.bytes) == (5, 48 + 40 + 8 + 8 + 16)


def test_a_frame_counts_as_one_array():
    pd = require("pandas")
    report = ff.scan_batch([pd.DataFrame(np.zeros((3, 2))), pd.Series(np.zeros(4, np.float32))])
    assert (report.arrays, report.bytes) == (2, 48 + 16)


# ---- the batch ---------------------------------------------------------------------------------------


def test_the_batch_is_not_changed():
    batch = {"x": bad(), "n": [1.0, {"y": objects(bad(), "a")}], "p": Pair(bad(), None), "s": Sample(np.ones(2))}
    batch["x"].flags.writeable = False
    before, identities = pickle.dumps(batch), [id(batch["x"]), id(batch["n"][1]["y"][0]), id(batch["s"].x)]
    ff.scan_batch(batch, target_dtype="float16", allow_nan=True)
    ff.scan_batch(batch)
    assert pickle.dumps(batch) == before
    assert identities == [id(batch["x"]), id(batch["n"][1]["y"][0]), id(batch["s"].x)]


def test_tensors_are_not_changed():
    torch = require("torch")
    x = torch.tensor([1.0, nan], requires_grad=True)
    y = x * 2
    version = y._version
    ff.scan_batch({"x": x, "y": y})
    assert x.requires_grad and x.grad is None and y.grad_fn is not None and y._version == version


def test_nothing_of_the_batch_is_kept_alive():
    batch = Sample([UserDict(x=bad())])
    gone = weakref.ref(batch.x[0])
    report = ff.scan_batch(batch)
    del batch
    assert gone() is None and not report


# ---- code that is not ours -----------------------------------------------------------------------------


class Broken:
    """Raises wherever it is looked at."""

    def __init__(self, **methods):
        self.__class__ = type("Broken", (), methods)


def fails(*arguments, **options):
    raise RuntimeError("no")


@pytest.mark.parametrize("methods", [
    {"__array__": fails}, {"to_dict": fails}, {"__array_interface__": property(fails)},
    {"keys": fails, "items": fails, "__getitem__": fails}, {"__narwhals_dataframe__": fails},
], ids=lambda methods: next(iter(methods)))
def test_an_object_whose_own_code_raises_is_listed(methods):
    if "__narwhals_dataframe__" in methods:
        require("narwhals")
    report = ff.scan_batch({"odd": Broken(**methods), "x": bad()})
    assert list(report.not_scanned) == ["odd"] and [finding.path for finding in report.findings] == ["x"]
    with pytest.raises(TypeError, match=r"^odd cannot be scanned"):
        ff.scan_batch({"odd": Broken(**methods)}, on_unknown="raise")


def test_a_mapping_that_fails_half_way_is_listed_beside_what_it_gave():
    class Half(Mapping):
        def __getitem__(self, key):
            return bad() if key == "a" else fails()

        def __iter__(self):
            return iter("ab")

        def __len__(self):
            return 2

    report = ff.scan_batch([Half()])
    assert [finding.path for finding in report.findings] == ["[0].a"] and list(report.not_scanned) == ["[0]"]


def test_a_key_without_words_hides_no_finding():
    key = type("Key", (), {"__repr__": fails})()
    assert [finding.path for finding in ff.scan_batch({key: bad()}).findings] == ["[<Key>]"]


def test_masked_objects_are_left_out():
    x = np.ma.MaskedArray(np.array([bad(), "text", bad()], object), [True, False, False])
    assert [finding.path for finding in ff.scan_batch({"x": x}).findings] == ["x[2]"]


def test_a_number_that_is_also_an_enum_is_scanned():
    class Rate(float, enum.Enum):
        NONE = nan

    assert [finding.path for finding in ff.scan_batch({"rate": Rate.NONE}).findings] == ["rate"]


def test_nat_of_pandas_is_not_passed_by():
    pandas = require("pandas")
    assert list(ff.scan_batch({"when": pandas.NaT}).not_scanned) == ["when"]


def test_items_that_are_no_pairs_are_listed():
    odd = type("Odd", (dict,), {"items": lambda self: [("a", 1, 2)]})()
    report = ff.scan_batch({"odd": odd, "x": bad()})
    assert list(report.not_scanned) == ["odd"] and [finding.path for finding in report.findings] == ["x"]


def test_coordinates_of_a_dataset_are_scanned():
    xarray = require("xarray")
    data = xarray.Dataset({"t": ("x", [1.0, 2.0])}, coords={"x": [0.0, nan], "when": ("x", ["a", "b"])})
    assert [finding.path for finding in ff.scan_batch(data).findings] == ["x"]

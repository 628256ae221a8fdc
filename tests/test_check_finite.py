"""check_finite and asarray_chkfinite: what passes, what is raised, and the words of it."""

import warnings

import arrays
import numpy as np
import pytest
from optional import require
from refusals import message_of, raised

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
SOME = arrays.dtypes_and_layouts(("float32", "complex128", "bfloat16", "float8_e5m2"))


@pytest.mark.parametrize("dtype", (*arrays.BITS, *arrays.LONG, *arrays.INTEGERS))
def test_a_finite_array_is_returned_itself(dtype):
    for layout in arrays.layouts_of(dtype):
        x = arrays.LAYOUTS[layout](arrays.clean(dtype, (5, 7)))
        assert ff.check_finite(x) is x


@pytest.mark.parametrize("x", [[1.0, 2.0], 3, 2.5, (), np.ma.array([nan, 1], mask=[1, 0]), np.zeros(2, [("a", "f4")])])
def test_whatever_passes_is_returned_itself(x):
    assert ff.check_finite(x) is x


@pytest.mark.parametrize(("dtype", "layout"), SOME)
def test_the_error_carries_the_scan(dtype, layout):
    x = arrays.LAYOUTS[layout](arrays.mixed(dtype, (50, 6)))
    error = raised(x)
    assert error.report == ff.scan(x) and error.by_column == ff.scan(x, axis=0)
    assert isinstance(error, ValueError)


def test_the_message_names_the_array_the_place_and_the_columns():
    x = np.ones((1_000_000, 32), np.float32)
    x[17, 4], x[999_999, 4], x[500_000, 9] = nan, nan, inf
    assert message_of(x, name="X") == (
        "X (1000000 x 32 float32) has 3 non-finite values: 2 nan, 1 +inf; first nan at row 17, column 4; "
        "columns 4: 2, 9: 1"
    )
    names = [f"c{i}" for i in range(32)]
    names[4], names[9] = "age", None        # a column without a name is told by its number alone
    assert message_of(x, name="X", columns=names) == (
        "X (1000000 x 32 float32) has 3 non-finite values: 2 nan, 1 +inf; first nan at row 17, column 4 ('age'); "
        "columns 4 ('age'): 2, 9: 1"
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (nan, "array (float64 scalar) has 1 non-finite value: 1 nan; first nan"),
        (np.array([1, -inf], "f4"), "array (2 float32) has 1 non-finite value: 1 -inf; first -inf at index 1"),
        ([None, 1.0, nan], "array (3 object) has 2 non-finite values: 1 nan, 1 null; first null at index 0"),
        (np.array(["2020-01-01", "NaT"], "M8[D]"),
         "array (2 datetime64[D]) has 1 non-finite value: 1 nan; first nan at index 1"),
        (np.full((2, 1, 2), inf),
         "array (2 x 1 x 2 float64) has 4 non-finite values: 4 +inf; first +inf at index (0, 0, 0)"),
        (np.array([(1, "a"), (nan, "b")], [("v", "f4"), ("s", "U1")]),
         "array (2 record) has 1 non-finite value: 1 nan; first nan at index 1, field 'v'; not scanned: 's'"),
        (np.ma.array([[nan, 1], [inf, 2]], mask=[[1, 0], [0, 0]]),
         "array (2 x 2 float64) has 1 non-finite value: 1 +inf; first +inf at row 1, column 0; columns 0: 1; 1 masked"),
        (np.full((1, 10), nan),
         "array (1 x 10 float64) has 10 non-finite values: 10 nan; first nan at row 0, column 0; "
         "columns 0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1 and 2 more"),
    ],
)
def test_the_message_for_every_kind_of_input(x, message):
    assert message_of(x) == message


def test_allow_nan_lets_nan_pass_and_tells_of_inf_alone():
    x = np.ones((3, 2))
    x[0, 0] = nan
    assert ff.check_finite(x, allow_nan=True) is x
    x[2, 1] = -inf
    assert message_of(x, allow_nan=True) == (
        "array (3 x 2 float64) has 1 infinite value: 1 -inf; first -inf at row 2, column 1; columns 1: 1"
    )
    assert ff.check_finite([None, nan], allow_nan=True) == [None, nan]
    assert message_of([None, nan, inf], allow_nan=True).endswith("1 infinite value: 1 +inf; first +inf at index 2")


@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64", "longdouble", "object", "bfloat16"])
def test_allow_nan_finds_the_first_inf_of_every_dtype(dtype):
    x = np.ones(5000) if dtype == "object" else arrays.clean(dtype, 5000)
    x = x.astype(object) if dtype == "object" else x.copy()
    x[7], x[4321], x[4900] = nan, -inf, inf
    for data, first in ((x, 4321), (np.ma.MaskedArray(x, np.arange(5000) == 4321), 4900)):
        report = raised(data, allow_nan=True).report
        assert report.first == (first,) and report.first_kind == ("-inf" if first == 4321 else "+inf")
    assert ff.check_finite(x[:4000], allow_nan=True) is not None


def test_allow_nan_finds_the_first_inf_of_records():
    x = np.zeros(4, [("a", "f8"), ("b", "f8")])
    x["a"][0], x["b"][2] = nan, inf
    assert ff.check_finite(x[:2], allow_nan=True) is not None
    assert message_of(x, allow_nan=True) == (
        "array (4 record) has 1 infinite value: 1 +inf; first +inf at index 2, field 'b'"
    )


def test_a_complex_value_with_nan_and_inf_is_nan():
    x = np.array([complex(nan, inf), complex(1, 1)])
    assert ff.check_finite(x, allow_nan=True) is x
    assert message_of(x) == "array (2 complex128) has 1 non-finite value: 1 nan; first nan at index 0"


def test_a_target_refuses_what_would_overflow():
    x = np.array([[1.0, 2.0], [70000.0, -1e9]])
    assert ff.check_finite(x, target_dtype="float32") is x
    assert message_of(x, name="X", target_dtype="float16") == (
        "X (2 x 2 float64) has 2 values that overflow float16, first at row 1, column 0; columns 0: 1, 1: 1"
    )
    assert message_of(x[1, 0], target_dtype="float16") == "array (float64 scalar) has 1 value that overflows float16"
    assert message_of(np.array([10**6]), target_dtype=np.float16) == (
        "array (1 int64) has 1 value that overflows float16, first at index 0"
    )
    x[0, 0] = nan
    assert message_of(x, target_dtype="float16", allow_nan=True).startswith(
        "array (2 x 2 float64) has 2 values that overflow float16"
    )
    assert message_of(x, target_dtype="float16") == (
        "array (2 x 2 float64) has 1 non-finite value: 1 nan; first nan at row 0, column 0; "
        "2 values that overflow float16, first at row 1, column 0; columns 0: 2, 1: 1"
    )


@pytest.mark.parametrize(
    "columns", [["a", "b"], ("a", "b"), np.array(["a", "b"]), {"a": 1, "b": 2}.keys(), [0, 1]], ids=repr
)
def test_names_of_columns_may_be_any_sequence(columns):
    if not hasattr(columns, "__getitem__"):
        columns = list(columns)
    x = np.array([[1.0, nan]])
    last = str(list(columns)[1])
    assert message_of(x, columns=columns).endswith(f"first nan at row 0, column 1 ({last!r}); columns 1 ({last!r}): 1")


def test_names_of_columns_may_come_one_by_one():
    x = np.array([[1.0, nan]])
    for columns in (iter(["a", "b"]), (name for name in "ab"), {"a": 1, "b": 2}, {"a": 1, "b": 2}.keys(), "ab"):
        assert message_of(x, columns=columns).endswith("column 1 ('b'); columns 1 ('b'): 1")
    for columns in (iter("abc"), (name for name in "a")):
        with pytest.raises(ValueError, match="columns must name each column of x"):
            ff.check_finite(x, columns=columns)


def test_names_of_columns_may_be_those_of_pandas():
    pandas = require("pandas")
    x = np.array([[1.0, nan]])
    for columns in (pandas.Index(["a", "b"]), pandas.Series(["a", "b"], index=[7, 0]),
                    pandas.Series(["a", "b"], index=["x", "y"]), pandas.Index(["b", "b"])):
        assert message_of(x, columns=columns).endswith("column 1 ('b'); columns 1 ('b'): 1")
        assert ff.check_finite(x, columns=columns, allow_nan=True) is x


def test_a_data_frame_has_names_of_its_own():
    pandas = require("pandas")
    frame = pandas.DataFrame({"age": [1.0, 2.0], "height": [3.0, nan]}, index=[5, 2])
    assert message_of(frame).endswith("first nan at row 1, column 1 ('height'); columns 1 ('height'): 1")
    assert message_of(frame, columns=["a", "b"]).endswith("first nan at row 1, column 1 ('b'); columns 1 ('b'): 1")
    assert ff.check_finite(frame[:1]) is not None


@pytest.mark.parametrize("x", [np.ones((3, 2)), np.full((3, 2), nan), np.ones(3), 1.0, np.ones((1, 3, 3))])
def test_names_must_be_as_many_as_columns_of_two_dimensions(x):
    with pytest.raises(ValueError, match=r"columns must name each column of x; it has 3, and x has shape \(.*\)"):
        ff.check_finite(x, columns=["a", "b", "c"])


@pytest.mark.parametrize("target", ["float7", "int8", object()])
def test_an_unknown_target_is_refused_even_where_all_is_finite(target):
    with pytest.raises(ValueError, match=r"target_dtype=.* is not a floating-point format known here"):
        ff.check_finite(np.ones(2), target_dtype=target)


# ---- asarray_chkfinite -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "dtype", "order"),
    [([1, 2], None, None), ([1, 2], float, None), ([[1, 2], [3, 4]], "f4", "F"), (np.ones((2, 3)), None, "F"),
     (np.ones((2, 3)).T, None, "C"), (np.ones((2, 3)).T, None, "K"), (range(3), "c8", "A"), (2.5, None, None)],
)
def test_asarray_chkfinite_converts_as_numpys(a, dtype, order):
    ours, numpys = ff.asarray_chkfinite(a, dtype, order), np.asarray_chkfinite(a, dtype, order)
    assert ours.dtype == numpys.dtype and ours.strides == numpys.strides and np.array_equal(ours, numpys)


def test_asarray_chkfinite_copies_nothing_that_need_not_be():
    x = np.ones(3)
    assert ff.asarray_chkfinite(x) is x


@pytest.mark.parametrize("a", [[1, nan], [inf], [[1.0], [-inf]], [1j * inf]])
def test_asarray_chkfinite_raises_as_numpys_does(a):
    with pytest.raises(ValueError):
        np.asarray_chkfinite(a)
    with pytest.raises(ff.NonFiniteError, match="non-finite"):
        ff.asarray_chkfinite(a)


def test_asarray_chkfinite_checks_what_it_converted_to():
    with np.errstate(all="ignore"), warnings.catch_warnings(), pytest.raises(ff.NonFiniteError, match=r"\(1 float16\)"):
        ff.asarray_chkfinite([1e9], dtype=np.float16)


def test_asarray_chkfinite_refuses_what_cannot_be_checked():
    for a in (["a"], [object()], [b"x"]):
        with pytest.raises(TypeError):
            ff.asarray_chkfinite(a)

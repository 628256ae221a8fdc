"""Columns of data frames: what is no number is told, or refused; decimals and objects are numbers."""

import datetime
import functools
from decimal import Decimal

import numpy as np
import pytest
from frames import Column, check_frame, same_statistics, with_nulls
from optional import require
from refusals import EVERY_CALL, message_of
from same_as_array import check_close_statistics

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf


# ---- what holds no numbers -----------------------------------------------------------------------------


def day(n):
    return datetime.date(2020, 1, n)


def mixed_pandas(age, pay):
    pandas = require("pandas")
    return pandas.DataFrame({"city": ["x", None], "age": age, "when": pandas.to_datetime([day(1), None]), "pay": pay})


def mixed_polars(age, pay):
    polars = require("polars")
    return polars.DataFrame({"city": ["x", None], "age": age, "when": [day(1), None], "pay": pay})


def mixed_arrow(age, pay):
    pyarrow = require("pyarrow")
    return pyarrow.table({"city": ["x", None], "age": age, "when": [day(1), None], "pay": pay})


MIXED = {
    "pandas": mixed_pandas,
    "polars": mixed_polars,
    "pyarrow": mixed_arrow,
    "record batch": lambda *columns: mixed_arrow(*columns).to_batches()[0],
    "narwhals": lambda *columns: require("narwhals").from_native(mixed_polars(*columns)),
}
each_mixed = pytest.mark.parametrize("make", MIXED.values(), ids=MIXED)


@each_mixed
def test_columns_without_numbers_are_left_out_and_listed(make):
    frame = make([1.0, nan], [inf, 2.0])
    report = ff.scan(frame)
    assert report.not_scanned == ("city", "when") and report.names == ("city", "age", "when", "pay")
    assert (report.shape, report.size, report.finite, report.first) == ((2, 4), 4, 2, (0, 3))
    by_column = ff.scan(frame, axis=0)
    assert by_column.columns.tolist() == [1, 3]
    assert by_column.nan.tolist() == [0, 1, 0, 0] and by_column.posinf.tolist() == [0, 0, 0, 1]
    assert ff.nonfinite(frame).tolist() == [[0, 3], [1, 1]]
    assert ff.scan(frame, axis=1).nan.tolist() == [0, 1]
    stats = ff.column_stats(frame)
    assert stats.names == ("age", "pay") and stats.not_scanned == ("city", "when")
    assert stats.count.tolist() == [1, 2] and stats.nan.tolist() == [1, 0] and stats.posinf.tolist() == [0, 1]
    assert str(stats).endswith("not scanned: 'city', 'when'")


@each_mixed
def test_the_message_names_what_it_found_and_what_it_left_out(make):
    frame = make([1.0, nan], [inf, 2.0])
    message = ("frame (2 x 4 float64) has 2 non-finite values: 1 nan, 1 +inf; first +inf at row 0, column 3 ('pay'); "
               "columns 1 ('age'): 1, 3 ('pay'): 1; not scanned: 'city', 'when'")
    assert message_of(frame) == message
    assert str(ff.scan(frame, axis=0)) == message
    assert message_of(frame, name="X", columns="abcd").startswith("X (2 x 4 float64) has")
    assert "first +inf at row 0, column 3 ('d'); columns 1 ('b'): 1, 3 ('d'): 1" in message_of(frame, columns="abcd")
    with pytest.raises(ValueError, match="it has 2, and x has shape"):
        ff.check_finite(frame, columns=["age", "pay"])
    clean = str(ff.scan(make([1.0, 2.0], [1.0, 2.0])))
    assert clean == "frame (2 x 4 float64) has 4 finite values; not scanned: 'city', 'when'"


@each_mixed
def test_verdicts_ignore_columns_without_numbers(make):
    frame = make([1.0, 2.0], [3.0, 4.0])
    assert ff.all_finite(frame) and not ff.has_nan(frame) and not ff.has_inf(frame)
    assert ff.check_finite(frame) is frame


@each_mixed
@pytest.mark.parametrize("axis", [0, 1])
def test_columns_without_numbers_count_as_finite_nowhere(make, axis):
    report = ff.scan(make([1.0, nan], [inf, 2.0]), axis=axis)
    assert report.finite.tolist() == [[0, 1, 0, 1], [1, 1]][axis]
    assert report.finite.sum() == report.totals.finite == 2


@each_mixed
def test_a_refused_nan_is_named_by_its_place_in_the_whole_frame(make):
    bad = make([1.0, nan], [3.0, 4.0])
    calls = (functools.partial(ff.column_stats, bad, nan_policy="raise"),
             functools.partial(ff.ColumnStats(nan_policy="raise").update, bad))
    for call in calls:
        with pytest.raises(ff.NonFiniteError, match=r"1 nan; first nan at row 1, column 1 \('age'\)") as caught:
            call()
        assert caught.value.report.first == (1, 1)


@with_nulls
def test_a_refused_null_is_told_with_its_place(make):
    frame = make({"a": Column(np.arange(3), np.arange(3) == 1)})
    with pytest.raises(ff.NonFiniteError, match=r"1 null; first null at row 1, column 0 \('a'\)"):
        ff.column_stats(frame, nan_policy="raise")


def texts():
    """Frames without a column of numbers."""
    pandas, polars, pyarrow = (require(name) for name in ("pandas", "polars", "pyarrow"))
    columns = {"city": ["x", None], "when": [day(1), None]}
    return [pandas.DataFrame(columns), polars.DataFrame(columns), pyarrow.table(columns), pandas.Series(["x"]),
            polars.Series("city", ["x"]), pyarrow.array(["x"]), pyarrow.record_batch(columns),
            pandas.DataFrame({"city": np.array(["x", None], object)})]


@pytest.mark.parametrize("call", [*EVERY_CALL, ff.standardize])
def test_frames_without_any_number_are_refused(call):
    for frame in texts():
        with pytest.raises(TypeError):
            call(frame)


def test_the_refusal_names_the_columns():
    for frame in texts()[:3]:
        with pytest.raises(TypeError, match="no column of numbers to scan; its columns are 'city', 'when'"):
            ff.scan(frame)


def test_the_columns_of_polars_that_hold_no_numbers():
    polars = require("polars")
    others = {
        "text": polars.Series(["1"]), "bytes": polars.Series([b"1"]), "day": polars.Series([day(1)]),
        "time": polars.Series([datetime.time(1)]), "span": polars.Series([datetime.timedelta(1)]),
        "stamp": polars.Series([datetime.datetime(2020, 1, 1)]), "list": polars.Series([[nan]]),
        "category": polars.Series(["1"], dtype=polars.Categorical),
        "enum": polars.Series(["1"], dtype=polars.Enum(["1"])),
        "array": polars.Series([[nan]], dtype=polars.Array(polars.Float64, 1)), "struct": polars.Series([{"x": nan}]),
        "null": polars.Series([None]),
    }
    report = ff.scan(polars.DataFrame({"number": [1.0], **others}))
    assert report and report.not_scanned == tuple(others) and report.size == 1


def test_the_columns_of_pyarrow_that_hold_no_numbers():
    pa = require("pyarrow")
    others = {
        "text": pa.array(["1"]), "large": pa.array(["1"], pa.large_string()), "bytes": pa.array([b"1"]),
        "day": pa.array([day(1)]), "time": pa.array([1], pa.time32("s")), "span": pa.array([1], pa.duration("s")),
        "stamp": pa.array([1], pa.timestamp("us", "UTC")), "category": pa.array(["1"]).dictionary_encode(),
        "list": pa.array([[nan]]), "struct": pa.array([{"x": nan}]), "map": pa.array([[("x", nan)]],
        pa.map_(pa.string(), pa.float64())), "null": pa.nulls(1),
    }
    report = ff.scan(pa.table({"number": [1.0], **others}))
    assert report and report.not_scanned == tuple(others) and report.size == 1


def test_the_columns_of_pandas_that_hold_no_numbers():
    pd = require("pandas")
    others = {
        "str": pd.Series(["1", None], dtype="str"), "string": pd.Series(["1", None], dtype="string"),
        "object": pd.Series(["1", None], dtype=object), "with nan": pd.Series([nan, "1"], dtype=object),
        "number and text": pd.Series([1.0, "1"], dtype=object), "days": pd.Series([day(1), None], dtype=object),
        "lists": pd.Series([[nan], [1]], dtype=object), "stamp": pd.Series(pd.to_datetime([day(1), None])),
        "zone": pd.Series(pd.to_datetime([day(1), None], utc=True)), "span": pd.Series(pd.to_timedelta([1, None])),
        "category": pd.Series(["1", None], dtype="category"), "numbers": pd.Series([1.0, nan], dtype="category"),
        "period": pd.Series(pd.period_range("2020", periods=2, freq="D")),
    }
    report = ff.scan(pd.DataFrame({"number": [1.0, 2.0], **others}))
    assert report and report.not_scanned == tuple(others) and report.size == 2


def test_intervals_of_numbers_are_no_numbers():
    pandas = require("pandas")
    report = ff.scan(pandas.DataFrame({"a": [1.0, nan], "range": pandas.interval_range(0.0, 2.0)}))
    assert report.not_scanned == ("range",) and report.nan == 1


@pytest.mark.parametrize("name", ["string", "date32", "binary", "null", "list", "struct", "dictionary", "duration"])
def test_the_arrow_columns_of_pandas_that_hold_no_numbers(name):
    pandas, pa = require("pandas"), require("pyarrow")
    kind = {"list": lambda: pa.list_(pa.float64()), "struct": lambda: pa.struct({"x": pa.float64()}),
            "dictionary": lambda: pa.dictionary(pa.int32(), pa.string()), "duration": lambda: pa.duration("s")}
    other = pandas.arrays.ArrowExtensionArray(pa.nulls(2, kind.get(name, getattr(pa, name, None))()))
    report = ff.scan(pandas.DataFrame({"other": other, "number": [nan, 1.0]}))
    assert report.not_scanned == ("other",) and report.first == (0, 1) and report.null == 0


def columns_that_may_hold_numbers():
    pandas = require("pandas")
    polars, pyarrow = require("polars"), require("pyarrow")
    lists, numbers = [[nan], [1.0]], [1.0, 2.0]
    yield pandas.DataFrame({"a": numbers, "odd": lists})
    yield pandas.DataFrame({"a": numbers, "odd": ["3", inf]})
    yield pandas.DataFrame({"a": numbers, "odd": pandas.Series(pandas.arrays.IntervalArray.from_breaks([0, 1, inf]))})
    yield pandas.DataFrame({"a": numbers, "odd": pandas.Categorical([inf, 1.0])})
    yield pandas.DataFrame({"a": numbers, "odd": pandas.Categorical(["text", inf])})
    yield polars.DataFrame({"a": numbers, "odd": polars.Series([1, None], dtype=polars.Int128)})
    yield polars.DataFrame({"a": numbers, "odd": [None, None]})
    yield pyarrow.table({"a": numbers, "odd": pyarrow.nulls(2)})
    yield polars.DataFrame({"a": numbers, "odd": lists})
    yield polars.DataFrame({"a": numbers, "odd": [{"x": nan}, {"x": 1.0}]})
    yield pyarrow.table({"a": numbers, "odd": lists})
    yield pyarrow.table({"a": numbers, "odd": pyarrow.array([{"x": nan}, None])})


def test_of_columns_that_may_hold_numbers_there_is_no_verdict():
    for frame in columns_that_may_hold_numbers():
        for call in (ff.all_finite, ff.has_nan, ff.has_inf, ff.nonfinite, ff.check_finite,
                     lambda x: ff.check_finite(x, target_dtype="float16")):
            with pytest.raises(TypeError, match="cannot scan the columns 'odd'"):
                call(frame)
        report = ff.scan(frame)
        assert report.ok and report.not_scanned == ("odd",) and report.size == 2
        assert list(ff.scan_batch({"f": frame}).not_scanned) == ["f.odd"]
        with pytest.raises(TypeError, match=r"f\.odd cannot be scanned"):
            ff.scan_batch({"f": frame}, on_unknown="raise")


# ---- decimals and objects ------------------------------------------------------------------------------

DECIMALS = [Decimal("1.50"), None, Decimal("-70000.25"), Decimal("0.00")]


def decimals_of_polars():
    polars = require("polars")
    return polars.DataFrame({"d": polars.Series(DECIMALS, dtype=polars.Decimal(10, 2))})


def decimals_of_arrow(name, wrap=lambda array: array):
    pyarrow = require("pyarrow")
    return pyarrow.table({"d": wrap(pyarrow.array(DECIMALS, getattr(pyarrow, name)(9, 2)))})


def decimals_of_pandas():
    pandas, pyarrow = require("pandas"), require("pyarrow")
    return pandas.DataFrame({"d": pandas.arrays.ArrowExtensionArray(pyarrow.array(DECIMALS))})


def decimal_objects():
    return require("pandas").DataFrame({"d": np.array(DECIMALS, object)})


@pytest.mark.parametrize("make", [
    decimals_of_polars, decimals_of_pandas, decimal_objects,
    *(functools.partial(decimals_of_arrow, name) for name in ("decimal32", "decimal64", "decimal128", "decimal256")),
], ids=["polars", "pandas Arrow", "pandas object", "decimal32", "decimal64", "decimal128", "decimal256"])
def test_decimals_are_numbers(make):
    frame = make()
    report = ff.scan(frame, target_dtype="float16")
    assert (report.size, report.null, report.overflow, report.first_overflow) == (4, 1, 1, (2, 0))
    assert ff.nonfinite(frame).tolist() == [[1, 0]] and not ff.all_finite(frame)
    stats = ff.column_stats(frame)
    assert (stats.count, stats.nan, stats.zero, stats.min, stats.max) == (3, 1, 1, -70000.25, 1.5)


@pytest.mark.parametrize("name", ["Int128", "UInt128"])
def test_integers_of_128_bits_are_numbers_or_left_out(name):
    polars = require("polars")
    wide = polars.Series([1, None], dtype=getattr(polars, name))
    report = ff.scan(polars.DataFrame({"wide": wide, "a": [1.0, nan]}))
    assert report.nan == 1 and (report.null == 1) is (report.not_scanned == ())


def test_objects_that_are_numbers_or_none_are_scanned():
    pandas = require("pandas")
    values = np.array([[1, None, True], [nan, Decimal("nan"), False], [10**400, -inf, None]], object)
    frame = pandas.DataFrame(values, columns=list("abc"))
    check_frame(frame, values)
    assert ff.scan(frame).dtype == "object"
    check_close_statistics(ff.column_stats(frame[["b", "c"]]), values[:, 1:])
    check_frame(frame["b"], values[:, 1])


@pytest.mark.parametrize("missing", [None, nan], ids=str)
def test_of_objects_that_are_all_missing_nobody_knows_what_they_are(missing):
    # In a batch, a column of text may be so, and must not become one of numbers.
    pandas = require("pandas")
    frame = pandas.DataFrame({"a": pandas.Series([missing, missing], dtype=object), "b": [1.0, 2.0]})
    assert ff.scan(frame).not_scanned == ff.column_stats(frame).not_scanned == ("a",)
    with pytest.raises(TypeError, match="cannot scan the columns 'a'"):
        ff.all_finite(frame)
    assert ff.all_finite(frame[:0]) and ff.scan(frame[:0]).not_scanned == ("a",)


def test_complex_columns_are_scanned_and_have_no_statistics():
    pandas = require("pandas")
    values = np.array([[1j, complex(1, nan)], [complex(inf, 1), complex(nan, inf)]])
    check_frame(pandas.DataFrame(values), values)
    with pytest.raises(TypeError, match="complex numbers have no order"):
        ff.column_stats(pandas.DataFrame(values))


@pytest.mark.parametrize("dtype", [">f8", ">f4", "longdouble", ">i4"])
def test_numpy_dtypes_that_only_pandas_holds(dtype):
    pandas = require("pandas")
    array = np.array([[1, 2], [3, 4]], dtype)
    if array.dtype.kind == "f":
        array[0, 1], array[1, 0] = nan, -inf
    check_frame(pandas.DataFrame(array), array)
    assert same_statistics(ff.column_stats(pandas.DataFrame(array)), ff.column_stats(array))

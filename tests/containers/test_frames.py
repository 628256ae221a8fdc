"""Data frames: what an array of their numbers gives, names in every message, and what is no number is told."""

import datetime
import functools
import json
import pickle
import sys
from decimal import Decimal
from typing import NamedTuple

import arrays
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import MEGABYTE, peak_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
# So many rows of a column are read at a time, where it is not read in place.
ROWS = 1 << 20
DTYPES = (*arrays.NATIVE, *arrays.INTEGERS)


# ---- making frames, and the arrays they are compared with ----------------------------------------------


class Column(NamedTuple):
    values: np.ndarray
    missing: np.ndarray


def column(dtype, rows=25, nulls=True, seed=0):
    """Values at the edges of a dtype, bad ones where it has them, some of them missing."""
    values = arrays.mixed(dtype, rows, seed, 0.3) if dtype in arrays.NATIVE else arrays.clean(dtype, rows)
    return Column(values, (np.random.default_rng(seed).random(rows) < 0.2) & nulls)


def equivalent(columns):
    """The array of objects of a frame's numbers: None where a value is missing."""
    rows = len(columns[0].values)
    result = np.empty((rows, len(columns)), object)
    for i, (values, missing) in enumerate(columns):
        result[:, i] = [None if gone else value for value, gone in zip(values.tolist(), missing)]
    return result


def named(columns):
    return {f"c{i}": one for i, one in enumerate(columns)}


def arrow_array(one):
    return pytest.importorskip("pyarrow").array(one.values, mask=one.missing)


def pandas_numpy(columns):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({name: one.values for name, one in columns.items()})


def pandas_nullable(columns):
    pandas = pytest.importorskip("pandas")
    kinds = {"f": pandas.arrays.FloatingArray, "b": pandas.arrays.BooleanArray}
    return pandas.DataFrame({
        name: kinds.get(one.values.dtype.kind, pandas.arrays.IntegerArray)(one.values, one.missing)
        for name, one in columns.items()
    })


def pandas_arrow(columns):
    pandas = pytest.importorskip("pandas")
    extended = pandas.arrays.ArrowExtensionArray
    return pandas.DataFrame({name: extended(arrow_array(one)) for name, one in columns.items()})


def polars_frame(columns):
    polars = pytest.importorskip("polars")
    return polars.DataFrame({
        name: polars.Series(name, one.values).scatter(np.flatnonzero(one.missing), None)
        for name, one in columns.items()
    })


def arrow_table(columns):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({name: arrow_array(one) for name, one in columns.items()})


def arrow_batch(columns):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.record_batch({name: arrow_array(one) for name, one in columns.items()})


def chunked_table(columns):
    """In chunks of uneven lengths, each a slice that begins within a byte of its validity bitmap."""
    pyarrow = pytest.importorskip("pyarrow")

    def chunks(one):
        rows, gap = len(one.values), np.zeros(3, one.values.dtype)
        for start, stop in ((0, rows // 3), (rows // 3, rows // 3), (rows // 3, rows // 2), (rows // 2, rows)):
            values = np.concatenate([gap, one.values[start:stop], gap])
            missing = np.concatenate([[True] * 3, one.missing[start:stop], [True] * 3])
            yield arrow_array(Column(values, missing)).slice(3, stop - start)

    return pyarrow.table({name: pyarrow.chunked_array(list(chunks(one))) for name, one in columns.items()})


def chunked_polars(columns):
    polars = pytest.importorskip("polars")
    rows = len(next(iter(columns.values())).values)
    frame = polars_frame(columns)
    return polars.concat([frame[: rows // 3], frame[rows // 3 :]], rechunk=False)


def through_narwhals(module, make):
    def wrapped(columns):
        return pytest.importorskip(module).from_native(make(columns))

    return wrapped


# Those that can tell a missing value from nan.
WITH_NULLS = {
    "pandas nullable": pandas_nullable,
    "pandas Arrow": pandas_arrow,
    "polars": polars_frame,
    "polars in chunks": chunked_polars,
    "pyarrow table": arrow_table,
    "pyarrow chunks": chunked_table,
    "pyarrow record batch": arrow_batch,
    "narwhals of polars": through_narwhals("narwhals", polars_frame),
    "narwhals v1 of pyarrow": through_narwhals("narwhals.stable.v1", arrow_table),
    "narwhals v2 of pandas nullable": through_narwhals("narwhals.stable.v2", pandas_nullable),
}
LIBRARIES = {
    "pandas": pandas_numpy,
    "narwhals v2 of pandas": through_narwhals("narwhals.stable.v2", pandas_numpy),
    **WITH_NULLS,
}
each_library = pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
with_nulls = pytest.mark.parametrize("make", WITH_NULLS.values(), ids=WITH_NULLS)


def takes(make, dtype):
    """Not float16 for the nullable columns of pandas, which it does not have."""
    return dtype != "float16" or make not in (pandas_nullable, WITH_NULLS["narwhals v2 of pandas nullable"])


def check(frame, values, target_dtype="float16"):
    """Every scan of a frame of numbers answers as that of the array of its values."""
    assert ff.all_finite(frame) is reference.all_finite(values)
    assert ff.all_finite(frame, allow_nan=True) is not np.isin(reference.kinds(values), (2, 3)).any()
    assert ff.has_nan(frame) is reference.has_nan(values)
    assert ff.has_inf(frame) is reference.has_inf(values)
    for limit in (None, 3):
        found, right = ff.nonfinite(frame, limit=limit), reference.nonfinite(values, limit=limit)
        assert found.dtype == np.intp and found.shape == right.shape and np.array_equal(found, right)
    reference.check_scan(ff.scan(frame), reference.scan(values))
    for axis in (None, *range(values.ndim)):
        options = {"axis": axis, "target_dtype": target_dtype}
        reference.check_scan(ff.scan(frame, **options), reference.scan(values, **options), axis)


def check_statistics(found, values):
    """Those of an array of objects are worked out in fractions."""
    right = ff.column_stats(values)
    assert found.shape == right.shape
    for name in ("count", "nan", "posinf", "neginf", "zero", "negative", "constant"):
        assert np.array_equal(getattr(found, name), getattr(right, name)), name
    with np.errstate(all="ignore"):
        for name in ("min", "max"):
            assert np.array_equal(getattr(found, name), getattr(right, name), equal_nan=True), name
        for name in ("var", "std"):
            assert np.allclose(getattr(found, name), getattr(right, name), 1e-13, 0, equal_nan=True), name
        spread = 1e-13 * np.nan_to_num(right.std, posinf=0)
        assert np.isclose(found.mean, right.mean, 1e-13, spread, equal_nan=True).all()


def same_statistics(found, right):
    """To the last bit, whatever the names."""
    return found.to_dict() | {"names": None} == right.to_dict() | {"names": None}


def message_of(x, **options):
    with pytest.raises(ff.NonFiniteError) as caught:
        ff.check_finite(x, **options)
    return str(caught.value)


# ---- every dtype of every library ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@each_library
def test_columns_without_nulls_are_as_their_array(make, dtype):
    if not takes(make, dtype):
        return
    columns = [column(dtype, nulls=False, seed=seed) for seed in (1, 2)]
    frame, array = make(named(columns)), np.stack([one.values for one in columns], 1)
    check(frame, array)
    assert ff.scan(frame).dtype == dtype and ff.scan(frame).names == ("c0", "c1")
    assert same_statistics(ff.column_stats(frame), ff.column_stats(array))
    assert ff.column_stats(frame).names == ("c0", "c1")


@pytest.mark.parametrize("dtype", DTYPES)
@with_nulls
def test_nulls_are_counted_beside_nan(make, dtype):
    if not takes(make, dtype):
        return
    columns = [column(dtype, seed=3), column(dtype, nulls=False, seed=4), column(dtype, seed=5)]
    frame, values = make(named(columns)), equivalent(columns)
    assert ff.scan(frame).null == sum(one.missing.sum() for one in columns) > 0
    check(frame, values)
    check_statistics(ff.column_stats(frame), values)


@pytest.mark.parametrize("dtype", ["float64", "int32", "bool"])
@with_nulls
def test_one_column_of_a_frame_is_as_an_array_of_one_dimension(make, dtype):
    one = column(dtype, seed=6)
    series, values = make({"age": one})["age"], equivalent([one])[:, 0]
    check(series, values)
    stats = ff.column_stats(series)
    assert stats.shape == () and stats.names is None
    check_statistics(stats, values)


@with_nulls
def test_a_frame_of_one_column_has_two_dimensions(make):
    one = column("float32", seed=7)
    frame = make({"age": one})
    check(frame, equivalent([one]))
    assert ff.scan(frame).shape == (25, 1) and ff.column_stats(frame).names == ("age",)


@each_library
def test_columns_of_many_dtypes_are_one_frame(make):
    columns = [column(dtype, nulls=make in WITH_NULLS.values(), seed=seed)
               for seed, dtype in enumerate(("float32", "float32", "int64", "bool", "float64", "uint8", "float64"))]
    frame, values = make(named(columns)), equivalent(columns)
    check(frame, values)
    check_statistics(ff.column_stats(frame), values)
    assert ff.scan(frame).dtype == "mixed"


@with_nulls
def test_the_first_is_that_of_the_rows_not_of_the_columns(make):
    late, early = np.ones(9), np.ones(9)
    late[7], early[3] = inf, nan
    report = ff.scan(make({"late": Column(late, np.arange(9) == 8), "early": Column(early, np.arange(9) == 2)}))
    assert (report.first, report.first_kind) == ((2, 1), "null")


@with_nulls
def test_what_lies_under_a_null_is_not_looked_at(make):
    frame = make({"a": Column(np.array([1, nan, inf, 1e300]), np.array([False, True, True, True]))})
    report = ff.scan(frame, target_dtype="float16")
    assert (report.nan, report.posinf, report.overflow, report.null, report.finite) == (0, 0, 0, 3, 1)
    assert ff.column_stats(frame).max.tolist() == [1]


@with_nulls
def test_a_column_of_nulls_alone_is_bad_throughout(make):
    for dtype in ("float64", "int16", "bool"):
        report = ff.scan(make({"a": Column(np.zeros(4, dtype), np.ones(4, bool))}), axis=0)
        assert report.null.tolist() == [4] and report.finite.tolist() == [0] and report.first == (0, 0)
    stats = ff.column_stats(make({"a": Column(np.zeros(4), np.ones(4, bool))}))
    assert (stats.count, stats.nan, stats.constant) == (0, 4, False) and np.isnan(stats.min).all()


@with_nulls
def test_allow_nan_lets_nulls_pass_and_finds_the_first_inf(make):
    x = np.array([nan, 1.0, 1.0, -inf])
    frame = make({"a": Column(x[:3], np.array([False, True, False])), "n": Column(np.arange(3), np.arange(3) == 0)})
    assert ff.check_finite(frame, allow_nan=True) is frame
    message = message_of(make({"a": Column(x, np.arange(4) == 1)}), allow_nan=True)
    assert message.endswith("has 1 infinite value: 1 -inf; first -inf at row 3, column 0 ('a'); columns 0 ('a'): 1")


@each_library
def test_frames_without_rows_are_finite(make):
    columns = {"a": Column(np.zeros(0), np.zeros(0, bool)), "b": Column(np.zeros(0, "i4"), np.zeros(0, bool))}
    frame = make(columns)
    check(frame, np.zeros((0, 2)))
    stats = ff.column_stats(frame)
    assert stats.names == ("a", "b") and stats.count.tolist() == [0, 0] and np.isnan(stats.mean).all()


def test_a_column_without_chunks_is_empty():
    pyarrow = pytest.importorskip("pyarrow")
    check(pyarrow.chunked_array([], pyarrow.float64()), np.zeros(0))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_without_columns_are_finite(library):
    module = pytest.importorskip(library)
    frame = module.table({}) if library == "pyarrow" else module.DataFrame()
    report = ff.scan(frame)
    assert report and report.size == 0 and report.names == () and report.shape == (0, 0)
    assert ff.check_finite(frame) is frame and ff.nonfinite(frame).shape == (0, 2)
    assert ff.column_stats(frame).shape == (0,) and ff.scan(frame, axis=0).columns.tolist() == []


# ---- what holds no numbers -----------------------------------------------------------------------------


def day(n):
    return datetime.date(2020, 1, n)


def mixed_pandas(age, pay):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"city": ["x", None], "age": age, "when": pandas.to_datetime([day(1), None]), "pay": pay})


def mixed_polars(age, pay):
    polars = pytest.importorskip("polars")
    return polars.DataFrame({"city": ["x", None], "age": age, "when": [day(1), None], "pay": pay})


def mixed_arrow(age, pay):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({"city": ["x", None], "age": age, "when": [day(1), None], "pay": pay})


MIXED = {
    "pandas": mixed_pandas,
    "polars": mixed_polars,
    "pyarrow": mixed_arrow,
    "record batch": lambda *columns: mixed_arrow(*columns).to_batches()[0],
    "narwhals": lambda *columns: pytest.importorskip("narwhals").from_native(mixed_polars(*columns)),
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
    pandas, polars, pyarrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    columns = {"city": ["x", None], "when": [day(1), None]}
    return [pandas.DataFrame(columns), polars.DataFrame(columns), pyarrow.table(columns), pandas.Series(["x"]),
            polars.Series("city", ["x"]), pyarrow.array(["x"]), pyarrow.record_batch(columns),
            pandas.DataFrame({"city": np.array(["x", None], object)})]


@pytest.mark.parametrize("call", [ff.all_finite, ff.has_nan, ff.has_inf, ff.scan, ff.nonfinite, ff.check_finite,
                                  ff.column_stats, ff.ColumnStats().update, ff.standardize])
def test_frames_without_any_number_are_refused(call):
    for frame in texts():
        with pytest.raises(TypeError):
            call(frame)


def test_the_refusal_names_the_columns():
    for frame in texts()[:3]:
        with pytest.raises(TypeError, match="no column of numbers to scan; its columns are 'city', 'when'"):
            ff.scan(frame)


def test_the_columns_of_polars_that_hold_no_numbers():
    polars = pytest.importorskip("polars")
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
    pa = pytest.importorskip("pyarrow")
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
    pd = pytest.importorskip("pandas")
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
    pandas = pytest.importorskip("pandas")
    report = ff.scan(pandas.DataFrame({"a": [1.0, nan], "range": pandas.interval_range(0.0, 2.0)}))
    assert report.not_scanned == ("range",) and report.nan == 1


@pytest.mark.parametrize("name", ["string", "date32", "binary", "null", "list", "struct", "dictionary", "duration"])
def test_the_arrow_columns_of_pandas_that_hold_no_numbers(name):
    pandas, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    kind = {"list": lambda: pa.list_(pa.float64()), "struct": lambda: pa.struct({"x": pa.float64()}),
            "dictionary": lambda: pa.dictionary(pa.int32(), pa.string()), "duration": lambda: pa.duration("s")}
    other = pandas.arrays.ArrowExtensionArray(pa.nulls(2, kind.get(name, getattr(pa, name, None))()))
    report = ff.scan(pandas.DataFrame({"other": other, "number": [nan, 1.0]}))
    assert report.not_scanned == ("other",) and report.first == (0, 1) and report.null == 0


# ---- decimals and objects ------------------------------------------------------------------------------

DECIMALS = [Decimal("1.50"), None, Decimal("-70000.25"), Decimal("0.00")]


def decimals_of_polars():
    polars = pytest.importorskip("polars")
    return polars.DataFrame({"d": polars.Series(DECIMALS, dtype=polars.Decimal(10, 2))})


def decimals_of_arrow(name, wrap=lambda array: array):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({"d": wrap(pyarrow.array(DECIMALS, getattr(pyarrow, name)(9, 2)))})


def decimals_of_pandas():
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    return pandas.DataFrame({"d": pandas.arrays.ArrowExtensionArray(pyarrow.array(DECIMALS))})


def decimal_objects():
    return pytest.importorskip("pandas").DataFrame({"d": np.array(DECIMALS, object)})


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
    polars = pytest.importorskip("polars")
    wide = polars.Series([1, None], dtype=getattr(polars, name))
    report = ff.scan(polars.DataFrame({"wide": wide, "a": [1.0, nan]}))
    assert report.nan == 1 and (report.null == 1) is (report.not_scanned == ())


def test_objects_that_are_numbers_or_none_are_scanned():
    pandas = pytest.importorskip("pandas")
    values = np.array([[1, None, True], [nan, Decimal("nan"), False], [10**400, -inf, None]], object)
    frame = pandas.DataFrame(values, columns=list("abc"))
    check(frame, values)
    assert ff.scan(frame).dtype == "object"
    check_statistics(ff.column_stats(frame[["b", "c"]]), values[:, 1:])
    check(pandas.DataFrame({"a": [None, None]}, dtype=object), np.array([[None], [None]], object))
    check(frame["b"], values[:, 1])


def test_complex_columns_are_scanned_and_have_no_statistics():
    pandas = pytest.importorskip("pandas")
    values = np.array([[1j, complex(1, nan)], [complex(inf, 1), complex(nan, inf)]])
    check(pandas.DataFrame(values), values)
    with pytest.raises(TypeError, match="complex numbers have no order"):
        ff.column_stats(pandas.DataFrame(values))


@pytest.mark.parametrize("dtype", [">f8", ">f4", "longdouble", ">i4"])
def test_numpy_dtypes_that_only_pandas_holds(dtype):
    pandas = pytest.importorskip("pandas")
    array = np.array([[1, 2], [3, 4]], dtype)
    if array.dtype.kind == "f":
        array[0, 1], array[1, 0] = nan, -inf
    check(pandas.DataFrame(array), array)
    assert same_statistics(ff.column_stats(pandas.DataFrame(array)), ff.column_stats(array))


# ---- blocks, slices, indices and names -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_na_in_one_nullable_column_are_counted_apart(dtype):
    pandas = pytest.importorskip("pandas")
    values = np.array([1, nan, 3, inf, nan], dtype)
    missing = np.array([False, False, True, False, True])
    series = pandas.Series(pandas.arrays.FloatingArray(values, missing), name="age")
    report = ff.scan(series)
    assert (report.nan, report.null, report.posinf, report.finite) == (1, 2, 1, 1)
    assert message_of(series) == (
        f"column 'age' (5 {dtype}) has 4 non-finite values: 1 nan, 1 +inf, 2 null; first nan at index 1"
    )
    assert ff.column_stats(series).nan == 3


@pytest.mark.parametrize(("values", "fill"), [
    ([0.0, nan, 0.0, inf, 1.0], 0.0), ([nan, nan, 2.0, nan], nan), ([inf, 1.0, inf], inf), ([0, 3, 0, 0], 0),
    ([True, False, False], False),
])
def test_sparse_columns_are_as_dense_ones(values, fill):
    pandas = pytest.importorskip("pandas")
    array = np.array(values)[:, np.newaxis]
    frame = pandas.DataFrame({"a": pandas.arrays.SparseArray(values, fill_value=fill)})
    check(frame, array)
    check(frame["a"], array[:, 0])
    assert same_statistics(ff.column_stats(frame), ff.column_stats(array))


def wide(rows=20, columns=6, seed=0):
    return arrays.mixed("float64", (rows, columns), seed)


def in_blocks():
    """The same values in one block, in several, and in one a column."""
    pd = pytest.importorskip("pandas")
    x = wide()
    apart = pd.concat([pd.DataFrame(x[:, :2]), pd.DataFrame(x[:, 2:3]), pd.DataFrame(x[:, 3:])], axis=1)
    inserted = pd.DataFrame(x[:, [0, 1, 3, 4, 5]])
    inserted.insert(2, "new", x[:, 2])
    assigned = pd.DataFrame(x.copy())
    assigned[2] = x[:, 2].copy()
    return x, {
        "one block": pd.DataFrame(x), "Fortran": pd.DataFrame(np.asfortranarray(x)), "concat": apart,
        "inserted": inserted, "assigned": assigned, "each": pd.DataFrame({i: x[:, i] for i in range(6)}),
        "backwards": pd.DataFrame(x[:, ::-1].copy()).iloc[:, ::-1],
    }


def test_blocks_do_not_matter():
    x, frames = in_blocks()
    for name, frame in frames.items():
        check(frame, x)
        assert same_statistics(ff.column_stats(frame), ff.column_stats(x)), name


def test_blocks_of_several_dtypes_in_turn():
    pandas = pytest.importorskip("pandas")
    columns = [column(dtype, nulls=False, seed=seed) for seed, dtype in enumerate(["float64", "float32"] * 3)]
    frame = pandas_numpy(named(columns))
    for one in (frame, frame.copy(), pandas.concat([frame.iloc[:, :3], frame.iloc[:, 3:]], axis=1)):
        check(one, equivalent(columns))


@pytest.mark.parametrize("rows", [slice(None, None, 2), slice(None, None, -1), slice(5, 17)], ids=str)
@pytest.mark.parametrize("columns", [slice(None), slice(4, 1, -1), slice(None, None, 2), [4, 0, 3]], ids=str)
def test_slices_of_pandas_are_as_slices_of_the_array(rows, columns):
    x, frames = in_blocks()
    for frame in frames.values():
        part = frame.iloc[rows, columns]
        check(part, x[rows][:, columns])
        assert same_statistics(ff.column_stats(part), ff.column_stats(x[rows][:, columns]))


def rows_of(frame, start, stop):
    return frame.slice(start, stop - start) if type(frame).__module__.startswith("pyarrow") else frame[start:stop]


@with_nulls
def test_slices_of_rows_and_columns(make):
    columns = [column(dtype, seed=seed) for seed, dtype in enumerate(["float64", "int8", "bool", "float32"])]
    frame, values = make(named(columns)), equivalent(columns)
    parts = [(rows_of(frame, 9, 22), slice(9, 22))]
    if type(frame).__module__.startswith(("pandas", "polars")):
        parts += [(frame[::2], slice(None, None, 2)), (frame[::-1], slice(None, None, -1))]
    for part, rows in parts:
        check(part, values[rows])
        check_statistics(ff.column_stats(part), values[rows])
    chosen = frame.select(["c3", "c1"]) if hasattr(frame, "select") else frame[["c3", "c1"]]
    check(chosen, values[:, [3, 1]])
    assert ff.scan(chosen).names == ("c3", "c1")


@pytest.mark.parametrize("index", [[7, 7, 7], list("abc"), [2, 0, 1], [nan, 1.0, nan]], ids=str)
def test_places_are_positions_whatever_the_index(index):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0, nan], "b": pandas.array([1, None, 2], "Int64")}, index=index)
    report = ff.scan(frame)
    assert (report.nan, report.null, report.first) == (1, 1, (1, 1))
    assert ff.nonfinite(frame).tolist() == [[1, 1], [2, 0]]
    assert ff.scan(frame["a"]).first == (2,)


@pytest.mark.parametrize(("columns", "names"), [
    (["a", "a", "a"], ("a", "a", "a")), ([0, 1, 2], ("0", "1", "2")), ([2, 0, 1], ("2", "0", "1")),
    ([None, 1.5, ("x", 1)], None), ([("a", "x"), ("a", "y"), ("b", "x")], ("('a', 'x')", "('a', 'y')", "('b', 'x')")),
], ids=str)
def test_names_of_columns_may_be_anything(columns, names):
    pandas = pytest.importorskip("pandas")
    index = pandas.MultiIndex.from_tuples(columns) if names and names[0].startswith("(") else columns
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, nan]])
    for dtype in ("float64", "Float32"):
        frame = pandas.DataFrame(x).astype({1: dtype}).set_axis(index, axis=1)
        report = ff.scan(frame)
        names = names or report.names
        assert report.names == names and len(names) == 3 and report.first == (1, 2)
        assert message_of(frame).endswith(f"first nan at row 1, column 2 ({names[2]!r}); columns 2 ({names[2]!r}): 1")
        stats = ff.column_stats(frame)
        assert stats.names == names and stats.nan.tolist() == [0, 0, 1] and stats.max.tolist() == [4, 5, 3]


def test_columns_of_one_name_are_told_apart_by_their_position():
    pandas = pytest.importorskip("pandas")
    frame = pandas.concat([pandas.DataFrame({"a": ["x", "y"]}), pandas.DataFrame({"a": [1.0, nan]}),
                           pandas.DataFrame({"a": pandas.array([None, 2], "Int8")})], axis=1)
    report = ff.scan(frame, axis=0)
    assert report.columns.tolist() == [1, 2] and report.not_scanned == ("a",)
    assert str(report.totals).endswith("1 nan, 1 null; first null at row 0, column 2 ('a'); not scanned: 'a'")


def test_a_column_is_called_by_its_name():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for make, name in ((pandas.Series, "age"), (pandas.Series, 0), (pandas.Series, ("a", "b"))):
        assert message_of(make([1.0, nan], name=name)).startswith(f"column {str(name)!r} (2 float64) has 1")
    assert message_of(polars.Series("age", [1.0, nan])).startswith("column 'age' (2 float64) has 1")
    for unnamed in (pandas.Series([nan]), polars.Series([nan])):
        assert message_of(unnamed) == "column (1 float64) has 1 non-finite value: 1 nan; first nan at index 0"


@pytest.mark.parametrize("module", ["narwhals", "narwhals.stable.v1", "narwhals.stable.v2"])
@pytest.mark.parametrize("make", [pandas_nullable, polars_frame, arrow_table])
def test_a_column_of_narwhals_keeps_its_name(module, make):
    frame = through_narwhals(module, make)({"age": Column(np.array([1.0, nan]), np.zeros(2, bool))})
    assert message_of(frame["age"]).startswith("column 'age' (2 float64) has 1 non-finite value")


@pytest.mark.parametrize("module", ["narwhals", "narwhals.stable.v1", "narwhals.stable.v2"])
def test_a_frame_of_narwhals_is_scanned_as_the_frame_it_wraps(module):
    pandas, narwhals = pytest.importorskip("pandas"), pytest.importorskip(module)
    frame = pandas.DataFrame({
        "object": np.array([1.0, None], object), "text": ["x", "y"], "sparse": pandas.arrays.SparseArray([nan, 0.0]),
        "na": pandas.arrays.FloatingArray(np.array([nan, 1.0]), np.array([False, True])), "complex": [1j, nan],
    })
    assert ff.scan(narwhals.from_native(frame), axis=0) == ff.scan(frame, axis=0)


def test_a_subclass_of_a_pandas_frame_is_a_frame():
    pandas = pytest.importorskip("pandas")

    class Special(pandas.DataFrame):
        @property
        def _constructor(self):
            return Special

    assert ff.scan(Special({"age": [nan], "city": ["x"]})).names == ("age", "city")


def test_columns_of_pyarrow_with_the_same_name_are_told_apart_by_their_position():
    pyarrow = pytest.importorskip("pyarrow")
    arrays_of_table = [pyarrow.array([1.0]), pyarrow.array([nan])]
    for kind in (pyarrow.Table, pyarrow.RecordBatch):
        report = ff.scan(kind.from_arrays(arrays_of_table, names=["a", "a"]))
        assert report.names == ("a", "a") and report.first == (0, 1)


# ---- what is not a frame of values ---------------------------------------------------------------------


def test_a_lazy_frame_is_to_be_collected_first():
    polars, narwhals = pytest.importorskip("polars"), pytest.importorskip("narwhals")
    lazy = polars.DataFrame({"a": [1.0]}).lazy()
    calls = (ff.all_finite, ff.has_nan, ff.has_inf, ff.scan, ff.nonfinite, ff.check_finite, ff.column_stats,
             ff.ColumnStats().update, ff.standardize)
    for x in (lazy, narwhals.from_native(lazy)):
        for call in calls:
            with pytest.raises(TypeError, match="collect"):
                call(x)


def test_a_frame_of_dask_is_to_be_collected_first():
    pandas, dataframe = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    with pytest.raises(TypeError, match="collect"):
        ff.scan(dataframe.from_pandas(pandas.DataFrame({"a": [1.0]}), npartitions=1))


def test_the_bits_of_a_frame_have_no_other_format():
    for make in (pandas_numpy, polars_frame, arrow_table):
        with pytest.raises(TypeError, match="dtype= says what the bits of an array are; x is a"):
            ff.scan(make({"a": Column(np.zeros(2, "u2"), np.zeros(2, bool))}), dtype="bfloat16")


def test_axes_are_those_of_the_frame():
    for make in (pandas_numpy, polars_frame, arrow_table):
        frame = make(named([column("float64", nulls=False)]))
        with pytest.raises(np.exceptions.AxisError):
            ff.scan(frame, axis=2)
        assert np.array_equal(ff.scan(frame, axis=-1).nan, ff.scan(frame, axis=1).nan)


@pytest.fixture
def without_narwhals(monkeypatch):
    for name in ("narwhals", "narwhals.stable", "narwhals.stable.v2"):
        monkeypatch.setitem(sys.modules, name, None)


def test_without_narwhals_the_error_says_what_to_install(without_narwhals):
    one = {"a": Column(np.array([1.0, nan]), np.zeros(2, bool))}
    told = r"is read through narwhals, which is not installed; pip install 'fastfinite\[frames\]'"
    for make in (polars_frame, arrow_table):
        for x in (make(one), make(one)["a"]):
            with pytest.raises(TypeError, match=told):
                ff.all_finite(x)


@pytest.mark.parametrize("make", [pandas_numpy, pandas_nullable, pandas_arrow])
def test_pandas_needs_no_narwhals(make, without_narwhals):
    columns = [column(dtype, nulls=make is not pandas_numpy) for dtype in ("float64", "int32")]
    check(make(named(columns)), equivalent(columns))


def test_arrays_of_xarray_are_as_their_values():
    xarray = pytest.importorskip("xarray")
    x = wide()
    check(xarray.DataArray(x, dims=("row", "column")), x)
    check(xarray.DataArray(x)[::-2, 1:4].T, x[::-2, 1:4].T)
    check(xarray.Variable(("a", "b"), x), x)
    assert ff.column_stats(xarray.DataArray(x)) == ff.column_stats(x)
    bits = xarray.DataArray(np.array([0x7FC0, 0x3F80], np.uint16))
    assert ff.scan(bits, dtype="bfloat16").nan == 1
    with pytest.raises(TypeError):
        ff.scan(xarray.DataArray(["x"]))
    with pytest.raises(TypeError):
        ff.scan(xarray.Dataset({"a": ("x", [1.0])}))


def test_arrays_of_xarray_on_dask():
    xarray, _ = pytest.importorskip("xarray"), pytest.importorskip("dask.array")
    x = wide()
    check(xarray.DataArray(x).chunk(7), x)


# ---- long columns, memory, and what is left as it was --------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("make", [pandas_nullable, pandas_arrow, polars_frame, arrow_table, chunked_table])
def test_a_null_after_the_first_piece_of_rows_has_its_index(make, dtype):
    rows = ROWS + 5
    values, missing = np.ones(rows, dtype), np.zeros(rows, bool)
    missing[[ROWS, rows - 1]] = True
    bad = [ROWS, rows - 1]
    if dtype == "float32":
        values[ROWS + 2] = nan
        bad.insert(1, ROWS + 2)
    frame = make({"a": Column(values, missing)})
    report = ff.scan(frame)
    assert (report.null, report.nan, report.size) == (2, len(bad) - 2, rows)
    assert (report.first, report.first_kind) == ((ROWS, 0), "null")
    assert ff.nonfinite(frame)[:, 0].tolist() == bad and ff.nonfinite(frame, limit=1).tolist() == [[ROWS, 0]]
    assert ff.scan(rows_of(frame, ROWS + 1, rows)).first == (bad[1] - ROWS - 1, 0)
    stats = ff.column_stats(frame)
    assert stats.count + stats.nan == rows and stats.nan == len(bad) and stats.mean == 1 and stats.constant


CALLS = {
    "all_finite": ff.all_finite, "has_nan": ff.has_nan, "scan": ff.scan, "scan(axis=0)": lambda x: ff.scan(x, axis=0),
    "nonfinite": ff.nonfinite, "check_finite": ff.check_finite, "column_stats": ff.column_stats,
    "update": lambda x: ff.ColumnStats().update(x),
}


def large(make):
    """Two columns of 8 MB."""
    return make({name: Column(np.ones(ROWS), np.zeros(ROWS, bool)) for name in "ab"})


def pandas_block(columns):
    return pytest.importorskip("pandas").DataFrame(np.stack([one.values for one in columns.values()], 1))


@pytest.mark.parametrize("make", [pandas_block, pandas_numpy, polars_frame, arrow_table, arrow_batch])
def test_columns_that_lie_as_numpy_has_them_are_not_copied(make):
    frame = large(make)
    for name, call in CALLS.items():
        assert peak_of(lambda call=call: call(frame)) < MEGABYTE, name


def test_columns_with_nulls_take_pieces():
    rows = 4 * ROWS
    one = Column(np.ones(rows), np.arange(rows) == 5)
    for frame in (pandas_nullable({"a": one}), polars_frame({"a": one}), arrow_table({"a": one})):
        for call in (ff.all_finite, ff.scan, ff.column_stats):
            # Values and which of them are missing: less than a column of 32 MB.
            assert peak_of(lambda call=call, frame=frame: call(frame)) < 24 * MEGABYTE


def contents(frame):
    """Every value, nan and null told apart, with the types of the columns."""
    native = frame.to_native() if hasattr(frame, "to_native") else frame
    kinds = native.schema if hasattr(native, "schema") else native.dtypes.to_dict()
    return str(kinds), repr(native.to_pydict() if hasattr(native, "to_pydict") else native.to_dict())


@each_library
def test_frames_stay_as_they_were(make):
    columns = named([column(dtype, nulls=make in WITH_NULLS.values()) for dtype in ("float64", "float64", "int16")])
    frame = make(columns)
    before = contents(frame)
    for name, call in CALLS.items():
        if name == "check_finite":
            with pytest.raises(ff.NonFiniteError):
                call(frame)
        else:
            call(frame)
        assert contents(frame) == before, name


def test_the_blocks_of_pandas_stay_where_they_were():
    pandas = pytest.importorskip("pandas")
    x = wide()
    frame = pandas.DataFrame(x, copy=False)
    frame.insert(3, "new", np.ones(20))
    where = [frame.iloc[:, i].to_numpy().ctypes.data for i in range(7)]
    for name, call in CALLS.items():
        if name != "check_finite":
            call(frame)
        assert [frame.iloc[:, i].to_numpy().ctypes.data for i in range(7)] == where, name


# ---- statistics ----------------------------------------------------------------------------------------


def people(n, seed=0):
    """Numbers, some of them null or nan."""
    rng = np.random.default_rng(seed)
    age = Column(rng.integers(0, 99, n), rng.random(n) < 0.1)
    pay = Column(np.where(rng.random(n) < 0.1, nan, rng.normal(size=n)), rng.random(n) < 0.1)
    return {"age": age, "pay": pay}


def with_text(frame, name="city"):
    """The frame with a column of text in the middle."""
    kind, text = type(frame).__module__, ["x"] * len(frame)
    if kind.startswith("pandas"):
        frame = frame.copy()
        frame.insert(1, name, pytest.importorskip("pandas").Series(text, dtype="str"))
        return frame
    if kind.startswith("polars"):
        polars = pytest.importorskip("polars")
        return frame.clone().insert_column(1, polars.Series(name, text, polars.String))
    pyarrow = pytest.importorskip("pyarrow")
    return frame.add_column(1, name, pyarrow.array(text, pyarrow.string()))


TABLES = {"pandas": pandas_nullable, "polars": polars_frame, "pyarrow": arrow_table}
each_table = pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)


@each_table
def test_batches_of_frames_add_up(make):
    batches = [people(n, seed) for seed, n in enumerate((40, 1, 0, 17))]
    stream = ff.ColumnStats()
    for batch in batches:
        stream.update(with_text(make(batch)))
    assert stream.names == ("age", "pay") and stream.not_scanned == ("city",)
    values = np.concatenate([equivalent([*batch.values()]) for batch in batches])
    check_statistics(stream, values)
    merged = sum(ff.column_stats(with_text(make(batch))) for batch in batches)
    assert merged == stream
    assert "not scanned: 'city'" in str(stream) and "not scanned: &#x27;city&#x27;" in stream._repr_html_()


@each_table
def test_batches_may_come_from_any_library(make):
    first, second = people(30, 1), people(20, 2)
    stream = ff.ColumnStats().update(make(first)).update(pandas_arrow(second)).update(np.array([[1.0, 2.0]]))
    assert stream.names == ("age", "pay")
    values = np.concatenate([equivalent([*first.values()]), equivalent([*second.values()]), [[1.0, 2.0]]])
    check_statistics(stream, values)
    # A column by itself is one row of as many columns.
    row = make({"row": Column(np.array([3.0, 4.0]), np.array([False, True]))})["row"]
    check_statistics(stream.update(row), np.concatenate([values, [[3.0, None]]]))


@each_table
def test_a_batch_with_another_number_of_columns_changes_nothing(make):
    stream = ff.ColumnStats().update(with_text(make(people(9))))
    before = stream.copy()
    for batch in (make({"age": people(9)["age"]}), make({"a": people(2)["age"], **people(2)})):
        with pytest.raises(ValueError, match="but the statistics are of 2 columns"):
            stream.update(batch)
    assert stream == before


@each_table
def test_a_batch_whose_columns_have_other_names_is_refused_as_merging_refuses_it(make):
    batch = people(9)
    stream = ff.ColumnStats().update(make(batch))
    swapped = make({"pay": batch["pay"], "age": batch["age"]})
    with pytest.raises(ValueError, match="columns"):
        stream.copy().merge(ff.column_stats(swapped))
    before = stream.copy()
    with pytest.raises(ValueError, match="columns"):
        stream.update(swapped)
    assert stream == before


@each_table
def test_statistics_of_frames_survive_every_way_of_keeping_them(make):
    stats = ff.column_stats(with_text(make(people(50))), ddof=1)
    copies = (pickle.loads(pickle.dumps(stats)), ff.ColumnStats.from_dict(stats.to_dict()), stats.copy(),
              ff.ColumnStats.from_dict(json.loads(json.dumps(stats.to_dict(), allow_nan=False))))
    for copy in copies:
        assert copy == stats and copy.names == ("age", "pay") and copy.not_scanned == ("city",) and copy.ddof == 1
        assert copy.update(make(people(3))) != stats
    assert stats.to_dict()["not_scanned"] == ["city"]


@each_table
def test_merging_keeps_what_each_left_out(make):
    frame = make(people(9))
    a, b = ff.column_stats(with_text(frame)), ff.column_stats(with_text(make(people(9)), "street"))
    assert (a + b).not_scanned == ("city", "street") and (a + b).names == ("age", "pay")
    assert ff.ColumnStats().merge(a, b, a).not_scanned == ("city", "street")
    other = make({"age": people(9)["age"], "size": people(9)["pay"]})
    with pytest.raises(ValueError, match="cannot merge statistics of columns"):
        a.merge(ff.column_stats(other))


@each_table
def test_statistics_along_other_axes_have_no_names(make):
    batch = people(25)
    frame, values = make(batch), equivalent([*batch.values()])
    for axis, shape in ((1, (25,)), (None, ()), ((0, 1), ())):
        stats, right = ff.column_stats(with_text(frame), axis=axis), ff.column_stats(values, axis=axis)
        assert stats.names is None and stats.shape == shape and stats.not_scanned == ("city",)
        assert np.array_equal(stats.nan, right.nan) and np.array_equal(stats.count, right.count)
        assert np.array_equal(stats.min, right.min, equal_nan=True)
        assert np.allclose(stats.std, right.std, 1e-13, 1e-15, equal_nan=True)


@each_table
def test_reports_of_frames_survive_pickling_and_become_json(make):
    frame = with_text(make(people(50)))
    for axis in (None, 0, 1):
        report = ff.scan(frame, axis=axis)
        copy = pickle.loads(pickle.dumps(report))
        assert copy == report and copy.names == ("age", "city", "pay") and copy.not_scanned == ("city",)
        state = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert state["names"] == ["age", "city", "pay"] and state["not_scanned"] == ["city"]
    with pytest.raises(ff.NonFiniteError) as caught:
        ff.check_finite(frame)
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.report == ff.scan(frame) and error.by_column == ff.scan(frame, axis=0)


def test_names_are_escaped_in_html():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"<b>": [nan], "<i>": ["x"]})
    for html in (ff.scan(frame)._repr_html_(), ff.column_stats(frame)._repr_html_()):
        assert "<b>" not in html and "<i>" not in html and "&lt;b&gt;" in html and "&lt;i&gt;" in html


@with_nulls
def test_nulls_are_as_nan_to_every_statistic(make):
    frame = make({"a": Column(np.array([1, 1, 9]), np.arange(3) == 2), "b": Column(np.arange(3), np.zeros(3, bool))})
    assert ff.constant_columns(frame).tolist() == [True, False]
    assert np.array_equal(ff.column_variance(frame), [nan, 2 / 3], equal_nan=True)
    assert np.array_equal(ff.column_variance(frame, nan_policy="omit"), [0, 2 / 3])
    assert np.array_equal(ff.column_stats(frame, nan_policy="propagate").mean, [nan, 1], equal_nan=True)


def test_names_of_the_caller_stand_above_those_of_the_frame():
    frame = polars_frame(people(9))
    assert ff.ColumnStats(names=["x", "y"]).update(frame).names == ("x", "y")


@each_table
def test_what_is_left_out_has_a_place_in_results_by_column(make):
    frame = with_text(make(people(50)))
    constant = ff.constant_columns(frame)
    assert constant.shape == (3,) and not constant.any()
    assert ff.near_constant_columns(frame, rtol=10.0).tolist() == [True, False, True]
    variance, compact = ff.column_variance(frame, nan_policy="omit"), ff.column_stats(frame).var
    assert np.isnan(variance[1]) and np.array_equal(variance[[0, 2]], compact, equal_nan=True)


def test_names_stay_bound_to_their_columns_on_every_way():
    frame, swapped = polars_frame(people(9)), polars_frame(dict(reversed(people(9).items())))
    stats = ff.ColumnStats().update(frame)
    for twin in (stats, stats.copy(), pickle.loads(pickle.dumps(stats)), ff.ColumnStats.from_dict(stats.to_dict()),
                 ff.ColumnStats().merge(stats), stats + ff.ColumnStats()):
        with pytest.raises(ValueError, match="columns"):
            twin.update(swapped)
        with pytest.raises(ValueError, match="columns"):
            ff.standardize(swapped, stats=twin)
    given = ff.ColumnStats(names=["x", "y"]).update(frame).merge(ff.ColumnStats()).update(frame)
    assert ff.ColumnStats.from_dict(given.to_dict()).update(frame).names == ("x", "y")


def columns_that_may_hold_numbers():
    pandas = pytest.importorskip("pandas")
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    lists, numbers = [[nan], [1.0]], [1.0, 2.0]
    yield pandas.DataFrame({"a": numbers, "odd": lists})
    yield pandas.DataFrame({"a": numbers, "odd": ["3", inf]})
    yield pandas.DataFrame({"a": numbers, "odd": pandas.Series(pandas.arrays.IntervalArray.from_breaks([0, 1, inf]))})
    yield pandas.DataFrame({"a": numbers, "odd": pandas.Categorical([inf, 1.0])})
    yield polars.DataFrame({"a": numbers, "odd": lists})
    yield polars.DataFrame({"a": numbers, "odd": [{"x": nan}, {"x": 1.0}]})
    yield pyarrow.table({"a": numbers, "odd": lists})
    yield pyarrow.table({"a": numbers, "odd": pyarrow.array([{"x": nan}, None])})


def test_of_columns_that_may_hold_numbers_there_is_no_verdict():
    for frame in columns_that_may_hold_numbers():
        for call in (ff.all_finite, ff.has_nan, ff.has_inf, ff.check_finite,
                     lambda x: ff.check_finite(x, target_dtype="float16")):
            with pytest.raises(TypeError, match="cannot scan the columns 'odd'"):
                call(frame)
        report = ff.scan(frame)
        assert report.ok and report.not_scanned == ("odd",) and report.size == 2
        assert list(ff.scan_batch({"f": frame}).not_scanned) == ["f.odd"]
        with pytest.raises(TypeError, match=r"f\.odd cannot be scanned"):
            ff.scan_batch({"f": frame}, on_unknown="raise")


# ---- standardize ---------------------------------------------------------------------------------------


def standardized(make, columns):
    return ff.standardize(make(named(columns)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint16", "int64"])
@each_library
def test_frames_are_standardized_as_their_array(make, dtype):
    if not takes(make, dtype):
        return
    values = np.arange(20).astype(dtype)
    columns = [Column(values * i, np.zeros(20, bool)) for i in (1, 2, 0)]
    found, right = standardized(make, columns), ff.standardize(np.stack([one.values for one in columns], 1))
    assert type(found) is np.ndarray and found.dtype == right.dtype and np.array_equal(found, right)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "bool"])
@with_nulls
def test_nulls_are_standardized_to_nan(make, dtype):
    one = Column(np.arange(8).astype(dtype), np.arange(8) % 3 == 1)
    found = standardized(make, [one])
    right = ff.standardize(np.where(one.missing, nan, one.values)[:, np.newaxis])
    assert np.allclose(found, right, 1e-6, 1e-6, equal_nan=True)


@each_library
def test_bool_beside_float_is_standardized(make):
    flags, values = np.arange(8) % 3 == 0, np.arange(8.0)
    columns = [Column(one, np.zeros(8, bool)) for one in (flags, values)]
    assert np.array_equal(standardized(make, columns), ff.standardize(np.stack([flags, values], 1)))


@with_nulls
def test_large_integers_beside_a_null_keep_their_distance(make):
    one = Column(np.array([2**62, 2**62 + 1, 0]), np.array([False, False, True]))
    masked = np.ma.MaskedArray(one.values, one.missing)[:, np.newaxis]
    assert ff.standardize(masked)[:2].tolist() == [[-1], [1]]
    assert standardized(make, [one])[:2].tolist() == [[-1], [1]]


@each_table
def test_statistics_of_a_frame_standardize_others_and_back(make):
    train = {"a": Column(np.arange(6.0), np.zeros(6, bool)), "b": Column(np.arange(6.0) ** 2, np.arange(6) == 3)}
    frame = make(train)
    stats = ff.column_stats(frame)
    found = ff.standardize(frame, stats=stats)
    assert np.array_equal(np.isnan(found), np.stack([one.missing for one in train.values()], 1))
    assert abs(np.nanmean(found)) < 1e-15 and np.allclose(np.nanstd(found, 0), 1)
    back = ff.inverse_standardize(found, stats=stats)
    assert np.allclose(back[:, 0], train["a"].values) and np.isnan(back[3, 1])
    out = np.empty((6, 2), np.float32)
    assert ff.standardize(frame, out=out) is out and np.allclose(out, found, 1e-6, equal_nan=True)


@each_table
def test_frames_with_text_are_not_standardized(make):
    with pytest.raises(TypeError):
        ff.standardize(with_text(make(people(9))))


# ---- anything ------------------------------------------------------------------------------------------


@st.composite
def tables(draw):
    """Columns of any dtypes, with values at their edges, bad ones and nulls, and text in between."""
    name = draw(st.sampled_from(sorted(LIBRARIES)))
    make, rows = LIBRARIES[name], draw(st.integers(0, 25))
    known = [dtype for dtype in DTYPES if takes(make, dtype)]
    nulls = st.just(False) if name not in WITH_NULLS else st.booleans()
    columns = [
        column(draw(st.sampled_from(known)), rows, draw(nulls), draw(st.integers(0, 99)))
        for _ in range(draw(st.integers(1, 6)))
    ]
    return make, columns


@settings(max_examples=50)
@given(tables(), st.sampled_from(["float16", "float32", "bfloat16", "float8_e4m3fn"]))
def test_any_frame_is_as_the_array_of_its_numbers(table, target_dtype):
    make, columns = table
    frame, values = make(named(columns)), equivalent(columns)
    with np.errstate(all="raise"):
        check(frame, values, target_dtype)
        check_statistics(ff.column_stats(frame), values)
        if values.shape[0]:
            half = values.shape[0] // 2
            first, second = ([Column(*(part[rows] for part in one)) for one in columns]
                             for rows in (slice(half), slice(half, None)))
            check_statistics(ff.ColumnStats().update(make(named(first))).update(make(named(second))), values)

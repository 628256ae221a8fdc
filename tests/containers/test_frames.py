"""Data frames: what an array of their numbers gives, and names in every message."""

import sys

import arrays
import numpy as np
import pytest
from frames import (
    DTYPES,
    LIBRARIES,
    WITH_NULLS,
    Column,
    arrow_batch,
    arrow_table,
    check_frame,
    chunked_table,
    column,
    each_library,
    each_pair,
    equivalent,
    named,
    pandas_arrow,
    pandas_nullable,
    pandas_numpy,
    polars_frame,
    same_statistics,
    takes,
    through_narwhals,
    with_nulls,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import MEGABYTE, peak_of
from optional import require
from refusals import EVERY_CALL, check_not_taken, message_of
from same_as_array import check_close_statistics

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
# So many rows of a column are read at a time, where it is not read in place.
ROWS = 1 << 20


# ---- every dtype of every library ----------------------------------------------------------------------


@each_pair(LIBRARIES, DTYPES)
def test_columns_without_nulls_are_as_their_array(make, dtype):
    columns = [column(dtype, nulls=False, seed=seed) for seed in (1, 2)]
    frame, array = make(named(columns)), np.stack([one.values for one in columns], 1)
    check_frame(frame, array)
    assert ff.scan(frame).dtype == dtype and ff.scan(frame).names == ("c0", "c1")
    assert same_statistics(ff.column_stats(frame), ff.column_stats(array))
    assert ff.column_stats(frame).names == ("c0", "c1")


@each_pair(WITH_NULLS, DTYPES)
def test_nulls_are_counted_beside_nan(make, dtype):
    columns = [column(dtype, seed=3), column(dtype, nulls=False, seed=4), column(dtype, seed=5)]
    frame, values = make(named(columns)), equivalent(columns)
    assert ff.scan(frame).null == sum(one.missing.sum() for one in columns) > 0
    check_frame(frame, values)
    check_close_statistics(ff.column_stats(frame), values)


@pytest.mark.parametrize("dtype", ["float64", "int32", "bool"])
@with_nulls
def test_one_column_of_a_frame_is_as_an_array_of_one_dimension(make, dtype):
    one = column(dtype, seed=6)
    series, values = make({"age": one})["age"], equivalent([one])[:, 0]
    check_frame(series, values)
    stats = ff.column_stats(series)
    assert stats.shape == () and stats.names is None
    check_close_statistics(stats, values)


@with_nulls
def test_a_frame_of_one_column_has_two_dimensions(make):
    one = column("float32", seed=7)
    frame = make({"age": one})
    check_frame(frame, equivalent([one]))
    assert ff.scan(frame).shape == (25, 1) and ff.column_stats(frame).names == ("age",)


@each_library
def test_columns_of_many_dtypes_are_one_frame(make):
    columns = [column(dtype, nulls=make in WITH_NULLS.values(), seed=seed)
               for seed, dtype in enumerate(("float32", "float32", "int64", "bool", "float64", "uint8", "float64"))]
    frame, values = make(named(columns)), equivalent(columns)
    check_frame(frame, values)
    check_close_statistics(ff.column_stats(frame), values)
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
    check_frame(frame, np.zeros((0, 2)))
    stats = ff.column_stats(frame)
    assert stats.names == ("a", "b") and stats.count.tolist() == [0, 0] and np.isnan(stats.mean).all()


def test_a_column_without_chunks_is_empty():
    pyarrow = require("pyarrow")
    check_frame(pyarrow.chunked_array([], pyarrow.float64()), np.zeros(0))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_without_columns_are_finite(library):
    module = require(library)
    frame = module.table({}) if library == "pyarrow" else module.DataFrame()
    report = ff.scan(frame)
    assert report and report.size == 0 and report.names == () and report.shape == (0, 0)
    assert ff.check_finite(frame) is frame and ff.nonfinite(frame).shape == (0, 2)
    assert ff.column_stats(frame).shape == (0,) and ff.scan(frame, axis=0).columns.tolist() == []


# ---- blocks, slices, indices and names -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_na_in_one_nullable_column_are_counted_apart(dtype):
    pandas = require("pandas")
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
    pandas = require("pandas")
    array = np.array(values)[:, np.newaxis]
    frame = pandas.DataFrame({"a": pandas.arrays.SparseArray(values, fill_value=fill)})
    check_frame(frame, array)
    check_frame(frame["a"], array[:, 0])
    assert same_statistics(ff.column_stats(frame), ff.column_stats(array))


def wide(rows=20, columns=6, seed=0):
    return arrays.mixed("float64", (rows, columns), seed)


def in_blocks():
    """The same values in one block, in several, and in one a column."""
    pd = require("pandas")
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
        check_frame(frame, x)
        assert same_statistics(ff.column_stats(frame), ff.column_stats(x)), name


def test_blocks_of_several_dtypes_in_turn():
    pandas = require("pandas")
    columns = [column(dtype, nulls=False, seed=seed) for seed, dtype in enumerate(["float64", "float32"] * 3)]
    frame = pandas_numpy(named(columns))
    for one in (frame, frame.copy(), pandas.concat([frame.iloc[:, :3], frame.iloc[:, 3:]], axis=1)):
        check_frame(one, equivalent(columns))


@pytest.mark.parametrize("rows", [slice(None, None, 2), slice(None, None, -1), slice(5, 17)], ids=str)
@pytest.mark.parametrize("columns", [slice(None), slice(4, 1, -1), slice(None, None, 2), [4, 0, 3]], ids=str)
def test_slices_of_pandas_are_as_slices_of_the_array(rows, columns):
    x, frames = in_blocks()
    for frame in frames.values():
        part = frame.iloc[rows, columns]
        check_frame(part, x[rows][:, columns])
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
        check_frame(part, values[rows])
        check_close_statistics(ff.column_stats(part), values[rows])
    chosen = frame.select(["c3", "c1"]) if hasattr(frame, "select") else frame[["c3", "c1"]]
    check_frame(chosen, values[:, [3, 1]])
    assert ff.scan(chosen).names == ("c3", "c1")


@pytest.mark.parametrize("index", [[7, 7, 7], list("abc"), [2, 0, 1], [nan, 1.0, nan]], ids=str)
def test_places_are_positions_whatever_the_index(index):
    pandas = require("pandas")
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
    pandas = require("pandas")
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
    pandas = require("pandas")
    frame = pandas.concat([pandas.DataFrame({"a": ["x", "y"]}), pandas.DataFrame({"a": [1.0, nan]}),
                           pandas.DataFrame({"a": pandas.array([None, 2], "Int8")})], axis=1)
    report = ff.scan(frame, axis=0)
    assert report.columns.tolist() == [1, 2] and report.not_scanned == ("a",)
    assert str(report.totals).endswith("1 nan, 1 null; first null at row 0, column 2 ('a'); not scanned: 'a'")


def test_a_column_is_called_by_its_name():
    pandas, polars = require("pandas"), require("polars")
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
    pandas, narwhals = require("pandas"), require(module)
    frame = pandas.DataFrame({
        "object": np.array([1.0, None], object), "text": ["x", "y"], "sparse": pandas.arrays.SparseArray([nan, 0.0]),
        "na": pandas.arrays.FloatingArray(np.array([nan, 1.0]), np.array([False, True])), "complex": [1j, nan],
    })
    assert ff.scan(narwhals.from_native(frame), axis=0) == ff.scan(frame, axis=0)


def test_a_subclass_of_a_pandas_frame_is_a_frame():
    pandas = require("pandas")

    class Special(pandas.DataFrame):
        @property
        def _constructor(self):
            return Special

    assert ff.scan(Special({"age": [nan], "city": ["x"]})).names == ("age", "city")


def test_columns_of_pyarrow_with_the_same_name_are_told_apart_by_their_position():
    pyarrow = require("pyarrow")
    arrays_of_table = [pyarrow.array([1.0]), pyarrow.array([nan])]
    for kind in (pyarrow.Table, pyarrow.RecordBatch):
        report = ff.scan(kind.from_arrays(arrays_of_table, names=["a", "a"]))
        assert report.names == ("a", "a") and report.first == (0, 1)


# ---- what is not a frame of values ---------------------------------------------------------------------


def test_a_lazy_frame_is_to_be_collected_first():
    polars, narwhals = require("polars"), require("narwhals")
    lazy = polars.DataFrame({"a": [1.0]}).lazy()
    for x in (lazy, narwhals.from_native(lazy)):
        check_not_taken(x, "collect", (*EVERY_CALL, ff.standardize))


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
    check_frame(make(named(columns)), equivalent(columns))


def test_arrays_of_xarray_are_as_their_values():
    xarray = require("xarray")
    x = wide()
    check_frame(xarray.DataArray(x, dims=("row", "column")), x)
    check_frame(xarray.DataArray(x)[::-2, 1:4].T, x[::-2, 1:4].T)
    check_frame(xarray.Variable(("a", "b"), x), x)
    assert ff.column_stats(xarray.DataArray(x)) == ff.column_stats(x)
    bits = xarray.DataArray(np.array([0x7FC0, 0x3F80], np.uint16))
    assert ff.scan(bits, dtype="bfloat16").nan == 1
    with pytest.raises(TypeError):
        ff.scan(xarray.DataArray(["x"]))
    with pytest.raises(TypeError):
        ff.scan(xarray.Dataset({"a": ("x", [1.0])}))


def test_arrays_of_xarray_on_dask():
    xarray, _ = require("xarray"), require("dask.array")
    x = wide()
    check_frame(xarray.DataArray(x).chunk(7), x)


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
    return require("pandas").DataFrame(np.stack([one.values for one in columns.values()], 1))


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
    pandas = require("pandas")
    x = wide()
    frame = pandas.DataFrame(x, copy=False)
    frame.insert(3, "new", np.ones(20))
    where = [frame.iloc[:, i].to_numpy().ctypes.data for i in range(7)]
    for name, call in CALLS.items():
        if name != "check_finite":
            call(frame)
        assert [frame.iloc[:, i].to_numpy().ctypes.data for i in range(7)] == where, name


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
        check_frame(frame, values, target_dtype)
        check_close_statistics(ff.column_stats(frame), values)
        if values.shape[0]:
            half = values.shape[0] // 2
            first, second = ([Column(*(part[rows] for part in one)) for one in columns]
                             for rows in (slice(half), slice(half, None)))
            check_close_statistics(ff.ColumnStats().update(make(named(first))).update(make(named(second))), values)

"""Collections of dask answer as the whole of them in memory does, whatever their chunks are."""

import functools
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import arrays
import exact
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optional import require
from refusals import raised, refused
from same_as_array import NUMBERS, check_arguments, check_close_statistics, check_like, example, inf, nan

import fastfinite as ff

dask, da, dd, db = map(require, ("dask", "dask.array", "dask.dataframe", "dask.bag"))
pd = require("pandas")
# Not before: it imports dask.
import fastfinite.dask as ffd  # noqa: E402


@pytest.fixture(autouse=True)
def one_after_the_other():
    """No threads where nothing is said of them."""
    with dask.config.set(scheduler="synchronous"):
        yield


def refuse(*arguments, **options):
    raise AssertionError("computed before it was asked for")


# ---- chunks ------------------------------------------------------------------------------------------


def halves(n):
    return (n // 2, n - n // 2)


def ragged(n):
    return tuple(np.diff(sorted({0, 1, n // 3, n - 1, n}))) if n > 1 else (n,)


CHUNKINGS = {
    "one": lambda shape: shape,
    "one value each": lambda shape: (1,) * len(shape),
    "one row each": lambda shape: (1, *shape[1:])[: len(shape)],
    "one column each": lambda shape: (*shape[:-1], 1)[-len(shape) :] if shape else (),
    "regular": lambda shape: (3,) * len(shape),
    "ragged": lambda shape: tuple(map(ragged, shape)),
    "ragged rows": lambda shape: (ragged(shape[0]), *((n,) for n in shape[1:])) if shape else (),
    "some without rows": lambda shape: ((0, *halves(shape[0]), 0), *((0, n) for n in shape[1:])) if shape else (),
}
every_chunking = pytest.mark.parametrize("cut", list(CHUNKINGS.values()), ids=list(CHUNKINGS))
SHAPES = [(7, 6), (11,), (), (3, 4, 2, 3)]


def of_unknown_length(x):
    """The same rows, of which dask knows no longer how many there are."""
    everywhere = da.ones(x.shape[0], dtype=bool, chunks=x.chunks[0])
    known = x[everywhere]
    assert np.isnan(known.shape[0])
    return known


@every_chunking
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scans_of_chunks_are_those_of_the_array(shape, cut):
    dense = example("float32", shape)
    x = da.from_array(dense, chunks=cut(shape))
    check_like(x, dense)
    if shape:
        check_like(of_unknown_length(x), dense, targets=(None,), told_alike=len(shape) != 2 or cut(shape)[1] != 1)


@pytest.mark.parametrize("dtype", [*arrays.NATIVE, *arrays.COMPLEX, *arrays.TIMES, "longdouble", ">f8", "int64",
                                   "uint8", "bool", "bfloat16"])
@pytest.mark.parametrize("cut", [(3, 2), ((1, 6), (2, 4))], ids=["regular", "ragged"])
def test_scans_of_every_dtype(dtype, cut):
    if dtype in arrays.NATIVE + arrays.INTEGERS or dtype in ("longdouble", ">f8"):
        with np.errstate(invalid="ignore"):
            dense = example("float64" if dtype in (">f8", "longdouble") else dtype).astype(dtype)
    else:
        dense = arrays.mixed(dtype, (7, 6), share=0.3)
    targets = (None,) if dtype in (*arrays.TIMES, "bool") else (None, "float16")
    check_like(da.from_array(dense, chunks=cut), dense, targets)


def test_shapes_without_values():
    for shape in ((0, 3), (3, 0), (0,)):
        dense = np.ones(shape)
        check_like(da.from_array(dense, chunks=2), dense)
        assert ff.column_stats(da.from_array(dense, chunks=2)) == ff.column_stats(dense)


@st.composite
def cuts(draw, n):
    """Lengths that add up to n, zeros among them."""
    places = sorted(draw(st.lists(st.integers(0, n), max_size=4)))
    return tuple(int(step) for step in np.diff([0, *places, n]))


@st.composite
def cut_arrays(draw):
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    values = draw(st.lists(st.sampled_from(NUMBERS), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    return np.array(values).reshape(shape), tuple(draw(cuts(n)) for n in shape)


@given(cut_arrays(), st.integers(2, 4))
def test_no_chunking_changes_an_answer(drawn, split):
    dense, chunks = drawn
    x = da.from_array(dense, chunks=chunks)
    with dask.config.set(scheduler="synchronous", split_every=split):
        for axis in (None, *range(-1, dense.ndim)):
            assert ff.scan(x, axis=axis) == ff.scan(dense, axis=axis)
        for limit in (None, 2):
            assert np.array_equal(ff.nonfinite(x, limit=limit), ff.nonfinite(dense, limit=limit))
        for axis in (None, *range(dense.ndim)):
            found, right = ff.column_stats(x, axis=axis), ff.column_stats(dense, axis=axis)
            for name in ("count", "nan", "posinf", "neginf", "zero", "negative", "constant", "min", "max"):
                assert np.array_equal(getattr(found, name), getattr(right, name), equal_nan=True), name
            for name in ("mean", "var"):
                assert np.allclose(getattr(found, name), getattr(right, name), 1e-15, 0, equal_nan=True), name


def test_columns_of_unknown_number():
    dense, kept = example("float64"), np.array([1, 0, 1, 1, 0, 1], bool)
    x = da.from_array(dense, chunks=2)[:, da.from_array(kept, chunks=2)]
    # They are not listed by column: how many there are is not known before.
    check_like(x, dense[:, kept], told_alike=False)
    check_close_statistics(ff.column_stats(x), dense[:, kept])
    assert ff.scan(x, axis=0) == ff.scan(dense[:, kept], axis=0)
    for call in (ff.standardize, ff.diagnose):
        with pytest.raises(ValueError, match=r"columns of unknown number.*compute_chunk_sizes\(\)"):
            call(x)
    with pytest.raises(ff.NonFiniteError, match=r"its rows and columns counted from its first, \(2 x . float64\)"):
        ffd.check_finite(x, columns=list("abcd"), compute=False).compute()


def test_masked_chunks():
    dense = np.ma.MaskedArray(example("float64"), arrays.clean("bool", (7, 6)))
    for chunks in (-1, 1, (2, 6)):
        data, mask = (da.from_array(part, chunks=chunks) for part in (dense.data, dense.mask))
        for x in (da.from_array(dense, chunks=chunks), da.ma.masked_array(data, mask)):
            for axis in (None, 0, 1):
                assert ff.scan(x, axis=axis) == ff.scan(dense, axis=axis)
            assert np.array_equal(ff.nonfinite(x), ff.nonfinite(dense))
            assert ff.all_finite(x) is ff.all_finite(dense) and ff.has_inf(x) is ff.has_inf(dense)
            check_close_statistics(ff.column_stats(x), dense)
            stats = ff.column_stats(dense)
            assert np.array_equal(ff.standardize(x, stats=stats).compute(), ff.standardize(dense, stats=stats),
                                  equal_nan=True)


def test_objects_and_records():
    dense = np.array([[1.0, None], [2, nan], [None, 3], [4, 5]], object)
    for chunks in (1, (3, 2)):
        x = da.from_array(dense, chunks=chunks)
        check_like(x, dense, targets=(None,))
        check_close_statistics(ff.column_stats(x), dense)
    records = np.array([(1.0, 2), (nan, 3), (4.0, 5)], [("a", "f4"), ("b", "i4")])
    assert ff.scan(da.from_array(records, chunks=1)) == ff.scan(records)
    assert ff.scan(da.from_array(records, chunks=1)).first_field == "a"


def test_xarray_on_dask():
    xarray = require("xarray")
    dense = example("float32")
    x = xarray.DataArray(da.from_array(dense, chunks=(2, 3)), dims=("row", "column"))
    check_like(x, dense)
    check_close_statistics(ff.column_stats(x), dense)
    assert ffd.scan(x, compute=False).compute() == ff.scan(dense)
    assert isinstance(ff.standardize(x), da.Array)
    with pytest.raises(ff.NonFiniteError, match=r"chunk \(., .\) of x"):
        ffd.check_finite(x, compute=False).compute()


# ---- statistics --------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("chunks", [1000, (1, 2), (777, 1), ((1, 1998, 1), (2, 1, 3))], ids=str)
def test_moments_are_within_4_ulp_whatever_the_chunks(chunks, workers):
    rng = np.random.default_rng(0)
    offsets = [rng.standard_normal(2000) + 10.0**power for power in (0, 8, 12, 15)]
    x = np.stack([*offsets, rng.standard_cauchy(2000), np.where(np.arange(2000) < 1000, 0.1, 0.3)], 1)
    x[5, 0], x[9, 4] = nan, -0.0
    if chunks == (1, 2):
        x = x[:300]
    with dask.config.set(scheduler="threads", num_workers=workers):
        stats = ff.column_stats(da.from_array(x, chunks=chunks), ddof=1)
    exact.check_stats(stats, x, 1)


def test_statistics_are_the_same_bits_for_any_number_of_workers():
    x = da.from_array(np.random.default_rng(1).normal(1e6, 1, (5000, 7)), chunks=(333, 2))
    found = []
    for workers in (1, 2, 4):
        with dask.config.set(scheduler="threads", num_workers=workers):
            found.append(ff.column_stats(x))
    assert found[0] == found[1] == found[2] and len({stats.var.tobytes() for stats in found}) == 1


@every_chunking
def test_statistics_along_any_axes(cut):
    dense = example("float64", (5, 4, 3))
    x = da.from_array(dense, chunks=cut(dense.shape))
    for axis in (0, 1, 2, -1, (0, 1), (2, 0), (1, 2), (0, 1, 2), None):
        found, right = ff.column_stats(x, axis=axis, ddof=1), ff.column_stats(dense, axis=axis, ddof=1)
        assert found.shape == right.shape and found.ddof == 1
        for name in ("count", "nan", "posinf", "neginf", "zero", "negative", "constant", "min", "max"):
            assert np.array_equal(getattr(found, name), getattr(right, name), equal_nan=True), (axis, name)
        assert np.allclose(found.std, right.std, 1e-14, 0, equal_nan=True)
        lazy = ffd.column_stats(x, axis=axis, ddof=1, compute=False).compute()
        assert lazy == found


@pytest.mark.parametrize("dtype", [*arrays.NATIVE, "int8", "uint16", "int64", "uint64", "bool"])
def test_statistics_of_every_dtype(dtype):
    dense = example(dtype, (25, 3))
    exact.check_stats(ff.column_stats(da.from_array(dense, chunks=(4, 2))), dense)


def test_variance_and_constant_columns():
    dense = np.stack([np.full(9, 0.1), 1e8 + np.arange(9) * 1e-3, np.arange(9.0)], 1)
    dense[3, 0] = nan
    x = da.from_array(dense, chunks=(2, 1))
    assert ff.constant_columns(x).tolist() == ff.constant_columns(dense).tolist() == [True, False, False]
    assert ffd.constant_columns(x, compute=False).compute().tolist() == [True, False, False]
    assert ff.near_constant_columns(x, rtol=1e-6).tolist() == [False, True, False]
    for options in ({}, {"nan_policy": "omit", "ddof": 1}, {"axis": 1}):
        assert np.allclose(ff.column_variance(x, **options), ff.column_variance(dense, **options), 1e-14, 0, True)


def test_policies():
    dense = np.array([[0, 1], [nan, 2], [3, inf]], np.float32)
    for chunks in (-1, 1, (2, 1)):
        x = da.from_array(dense, chunks=chunks)
        assert str(refused(ff.column_stats, x, nan_policy="raise")) == str(
            refused(ff.column_stats, dense, nan_policy="raise"))
        assert str(refused(ffd.column_stats(x, nan_policy="raise", compute=False).compute)) == (
            "x has 1 nan, and nan_policy is 'raise'")
        assert np.isnan(ff.column_stats(x, nan_policy="propagate").mean).tolist() == [True, False]
        with pytest.raises(ValueError, match="nan_policy must be one of"):
            ffd.column_stats(x, nan_policy="ignore", compute=False)


@pytest.mark.parametrize("chunks", [-1, 1])
def test_collections_are_taken_as_arrays_are(chunks):
    check_arguments(lambda dense: da.from_array(dense, chunks=chunks))


def test_collections_are_batches_of_a_stream():
    dense = example("float64")
    x = da.from_array(dense, chunks=2)
    stream = ff.ColumnStats(names=list("abcdef")).update(x).update(dense).update(of_unknown_length(x))
    right = ff.column_stats(np.concatenate([dense] * 3))
    assert stream.names == tuple("abcdef") and np.array_equal(stream.count, right.count)
    assert np.allclose(stream.var, right.var, 1e-14, 0, equal_nan=True)
    frame = pd.DataFrame({"a": [1.0, 2.0], "t": ["x", "y"]})
    stream = ff.ColumnStats().update(dd.from_pandas(frame, npartitions=2))
    assert (stream.names, stream.not_scanned, stream.mean.tolist()) == (("a",), ("t",), [1.5])
    with pytest.raises(ValueError, match=r"batch has the columns \('b',\), but the statistics are of \('a',\)"):
        stream.update(dd.from_pandas(frame.rename(columns={"a": "b"}), npartitions=1))
    assert stream.count.tolist() == [2]


# ---- scaling -----------------------------------------------------------------------------------------


@every_chunking
@pytest.mark.parametrize("dtype", [*arrays.NATIVE, "int8", "int64", "bool"])
def test_scaled_chunks_are_those_of_the_scaled_array(dtype, cut):
    dense = arrays.clean(dtype, (7, 4))
    if dtype in ("float32", "float64"):
        dense = np.random.default_rng(0).normal(3, 2, (7, 4)).astype(dtype)
        dense[2, 1] = nan
    x = da.from_array(dense, chunks=cut(dense.shape))
    stats = ff.column_stats(dense)
    for known, mine in ((stats, stats), (None, ff.column_stats(x))):
        lazy, right = ff.standardize(x, stats=known), ff.standardize(dense, stats=mine)
        assert isinstance(lazy, da.Array) and lazy.dtype == right.dtype and lazy.chunks == x.chunks
        found = lazy.compute()
        assert found.dtype == right.dtype and np.array_equal(found, right, equal_nan=True)
    if dtype != "bool":
        back = ff.inverse_standardize(lazy, stats=stats)
        assert np.array_equal(back.compute(), ff.inverse_standardize(right, stats=stats), equal_nan=True)


def test_scaling_of_many_axes_and_unknown_lengths():
    dense = np.random.default_rng(0).normal(3, 2, (5, 4, 3))
    stats = ff.column_stats(dense)
    for chunks in (2, (5, 1, 2)):
        x = da.from_array(dense, chunks=chunks)
        for one in (x, of_unknown_length(x)):
            assert np.array_equal(ff.standardize(one, stats=stats).compute(), ff.standardize(dense, stats=stats))
    one_axis = ff.standardize(da.from_array(dense[:, 0, 0], chunks=2))
    assert np.allclose(one_axis.compute(), ff.standardize(dense[:, 0, 0]), 1e-15, 1e-15)


def test_what_cannot_be_scaled_is_refused_at_once():
    x, stats = da.ones((3, 2), chunks=1), ff.column_stats(np.ones((3, 2)))
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "t": ["x", "y"]})
    lazy = dd.from_pandas(frame, npartitions=2)
    with dask.config.set(scheduler=refuse):
        for wrong, options, error, words in (
            (da.ones((3, 3)), {"stats": stats}, ValueError, r"x must have rows of 2 columns.*its shape is \(3, 3\)"),
            (x, {"stats": ff.ColumnStats()}, ValueError, "stats is empty"),
            (x, {"stats": 3}, TypeError, "stats must be a ColumnStats, not int"),
            (x, {"out": np.ones((3, 2))}, TypeError, "out is for arrays in memory"),
            (da.ones(()), {}, ValueError, "x must have at least one axis"),
            (x.astype(complex), {}, TypeError, "cannot standardize dtype complex128"),
            (lazy, {}, TypeError, r"not all columns of x hold numbers \('t' do not\)"),
            (lazy[["a", "b"]], {"stats": ff.column_stats(frame[["b", "a"]])}, ValueError, "x has the columns"),
        ):
            with pytest.raises(error, match=words):
                ff.standardize(wrong, **options)


# ---- data frames -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frame():
    """Columns of every kind; one is missing altogether in the last rows."""
    rows = 12
    return pd.DataFrame({
        "height": [1.5, nan, *np.arange(rows - 2.0)],
        "name": list("abcdefghijkl"),
        "kind": pd.Categorical(["x", "y"] * 6),
        "visits": pd.array([1, None, *range(rows - 2)], "Int64"),
        "born": pd.date_range("2020-01-01", periods=rows),
        "late": [1.0] * 6 + [nan] * 6,
        "whole": np.arange(rows),
        "small": pd.array([True, None] * 6, "boolean"),
    })


def emptied(frame):
    """The same rows, some of them in partitions of which a filter left nothing."""
    padded = pd.concat([frame, frame.assign(whole=-1)], ignore_index=True)
    return dd.from_pandas(padded, npartitions=6, sort=False).query("whole >= 0")


FRAMES = {
    "one partition": functools.partial(dd.from_pandas, npartitions=1, sort=False),
    "five": functools.partial(dd.from_pandas, npartitions=5, sort=False),
    "a row each": functools.partial(dd.from_pandas, chunksize=1, sort=False),
    "empty ones": emptied,
}
every_frame = pytest.mark.parametrize("make", list(FRAMES.values()), ids=list(FRAMES))


@every_frame
def test_frames_are_told_as_in_memory(make, frame):
    x = make(frame)
    for axis in (None, 0, 1):
        assert ff.scan(x, axis=axis) == ff.scan(frame, axis=axis)
    assert str(ff.scan(x)) == str(ff.scan(frame)) and ff.scan(x).not_scanned == ("name", "kind", "born")
    assert ff.scan(x, target_dtype="float16") == ff.scan(frame, target_dtype="float16")
    for limit in (None, 3):
        assert np.array_equal(ff.nonfinite(x, limit=limit), ff.nonfinite(frame, limit=limit))
    assert [call(x) for call in (ff.all_finite, ff.has_nan, ff.has_inf)] == [False, True, False]
    assert ff.all_finite(x, allow_nan=True)
    for options in ({}, {"name": "table"}, {"columns": list("ABCDEFGH")}):
        assert str(raised(x, **options)) == str(raised(frame, **options))
    assert ff.check_finite(x, allow_nan=True) is x


@every_frame
def test_frames_have_statistics_as_in_memory(make, frame):
    x = make(frame)
    stats, right = ff.column_stats(x), ff.column_stats(frame)
    assert (stats.names, stats.not_scanned) == (right.names, right.not_scanned)
    check_close_statistics(stats, frame[list(stats.names)])
    for call in (ff.constant_columns, functools.partial(ff.near_constant_columns, rtol=0.1)):
        assert call(x).tolist() == call(frame).tolist()
    assert ffd.constant_columns(x, compute=False).compute().tolist() == ff.constant_columns(frame).tolist()
    assert np.allclose(ff.column_variance(x), ff.column_variance(frame), 1e-14, 0, equal_nan=True)
    assert str(refused(ff.column_stats, x, nan_policy="raise")) == str(
        refused(ff.column_stats, frame, nan_policy="raise"))
    numbers = ["height", "visits", "late", "whole"]
    scaled = ff.standardize(x[numbers], stats=ff.column_stats(frame[numbers]))
    assert scaled.shape[1] == 4 and scaled.dtype == float
    assert np.array_equal(scaled.compute(), ff.standardize(frame[numbers]), equal_nan=True)


@every_frame
def test_columns_of_frames_are_told_as_in_memory(make, frame):
    x = make(frame)
    for name in ("height", "visits", "late", "small"):
        assert ff.scan(x[name]) == ff.scan(frame[name]) and str(ff.scan(x[name])) == str(ff.scan(frame[name]))
        assert np.array_equal(ff.nonfinite(x[name]), ff.nonfinite(frame[name]))
        assert str(raised(x[name])) == str(raised(frame[name]))
        assert ff.column_stats(x[name]).count == ff.column_stats(frame[name]).count
    with pytest.raises(TypeError, match="x is a column that holds no numbers: 'name'"):
        ff.scan(x["name"])
    assert ff.scan(x.index).size == 12 and ff.all_finite(x.set_index("whole", sorted=True).index)


def test_frames_without_rows_and_without_numbers(frame):
    x = emptied(frame)
    none, right = x[x.whole > 99], frame[frame.whole > 99]
    assert ff.scan(none) == ff.scan(right) and ff.scan(none).size == 0
    assert ff.column_stats(none) == ff.column_stats(right)
    assert ff.nonfinite(none).shape == (0, 2) and ff.all_finite(none)
    with pytest.raises(TypeError, match="x has no column of numbers to scan; its columns are 'name', 'kind'"):
        ff.scan(x[["name", "kind"]])


def test_columns_of_objects(frame):
    with dask.config.set({"dataframe.convert-string": False}):
        objects = pd.DataFrame({"a": np.arange(6.0), "o": np.array([1, 2.5, None, 4, 5, 6], object),
                                "t": np.array(["x", "y", None, "u", "v", "w"], object)})
        x = dd.from_pandas(objects, npartitions=2)
        assert ff.scan(x) == ff.scan(objects) and ff.scan(x).null == 1 and ff.scan(x).not_scanned == ("t",)
        check_close_statistics(ff.column_stats(x), objects[["a", "o"]])
        # A partition without rows says nothing of what a column of objects holds.
        some = x[x.a < 3]
        assert ff.scan(some) == ff.scan(objects[:3])
        assert ff.column_stats(some).names == ("a", "o")
        only = x[["o"]]
        assert ff.scan(only) == ff.scan(objects[["o"]]) and ff.scan(x["o"]) == ff.scan(objects["o"])
        assert not ff.all_finite(only) and ff.nonfinite(x).tolist() == [[2, 1]]
        # One with None alone does not, either: it is not called clean, and told.
        gone = dd.from_pandas(objects.assign(o=np.array([1, 2, 3, None, None, None], object)), npartitions=2)
        assert ff.scan(gone).not_scanned == ("t", "o")
        with pytest.raises(TypeError, match="cannot scan the columns 'o'"):
            ff.all_finite(gone)
        mixed = dd.from_pandas(objects.assign(o=[1, "x", 3, 4, 5, 6]), npartitions=2)
        for call in (ff.all_finite, ff.nonfinite, ff.check_finite, ffd.all_finite,
                     functools.partial(ff.check_finite, target_dtype="float16")):
            with pytest.raises(TypeError, match="cannot scan the columns 'o'"):
                call(mixed)
        # What is bad elsewhere is a verdict.
        assert not ff.all_finite(dd.from_pandas(objects.assign(o=[1, "x", 3, 4, 5, 6], a=nan), npartitions=2))


# ---- bags --------------------------------------------------------------------------------------------


WHOLE = np.array([[1, 2], [3, nan], [5, 6], [7, inf], [1, 1], [2, 2]])
BATCHES = np.split(WHOLE, [2, 2, 3])


@pytest.mark.parametrize("partitions", [1, 2, 4])
def test_bags_are_their_batches_one_after_the_other(partitions):
    x = db.from_sequence(BATCHES, npartitions=partitions)
    for axis in (None, 0, 1, -1):
        assert ff.scan(x, axis=axis) == ff.scan(WHOLE, axis=axis)
    for limit in (None, 1):
        assert np.array_equal(ff.nonfinite(x, limit=limit), ff.nonfinite(WHOLE, limit=limit))
    assert [call(x) for call in (ff.all_finite, ff.has_nan, ff.has_inf)] == [False, True, True]
    exact.check_stats(ff.column_stats(x), WHOLE)
    assert str(raised(x, name="x")) == str(raised(WHOLE)).replace("array (", "x (").partition("; columns")[0]
    scaled = ff.standardize(x, stats=ff.column_stats(WHOLE))
    assert np.array_equal(np.concatenate(scaled.compute()), ff.standardize(WHOLE), equal_nan=True)
    scaled = ff.standardize(x).compute()
    assert np.allclose(np.concatenate(scaled), ff.standardize(WHOLE), 1e-14, 1e-14, equal_nan=True)
    assert str(ff.diagnose(x)) == str(ff.diagnose(WHOLE))
    assert raised(x, columns=["a", "b"]).report.first == (1, 1)
    with pytest.raises(ValueError, match=r"columns must name each column of x; it has 3, and x has shape \(6, 2\)"):
        ff.check_finite(x, columns=list("abc"))


def test_partitions_without_items_are_passed_over():
    odd = db.from_sequence(range(6), npartitions=6).filter(lambda i: i % 2)
    x = odd.map(lambda i: np.array([i, nan])[: i // 2 + 1])
    assert ff.scan(x) == ff.scan(np.array([1, 3, nan, 5, nan])) and ff.nonfinite(x).tolist() == [[2], [4]]
    assert ff.column_stats(x).nan == 2
    none = x.filter(lambda item: False)
    assert ff.all_finite(none)
    for call in (ff.scan, ff.column_stats, ff.nonfinite):
        with pytest.raises(ValueError, match="x is a bag without items"):
            call(none)


def test_bags_of_frames_and_of_what_is_no_array():
    frame = pd.DataFrame({"a": [1.0, nan], "t": ["x", "y"]})
    both = pd.concat([frame, frame], ignore_index=True)
    x = db.from_sequence([frame, frame], npartitions=2)
    assert ff.scan(x) == ff.scan(both) and ff.column_stats(x).to_dict() == ff.column_stats(both).to_dict()
    for items, error, words in (
        ([1.0], TypeError, "a bag whose items are no arrays, but float: pass it to scan_batch"),
        ([{"a": 1}], TypeError, "x must be array_like, not dict"),
        ([np.ones((2, 2)), np.ones((2, 3))], ValueError, r"chunks of x do not fit: \(2, 2\) and \(2, 3\) follow"),
        ([np.ones((2, 2)), np.ones(2)], ValueError, r"chunks of x do not fit: \(2, 2\) and \(2,\)"),
        ([frame, frame.rename(columns={"a": "b"})], ValueError, "the columns of x are"),
    ):
        with pytest.raises(error, match=words):
            ff.column_stats(db.from_sequence(items, npartitions=1))
    with pytest.raises(np.exceptions.AxisError):
        ff.scan(db.from_sequence([np.ones(3)], npartitions=1), axis=1)


# ---- check_finite ------------------------------------------------------------------------------------


def test_a_checked_array_is_the_same_array_and_raises_where_it_is_bad():
    dense = np.arange(12.0).reshape(6, 2)
    x = da.from_array(dense, chunks=(2, 1))
    assert ff.check_finite(x) is x and ffd.check_finite(x) is x
    safe = ffd.check_finite(x, compute=False)
    assert (safe.dtype, safe.shape, safe.chunks) == (x.dtype, x.shape, x.chunks) and type(safe._meta) is np.ndarray
    assert np.array_equal(safe.compute(), dense)
    dense[3, 1] = inf
    bad = ffd.check_finite(da.from_array(dense, chunks=(2, 1)), name="X", columns=["a", "b"], compute=False)
    # Chunks that are not computed are not checked.
    assert bad[:2].sum().compute() == 6 and bad[:, 0].sum().compute() == 30
    error = refused(bad.sum().compute)
    assert str(error) == ("chunk (1, 1) of X (2 x 1 float64) has 1 non-finite value: 1 +inf; "
                          "first +inf at row 3, column 1 ('b')")
    for one in (error, raised(da.from_array(dense, chunks=(2, 1)))):
        again = pickle.loads(pickle.dumps(one))
        assert str(again) == str(one) and again.report == one.report and again.report.first == (3, 1)
    with pytest.raises(ff.NonFiniteError, match=r"its rows counted from its first, .*first \+inf at row 1, column 1"):
        ffd.check_finite(of_unknown_length(da.from_array(dense, chunks=(2, 1))), compute=False).compute()


def test_checks_allow_what_they_are_told_to():
    x = da.from_array(np.array([1.0, nan, 7e4]), chunks=1)
    assert np.array_equal(ffd.check_finite(x, allow_nan=True, compute=False).compute(), [1, nan, 7e4], equal_nan=True)
    error = refused(ffd.check_finite(x, allow_nan=True, target_dtype="float16", compute=False).compute)
    assert str(error) == "chunk (2,) of x (1 float64) has 1 value that overflows float16, first at index 2"
    assert str(raised(x, target_dtype="float16", allow_nan=True)) == (
        "array (3 float64) has 1 value that overflows float16, first at index 2")


def test_a_checked_frame_keeps_all_its_columns(frame):
    good = frame[2:6].astype({"small": "boolean"}).assign(small=True)
    x = dd.from_pandas(good, npartitions=2)
    safe = ffd.check_finite(x, compute=False)
    assert list(safe.columns) == list(frame) and safe.dtypes.equals(x.dtypes)
    pd.testing.assert_frame_equal(safe.compute(), x.compute())
    error = refused(ffd.check_finite(dd.from_pandas(frame[:4], npartitions=1), name="T", compute=False).compute)
    assert str(error) == (
        "a partition of T, its rows counted from its first, (4 x 8 mixed) has 4 non-finite values: 1 nan, 3 null; "
        "first nan at row 1, column 0 ('height'); not scanned: 'name', 'kind', 'born'")
    assert error.report.not_scanned == ("name", "kind", "born")


def test_checked_bags():
    safe = ffd.check_finite(db.from_sequence(BATCHES[2:3]), compute=False)
    assert np.array_equal(safe.compute()[0], BATCHES[2])
    error = refused(ffd.check_finite(db.from_sequence(BATCHES[:2], npartitions=1), columns="ab", compute=False).compute)
    assert str(error) == ("an item of x, its rows counted from its first, (2 x 2 float64) has 1 non-finite value: "
                          "1 nan; first nan at row 1, column 1 ('b')")
    with pytest.raises(ValueError, match="columns must name each column"):
        ffd.check_finite(db.from_sequence(BATCHES, npartitions=1), columns="abc", compute=False).compute()


# ---- diagnose ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty():
    """A column for every cause in data, and labels of {1, 2}."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8))
    X[3, 0], X[5, 1], X[:, 2], X[::9, 3] = nan, inf, 7, -999
    X[:, 4] = 1e8 + rng.normal(size=400) * 1e-3
    X[:, 5] *= 1e300
    X[:, 6] = nan
    X[:, 7] = 1e-46 * rng.integers(1, 4, 400)
    X[7] = nan
    return X, rng.integers(1, 3, 400)


@pytest.mark.parametrize("chunks", [(50, 8), (37, 3), (400, 1), ((1, 399), (2, 0, 6))], ids=str)
def test_causes_are_those_in_memory(faulty, chunks, tmp_path):
    X, y = faulty
    right = ff.diagnose(X, y)
    assert {"nan", "inf", "overflow", "empty-row", "binary-labels", "sentinel", "constant", "near-constant",
            "uneven-scale", "exp-overflow"} <= {cause.code for cause in right}
    np.save(tmp_path / "y.npy", y)
    labels = (y, da.from_array(y, chunks=33), dd.from_pandas(pd.Series(y), npartitions=3), tmp_path / "y.npy")
    for one in labels:
        found = ff.diagnose(da.from_array(X, chunks=chunks), one)
        assert str(found) == str(right)
        assert [cause.to_dict() for cause in found] == [cause.to_dict() for cause in right]
    assert str(ff.diagnose(X, labels[1])) == str(right)
    unknown = of_unknown_length(da.from_array(X, chunks=(50, 8)))
    assert str(ffd.diagnose(unknown, y)) == str(right)


def test_predictions_and_labels_of_many_classes(faulty):
    X, y = faulty
    rng = np.random.default_rng(1)
    p = rng.random(400)
    p[y == 2][:1], p[3] = 0, 0
    x = da.from_array(X, chunks=(90, 8))
    for options in ({"y_pred": p}, {"logits": p * 200}):
        lazy = {name: da.from_array(values, chunks=70) for name, values in options.items()}
        assert str(ff.diagnose(x, da.from_array(y - 1, chunks=50), **lazy)) == str(ff.diagnose(X, y - 1, **options))
    one_hot = np.eye(3)[y]
    assert str(ff.diagnose(x, da.from_array(one_hot, chunks=(50, 2)))) == str(ff.diagnose(X, one_hot))
    assert str(ff.diagnose(x, da.from_array(y[:30], chunks=7))) == str(ff.diagnose(X, y[:30]))


def test_causes_in_frames_and_images(faulty, frame):
    X, y = faulty
    table = pd.DataFrame(X, columns=list("abcdefgh"))
    table.insert(2, "text", ["x"] * 400)
    assert str(ff.diagnose(dd.from_pandas(table, npartitions=5), y)) == str(ff.diagnose(table, y))
    assert str(ff.diagnose(emptied(frame))) == str(ff.diagnose(frame))
    images = np.random.default_rng(2).normal(size=(20, 2, 3, 4))
    images[3, 1, 2, 0], images[:, 0, 0, 0] = nan, 2
    for chunks in (1, (7, 1, 2, 3)):
        assert str(ff.diagnose(da.from_array(images, chunks=chunks))) == str(ff.diagnose(images))


# ---- graphs ------------------------------------------------------------------------------------------


def questions(x):
    """Everything that is lazy."""
    return [ffd.all_finite(x, compute=False), ffd.scan(x, compute=False), ffd.scan(x, axis=0, compute=False),
            ffd.check_finite(x, compute=False), ffd.column_stats(x, compute=False),
            ffd.constant_columns(x, compute=False), ffd.standardize(x)]


def collections():
    return [da.from_array(WHOLE, chunks=(2, 1)), dd.from_pandas(pd.DataFrame(WHOLE, columns=["a", "b"]), npartitions=3),
            db.from_sequence(BATCHES, npartitions=2)]


def test_nothing_is_computed_before_it_is_asked_for():
    with dask.config.set(scheduler=refuse):
        for x in collections():
            for one in questions(x):
                assert dask.is_dask_collection(one)
                with pytest.raises(AssertionError, match="computed before"):
                    one.compute()


def test_the_same_question_is_the_same_task():
    for one, other in zip(collections(), collections()):
        keys, same = ([one.__dask_keys__() for one in questions(x)] for x in (one, other))
        assert keys == same
        names = [str(key) for key in keys]
        assert len(set(names)) == len(names)
    x = collections()[0]
    assert ffd.scan(x, compute=False).key != ffd.scan(x, target_dtype="float16", compute=False).key
    assert ffd.scan(x, compute=False).key != ffd.scan(x + 1, compute=False).key
    assert ffd.column_stats(x, compute=False).key != ffd.column_stats(x, ddof=1, compute=False).key


def counted(rows=20, chunk_rows=2, bad=()):
    """An array of ones that tells of each chunk that is computed."""
    seen = []

    def chunk(block, block_id):
        seen.append(block_id[0])
        block = block.copy()
        block[[row - block_id[0] * chunk_rows for row in bad if row // chunk_rows == block_id[0]]] = nan
        return block

    x = da.ones((rows, 3), chunks=(chunk_rows, 3)).map_blocks(chunk, dtype=float, meta=np.empty((0, 0)))
    return x, seen


def test_questions_asked_together_read_the_data_once():
    x, seen = counted(bad=(7,))
    finite, report, by_column, _, stats, constant, scaled = questions(x)
    finite, report, by_column, stats, constant, total = dask.compute(
        finite, report, by_column, stats, constant, x.sum())
    assert sorted(seen) == list(range(10)) and np.isnan(total)      # with dask's own reductions too
    # No chunk is held until the statistics are there that scale it.
    scaled = scaled.compute()
    assert sorted(seen[10:]) == sorted([*range(10)] * 2)
    assert (finite, report.first, by_column.nan.tolist()) == (False, (7, 0), [1, 1, 1])
    assert stats.nan.tolist() == [1, 1, 1] and constant.all() and np.isnan(scaled[7]).all()
    # The sums are shared by all that is read off them.
    shared = [{key for key in one.__dask_graph__() if isinstance(key, tuple)} for one in (
        ffd.column_stats(x, compute=False), ffd.column_stats(x, ddof=1, compute=False),
        ffd.constant_columns(x, compute=False))]
    assert shared[0] == shared[1] == shared[2] and len(shared[0]) > 20


def test_a_scan_of_some_rows_reads_these():
    x, seen = counted()
    for call in (ff.scan, ff.all_finite, ff.column_stats, ff.nonfinite):
        seen.clear()
        call(x[:6])
        assert sorted(seen) == [0, 1, 2], call


def test_a_graph_may_be_computed_twice_and_its_parts_used_by_several():
    for x in collections():
        first, second = (dask.compute(*(one for i, one in enumerate(questions(x)) if i != 3)) for _ in range(2))
        assert first[:3] == second[:3] and first[3] == second[3]
    x = da.from_array(WHOLE, chunks=1)
    kept = x.persist()
    answers = []
    for split in (2, 8, 3):
        with dask.config.set(split_every=split):
            answers.append((ffd.scan(kept, axis=0, compute=False), ffd.column_stats(kept, compute=False)))
    for report, stats in dask.compute(*answers):
        assert report == ff.scan(WHOLE, axis=0)
        exact.check_stats(stats, WHOLE)
    assert np.array_equal(kept.compute(), WHOLE, equal_nan=True)


def test_a_join_takes_two_at_least():
    with dask.config.set(split_every=1):
        assert ff.scan(da.ones((9, 9), chunks=2)).size == 81


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_the_verdict_ends_at_the_first_bad_chunk(scheduler):
    x, seen = counted(rows=2000, bad=(6,))
    with dask.config.set(scheduler=scheduler, num_workers=2):
        for call, bad in ((ff.all_finite, False), (ff.has_nan, True), (ffd.all_finite, False)):
            seen.clear()
            assert call(x) is bad
            # Those before it, and a few that were begun meanwhile, of 1000.
            assert 3 in seen and len(seen) < 100
        seen.clear()
        assert ff.all_finite(x, allow_nan=True) and len(seen) == 1000


def test_processes_give_verdicts_too(run_python):
    code = """
import dask, dask.array as da, numpy as np, fastfinite as ff
if __name__ == "__main__":
    with dask.config.set(scheduler="processes", num_workers=1):
        print(ff.all_finite(da.ones((10, 2), chunks=5)), ff.all_finite(da.full((10, 2), np.nan, chunks=5)))
"""
    assert run_python(code) == "True False"


class Spy:
    """An array that notes how many threads a kernel may use where it is read."""

    def __init__(self, found):
        self.found = found

    def __array__(self, dtype=None, copy=None):
        self.found.append((ff.get_num_threads(), os.getpid()))
        return np.arange(6.0).reshape(3, 2)


def test_kernels_use_one_thread_in_a_task():
    found = []
    x = db.from_sequence([0, 1], npartitions=2).map(lambda i: Spy(found))
    stats = ff.column_stats(np.arange(6.0).reshape(3, 2))
    with ff.threads(7), dask.config.set(scheduler="threads", num_workers=2):
        for call in (ff.all_finite, ff.scan, ff.nonfinite, ff.column_stats, lambda x: ff.diagnose(x),
                     lambda x: ff.standardize(x, stats=stats).compute(),
                     lambda x: ffd.check_finite(x, compute=False).compute()):
            found.clear()
            call(x)
            assert found and {threads for threads, _ in found} == {1}, call
        assert ff.get_num_threads() == 7


# ---- refusals ----------------------------------------------------------------------------------------


def test_what_is_no_collection_is_refused():
    for wrong in (np.ones(3), [1.0], pd.DataFrame({"a": [1.0]}), dask.delayed(np.ones)(3), None):
        for name in ffd.__all__:
            call = getattr(ffd, name)
            with pytest.raises(TypeError, match="x must be an array, data frame or bag of dask, not "):
                call(wrong)


def test_wrong_arguments_are_refused_before_anything_is_computed():
    x = da.ones((3, 2), chunks=1)
    with dask.config.set(scheduler=refuse):
        for call in (ff.scan, ffd.scan, ff.column_stats, ffd.column_stats, ffd.constant_columns):
            with pytest.raises(np.exceptions.AxisError):
                call(x, axis=5)
        for call in (ffd.scan, ffd.check_finite):
            with pytest.raises(ValueError, match="target_dtype='float7' is not a floating-point format"):
                call(x, target_dtype="float7", compute=False)
        for compute in (True, False):
            with pytest.raises(ValueError, match=r"columns must name each column of x; it has 1, and x has shape"):
                ffd.check_finite(x, columns=["a"], compute=compute)
            with pytest.raises(TypeError, match="cannot scan dtype <U1: it holds text"):
                ffd.scan(da.from_array(np.array(["a", "b"]), chunks=1), compute=compute)
        with pytest.raises(ValueError, match="names an axis twice"):
            ffd.column_stats(x, axis=(0, 0), compute=False)
        with pytest.raises(ValueError, match="X must have rows; it is a single number"):
            ff.diagnose(da.ones(()))
        with pytest.raises(TypeError, match="dtype= says what the bits of an array are"):
            ff.scan(x, dtype="bfloat16")
        with pytest.raises(ValueError, match="limit"):
            ff.nonfinite(x, limit=-1)
    with pytest.raises(TypeError, match="complex numbers have no order"):
        ff.column_stats(x.astype(complex))


# ---- what partitions, items and threads may do -----------------------------------------------------------------------


def frames_of(make, n=4):
    return dd.from_map(make, range(n))


def test_partitions_are_read_by_the_names_of_their_columns():
    def make(i):
        part = pd.DataFrame({"a": [1.0] * 3, "b": [100.0, 200, nan]})
        return part[["b", "a"]] if i == 2 else part

    x = frames_of(make)
    whole = x.compute()
    assert ff.scan(x, axis=0).nan.tolist() == ff.scan(whole, axis=0).nan.tolist() == [0, 4]
    assert ff.constant_columns(x).tolist() == [True, False]
    assert ff.diagnose(x).to_dict() == ff.diagnose(whole).to_dict()


@pytest.mark.parametrize("columns", [["a"], ["a", "b", "c"], ["a", "c"]])
def test_a_partition_with_other_columns_is_refused(columns):
    def make(i):
        part = pd.DataFrame({"a": [1.0] * 3, "b": [2.0] * 3, "c": [3.0] * 3})
        return part[columns] if i == 2 else part[["a", "b"]]

    for call in (ff.all_finite, ff.scan, ff.column_stats, ff.diagnose):
        with pytest.raises(ValueError, match=r"(?i)x has the columns \('a', 'b'\), but one of its partitions has"):
            call(frames_of(make))


def test_a_column_of_text_here_and_numbers_there_leaves_no_verdict():
    with dask.config.set({"dataframe.convert-string": False}):
        x = dd.from_pandas(pd.DataFrame({
            "a": np.arange(20.0), "o": pd.Series(["x"] * 10 + [1.0] * 10, dtype=object)}), npartitions=2)
        for call in (ff.all_finite, ff.check_finite):
            with pytest.raises(TypeError, match="they hold numbers in some partitions"):
                call(x)
        text = dd.from_pandas(pd.DataFrame({"a": np.arange(20.0), "o": ["x"] * 20}), npartitions=2)
        assert ff.all_finite(text)
        (cause,) = [cause for cause in ff.diagnose(x) if cause.code == "not-scanned"]
        assert cause.severity == "warning" and "'o'" in cause.what


def test_bags_of_one_axis_are_read_to_their_ends():
    bag = db.from_sequence([np.arange(3.0), np.arange(4.0)], npartitions=2)
    whole = np.concatenate([np.arange(3.0), np.arange(4.0)])
    for axis in (None, 0):
        found, expected = ff.column_stats(bag, axis=axis), ff.column_stats(whole, axis=axis)
        assert (found.count, found.mean, found.min, found.max) == (7, expected.mean, 0, 3)
    with pytest.raises(np.exceptions.AxisError):
        ff.column_stats(bag, axis=1)
    with pytest.raises(TypeError, match="items have 3 axes"):
        ff.scan(db.from_sequence([np.zeros((2, 3, 4))]))


def test_questions_that_differ_have_other_names():
    x = da.ones((6, 2), chunks=(2, 2))
    table = pd.DataFrame({"t": list("wxyz"), "a": [1.0, 2, 3, nan], "b": [1.0, 2, 3, 4]})
    frame = dd.from_pandas(table, npartitions=2)
    one, two = ff.column_stats(np.ones((3, 2))), ff.column_stats(np.eye(2))
    lazy = [
        ffd.all_finite(x, compute=False), ffd.all_finite(x, allow_nan=True, compute=False),
        ffd.scan(x, compute=False), ffd.scan(x, axis=0, compute=False),
        ffd.scan(x, target_dtype="float16", compute=False),
        ffd.column_stats(x, compute=False), ffd.column_stats(x, ddof=1, compute=False),
        ffd.constant_columns(x, compute=False), ffd.scan(frame, compute=False),
        ffd.scan(frame[["a", "b", "t"]], compute=False), ffd.scan(frame[["a", "b"]], compute=False),
    ]
    assert len({one.key for one in lazy}) == len(lazy)
    arrays = [
        ffd.standardize(x, stats=one), ffd.standardize(x, stats=two), ff.inverse_standardize(x, stats=one),
        ffd.check_finite(x, compute=False), ffd.check_finite(x, allow_nan=True, compute=False),
        ffd.check_finite(x, name="y", compute=False),
    ]
    assert len({one.name for one in arrays}) == len(arrays)
    first, second = dask.compute(lazy[8], lazy[9])
    assert (first.first, second.first) == ((3, 1), (3, 0))


def test_statistics_that_are_updated_later_change_no_result():
    stats = ff.column_stats(np.array([[1.0], [2.0], [4.0]]))
    x = np.array([[1.0], [2.0]])
    lazy, expected = ff.standardize(da.from_array(x), stats=stats), ff.standardize(x, stats=stats)
    stats.update(np.array([[100.0]]))
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_diagnoses_of_several_threads_do_not_meet():
    x = da.from_array(np.array([[2**11 + 1, 2**24 + 1], [2**11, 2**24], [2**8 + 1, 5]]), chunks=(1, 2))
    targets = ["float16", "float32", "bfloat16", "float64"] * 3
    expected = [ff.diagnose(x, target_dtype=target).to_dict() for target in targets]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda target: ff.diagnose(x, target_dtype=target).to_dict(), targets))
    assert found == expected


@pytest.mark.parametrize("chunks", [(10, (0, 2), 3), (10, (2, 0), 3), (10, 2, (0, 1, 2)), (10, 2, (3, 0))])
def test_chunks_without_columns_hide_no_empty_row(chunks):
    x = np.random.default_rng(0).normal(size=(20, 2, 3))
    x[4] = nan
    assert ff.diagnose(da.from_array(x, chunks=chunks)).to_dict() == ff.diagnose(x).to_dict()


def test_labels_that_are_no_numbers_are_a_cause():
    x = np.random.default_rng(0).normal(size=(6, 2))
    for y in (da.from_array(np.array([1, 0, 1, "a", "b", "c"], object), chunks=3),
              da.from_array(np.array(["a", "b"] * 3), chunks=2),
              dd.from_pandas(pd.Series(["a", "b"] * 3), npartitions=2)):
        assert [cause.code for cause in ff.diagnose(x, y)] == ["text-labels"]


@pytest.mark.parametrize("split", [{0: 2}, {0: 4, 1: 2}, 3, None])
def test_joins_take_what_dask_says(split):
    x = da.ones((40, 6), chunks=(2, 3))
    with dask.config.set(split_every=split):
        assert ff.scan(x).size == 240 and ff.column_stats(x).count.tolist() == [40] * 6


def test_without_dask_the_module_says_what_it_needs(run_python):
    printed = run_python("""
import sys
sys.modules["dask"] = None
try:
    import fastfinite.dask
except ImportError as error:
    print(error)
""")
    assert printed == "fastfinite.dask needs dask: pip install 'fastfinite[dask]'"

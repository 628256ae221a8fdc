"""Statistics of data frames, and standardizing: what an array of their numbers gives, with names."""

import json
import pickle

import numpy as np
import pytest
from frames import (
    LIBRARIES,
    Column,
    arrow_table,
    each_library,
    each_pair,
    equivalent,
    named,
    pandas_arrow,
    pandas_nullable,
    polars_frame,
    with_nulls,
)
from optional import require
from same_as_array import check_close_statistics

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf


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
        frame.insert(1, name, require("pandas").Series(text, dtype="str"))
        return frame
    if kind.startswith("polars"):
        polars = require("polars")
        return frame.clone().insert_column(1, polars.Series(name, text, polars.String))
    pyarrow = require("pyarrow")
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
    check_close_statistics(stream, values)
    merged = sum(ff.column_stats(with_text(make(batch))) for batch in batches)
    assert merged == stream
    assert "not scanned: 'city'" in str(stream) and "not scanned: &#x27;city&#x27;" in stream._repr_html_()


@each_table
def test_batches_may_come_from_any_library(make):
    first, second = people(30, 1), people(20, 2)
    stream = ff.ColumnStats().update(make(first)).update(pandas_arrow(second)).update(np.array([[1.0, 2.0]]))
    assert stream.names == ("age", "pay")
    values = np.concatenate([equivalent([*first.values()]), equivalent([*second.values()]), [[1.0, 2.0]]])
    check_close_statistics(stream, values)
    # A column by itself is one row of as many columns.
    row = make({"row": Column(np.array([3.0, 4.0]), np.array([False, True]))})["row"]
    check_close_statistics(stream.update(row), np.concatenate([values, [[3.0, None]]]))


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
    pandas = require("pandas")
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
    named = ff.ColumnStats(names=["x", "y"]).update(frame)
    with pytest.raises(ValueError, match="columns"):
        named.update(swapped)
    with pytest.raises(ValueError, match="columns"):
        ff.standardize(swapped, stats=named)
    assert ff.standardize(frame, stats=named).shape == frame.shape
    given = ff.ColumnStats(names=["x", "y"]).update(frame).merge(ff.ColumnStats()).update(frame)
    assert ff.ColumnStats.from_dict(given.to_dict()).update(frame).names == ("x", "y")


# ---- standardize ---------------------------------------------------------------------------------------


def standardized(make, columns):
    return ff.standardize(make(named(columns)))


@each_pair(LIBRARIES, ["float16", "float32", "float64", "int8", "uint16", "int64"])
def test_frames_are_standardized_as_their_array(make, dtype):
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

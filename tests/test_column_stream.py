"""ColumnStats: updates, merging, and keeping the state."""

import copy
import json
import pickle
from fractions import Fraction

import arrays
import exact
import numpy as np
import pytest
from exact import Exact, bits_of, check_stats, check_var_and_std
from hypothesis import given
from hypothesis import strategies as st

import fastfinite as ff
from fastfinite import _tabulate

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
EXACT_FIELDS = (*exact.COUNTS, "min", "max", "constant")
EDGES = [15, 16, 17, 127, 128, 129, 513, 16384, 16385]
sizes = st.lists(st.one_of(st.integers(0, 12), st.sampled_from(EDGES)), min_size=1, max_size=12)


def table_of(rows, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 5)) + np.array([0, 1e6, 0, 0, -3])
    x[:, 2] = 0.1
    x[:, 3] = rng.integers(-1, 2, rows)
    x[rng.random(rows) < 0.1, 4] = nan
    return x.astype(dtype)


def assert_close(a, b, ulps=8):
    """Counts, range and constant exactly, moments to a few units in the last place."""
    for name in EXACT_FIELDS:
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    for name in ("var", "std"):
        np.testing.assert_array_max_ulp(getattr(a, name), getattr(b, name), ulps)
    with np.errstate(all="ignore"):
        off = np.abs(a.mean - b.mean) > 2 * np.spacing(np.abs(b.mean)) + 2.0**-46 * np.nan_to_num(b.std, posinf=0)
    assert not off.any()


def stream_of(x, lengths, **options):
    stream, start = ff.ColumnStats(**options), 0
    for length in lengths:
        stream.update(x[start : start + length])
        start += length
    return stream


# ---- updating ----------------------------------------------------------------------------------------


@given(sizes, st.integers(0, 5), st.sampled_from(["float32", "float64", "float16", "int64"]))
def test_any_split_gives_the_same(lengths, seed, dtype):
    with np.errstate(all="ignore"):
        x = table_of(sum(lengths), seed, dtype if dtype != "int64" else "float64")
        x = np.nan_to_num(x * 1e3).astype(dtype) if dtype == "int64" else x
    stream, whole = stream_of(x, lengths), ff.column_stats(x)
    assert_close(stream, whole)
    if len(x) < 300:
        check_stats(stream, x)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int64", "bool"])
def test_row_by_row(dtype):
    with np.errstate(all="ignore"):
        x = np.nan_to_num(table_of(200)).astype(dtype)
    by_row, by_batch_of_one, by_list = ff.ColumnStats(), ff.ColumnStats(), ff.ColumnStats()
    for row in x:
        assert by_row.update(row) is by_row
        by_batch_of_one.update(row[None])
        by_list.update(row.tolist())
    for stream in (by_row, by_batch_of_one, by_list):
        check_stats(stream, x)
        assert_close(stream, ff.column_stats(x))
    assert bits_of(by_row) == bits_of(by_batch_of_one)


def test_rows_of_every_layout():
    x = table_of(40)
    right = ff.ColumnStats()
    for row in x.copy():
        right.update(row)
    for view in (np.asfortranarray(x), x[::-1][::-1], np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f8")):
        stream = ff.ColumnStats()
        for row in view:
            stream.update(row)
        assert_close(stream, right)
    with_nan = ff.ColumnStats().update(np.array([nan, inf, 1.0])).update(np.array([2.0, -inf, nan]))
    assert with_nan.count.tolist() == [1, 2, 1] and with_nan.nan.tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16", "int64"])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_few_rows_of_every_layout_have_the_same_bits(dtype, rows):
    rng = np.random.default_rng(rows)
    for columns in (1, 3, 17):
        start = (rng.standard_normal((20, columns)) * 100).astype(dtype)
        x = (rng.standard_normal((rows, columns)) * 100).astype(dtype)
        right = [bits_of(ff.ColumnStats().update(x)), bits_of(ff.column_stats(start).update(x))]
        for name in arrays.layouts_of(x.dtype):
            y = arrays.LAYOUTS[name](x)
            found = [bits_of(ff.ColumnStats().update(y)), bits_of(ff.column_stats(start).update(y))]
            assert found == right, name


@pytest.mark.parametrize("unit", [5e-324, 3 * 5e-324, 1e-310])
def test_streams_of_subnormals_keep_their_units(unit):
    x = np.zeros((10_999, 1))
    x[:1000] = unit
    stream = ff.ColumnStats()
    for row in x:
        stream.update(row)
    right = Exact(x[:, 0])
    half = Fraction(5e-324) / 2
    for stats in (stream, ff.column_stats(x)):
        error = abs(Fraction(stats.std[0]) - right.std())
        assert error <= half or exact.ulps(stats.std[0], right.std()) <= 4
        assert abs(Fraction(stats.mean[0]) - right.mean) <= half
        assert stats.zero == 9999 and stats.max == unit and not stats.constant
    assert_close(stream, ff.column_stats(x))


@pytest.mark.parametrize("scale", [1e-160, 1e160, 1e-310, 1e300])
def test_streams_of_huge_and_tiny_numbers(scale):
    x = np.random.default_rng(0).integers(-9, 10, (300, 3)) * scale + np.array([0, 20 * scale, 0])
    for lengths in ([300], [1] * 300, [100, 200], [3, 129, 168]):
        check_stats(stream_of(x, lengths), x)


def test_streams_that_go_from_tiny_to_huge():
    values = [0.0, 5e-324, 1e-310, 1e-200, 1e-160, 1.0, 1e20, 1e160, 1e200, 1e308]
    x = np.array(values)[:, None]
    for rows in (x, x[::-1], np.repeat(x, 3, axis=0)):
        for n in range(1, len(rows) + 1):
            check_stats(stream_of(rows[:n], [1] * n), rows[:n])


def test_a_large_offset_survives_the_merge():
    x = np.array([100000001.0, 100000002.0, 100000003.0, 100000004.0] * 3)[:, None]
    for lengths in ([4, 4, 4], [1] * 12, [11, 1]):
        check_stats(stream_of(x, lengths), x)


def test_batches_of_more_dimensions():
    x = np.random.default_rng(0).standard_normal((20, 3, 4))
    stream = ff.ColumnStats().update(x[0][None]).update(x[1]).update(x[2:])
    check_stats(stream, x)
    scalars = ff.column_stats(np.arange(3.0), axis=None)
    scalars.update(3.0).update(np.array([4.0, 5.0]))
    assert scalars.mean == 2.5 and scalars.count == 6


def test_the_first_batch_decides_the_columns():
    assert ff.ColumnStats().update([1.0, 2.0]).shape == (2,)
    assert ff.ColumnStats().update([[1.0], [2.0]]).shape == (1,)
    assert ff.ColumnStats().update(np.empty((0, 4))).shape == (4,)
    with pytest.raises(ValueError, match="single number"):
        ff.ColumnStats().update(1.0)


FAILING = [
    (np.ones((2, 4)), ValueError, "4 columns, but the statistics are of 3 columns"),
    (np.ones(2), ValueError, "2 columns, but the statistics are of 3 columns"),
    (np.ones((1, 3, 3)), ValueError, "3 columns"),
    (1.0, ValueError, "3 columns"),
    (np.ones((2, 3), complex), TypeError, "complex"),
    (np.zeros((2, 3), "M8[s]"), TypeError, "dates"),
    (np.array([["a", "b", "c"]]), TypeError, "text"),
    (np.array([[1, 2, "c"]], object), TypeError, "str"),
    (np.array([[1, 2, 10**400]], object), ValueError, "range of float64"),
]


@pytest.mark.parametrize(("batch", "error", "message"), FAILING)
def test_a_failed_update_changes_nothing(batch, error, message):
    for stream in (ff.column_stats(table_of(50)[:, :3]), ff.ColumnStats(names=["a", "b", "c"])):
        before = stream.to_dict()
        with pytest.raises(error, match=message):
            stream.update(batch)
        assert stream.to_dict() == before


def test_nan_refused_changes_nothing():
    stream = ff.ColumnStats(nan_policy="raise").update(np.ones((2, 3)))
    before = stream.to_dict()
    for batch in (np.array([1.0, nan, 2.0]), np.array([[1.0, nan, 2.0]] * 100)):
        with pytest.raises(ff.NonFiniteError, match="nan"):
            stream.update(batch)
        assert stream.to_dict() == before
    assert stream.update(np.array([inf, 1.0, 2.0])).posinf.tolist() == [1, 0, 0]


def test_nan_that_propagates_stays():
    stream = ff.ColumnStats(nan_policy="propagate").update([[1.0, 2.0]])
    stream.update(np.array([nan, 2.0])).update([[5.0, 2.0]])
    assert np.array_equal(stream.mean, [nan, 2], equal_nan=True) and stream.count.tolist() == [2, 3]
    omit = ff.ColumnStats().update([[1.0, 2.0]]).update(np.array([nan, 2.0])).update([[5.0, 2.0]])
    assert omit.mean.tolist() == [3, 2] and omit.var.tolist() == [4, 0]


def test_ddof_is_that_of_the_stream():
    x = table_of(30)
    stream = stream_of(x, [1, 29], ddof=1)
    check_stats(stream, x, ddof=1)
    assert stream.ddof == 1


# ---- merging -----------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0, 1, 2, 17, 128, 129, 513, 16385]), min_size=3, max_size=3), st.integers(0, 9))
def test_merging_is_associative(lengths, seed):
    x = table_of(sum(lengths), seed)
    a, b, c = (ff.column_stats(part) for part in np.split(x, np.cumsum(lengths)[:2]))
    kept = [bits_of(one) for one in (a, b, c)]
    left, right = (a + b) + c, a + (b + c)
    for found in (left, right, a.copy().merge(b, c), c + b + a):
        assert_close(found, ff.column_stats(x))
    assert [bits_of(one) for one in (a, b, c)] == kept


def test_the_empty_state_is_the_identity():
    stats = ff.column_stats(table_of(1000), ddof=1)
    empties = (ff.ColumnStats(ddof=1), ff.column_stats(np.empty((0, 5)), ddof=1))
    for empty in empties:
        assert bits_of(stats + empty) == bits_of(empty + stats) == bits_of(stats)
        assert bits_of(stats.copy().merge(empty, empty)) == bits_of(stats)
        assert bits_of(stats.copy().merge()) == bits_of(stats)
    nothing = ff.ColumnStats() + ff.ColumnStats()
    assert len(nothing) == 0 and nothing.count.shape == ()


def test_merging_with_itself_doubles():
    x = table_of(70)
    stats = ff.column_stats(x)
    twice = stats + stats
    assert_close(twice, ff.column_stats(np.concatenate([x, x])))
    assert bits_of(stats.copy().merge(stats)) == bits_of(twice)
    itself = stats.copy()
    assert bits_of(itself.merge(itself)) == bits_of(twice)


def test_merging_with_itself_among_others_takes_it_as_it_was():
    x, y = table_of(70), table_of(30, 1)
    stats = ff.column_stats(x)
    stats.merge(ff.column_stats(y), stats)
    assert_close(stats, ff.column_stats(np.concatenate([x, y, x])))


def test_merging_keeps_ddof_and_policy_of_the_left():
    a = ff.column_stats([[1.0], [3.0]], ddof=1, nan_policy="propagate")
    b = ff.column_stats([[5.0], [nan]])
    assert (a + b).ddof == 1 and (a + b).nan_policy == "propagate" and np.isnan((a + b).mean)
    assert (b + a).ddof == 0 and (b + a).mean == 3


def test_statistics_with_nan_are_not_merged_into_those_that_refuse_it():
    strict = ff.column_stats([[1.0], [3.0]], nan_policy="raise")
    before = strict.to_dict()
    fine, with_nan = ff.column_stats([[5.0]]), ff.column_stats([[nan], [2.0]])
    for others in ((with_nan,), (fine, with_nan), (with_nan, fine)):
        with pytest.raises(ff.NonFiniteError, match="nan"):
            strict.merge(*others)
        assert strict.to_dict() == before
    with pytest.raises(ff.NonFiniteError):
        strict + with_nan
    with pytest.raises(ff.NonFiniteError):
        ff.ColumnStats(nan_policy="raise").merge(with_nan)
    assert strict.merge(fine).count == 3 and (with_nan + strict).nan == 1


def test_a_sum_of_statistics():
    x = table_of(70)
    stats = ff.column_stats(x, ddof=1)
    assert bits_of(sum([stats, stats])) == bits_of(stats + stats)
    assert bits_of(sum([stats, stats], stats)) == bits_of(stats + stats + stats)
    assert bits_of(sum([stats])) == bits_of(stats)
    assert sum([stats, stats]).ddof == 1


def test_merging_inf_and_integers():
    a = ff.column_stats(np.array([[2**62], [2**62]]))
    b = ff.column_stats(np.array([[2**62 + 1]]))
    assert not (a + b).constant and not (b + a).constant and (a + a).constant
    right = Exact([0, 0, 1])
    check_var_and_std((a + b).var[0], (a + b).std[0], right.var(), right.std())
    infinite = ff.column_stats([[inf]]) + ff.column_stats([[1.0]])
    assert infinite.mean == inf and np.isnan(infinite.var) and infinite.count == 2 and infinite.min == 1


def test_what_cannot_be_merged():
    a = ff.column_stats(np.ones((2, 3)))
    before = a.to_dict()
    with pytest.raises(ValueError, match="3 columns with those of 4 columns"):
        a.merge(a, ff.column_stats(np.ones((2, 4))))
    with pytest.raises(ValueError, match="3 columns"):
        a + ff.column_stats(np.ones((2, 3)), axis=None)
    with pytest.raises(TypeError, match="ColumnStats, not dict"):
        a.merge(a, {})
    with pytest.raises(TypeError):
        a + 1
    assert a.to_dict() == before


def test_names_are_carried():
    x = np.ones((2, 2))
    named = ff.ColumnStats(names=["age", "height"]).update(x)
    plain = ff.column_stats(x)
    for found in (named + plain, plain + named, named + named, named.copy(), ff.ColumnStats() + named,
                  pickle.loads(pickle.dumps(named)), ff.ColumnStats.from_dict(named.to_dict())):
        assert found.names == ("age", "height")
    assert plain.names is None
    other = ff.ColumnStats(names=["age", "weight"]).update(x)
    before = named.to_dict()
    with pytest.raises(ValueError, match=r"'height'.*'weight'"):
        named.merge(plain, other)
    assert named.to_dict() == before
    with pytest.raises(ValueError, match="3 columns, but the statistics are of 2 columns"):
        ff.ColumnStats(names=["age", "height"]).update(np.ones((2, 3)))


def test_names_that_differ_are_refused_even_where_nothing_was_added():
    full = ff.ColumnStats(names=["a", "b"]).update(np.ones((2, 2)))
    for left, right in ((full, ff.ColumnStats(names=["a", "c"])), (ff.ColumnStats(names=["a", "c"]), full),
                        (ff.ColumnStats(names=["a"]), ff.ColumnStats(names=["c"]))):
        before = left.to_dict()
        with pytest.raises(ValueError, match="'c'"):
            left.merge(right)
        assert left.to_dict() == before


# ---- keeping -----------------------------------------------------------------------------------------


def states():
    extreme = np.array([[5e-324, 1e308, nan, inf, -0.0, 1e-200], [0.0, -1e308, nan, -inf, 0.0, 3e-200]])
    return [
        ff.ColumnStats(), ff.ColumnStats(ddof=2, nan_policy="propagate", names=["a", "b"]),
        ff.column_stats(table_of(17_000)), ff.column_stats(extreme, ddof=1), ff.column_stats(np.empty((0, 3))),
        ff.column_stats(np.empty((3, 0))),
        ff.column_stats(np.array([[2**62 + 1], [2**62]])), ff.column_stats(table_of(10), axis=None),
        ff.column_stats(np.ones((2, 3, 4)), nan_policy="raise"),
    ]


WAYS = {
    **{f"pickle {n}": lambda s, n=n: pickle.loads(pickle.dumps(s, n)) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy.copy": copy.copy, "copy.deepcopy": copy.deepcopy, ".copy": ff.ColumnStats.copy,
    "json": lambda s: ff.ColumnStats.from_dict(json.loads(json.dumps(s.to_dict(), allow_nan=False))),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_state_comes_back_exactly(way):
    for stats in states():
        back = WAYS[way](stats)
        assert type(back) is ff.ColumnStats and back is not stats
        assert bits_of(back) == bits_of(stats) and back == stats
        for name in ("ddof", "nan_policy", "names", "shape"):
            assert getattr(back, name) == getattr(stats, name)
        assert len(back) == len(stats) and str(back) == str(stats)


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_back_goes_on_independently(way):
    x, y = table_of(100), table_of(30, 1)
    stats = ff.column_stats(x)
    kept = bits_of(stats)
    back = WAYS[way](stats).update(y)
    assert bits_of(stats) == kept
    assert bits_of(back) == bits_of(stats.update(y))


def test_to_dict_is_plain_and_readable():
    state = ff.ColumnStats(names=["a", "b"]).update([[1.0, nan], [-1.0, 0.0]]).to_dict()
    counts = {name: state[name] for name in ("count", "nan", "negative", "zero")}
    assert counts == {"count": [2, 1], "nan": [0, 1], "negative": [1, 0], "zero": [0, 1]}
    assert state["names"] == ["a", "b"] and state["constant"] == [False, True] and state["shape"] == [2]


def test_a_state_that_is_none_is_refused():
    good = ff.column_stats(np.ones((2, 3))).to_dict()
    for key in ("sums", "shape", "ddof", "nan_policy", "names"):
        with pytest.raises(ValueError):
            ff.ColumnStats.from_dict({name: value for name, value in good.items() if name != key})
    for wrong in ({"shape": [4]}, {"sums": good["sums"][:-1]}, {"sums": [["x"] * 3] * 15}, {"nan_policy": "drop"},
                  {"ddof": "one"}, {"sums": [[1.0] * 3] * 15}):
        with pytest.raises(ValueError):
            ff.ColumnStats.from_dict(good | wrong)


def with_sum(state, row, value):
    """A state with one of its sums, in column 1, replaced."""
    sums = [list(values) for values in state["sums"]]
    sums[row][1] = value if isinstance(value, str) else float(value).hex()
    return state | {"sums": sums}


def test_a_state_that_cannot_be_is_refused():
    good = ff.column_stats(np.ones((2, 3))).to_dict()
    shapes = [[-3], [-1, -3], [3.5], [3.0], [inf], [nan], ["3"]]
    wrong = [{"shape": shape} for shape in shapes] + [{"names": ["a", "b"]}, {"names": ["a"] * 4}]
    counts = [with_sum(good, _tabulate.COUNT, value) for value in (nan, inf, -inf, -1)]
    counts += [with_sum(good, row, value) for row in (_tabulate.NAN, _tabulate.ZERO) for value in (nan, inf, -1)]
    scales = [with_sum(good, _tabulate.SCALE, value) for value in (-599, 1, 599, 1200, nan, inf, 0.5)]
    overflow = [with_sum(good, row, "0x1p+99999") for row in range(len(good["sums"]))]
    for state in (*(good | one for one in wrong), *counts, *scales, *overflow):
        with pytest.raises(ValueError):
            ff.ColumnStats.from_dict(state)
    assert ff.ColumnStats.from_dict(good | {"names": ["a", "b", "c"]}).names == ("a", "b", "c")


def test_a_state_without_sums_is_checked_too():
    good = ff.ColumnStats(names=["a", "b"]).to_dict()
    assert ff.ColumnStats.from_dict(good).names == ("a", "b")
    for shape in ([-2], [2.5], [inf], [3]):
        with pytest.raises(ValueError):
            ff.ColumnStats.from_dict(good | {"shape": shape})


@pytest.mark.parametrize("name", ["ddof", "nan_policy", "names"])
def test_what_was_chosen_at_first_is_read_only(name):
    stats = ff.ColumnStats(names=["a"]).update([[1.0], [2.0]])
    kept = getattr(stats, name)
    with pytest.raises(AttributeError):
        setattr(stats, name, kept)
    assert getattr(stats, name) == kept


def test_equality_is_that_of_the_state():
    x = table_of(50)
    assert ff.column_stats(x) == ff.column_stats(x.copy()) != ff.column_stats(x, ddof=1)
    assert ff.column_stats(x) != ff.column_stats(x[:-1]) and ff.column_stats(x) != 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(ff.column_stats(x))


def test_attributes_are_not_windows_into_the_state():
    stats = ff.column_stats(table_of(50))
    kept = bits_of(stats)
    for name in exact.FIELDS:
        field = getattr(stats, name)
        if field.flags.writeable:
            field[...] = 1
    assert bits_of(stats) == kept


def test_many_single_rows_lose_nothing():
    stream, row = ff.ColumnStats(), np.array([0.1, 1e8], np.float32)
    for i in range(30_000):
        row[1] = 1e8 + 8 * (i % 2)
        stream.update(row)
    assert stream.constant.tolist() == [True, False] and stream.var.tolist() == [0, 16]
    assert stream.mean.tolist() == [np.float64(np.float32(0.1)), 1e8 + 4] and stream.std.tolist() == [0, 4]

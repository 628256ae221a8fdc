"""Sparse arrays of SciPy, in every format, answer as the dense array that they stand for."""

import copy
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import MEGABYTE, peak_of
from optional import require
from refusals import VERDICTS, raised
from same_as_array import NUMBERS, check_like, check_statistics, mostly_zeros, stored, summed

import fastfinite as ff

sparse = require("scipy.sparse")

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf
FORMATS = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")
KINDS = [f"{name}_{kind}" for name in FORMATS for kind in ("array", "matrix")]
DTYPES = ("float32", "float64", "longdouble", "complex64", "complex128", "clongdouble", "bool", "int8", "uint16",
          "int64", "uint64")
EXACT = ("float32", "float64", "int8", "int64")
# Narrow formats, in which sums with this one would be rounded, are not among those of SciPy.
STORED = {"numbers": (*NUMBERS, 70000.0)}


def of_kind(kind, dense):
    return getattr(sparse, kind)(dense)


def duplicated(dense, kind="coo"):
    """Every value in two parts of one place, the places in disorder."""
    places = np.argwhere(dense)[::-1]
    values = dense[tuple(places.T)]
    zeros = np.zeros_like(values)
    coo = sparse.coo_array((np.r_[values, zeros], tuple(np.r_[places, places].T)), shape=dense.shape)
    if kind == "coo":
        return coo
    # By hand: SciPy's conversions would add up what is stored twice.
    x = (sparse.csr_array if kind == "csr" else sparse.csc_array)(dense)
    parts = [(x.indices[a:b], x.data[a:b]) for a, b in zip(x.indptr, x.indptr[1:])]
    indices = np.concatenate([np.r_[index[::-1], index] for index, _ in parts])
    data = np.concatenate([np.r_[value[::-1], np.zeros_like(value)] for _, value in parts])
    return type(x)((data, indices, 2 * x.indptr), shape=x.shape)


def roomy(x, past):
    """With room for more values, as it is before SciPy's prune()."""
    x.data = np.concatenate([x.data, np.full(3, past, x.data.dtype)])
    x.indices = np.concatenate([x.indices, np.zeros(3, x.indices.dtype)])
    return x


# ---- formats and dtypes ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_answers_as_the_dense_array(kind, dtype):
    dense = mostly_zeros(dtype)
    check_like(of_kind(kind, dense), dense)


@pytest.mark.parametrize("dtype", (*EXACT, "bool", "uint64", "longdouble"))
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_count_the_zeros_that_are_not_stored(kind, dtype):
    dense = mostly_zeros(dtype)
    check_statistics(of_kind(kind, dense), dense)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_array_is_finite_and_comes_back_itself(kind):
    dense = np.where(np.arange(20).reshape(4, 5) % 3, 0.0, 2.5)
    x = of_kind(kind, dense)
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_at_any_place_is_found_there(kind):
    for place in np.ndindex(3, 4):
        for value, name in ((nan, "nan"), (inf, "+inf"), (-inf, "-inf")):
            dense = np.eye(3, 4)
            dense[place] = value
            report = ff.scan(of_kind(kind, dense))
            assert (report.first, report.first_kind, report.finite) == (place, name, 11)


def test_the_report_tells_the_dtype_and_that_it_is_sparse():
    x = sparse.csr_array(np.array([[0, nan], [0, 0]], np.float32))
    report = ff.scan(x)
    assert (report.dtype, report.shape, report.size, report.finite) == ("float32 sparse", (2, 2), 4, 3)
    assert all(type(value) is int for value in (*report.shape, *report.first))
    assert str(raised(x, name="X", columns=["age", "height"])) == (
        "X (2 x 2 float32 sparse) has 1 non-finite value: 1 nan; first nan at row 0, column 1 ('height'); "
        "columns 1 ('height'): 1"
    )


@pytest.mark.parametrize("block", [(1, 1), (2, 3), (4, 1), (4, 6)])
def test_blocks_of_any_size_are_read_in_c_order_of_the_whole(block):
    dense = mostly_zeros(shape=(8, 6))
    x = sparse.bsr_array(dense, blocksize=block)
    check_like(x, dense)
    check_statistics(x, dense)


# ---- what is stored is not all that counts, and not all that is stored counts ------------------------


@pytest.mark.parametrize("kind", ["coo", "csr", "csc"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_place_that_is_stored_twice_counts_once(dtype, kind):
    dense = mostly_zeros(dtype, seed=1)
    x = duplicated(dense, kind)
    assert x.nnz == 2 * np.count_nonzero(dense)
    check_like(x, dense)
    if np.dtype(dtype).kind != "c":
        check_statistics(x, dense)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
def test_finite_values_of_one_place_may_add_up_to_inf(kind):
    high = np.finfo(np.float32).max
    x = kind((np.array([high, high], np.float32), np.array([0, 0]), np.array([0, 2, 2])), shape=(2, 2))
    assert not ff.all_finite(x) and ff.has_inf(x)
    assert (ff.scan(x).posinf, ff.scan(x).first) == (1, (0, 0))


def test_inf_and_minus_inf_of_one_place_are_nan():
    x = sparse.coo_array((np.array([inf, -inf]), ([1, 1], [0, 0])), shape=(2, 2))
    assert ff.has_nan(x) and not ff.has_inf(x) and ff.check_finite(x, allow_nan=True) is x
    assert (ff.scan(x).nan, ff.scan(x).posinf, ff.scan(x).first_kind) == (1, 0, "nan")


def test_values_of_one_place_may_overflow_a_target_together():
    x = sparse.coo_array((np.array([40000.0, 40000.0]), ([1, 1], [0, 0])), shape=(2, 2))
    assert (ff.scan(x, target_dtype="float16").overflow, ff.scan(x).ok) == (1, True)
    assert raised(x, target_dtype="float16").report.first_overflow == (1, 0)


@pytest.mark.parametrize("signs", [(1, 1, -1), (1, -1, 1), (-1, 1, 1), (1, 1, *[-1] * 9), (-1, -1, *[1] * 9)], ids=str)
def test_values_of_one_place_are_added_in_the_order_in_which_they_are_stored(signs):
    # As toarray and every product do: whether the sum passes the largest number depends on it.
    values = np.array(signs, np.float32) * np.float32(3e38)
    zeros = np.zeros(len(values), int)
    coo = sparse.coo_array((values, (zeros, zeros)), shape=(1, 1))
    csr = sparse.csr_array((values, zeros, np.array([0, len(values)])), shape=(1, 1))
    with np.errstate(all="ignore"):
        dense = coo.toarray()
        assert np.array_equal(dense, csr.toarray())
    check_like(coo, dense)
    check_like(csr, dense)


def test_integers_of_one_place_wrap_as_those_of_the_dense_array():
    x = sparse.coo_array((np.array([100, 100, 5], np.int8), ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    dense = x.toarray()
    assert dense[0, 1] == -56
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("value", [nan, inf])
def test_what_a_diagonal_stores_outside_of_the_array_is_not_looked_at(value):
    # Of the main diagonal the last value has no row; the first two of the upper one have no row, either.
    data = np.array([[1.0, 2.0, value], [value, value, 5.0]])
    x = sparse.dia_array((data, [0, 2]), shape=(2, 3))
    dense = np.array([[1.0, 0.0, 5.0], [0.0, 2.0, 0.0]])
    assert np.array_equal(x.toarray(), dense)
    check_like(x, dense)
    check_statistics(x, dense)
    x.data[1, 2] = value
    dense[0, 2] = value
    check_like(x, dense)


@pytest.mark.parametrize("past", [0, nan, inf])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
@pytest.mark.parametrize("bad", [False, True])
def test_what_lies_behind_the_last_value_is_not_looked_at(kind, past, bad):
    dense = mostly_zeros() if bad else np.eye(6)
    x = roomy(kind(dense), past)
    assert np.array_equal(x.toarray(), dense, equal_nan=True)
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("past", [0, nan])
def test_nor_where_places_are_stored_twice(past):
    dense = mostly_zeros()
    x = roomy(duplicated(dense, "csr"), past)
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("name", ["csr", "csc"])
def test_indices_in_any_order_are_put_into_c_order(name):
    dense = mostly_zeros(seed=3)
    x = of_kind(f"{name}_array", dense)
    for start, stop in zip(x.indptr, x.indptr[1:]):
        x.indices[start:stop] = x.indices[start:stop][::-1].copy()
        x.data[start:stop] = x.data[start:stop][::-1].copy()
    x.has_sorted_indices = False
    assert np.array_equal(x.toarray(), dense, equal_nan=True)
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("name", FORMATS)
def test_a_zero_that_is_stored_is_a_zero(name):
    x = sparse.coo_array((np.array([0.0, -0.0, 3.0]), ([0, 1, 1], [0, 1, 0])), shape=(3, 2)).asformat(name)
    check_like(x, x.toarray())
    check_statistics(x, x.toarray())


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_the_width_of_the_indices_does_not_matter(index):
    dense = mostly_zeros(seed=4)
    for kind in (sparse.csr_array, sparse.csc_array):
        x = kind(dense)
        x.indices, x.indptr = x.indices.astype(index), x.indptr.astype(index)
        check_like(x, dense)
    coo = sparse.coo_array(dense)
    coo.coords = tuple(axis.astype(index) for axis in coo.coords)
    check_like(coo, dense)


# ---- shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (3, 4), (1, 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_array_that_stores_nothing_is_finite(kind, shape):
    x, dense = getattr(sparse, kind)(shape), np.zeros(shape)
    assert x.nnz == 0
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("kind", [sparse.coo_array, sparse.csr_array, sparse.dok_array])
@pytest.mark.parametrize("dense", [np.array([0, nan, 0, -inf, inf, 70000]), np.zeros(3), np.zeros(0)],
                         ids=["some", "zeros", "none"])
def test_one_dimension(kind, dense):
    x = kind(dense)
    assert x.shape == dense.shape
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 5, 1), (2, 3, 2, 3), (2, 0, 3)])
def test_many_dimensions(shape):
    dense = mostly_zeros(shape=shape, seed=5)
    x = sparse.coo_array(dense)
    assert x.shape == shape
    check_like(x, dense)
    check_statistics(x, dense)
    for axis in ((0, 1), (0, 2), (1, 2)):
        assert ff.column_stats(x, axis=axis) == ff.column_stats(dense, axis=axis)
    check_like(duplicated(dense), dense)


def test_an_array_that_could_never_be_dense_is_scanned():
    n = 2**31 - 1
    x = sparse.coo_array((np.array([1.0, nan, -inf]), ([5, n - 1, n - 1], [7, 0, n - 1])), shape=(n, n))
    report = ff.scan(x)
    assert (report.size, report.finite, report.nan, report.neginf) == (n * n, n * n - 2, 1, 1)
    assert report.first == (n - 1, 0) and ff.nonfinite(x).tolist() == [[n - 1, 0], [n - 1, n - 1]]
    assert not ff.all_finite(x)
    assert raised(x, allow_nan=True).report.first == (n - 1, n - 1)


def test_more_rows_than_a_slab_are_counted_as_those_of_the_dense_array():
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((30_000, 5)) < 0.2, rng.standard_normal((30_000, 5)), 0)
    dense[[3, 20_000, 29_999], [1, 4, 1]] = nan, inf, nan
    found, right = ff.column_stats(sparse.csc_array(dense)), ff.column_stats(dense)
    for name in ("count", "nan", "posinf", "neginf", "zero", "negative", "min", "max", "constant"):
        assert np.array_equal(getattr(found, name), getattr(right, name)), name
    # Sums over other blocks of rows may differ in the last bit; the bounds are those of ColumnStats, twice.
    kept = right.posinf == 0
    assert (abs(found.mean[kept] - right.mean[kept]) <= right.std[kept] * 2.0**-45).all()
    assert found.mean[4] == right.mean[4] == inf
    np.testing.assert_array_max_ulp(found.var[kept], right.var[kept], 8)


# ---- arguments and errors ----------------------------------------------------------------------------


def test_statistics_with_a_policy_for_nan():
    dense = np.array([[0, 1.0], [nan, 2.0], [3.0, 0]])
    x = sparse.csr_array(dense)
    assert ff.column_stats(x, nan_policy="propagate", ddof=1) == ff.column_stats(dense, nan_policy="propagate", ddof=1)
    with pytest.raises(ff.NonFiniteError, match=re.escape("1 nan; first nan at row 1, column 0")):
        ff.column_stats(x, nan_policy="raise")
    stream = ff.ColumnStats(nan_policy="raise").update(x[[0, 2]])
    with pytest.raises(ff.NonFiniteError, match=r"batch .*1 nan; first nan at row 1, column 0"):
        stream.update(x)
    assert stream.count.tolist() == [2, 2]


def test_batches_may_be_sparse_and_dense():
    dense = mostly_zeros()
    stream = ff.ColumnStats().update(dense).update(sparse.csr_array(dense)).update(sparse.coo_array(dense[0]))
    assert stream == ff.ColumnStats().update(dense).update(dense).update(dense[0])
    with pytest.raises(ValueError, match="batch has 3 columns, but the statistics are of 6 columns"):
        stream.update(sparse.csr_array((2, 3)))


def test_complex_numbers_have_no_statistics():
    for kind in KINDS:
        with pytest.raises(TypeError, match="cannot take column statistics of dtype complex128"):
            ff.column_stats(of_kind(kind, mostly_zeros("complex128")))


def test_the_axis_is_counted_from_the_end_or_refused():
    x = sparse.csr_array(mostly_zeros())
    assert ff.scan(x, axis=-1) == ff.scan(x, axis=1)
    for call in (ff.scan, ff.column_stats):
        with pytest.raises(np.exceptions.AxisError):
            call(x, axis=2)


def test_names_of_columns_must_be_as_many():
    with pytest.raises(ValueError, match="columns must name each column of x; it has 1"):
        ff.check_finite(sparse.csr_array((2, 3)), columns=["a"])


def test_raw_bits_are_not_read_from_sparse_arrays():
    with pytest.raises(TypeError, match="dtype= says what the bits of an array are; x is a csr_array"):
        ff.scan(sparse.csr_array(np.eye(2, dtype=np.uint16)), dtype="bfloat16")


def test_what_needs_a_dense_array_says_so():
    with pytest.raises(TypeError, match=re.escape("x is sparse") + ".*" + re.escape("toarray()")):
        ff.standardize(sparse.csr_array(np.eye(3)))


# ---- the input stays as it is ------------------------------------------------------------------------


def arrays_of(x):
    """The arrays of NumPy that a sparse array consists of."""
    found = {name: value for name, value in vars(x).items() if isinstance(value, np.ndarray)}
    found |= {f"coords{i}": axis for i, axis in enumerate(getattr(x, "coords", ()) if x.format == "coo" else ())}
    return found


def same(a, b):
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def ask_everything(x):
    ff.all_finite(x), ff.has_nan(x), ff.has_inf(x), ff.nonfinite(x)
    ff.scan(x), ff.scan(x, axis=0), ff.scan(x, axis=1, target_dtype="float16")
    ff.column_stats(x), ff.ColumnStats().update(x)
    raised(x)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_input_is_changed(kind):
    x = of_kind(kind, mostly_zeros())
    before, held = copy.deepcopy(x), arrays_of(x)
    ask_everything(x)
    for name, array in held.items():
        assert arrays_of(x)[name] is array and same(array, arrays_of(before)[name])
    assert x.nnz == before.nnz and same(x.toarray(), before.toarray())


@pytest.mark.parametrize("kind", ["coo", "csr", "csc"])
def test_places_that_are_stored_twice_stay_so(kind):
    x = duplicated(mostly_zeros(), kind)
    held = {name: (array, array.copy()) for name, array in arrays_of(x).items()}
    ask_everything(x)
    assert all(arrays_of(x)[name] is array for name, (array, _) in held.items())
    assert all(same(array, saved) for array, saved in held.values())


@pytest.mark.parametrize("name", ["csr", "csc", "coo", "bsr", "dia"])
def test_arrays_that_cannot_be_written_are_read(name):
    dense = mostly_zeros()
    for x in (of_kind(f"{name}_array", dense), *([duplicated(dense, name)] if name in ("csr", "csc", "coo") else [])):
        for array in arrays_of(x).values():
            array.setflags(write=False)
        check_like(x, dense)
        check_statistics(x, dense)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_a_verdict_on_clean_compressed_data_copies_nothing(name, index):
    n = 1_000_000
    x = sparse.dia_array((np.ones((1, n)), [0]), shape=(n, n)).asformat(name)
    x.indices, x.indptr = x.indices.astype(index), x.indptr.astype(index)
    assert x.data.nbytes > 7 * MEGABYTE
    for call in (*VERDICTS, ff.scan, ff.check_finite):
        assert peak_of(lambda call=call: call(x)) < MEGABYTE, call.__name__


# ---- at random ---------------------------------------------------------------------------------------


@given(stored(**STORED), st.sampled_from(["float32", "float64", "complex64"]), st.sampled_from(FORMATS))
def test_values_at_random_places_answer_as_their_sums(data, dtype, name):
    shape, places, values = data
    values, dense = values.astype(dtype), summed(*data, dtype)
    x = sparse.coo_array((values, tuple(places.T)), shape=shape)
    if name in ("csr", "csc"):      # by hand: SciPy's conversions add up what is stored twice
        major = 0 if name == "csr" else 1
        order = np.argsort(places[:, major], kind="stable")
        indptr = np.searchsorted(places[order, major], np.arange(shape[major] + 1))
        x = getattr(sparse, f"{name}_array")((values[order], places[order, 1 - major], indptr), shape=shape)
    assert x.nnz == len(places)
    with np.errstate(all="ignore"):
        x = x.asformat(name)
    check_like(x, dense, targets=(None,))
    if dtype != "complex64":
        check_statistics(x, dense)


@given(stored(ndims=(3,), **STORED))
def test_values_at_random_places_of_three_dimensions_answer_as_their_sums(data):
    shape, places, values = data
    x, dense = sparse.coo_array((values, tuple(places.T)), shape=shape), summed(*data, "float64")
    check_like(x, dense, targets=(None,))
    check_statistics(x, dense)

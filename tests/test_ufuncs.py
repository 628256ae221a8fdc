"""The ufuncs of the sigmoid family; and what all elementwise functions have in common: layouts, threads, no warning."""

import copy
import functools
import itertools
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor

import arrays
import ml_dtypes
import numpy as np
import pytest
from elementwise import CALLS, DTYPES, UFUNCS, numbers, operands, pool, same
from memory import MEGABYTE, peak_of
from optional import require
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = np.nan, np.inf

every_ufunc = pytest.mark.parametrize("ufunc", UFUNCS, ids=[ufunc.__name__ for ufunc in UFUNCS])
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_call = pytest.mark.parametrize("name", list(CALLS))


def limits(dtype):
    """The smallest positive number of a dtype, its largest, and its distance from 1 to the next, as Python's floats."""
    info = ml_dtypes.finfo(dtype_of(dtype))
    return float(info.smallest_subnormal), float(info.max), float(info.eps)


def check(ufunc, dtype, pairs):
    """Each x has its result, zeros with their sign; alone, and in the middle of others."""
    dtype = dtype_of(dtype)
    x, right = (np.array(column).astype(dtype) for column in zip(*pairs))
    assert np.array_equal(x.astype(np.float64), [pair[0] for pair in pairs], equal_nan=True)
    assert same(ufunc(x), right), list(zip(x.tolist(), ufunc(x).tolist(), right.tolist()))
    for one, result in zip(x, right):
        for size in (1, 16, 250):
            assert same(ufunc(np.full(size, one)), np.full(size, result)), one
        found = ufunc(one)
        assert type(found) is dtype.type and same(np.asarray(found), np.asarray(result)), one


# ---- values ------------------------------------------------------------------------------------------


@every_dtype
def test_special_points_of_sigmoid(dtype):
    tiny, most, _ = limits(dtype)
    check(ff.sigmoid, dtype, [(-inf, 0.0), (-most, 0.0), (-tiny, 0.5), (-0.0, 0.5), (0.0, 0.5), (tiny, 0.5),
                              (most, 1.0), (inf, 1.0)])


@every_dtype
def test_special_points_of_sigmoid_grad(dtype):
    tiny, most, _ = limits(dtype)
    check(ff.sigmoid_grad, dtype, [(sign * x, y) for x, y in ((inf, 0.0), (most, 0.0), (tiny, 0.25), (0.0, 0.25))
                                   for sign in (1, -1)])


@every_dtype
def test_special_points_of_log_sigmoid_and_softplus(dtype):
    tiny, most, _ = limits(dtype)
    ln2 = float(np.log(2.0))
    points = [(-inf, 0.0), (-most, 0.0), (-tiny, ln2), (-0.0, ln2), (0.0, ln2), (tiny, ln2), (most, most), (inf, inf)]
    check(ff.softplus, dtype, points)
    check(ff.log_sigmoid, dtype, [(-x, -y) for x, y in points])


@every_dtype
def test_special_points_of_logit(dtype):
    tiny, most, eps = limits(dtype)
    check(ff.logit, dtype, [(-inf, nan), (-most, nan), (-1.0, nan), (-tiny, nan), (-0.0, -inf), (0.0, -inf),
                            (tiny, float(np.log(tiny))), (0.5, 0.0), (1.0, inf), (1 + eps, nan), (2.0, nan),
                            (most, nan), (inf, nan)])


@every_ufunc
@every_dtype
def test_every_nan_stays_nan(ufunc, dtype):
    patterns = arrays.bad_values(dtype)["nan"]
    for x in (patterns, patterns[:1], np.tile(patterns, 30)):
        assert np.isnan(ufunc(x)).all()


@every_dtype
def test_tails_reach_down_to_the_smallest_subnormal_number(dtype):
    """Half of it is where rounding takes the result to 0, and no earlier flush does."""
    tiny, _, _ = limits(dtype)
    edge = float(np.log(tiny) - np.log(2.0))
    small, zero = (float(np.array(edge + step).astype(dtype_of(dtype))) for step in (0.3, -0.3))
    for ufunc in (ff.sigmoid, ff.sigmoid_grad, ff.softplus):
        check(ufunc, dtype, [(small, tiny), (zero, 0.0)])
    check(ff.sigmoid_grad, dtype, [(-small, tiny), (-zero, 0.0)])
    check(ff.log_sigmoid, dtype, [(-small, -tiny), (-zero, -0.0)])


@every_dtype
def test_sigmoid_is_1_only_where_it_rounds_to_1(dtype):
    _, _, eps = limits(dtype)
    edge = float(-np.log(eps / 4))
    below, above = (float(np.array(edge + step).astype(dtype_of(dtype))) for step in (-0.3, 0.3))
    check(ff.sigmoid, dtype, [(below, 1 - eps / 2), (above, 1.0)])
    assert ff.sigmoid_grad(dtype_of(dtype).type(above)) > 0


# In long double, where they are not hard.
FORMULAS = {
    ff.sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    ff.sigmoid_grad: lambda x: np.exp(-abs(x)) / (1 + np.exp(-abs(x))) ** 2,
    ff.log_sigmoid: lambda x: np.minimum(x, 0) - np.log1p(np.exp(-abs(x))),
    ff.softplus: lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    ff.logit: lambda x: np.log(x / (1 - x)),
}


@every_ufunc
@every_dtype
def test_ordinary_numbers_have_the_values_of_the_formula(ufunc, dtype):
    tiny, _, eps = limits(dtype)
    rng = np.random.default_rng(0)
    x = rng.random(3000) * 0.998 + 0.001 if ufunc is ff.logit else rng.standard_normal(3000) * 5
    x = x.astype(dtype_of(dtype))
    with np.errstate(all="ignore"):
        right = FORMULAS[ufunc](x.astype(np.longdouble))
    # An ulp of a logit close to 0 is not what is at stake here.
    np.testing.assert_allclose(ufunc(x).astype(np.longdouble), right, rtol=2 * eps, atol=tiny + 1e-17)


@every_dtype
def test_the_family_is_one(dtype):
    """What the docstrings say of one by another holds bit by bit."""
    x = pool(dtype)
    with np.errstate(all="ignore"):
        x = x[~np.isnan(x)]
    assert same(ff.sigmoid_grad(x), ff.sigmoid_grad(-x))
    assert same(-ff.log_sigmoid(-x), ff.softplus(x))


# ---- dtypes ------------------------------------------------------------------------------------------


@every_call
@every_dtype
def test_floats_keep_their_dtype(name, dtype):
    call = CALLS[name][1]
    for shape in ((5,), (2, 3), (), (0,), (3, 0, 2)):
        result = call(*operands(name, dtype, shape))
        assert result.dtype == dtype_of(dtype) and result.shape == shape
        assert isinstance(result, np.ndarray if shape else np.generic)


@every_ufunc
@pytest.mark.parametrize("dtype", arrays.INTEGERS)
def test_bool_and_integers_promote_as_for_exp(ufunc, dtype):
    x = arrays.finite_values(dtype)
    with np.errstate(all="ignore"):
        right = np.exp(x).dtype
    for y in (x, x[:0], x[0], np.resize(x, 300)):
        assert ufunc(y).dtype == right
    assert same(ufunc(x), ufunc(x.astype(right)))


@every_ufunc
def test_python_numbers_and_lists_give_float64(ufunc):
    for x in (1, 0.25, np.float64(0.25), [0.25, 1.0], [[0, 1]], (1,), range(2)):
        assert ufunc(x).dtype == np.float64 and np.shape(ufunc(x)) == np.shape(x)
    assert ufunc(True).dtype == np.float16 and ufunc(np.float32(0.25)).dtype == np.float32
    assert ufunc([]).dtype == np.float64 and ufunc([]).shape == (0,)


NO_NUMBERS = [
    1j, np.complex64(1), np.ones(3, np.complex128), "1", b"1", np.array(["a"]), None, np.array([1.0], object),
    np.array([10**30]), np.datetime64("2020-01-01"), np.timedelta64(1, "D"), np.zeros(2, [("a", "f4")]),
    np.zeros(2, "V4"), {}, [None], *(np.ones(2, dtype_of(name)) for name in arrays.ML_COMPLEX),
    *([np.longdouble(1), np.ones(3, np.longdouble)] if np.finfo(np.longdouble).nmant > 52 else []),
]


@pytest.mark.parametrize(
    "call",
    [*UFUNCS, ff.safe_log, lambda x: ff.safe_log(x, fill=1), lambda x: ff.safe_divide(x, 2.0),
     lambda x: ff.safe_divide(2.0, x)],
)
def test_what_is_no_real_number_is_a_type_error(call):
    for x in NO_NUMBERS:
        with pytest.raises(TypeError):
            call(x)
            print("accepted:", repr(x))


def test_bfloat16_is_known_though_imported_late(run_python):
    run_python(
        """
import sys
import numpy as np
import fastfinite as ff

small, large = np.float32([0, 1, -1]), np.zeros(300_000)
ff.sigmoid(small), ff.logit(0.5), ff.safe_log(large), ff.safe_divide(1, 0), ff.safe_log(small, fill=0)
assert "ml_dtypes" not in sys.modules
import ml_dtypes
x = small.astype(ml_dtypes.bfloat16)
for found in (ff.softplus(x), ff.sigmoid(x), ff.sigmoid(x[0]), ff.safe_log(x), ff.safe_log(x, fill=x), x.T):
    assert found.dtype == ml_dtypes.bfloat16, found
assert ff.sigmoid(x).tolist() == [0.5, 0.73046875, 0.26953125]
assert ff.sigmoid(small).dtype == np.float32
"""
    )
    run_python("import ml_dtypes, fastfinite as ff; assert ff.sigmoid(ml_dtypes.bfloat16(0)) == 0.5")


def test_ml_dtypes_may_be_half_imported_by_another_thread(run_python):
    """A number of somebody else's type makes the loops look for bfloat16; the module may hold no names yet."""
    require("numpy._core._rational_tests")
    run_python(
        """
import sys, types
import numpy as np
import fastfinite as ff
from numpy._core._rational_tests import rational

sys.modules["ml_dtypes"] = types.ModuleType("ml_dtypes")
try:
    ff.sigmoid(np.array([rational(0, 1)]))
except TypeError:
    pass
del sys.modules["ml_dtypes"]
import ml_dtypes
assert ff.sigmoid(np.zeros(3, ml_dtypes.bfloat16)).dtype == ml_dtypes.bfloat16
"""
    )


# ---- protocol ----------------------------------------------------------------------------------------


@every_ufunc
def test_they_are_ufuncs(ufunc):
    assert type(ufunc) is np.ufunc and repr(ufunc) == f"<ufunc '{ufunc.__name__}'>"
    assert (ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes) == (1, 1, 2, 3)
    assert ufunc.types == ["e->e", "f->f", "d->d"] and ufunc.signature is None and ufunc.identity is None


@every_ufunc
def test_they_pickle_and_copy_as_themselves(ufunc):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(ufunc, protocol)) is ufunc
    assert copy.copy(ufunc) is ufunc and copy.deepcopy(ufunc) is ufunc


@every_call
@every_dtype
def test_out_takes_the_result(name, dtype):
    call = CALLS[name][1]
    data = operands(name, dtype, (7, 50))
    right = call(*data)
    for wrap in (lambda out: out, lambda out: (out,)):
        out = np.empty_like(right)
        assert call(*data, out=wrap(out)) is out and same(out, right)
    assert same(call(*data, out=None), right)
    wide = np.empty((3, 7, 50), right.dtype)
    assert call(*data, out=wide) is wide and all(same(part, right) for part in wide)


def test_out_must_fit():
    x = np.ones(3)
    for call in (ff.sigmoid, ff.safe_log, lambda x, **options: ff.safe_divide(x, 2.0, **options)):
        for out in (np.empty(4), np.empty((3, 1)), arrays.read_only(x), (np.empty(3), np.empty(3))):
            with pytest.raises(ValueError):
                call(x, out=out)
        with pytest.raises(TypeError):
            call(x, out=np.empty(3, int))
        with pytest.raises(TypeError):
            call(x, out=[0.0, 0.0, 0.0])
        single = np.empty(3, np.float32)
        assert call(x, out=single) is single and same(single, call(x).astype(np.float32))
        with pytest.raises(TypeError):
            call(x, out=single, unknown=1)


@every_call
@every_dtype
def test_where_computes_some_and_leaves_the_others(name, dtype):
    call = CALLS[name][1]
    rng = np.random.default_rng(0)
    for shape, mask_shape in (((1000,), (1000,)), ((9, 130), (9, 130)), ((9, 130), (130,)), ((9, 130), (9, 1))):
        data = operands(name, dtype, shape)
        right, before = call(*data), numbers(dtype, shape, 9)
        for share in (0.03, 0.5, 0.97):
            mask = rng.random(mask_shape) < share
            out = before.copy()
            assert call(*data, out=out, where=mask) is out
            assert same(out, np.where(mask, right, before))
        assert same(call(*data, out=before.copy(), where=True), right)
        assert same(call(*data, out=before.copy(), where=False), before)


@every_ufunc
def test_dtype_and_casting_choose_the_loop(ufunc):
    x = np.array([0.1, 0.25, 0.7])
    for dtype in (np.float16, np.float32):
        assert same(ufunc(x, dtype=dtype), ufunc(x.astype(dtype)))
        with pytest.raises(TypeError):
            ufunc(x, dtype=dtype, casting="safe")
    single = x.astype(np.float32)
    assert same(ufunc(single, dtype=np.float64), ufunc(single.astype(np.float64)))
    assert same(ufunc(np.arange(2), dtype=np.float32, casting="unsafe"), ufunc(np.arange(2, dtype=np.float32)))
    assert same(ufunc(x, signature="f->f"), ufunc(single))
    for dtype in (int, complex, np.longdouble, object):
        with pytest.raises(TypeError):
            ufunc(x, dtype=dtype)
    brain = x.astype(ml_dtypes.bfloat16)
    assert same(ufunc(brain, dtype=np.float32), ufunc(brain.astype(np.float32)))
    assert same(ufunc(brain, dtype=ml_dtypes.bfloat16), ufunc(brain))


@every_ufunc
def test_order_and_subclasses(ufunc):
    class Kind(np.ndarray):
        pass

    x = numbers("float32", (5, 7))
    for order in "CFAK":
        assert same(ufunc(x, order=order), ufunc(x)) and same(ufunc(x.T, order=order), ufunc(x.T.copy()))
    assert ufunc(x.T).flags.f_contiguous and not ufunc(x.T).flags.c_contiguous
    assert ufunc(x.T, order="C").flags.c_contiguous and ufunc(x, order="F").flags.f_contiguous
    kind = x.view(Kind)
    assert type(ufunc(kind)) is Kind and type(ufunc(kind, subok=False)) is np.ndarray
    masked = np.ma.MaskedArray(np.array([0.5, 2.0, nan]), [False, True, True])
    result = ufunc(masked)
    assert type(result) is np.ma.MaskedArray and result.mask.tolist() == [False, True, True]
    assert result.data[0] == ufunc(0.5)


@every_ufunc
def test_methods_of_ufuncs(ufunc):
    x = np.array([0.25, 0.5, 0.75, 0.25])
    ufunc.at(x, [0, 2, 2])
    with np.errstate(all="ignore"):
        twice = ufunc(ufunc(0.75))
    assert same(x, np.array([ufunc(0.25), 0.5, twice, 0.25]))
    for method in (ufunc.reduce, ufunc.accumulate):
        with pytest.raises(ValueError):
            method(x)


@every_ufunc
def test_arguments_that_are_none_of_a_ufunc(ufunc):
    for call in (lambda: ufunc(), lambda: ufunc(1.0, np.empty(1), 3), lambda: ufunc(x=1.0), lambda: ufunc(1.0, fill=0)):
        with pytest.raises(TypeError):
            call()


def test_an_object_that_overrides_ufuncs_is_asked_with_what_was_given_alone():
    class Spy:
        def __array_ufunc__(self, ufunc, method, *inputs, **options):
            assert method == "__call__" and any(one is self for one in inputs)
            return sorted(options)

    spy = Spy()
    assert ff.sigmoid(spy) == ff.safe_log(spy) == ff.safe_log(spy, fill=1) == ff.safe_log(spy, floor=1) == []
    assert ff.safe_divide(spy, 2) == ff.safe_divide(2, spy) == ff.safe_divide(1, 2, fill=spy) == []
    assert ff.safe_log(spy, out=np.empty(1)) == ff.safe_divide(spy, 1, out=np.empty(1)) == ["out"]
    assert ff.safe_log(spy, dtype="f4") == ["dtype"] and ff.safe_log(spy, where=np.True_) == ["where"]


# ---- layouts -----------------------------------------------------------------------------------------

SIZES = (0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 127, 128, 129, 239, 240, 241, 255, 257, 480, 481, 1000, 4097)


@every_call
@every_dtype
def test_neither_length_nor_place_matters(name, dtype):
    call = CALLS[name][1]
    whole = operands(name, dtype, 5000)
    right = call(*whole)
    for size in SIZES:
        for start in (0, 1, 3, 250, 5000 - size):
            part = slice(start, start + size)
            assert same(call(*(x[part] for x in whole)), right[part]), (start, size)
    for i in range(0, 5000, 67):
        assert same(np.asarray(call(*(x[i] for x in whole))), right[i])


@every_call
@pytest.mark.parametrize(("dtype", "layout"), arrays.dtypes_and_layouts(DTYPES))
def test_every_layout_gives_the_same_bits(name, dtype, layout):
    call = CALLS[name][1]
    for shape in ((17,), (481,), (4097,), (3, 250), (129, 5), (2, 3, 41)):
        data = operands(name, dtype, shape)
        right = call(*data)
        laid = [arrays.LAYOUTS[layout](x) for x in data]
        before = [x.tobytes() for x in laid]
        assert same(np.asarray(call(*laid)), right)
        # One operand of another layout than the others.
        for i in range(len(data)):
            assert same(np.asarray(call(*data[:i], laid[i], *data[i + 1 :])), right)
        assert [x.tobytes() for x in laid] == before


OUT = {
    "every other": {"step": 2}, "every third backwards": {"step": 3, "backwards": (0, 1)}, "Fortran": {"order": (1, 0)},
    "backwards": {"backwards": (0, 1)}, "padded rows": {"gap": 24}, "unaligned": {"offset": 1},
    "unaligned rows": {"offset": 3, "gap": 1}, "last axis backwards": {"backwards": (1,)},
}


@every_call
@every_dtype
def test_results_are_put_into_any_layout_and_nowhere_else(name, dtype):
    call = CALLS[name][1]
    for shape in ((1, 17), (1, 481), (3, 250), (1, 4097), (129, 5)):
        data = operands(name, dtype, shape)
        right = call(*data)
        for layout, how in OUT.items():
            out = arrays.lay(right, **how)
            buffer = out.base
            expected = buffer.copy()
            out[...] = dtype_of(dtype).type(3)
            assert call(*data, out=out) is out and same(out, right), layout
            out[...] = right
            assert np.array_equal(buffer, expected), layout
        if "swapped" in arrays.layouts_of(dtype):
            out = np.empty(shape, right.dtype.newbyteorder())
            assert call(*data, out=out) is out and same(out, right)


@every_call
@every_dtype
def test_broadcast_operands_give_what_their_copies_give(name, dtype):
    call = CALLS[name][1]
    shape = (4, 250)
    for cuts in itertools.product(((4, 250), (1, 250), (4, 1), (1, 1), ()), repeat=CALLS[name][0]):
        data = [x.reshape(-1)[: int(np.prod(cut))].reshape(cut) for x, cut in zip(operands(name, dtype, shape), cuts)]
        result_shape = np.broadcast_shapes(*cuts)
        right = call(*(np.broadcast_to(x, result_shape).copy() for x in data))
        found = call(*data)
        assert same(np.asarray(found), np.asarray(right)), cuts
        full = [np.broadcast_to(x, shape) for x in data]
        assert same(call(*full), np.broadcast_to(right, shape)), cuts


@every_call
def test_any_strides_at_all_are_followed(name):
    call = CALLS[name][1]
    rng = np.random.default_rng(0)
    for trial in range(150):
        dtype = DTYPES[trial % len(DTYPES)]
        item = dtype_of(dtype).itemsize
        shape = rng.integers(1, (9, 40)) if trial % 3 else (1, int(rng.integers(1, 600)))
        views = []
        for base in operands(name, dtype, 8000):
            strides = rng.integers(-3, 4, 2) * item if trial % 2 else rng.integers(-13, 14, 2)
            if "floor" in name or trial % 2 == 0:
                strides = strides // item * item
            views.append(arrays.strided(base, tuple(shape), tuple(strides), 4000 * item))
        right = call(*(x.copy() for x in views))
        assert same(call(*views), right), (shape, [x.strides for x in views])


# ---- in place, and results that lie over operands ----------------------------------------------------


@every_call
@every_dtype
def test_in_place(name, dtype):
    call = CALLS[name][1]
    for size in (1, 17, 240, 4097):
        data = operands(name, dtype, size)
        right = call(*data)
        for i in range(len(data)):
            for layout in ("C", "every other", "backwards", "unaligned"):
                laid = [x.copy() for x in data]
                laid[i] = arrays.LAYOUTS[layout](data[i])
                assert call(*laid, out=laid[i]) is laid[i] and same(laid[i], right)
        same_thrice = [data[-1]] * len(data)
        right = call(*(x.copy() for x in same_thrice))
        out = data[-1].copy()
        assert same(call(*[out] * len(data), out=out), right)


# From and to where in one array: later to earlier, earlier to later, spread, gathered, turned around.
OVERLAPS = {
    "one back": lambda x: (x[1:], x[:-1]),
    "one ahead": lambda x: (x[:-1], x[1:]),
    "many back": lambda x: (x[1000:], x[:-1000]),
    "many ahead": lambda x: (x[:-1000], x[1000:]),
    "gathered": lambda x: (x[::2], x[: len(x[::2])]),
    "gathered at the end": lambda x: (x[::2], x[-len(x[::2]) :]),
    "spread": lambda x: (x[: len(x[::2])], x[::2]),
    "between": lambda x: (x[:-1:2], x[1::2]),
    "turned": lambda x: (x[::-1], x),
    "turned by one": lambda x: (x[:0:-1], x[:-1]),
}


@every_call
@every_dtype
@pytest.mark.parametrize("overlap", list(OVERLAPS))
def test_a_result_may_lie_over_an_operand(name, dtype, overlap):
    call = CALLS[name][1]
    for i in range(CALLS[name][0]):
        data = operands(name, dtype, 5001)
        source, out = OVERLAPS[overlap](data[i])
        data = [x[: len(source)].copy() if j != i else source for j, x in enumerate(data)]
        right = call(*(x.copy() for x in data))
        assert call(*data, out=out) is out and same(out, right)


@pytest.mark.parametrize("overlap", list(OVERLAPS))
@pytest.mark.parametrize("name", ["sigmoid", "safe_divide"])
def test_a_large_result_may_lie_over_an_operand(name, overlap):
    """Threads start at parts of their own: what one still has to read another must not have written."""
    call = CALLS[name][1]
    for dtype in ("float32", "float64"):
        data = [np.resize(x, 18 * MEGABYTE // x.itemsize + 77) for x in operands(name, dtype, 997)]
        source, out = OVERLAPS[overlap](data[0])
        data = [source, *(x[: len(source)] for x in data[1:])]
        right = call(source.copy(), *data[1:])
        with ff.threads(4):
            assert call(*data, out=out) is out and same(out, right)


def test_a_square_array_may_be_turned_in_place():
    x = numbers("float64", (70, 70))
    right = ff.softplus(x.T.copy())
    assert ff.softplus(x.T, out=x) is x and same(x, right)


# ---- large arrays ------------------------------------------------------------------------------------


def large(name, dtype, nbytes):
    """Operands of so many bytes in which 997 values come again and again, and the result of those alone."""
    data = operands(name, dtype, 997)
    size = nbytes // data[0].itemsize + 5
    right = np.resize(CALLS[name][1](*data), size)
    return [np.resize(x, size) for x in data], right


@every_call
@every_dtype
def test_arrays_out_of_cache_give_the_same_bits(name, dtype):
    call = CALLS[name][1]
    data, right = large(name, dtype, 5 * MEGABYTE // 4)
    assert same(call(*data), right)
    assert same(call(*(x[1:] for x in data)), right[1:])
    assert same(call(*(x[::-1] for x in data)), right[::-1])
    assert same(call(*(arrays.LAYOUTS["unaligned"](x) for x in data)), right)
    out = arrays.lay(right, step=2)
    out[...] = 0
    assert same(call(*data, out=out), right)
    for i in range(len(data)):
        # A broadcast operand, and one that is strided.
        cut = [np.broadcast_to(x[7], x.shape) if j == i else x for j, x in enumerate(data)]
        assert same(call(*cut), np.resize(call(*(x[:997].copy() for x in cut)), right.shape))
        cut = [arrays.lay(x, step=2) if j == i else x for j, x in enumerate(data)]
        assert same(call(*cut), right)
        out = data[i].copy()
        assert same(call(*data[:i], out, *data[i + 1 :], out=out), right)


@every_call
@every_dtype
def test_results_do_not_depend_on_the_number_of_threads(name, dtype):
    call = CALLS[name][1]
    data, right = large(name, dtype, (17 if dtype == "float32" else 9) * MEGABYTE)
    out = np.empty_like(right)
    for n in (1, 2, 3, 4) if dtype == "float32" else (1, 64):
        out[...] = 3
        with ff.threads(n):
            assert same(call(*data, out=out), right)
    with ff.threads(4):
        assert same(call(*data, out=data[-1]), right)


@pytest.mark.parametrize("name", ["sigmoid", "safe_log(fill=)", "safe_divide"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_follow_strides(name, dtype):
    call = CALLS[name][1]
    data, right = large(name, dtype, 13 * MEGABYTE)
    with ff.threads(4):
        assert same(call(*(x[::-1] for x in data)), right[::-1])
        for i in range(len(data)):
            cut = [np.broadcast_to(x[7], x.shape) if j == i else x for j, x in enumerate(data)]
            assert same(call(*cut), np.resize(call(*(x[:997].copy() for x in cut)), right.shape))
            assert same(call(*data[:i], arrays.lay(data[i], step=2), *data[i + 1 :]), right)
        out = arrays.lay(right, step=3, backwards=(0,))
        out[...] = 3
        assert same(call(*data, out=out), right)
        mask = np.resize(np.array([True, True, False]), right.shape)
        out = np.full_like(right, 3)
        assert same(call(*data, out=out, where=mask), np.where(mask, right, right.dtype.type(3)))


def test_every_part_is_computed_once():
    """Sizes around what 2, 3, 4 and 6 threads share evenly, in parts of whole tiles of 240 or 256."""
    even = 12 * 3840 * 160
    x = np.zeros(even + 6, np.float32)
    for n in (2, 3, 4, 6):
        with ff.threads(n):
            for size in (*range(even - 2, even + 7), even - 3840, even - 3839, even - 100):
                out = np.full(size + 2, 7, np.float32)
                ff.sigmoid(x[:size], out=out[1:-1])
                assert (out[0], out[-1]) == (7, 7) and (out[1:-1] == 0.5).all(), (n, size)


# ---- many at once ------------------------------------------------------------------------------------


def test_many_python_threads_may_call_at_once():
    inputs = [large("safe_divide", "float32", 9 * MEGABYTE) for _ in range(2)]
    small, small_right = large("safe_divide", "float64", 9000)
    wrong, barrier = [], threading.Barrier(8)

    def work(n):
        data, right = inputs[n % 2]
        barrier.wait()
        with ff.threads(n % 3 + 1), np.errstate(all="raise"):
            for _ in range(3):
                if not same(CALLS["safe_divide"][1](*data), right):
                    wrong.append(n)
                for _ in range(50):
                    if not same(CALLS["safe_divide"][1](*small), small_right):
                        wrong.append(n)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.filterwarnings("ignore:.*fork.*")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_of_a_pool_take_them_and_compute_the_same(method):
    x, y = numbers("float32", 3_000_000), numbers("bfloat16", 100)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool_of_one:
        assert same(pool_of_one.submit(ff.sigmoid, x).result(), ff.sigmoid(x))
        for call in (*UFUNCS, ff.safe_log):
            assert same(pool_of_one.submit(call, y).result(), call(y))
        assert same(pool_of_one.submit(ff.safe_divide, y, y[::-1], fill=y).result(), ff.safe_divide(y, y[::-1], fill=y))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_computes_after_a_threaded_call(run_python):
    out = run_python(
        """
import os, signal
import numpy as np
import fastfinite as ff

x = np.linspace(-50, 50, 5_000_000)
ff.set_num_threads(4)
right = ff.sigmoid(x).tobytes()         # threads were started, and are gone
for generation in range(2):
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        os._exit(0 if status == 0 else 1)
    signal.alarm(60)                    # a hang is an error
    assert ff.sigmoid(x).tobytes() == right and ff.safe_log(x, fill=-1)[0] == -1
"""
    )
    assert out.split() == ["0", "0"]


def test_a_setting_that_is_no_number_leaves_large_calls_to_one_thread(run_python):
    code = """
import sys
import numpy as np
import fastfinite as ff

unraisable = []
sys.unraisablehook = unraisable.append
x = np.resize(np.linspace(-50, 50, 1001), 6_000_000)
right = ff.sigmoid(x[:1001])
assert np.array_equal(ff.sigmoid(x), np.resize(right, x.shape))
assert np.array_equal(ff.safe_divide(x, x, fill=7), np.where(x == 0, 7, 1))
with ff.threads(3):
    assert np.array_equal(ff.sigmoid(x), np.resize(right, x.shape))
ff.safe_log(x, fill=0, out=x)
assert not unraisable
try:
    ff.get_num_threads()
except ValueError:
    print("still an error")
"""
    for variable in ("FASTFINITE_NUM_THREADS", "OMP_NUM_THREADS"):
        values = {"FASTFINITE_NUM_THREADS": None, "OMP_NUM_THREADS": None, variable: "abc"}
        assert run_python(code, **values) == "still an error"


# ---- floating-point events and modes -----------------------------------------------------------------


def test_no_event_reaches_the_handlers_of_numpy():
    """Not even from other threads. NumPy itself clears the flags of the process before and after any ufunc."""
    said = []
    with np.errstate(all="call", call=lambda *what: said.append(what)), ff.threads(2):
        for (name, (_, call)), dtype in itertools.product(CALLS.items(), DTYPES):
            for size in (1, 1000, 2_100_000 if dtype == "float32" else 0):
                call(*(np.resize(x, size) for x in operands(name, dtype, 997)))
    assert not said


MODES = """
#include <xmmintrin.h>
unsigned get_mode(void) { return _mm_getcsr() & ~0x3fu; }
void set_mode(unsigned mode) { _mm_setcsr(mode); }
"""


def test_the_floating_point_mode_of_the_process_does_not_matter(run_python, compile_c):
    """Subnormals taken for 0, in and out; rounding up; traps for invalid operations, division by 0 and overflow."""
    run_python(
        """
import ctypes, sys
import numpy as np
from elementwise import CALLS, DTYPES, operands
import fastfinite as ff

np.seterr(all="ignore")
library = ctypes.CDLL(sys.argv[1])
library.get_mode.restype = ctypes.c_uint
default = 0x1f80
modes = {"flush to zero": default | 0x8040, "rounding up": default | 0x4000, "traps": default & ~0x680}

def in_mode(mode, call, data):
    out = np.empty_like(data[0])
    library.set_mode(mode)
    call(*data, out=out)
    kept = library.get_mode() == mode
    library.set_mode(default)
    assert kept, "the mode was changed"
    return out

subnormal = 0
for name, (_, call) in CALLS.items():
    for dtype in DTYPES:
        short = operands(name, dtype, 997)
        large = [(8_400_000 // short[0].itemsize, 2)] if dtype in ("float32", "float64") else []
        for size, threads in [(997, 1), *large]:
            data = [np.resize(x, size) for x in short]
            with ff.threads(threads):
                right = in_mode(default, call, data)
                for what, mode in modes.items():
                    assert in_mode(mode, call, data).tobytes() == right.tobytes(), (name, dtype, size, what)
        if dtype == "float64":
            subnormal += np.count_nonzero((right != 0) & (abs(right) < np.finfo(float).tiny))
assert subnormal > 100
""",
        compile_c(MODES),
    )


# ---- memory ------------------------------------------------------------------------------------------


@every_call
@pytest.mark.parametrize(("dtype", "size"), [("float32", 9), ("bfloat16", 2)])
def test_no_temporary_of_the_size_of_the_data(name, dtype, size):
    call = CALLS[name][1]
    shape = (size * MEGABYTE // dtype_of(dtype).itemsize // 32, 32)
    data = [np.ones(shape, dtype_of(dtype)) for _ in range(CALLS[name][0])]
    out = np.empty(shape, dtype_of(dtype))
    layouts = {
        "C": (data, out),
        "Fortran": ([x.reshape(32, -1).T for x in data], out.reshape(32, -1).T),
        "C to Fortran": (data, out.reshape(32, -1).T),
        "every other": ([x[:, ::2] for x in data], out[:, ::2]),
        "in place": (data, data[0]),
        "broadcast": ([data[0], *(x[:1] for x in data[1:])], out),
        "unaligned": ([x.reshape(-1).view("u1")[1 : 1 - x.itemsize].view(x.dtype) for x in data], out.reshape(-1)[1:]),
    }
    if name == "safe_log(floor=)":
        layouts.pop("unaligned")        # bytes of two numbers: not all of them may be floors
    for layout, (inputs, place) in layouts.items():
        # Of each floor there is the answer, one byte, to whether it may be one.
        asked = inputs[1].size if name == "safe_log(floor=)" else 0
        with ff.threads(2):
            assert peak_of(functools.partial(call, *inputs, out=place)) < MEGABYTE + asked, layout

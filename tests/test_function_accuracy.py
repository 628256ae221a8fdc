"""How exact the elementary functions are, on samples and at all edges; test_exhaustive.py looks at every float32."""

import elementary_reference as oracle
import numpy as np
import pytest
from elementary_reference import NAMES, Levels, out_of_order, promised, ulps
from reference import dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
INFO = ff.cpu_info()
LEVELS = [level for level in INFO["supported"] if level in INFO["compiled"]]
every_function = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def levels():
    with Levels(LEVELS, 1 << 20) as found:
        yield found


def check(error, x, found, bound=1):
    """No error is beyond the bound, in units in the last place; says which is the worst."""
    assert error.shape == x.shape == found.shape and error.size
    worst = int(error.argmax())
    assert error.flat[worst] <= bound, (error.flat[worst], x.flat[worst], float(x.flat[worst]).hex(), found.flat[worst])


# ---- the oracle --------------------------------------------------------------------------------------


@every_function
@np.errstate(all="ignore")
def test_numpys_float64_settles_float32(name):
    """To 2**-44, which is 2**-20 units of float32, where cancellation or a tail cut off would ruin it too."""
    hard = {"sigmoid": -100, "log_sigmoid": 50, "logit": np.nextafter(np.float32(0.5), 1), "sigmoid_grad": -90}
    x = np.concatenate([oracle.edges(np.float32, 8).ravel(), oracle.singles(1 << 13)])
    x = np.append(x, np.float32(hard.get(name, 1.0000001)))
    found = oracle.FUNCTIONS[name](x)
    right, rest = oracle.nearest_and_rest(name, x)
    exact = (found == right) | (np.isnan(found) & np.isnan(right))
    close = np.abs(found - right) <= np.maximum(2.0**-44 * np.abs(right), 1e-300)
    assert np.all(exact | close) and np.abs(rest).max() <= 0.5
    assert np.array_equal(np.signbit(found)[~np.isnan(right)], np.signbit(right)[~np.isnan(right)])
    assert right[-1] != 0 and np.sum(close & (right != 0)) > 1000


def test_a_distance_is_in_units_of_the_true_value():
    one, inf, nan = 1.0, np.inf, np.nan
    right = np.array([one, one, one - 2.0**-26, 2.0**-149, 2.0**-130, 0.0, -0.0, inf, nan, one, one, nan, inf, 3e38])
    found = np.array([one, one + 2.0**-23, one, 0.0, 2.0**-149, -0.0, -0.0, inf, nan, nan, inf, one, -inf, inf])
    expected = [0, 1, 0.125, 1, 2.0**19 - 1, inf, 0, 0, 0, inf, inf, inf, inf, inf]
    assert ulps(found.astype(np.float32), right).tolist() == expected
    assert ulps(np.array([one, 5e-324, inf]), np.array([one, 0.0, 1.7e308]), np.array([0.5, 0.25, 0])).tolist() == [
        0.5, 0.75, inf]


# ---- float32 -----------------------------------------------------------------------------------------


def float32_numbers(count, around):
    """Spread over all bit patterns, all edges, nan of many payloads."""
    return [oracle.edges(np.float32, around).ravel(), oracle.nans(np.float32), oracle.singles(count)]


@every_function
def test_float32_is_within_the_bound(name):
    function = getattr(ff, name)
    for x in float32_numbers(1 << 20, 1000):
        found = function(x)
        assert found.dtype == np.float32
        check(ulps(found, oracle.FUNCTIONS[name](x)), x, found)


@every_function
def test_every_level_is_within_the_bound(name, levels):
    for x in float32_numbers(1 << 16, 100):
        found = levels(x, [name])[name]
        assert list(found) == LEVELS
        right = oracle.FUNCTIONS[name](x)
        for results in found.values():
            check(ulps(results, right), x, results)


@every_function
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_the_levels_with_fma_give_the_same_bits(name, dtype, levels):
    if not {"v3", "v4"} <= set(LEVELS):
        pytest.skip("this machine or build does not have both levels")
    if dtype == "float64":
        parts = [oracle.doubles(name, 100_000, 1), oracle.edges(np.float64, 100).ravel(), oracle.nans(np.float64)]
    else:
        parts = float32_numbers(1 << 16, 100) if dtype == "float32" else [all_of(dtype)]
    for x in parts:
        found = levels(x, [name])[name]
        assert found["v3"].tobytes() == found["v4"].tobytes()


@every_function
def test_neighbours_are_in_order(name):
    x = oracle.edges(np.float32, 1000)
    x = x[np.isfinite(x).all(axis=1)]
    found = getattr(ff, name)(x)
    assert found.shape[0] > 100
    wrong = out_of_order(name, np.where(np.signbit(x), found[:, ::-1], found) if name != "sigmoid_grad" else found)
    assert not wrong.any(), x[np.nonzero(wrong.any(axis=1))[0][0]]


def test_the_gradient_is_even_and_the_sigmoid_complementary():
    for x in float32_numbers(1 << 18, 100):
        x = x[~np.isnan(x)]
        assert ff.sigmoid_grad(x).tobytes() == ff.sigmoid_grad(-x).tobytes()
        total = ff.sigmoid(x).astype(np.float64) + ff.sigmoid(-x)
        assert np.all(np.abs(total - 1) <= 2.0**-24)        # a unit in the last place of the larger one


# ---- float64 -----------------------------------------------------------------------------------------


@every_function
def test_float64_is_within_the_bound(name, levels):
    x = np.concatenate([oracle.doubles(name, 20_000, 0), oracle.edges(np.float64, 4).ravel(), oracle.nans(np.float64)])
    right = oracle.nearest_and_rest(name, x)
    found = levels(x, [name])[name]
    assert list(found) == LEVELS
    for results in (*found.values(), getattr(ff, name)(x)):
        assert results.dtype == np.float64
        check(ulps(results, *right), x, results)


@pytest.mark.parametrize(("name", "x"), [
    ("sigmoid", -745.1), ("sigmoid", -710.0), ("sigmoid_grad", 740.5), ("sigmoid_grad", -720.0), ("softplus", -744.0),
    ("log_sigmoid", 745.0), ("log_sigmoid", 730.25), ("logit", 5e-324), ("safe_log", 5e-324), ("softplus", -745.5),
])
def test_tiny_results_are_within_a_unit_of_the_subnormal_numbers(name, x):
    x = x + np.linspace(-0.03, 0.03, 501) * (abs(x) > 1)
    found = getattr(ff, name)(x)
    check(ulps(found, *oracle.nearest_and_rest(name, x)), x, found)


@every_function
def test_the_docstrings_promise_holds(name):
    function = getattr(ff, name)
    bounds = promised(function)
    assert all(0.5 <= bound <= 1 for bound in bounds.values())
    for x in float32_numbers(1 << 18, 100):
        found = function(x)
        check(ulps(found, oracle.FUNCTIONS[name](x)), x, found, bounds["float32"])
    x = oracle.doubles(name, 10_000, 2)
    found = function(x)
    check(ulps(found, *oracle.nearest_and_rest(name, x)), x, found, bounds["float64"])


# ---- 16 bits -----------------------------------------------------------------------------------------


def all_of(dtype):
    return np.arange(2**16, dtype=np.uint16).view(dtype_of(dtype))


def check_rounded(found, right):
    """The same numbers, zeros of the same sign."""
    found = oracle.wide(found)
    assert found.shape == right.shape
    same = (found == right) & (np.signbit(found) == np.signbit(right)) | np.isnan(found) & np.isnan(right)
    assert same.all(), (np.flatnonzero(~same), found[~same], right[~same])


@every_function
@pytest.mark.parametrize("dtype", oracle.NARROW)
def test_16_bits_are_correctly_rounded(name, dtype, levels):
    x = all_of(dtype)
    right = oracle.correctly_rounded(name, x)
    for results in (*levels(x, [name])[name].values(), getattr(ff, name)(x)):
        assert results.dtype == x.dtype
        check_rounded(results, right)


@pytest.mark.parametrize("dtype", oracle.NARROW)
def test_the_oracle_of_16_bits_is_mpfr_rounded_once(dtype):
    """MPFR with the significand and the exponents of the format, on every 29th number."""
    x = all_of(dtype)[::29]
    digits, least = oracle.NARROW[dtype]
    narrow = oracle.gmpy2.context(precision=digits, emin=least + 1, emax=16 if dtype == "float16" else 128,
                                  subnormalize=True)
    for name in NAMES:
        values = oracle.true_values(name, x)
        with narrow:
            right = np.array([float(+value) for value in values])
        check_rounded(oracle.correctly_rounded(name, x), right)


# ---- what shares the kernels -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_a_fill_and_a_floor_leave_the_log_as_it_is(dtype):
    x = all_of(dtype) if dtype in oracle.NARROW else oracle.edges(dtype, 100).ravel()
    x = x[oracle.wide(x) > 0]
    right = ff.safe_log(x)
    for options in ({"fill": -5.0}, {"floor": 0.0}, {"floor": oracle.smallest(x)}):
        options = {name: np.array([value], x.dtype) for name, value in options.items()}
        assert ff.safe_log(x, **options).tobytes() == right.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_a_quotient_is_correctly_rounded(dtype):
    """As the processor divides; in 16 bits a float64 quotient rounded once, which no rounding before can spoil."""
    rng = np.random.default_rng(3)
    if dtype in oracle.NARROW:
        a, b = rng.permutation(all_of(dtype)), rng.permutation(all_of(dtype))
    else:
        pool = np.concatenate([oracle.edges(dtype, 3).ravel(), oracle.nans(dtype)])
        bits = rng.integers(0, 2**64, 200_000, np.uint64).view(dtype)
        a, b = np.append(bits, rng.choice(pool, 100_000)), np.append(bits[::-1], rng.choice(pool, 100_000))
        a, b = (np.concatenate(pair) for pair in ((a[: b.size], b), (b, a[: b.size])))
    found = ff.safe_divide(a, b, fill=np.array([7], a.dtype))
    assert found.dtype == a.dtype
    with np.errstate(all="ignore"):
        right = oracle.safe_divide(a, b, fill=7.0) if dtype in oracle.NARROW else np.where(
            (b == 0) & ~np.isnan(a), np.array(7, dtype), a / b)
        if dtype in oracle.NARROW:
            unit = oracle.narrow_unit(right, a.dtype)
            right = oracle.wide((np.rint(right / unit) * unit).astype(a.dtype))     # exact, or overflow
    check_rounded(found, oracle.wide(right))

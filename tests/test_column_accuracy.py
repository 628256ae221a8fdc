"""How exact mean, variance and standard deviation are: against rational numbers and the NIST reference sets."""

import hashlib
import json
import math
import sys
from fractions import Fraction
from itertools import pairwise

import exact
import nist
import numpy as np
import pytest
from exact import Exact, check_mean, check_var_and_std, ulps

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
INFO = ff.cpu_info()
LEVELS = [level for level in INFO["supported"] if level in INFO["compiled"]]


def check_columns(x, ddof=0):
    """Mean, variance and standard deviation of each column, to the bounds; returns the worst error of var in ULP."""
    stats = ff.column_stats(x, ddof=ddof)
    worst = 0.0
    for j in range(x.shape[1]):
        right = Exact(x[:, j])
        var, std = right.var(ddof), right.std(ddof)
        check_var_and_std(stats.var[j], stats.std[j], var, std)
        check_mean(stats.mean[j], right.mean, right.std())
        if exact.SMALLEST_NORMAL <= var <= exact.LARGEST:
            worst = max(worst, ulps(stats.var[j], var))
    return worst


# ---- families of data --------------------------------------------------------------------------------


def rng_of(*seeds):
    return np.random.default_rng(seeds)


def offsets(n):
    spread = rng_of(n, 1).standard_normal(n)
    return np.stack([spread + 10.0**power for power in (0, 3, 8, 12, 14, 15)], axis=1)


def outliers(n):
    x = np.tile(rng_of(n, 2).standard_normal((n, 1)), (1, 9))
    for j in range(9):
        x[(0, n - 1, n // 2)[j % 3], j] = (1e3, 1e8, 1e15)[j // 3]
    return x


def orders(n):
    x = rng_of(n, 3).standard_normal(n) + 100
    k = np.arange(n)
    return np.stack([np.sort(x), np.sort(x)[::-1], k * 0.1, k - 1e6, -(k**2.0)], axis=1)


def periods(n):
    columns = [np.resize(rng_of(n, p).standard_normal(p) + 3, n) for p in (2, 3, 16, 32, 128, 512)]
    return np.stack(columns, axis=1)


def two_values(n):
    flags = rng_of(n, 5).random(n) < 0.1
    alternate = np.arange(n) % 2 == 0
    first = np.arange(n) == 0
    pairs = ((0.1, 0.3), (1.0, np.nextafter(1, 2)), (1e8, np.nextafter(1e8, 0)), (0.0, 1.0))
    return np.stack([np.where(where, a, b) for where in (flags, alternate, first) for a, b in pairs], axis=1)


def jumps(n):
    levels = rng_of(n, 6).standard_normal(n) * 0.01
    position = np.arange(n)
    steps = (1e6 * (position >= n // 2), 1e3 * (position // 128), -1e9 * (position < 16), 10.0 ** (position * 12 // n))
    return np.stack([levels + step for step in steps], axis=1)


def heavy_tails(n):
    rng = rng_of(n, 7)
    return np.stack([rng.standard_cauchy(n), np.exp(3 * rng.standard_normal(n)), np.exp(20 * rng.standard_normal(n)),
                     rng.standard_normal(n) ** 9], axis=1)


FAMILIES = [offsets, outliers, orders, periods, two_values, jumps, heavy_tails]
LARGE = (511, 512, 513, 16383, 16384, 16385, 32769)


@pytest.mark.parametrize("family", FAMILIES)
def test_variance_is_within_4_ulp_at_small_sizes(family):
    for n in (*range(2, 100), *range(100, 201, 7)):
        check_columns(family(n))


@pytest.mark.parametrize("family", FAMILIES)
def test_variance_is_within_4_ulp_at_large_sizes(family):
    for n in LARGE:
        check_columns(family(n), ddof=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_variance_is_within_4_ulp_at_100000_rows(family):
    check_columns(family(100_000)[:, ::2])


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_and_float16_are_as_exact(family):
    for n in (5, 127, 129, 513, 16385):
        for dtype in (np.float32, np.float16):
            with np.errstate(all="ignore"):
                x = family(n).astype(dtype)
            check_columns(x[:, np.isfinite(x).all(axis=0)])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_integers_are_as_exact(dtype):
    info = np.iinfo(dtype)
    for n in (3, 129, 1000, 16385):
        wide = rng_of(n, 8).integers(info.min, info.max, (n, 2), dtype, endpoint=True)
        top = np.dtype(dtype).type(info.max) - rng_of(n, 9).integers(0, 100, (n, 1), dtype)
        check_columns(np.concatenate([wide, top], axis=1))


@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e100], ids=str)
def test_a_few_far_values_among_equal_ones(scale):
    """The rounding of the many small squares that follow a large one in the same sum must not add up."""
    rng = rng_of(10)
    for rows in (128, 512, 2048):
        near, far = rng.standard_normal((2, 150)) * scale
        x = np.tile(near, (rows, 1))
        x[: rows // 8] = np.where(rng.random(150) < 0.5, far, x[: rows // 8])
        x[0] = far
        check_columns(x)
        x = np.tile(near, (rows, 1))
        x[np.arange(rows) % 128 < rng.integers(1, 17)] = far
        check_columns(x)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 16, 17, 64, 100, 126, 127])
def test_two_values_of_any_share(count):
    rng = rng_of(11, count)
    low, high = rng.standard_normal((2, 200))
    x = np.tile(low, (128, 1))
    x[:count] = high
    check_columns(x)
    for rows in (129, 384, 513, 2560):      # more than a set, or than a tile
        check_columns(np.resize(x[:, ::4], (rows, 50)))


# ---- the ends of float64 -----------------------------------------------------------------------------

SCALES = (1e-160, 1e160, 1e-200, 1e200, 1e-300, 1e300, 1e-150, 1e150, 2.0**499, 2.0**500, 2.0**-480, 2.0**-481)
SHAPES = {
    "normal": lambda n: rng_of(n, 12).standard_normal(n),
    "offset": lambda n: rng_of(n, 13).standard_normal(n) + 1000,
    "two": lambda n: np.where(np.arange(n) % 3 == 0, 1.0, 3.0),
    "outlier": lambda n: np.where(np.arange(n) == n - 1, 1.0, 2.0**-40),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_std_is_right_where_var_is_not_a_number_that_float64_has(shape, scale):
    for n in (2, 3, 129, 513, 16385):
        with np.errstate(all="ignore"):
            x = np.stack([SHAPES[shape](n) * scale, SHAPES["normal"](n), -SHAPES[shape](n) * scale], axis=1)
        check_columns(x)


def test_subnormals():
    tiny = np.uint64(1).view(np.float64)
    for n in (2, 3, 129, 513, 16385):
        steps = rng_of(n, 14).integers(-1000, 1000, n)
        numbers = [steps, np.arange(n) % 2, steps + 2**40, np.arange(n) == 0]
        check_columns(np.stack(numbers, axis=1) * tiny)


def test_sums_that_overflow():
    largest = np.finfo(np.float64).max
    for n in (2, 3, 17, 129, 1000, 16385):
        alternate = np.where(np.arange(n) % 2 == 0, 1, -1)
        x = np.stack([np.full(n, largest), np.where(np.arange(n) == 0, np.nextafter(largest, 0), largest),
                      largest * alternate, np.where(np.arange(n) < n // 2, largest, 1.0),
                      1e308 * rng_of(n, 15).random(n)], axis=1)
        check_columns(x)
        assert ff.column_stats(x).constant.tolist() == [True] + [False] * 4


def test_float32_sums_and_squares_that_overflow_float32():
    x = np.array([[3e38, 3e38, 1e-45], [3e38, -3e38, 0], [2e38, 3e38, 1e-45]], np.float32)
    check_columns(x)


@pytest.mark.parametrize("bits", [-1000, -700, -481, -480, -479, 0, 480, 490, 498, 499, 499.5, 500, 501, 700, 1020])
def test_merging_up_to_2_to_the_51_rows_overflows_nothing(bits):
    """Every state holds the sum of the squares of up to 2**53 rows."""
    values = np.array([0.0, 2.0**bits])
    stats = ff.column_stats(values[:, None])
    for _ in range(50):
        stats = stats + stats
    right = Exact(values)
    assert stats.count == 2**51
    check_var_and_std(stats.var[0], stats.std[0], right.var(), right.std())
    assert stats.mean[0] == exact.rounded(right.mean)


def test_never_negative_and_never_nan():
    rng = rng_of(16)
    for _ in range(150):
        n, power = int(rng.integers(2, 300)), rng.integers(-300, 300)
        with np.errstate(all="ignore"):
            x = np.float64(10.0) ** power * (1 + rng.integers(0, 3, (n, 8)) * 2.0 ** rng.integers(-52, 1, 8))
        x = x[:, np.isfinite(x).all(axis=0)]
        stats = ff.column_stats(x, ddof=1)
        assert (stats.var >= 0).all() and (stats.std >= 0).all()
        assert (stats.constant <= (stats.var == 0)).all()
        assert (stats.std[stats.constant] == 0).all()


# ---- NIST StRD ---------------------------------------------------------------------------------------


def lre(found, certified):
    """Log relative error: the number of correct digits, at most the 15 that are certified."""
    error = abs(Fraction(float(found)) - Fraction(certified))
    return 15.0 if error == 0 else min(15.0, -math.log10(error / abs(Fraction(certified))))


@pytest.mark.parametrize("data", nist.DATASETS, ids=lambda data: data.name)
def test_the_table_is_the_published_one(data):
    right = Exact(data.exact)
    mean, deviations = right.mean, [value - right.mean for value in data.exact]
    products = sum(a * b for a, b in pairwise(deviations))
    found = (mean, right.std(1), products / sum(a * a for a in deviations))
    for value, certified in zip(found, (data.mean, data.std, data.autocorrelation)):
        digits = len(certified.partition(".")[2])
        assert abs(value - Fraction(certified)) <= Fraction(1, 2 * 10**digits)


@pytest.mark.parametrize("data", nist.DATASETS, ids=lambda data: data.name)
def test_nist_reference_sets(data, record_property):
    stats = ff.column_stats(data.values[:, None], ddof=1)
    right = Exact(data.values)
    check_columns(data.values[:, None], ddof=1)
    digits = {name: round(lre(getattr(stats, name)[0], getattr(data, name)), 1) for name in ("mean", "std")}
    for name, value in digits.items():
        record_property(f"LRE of {name}", value)
        found, certified = float(getattr(stats, name)[0]), getattr(data, name)
        print(f"{data.name:10}{name:5} certified {certified:>21}  found {found!r:>22}  LRE {value}")
    # NumAcc2 to 4 are not representable: the exact answer for their float64 numbers has the digits that it has.
    limit = lre(exact.rounded(right.std(1)), data.std)
    assert digits["std"] >= min(13, round(limit, 1))
    assert digits["mean"] >= 14.5


# ---- instruction-set levels --------------------------------------------------------------------------


def compact_set():
    for family in FAMILIES:
        for n in (3, 17, 129, 513, 16385):
            x = family(n)
            yield x
            with np.errstate(all="ignore"):
                yield x.astype(np.float32)
    for scale in (1e-160, 1e160, 1e-310, 1e300):
        with np.errstate(all="ignore"):
            yield np.stack([make(65) * scale for make in SHAPES.values()], axis=1)


def digest_of_level():
    """Run in a process of its own at each level: check the bounds, print the bits."""
    found = hashlib.sha256()
    for x in compact_set():
        x = x[:, np.isfinite(x).all(axis=0)]
        check_columns(x)
        stats = ff.column_stats(x)
        stream = ff.ColumnStats().update(x[:1]).update(x[1:])
        scaled = ff.standardize(x, stats=stats)
        for one in (stats, stream):
            found.update(json.dumps(one.to_dict()).encode())
        found.update(scaled.tobytes())
        found.update(ff.inverse_standardize(scaled, stats=stats).tobytes())
    print(ff.cpu_info()["level"], found.hexdigest())


def test_every_level_keeps_the_bounds_and_those_with_fma_the_bits(run_python):
    code = "import test_column_accuracy as t, numpy; numpy.seterr(all='raise'); t.digest_of_level()"
    found = dict(run_python(code, FASTFINITE_CPU=level).split() for level in LEVELS)
    assert list(found) == LEVELS
    assert len({digest for level, digest in found.items() if level in ("v3", "v4")}) <= 1
    assert sys.modules["fastfinite"].cpu_info()["level"] == INFO["level"]

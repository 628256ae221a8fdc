"""The oracle of column statistics: exact rational numbers, and the distance of a float64 from one of them."""

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import reference

FIELDS = ("count", "nan", "posinf", "neginf", "zero", "negative", "min", "max", "mean", "var", "std", "constant")
COUNTS = FIELDS[:6]
LARGEST = Fraction(np.finfo(np.float64).max)
SMALLEST_NORMAL = Fraction(np.finfo(np.float64).smallest_normal)


class Exact:
    """Mean, variance and range of rational numbers: integers over one common power of two (or any denominator)."""

    def __init__(self, values):
        numerators, self.unit = over_common_unit(values)
        self.count = len(numerators)
        self.total = sum(numerators)
        self.squares = sum(number * number for number in numerators)
        self.low, self.high = (pick(numerators) * self.unit for pick in (min, max))

    @property
    def mean(self):
        return Fraction(self.total, self.count) * self.unit

    def var(self, ddof=0):
        square = self.count * self.squares - self.total**2
        return Fraction(square, self.count * (self.count - ddof)) * self.unit**2

    def std(self, ddof=0):
        return square_root(self.var(ddof))


def over_common_unit(values):
    """Integers and the unit that they count, of finite floats or of any rational numbers."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.dtype.itemsize <= 8:
        fraction, exponent = np.frexp(values.astype(np.float64))
        mantissa = np.ldexp(fraction, 53).astype(np.int64)
        shift = exponent.astype(np.int64) - exponent.min(where=mantissa != 0, initial=2000)
        unit = Fraction(2) ** int(exponent.min(where=mantissa != 0, initial=2000) - 53)
        if not mantissa.any():
            return mantissa.tolist(), unit
        return [m << max(s, 0) for m, s in zip(mantissa.tolist(), shift.tolist())], unit
    numbers = [rational(value) for value in values]
    bottom = math.lcm(*(number.denominator for number in numbers))
    return [number.numerator * (bottom // number.denominator) for number in numbers], Fraction(1, bottom)


def rational(value):
    if hasattr(value, "as_integer_ratio"):
        return Fraction(*value.as_integer_ratio())
    return Fraction(value.item() if isinstance(value, np.generic) else value)


def square_root(value):
    """To some 200 bits."""
    if value == 0:
        return Fraction(0)
    bits = 2 * (200 + max(0, value.denominator.bit_length() - value.numerator.bit_length()))
    return Fraction(math.isqrt((value.numerator << bits) // value.denominator), 1 << bits // 2)


def rounded(exact):
    """The nearest float64; inf beyond them."""
    try:
        return float(exact)
    except OverflowError:
        return math.copysign(math.inf, exact)


def ulps(found, exact):
    """How many units in the last place of the exact value a number is away from it; inf for nan and a wrong inf."""
    nearest, found = rounded(exact), float(found)
    if not math.isfinite(nearest) or not math.isfinite(found):
        return 0.0 if found == nearest else math.inf
    return float(abs(Fraction(found) - exact) / Fraction(math.ulp(nearest)))


def column_of(values, ddof=0):
    """Every field of the statistics of one column; moments as fractions, or floats (nan, inf) where they are none."""
    kinds = reference.kinds(values)
    mask = np.ma.getmaskarray(values)
    plain = np.asarray(values)
    if plain.dtype.kind not in "biufO" or plain.dtype.itemsize == 1:
        with np.errstate(all="ignore"):
            plain = plain.astype(np.float64)        # ml_dtypes and small integers
    finite = plain[kinds == reference.FINITE]
    exact = Exact(finite) if len(finite) else None
    nan = int(np.isin(kinds, (reference.NAN, reference.NULL)).sum())
    posinf, neginf = (int((kinds == code).sum()) for code in (reference.POSINF, reference.NEGINF))
    count = len(finite) + posinf + neginf
    bounds = [np.inf] * (posinf > 0) + [-np.inf] * (neginf > 0) + ([exact.low, exact.high] if exact else [])
    if posinf or neginf:
        mean = np.nan if posinf and neginf else np.inf if posinf else -np.inf
    else:
        mean = exact.mean if count else np.nan
    defined = count > max(ddof, 0) and not posinf and not neginf
    assert count + nan + mask.sum() == plain.size
    return SimpleNamespace(
        count=count, nan=nan, posinf=posinf, neginf=neginf,
        zero=sum(bool(value == 0) for value in finite),
        negative=sum(bool(value < 0) for value in finite) + neginf,
        min=rounded(min(bounds)) if bounds else np.nan,
        max=rounded(max(bounds)) if bounds else np.nan,
        mean=mean,
        var=exact.var(ddof) if defined else np.nan,
        std=exact.std(ddof) if defined else np.nan,
        spread=exact.std() if exact else np.nan,
        constant=bool(bounds) and min(bounds) == max(bounds),
    )


def check_column(stats, index, values, ddof=0):
    """One column of statistics is what the oracle says: counts, range and constant exactly, moments to their bounds."""
    right = column_of(values, ddof)
    found = SimpleNamespace(**{name: getattr(stats, name)[index] for name in FIELDS})
    for name in (*COUNTS, "min", "max", "constant"):
        expected, value = getattr(right, name), getattr(found, name)
        assert value == expected or (expected != expected and value != value), (name, index, value, expected)
    for name in ("mean", "var", "std"):
        expected, value = getattr(right, name), getattr(found, name)
        if isinstance(expected, float):
            assert value == expected or (expected != expected and value != value), (name, index, value, expected)
    if isinstance(right.mean, Fraction):
        check_mean(found.mean, right.mean, right.spread)
    if isinstance(right.var, Fraction):
        check_var_and_std(found.var, found.std, right.var, right.std)


def check_mean(found, mean, spread):
    """Half a unit in the last place, and the rounding of sums, which is small against the spread of the values."""
    assert math.isfinite(found), (found, float(mean))
    error = abs(rational(float(found)) - mean)
    unit = Fraction(math.ulp(rounded(mean)))
    share = Fraction(51, 100) if abs(mean) >= SMALLEST_NORMAL else 1
    assert error <= share * unit + spread * Fraction(1, 2**46), (found, float(mean), float(error / unit))


def check_var_and_std(var, std, exact_var, exact_std):
    """var to 4 ULP where it is a normal number, std to 4 ULP everywhere."""
    assert std >= 0 and var >= 0
    assert ulps(std, exact_std) <= 4, (std, float(exact_std), ulps(std, exact_std))
    if SMALLEST_NORMAL <= exact_var <= LARGEST or exact_var == 0:
        assert ulps(var, exact_var) <= 4, (var, float(exact_var), ulps(var, exact_var))
    elif exact_var > LARGEST:
        assert var == np.inf
    else:
        assert ulps(var, exact_var) <= 1, (var, float(exact_var))


def check_stats(stats, x, ddof=0):
    """Statistics of the columns (axis 0) of an array of any number of dimensions."""
    assert stats.shape == x.shape[1:]
    for name in FIELDS:
        dtype = bool if name == "constant" else np.int64 if name in COUNTS else np.float64
        values = getattr(stats, name)
        assert type(values) is np.ndarray and values.dtype == dtype and values.shape == x.shape[1:], name
    for index in np.ndindex(x.shape[1:]):
        check_column(stats, index, x[(slice(None), *index)], ddof)


def bits_of(stats):
    """All fields, as bytes: equal bits, -0.0 and nan told apart."""
    return {name: (getattr(stats, name).shape, getattr(stats, name).tobytes()) for name in FIELDS}

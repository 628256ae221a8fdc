"""The oracle: what the library answers, in a few lines of plain NumPy each.

It knows nothing of bits: numbers are decoded by NumPy and ml_dtypes, looked at with isnan, isinf and signbit, and
overflow is what the real cast does.
"""

import functools
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import ml_dtypes
import numpy as np

FINITE, NAN, POSINF, NEGINF, NULL, MASKED = range(6)
LABELS = {NAN: "nan", POSINF: "+inf", NEGINF: "-inf", NULL: "null"}
BAD = tuple(LABELS)
COUNTS = ("finite", "nan", "posinf", "neginf", "null", "masked", "overflow")


def dtype_of(name):
    """The dtype of a format's name, ml_dtypes' included."""
    return np.dtype(getattr(ml_dtypes, name) if isinstance(name, str) and hasattr(ml_dtypes, name) else name)


def is_complex(dtype):
    return dtype.kind == "c" or dtype.name in ("complex32", "bcomplex32")


def parts_of(x):
    """The real numbers of an array, native, with one more axis where they are parts of complex numbers."""
    if x.dtype.name in ("complex32", "bcomplex32"):
        x = x.astype(np.complex64)
    if x.dtype.name == "float8_e8m0fnu":        # powers of two, which ml_dtypes casts to few other formats
        x = x.astype(np.float32)
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    return np.stack([x.real, x.imag], -1) if x.dtype.kind == "c" else x


@np.errstate(all="ignore")
def kinds(x, dtype=None):
    """The kind of each element."""
    mask = np.ma.getmaskarray(x) if isinstance(x, np.ma.MaskedArray) else None
    x = np.asarray(x)
    if dtype is not None:
        x = x.astype(x.dtype.newbyteorder("=")).view(dtype_of(dtype))
    kind = np.zeros(x.shape, int)
    if x.dtype.kind in "mM":
        kind[np.isnat(x)] = NAN
    elif x.dtype.kind == "O":
        kind[...] = np.vectorize(kind_of_object, otypes=[int])(x) if x.size else 0
    elif x.dtype.kind not in "biu":
        parts = parts_of(x)
        if parts.dtype.kind not in "f" or parts.dtype.itemsize == 1:
            parts = parts.astype(np.float64)
        nan, inf, negative = np.isnan(parts), np.isinf(parts), np.signbit(parts)
        if is_complex(x.dtype):
            nan, negative = nan.any(-1), np.where(inf[..., 0], negative[..., 0], negative[..., 1])
            inf = inf.any(-1)
        kind[inf] = POSINF
        kind[inf & negative] = NEGINF
        kind[nan] = NAN
    if mask is not None:
        kind[mask] = MASKED
    return kind


def kind_of_object(value):
    if value is None:
        return NULL
    if isinstance(value, Decimal):
        if value.is_nan():
            return NAN
        return FINITE if value.is_finite() else NEGINF if value.is_signed() else POSINF
    if isinstance(value, (int, Fraction)):
        return FINITE
    return int(kinds(np.asarray(value)))


@np.errstate(all="ignore")
def overflows(x, target, dtype=None):
    """Where a finite value is no longer finite after the real cast."""
    target, raw = dtype_of(target), x
    x = np.asarray(x)
    if dtype is not None:
        x = x.astype(x.dtype.newbyteorder("=")).view(dtype_of(dtype))
    if is_complex(target):
        target = {"complex64": np.dtype("f4"), "complex128": np.dtype("f8")}[target.name]
    if x.dtype.kind == "O":
        over = np.vectorize(lambda value: object_overflows(value, target), otypes=[bool])(x) if x.size else False
    else:
        parts = parts_of(x)
        over = ~np.isfinite(parts.astype(target).astype(np.float64))
        over = over.any(-1) if is_complex(x.dtype) else over
    return over & (kinds(raw, dtype) == FINITE)


@functools.cache
def limit_of(target):
    """The number between the largest finite one and where the next would be, and whether it is rounded up itself."""
    info = ml_dtypes.finfo(target)
    largest, ulp = Fraction(float(info.max)), Fraction(2) ** int(np.frexp(float(info.max))[1] - 1 - info.nmant)
    return largest + ulp / 2, (largest / ulp) % 2 == 1


def object_overflows(value, target):
    """As casts round: to nearest, ties to even."""
    if kind_of_object(value) != FINITE:
        return False
    limit, ties_overflow = limit_of(target)
    parts = (value.real, value.imag) if isinstance(value, (complex, np.complexfloating)) else (value,)
    sizes = [abs(Fraction(*part.as_integer_ratio())) for part in parts]
    return any(size > limit or (size == limit and ties_overflow) for size in sizes)


def all_finite(x, *, allow_nan=False):
    return not np.isin(kinds(x), (POSINF, NEGINF) if allow_nan else BAD).any()


def has_nan(x):
    return bool((kinds(x) == NAN).any())


def has_inf(x):
    return bool(np.isin(kinds(x), (POSINF, NEGINF)).any())


def nonfinite(x, *, limit=None):
    return np.argwhere(np.isin(kinds(x), BAD))[:limit]


def first_of(where):
    index = np.argwhere(where)
    return tuple(index[0].tolist()) if len(index) else None


def scan(x, *, axis=None, dtype=None, target_dtype=None):
    kind = kinds(x, dtype)
    over = np.zeros(kind.shape, bool) if target_dtype is None else overflows(x, target_dtype, dtype)
    return tally(kind, over, axis)


def tally(kind, over, axis=None):
    """The scan of elements of these kinds, of which some overflow."""
    codes = (FINITE, NAN, POSINF, NEGINF, NULL, MASKED)
    counts = {name: np.sum(kind == code, axis=axis) for name, code in zip(COUNTS, codes)}
    first = first_of(np.isin(kind, BAD))
    return SimpleNamespace(
        **counts,
        overflow=np.sum(over, axis=axis),
        ok=not np.isin(kind, BAD).any() and not over.any(),
        size=kind.size,
        shape=kind.shape,
        first=first,
        first_kind=None if first is None else LABELS[int(kind[first])],
        first_overflow=first_of(over),
    )


def check_scan(report, expected, axis=None):
    """Every attribute of a report is what the oracle says."""
    for name in ("ok", "size", "shape", "first", "first_kind", "first_overflow"):
        assert getattr(report, name) == getattr(expected, name), name
    totals = report.totals
    for name in COUNTS:
        found, right = getattr(report, name), getattr(expected, name)
        if axis is None:
            assert type(found) is int and found == right, name
        else:
            assert np.asarray(found).dtype == np.intp and np.shape(found) == right.shape, name
            assert np.array_equal(found, right), name
            assert getattr(totals, name) == right.sum(), name
    assert bool(report) is report.ok


def check_all(ff, x, axes=(), *, dense=None, targets=(None,)):
    """Every scan of `x` answers as the oracle does of it, or of the array of the same numbers."""
    dense = x if dense is None else dense
    # Once for all: of objects this takes long.
    kind = kinds(dense)
    bad, infinite, nan = np.isin(kind, BAD), np.isin(kind, (POSINF, NEGINF)), kind == NAN
    right = [not bad.any(), not infinite.any(), bool(nan.any()), bool(infinite.any()), np.argwhere(bad)]
    over = [np.zeros(kind.shape, bool) if target is None else overflows(dense, target) for target in targets]
    scans = [(target, axis, tally(kind, where, axis))
             for target, where in zip(targets, over) for axis in (None, *axes)]
    assert ff.all_finite(x) is right[0]
    assert ff.all_finite(x, allow_nan=True) is right[1]
    assert ff.has_nan(x) is right[2]
    assert ff.has_inf(x) is right[3]
    found = ff.nonfinite(x)
    assert found.dtype == np.intp and found.shape == right[4].shape and np.array_equal(found, right[4])
    for target, axis, expected in scans:
        check_scan(ff.scan(x, axis=axis, target_dtype=target), expected, axis)

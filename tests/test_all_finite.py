"""all_finite, has_nan and has_inf, and what all scans have in common: which input is taken, and what is left alone."""

import array
import ctypes
import ctypes.util
import functools
import platform
from decimal import Decimal
from fractions import Fraction

import arrays
import ml_dtypes
import numpy as np
import pytest
import reference

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")


@pytest.mark.parametrize(("dtype", "layout"), arrays.dtypes_and_layouts())
def test_one_bad_value_is_found_wherever_it_is(dtype, layout):
    bad = arrays.bad_values(dtype)
    for size in arrays.SIZES:
        values = arrays.clean(dtype, size)
        x = arrays.LAYOUTS[layout](values)
        assert ff.all_finite(x) and not ff.has_nan(x) and not ff.has_inf(x)
        for kind, patterns in bad.items():
            for position in {0, size // 2, size - 1}:
                changed = values.copy()
                changed[position] = patterns[(size + position) % len(patterns)]
                x = arrays.LAYOUTS[layout](changed)
                assert not ff.all_finite(x)
                assert ff.all_finite(x, allow_nan=True) is (kind == "nan")
                assert ff.has_nan(x) is (kind == "nan")
                assert ff.has_inf(x) is (kind != "nan")


@pytest.mark.parametrize("dtype", arrays.BITS)
def test_every_position_of_small_arrays_counts(dtype):
    for size in arrays.SMALL_SIZES:
        x = arrays.clean(dtype, size)
        assert ff.all_finite(x)
        for position in range(size):
            kept = x[position].copy()
            for patterns in arrays.bad_values(dtype).values():
                x[position] = patterns[position % len(patterns)]
                assert not ff.all_finite(x)
            x[position] = kept


@pytest.mark.parametrize("dtype", (*arrays.BITS, *arrays.LONG))
def test_every_pattern_of_nan_and_inf_is_told(dtype):
    for kind, patterns in arrays.bad_values(dtype).items():
        for n in range(len(patterns)):
            x = patterns[n : n + 1]
            answers = ff.all_finite(x), ff.all_finite(x, allow_nan=True), ff.has_nan(x), ff.has_inf(x)
            assert answers == (False, kind == "nan", kind == "nan", kind != "nan")


@pytest.mark.parametrize("dtype", (*arrays.BITS, *arrays.LONG))
def test_edge_values_are_finite(dtype):
    x = arrays.finite_values(dtype)
    assert ff.all_finite(x) and ff.all_finite(x, allow_nan=True) and not ff.has_nan(x) and not ff.has_inf(x)


def test_sums_that_overflow_are_no_finding():
    assert ff.all_finite(np.full(4, 3e38, np.float32))
    assert ff.all_finite(np.full(4, 1.7e308))
    assert ff.all_finite(np.ones(70_000, np.float16))


@pytest.mark.parametrize("dtype", [*arrays.COMPLEX, "clongdouble"])
def test_a_complex_value_is_nan_if_either_part_is(dtype):
    nan, inf = np.nan, np.inf
    for parts in [(nan, inf), (inf, nan), (nan, -inf), (nan, 1), (1, nan), (nan, nan)]:
        x = np.array([complex(*parts)], dtype)
        assert ff.has_nan(x) and not ff.has_inf(x)
        assert not ff.all_finite(x) and ff.all_finite(x, allow_nan=True)
    for parts in [(inf, 1), (1, inf), (-inf, 1), (1, -inf), (inf, -inf)]:
        x = np.array([complex(*parts)], dtype)
        assert ff.has_inf(x) and not ff.has_nan(x)
        assert not ff.all_finite(x) and not ff.all_finite(x, allow_nan=True)


def test_inf_and_nan_of_different_complex_elements_stay_apart():
    x = np.array([complex(np.nan, np.inf), complex(1, 2), complex(3, -np.inf)])
    assert ff.has_inf(x) and ff.has_nan(x) and not ff.all_finite(x, allow_nan=True)


@pytest.mark.parametrize("dtype", (*arrays.INTEGERS, *arrays.ML_FINITE))
def test_integers_and_formats_without_nan_are_finite_by_type(dtype):
    x = np.arange(2).astype(reference.dtype_of(dtype))
    assert ff.all_finite(x) and not ff.has_nan(x) and not ff.has_inf(x)


def test_integers_are_not_read():
    untouched = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), (2**40,), (0,))
    assert ff.all_finite(untouched)


@pytest.mark.parametrize(
    ("value", "finite"),
    [(1, True), (True, True), (2.5, True), (np.nan, False), (np.inf, False), (complex(0, np.nan), False),
     (np.float32("inf"), False), (np.float16(1), True), (ml_dtypes.bfloat16("nan"), False),
     (np.datetime64("NaT", "s"), False), (np.timedelta64(1, "s"), True), (np.longdouble("-inf"), False)],
)
def test_scalars_are_arrays_of_no_dimension(value, finite):
    assert ff.all_finite(value) is finite
    assert ff.all_finite(np.array(value)) is finite


@pytest.mark.parametrize(
    ("value", "finite"),
    [(2**70, True), (-(10**400), True), (Decimal("1e999"), True), (Decimal("sNaN"), False), (Fraction(1, 3), True)],
)
def test_numbers_that_numpy_holds_as_objects_are_scalars_too(value, finite):
    assert ff.all_finite(value) is finite
    assert ff.all_finite([value]) is finite
    assert ff.all_finite(np.array(value, object)) is finite


@pytest.mark.parametrize(
    "x",
    [[1.0, np.nan], (1, np.inf), [[1.0], [None]], array.array("d", [0.0, np.nan]), memoryview(np.array([np.inf])),
     range(3), [], [2**70, 1.5]],
    ids=repr,
)
def test_array_likes_are_taken_as_numpy_takes_them(x):
    assert ff.all_finite(x) is reference.all_finite(np.asarray(x))


class WithArray:
    """Has only ``__array__``, as tensors and frames have."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, np.nan])


def test_whatever_numpy_makes_an_array_of_is_scanned():
    assert not ff.all_finite(WithArray())
    assert ff.scan(WithArray()).first == (1,)


@pytest.mark.parametrize("call", [ff.all_finite, ff.has_nan, ff.has_inf, ff.scan, ff.nonfinite, ff.check_finite])
@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.array(["a", "nan"]), r"cannot scan dtype <U3: it holds text, not numbers"),
        (np.array([b"nan"]), r"cannot scan dtype \|S3: it holds text, not numbers"),
        (b"nan", r"cannot scan dtype \|S3: it holds text"),
        ([1.0, "nan"], r"cannot scan dtype <U32: it holds text"),
        (np.zeros(2, "V2"), r"cannot scan dtype \|V2: it holds raw bytes of unknown meaning; say what they are with"),
        (np.array([1.0, "nan"], object), "cannot scan dtype object: the value at flat index 1 is of type str"),
        (np.array([1.0, {}], object), "cannot scan dtype object: the value at flat index 1 is of type dict"),
        (np.zeros(1, [("name", "U3")]), "none of its fields holds numbers"),
        ({"a": 1.0}, "x must be array_like, not dict"),
        (iter([1.0]), "not list_iterator"),
        (object(), "not object"),
        (None, "not NoneType"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_scanned_is_refused_with_a_reason(call, x, reason):
    if call is ff.nonfinite and getattr(x, "dtype", None) is not None and x.dtype.names:
        reason = "nonfinite does not list records"
    with pytest.raises(TypeError, match=reason):
        call(x)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy has no StringDType")
def test_variable_width_strings_are_refused():
    with pytest.raises(TypeError, match="it holds text, not numbers"):
        ff.all_finite(np.array(["nan"], np.dtypes.StringDType()))


def test_arguments_are_checked_as_python_does():
    with pytest.raises(TypeError):
        ff.all_finite()
    with pytest.raises(TypeError):
        ff.all_finite(np.ones(1), True)
    with pytest.raises(TypeError):
        ff.has_nan(np.ones(1), allow_nan=True)


CALLS = {
    "all_finite": ff.all_finite,
    "allow_nan": functools.partial(ff.all_finite, allow_nan=True),
    "has_nan": ff.has_nan,
    "has_inf": ff.has_inf,
    "scan": ff.scan,
    "scan(axis=0)": functools.partial(ff.scan, axis=0),
    "scan(target)": functools.partial(ff.scan, target_dtype="float16"),
    "nonfinite": ff.nonfinite,
    "nonfinite(limit=1)": functools.partial(ff.nonfinite, limit=1),
}


@pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))
@pytest.mark.parametrize("dtype", (*arrays.NATIVE, *arrays.COMPLEX, *arrays.LONG, "bfloat16", "float8_e5m2"))
def test_input_is_unchanged_to_the_bit(call, dtype):
    for layout in arrays.layouts_of(dtype):
        x = arrays.LAYOUTS[layout](arrays.mixed(dtype, (9, 31)))
        before, flags = x.tobytes(), str(x.flags)
        call(x)
        assert x.tobytes() == before and str(x.flags) == flags


@pytest.fixture(scope="module")
def fenv():
    name = ctypes.util.find_library("m")
    if name is None or not hasattr(ctypes.CDLL(name), "fetestexcept"):
        pytest.skip("no C mathematics library with fetestexcept")
    return ctypes.CDLL(name)


# x86 and AArch64 number the events differently; inexact is left out, which Python's own arithmetic raises.
EVENTS = {"x86_64": 0x1F & ~0x02, "AMD64": 0x1F & ~0x02, "aarch64": 0x0F, "arm64": 0x0F}


@pytest.mark.parametrize("call", list(CALLS.values()), ids=list(CALLS))
def test_no_floating_point_flag_is_raised(call, fenv):
    events = EVENTS.get(platform.machine())
    if events is None:
        pytest.skip("the flags of this processor are not known here")
    inputs = [
        arrays.LAYOUTS[layout](arrays.mixed(dtype, (40, 31)))
        for dtype in (*arrays.FLOATS, *arrays.COMPLEX)
        for layout in arrays.layouts_of(dtype)
    ]
    for x in inputs:
        call(x)     # what is computed once, is
    fenv.feclearexcept(events)
    for x in inputs:
        call(x)
    raised = fenv.fetestexcept(events)
    fenv.feclearexcept(events)
    assert raised == 0


@pytest.mark.parametrize("call", [ff.all_finite, ff.has_nan, ff.has_inf, ff.scan, ff.nonfinite, ff.check_finite])
def test_flags_that_were_raised_before_stay(call, fenv):
    x = arrays.clean("float32", (40, 31))
    fenv.feclearexcept(0x1F)
    fenv.feraiseexcept(1)
    call(x)
    kept = fenv.fetestexcept(1)
    fenv.feclearexcept(0x1F)
    assert kept == 1


MXCSR = """
#include <xmmintrin.h>
unsigned get_mode(void) { return _mm_getcsr(); }
void set_mode(unsigned mode) { _mm_setcsr(mode); }
"""


@pytest.fixture
def flush_to_zero(compile_c):
    """Subnormals are zero, on input and output, as another library may have set it."""
    mode = ctypes.CDLL(str(compile_c(MXCSR)))
    mode.get_mode.restype = ctypes.c_uint
    before = mode.get_mode()
    mode.set_mode(ctypes.c_uint(before | 0x8040))
    try:
        yield
    finally:
        mode.set_mode(ctypes.c_uint(before))


def test_flush_to_zero_changes_nothing(flush_to_zero):
    assert np.float32(1e-40) + np.float32(1e-40) == 0
    for dtype, bits in (("float32", "u4"), ("float64", "u8")):
        nmant = np.finfo(dtype).nmant
        subnormal = (1 << nmant) - 1
        inf = int(np.array(np.inf, dtype).view(bits))
        x = np.array([subnormal, inf | subnormal, 1, inf, inf | 1], bits).view(dtype)
        report = ff.scan(x)
        assert (report.finite, report.nan, report.posinf, report.first) == (2, 2, 1, (1,))
        assert ff.all_finite(x[:1]) and ff.all_finite(x[2:3]) and ff.has_nan(x) and ff.has_inf(x)
        assert ff.scan(x, target_dtype="float16").overflow == 0
    assert ff.all_finite(np.array([np.finfo(np.longdouble).smallest_subnormal]))
    assert ff.all_finite(np.array([5e-324], object))

"""Number formats: every pattern of the small ones, raw bits by name, and overflow against the real cast."""

import itertools

import arrays
import ml_dtypes
import numpy as np
import pytest
import reference
from reference import check_all, check_scan, dtype_of

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
TARGETS = tuple(name for name in arrays.FLOATS if name != "float8_e8m0fnu")
SMALL = tuple(name for name in arrays.FLOATS if dtype_of(name).itemsize < 4)


def every_pattern(name):
    width = dtype_of(name).itemsize
    return np.arange(2 ** (8 * width), dtype=f"u{width}")


@pytest.mark.parametrize("name", SMALL)
def test_every_pattern_of_the_small_formats(name):
    bits = every_pattern(name)
    values = bits.view(dtype_of(name))
    with np.errstate(all="ignore"):
        decoded = values.astype(np.float64)
        bad, nan, inf = ~np.isfinite(decoded), np.isnan(decoded), np.isinf(decoded)
    check_all(ff, values.reshape(2, -1), axes=(0, 1))
    report = ff.scan(bits, dtype=name)
    assert (report.nan, report.posinf + report.neginf) == (nan.sum(), inf.sum()) and report.dtype == name
    for n in range(0, len(bits), max(1, len(bits) // 4096)):
        one = values[n : n + 1]
        assert (ff.all_finite(one), ff.has_nan(one), ff.has_inf(one)) == (not bad[n], nan[n], inf[n])
        # ... and in the vector loop, among finite values.
        many = np.zeros(512, values.dtype)
        many[37] = one[0]
        assert ff.all_finite(many) is not bad[n]


@pytest.mark.parametrize(("name", "bits"), [("float32", "u4"), ("float64", "u8")])
def test_dense_random_patterns_of_the_large_formats(name, bits):
    rng = np.random.default_rng(5)
    width = 8 * np.dtype(bits).itemsize
    nmant = np.finfo(name).nmant
    patterns = rng.integers(0, 2**width, 300_000, dtype=bits)
    # Half of them with an exponent of all ones or one less, where it matters.
    near = patterns[::2] | np.array(((1 << (width - 1 - nmant)) - 2) << nmant, bits)
    patterns[::2] = near
    check_all(ff, patterns.view(name).reshape(-1, 3), axes=(0,))
    clean = patterns.view(name)[np.isfinite(patterns.view(name))]
    assert len(clean) > 100_000 and ff.all_finite(clean)


# ---- dtype= ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", arrays.FLOATS)
def test_raw_bits_are_read_as_the_format_named(name):
    values = arrays.mixed(name, (20, 30), share=0.3)
    width = values.itemsize
    expected = reference.scan(values)
    for raw in (values.view(f"u{width}"), values.view(f"i{width}"), values.view(f"V{width}"), values):
        for dtype in (name, dtype_of(name), dtype_of(name).type):
            check_scan(ff.scan(raw, dtype=dtype), expected)
    raw = values.view(f"u{width}")
    for layout in arrays.layouts_of(raw.dtype):
        check_scan(ff.scan(arrays.LAYOUTS[layout](raw), dtype=name), expected)
        check_scan(ff.scan(arrays.LAYOUTS[layout](raw), dtype=name, axis=0), reference.scan(values, axis=0), 0)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("offset", [1, 2, 3, 5])
def test_raw_bits_that_are_not_aligned(name, offset):
    values = arrays.mixed(name, 600, share=0.3)
    raw = np.frombuffer(b"\xff" * offset + values.tobytes(), f"V{values.itemsize}", offset=offset)
    check_scan(ff.scan(raw, dtype=name), reference.scan(values))
    for view, expected in ((raw[::-1], values[::-1]), (raw[::3], values[::3])):
        check_scan(ff.scan(view, dtype=name), reference.scan(expected))
    table, expected = raw.reshape(60, 10), values.reshape(60, 10)
    for view, right in ((table, expected), (table.T, expected.T)):
        check_scan(ff.scan(view, dtype=name, axis=0), reference.scan(right, axis=0), 0)
    clean = arrays.clean(name, 600)
    assert ff.scan(np.frombuffer(b"\xff" + clean.tobytes(), raw.dtype, offset=1), dtype=name).ok


def test_what_the_known_formats_hold_at_their_ends():
    report = ff.scan(np.array([0x3F80, 0x7FC0, 0x7F80, 0xFF80, 0x7F7F, 0x7F81, 1], np.uint16), dtype="bfloat16")
    assert (report.nan, report.posinf, report.neginf, report.first) == (2, 1, 1, (1,))
    report = ff.scan(np.array([0x38, 0x7E, 0x7F, 0xFF, 0x80, 0x78], np.uint8), dtype="float8_e4m3fn")
    assert (report.nan, report.posinf, report.neginf, report.first) == (2, 0, 0, (2,))
    report = ff.scan(np.array([0x3C, 0x7B, 0x7C, 0xFC, 0x7D, 0xFF], np.uint8), dtype="float8_e5m2")
    assert (report.nan, report.posinf, report.neginf, report.first) == (2, 1, 1, (2,))
    report = ff.scan(np.array([0x40, 0x7F, 0xFF, 0x80, 0x00], np.uint8), dtype="float8_e4m3fnuz")
    assert (report.nan, report.posinf, report.neginf, report.first) == (1, 0, 0, (3,))


@pytest.mark.parametrize("spelling", ["float16", "half", "f2", "<f2", np.float16, np.dtype("f2"), "torch.float16"])
def test_a_format_may_be_spelled_as_numpy_and_torch_do(spelling):
    assert ff.scan(np.array([0x7E00], np.uint16), dtype=spelling).nan == 1
    assert ff.scan(np.array([1e5]), target_dtype=spelling).overflow == 1


class TorchDtype:
    """Looks as torch's dtypes do."""

    def __repr__(self):
        return "torch.float8_e4m3fn"


def test_torchs_dtypes_are_known_by_their_names():
    assert ff.scan(np.array([0x7F], np.uint8), dtype=TorchDtype()).nan == 1
    assert ff.scan(np.array([1000.0]), target_dtype=TorchDtype()).target_dtype == "float8_e4m3fn"


def test_raw_bits_of_another_width_or_type_are_refused():
    with pytest.raises(ValueError, match="'bfloat16' has 2 bytes an element, but x has 4"):
        ff.scan(np.zeros(2, np.uint32), dtype="bfloat16")
    with pytest.raises(TypeError, match="must hold unsigned integers of 16 bits, not float32"):
        ff.scan(np.zeros(2, np.float32), dtype="bfloat16")
    with pytest.raises(TypeError, match="must hold unsigned integers of 8 bits, not int4"):
        ff.scan(np.zeros(2, ml_dtypes.int4), dtype="float8_e5m2")
    with pytest.raises(TypeError):
        ff.scan(np.zeros(2, [("a", "u2")]), dtype="bfloat16")


@pytest.mark.parametrize("argument", ["dtype", "target_dtype"])
@pytest.mark.parametrize("name", ["float7", "int8", "", "U3", "longdouble", 8, object(), np.int64, "(1,", "i4,,", "a",
                                  {"names": ["a"]}, {"names": ["a"], "formats": ["nonsense"]}, "(2,)f4,,"])
def test_unknown_formats_are_refused_with_those_known(argument, name):
    x = np.zeros(2, np.uint8)
    with pytest.raises(ValueError, match=rf"^{argument}=.* known are float16, float32, float64, bfloat16, "):
        ff.scan(x, **{argument: name})


# ---- target_dtype= -----------------------------------------------------------------------------------

SOURCES = (*arrays.FLOATS, *arrays.LONG, *arrays.COMPLEX, *arrays.ML_COMPLEX, *arrays.INTEGERS)


def boundary_values(source, target):
    """Values of the source around the largest finite value of the target and around where rounding to it ends."""
    source, target = arrays.part_of(dtype_of(source)), dtype_of(target)
    if source.kind in "biu":
        edges = boundary_values("longdouble", target)
        edges = edges[np.abs(edges) < 1e19]
        values = {int(edge) + step for edge in edges for step in (-1, 0, 1)}
        low, high = (0, 1) if source.kind == "b" else (int(np.iinfo(source).min), int(np.iinfo(source).max))
        return np.array([low, high, *sorted(value for value in values if low <= value <= high)], source)
    if source.itemsize == 1:
        return np.arange(256, dtype=np.uint8).view(source)
    if source.itemsize == 2:
        return np.arange(2**16, dtype=np.uint16).view(source)
    with np.errstate(all="ignore"):
        largest = np.longdouble(float(ml_dtypes.finfo(target).max))
        ulp = np.spacing(largest.astype(np.float64)) if target == np.float64 else np.longdouble(2) ** (
            np.frexp(largest)[1] - 1 - int(ml_dtypes.finfo(target).nmant))
        centres = [largest, largest + ulp / 4, largest + ulp / 2, largest + 3 * ulp / 4, largest + ulp, 2 * largest]
        values = [np.array(centre).astype(source) for centre in centres]
        values += [np.nextafter(value, np.array(way, source)) for value in values for way in (0, np.inf)]
        values += [np.nextafter(value, np.array(way, source)) for value in values for way in (0, np.inf)]
        values += [np.finfo(source).max, np.array(np.nan, source), np.array(np.inf, source)]
        return np.array([sign * value for value in values for sign in (1, -1)], source)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(SOURCES, TARGETS)))
def test_overflow_is_what_the_real_cast_does(source, target):
    values = boundary_values(source, target)
    dtype = dtype_of(source)
    if reference.is_complex(dtype):
        small = np.zeros_like(values)
        values = np.concatenate([arrays.paired(dtype, values, small), arrays.paired(dtype, small, values)])
    check_scan(ff.scan(values, target_dtype=target), reference.scan(values, target_dtype=target))
    # Each value by itself, since one that is counted too much would make up for one that is not.
    each = ff.scan(values[None], target_dtype=target, axis=0).overflow
    assert np.array_equal(each, reference.overflows(values, target))


@pytest.mark.parametrize("target", TARGETS)
def test_columns_of_overflow_are_counted(target):
    for source in ("float64", "complex64", "bfloat16", *arrays.ML_FLOATS[-2:], "int32", "longdouble"):
        values = np.resize(arrays.finite_values(source), (12, 7))
        for x in (values, values.T, values[::-1, ::2]):
            for axis in (None, 0, 1):
                expected = reference.scan(x, axis=axis, target_dtype=target)
                check_scan(ff.scan(x, axis=axis, target_dtype=target), expected, axis)


@pytest.mark.parametrize("target", TARGETS)
def test_python_numbers_overflow_as_their_exact_values(target):
    largest = int(float(ml_dtypes.finfo(dtype_of(target)).max)) or 1
    edges = {largest, *(int(abs(value)) for value in boundary_values("float64", target) if np.isfinite(value))}
    x = np.array([*(edge + step for edge in edges for step in (-1, 0, 1)), 10**400, -(10**400), None], object)
    check_scan(ff.scan(x, target_dtype=target), reference.scan(x, target_dtype=target))
    for value in x[:-1]:
        over = ff.scan(np.array([value], object), target_dtype=target).overflow
        assert over == reference.object_overflows(value, dtype_of(target)), value
    complexes = np.array([complex(0, 1e300), 1j, np.complex64(3e38)], object)
    check_scan(ff.scan(complexes, target_dtype=target), reference.scan(complexes, target_dtype=target))


def test_limits_that_everybody_should_know():
    halves = np.array([65504.0, 65519.99, 65520.0, -65520.0, np.inf, np.nan])
    report = ff.scan(halves, target_dtype="float16")
    assert (report.overflow, report.first_overflow, report.target_dtype) == (2, (2,), "float16")
    assert (report.posinf, report.nan, report.finite) == (1, 1, 4)
    assert ff.scan(np.array([448.0, 464.0, 465.0]), target_dtype="float8_e4m3fn").first_overflow == (2,)
    assert ff.scan(np.array([3.4028235677973366e38]), target_dtype=np.float32).overflow == 1
    assert ff.scan(np.array([3.4028235677973362e38]), target_dtype=np.float32).overflow == 0
    assert ff.scan(np.array([1e300]), target_dtype="float64").ok
    assert ff.scan(np.array([complex(1, 1e300)]), target_dtype="complex64").overflow == 1


def test_raw_bits_may_overflow_a_target_too():
    raw = np.array([0x7F7F, 0x3F80, 0x4780, 0x7F80], np.uint16)
    report = ff.scan(raw, dtype="bfloat16", target_dtype="float16")
    assert (report.overflow, report.first_overflow, report.posinf, report.first) == (2, (0,), 1, (3,))


def test_times_have_no_target():
    for dtype in arrays.TIMES:
        with pytest.raises(TypeError, match="target_dtype does not apply to"):
            ff.scan(np.zeros(2, dtype), target_dtype="float16")

"""Any view of memory is scanned as it is: layouts that hypothesis thinks of, and memory that ends where it does."""

import subprocess
import sys
from pathlib import Path

import arrays
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from reference import check_all, check_scan

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
DTYPES = (*arrays.NATIVE, *arrays.COMPLEX, *arrays.ML_COMPLEX, *arrays.TIMES, *arrays.LONG, "bfloat16",
          "float8_e4m3fnuz", "float8_e5m2")


@st.composite
def bases(draw):
    """An array of up to four dimensions: mostly small, some long in one of them."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 9), min_size=0, max_size=4))
    if shape and draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = draw(st.sampled_from([64, 65, 130, 257, 513, 1030]))
    while np.prod(shape) > 20_000:
        shape.pop()
    return arrays.mixed(dtype, tuple(shape), draw(st.integers(0, 99)), draw(st.sampled_from([0.0, 0.01, 0.3, 1.0])))


@st.composite
def views(draw):
    """A view of such an array: cut, reversed, transposed, repeated, unaligned, swapped, with axes of length one."""
    x = draw(bases())
    can_swap = "swapped" in arrays.layouts_of(x.dtype)
    if can_swap and draw(st.booleans()):
        x = arrays.swapped(x)
    x = arrays.lay(x, order=draw(st.permutations(range(x.ndim))), step=draw(st.integers(1, 3)),
                   gap=draw(st.integers(0, 9)), offset=draw(st.integers(0, 9)))
    x = x[tuple(slice(draw(st.integers(0, 2)), None, draw(st.sampled_from([1, 1, 2, 3, -1, -2]))) if draw(st.booleans())
                else slice(None, None, -1 if draw(st.booleans()) else None) for _ in range(x.ndim))]
    for _ in range(draw(st.integers(0, 2))):
        axis = draw(st.integers(0, x.ndim))
        x = np.expand_dims(x, axis)
        times = draw(st.integers(1, 4))
        x = np.broadcast_to(x, (*x.shape[:axis], times, *x.shape[axis + 1 :]))
    return x.transpose(draw(st.permutations(range(x.ndim))))


@given(views())
def test_every_view_is_scanned_as_the_oracle_does(x):
    check_all(ff, x, axes=range(x.ndim))


@given(views(), st.sampled_from(["float16", "float8_e4m3fn", "bfloat16"]))
def test_every_view_overflows_a_target_as_the_oracle_says(x, target):
    if x.dtype.kind in "mM" or arrays.part_of(x.dtype) == np.longdouble:
        return      # times have no target; long double is in test_formats.py
    for axis in (None, *range(x.ndim)):
        check_scan(ff.scan(x, axis=axis, target_dtype=target), reference.scan(x, axis=axis, target_dtype=target), axis)


@given(views(), st.integers(0, 50))
def test_every_view_is_listed_up_to_a_limit(x, limit):
    assert np.array_equal(ff.nonfinite(x, limit=limit), reference.nonfinite(x, limit=limit))


@given(views(), st.data())
def test_every_mask_hides_what_it_covers(x, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    mask = rng.random(x.shape) < data.draw(st.sampled_from([0, 0.5, 1]))
    check_all(ff, np.ma.MaskedArray(x, mask), axes=range(x.ndim))


@given(
    st.sampled_from(["float32", "complex64", "float16", "float8_e5m2"]),
    st.lists(st.tuples(st.integers(0, 7), st.integers(-40, 40)), max_size=5),
)
def test_any_strides_at_all_are_followed(dtype, axes):
    base = arrays.mixed(dtype, 4000, share=0.4)
    shape, strides = [length for length, _ in axes], [stride for _, stride in axes]
    check_all(ff, arrays.strided(base, shape, strides, 2000), axes=range(len(shape)))


pages = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects pages of memory as Linux does")


@pages
def test_reading_outside_would_have_been_noticed():
    script = Path(__file__).with_name("guard_pages.py")
    result = subprocess.run([sys.executable, script, "--prove"], capture_output=True, text=True)
    assert result.returncode != 0 and not result.stdout and "Traceback" not in result.stderr


@pages
@pytest.mark.parametrize("level", ff.cpu_info()["compiled"])
def test_nothing_outside_a_view_is_read(run_python, level):
    if level not in ff.cpu_info()["supported"]:
        pytest.skip("this processor does not have it")
    assert int(run_python("guard_pages.py", FASTFINITE_CPU=level)) > 4000

"""Arrays of JAX answer as the same numbers do in NumPy."""

import json

import arrays
import numpy as np
import pytest
import reference
from memory import MEGABYTE, peak_of
from optional import require
from refusals import VERDICTS, check_not_taken
from same_as_array import COMPLEX, check_arguments, check_like, check_statistics, check_unchanged, example

import fastfinite as ff
from fastfinite._accept import accept

jax = require("jax")

pytestmark = pytest.mark.usefixtures("strict_errors")
DTYPES = [name for name in (*arrays.FLOATS, *COMPLEX, *arrays.INTEGERS, "int4", "uint2") if hasattr(jax.numpy, name)]


def jax_of(dense):
    with jax.enable_x64(True):
        return jax.device_put(dense)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_of_jax_answers_as_the_array_of_its_bits(dtype):
    for shape in ((7, 6), (), (2, 3, 4), (0, 3), (3, 0)):
        dense = np.ones(shape, reference.dtype_of(dtype)) if dtype in arrays.ML_FINITE else example(dtype, shape)
        x = jax_of(dense)
        assert x.dtype == dense.dtype
        check_like(x, dense)
        if dtype not in COMPLEX:
            check_statistics(x, dense)


def test_an_array_of_jax_is_not_copied():
    x = jax.numpy.ones((2048, 1024))
    assert accept(x).array.__array_interface__["data"][0] == x.unsafe_buffer_pointer()
    for call in (*VERDICTS, ff.scan, ff.check_finite, ff.nonfinite):
        assert peak_of(lambda call=call: call(x)) < MEGABYTE


def test_what_jax_traces_is_refused_with_its_advice():
    def inside(x):
        check_not_taken(x, "traced array")
        return x.sum()

    for transform in (jax.jit, jax.vmap, jax.grad):
        transform(inside)(jax.numpy.ones((3, 3) if transform is jax.vmap else 3))


def test_keys_of_random_numbers_are_refused():
    check_not_taken(jax.random.key(0), "PRNGKey")


def test_arrays_of_jax_that_lie_in_several_pieces_are_one(run_python):
    found = run_python("""
import json, jax, numpy as np, fastfinite as ff
from jax.sharding import Mesh, NamedSharding, PartitionSpec
x = np.ones((4, 6), np.float32)
x[3, 1], x[0, 5] = np.nan, np.inf
mesh = Mesh(np.array(jax.devices()), "rows")
there = jax.device_put(x, NamedSharding(mesh, PartitionSpec("rows")))
assert len(there.devices()) == 2
print(json.dumps([ff.all_finite(there), ff.nonfinite(there).tolist(), ff.scan(there) == ff.scan(x),
                  ff.column_stats(there) == ff.column_stats(x)]))
""", XLA_FLAGS="--xla_force_host_platform_device_count=2", JAX_PLATFORMS="cpu")
    assert json.loads(found) == [False, [[0, 5], [3, 1]], True, True]


def test_arguments_are_as_for_arrays():
    check_arguments(jax_of)


def test_nothing_of_the_input_is_changed():
    check_unchanged(jax_of)

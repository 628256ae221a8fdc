"""The elementwise functions as calls of arrays alone, and the numbers that are hard for them."""

import functools

import arrays
import numpy as np
from reference import dtype_of

import fastfinite as ff

UFUNCS = (ff.sigmoid, ff.sigmoid_grad, ff.log_sigmoid, ff.softplus, ff.logit)
DTYPES = (*arrays.NATIVE, "bfloat16")

# By name: how many arrays it takes, and the call.
CALLS = {
    **{ufunc.__name__: (1, ufunc) for ufunc in UFUNCS},
    "safe_log": (1, ff.safe_log),
    "safe_log(fill=)": (2, lambda x, fill, **options: ff.safe_log(x, fill=fill, **options)),
    "safe_log(floor=)": (2, lambda x, floor, **options: ff.safe_log(x, floor=floor, **options)),
    "safe_divide": (3, lambda a, b, fill, **options: ff.safe_divide(a, b, fill=fill, **options)),
}


@functools.cache
@np.errstate(all="ignore")
def pool(dtype):
    """Numbers at the edges of the dtype and of the functions, nan of every kind, and ordinary ones of many sizes."""
    dtype = dtype_of(dtype)
    rng = np.random.default_rng(0)
    edges = [0.0, 0.5, 1.0, 17.33, 37.43, 88.7, 92.9, 103.97, 709.78, 744.44, 745.13, 746, 1e30, np.inf]
    ordinary = np.concatenate([rng.standard_normal(150) * scale for scale in (1, 10, 300)] + [rng.random(150)])
    sizes = 10.0 ** rng.uniform(-320, 308, 100) * rng.choice([1, -1], 100)
    edges = np.array([*edges, *(-x for x in edges)]).astype(dtype)
    near = [(edges.view(f"i{dtype.itemsize}") + step).view(dtype) for step in (1, -1)]
    return np.concatenate([
        edges, *near, arrays.finite_values(dtype), *arrays.bad_values(dtype).values(), ordinary.astype(dtype),
        sizes.astype(dtype),
    ])


def numbers(dtype, shape, seed=0):
    """An array of them, in an order of its own."""
    return np.resize(np.random.default_rng(seed).permutation(pool(dtype)), shape)


def operands(name, dtype, shape):
    """Arrays for one of the calls, of one shape; every third divisor is 0."""
    found = [numbers(dtype, shape, seed) for seed in range(CALLS[name][0])]
    if name == "safe_log(floor=)":
        found[1] = floors(found[1])
    if name == "safe_divide":
        found[1].reshape(-1)[::3] = 0
    return found


@np.errstate(all="ignore")
def floors(x):
    """Of each number one that may be a floor."""
    return np.where(np.isnan(x), x.dtype.type(1), np.abs(x))


def native(x):
    """The elements in an array of their own, as integers of their width."""
    x = np.array(x, x.dtype.newbyteorder("="), order="C", subok=False)
    return x.view(f"i{x.dtype.itemsize}") if x.ndim else x.reshape(1).view(f"i{x.dtype.itemsize}")


def same(found, right):
    """Whether two results are equal in dtype, shape and bits; which nan it is does not count."""
    if found.shape != right.shape or found.dtype.newbyteorder("=") != right.dtype.newbyteorder("="):
        return False
    found_bits, right_bits = native(found), native(right)
    different = found_bits != right_bits
    dtype = right.dtype.newbyteorder("=")
    with np.errstate(all="ignore"):
        return all(np.isnan(bits[different].view(dtype)).all() for bits in (found_bits, right_bits))

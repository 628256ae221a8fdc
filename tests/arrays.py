"""Nasty arrays: dtypes x layouts x sizes x contents.

Gaps between the elements of a layout hold 0xFF, a nan in nearly every format, so that an element too many is noticed.
"""

import functools
import itertools

import ml_dtypes
import numpy as np
from reference import dtype_of, kinds

NATIVE = ("float16", "float32", "float64")
LONG = ("longdouble", "clongdouble")
COMPLEX = ("complex64", "complex128")
ML_FLOATS = ("bfloat16", *sorted(name for name in dir(ml_dtypes) if name.startswith("float8_")))
ML_COMPLEX = tuple(name for name in ("complex32", "bcomplex32") if hasattr(ml_dtypes, name))
TIMES = ("datetime64[ns]", "timedelta64[D]")
FLOATS = (*NATIVE, *ML_FLOATS)
# Scanned on bits by the kernels.
BITS = (*FLOATS, *COMPLEX, *ML_COMPLEX, *TIMES)
INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
ML_FINITE = tuple(
    name for name in ("int1", "uint1", "int2", "uint2", "int4", "uint4", "float4_e2m1fn", "float6_e2m3fn",
                      "float6_e3m2fn") if hasattr(ml_dtypes, name)
)
# Around the widths of vectors, tiles, blocks and probes.
SMALL_SIZES = tuple(range(131))
SIZES = (1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025,
         4095, 4096, 4097, 9001)


def part_of(dtype):
    """The dtype of a part of a complex dtype, else the dtype."""
    parts = {"complex32": "float16", "bcomplex32": "bfloat16", "complex64": "float32", "complex128": "float64",
             "clongdouble": "longdouble", "complex256": "longdouble"}
    return dtype_of(parts.get(dtype.name, dtype))


def paired(dtype, real, imag):
    """Complex numbers from their parts, bit by bit."""
    size = max(len(real), len(imag))
    return np.stack([np.resize(real, size), np.resize(imag, size)], -1).reshape(-1).view(dtype)


@functools.cache
def finite_values(dtype):
    """Finite values of a dtype, those at its edges among them."""
    dtype = dtype_of(dtype)
    if part_of(dtype) != dtype:
        parts = finite_values(part_of(dtype))
        return paired(dtype, parts, np.roll(parts, 3))
    if dtype.kind in "biu":
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return np.array([low, high, 0, 1], dtype)
    if dtype.kind in "mM":
        return np.array([-(2**63) + 1, 2**63 - 1, 0, -1, 7], np.int64).view(dtype)
    if dtype.kind == "f" and dtype.itemsize > 1:
        info = np.finfo(dtype)
        values = [0, 1, info.max, info.tiny, info.smallest_subnormal, info.eps]
        return np.array([sign * value for value in values for sign in (1, -1)], dtype)
    if dtype.itemsize == 2:
        return np.array([0, 1, 0x80, 0x3F80, 0x7F7F, 0x8000, 0xFF7F, 0x8001], np.uint16).view(dtype)
    values = np.arange(256, dtype=np.uint8).view(dtype)
    return values[kinds(values) == 0]


@functools.cache
def bad_values(dtype):
    """Values that are not finite, by kind: every single-bit payload of nan, quiet and signalling, of either sign."""
    dtype = dtype_of(dtype)
    if part_of(dtype) != dtype:
        return bad_complex(dtype)
    if dtype.kind in "mM":
        return {"nan": np.array(["NaT"], dtype)}
    if dtype == np.longdouble and dtype.itemsize == 16 and np.finfo(dtype).nmant == 63:
        patterns = [[1 << 63 | payload, sign << 15 | 0x7FFF] for payload in payloads(63) for sign in (0, 1)]
        values = np.array(patterns, np.uint64).reshape(-1).view(dtype)
    elif dtype == np.longdouble:
        values = np.array([np.nan, np.inf, -np.inf], dtype)
    elif dtype.itemsize == 1:
        values = np.arange(256, dtype=np.uint8).view(dtype)
    else:
        width = 8 * dtype.itemsize
        nmant = int(ml_dtypes.finfo(dtype).nmant)
        inf = ((1 << (width - 1 - nmant)) - 1) << nmant
        patterns = [sign << (width - 1) | inf | payload for payload in payloads(nmant) for sign in (0, 1)]
        values = np.array(patterns, f"u{dtype.itemsize}").view(dtype)
    kind = kinds(values)
    found = {"nan": values[kind == 1], "posinf": values[kind == 2], "neginf": values[kind == 3]}
    return {name: value for name, value in found.items() if len(value)}


def payloads(nmant):
    return [0, (1 << nmant) - 1, *(1 << bit for bit in range(nmant))]


def bad_complex(dtype):
    part = part_of(dtype)
    finite, bad = finite_values(part), bad_values(part)
    nan, pos, neg = bad["nan"], bad["posinf"], bad["neginf"]
    alone = {name: [paired(dtype, values, finite), paired(dtype, finite, values)] for name, values in bad.items()}
    alone["nan"] += [paired(dtype, *pair) for inf in (pos, neg) for pair in ((nan, inf), (inf, nan))]
    alone["posinf"] += [paired(dtype, pos, pos), paired(dtype, pos, neg)]
    alone["neginf"] += [paired(dtype, neg, neg), paired(dtype, neg, pos)]
    return {name: np.concatenate(values) for name, values in alone.items()}


def clean(dtype, shape):
    """An array of finite values."""
    return np.resize(finite_values(dtype), shape)


def mixed(dtype, shape, seed=0, share=0.1):
    """An array in which about every tenth value is bad, of every kind that the dtype has."""
    rng = np.random.default_rng(seed)
    values = clean(dtype, shape)
    for bad in bad_values(dtype).values():
        where = rng.random(shape) < share / 3
        values[where] = rng.choice(bad, int(np.count_nonzero(where)))
    return values


def lay(values, *, order=None, backwards=(), step=1, gap=0, offset=0):
    """The same values in memory of another layout.

    The axes lie in memory in the given order, outermost first; some backwards; elements `step` items apart, rows with
    `gap` more bytes, all of it `offset` bytes into the buffer.
    """
    item, shape = values.dtype.itemsize, values.shape
    strides, extent = [0] * values.ndim, item * step
    for axis in reversed(range(values.ndim) if order is None else order):
        strides[axis] = extent
        extent = extent * shape[axis] + gap
    start = offset
    for axis in backwards if values.size else ():
        start += strides[axis] * (shape[axis] - 1)
        strides[axis] *= -1
    buffer = np.full(offset + extent + item, 0xFF, np.uint8)
    raw = np.ndarray(shape, f"V{item}", buffer, start, strides)
    raw[...] = values.copy().view(raw.dtype)
    return np.ndarray(shape, values.dtype, buffer, start, strides)


def strided(base, shape, strides, start=0):
    """A view at any strides in bytes, which must stay inside a base array; ``start`` bytes into it."""
    return np.ndarray(shape, base.dtype, base.view(np.uint8), start, strides)


def as_field(values):
    """The same values as the field of a packed record."""
    records = np.empty(values.shape, [("text", "S1"), ("number", values.dtype), ("more", "S2")])
    records.view(np.dtype((np.void, records.dtype.itemsize)))[...] = b"\xff" * records.dtype.itemsize
    records["number"] = values
    return records["number"]


def read_only(values):
    values = values.copy()
    values.setflags(write=False)
    return values


class Subclass(np.ndarray):
    """A subclass that answers for itself nowhere."""

    def all(self, *args, **kwargs):
        raise AssertionError("a scan asked a subclass")

    any = __getitem__ = all


def swapped(values):
    return lay(values).byteswap().view(values.dtype.newbyteorder())


def backwards(values):
    return lay(values, backwards=range(values.ndim))


LAYOUTS = {
    "C": lambda x: x.copy(),
    "Fortran": lambda x: lay(x, order=range(x.ndim)[::-1]),
    "inner axis first": lambda x: lay(x, order=(*range(1, x.ndim), 0) if x.ndim else ()),
    "every other": lambda x: lay(x, step=2),
    "every third backwards": lambda x: lay(x, step=3, backwards=range(x.ndim)),
    "padded rows": lambda x: lay(x, gap=3 * x.dtype.itemsize),
    "backwards": backwards,
    "last axis backwards": lambda x: lay(x, backwards=range(x.ndim)[-1:]),
    "unaligned": lambda x: lay(x, offset=1),
    "unaligned strided Fortran": lambda x: lay(x, order=range(x.ndim)[::-1], gap=1, offset=1),
    "swapped": swapped,
    "swapped, every other": lambda x: lay(swapped(x), step=2),
    "swapped, backwards": lambda x: backwards(swapped(x)),
    "field of a record": as_field,
    "read-only": read_only,
    "subclass": lambda x: x.copy().view(Subclass),
}


def layouts_of(dtype):
    """The names of the layouts that a dtype can have; ml_dtypes' have native byte order alone."""
    dtype = dtype_of(dtype)
    can_swap = dtype.isbuiltin == 1 and dtype.itemsize > 1
    return [name for name in LAYOUTS if can_swap or "swapped" not in name]


def dtypes_and_layouts(dtypes=BITS):
    return [(dtype, layout) for dtype in dtypes for layout in layouts_of(dtype)]


def shapes_of(size):
    """Shapes of 1 to 4 dimensions with `size` elements where that can be."""
    yield (size,)
    for first, second in itertools.product((2, 3), (4, 5)):
        if size % (first * second) == 0 and size:
            yield from [(size // first, first), (first, size // first), (first, size // first // second, second),
                        (second, 1, first, size // first // second)]
            return

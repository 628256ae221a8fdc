"""Number formats as data: where nan, inf and overflow begin in their bits.

A format says how to turn the bits ``b`` of an element into a key, ``(b & mask) ^ flip`` as a signed integer of its
width, such that nan, inf and the values that overflow a target are all the keys at or above some threshold.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import warnings
from fractions import Fraction
from typing import Any

import numpy as np

# The questions about a value, in the order of Format.questions().
NON_FINITE, NAN_ONLY, INF_ONLY = range(3)


class Format:
    """One binary floating-point format of at most 64 bits (or datetime64, whose NaT counts as nan).

    Parameters
    ----------
    name : str
        NumPy's or ml_dtypes' name of the dtype.
    bits, mantissa, bias : int
        Width, stored mantissa bits and exponent bias.
    special : {"ieee", "fn", "fnuz", "unsigned", "nat"}
        How nan and inf are encoded: as IEEE 754; nan only, as all ones; nan only, in the place of -0; nan only, in an
        exponent without sign; the smallest integer.
    """

    __slots__ = ("bias", "bits", "flip", "inf_from", "mantissa", "mask", "name", "nan_from", "special")

    def __init__(self, name: str, bits: int, mantissa: int, bias: int, special: str = "ieee") -> None:
        self.name, self.bits, self.mantissa, self.bias, self.special = name, bits, mantissa, bias, special
        largest = (1 << (bits - 1)) - 1
        self.mask, self.flip = largest, 0
        if special == "ieee":
            self.inf_from = largest >> mantissa << mantissa
            self.nan_from = self.inf_from + 1
        else:
            self.inf_from = self.nan_from = largest
            if special in ("fnuz", "nat"):      # the one pattern with only the sign bit set
                self.mask = self.flip = -1
            elif special == "unsigned":         # the one pattern with every bit set
                self.mask, self.flip = -1, -largest - 1

    @property
    def magnitude_keys(self) -> bool:
        """Whether keys grow with the magnitude of the value."""
        return self.flip == 0

    @property
    def near_constant(self) -> tuple[float, str]:
        """How near constant is near, as a share of the size: some ten times the resolution; and the dtype of that."""
        # Columns of half precision are made from wider ones.
        return (1e-15, "float64") if self.mantissa > 23 else (1e-6, "float32")

    @property
    def itemsize(self) -> int:
        """Width in bytes."""
        return self.bits // 8

    def questions(self) -> tuple[tuple[int, int, int], ...]:
        """(mask, flip, threshold) for "not finite", "nan" and "inf"."""
        largest = (1 << (self.bits - 1)) - 1
        # Without inf the question looks at no bits, so the answer is never yes.
        inf = (self.mask, self.inf_from ^ largest, largest) if self.special == "ieee" else (0, 0, 1)
        return (
            (self.mask, self.flip, self.inf_from),
            (self.mask, self.flip, self.nan_from),
            inf,
        )

    def thresholds(self, target: Format | None = None) -> tuple[int, int, int, int, int]:
        """(mask, flip, over_from, inf_from, nan_from) for a scan, with overflow of ``target`` where given."""
        over = self.inf_from if target is None else overflow_key(self, target)
        return self.mask, self.flip, over, self.inf_from, self.nan_from

    def value(self, pattern: int) -> float:
        """The number that the bits ``pattern`` stand for."""
        if self.special == "unsigned":
            return math.nan if pattern == (1 << self.bits) - 1 else math.ldexp(1.0, pattern - self.bias)
        sign = -1.0 if pattern >> (self.bits - 1) else 1.0
        magnitude = pattern & ((1 << (self.bits - 1)) - 1)
        if self.special == "fnuz":
            if pattern == 1 << (self.bits - 1):
                return math.nan
        elif magnitude >= self.nan_from:
            return math.nan
        elif magnitude >= self.inf_from:
            return sign * math.inf
        exponent, fraction = magnitude >> self.mantissa, magnitude & ((1 << self.mantissa) - 1)
        if exponent:
            fraction += 1 << self.mantissa
        return sign * math.ldexp(fraction, max(exponent, 1) - self.bias - self.mantissa)

    def overflow_limit(self) -> tuple[Fraction, bool]:
        """The number halfway past the largest finite one, and whether it overflows itself (ties go to even)."""
        if self.special == "fnuz" or self.special == "unsigned":
            last = (1 << (self.bits - 1)) - 1 if self.special == "fnuz" else (1 << self.bits) - 2
        else:
            last = self.inf_from - 1
        largest = Fraction(self.value(last))
        return largest + (largest - Fraction(self.value(last - 1))) / 2, bool(last & 1)

    def float_limit(self) -> tuple[float, bool]:
        """The same among the numbers of float64, none of which overflows float64: inf."""
        limit, included = self.overflow_limit()
        return (float(limit), included) if limit <= sys.float_info.max else (math.inf, True)

    def exp_limit(self) -> float:
        """The number beyond which exp overflows in this format."""
        return math.log(min(self.float_limit()[0], sys.float_info.max))

    def overflows(self, value: float | Fraction) -> bool:
        """Whether a finite magnitude becomes inf (nan where the format has no inf) when cast to this format."""
        limit, included = self.overflow_limit()
        return value >= limit if included else value > limit


FORMATS = {
    entry.name: entry
    for entry in (
        Format("float16", 16, 10, 15),
        Format("float32", 32, 23, 127),
        Format("float64", 64, 52, 1023),
        Format("bfloat16", 16, 7, 127),
        Format("float8_e3m4", 8, 4, 3),
        Format("float8_e4m3", 8, 3, 7),
        Format("float8_e4m3fn", 8, 3, 7, "fn"),
        Format("float8_e4m3fnuz", 8, 3, 8, "fnuz"),
        Format("float8_e4m3b11fnuz", 8, 3, 11, "fnuz"),
        Format("float8_e5m2", 8, 2, 15),
        Format("float8_e5m2fnuz", 8, 2, 16, "fnuz"),
        Format("float8_e8m0fnu", 8, 0, 127, "unsigned"),
    )
}
NAT = Format("datetime64", 64, 0, 0, "nat")
# The complex dtypes of two parts each.
COMPLEX = {"complex64": "float32", "complex128": "float64", "complex32": "float16", "bcomplex32": "bfloat16"}
# Formats of ml_dtypes without nan and inf: finite by type, as integers are.
FINITE_BY_TYPE = ("float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "int1", "uint1", "int2", "uint2", "int4", "uint4")
# Formats that NumPy casts to itself; ml_dtypes casts float64 and wider to the others by way of float32.
NATIVE = ("float16", "float32", "float64")

# The smallest positive number of the dtypes that functions and losses are made for.
SMALLEST = {"float16": 2.0**-24, "float32": 2.0**-149, "float64": 2.0**-1074, "bfloat16": 2.0**-133}


def of_name(name: Any, argument: str) -> Format:
    """The format that a user named, as a string, a dtype or a scalar type (torch's dtypes by their names)."""
    text = str(name) if str(name).startswith("torch.") else name
    if not isinstance(text, str):
        text = _dtype_name(name)
    text = text.removeprefix("torch.")
    if text not in FORMATS:
        text = _dtype_name(text)
    if argument == "target_dtype":
        text = COMPLEX.get(text, text)
    if text not in FORMATS or (argument == "target_dtype" and text == "float8_e8m0fnu"):
        known = ", ".join(key for key in FORMATS if argument == "dtype" or key != "float8_e8m0fnu")
        raise ValueError(f"{argument}={name!r} is not a floating-point format known here; known are {known}")
    return FORMATS[text]


def _dtype_name(name: Any) -> str:
    """What NumPy calls a dtype, or what the user wrote where NumPy does not know it."""
    # Its parser raises nearly anything, and warns of spellings that are going.
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("error")
        known: str = np.dtype(name).name
        return known
    return str(name)


def of_dtype(dtype: np.dtype[Any]) -> Format | None:
    """The format of an element of ``dtype`` (of its parts where complex), or None."""
    if dtype.kind in "mM":
        return NAT
    return FORMATS.get(COMPLEX.get(dtype.name, dtype.name))


def is_ml_dtype(dtype: np.dtype[Any]) -> bool:
    """Whether ``dtype`` is one of ml_dtypes' (told without importing that package)."""
    return dtype.type.__module__.partition(".")[0] == "ml_dtypes"


def values_of_bits(bits: np.ndarray[Any, Any], form: Format) -> np.ndarray[Any, Any]:
    """The numbers that the bits of a format stand for which NumPy has not, as float32."""
    raw = np.ascontiguousarray(bits).view(f"u{form.itemsize}").reshape(bits.shape)
    if form.bits == 8:
        return np.array([form.value(pattern) for pattern in range(256)], np.float32)[raw]
    # bfloat16 is the upper half of float32.
    return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)


@functools.cache
def overflow_key(source: Format, target: Format) -> int:
    """The smallest key of ``source`` that overflows ``target``; ``source.inf_from`` where none does."""
    by_way_of_single = source.name == "float64" and target.name not in NATIVE
    low, high = 0, source.inf_from
    while low < high:
        middle = (low + high) // 2
        value = source.value(middle)
        if by_way_of_single:
            with np.errstate(all="ignore"):
                value = float(np.float32(value))
        if target.overflows(value):
            high = middle
        else:
            low = middle + 1
    return low

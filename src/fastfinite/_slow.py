"""Scans that are right and not fast: long double, objects, masked cells, and integers that may overflow a target.

Values are taken in C order, CHUNK at a time, each is given a code, and the codes are counted. Extra memory is a few
times CHUNK, whatever the layout.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Accepted, Array
from fastfinite._formats import Format

CHUNK = 1 << 14
FINITE, NAN, POSINF, NEGINF, OVERFLOW, NULL, MASKED = range(7)
_NCODES = 7
CODE_OF_COUNT = {"masked": MASKED, "nan": NAN, "posinf": POSINF, "neginf": NEGINF, "null": NULL, "overflow": OVERFLOW}


def codes(accepted: Accepted, target: Format | None) -> Iterator[tuple[int, Array]]:
    """Yield (C-order index of the first, code of each) for one chunk of values after another."""
    array = accepted.array.view(np.ndarray)
    for start in range(0, array.size, CHUNK):
        block = array.flat[start : start + CHUNK]
        missing = None if accepted.mask is None else accepted.mask.flat[start : start + CHUNK]
        with np.errstate(all="ignore"):
            code = _classify(block, accepted, target, missing, start)
        if missing is not None:
            code[missing] = NULL if accepted.nulls else MASKED
        yield start, code


def holds_numbers(accepted: Accepted) -> bool:
    """Whether the objects of an array are all numbers, None or masked."""
    try:
        for _ in codes(accepted, None):
            pass
    except TypeError:
        return False
    return True


def kind_of(accepted: Accepted, index: tuple[int, ...]) -> int:
    """The code of one value."""
    if accepted.nulls and accepted.mask is not None and accepted.mask[index]:
        return NULL
    block = accepted.array.view(np.ndarray)[(*index, np.newaxis)]
    with np.errstate(all="ignore"):
        return int(_classify(block, accepted, None, None, 0)[0])


def codes_of_values(values: Array, missing: Array | None, nulls: bool) -> Array:
    """The codes of some long doubles or objects."""
    code = _classify(values, Accepted(values, "values", None, 1, None, values.dtype.name), None, missing, 0)
    if missing is not None:
        code[missing] = NULL if nulls else MASKED
    return code


def tally(accepted: Accepted, target: Format | None, axis: int | None) -> tuple[dict[str, Any], int, int]:
    """Counts by name, and the C-order indices of the first bad and the first overflowing value (-1 for none)."""
    shape = accepted.array.shape
    rest = () if axis is None else shape[:axis] + shape[axis + 1 :]
    totals = np.zeros(math.prod(rest) * _NCODES, np.intp)
    first = first_over = -1
    for start, code in codes(accepted, target):
        if axis is None:
            column: Array | int = 0
        else:
            index = np.unravel_index(np.arange(start, start + len(code)), shape)
            others = index[:axis] + index[axis + 1 :]
            column = np.ravel_multi_index(others, rest) if rest else 0
        totals += np.bincount(column * _NCODES + code, minlength=len(totals))
        if first < 0:
            first = _first(start, (code != FINITE) & (code != OVERFLOW) & (code != MASKED))
        if first_over < 0:
            first_over = _first(start, code == OVERFLOW)
    table = totals.reshape((*rest, _NCODES))
    counts = {name: table[..., code] if axis is not None else int(table[code]) for name, code in CODE_OF_COUNT.items()}
    return counts, first, first_over


def _first(start: int, found: Array) -> int:
    return start + int(found.argmax()) if found.any() else -1


def _classify(
    block: Array, accepted: Accepted, target: Format | None, missing: Array | None, start: int
) -> Array:
    if accepted.how == "bits":
        return _classify_bits(block, accepted, target)
    if block.dtype.kind == "O":
        return _classify_objects(block, target, missing, start)
    code = np.zeros(block.shape, np.intp)
    if accepted.how == "finite":
        limit = integer_limit(block.dtype, target)
        if limit is not None:
            code[block >= limit] = OVERFLOW
            if block.dtype.kind == "i":
                code[block <= -limit] = OVERFLOW
        return code
    parts = block.view(np.real(block).dtype).reshape(len(block), -1)
    if target is not None:
        code[_overflowing_long(parts, target).any(axis=1)] = OVERFLOW
    _put_kinds(code, parts, np.isinf(parts), np.isnan(parts))
    return code


def _put_kinds(code: Array, parts: Array, infinite: Array, nan: Array) -> None:
    """Complex numbers: nan if either part is, else inf if either is, with the sign of the real part where both are."""
    sign_from = np.where(infinite[:, 0], parts[:, 0], parts[:, -1])
    code[infinite.any(axis=1)] = POSINF
    code[infinite.any(axis=1) & (sign_from < 0)] = NEGINF
    code[nan.any(axis=1)] = NAN


def _overflowing_long(parts: Array, target: Format) -> Array:
    """Which long doubles overflow, as NumPy and ml_dtypes cast them."""
    if target.name in _formats.NATIVE:
        return np.asarray(np.isinf(parts.astype(target.name)))
    by_way = np.abs(parts.astype(np.float32))
    limit, included = target.overflow_limit()
    # The limit of every such format is a float32.
    return np.asarray(by_way >= float(limit) if included else by_way > float(limit))


def _classify_bits(block: Array, accepted: Accepted, target: Format | None) -> Array:
    form = accepted.format
    assert form is not None
    # A swap of the bytes as they lie works for every dtype; astype would not for raw bits and for ml_dtypes'.
    raw = np.ascontiguousarray(block).view(f"i{form.itemsize}").reshape(len(block), -1)
    if not accepted.array.dtype.isnative:
        raw = raw.byteswap()
    key = (raw & raw.dtype.type(form.mask)) ^ raw.dtype.type(form.flip)
    code = np.zeros(len(block), np.intp)
    if target is not None:
        code[_overflowing(raw, key, form, target).any(axis=1)] = OVERFLOW
    _put_kinds(code, raw, (key >= form.inf_from) & (key < form.nan_from), key >= form.nan_from)
    return code


def _overflowing(raw: Array, key: Array, form: Format, target: Format) -> Array:
    if form.magnitude_keys:
        return (key >= form.thresholds(target)[2]) & (key < form.inf_from)
    values = [abs(form.value(pattern)) for pattern in range(256)]
    table = np.array([math.isfinite(value) and target.overflows(value) for value in values])
    return table[raw.view(np.uint8)]


def integer_limit(dtype: np.dtype[Any], target: Format | None) -> int | None:
    """The smallest integer that overflows ``target``, or None where no value of ``dtype`` does."""
    if target is None or dtype.kind not in "iu":
        return None
    limit, included = target.overflow_limit()
    smallest = math.ceil(limit) if included or limit.denominator > 1 else int(limit) + 1
    return smallest if smallest <= np.iinfo(dtype).max else None


def _classify_objects(block: Array, target: Format | None, missing: Array | None, start: int) -> Array:
    code = np.zeros(len(block), np.intp)
    for i, value in enumerate(block):
        if missing is None or not missing[i]:
            code[i] = _classify_object(value, target, start + i)
    return code


def _classify_object(value: object, target: Format | None, index: int) -> int:
    if value is None or type(value).__name__ == "NAType":       # pandas.NA
        return NULL
    if isinstance(value, Decimal):
        if not value.is_finite():
            return NAN if value.is_nan() else POSINF if value > 0 else NEGINF
        return OVERFLOW if target is not None and target.overflows(abs(Fraction(value))) else FINITE
    if not isinstance(value, (numbers.Number, np.bool_)) or isinstance(value, (np.datetime64, np.timedelta64)):
        raise TypeError(f"cannot scan dtype object: the value at flat index {index} is of type {type(value).__name__}; "
                        "numbers and None are understood")
    is_complex = isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real)
    number: Any = value
    parts = (number.real, number.imag) if is_complex else (number,)
    sizes = [_size(part, index) for part in parts]
    if any(math.isnan(size) for size in sizes):
        return NAN
    for size in sizes:
        if math.isinf(size):
            return POSINF if size > 0 else NEGINF
    return OVERFLOW if target is not None and any(target.overflows(abs(exact(part))) for part in parts) else FINITE


def _size(part: Any, index: int) -> float:
    """A number as a float: nan, inf of its sign, or something finite where it is finite."""
    # Not part != part: there are number classes whose nan equals itself.
    if isinstance(part, (int, float, Fraction)):
        return part if isinstance(part, float) else 0.0
    if isinstance(part, np.generic):        # a long double may be finite beyond float64
        return 0.0 if np.isfinite(part) else float(part)
    try:
        return float(part)
    except OverflowError:
        return 0.0
    except Exception as error:
        raise TypeError(f"cannot scan dtype object: the value at flat index {index} is of type {type(part).__name__}, "
                        "which does not become a float") from error


def exact(part: Any) -> Fraction:
    """A finite number as a fraction; by way of float64 where its class does not say."""
    if isinstance(part, np.bool_):
        return Fraction(bool(part))
    if hasattr(part, "as_integer_ratio"):
        return Fraction(*(int(n) for n in part.as_integer_ratio()))
    if isinstance(part, numbers.Rational):
        return Fraction(int(part.numerator), int(part.denominator))
    return Fraction(float(part))

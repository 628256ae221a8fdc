"""The cells of a CSV file as numbers: which words are null, nan and inf, and what is text.

Arrow converts columns of plain numbers by itself, quickly. `Cells` looks at the others cell by cell, vectorized.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from fastfinite._accepted import Accepted, Array
from fastfinite._arrow_columns import flags, memory_of, missing, with_nulls
from fastfinite._files import library

# Compared in lower case, without the spaces around. Spreadsheets write their errors as #NUM!, C as 1.#IND.
NULL_WORDS = ("", "na", "n/a", "#n/a", "#na", "#n/a n/a", "null", "none", "<na>", "nat", "#null!")
_NAN_WORDS = ("nan", "+nan", "-nan", "nan(ind)", "-nan(ind)", "nan(snan)", "-nan(snan)", "1.#nan", "-1.#nan", "1.#ind",
              "-1.#ind", "1.#qnan", "-1.#qnan", "1.#snan", "-1.#snan", "#num!", "#div/0!", "#value!", "#ref!", "#name?")
_POSINF_WORDS = ("inf", "+inf", "infinity", "+infinity", "1.#inf", "+1.#inf", "∞", "+∞")
_NEGINF_WORDS = ("-inf", "-infinity", "-1.#inf", "-∞")
_WORDS = (*NULL_WORDS, *_NAN_WORDS, *_POSINF_WORDS, *_NEGINF_WORDS)
_NULL, _NAN, _POSINF, _NEGINF = range(4)
_KINDS = np.repeat(
    np.array([_NULL, _NAN, _POSINF, _NEGINF], np.int8),
    [len(NULL_WORDS), len(_NAN_WORDS), len(_POSINF_WORDS), len(_NEGINF_WORDS)],
)
# What Arrow makes of columns of numbers.
_DTYPES = {"int64": "int64", "double": "float64"}
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eEdD][+-]?[0-9]+)?$"
# As Fortran writes them.
_DOUBLE_EXPONENT = r"[dD]"
_DECIMAL_COMMA = r"^([+-]?[0-9]*),([0-9]+([eE][+-]?[0-9]+)?)$"
# Spellings of NULL_WORDS that Arrow takes for null by itself; all others take the slower way.
PLAIN_NULLS = ["", "NA", "N/A", "n/a", "#N/A", "#NA", "NULL", "null", "None", "<NA>", "NaT"]


class Cells(NamedTuple):
    """The cells of some rows of a column.

    Attributes
    ----------
    accepted : Accepted
        The numbers; where there is text, something that has no meaning.
    numeric : bool
        Whether one of them is a number written in digits.
    text : int or None
        The first that is neither a number nor one of the words above.
    """

    accepted: Accepted
    numeric: bool
    text: int | None


def of_numbers(column: Any, numeric: bool) -> Cells:
    """A column that Arrow has converted: of numbers, or of nulls alone; `numeric` if a number is known to be in it."""
    if str(column.type) == "null":
        return Cells(with_nulls(np.zeros(len(column)), np.ones(len(column), np.bool_)), False, None)
    numbers, gaps = memory_of(column, _DTYPES[str(column.type)]), missing(column)
    # Of nan and inf it is not known any more how they were written.
    numeric = numeric or bool(np.isfinite(numbers if gaps is None else numbers[~gaps]).any())
    return Cells(with_nulls(numbers, gaps), numeric, None)


def of_strings(column: Any, decimal_comma: bool) -> Cells:
    """A column of strings."""
    compute: Any = library("pyarrow.compute", "parquet")
    trimmed = compute.ascii_trim_whitespace(column)
    found = compute.index_in(compute.ascii_lower(trimmed), value_set=_words()).fill_null(-1)
    words = memory_of(found, "int32")
    kinds = np.where(words < 0, np.int8(-1), _KINDS[words])
    if decimal_comma:
        trimmed = compute.replace_substring_regex(trimmed, pattern=_DECIMAL_COMMA, replacement=r"\1.\2")
    numeric = compute.match_substring_regex(trimmed, pattern=_NUMBER)
    digits = flags(numeric)
    numbers = np.zeros(len(column))
    numbers[digits] = _converted(compute, trimmed.filter(numeric))
    for kind, value in ((_NAN, np.nan), (_POSINF, np.inf), (_NEGINF, -np.inf)):
        numbers[kinds == kind] = value
    text = np.flatnonzero(~digits & (kinds < 0))
    return Cells(with_nulls(numbers, _any(kinds == _NULL)), bool(digits.any()), int(text[0]) if len(text) else None)


def is_number(cell: str, decimal_comma: bool) -> bool:
    """Whether a cell is a number or one of the words that may stand for one."""
    array = library("pyarrow", "parquet").array([cell.encode("utf-8", "replace")], "binary").cast("string")
    return of_strings(array, decimal_comma).text is None


@functools.cache
def _words() -> Any:
    return library("pyarrow", "parquet").array(_WORDS, "string")


def _converted(compute: Any, digits: Any) -> Array:
    plain = compute.replace_substring_regex(digits, pattern=_DOUBLE_EXPONENT, replacement="e")
    plain = compute.replace_substring_regex(plain, pattern=r"^\+", replacement="")
    try:
        numbers = memory_of(plain.cast("double"), "float64")
    except ValueError:      # older versions of Arrow refuse what overflows
        numbers = np.array([float(cell) for cell in plain.to_pylist()], np.float64)
    return numbers


def _any(gaps: Array) -> Array | None:
    return gaps if gaps.any() else None

"""The scanning API: accept the input, ask the kernels, put the answer into a report."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastfinite import _core, _formats, _slow
from fastfinite._accept import Accepted, Array, accept, fields_of
from fastfinite._formats import Format
from fastfinite._report import KINDS, NonFiniteError, ScanReport, describe

T = TypeVar("T")

# The questions of `answer`, in the order of Format.questions().
NON_FINITE, NAN_ONLY, INF_ONLY = range(3)
_ASKED_FOR = (("nan", "posinf", "neginf", "null"), ("nan",), ("posinf", "neginf"))
_CODES = tuple([_slow.CODE_OF_COUNT[name] for name in names] for names in _ASKED_FOR)
_LABELS = {_slow.CODE_OF_COUNT[name]: label for name, label in KINDS.items()}
# nonfinite(limit=) on data that does not lie in C order takes about so many values at a time.
_SLAB = 1 << 16
# check_finite counts by column, which takes memory for each, up to so many.
_MOST_COLUMNS = 1 << 16


def answer(x: object, question: int) -> bool:
    """Whether `x`, of any kind that can be scanned, holds a value of the kind asked for."""
    return _answer(accept(x), question)


def _answer(accepted: Accepted, question: int) -> bool:
    if accepted.how == "finite":
        return False
    if accepted.how == "fields":
        fields, refused = _scannable(accepted)
        found = any(_answer(field, question) for _, field in fields)
        if refused and not found:
            raise _unscanned(accepted, refused)
        return found
    if accepted.how == "bits":
        assert accepted.format is not None
        found = _core.search(accepted.array, accepted.format.questions()[question], accepted.parts)
        if not found or (accepted.mask is None and not (question == INF_ONLY and accepted.parts == 2)):
            return found
    counts = _tally(accepted, None, None)[0]
    return any(counts[name] for name in _ASKED_FOR[question])


def _unscanned(accepted: Accepted, refused: Sequence[str]) -> TypeError:
    return TypeError(f"cannot scan the fields {', '.join(map(repr, refused))} of {accepted.array.dtype}: they hold no "
                     "numbers; choose the others, or use scan, which lists what it leaves out")


def _scannable(accepted: Accepted) -> tuple[list[tuple[str, Accepted]], list[str]]:
    fields, refused = fields_of(accepted)
    if not fields:
        raise TypeError(f"cannot scan dtype {accepted.array.dtype}: none of its fields holds numbers")
    return fields, refused


def _tally(accepted: Accepted, target: Format | None, axis: int | None) -> tuple[dict[str, Any], int, int]:
    """Counts by name and the C-order indices of the first bad and first overflowing value (-1 for none)."""
    array, shape = accepted.array, accepted.array.shape
    rest = () if axis is None else shape[:axis] + shape[axis + 1 :]
    names = ("nan", "posinf", "neginf", "null", "masked", "overflow")
    counts: dict[str, Any] = {name: 0 if axis is None else np.zeros(rest, np.intp) for name in names}
    clean = False
    if accepted.how == "finite":
        clean = _slow.integer_limit(array.dtype, target) is None
    elif accepted.how == "bits":
        form = accepted.format
        assert form is not None
        if target is None or form.magnitude_keys:
            totals, first, first_over, columns = _core.tally(
                array, form.thresholds(target), accepted.parts, -1 if axis is None else axis
            )
            clean = not any(totals)
            if accepted.mask is None:
                found = totals if columns is None else np.ascontiguousarray(np.moveaxis(columns, -1, 0))
                counts.update(zip(("nan", "posinf", "neginf", "overflow"), found))
                return counts, first, first_over
    if not clean:
        return _slow.tally(accepted, target, axis)
    if accepted.mask is not None:
        masked = np.count_nonzero(accepted.mask, axis=axis)
        counts["masked"] = int(masked) if axis is None else np.asarray(masked)
    return counts, -1, -1


def scan(
    x: object, *, axis: int | None = None, dtype: object = None, target_dtype: object = None
) -> ScanReport:
    """Count the values of each non-finite kind, and find the first.

    Parameters
    ----------
    x : array_like
        Any shape, layout and real or complex dtype: float16, float32, float64, long double, ml_dtypes' formats,
        integers and bool (finite by type), datetime64 and timedelta64 (NaT counts as nan), records (field by field),
        masked arrays (masked cells are missing), and object arrays of numbers and None.
    axis : int, optional
        Count along this axis: the counts become arrays, one for each column. Totals are then in ``.totals``.
    dtype : str or dtype, optional
        The format of raw bits in an array of integers or of void: "bfloat16", "float8_e4m3fn", "float8_e5m2", ...
    target_dtype : str or dtype, optional
        Count in ``.overflow`` the finite values that would become inf when cast to this format.

    Returns
    -------
    ScanReport
        True when nothing was found.

    Raises
    ------
    TypeError
        If the dtype cannot be scanned (text, raw bytes, objects that are no numbers), with the reason.
    ValueError
        If `dtype` or `target_dtype` is unknown or of another width, or `axis` is out of range (`AxisError`).

    See Also
    --------
    all_finite : The verdict alone, with early exit.
    check_finite : Raise instead of reporting.

    Notes
    -----
    Exact, on bits: no rounding, no floating-point flag, no warning. A complex value is nan if either part is, else inf
    if either part is, with the sign of its real part where both are.

    Cost: one pass at the speed of memory where the data is clean; totals of data that is bad throughout take some 1.3
    times as long, counts by column of such data 10 times. Extra memory O(1), with `axis` O(columns).

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> x = np.ones((4, 3), np.float32)
    >>> x[2, 1] = np.nan
    >>> report = ff.scan(x)
    >>> report.nan, report.first
    (1, (2, 1))
    >>> print(report)
    array (4 x 3 float32) has 1 non-finite value: 1 nan; first nan at row 2, column 1
    >>> ff.scan(x, axis=0).columns
    array([1])
    >>> ff.scan(np.array([1.0, 70000.0]), target_dtype="float16").overflow
    1
    """
    accepted = accept(x, dtype)
    target = None if target_dtype is None else _formats.of_name(target_dtype, "target_dtype")
    if axis is not None:
        axis = normalized_axis(axis, accepted.array.ndim)
    return _report(accepted, target, axis)


def whole_number(value: Any, name: str) -> int:
    """An argument that has to be an integer, or a TypeError that names it."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None


def normalized_axis(axis: object, ndim: int) -> int:
    """The axis as a number from 0, or NumPy's AxisError."""
    number = whole_number(axis, "axis")
    if not -ndim <= number < ndim:
        raise np.exceptions.AxisError(number, ndim)
    return number % ndim


def _report(accepted: Accepted, target: Format | None, axis: int | None) -> ScanReport:
    if accepted.how == "fields":
        return _report_fields(accepted, target, axis)
    array = accepted.array
    if target is not None and array.dtype.kind in "mM":
        raise TypeError(f"target_dtype does not apply to {array.dtype}")
    counts, first, first_over = _tally(accepted, target, axis)
    index = _unravel(first, array.shape)
    return ScanReport(
        array.shape,
        accepted.label,
        size=array.size,
        counts=counts,
        axis=axis,
        target_dtype=None if target is None else target.name,
        first=index,
        # None where another thread has mended the value meanwhile.
        first_kind=None if index is None else _LABELS.get(_slow.kind_of(accepted, index)),
        first_overflow=_unravel(first_over, array.shape),
    )


def _unravel(index: int, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    return None if index < 0 else tuple(int(i) for i in np.unravel_index(index, shape))


def _report_fields(accepted: Accepted, target: Format | None, axis: int | None) -> ScanReport:
    """Records: every field of numbers, its values counted together; indices are those of the records."""
    if axis is not None:
        raise ValueError("axis does not apply to records; scan their fields one by one")
    shape = accepted.array.shape
    fields, refused = _scannable(accepted)
    reports = [(name, _report(field, target, None)) for name, field in fields]
    total: dict[str, Any] = {
        name: sum(getattr(report, name) for _, report in reports)
        for name in ("nan", "posinf", "neginf", "null", "masked", "overflow")
    }
    # A field may be an array itself: the index of its record is the leading part.
    firsts = [(report.first[: len(shape)], i) for i, (_, report) in enumerate(reports) if report.first is not None]
    overs = [report.first_overflow[: len(shape)] for _, report in reports if report.first_overflow is not None]
    first, where = min(firsts) if firsts else (None, None)
    return ScanReport(
        shape,
        accepted.label,
        size=sum(report.size for _, report in reports),
        counts=total,
        target_dtype=None if target is None else target.name,
        first=first,
        first_kind=None if where is None else reports[where][1].first_kind,
        first_field=None if where is None else reports[where][0],
        first_overflow=min(overs) if overs else None,
        fields=tuple(name for name, report in reports if not report.ok),
        not_scanned=tuple(refused),
    )


def nonfinite(x: object, *, limit: int | None = None) -> NDArray[np.intp]:
    """Indices of the values that are not finite, as ``np.argwhere(~np.isfinite(x))``.

    Parameters
    ----------
    x : array_like
        As for `scan`, but for records.
    limit : int, optional
        At most so many, the first in C order.

    Returns
    -------
    ndarray of intp, shape (found, x.ndim)
        In C order, whatever the layout. Masked cells are not listed.

    Raises
    ------
    TypeError
        If the dtype cannot be scanned.
    ValueError
        If `limit` is negative.

    Notes
    -----
    Cost: one pass at the speed of memory, and memory for what is found alone.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> ff.nonfinite(np.array([[1.0, np.nan], [np.inf, 2.0]]))
    array([[0, 1],
           [1, 0]])
    """
    accepted = accept(x)
    if accepted.how == "fields":
        raise TypeError("nonfinite does not list records; scan their fields one by one")
    most = accepted.array.size if limit is None else whole_number(limit, "limit")
    if most < 0:
        raise ValueError(f"limit must be at least 0, not {limit}")
    most = min(most, accepted.array.size)
    found = _indices(accepted, NON_FINITE, most)
    shape = accepted.array.shape
    if not shape:
        return np.empty((len(found), 0), np.intp)
    return np.stack(np.unravel_index(found, shape), axis=-1).astype(np.intp, copy=False).reshape(len(found), len(shape))


def _indices(accepted: Accepted, question: int, limit: int) -> NDArray[np.intp]:
    """C-order indices of the values of the kind asked for, ascending, `limit` at most."""
    if accepted.how == "finite" or limit == 0 or accepted.array.size == 0:
        return np.empty(0, np.intp)
    plain = accepted.how == "bits" and accepted.mask is None
    if not plain or (question == INF_ONLY and accepted.parts == 2):
        found = [np.empty(0, np.intp)]
        for start, code in _slow.codes(accepted, None):
            found.append(start + np.flatnonzero(np.isin(code, _CODES[question]))[:limit])
            limit -= len(found[-1])
            if limit == 0:
                break
        return np.concatenate(found)
    assert accepted.format is not None
    asked = accepted.format.questions()[question]
    # Collecting visits every repeat of a broadcast array; most often there is nothing to collect.
    if not _core.search(accepted.array, asked, accepted.parts):
        return np.empty(0, np.intp)
    return _indices_of_bits(accepted.array, asked, accepted.parts, limit)


def _indices_of_bits(array: Array, question: tuple[int, int, int], parts: int, limit: int) -> NDArray[np.intp]:
    # The kernels go through memory in its own order. Where that is not C order, either everything is collected and
    # sorted, or, with a limit that ends early, slabs along the first axis are.
    if array.flags.c_contiguous or limit >= array.size or array.size <= _SLAB:
        found = _core.collect_indices(array, question, parts, limit if array.flags.c_contiguous else array.size)
        return found if array.flags.c_contiguous else np.sort(found)[:limit]
    row = array.size // array.shape[0]
    step = max(1, _SLAB // row)
    slabs = [np.empty(0, np.intp)]
    for start in range(0, array.shape[0], step):
        slab = array[start] if step == 1 else array[start : start + step]
        slabs.append(start * row + _indices_of_bits(slab, question, parts, limit))
        limit -= len(slabs[-1])
        if limit == 0:
            break
    return np.concatenate(slabs)


def nan_report(accepted: Accepted) -> ScanReport:
    """The totals of what counts as nan alone, None and NaT with it."""
    report = _report(accepted, None, None)
    found = _indices(accepted, NAN_ONLY, 1)
    index = _unravel(int(found[0]), report.shape) if len(found) else None
    kinds = {"nan": report.nan, "null": report.null}
    return ScanReport(report.shape, report.dtype, size=report.size, counts=kinds, first=index,
                      first_kind=None if index is None else KINDS["nan"])


def pass_over_nan(report: ScanReport, accepted: Accepted) -> None:
    """Make the ``first`` of a report of totals the first infinite value."""
    if report.first is None or report.first_kind in ("+inf", "-inf"):
        return
    report.first = report.first_kind = report.first_field = None
    if not report.posinf + report.neginf:
        return
    parts: list[tuple[str | None, Accepted]] = [(None, accepted)]
    if accepted.how == "fields":
        parts = [*fields_of(accepted)[0]]
    found = []
    for name, part in parts:
        for flat in _indices(part, INF_ONLY, 1):
            index = tuple(int(i) for i in np.unravel_index(flat, part.array.shape))
            # A field may be an array itself: the index of its record is the leading part.
            found.append((index[: accepted.array.ndim], _LABELS.get(_slow.kind_of(part, index)), name))
    if found:
        report.first, report.first_kind, report.first_field = min(found, key=operator.itemgetter(0))


def check_finite(
    x: T,
    *,
    name: str | None = None,
    columns: Iterable[object] | None = None,
    allow_nan: bool = False,
    target_dtype: object = None,
) -> T:
    """Return `x` unchanged if every value is finite, else raise an error that says what is where.

    Parameters
    ----------
    x : array_like
        As for `scan`.
    name : str, optional
        What the message calls `x`.
    columns : iterable, optional
        Names of the columns of a two-dimensional `x`, for the message. Those of a data frame are known.
    allow_nan : bool, default False
        Let nan (and None, NaT) pass; inf is still refused.
    target_dtype : str or dtype, optional
        Refuse also finite values that would become inf when cast to this format.

    Returns
    -------
    object
        `x` itself.

    Raises
    ------
    NonFiniteError
        If a value is not finite. A `ValueError`, with the `ScanReport` in its ``report``.
    TypeError
        If the dtype cannot be scanned.
    ValueError
        If `columns` does not match `x`.

    Notes
    -----
    Cost: that of `all_finite` where `x` is clean; one or two passes more where it is not.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> X = np.ones((1000, 2))
    >>> X[17, 1] = np.nan
    >>> ff.check_finite(X, name="X", columns=["height", "age"])
    Traceback (most recent call last):
        ...
    fastfinite.NonFiniteError: X (1000 x 2 float64) has 1 non-finite value: 1 nan; first nan at row 17, column 1 ...
    """
    if columns is not None:
        columns = list(columns)
        given: tuple[int, ...] = np.shape(x)    # type: ignore[call-overload]
        if len(given) != 2 or len(columns) != given[1]:
            raise ValueError(f"columns must name each column of x; it has {len(columns)}, and x has shape {given}")
    if target_dtype is None and _core.all_finite(x, allow_nan=allow_nan):
        return x
    accepted = accept(x)
    columns = accepted.names if columns is None else columns
    target = None if target_dtype is None else _formats.of_name(target_dtype, "target_dtype")
    shape = accepted.array.shape
    tabular = len(shape) == 2 and shape[1] <= _MOST_COLUMNS and accepted.how != "fields"
    report = _report(accepted, target, 0 if tabular else None)
    total = report.totals
    if total.ok or (allow_nan and not total.posinf + total.neginf + total.overflow):
        if total.not_scanned:
            raise _unscanned(accepted, total.not_scanned)
        return x
    if allow_nan:
        pass_over_nan(total, accepted)
    by_column = report if tabular else None
    message = describe(total, name=name, columns=columns, by_column=by_column, allow_nan=allow_nan)
    raise NonFiniteError(message, total, by_column)


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Array:
    """Convert to an array and check that every value is finite, as ``np.asarray_chkfinite``; refuse text.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
    order : {"C", "F", "A", "K"}, optional
        As for ``np.asarray``.

    Returns
    -------
    ndarray

    Raises
    ------
    NonFiniteError
        If a value is not finite: a `ValueError`, as NumPy's.
    TypeError
        If the dtype cannot be checked (text, objects that are no numbers). NumPy's function lets those pass unchecked.

    Notes
    -----
    Cost: one pass at the speed of memory.

    Examples
    --------
    >>> import fastfinite as ff
    >>> ff.asarray_chkfinite([1, 2], dtype=float)
    array([1., 2.])
    """
    array: Array = np.asarray(a, dtype=dtype, order=order)
    check_finite(array)
    return array

"""What one array holds: the verdict, the counts, the first place, the indices.

The kernels answer what can be read off bits, _slow.py the rest.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfinite import _core, _slow
from fastfinite._accepted import Accepted, Array, fields_of
from fastfinite._formats import INF_ONLY, NAN_ONLY, NON_FINITE, Format
from fastfinite._report import COUNTS, KINDS, ScanReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A question for indices alone: nan or null.
MISSING = 3
_ASKED_FOR = (("nan", "posinf", "neginf", "null"), ("nan",), ("posinf", "neginf"), ("nan", "null"))
_CODES = tuple([_slow.CODE_OF_COUNT[name] for name in names] for names in _ASKED_FOR)
_LABELS = {_slow.CODE_OF_COUNT[name]: label for name, label in KINDS.items()}
# nonfinite(limit=) on data that does not lie in C order takes about so many values at a time.
_SLAB = 1 << 16


def answer(accepted: Accepted, question: int) -> bool:
    """Whether there is a value of the kind asked for."""
    if accepted.nulls and question == NON_FINITE and accepted.mask is not None and accepted.mask.any():
        return True
    if accepted.how == "finite":
        return False
    if accepted.how == "fields":
        fields, refused = _scannable(accepted)
        found = any(answer(field, question) for _, field in fields)
        if refused and not found:
            raise unscanned(accepted, refused)
        return found
    if accepted.how == "bits":
        assert accepted.format is not None
        found = _core.search(accepted.array, accepted.format.questions()[question], accepted.parts)
        if not found or (accepted.mask is None and not (question == INF_ONLY and accepted.parts == 2)):
            return found
    counts = tally(accepted, None, None)[0]
    return any(counts[name] for name in _ASKED_FOR[question])


def unscanned(accepted: Accepted, refused: Sequence[str]) -> TypeError:
    """Why records cannot be called finite."""
    return TypeError(f"cannot scan the fields {', '.join(map(repr, refused))} of {accepted.array.dtype}: they hold no "
                     "numbers; choose the others, or use scan, which lists what it leaves out")


def _scannable(accepted: Accepted) -> tuple[list[tuple[str, Accepted]], list[str]]:
    fields, refused = fields_of(accepted)
    if not fields:
        raise TypeError(f"cannot scan dtype {accepted.array.dtype}: none of its fields holds numbers")
    return fields, refused


def tally(accepted: Accepted, target: Format | None, axis: int | None) -> tuple[dict[str, Any], int, int]:
    """Counts by name and the C-order indices of the first bad and first overflowing value (-1 for none)."""
    array, shape = accepted.array, accepted.array.shape
    rest = () if axis is None else shape[:axis] + shape[axis + 1 :]
    counts: dict[str, Any] = {name: 0 if axis is None else np.zeros(rest, np.intp) for name in COUNTS}
    clean = False       # what lies in memory, where values are missing too
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
    mask, nulls = accepted.mask, accepted.nulls
    first = first_over = -1
    if not clean:
        if mask is None or not nulls or accepted.how not in ("bits", "finite"):
            return _slow.tally(accepted, target, axis)
        # Again, with zeros where values are missing: columns with nulls are common, and the kernels fast.
        filled = array.copy()
        filled[mask] = np.zeros((), filled.dtype)
        counts, first, first_over = tally(accepted._replace(array=filled, mask=None, nulls=False), target, axis)
    if mask is not None:
        missing = np.asarray(np.count_nonzero(mask, axis=axis))
        counts["null" if nulls else "masked"] = int(missing) if axis is None else missing
        if nulls and missing.any():
            null = int(mask.argmax())
            first = null if first < 0 else min(first, null)
    return counts, first, first_over


def report_of(accepted: Accepted, target: Format | None, axis: int | None) -> ScanReport:
    """Counts and places; totals, or along an axis."""
    if accepted.how == "fields":
        return _report_fields(accepted, target, axis)
    array = accepted.array
    if target is not None and array.dtype.kind in "mM":
        raise TypeError(f"target_dtype does not apply to {array.dtype}")
    counts, first, first_over = tally(accepted, target, axis)
    index = unravel(first, array.shape)
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
        first_overflow=unravel(first_over, array.shape),
    )


def unravel(index: int, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    return None if index < 0 else tuple(int(i) for i in np.unravel_index(index, shape))


def _report_fields(accepted: Accepted, target: Format | None, axis: int | None) -> ScanReport:
    """Records: every field of numbers, its values counted together; indices are those of the records."""
    if axis is not None:
        raise ValueError("axis does not apply to records; scan their fields one by one")
    shape = accepted.array.shape
    fields, refused = _scannable(accepted)
    # Dates have no overflow.
    reports = [
        (name, report_of(field, None if field.array.dtype.kind in "mM" else target, None)) for name, field in fields
    ]
    total: dict[str, Any] = {
        name: sum(getattr(report, name) for _, report in reports)
        for name in COUNTS
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


def indices(accepted: Accepted, question: int, limit: int) -> NDArray[np.intp]:
    """C-order indices of the values of the kind asked for, ascending, `limit` at most."""
    if (accepted.how == "finite" and not accepted.nulls) or limit == 0 or accepted.array.size == 0:
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
    asked = accepted.format.questions()[NAN_ONLY if question == MISSING else question]
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


def pass_over_nan(report: ScanReport, accepted: Accepted) -> None:
    """Make the ``first`` of a report the first infinite value."""
    if report.first is None or report.first_kind in ("+inf", "-inf"):
        return
    report.first = report.first_kind = report.first_field = None
    if not np.any(report.posinf + report.neginf):
        return
    parts: list[tuple[str | None, Accepted]] = [(None, accepted)]
    if accepted.how == "fields":
        parts = [*fields_of(accepted)[0]]
    found = []
    for name, part in parts:
        for flat in indices(part, INF_ONLY, 1):
            index = tuple(int(i) for i in np.unravel_index(flat, part.array.shape))
            # A field may be an array itself: the index of its record is the leading part.
            found.append((index[: accepted.array.ndim], _LABELS.get(_slow.kind_of(part, index)), name))
    if found:
        report.first, report.first_kind, report.first_field = min(found, key=operator.itemgetter(0))

"""What a scan found: `ScanReport`, and the one place that puts it into words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

# The kinds of value that are not finite, by the names of their counts and as they are printed.
KINDS = {"nan": "nan", "posinf": "+inf", "neginf": "-inf", "null": "null"}
_LISTED_COLUMNS = 8
# Everything that is counted.
COUNTS = ("nan", "posinf", "neginf", "null", "masked", "overflow")
_PLACES = ("first", "first_kind", "first_field", "first_overflow")


class ScanReport:
    """What `scan` found; true when everything is finite.

    Attributes
    ----------
    ok : bool
        Nothing was found: every value is finite (and fits the target, where one was named) or masked.
    size : int
        Values looked at; for records, of all fields that were scanned.
    finite, nan, posinf, neginf, null, masked : int or ndarray of int
        How many of each kind; they add up to `size`. ``null`` counts None in object arrays and the missing values of
        frames, ``masked`` the masked cells of masked arrays. With ``axis``, arrays with one count a column.
    overflow : int or ndarray of int
        Finite values that would become inf (nan where the format has no inf) when cast to `target_dtype`.
    first : tuple of int or None
        Index of the first value that is not finite, in C order.
    first_kind : {"nan", "+inf", "-inf", "null"} or None
        Its kind.
    first_field : str or None
        For records, the field it is in.
    first_overflow : tuple of int or None
        Index of the first value counted in `overflow`.
    shape : tuple of int
    dtype : str
        Name of the dtype, or of the format that ``dtype=`` gave to raw bits.
    target_dtype : str or None
    axis : int or None
        The axis that was counted along; None where all counts are totals.
    columns : ndarray of int or None
        With ``axis``, where something was found: indices of columns, or rows of indices for more than two dimensions;
        empty for one dimension, which has no columns.
    fields : tuple of str
        For records, the fields in which something was found.
    not_scanned : tuple of str
        The fields of records, or columns of data frames, that hold no numbers and so were not checked.
    names : tuple of str or None
        For data frames, the names of all columns.
    totals : ScanReport
        The same report with plain totals; itself, without ``axis``.
    """

    shape: tuple[int, ...]
    dtype: str
    size: int
    axis: int | None
    fields: tuple[str, ...]
    not_scanned: tuple[str, ...]
    nan: Any
    posinf: Any
    neginf: Any
    null: Any
    masked: Any
    overflow: Any

    __slots__ = (
        *COUNTS, *_PLACES, "axis", "dtype", "fields", "_looked_at", "names", "not_scanned", "shape", "size",
        "target_dtype",
    )

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: str,
        *,
        size: int,
        counts: dict[str, Any] | None = None,
        axis: int | None = None,
        target_dtype: str | None = None,
        first: tuple[int, ...] | None = None,
        first_kind: str | None = None,
        first_field: str | None = None,
        first_overflow: tuple[int, ...] | None = None,
        fields: tuple[str, ...] = (),
        not_scanned: tuple[str, ...] = (),
        names: tuple[str, ...] | None = None,
    ) -> None:
        self.shape, self.dtype, self.size, self.axis = shape, dtype, size, axis
        for name in COUNTS:
            setattr(self, name, (counts or {}).get(name, 0))
        self.target_dtype = target_dtype
        self.first, self.first_kind, self.first_field = first, first_kind, first_field
        self.first_overflow, self.fields, self.not_scanned = first_overflow, fields, not_scanned
        self.names = names
        # Of frames with `axis`: how many values of each column, none of those that were not scanned.
        self._looked_at: Any = None

    @property
    def finite(self) -> Any:
        size = self.size if self.axis is None else self.shape[self.axis] if self._looked_at is None else self._looked_at
        return size - self.bad - self.masked

    @property
    def bad(self) -> Any:
        """Values that are not finite, of every kind."""
        return self.nan + self.posinf + self.neginf + self.null

    @property
    def ok(self) -> bool:
        return not np.any(self.bad) and not np.any(self.overflow)

    @property
    def columns(self) -> Any:
        if self.axis is None:
            return None
        if len(self.shape) == 1:
            return np.empty(0, np.intp)
        found = np.argwhere(np.asarray(self.bad) + self.overflow)
        return found[:, 0] if found.shape[1] == 1 else found

    @property
    def totals(self) -> ScanReport:
        if self.axis is None:
            return self
        state = {name: getattr(self, name) for name in (*_PLACES, "target_dtype", "fields", "not_scanned", "names")}
        counts = {name: int(np.sum(getattr(self, name))) for name in COUNTS}
        return ScanReport(self.shape, self.dtype, size=self.size, counts=counts, **state)

    def _merge(self, part: ScanReport, origin: tuple[int, ...]) -> None:
        """Add the totals of a part of the array, whose first element has the index `origin`."""
        self.size += part.size
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.fields = (*self.fields, *(name for name in part.fields if name not in self.fields))
        # Tuples compare as C order does, and within a part the first by its own indices is the first by those of the
        # array; so the least is right whatever the order of memory and of the parts.
        first = _shifted(part.first, origin)
        if first is not None and (self.first is None or first < self.first):
            self.first, self.first_kind, self.first_field = first, part.first_kind, part.first_field
        over = _shifted(part.first_overflow, origin)
        if over is not None and (self.first_overflow is None or over < self.first_overflow):
            self.first_overflow = over

    def passes(self, allow_nan: bool) -> bool:
        """Whether nothing was found that is a finding; with `allow_nan`, nan and null are none."""
        return not np.any(self.posinf + self.neginf + self.overflow) if allow_nan else self.ok

    def plot(self, figure: Any = None) -> Any:
        """Draw how many bad values there are in each column, or row, by kind; of a scan of a table with ``axis``.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, optional
            Where to draw; else a new figure of pyplot.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ImportError
            If matplotlib, the extra ``plot``, is not installed.
        ValueError
            If the report has no counts by column or row of two-dimensional data.

        Examples
        --------
        >>> import numpy as np
        >>> import fastfinite as ff
        >>> from matplotlib.figure import Figure
        >>> report = ff.scan(np.array([[1.0, np.nan], [np.inf, np.nan]]), axis=0)
        >>> figure = report.plot(Figure())
        >>> figure.axes[0].get_title(loc="left")
        '2 nan, 1 +inf in 2 of 2 columns'
        """
        from fastfinite import _pictures

        return _pictures.plot(_pictures.scan_panels(self), figure)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values, fit for JSON."""
        result: dict[str, Any] = {"ok": self.ok}
        for name in ("shape", "dtype", "size", "finite", *COUNTS, *_PLACES, "target_dtype", "fields", "not_scanned"):
            value = getattr(self, name)
            result[name] = list(value) if isinstance(value, tuple) else value
        if self.names is not None:
            result["names"] = list(self.names)
        if self.axis is not None:
            result |= {"axis": self.axis, "columns": self.columns.tolist()}
            result |= {name: np.asarray(result[name]).tolist() for name in ("finite", *COUNTS)}
        return result

    def __bool__(self) -> bool:
        return self.ok

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScanReport):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__: ClassVar[None]    # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, ({name: getattr(self, name) for name in self.__slots__},)

    def __str__(self) -> str:
        by_column = self if self.axis is not None and len(self.shape) == 2 else None
        return describe(self.totals, by_column=by_column)

    def __repr__(self) -> str:
        return f"<ScanReport: {self}>"

    def _repr_html_(self) -> str:
        total = self.totals
        rows: list[tuple[str, object]] = [("verdict", "finite" if total.ok else "not finite")]
        rows += [("shape", dimensions(total)), ("values", total.size)]
        rows += [(label, getattr(total, kind)) for kind, label in KINDS.items() if getattr(total, kind)]
        if total.masked:
            rows.append(("masked", total.masked))
        if total.overflow:
            rows.append((f"overflow {total.target_dtype}", total.overflow))
        if total.first is not None:
            where = place(total.first, total.names, total.first_field)
            rows.append((f"first {total.first_kind}", where or "the value itself"))
        if total.not_scanned:
            rows.append(("not scanned", ", ".join(total.not_scanned)))
        cells = "".join(
            f"<tr><th style='text-align:left'>{in_html(key)}</th><td>{in_html(value)}</td></tr>"
            for key, value in rows
        )
        return f"<table><caption>fastfinite scan</caption><tbody>{cells}</tbody></table>"


def _shifted(index: tuple[int, ...] | None, origin: tuple[int, ...]) -> tuple[int, ...] | None:
    return None if index is None else tuple(i + start for i, start in zip(index, origin))


def _restore(state: dict[str, Any]) -> ScanReport:
    report = ScanReport.__new__(ScanReport)
    for name, value in state.items():
        setattr(report, name, value)
    return report


# The module `html` would do it, and take a tenth of the import.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def in_html(value: object) -> str:
    """The text of a value, escaped."""
    return str(value).translate(_ESCAPES)


def dimensions(report: ScanReport) -> str:
    """"1000000 x 32 float32", "1000 float32", "float32 scalar"."""
    if not report.shape:
        return f"{report.dtype} scalar"
    return f"{' x '.join(map(str, report.shape))} {report.dtype}"


def column_name(column: int, columns: Sequence[object] | None) -> str:
    """"4 ('age')", or "4" where the column has no name."""
    name = None if columns is None else columns[column]
    return str(column) if name is None else f"{column} ({str(name)!r})"


def place(
    index: tuple[int, ...], columns: Sequence[object] | None = None, field: str | None = None, unit: str = "index"
) -> str:
    """"row 17, column 4 ('age')"; empty for the only value of a scalar; `unit` is what an index of one axis counts."""
    if len(index) == 2:
        words = f"row {index[0]}, column {column_name(index[1], columns)}"
    elif len(index) == 1:
        words = f"{unit} {index[0]}"
    else:
        words = f"index {index}" if index else ""
    if field is not None:
        words += (", " if words else "") + f"field {field!r}"
    return words


def plural(n: int, one: str, many: str | None = None, *, grouped: bool = False) -> str:
    """"1 value", "2 values", "3 batches"; grouped, "2,000 values"."""
    return f"{n:{',' if grouped else ''}} {one if n == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")


def _at(words: str) -> str:
    return f" at {words}" if words else ""


def _usual_name(report: ScanReport) -> str:
    if report.names is None:
        return "array"
    return "frame" if len(report.shape) == 2 else f"column {report.names[0]!r}" if report.names[0] else "column"


def describe(
    report: ScanReport,
    *,
    name: str | None = None,
    columns: Sequence[object] | None = None,
    by_column: ScanReport | None = None,
    allow_nan: bool = False,
    unit: str = "index",
) -> str:
    """Say in one line what a report of totals holds; with ``allow_nan``, nan and null are not findings."""
    columns = report.names if columns is None else columns
    text = f"{name or _usual_name(report)} ({dimensions(report)})"
    kinds = {kind: label for kind, label in KINDS.items() if not allow_nan or kind in ("posinf", "neginf")}
    found = {label: getattr(report, kind) for kind, label in kinds.items() if getattr(report, kind)}
    parts = []
    if found:
        total = plural(sum(found.values()), "infinite value" if allow_nan else "non-finite value")
        parts.append(f"{total}: " + ", ".join(f"{n} {label}" for label, n in found.items()))
        if report.first is not None:
            parts.append(f"first {report.first_kind}{_at(place(report.first, columns, report.first_field, unit))}")
    if report.overflow:
        many = "value that overflows" if report.overflow == 1 else "values that overflow"
        where = _at(place(report.first_overflow, columns, None, unit)) if report.first_overflow else ""
        where = f", first{where}" if where else ""
        parts.append(f"{report.overflow} {many} {report.target_dtype}{where}")
    if parts and by_column is not None:
        each = sum(getattr(by_column, kind) for kind in kinds) + by_column.overflow
        bad = np.flatnonzero(each)
        names = columns if by_column.axis == 0 else None
        listed = ", ".join(f"{column_name(int(i), names)}: {each[i]}" for i in bad[:_LISTED_COLUMNS])
        more = f" and {len(bad) - _LISTED_COLUMNS} more" if len(bad) > _LISTED_COLUMNS else ""
        parts.append(f"{'columns' if by_column.axis == 0 else 'rows'} {listed}{more}")
    allowed = report.nan + report.null if allow_nan else 0
    if not parts and allowed:
        verdict = f" has no infinite value in {plural(report.size, 'value')}; {allowed} nan allowed"
    elif not parts and not report.not_scanned:
        verdict = f" is finite: {plural(report.size, 'value')}"
    else:       # with something left unchecked, only the values that were scanned are called finite
        verdict = " has " + ("; ".join(parts) or plural(report.finite, "finite value"))
    text += verdict
    if report.masked:
        text += f"; {report.masked} masked"
    if report.not_scanned:
        text += f"; not scanned: {', '.join(map(repr, report.not_scanned))}"
    return text

"""What `diagnose` found: `Cause`, one a place, and `Diagnosis`, which puts them on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastfinite import _formats, _stats_table
from fastfinite._accepted import Array
from fastfinite._report import in_html, plural
from fastfinite._samples import Samples
from fastfinite._saturation import Histogram

SEVERITIES = ("error", "warning", "note")
# What comes of it all, in a word, worst first.
STATES = ("findings", "warnings", "done", "clean")
# Causes that statistics flag by themselves.
_FLAGGED = ("nan", "all-nan", "inf", "all-inf", "constant", "near-constant")
# Columns that a line names, and places of one cause.
_LISTED = 8


class Cause:
    """One cause of a NaN loss or of an accuracy of 0, at one place.

    Attributes
    ----------
    code : str
        Short name, the same for every place: "nan", "constant", "log-of-zero", ...
    severity : {"error", "warning", "note"}
        Breaks training; likely to harm it; good to know.
    where : {"X", "y", "y_pred", "logits"}
        The input that it is in.
    column : int or None
        Its column.
    name : str or None
        The name of that column.
    count : int
        How many values or rows are concerned.
    share : float
        That, of all values of the column or of all rows.
    first : int or None
        Row of the first one.
    what : str
        What was found, in words.
    why : str
        Why it leads to NaN or to an accuracy of 0.
    remedy : str
        What to do.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> cause = ff.diagnose(np.array([[1.0, 5.0], [np.nan, 5.0]])).causes[0]
    >>> cause.code, cause.severity, cause.column, cause.count, cause.first
    ('nan', 'error', 0, 1, 1)
    """

    __slots__ = ("code", "column", "count", "first", "name", "remedy", "severity", "share", "what", "where", "why")

    def __init__(
        self, code: str, severity: str, where: str, what: str, why: str, remedy: str, *, column: int | None = None,
        name: str | None = None, count: int = 0, share: float = 0.0, first: int | None = None,
    ) -> None:
        self.code, self.severity, self.where, self.column, self.name = code, severity, where, column, name
        self.count, self.share, self.first = count, share, first
        self.what, self.why, self.remedy = what, why, remedy

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, fit for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return f"<Cause: {self.severity} {self.code}: {self.place}: {self.what}>"

    @property
    def place(self) -> str:
        """Where it is: ``"X column 4 ('age')"``."""
        if self.column is None:
            return self.where
        return f"{self.where} column {self.column}" + ("" if self.name is None else f" ({self.name!r})")


class Diagnosis:
    """The causes that `diagnose` found, worst first; true where there is no error.

    Attributes
    ----------
    causes : list of Cause
        Errors, then warnings, then notes.
    shape : tuple of int
        Of `X`.
    given : tuple of str
        What was looked at: "X", and "y", "y_pred", "logits" as far as they were given.
    not_scanned : tuple of str
        Columns of `X` that hold no numbers.
    target_dtype : str
    stats : ColumnStats
        Of the columns of `X`, axes but the first as one.
    saturation : Histogram or None
        How far logits, or the probabilities they became, are from undecided.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> diagnosis = ff.diagnose(np.ones((4, 2)), np.array([1, 2, 1, 2]))
    >>> bool(diagnosis), [cause.code for cause in diagnosis]
    (False, ['binary-labels', 'constant', 'constant'])
    """

    __slots__ = (
        "_positions", "bad_map", "causes", "given", "not_scanned", "saturation", "shape", "stats", "target_dtype"
    )

    def __init__(
        self, causes: Sequence[Cause], samples: Samples, target_dtype: str, saturation: Histogram | None = None,
        given: Sequence[str] = (),
    ) -> None:
        self.causes = sorted(causes, key=lambda cause: SEVERITIES.index(cause.severity))
        self.shape, self.target_dtype, self.not_scanned = samples.shape, target_dtype, samples.stats.not_scanned
        self.given = ("X", *given)
        # What `plot` shows beside the statistics.
        self.stats, self.bad_map, self.saturation = samples.stats, samples.bad_map, saturation
        self._positions = samples.positions

    @property
    def errors(self) -> list[Cause]:
        """Those that break training."""
        return [cause for cause in self.causes if cause.severity == "error"]

    def __bool__(self) -> bool:
        return not self.errors

    def __len__(self) -> int:
        return len(self.causes)

    def __iter__(self) -> Iterator[Cause]:
        return iter(self.causes)

    def plot(self, figure: Any = None) -> Any:
        """Draw where the bad values are, the ranges of the columns, and how saturated logits are: what there is of it.

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

        Examples
        --------
        >>> import numpy as np
        >>> import fastfinite as ff
        >>> from matplotlib.figure import Figure
        >>> figure = ff.diagnose(np.array([[1.0, 5.0], [np.nan, 5.0]])).plot(Figure())
        >>> [axes.get_title(loc="left") for axes in figure.axes]
        ['1 bad value in 1 of 2 columns, row 1 of 2', '2 columns, 2 of them flagged']
        """
        from fastfinite import _pictures

        return _pictures.plot(_pictures.diagnosis_panels(self), figure)

    def groups(self) -> list[list[Cause]]:
        """Causes of one code in one input together."""
        groups: dict[tuple[str, str, str], list[Cause]] = {}
        for cause in self.causes:
            groups.setdefault((cause.severity, cause.where, cause.code), []).append(cause)
        return list(groups.values())

    def found(self) -> str:
        """How many causes of each severity there are, in words."""
        counts = {severity: sum(cause.severity == severity for cause in self.causes) for severity in SEVERITIES}
        words = [plural(n, severity) for severity, n in counts.items() if n] or ["nothing found"]
        if self.not_scanned:
            words.append(f"{plural(len(self.not_scanned), 'column')} not scanned")
        return ", ".join(words)

    @property
    def state(self) -> str:
        """What comes of it, one of `STATES`; clean is only what was looked at whole."""
        if not self.causes:
            return "done" if self.not_scanned else "clean"
        return {"error": "findings", "warning": "warnings", "note": "done"}[self.causes[0].severity]

    def flags(self) -> dict[str, Array]:
        """What there is to say of the columns of `stats`, as `flags_of` has it, and which of them have other causes."""
        near, _ = _formats.FORMATS[self.target_dtype].near_constant
        others = [cause.column for cause in self.causes
                  if cause.where == "X" and cause.column is not None and cause.code not in _FLAGGED]
        return {**_stats_table.flags_of(self.stats, near), "other causes": np.isin(self._positions, others)}

    def heading(self) -> str:
        """What was looked at, and how many causes were found."""
        first, *others = [f"X ({' x '.join(map(str, self.shape))})", *self.given[1:]]
        given = f"{', '.join([first, *others[:-1]])} and {others[-1]}" if others else first
        return f"Diagnosis of {given} for {self.target_dtype}: {self.found()}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, fit for JSON."""
        return {"ok": bool(self), "given": list(self.given), "shape": list(self.shape),
                "target_dtype": self.target_dtype,
                "causes": [cause.to_dict() for cause in self.causes], "not_scanned": list(self.not_scanned)}

    def __str__(self) -> str:
        lines = [self.heading()]
        for group in self.groups():
            first = group[0]
            lines += ["", f"{first.severity.upper()} {first.code}: {summed_up(group)}"]
            lines += [f"    why     {first.why}", f"    remedy  {first.remedy}"]
        if self.not_scanned:
            lines += ["", f"not scanned: {', '.join(map(repr, self.not_scanned))}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<{self.heading()}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{in_html(cell)}</td>" for cell in (
                group[0].severity, group[0].code, summed_up(group), group[0].why, group[0].remedy)) + "</tr>"
            for group in self.groups()
        )
        head = "".join(f"<th>{title}</th>" for title in ("severity", "cause", "what", "why", "remedy"))
        return (f"<table><caption>{in_html(self.heading())}</caption><thead><tr>{head}</tr></thead>"
                f"<tbody>{rows}</tbody></table>")


def summed_up(group: Sequence[Cause]) -> str:
    """What a group says: in full where it is one, else of the worst of its columns, and which they are."""
    first = max(group, key=lambda cause: cause.count)
    if len(group) == 1:
        return f"{first.place}: {first.what}"
    names = [str(cause.column) if cause.name is None else f"{cause.column} ({cause.name!r})" for cause in group]
    listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    earliest = min((cause.first for cause in group if cause.first is not None), default=None)
    at = "" if earliest == first.first else f"; the first of all in row {earliest}"
    return f"{first.where}, {len(group)} columns: {listed}; in {first.place}: {first.what}{at}"

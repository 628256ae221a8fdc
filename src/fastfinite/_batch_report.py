"""What `scan_batch` found: `Finding`, one an array, and `BatchReport`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeGuard

from fastfinite._report import ScanReport, plural


class Finding(NamedTuple):
    """One array of a batch that is not finite.

    Attributes
    ----------
    path : str
        Where it is in the batch, for example ``"meta.y[1]"``; empty where the batch is an array itself.
    report : ScanReport
        What is in it.
    sample : int or None
        Index of its first bad value along the first axis; None of a single number.
    text : str
        All that in words.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> finding = ff.scan_batch({"x": np.array([0.0, np.nan])}).findings[0]
    >>> finding.path, finding.sample, finding.report.nan
    ('x', 1, 1)
    """

    path: str
    report: ScanReport
    sample: int | None
    text: str

    def __str__(self) -> str:
        return self.text


class BatchReport:
    """What `scan_batch` found; true when everything that was scanned is finite.

    Attributes
    ----------
    ok : bool
        Nothing was found, and not for want of anything that could be scanned.
    findings : list of Finding
        One for each array that is not finite, in the order of the batch.
    not_scanned : dict of str to str
        What could not be checked: its path, and why.
    arrays : int
        Arrays and numbers looked at.
    bytes : int
        Their size; of frames that do not tell it, 8 bytes a cell.
    complete : bool
        False where the walk ended early, at ``limit``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> print(ff.scan_batch([np.ones(3), {"age": np.array([1.0, np.inf])}]))
    batch of 2 arrays (40 B) has 1 that is not finite
      [1].age (2 float64) has 1 non-finite value: 1 +inf; first +inf at index 1
    """

    __slots__ = ("arrays", "bytes", "complete", "findings", "not_scanned")

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.not_scanned: dict[str, str] = {}
        self.arrays: int = 0
        self.bytes: int = 0
        self.complete: bool = True

    @property
    def ok(self) -> bool:
        return not self.findings and (self.arrays > 0 or not self.not_scanned)

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values, fit for JSON."""
        findings = [
            {"path": finding.path, "sample": finding.sample, "report": finding.report.to_dict()}
            for finding in self.findings
        ]
        return {"ok": self.ok, "arrays": self.arrays, "bytes": self.bytes, "complete": self.complete,
                "findings": findings, "not_scanned": dict(self.not_scanned)}

    def __str__(self) -> str:
        bad = len(self.findings)
        verdict = "is finite" if self.ok else "has nothing that could be scanned"
        if bad:
            verdict = f"has {bad} that {'is' if bad == 1 else 'are'} not finite"
        if not self.complete:
            verdict += ", and perhaps more: the scan ended there"
        lines = [f"batch of {plural(self.arrays, 'array')} ({size_text(self.bytes)}) {verdict}"]
        lines += [f"  {finding}" for finding in self.findings]
        return "\n".join(lines + unscanned_lines(self.not_scanned))

    def __repr__(self) -> str:
        return f"<BatchReport: {self}>"


def unscanned_lines(not_scanned: dict[str, str]) -> list[str]:
    """What could not be scanned, a line each."""
    return [f"  not scanned: {path or 'the batch'}: {reason}" for path, reason in not_scanned.items()]


def size_text(n: float) -> str:
    """"123 B", "1.5 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 999.5:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"


def in_words(findings: Iterable[Finding]) -> str:
    """The first finding in full, and where the others are."""
    first, *others = findings
    also = ", ".join(finding.path or "the batch" for finding in others[:8]) + (", ..." if len(others) > 8 else "")
    return first.text + (f"; also in {also}" if others else "")


def path_of(keys: Sequence[object]) -> str:
    """A path as Python would write it, names after dots, dotted ones as they are; of the batch itself nothing."""
    return "".join(
        f".{str.__str__(key)}" if _is_name(key) else f"[{_key_text(key)}]" for key in keys if key is not ROOT
    ).removeprefix(".")


def _key_text(key: object) -> str:
    try:
        return repr(key)
    except Exception:       # of code that is not ours, and no reason to lose the finding
        return f"<{type(key).__name__}>"


class Name(str):
    """A key that stands in the path as it is."""

    __slots__ = ()


# The key of the batch itself, which has none.
ROOT = Name()


def _is_name(key: object) -> TypeGuard[str]:
    return isinstance(key, Name) or (
        isinstance(key, str) and all(part.isidentifier() or part.isdigit() for part in key.split("."))
    )

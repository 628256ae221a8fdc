"""`NonFiniteError`, which keeps its fields on every way out of a process."""

from __future__ import annotations

import copyreg
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastfinite._report import ScanReport
from fastfinite._threads import in_worker

if TYPE_CHECKING:
    from fastfinite._batch_report import Finding


class NonFiniteError(ValueError):
    """Raised by `check_finite`, `guard` and all that checks; says what was found, how often and where.

    Attributes
    ----------
    report : ScanReport or None
        The totals of the array that was refused, the first one of a batch.
    by_column : ScanReport or None
        The counts of each column, for arrays of two dimensions.
    findings : tuple of Finding
        Of batches and models, everything that was found.
    path : str or None
        Of the first finding, where it is in the batch.
    sample : int or None
        The index of the sample: in the dataset for `guard_dataset`, else in the batch.
    epoch, index : int or None
        Which batch it was, for `guard`.

    Notes
    -----
    The fields survive pickling, and the way out of a worker of a data loader.
    """

    report: ScanReport | None
    by_column: ScanReport | None
    findings: tuple[Finding, ...]
    path: str | None
    sample: int | None
    epoch: int | None
    index: int | None

    def __init__(
        self, message: str = "", report: ScanReport | None = None, by_column: ScanReport | None = None, *,
        findings: Sequence[Finding] = (), epoch: int | None = None, index: int | None = None,
    ) -> None:
        super().__init__(message)
        self.findings = tuple(findings)
        self.report = findings[0].report if findings else report
        self.by_column = by_column
        self.path = findings[0].path if findings else None
        self.sample = findings[0].sample if findings else None
        self.epoch, self.index = epoch, index
        if type(self) is NonFiniteError and in_worker():
            self.__class__ = _class_of_error(self.__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        kind = NonFiniteError if isinstance(type(self), _SentByValue) else type(self)
        return kind, (str(self),), self.__dict__


class _SentByValue(type):
    """The type of classes that are pickled with what they hold.

    Of an exception in a worker, PyTorch sends the class and the text, and makes it anew from these. So the class of one
    that is raised in a worker has its fields, and takes them along.
    """

    fields: dict[str, Any]


def _class_of_error(fields: dict[str, Any]) -> type[NonFiniteError]:
    def __init__(self: NonFiniteError, message: str = "") -> None:
        ValueError.__init__(self, message)
        self.__dict__.update(fields)

    members = {"__init__": __init__, "__module__": "fastfinite", "fields": fields}
    kind: Any = _SentByValue("NonFiniteError", (NonFiniteError,), members)
    return kind     # type: ignore[no-any-return]


def _reduce_class(kind: Any) -> tuple[Any, ...]:
    return _class_of_error, (kind.fields,)


copyreg.pickle(_SentByValue, _reduce_class)


class NonFiniteWarning(RuntimeWarning):
    """Given by `guard` with ``on_bad="warn"`` for batches that are not finite, and where nothing can be scanned."""

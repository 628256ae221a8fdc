"""The guard around a data loader: batches are scanned as they pass, and are the same objects."""

from __future__ import annotations

import functools
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fastfinite._batch import Walker, alone, warn_unscanned
from fastfinite._batch_report import BatchReport, Finding, in_words, size_text, unscanned_lines
from fastfinite._errors import NonFiniteError, NonFiniteWarning
from fastfinite._frames import is_frame
from fastfinite._proxy import Proxy, closing
from fastfinite._report import KINDS, ScanReport, plural
from fastfinite._scan import whole_number

_POLICIES = ("raise", "warn", "skip")
# Bad batches that a report prints, and kinds of them that a summary does.
_LISTED = 10
# Paths that are remembered: keys that are new in every batch would else be kept without end.
_MOST_PATHS = 1000


class BadBatch:
    """A batch that is not finite, as `guard` tells of it.

    Attributes
    ----------
    epoch : int
        How many times the loader had been gone through before.
    index : int
        Number of the batch in its epoch, from 0.
    findings : tuple of Finding
        The arrays that are not finite.
    batch : object
        The batch itself; None in reports, which do not keep it.
    """

    epoch: int
    index: int
    findings: tuple[Finding, ...]
    batch: Any

    __slots__ = ("batch", "epoch", "findings", "index")

    def __init__(self, epoch: int, index: int, findings: tuple[Finding, ...], batch: Any = None) -> None:
        self.epoch, self.index, self.findings, self.batch = epoch, index, findings, batch

    @property
    def path(self) -> str:
        """Where the first finding is."""
        return self.findings[0].path

    @property
    def report(self) -> ScanReport:
        """The report of the first finding."""
        return self.findings[0].report

    @property
    def sample(self) -> int | None:
        """The sample that the first finding is in."""
        return self.findings[0].sample

    def __str__(self) -> str:
        return f"batch {self.index} of epoch {self.epoch}: {in_words(self.findings)}"

    def __repr__(self) -> str:
        return f"<BadBatch: {self}>"


class GuardReport:
    """What `guard` has seen so far; true when every batch was finite.

    Attributes
    ----------
    ok : bool
    epochs, batches, arrays, bytes : int
        What was scanned.
    bad, skipped, mended : int
        Batches that were not finite; of those, the ones left out, and the ones that ``on_bad`` made finite.
    findings : list of BadBatch
        The first `max_findings` of them.
    not_scanned : dict of str to str
        What could not be checked: its path in the batch, and why.
    seconds : float
        Time spent in scanning.
    """

    epochs: int
    batches: int
    arrays: int
    bytes: int
    bad: int
    skipped: int
    mended: int

    __slots__ = (
        "arrays", "bad", "batches", "bytes", "epochs", "findings", "mended", "not_scanned", "seconds", "skipped"
    )

    def __init__(self) -> None:
        self.epochs = self.batches = self.arrays = self.bytes = self.bad = self.skipped = self.mended = 0
        self.findings: list[BadBatch] = []
        self.not_scanned: dict[str, str] = {}
        self.seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.bad == 0

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "all finite" if self.ok else f"{self.bad} not finite"
        for number, what in ((self.skipped, "skipped"), (self.mended, "mended")):
            verdict += f", {number} {what}" if number else ""
        seen = f"{plural(self.batches, 'batch', 'batches')} in {plural(self.epochs, 'epoch')}"
        lines = [f"{seen}: {verdict}; {size_text(self.bytes)} scanned in {self.seconds:.3g} s"]
        listed = self.findings[:_LISTED]
        lines += [f"  {bad}" for bad in listed]
        if self.bad > len(listed):
            lines.append(f"  ... and {self.bad - len(listed)} more")
        return "\n".join(lines + unscanned_lines(self.not_scanned))

    def __repr__(self) -> str:
        return f"<GuardReport: {self}>"


class GuardedLoader(Proxy):
    """A loader whose batches are scanned; made by `guard`. Has the attributes and the length of the loader.

    Attributes
    ----------
    report : GuardReport
    """

    report: GuardReport

    _own = frozenset(("_wrapped", "_walker", "_options", "_warned", "report"))

    def __init__(self, wrapped: Any, walker: Walker, options: dict[str, Any]) -> None:
        super().__init__(wrapped)
        self._walker, self._options = walker, options
        self.report = GuardReport()
        self._warned: set[tuple[str, str]] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(guard, **self._options), (self._wrapped,)

    def __iter__(self) -> Iterator[Any]:
        report = self.report
        epoch = report.epochs
        report.epochs += 1
        met: Counter[tuple[str, str]] = Counter()
        iterator: Any = iter(self._wrapped)
        try:
            with closing(iterator, self._wrapped):
                for index, batch in enumerate(iterator):
                    findings = self._scan(batch, epoch, index)
                    if findings:
                        batch = self._treated(BadBatch(epoch, index, findings, batch), met)
                        if batch is _LEFT_OUT:
                            continue
                    yield batch
        except GeneratorExit:       # the loop was left early
            self._summarize(met, epoch)
            raise
        else:
            self._summarize(met, epoch)
        finally:
            # The traceback of an error would keep the workers of the loader alive by this name.
            iterator = None

    def _scan(self, batch: Any, epoch: int, index: int) -> tuple[Finding, ...]:
        report = self.report
        found = self._walked(batch, epoch, index)
        report.batches += 1
        report.arrays += found.arrays
        report.bytes += found.bytes
        if found.not_scanned and report.arrays == 0 and report.batches == 1:
            warn_unscanned(found, self._label(f"batch {index}"), stacklevel=4)
        return tuple(found.findings)

    def _walked(self, batch: Any, epoch: int, index: int) -> BatchReport:
        """Scan a batch, and keep what could not be scanned and the time that it took."""
        start = time.perf_counter()
        try:
            found = self._walker.walk(alone(batch))
        except TypeError as error:
            raise TypeError(self._label(f"batch {index} of epoch {epoch}: {error}")) from error
        self.report.seconds += time.perf_counter() - start
        for path, reason in found.not_scanned.items():
            if len(self.report.not_scanned) < _MOST_PATHS:
                self.report.not_scanned.setdefault(path, reason)
        return found

    def _treated(self, bad: BadBatch, met: Counter[tuple[str, str]]) -> Any:
        """What is yielded instead of a bad batch, or _LEFT_OUT."""
        report, on_bad = self.report, self._options["on_bad"]
        report.bad += 1
        if len(report.findings) < self._options["max_findings"]:
            report.findings.append(BadBatch(bad.epoch, bad.index, bad.findings))
        if on_bad == "raise":
            raise NonFiniteError(self._label(str(bad)), findings=bad.findings, epoch=bad.epoch, index=bad.index)
        if on_bad == "skip":
            report.skipped += 1
            return _LEFT_OUT
        if on_bad == "warn":
            kinds = list(dict.fromkeys(_kinds(bad.findings)))
            new = not self._warned.issuperset(kinds) and len(self._warned) < _MOST_PATHS
            if new:
                self._warned.update(kinds)
            met.update(kinds)
            if new:
                warnings.warn(self._label(str(bad)), NonFiniteWarning, stacklevel=3)
            return bad.batch
        mended = on_bad(bad)
        batch = bad.batch if mended is None else mended
        report.mended += self._walked(batch, bad.epoch, bad.index).ok
        return batch

    def _summarize(self, met: Counter[tuple[str, str]], epoch: int) -> None:
        if met:
            counts = [
                f"{kind} in {plural(n, 'batch', 'batches')}" + (f" at {path}" if path else "")
                for (kind, path), n in list(met.items())[:_LISTED]
            ]
            if len(met) > _LISTED:
                counts.append(f"{len(met) - _LISTED} more")
            warnings.warn(self._label(f"in epoch {epoch}: {', '.join(counts)}"), NonFiniteWarning, stacklevel=3)

    def _label(self, text: str) -> str:
        name = self._options["name"]
        return text if name is None else f"{name}: {text}"


_LEFT_OUT = object()


def _kinds(findings: Iterable[Finding]) -> Iterator[tuple[str, str]]:
    for finding in findings:
        for kind, label in (*KINDS.items(), ("overflow", "overflow")):
            if getattr(finding.report, kind):
                yield label, finding.path


def guard(
    loader: Iterable[Any],
    *,
    on_bad: str | Callable[[BadBatch], Any] = "raise",
    allow_nan: bool = False,
    name: str | None = None,
    target_dtype: object = None,
    on_unknown: str = "ignore",
    max_findings: int = 100,
) -> GuardedLoader:
    """Scan every batch of a data loader as it passes, and stop, warn, skip or mend where one is not finite.

    Parameters
    ----------
    loader : iterable
        A ``DataLoader`` of PyTorch, a dataset, a generator: anything that a ``for`` loop takes. Batches may be any nest
        that `scan_batch` takes.
    on_bad : {"raise", "warn", "skip"} or callable, default "raise"
        What to do with a batch that is not finite: raise `NonFiniteError`; give a `NonFiniteWarning`, one for each kind
        and path and a summary at the end of the epoch; leave it out; or call a function with the `BadBatch`, whose
        result is the batch that goes on, whatever it is (None for the batch as it is, which it may have mended).
    allow_nan : bool, default False
        Let nan, None and NaT pass; inf is still found.
    name : str, optional
        What messages call the loader.
    target_dtype : str or dtype, optional
        Find also finite values that would become inf when cast to this format.
    on_unknown : {"ignore", "raise"}, default "ignore"
        Objects of a kind that is not known are listed in ``report.not_scanned``, or a `TypeError`.
    max_findings : int, default 100
        How many bad batches the report lists; it counts all.

    Returns
    -------
    GuardedLoader
        Yields the same objects, for any number of epochs; has the length and the attributes of the loader (``sampler``,
        ``state_dict()``), and a ``report``, a `GuardReport`.

    Raises
    ------
    TypeError
        If `loader` cannot be iterated over; while it is, with ``on_unknown="raise"``, for an object that is unknown.
    ValueError
        If an option is not one that is known.
    NonFiniteError
        From the loop, with ``findings``, ``path``, ``sample``, ``epoch`` and ``index``.

    See Also
    --------
    guard_dataset : Names the sample in the dataset.
    scan_batch : One batch.

    Notes
    -----
    Cost: that of `scan_batch`, a read of the batch, in the process that iterates. The loader's iterator is closed when
    the loop ends, however it ends. What a method of the loader returns is not guarded: guard last.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> batches = [{"x": np.ones((2, 3))}, {"x": np.array([[1.0, np.nan, 0.0]])}]
    >>> loader = ff.guard(batches, on_bad="skip")
    >>> len(list(loader)), loader.report.bad, str(loader.report.findings[0])
    (1, 1, 'batch 1 of epoch 0: x (1 x 3 float64) has 1 non-finite value: 1 nan; first nan at row 0, column 1')
    """
    if not hasattr(type(loader), "__iter__") and not hasattr(type(loader), "__getitem__"):
        raise TypeError(f"loader must be iterable, not {type(loader).__name__}")
    if isinstance(loader, Mapping) or is_frame(type(loader)):
        raise TypeError(f"loader gives batches one by one, and a {type(loader).__name__} is one itself: "
                        "use scan_batch(batch), or guard([batch])")
    if not callable(on_bad) and not (isinstance(on_bad, str) and on_bad in _POLICIES):
        raise ValueError(f"on_bad must be one of {', '.join(map(repr, _POLICIES))} or callable, not {on_bad!r}")
    walker = Walker(allow_nan, target_dtype, on_unknown)
    options = {"on_bad": on_bad, "allow_nan": allow_nan, "name": name, "target_dtype": target_dtype,
               "on_unknown": on_unknown, "max_findings": whole_number(max_findings, "max_findings", 0)}
    return GuardedLoader(loader, walker, options)

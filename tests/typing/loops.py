"""Guards of loops, models, diagnoses and the modules of other libraries, as a type checker sees them."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastfinite as ff
import fastfinite.dask
from fastfinite.sklearn import ColumnScaler

warnings.simplefilter("error", ff.NonFiniteWarning)
batches = [{"x": np.ones((2, 3))}]

loader = ff.guard(batches, name="train", on_bad="skip")
for batch in loader:
    images: Any = batch["x"]
assert_type(len(loader), int)
assert_type(loader.report, ff.GuardReport)
assert_type(loader.report.ok, bool)
assert_type(loader.report.batches, int)
assert_type(loader.report.skipped, int)
assert_type(loader.report.seconds, float)
assert_type(loader.report.findings, list[ff.BadBatch])


def mended(bad: ff.BadBatch) -> object:
    assert_type(bad.path, str)
    assert_type(bad.sample, int | None)
    assert_type(bad.epoch, int)
    assert_type(bad.findings, tuple[ff.Finding, ...])
    assert_type(bad.report, ff.ScanReport)
    return bad.batch


ff.guard(batches, on_bad=mended)
ff.guarded_collate(list)(batches)
sample: Any = ff.guard_dataset(batches)[0]

found = ff.scan_batch(batches[0])
assert_type(found, ff.BatchReport)
assert_type(found.ok, bool)
assert_type(found.arrays, int)
assert_type(found.complete, bool)
assert_type(found.findings, list[ff.Finding])
assert_type(found.not_scanned, dict[str, str])
for finding in found.findings:
    assert_type(finding.path, str)
    assert_type(finding.report, ff.ScanReport)
assert_type(ff.check_gradients([]), ff.BatchReport)
assert_type(ff.check_parameters([], name="weights"), ff.BatchReport)

diagnosis = ff.diagnose(np.ones((4, 2)), [0, 1, 0, 1], columns=["a", "b"])
assert_type(diagnosis, ff.Diagnosis)
assert_type(bool(diagnosis), bool)
for cause in diagnosis.errors:
    assert_type(cause, ff.Cause)
    assert_type(cause.code, str)

scaler = ColumnScaler(copy=False).fit(np.ones((3, 2)))
assert_type(scaler, ColumnScaler)
assert_type(scaler.mean_, NDArray[np.float64])
assert_type(scaler.stats_, ff.ColumnStats)

# Computed or not: only the call knows.
later: Any = fastfinite.dask.column_stats(object(), compute=False)

ff.guard(batches, on_bad=3)                             # type: ignore[arg-type]
ff.guard(3)                                             # type: ignore[arg-type]
fastfinite.dask.standardize(object(), stats=1)          # type: ignore[arg-type]
ColumnScaler(False)                                     # type: ignore[call-arg]

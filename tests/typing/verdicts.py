"""Scans, reports and errors, as a type checker sees them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fastfinite as ff

x = np.ones((3, 2), np.float32)

assert_type(ff.all_finite(x), bool)
assert_type(ff.all_finite([1.0], allow_nan=True), bool)
assert_type(ff.has_nan(x), bool)
assert_type(ff.has_inf(x), bool)
assert_type(ff.nonfinite(x, limit=3), NDArray[np.intp])

# What is checked comes back as its own kind.
assert_type(ff.check_finite([1.0], name="x"), list[float])
assert_type(ff.check_finite(1.0), float)
checked: NDArray[np.float32] = ff.check_finite(np.ones(3, np.float32))
assert_type(ff.asarray_chkfinite([1.0]), NDArray[Any])

report = ff.scan(x, axis=0, target_dtype="float16")
assert_type(report, ff.ScanReport)
assert_type(report.ok, bool)
assert_type(bool(report), bool)
assert_type(report.totals, ff.ScanReport)
assert_type(report.shape, tuple[int, ...])
assert_type(report.size, int)
assert_type(report.dtype, str)
assert_type(report.first, tuple[int, ...] | None)
assert_type(report.first_kind, str | None)
assert_type(report.names, tuple[str, ...] | None)
assert_type(report.not_scanned, tuple[str, ...])
assert_type(report.to_dict(), dict[str, Any])

try:
    ff.check_finite(x)
except ff.NonFiniteError as error:
    assert_type(error.report, ff.ScanReport | None)
    assert_type(error.by_column, ff.ScanReport | None)
    assert_type(error.findings, tuple[ff.Finding, ...])
    assert_type(error.path, str | None)
    assert_type(error.sample, int | None)
    assert_type(error.epoch, int | None)

ff.set_num_threads(2)
ff.set_num_threads(None)
assert_type(ff.get_num_threads(), int)
assert_type(ff.cpu_info(), dict[str, Any])
assert_type(ff.__version__, str)
with ff.threads(2):
    pass

# What is refused, is refused before it runs: an ignore that nothing needs is an error.
ff.all_finite(x, True)                  # type: ignore[call-arg]
ff.all_finite(x, allow_inf=True)        # type: ignore[call-arg]
ff.scan(x, 0)                           # type: ignore[call-arg]
ff.nonfinite(x, limit="3")              # type: ignore[arg-type]
ff.threads("2")                         # type: ignore[arg-type]
unknown = ff.no_such_name               # type: ignore[attr-defined]

"""One job in a process of its own: `memory_child.py JOB BYTES [--idle]` prints peak resident and traced bytes as JSON.

With --idle the array is made and nothing is done with it; the difference between the two peaks is what the job took.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from datasets import COLUMNS, laid_out

import fastfinite as ff


def _threaded(x: Any) -> None:
    with ff.threads(2):
        ff.all_finite(x)


def _by_column(x: Any) -> None:
    ff.scan(_table(x), axis=0)


def _table(x: Any) -> Any:
    return x[: len(x) // COLUMNS * COLUMNS].reshape(-1, COLUMNS)


def _column_stats_threaded(x: Any) -> None:
    with ff.threads(2):
        ff.column_stats(_table(x))


def _updates(x: Any) -> None:
    stats = ff.ColumnStats()
    for start in range(0, len(x), 1000 * COLUMNS):
        stats.update(_table(x[start : start + 1000 * COLUMNS]))


def _standardize(x: Any) -> None:
    table = _table(x) if x.ndim == 1 else x
    ff.standardize(table, out=table)


def _halves(x: Any) -> tuple[Any, Any]:
    return x[: len(x) // 2], x[len(x) // 2 : len(x) // 2 * 2]


def _sigmoid_threaded(x: Any) -> None:
    with ff.threads(2):
        ff.sigmoid(x, out=x)


def _cross_entropy(x: Any) -> None:
    np.clip(x, 0, 1, out=x)
    ff.binary_cross_entropy(*_halves(x))


def _cross_entropy_with_logits(x: Any) -> None:
    np.clip(x, 0, 1, out=x)
    ff.binary_cross_entropy_with_logits(*_halves(x))


def _gradient(x: Any) -> None:
    np.clip(x, 0, 1, out=x)
    y, z = _halves(x)
    ff.binary_cross_entropy_with_logits(y, z, return_grad=True, grad_out=z)


def _softmax(x: Any) -> None:
    one, other = _halves(_table(x))
    ff.softmax(one, axis=1, out=other)


def _classes(x: Any) -> None:
    table = _table(x)
    ff.cross_entropy(np.broadcast_to(np.int64(1), len(table)), table)      # labels that take no memory themselves


def _clip_and_log(x: Any) -> None:
    y, p = _halves(x)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


# dtype, layout, call
SCAN_JOBS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "all_finite, float32": ("float32", "C", ff.all_finite),
    "all_finite, float64": ("float64", "C", ff.all_finite),
    "all_finite, complex64": ("complex64", "C", ff.all_finite),
    "all_finite, 2 threads": ("float32", "C", _threaded),
    "all_finite, Fortran": ("float32", "Fortran", ff.all_finite),
    "all_finite, other columns": ("float32", "other columns", ff.all_finite),
    "all_finite, reversed": ("float32", "reversed", ff.all_finite),
    "all_finite, float16": ("float16", "C", ff.all_finite),
    "scan, bfloat16 bits": ("uint16", "C", lambda x: ff.scan(x, dtype="bfloat16")),
    "scan, float32": ("float32", "C", ff.scan),
    "scan(axis=0), Fortran": ("float32", "Fortran", lambda x: ff.scan(x, axis=0)),
    "scan(axis=0), float32": ("float32", "C", _by_column),
    "nonfinite, float32": ("float32", "C", ff.nonfinite),
    "check_finite, float32": ("float32", "C", ff.check_finite),
    "rival: np.isfinite(x).all()": ("float32", "C", lambda x: np.isfinite(x).all()),
}
COLUMN_JOBS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "column_stats, float32": ("float32", "C", lambda x: ff.column_stats(_table(x))),
    "column_stats, float64": ("float64", "C", lambda x: ff.column_stats(_table(x))),
    "column_stats, 2 threads": ("float32", "C", _column_stats_threaded),
    "column_stats, Fortran": ("float32", "Fortran", ff.column_stats),
    "column_stats, other columns": ("float32", "other columns", ff.column_stats),
    "column_stats, reversed": ("float32", "reversed", lambda x: ff.column_stats(_table(x))),
    "column_stats, float16": ("float16", "C", lambda x: ff.column_stats(_table(x))),
    "column_stats, int64": ("int64", "C", lambda x: ff.column_stats(_table(x))),
    "column_stats, axis=1": ("float32", "C", lambda x: ff.column_stats(x.reshape(32, -1), axis=1)),
    "updates of 1000 rows": ("float32", "C", _updates),
    "standardize in place": ("float32", "C", _standardize),
    "standardize in place, Fortran": ("float32", "Fortran", _standardize),
    "standardize in place, float16": ("float16", "C", _standardize),
    "rival: np.var(axis=0)": ("float32", "C", lambda x: np.var(_table(x), axis=0)),
}
FUNCTION_JOBS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "sigmoid in place, float32": ("float32", "C", lambda x: ff.sigmoid(x, out=x)),
    "sigmoid in place, float64": ("float64", "C", lambda x: ff.sigmoid(x, out=x)),
    "sigmoid in place, float16": ("float16", "C", lambda x: ff.sigmoid(x, out=x)),
    "sigmoid in place, other columns": ("float32", "other columns", lambda x: ff.sigmoid(x, out=x)),
    "sigmoid in place, 2 threads": ("float32", "C", _sigmoid_threaded),
    "log_sigmoid in place, float32": ("float32", "C", lambda x: ff.log_sigmoid(x, out=x)),
    "safe_log in place, float32": ("float32", "C", lambda x: ff.safe_log(x, out=x)),
    "safe_divide in place, float32": ("float32", "C", lambda x: ff.safe_divide(*_halves(x), out=_halves(x)[0])),
    "binary_cross_entropy, float32": ("float32", "C", _cross_entropy),
    "binary_cross_entropy_with_logits": ("float32", "C", _cross_entropy_with_logits),
    "its gradient, grad_out=": ("float32", "C", _gradient),
    "softmax, out=": ("float32", "C", _softmax),
    "cross_entropy, float32": ("float32", "C", _classes),
    "rival: NumPy, 1 / (1 + exp(-x))": ("float32", "C", lambda x: 1 / (1 + np.exp(-x))),
    "rival: NumPy, clip and log": ("float32", "C", _clip_and_log),
}
JOBS = SCAN_JOBS | COLUMN_JOBS | FUNCTION_JOBS


def peak_resident() -> int:
    """Bytes. VmHWM where there is one: ru_maxrss of a child begins at what its parent had."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    dtype, layout, call = JOBS[sys.argv[1]]
    idle = "--idle" in sys.argv
    ff.set_num_threads(1)
    call(laid_out(4 * COLUMNS, np.dtype(dtype), layout))        # what is loaded or made once is not the job's
    x = laid_out(int(sys.argv[2]) // np.dtype(dtype).itemsize, np.dtype(dtype), layout)
    if not idle:
        call(x)
    peak = peak_resident()
    tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    if not idle:
        call(x)
    json.dump({"peak": peak, "traced": tracemalloc.get_traced_memory()[1] - before}, sys.stdout)


if __name__ == "__main__":
    main()

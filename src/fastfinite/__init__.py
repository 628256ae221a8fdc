"""Finds and prevents the numerical causes of a NaN loss: fast, exact scans of arrays for values that are not finite.

The main calls:

- `all_finite`, `has_nan`, `has_inf`: the verdict, with early exit;
- `scan`: how many of each kind, where the first one is, by column where asked;
- `check_finite`, `asarray_chkfinite`: raise `NonFiniteError`, which says what is where;
- `nonfinite`: the indices;
- `column_stats`, `ColumnStats`: count, range, mean and exact variance of columns in one pass, of batches too;
  `column_variance`, `constant_columns`, `near_constant_columns`, `standardize`, `inverse_standardize`;
- `threads`, `set_num_threads`, `get_num_threads`, `cpu_info`: what a large call uses.
"""

from fastfinite._core import all_finite, has_inf, has_nan
from fastfinite._info import cpu_info
from fastfinite._report import NonFiniteError, ScanReport
from fastfinite._scan import asarray_chkfinite, check_finite, nonfinite, scan
from fastfinite._standardize import inverse_standardize, standardize
from fastfinite._statistics import (
    ColumnStats,
    column_stats,
    column_variance,
    constant_columns,
    near_constant_columns,
)
from fastfinite._threads import get_num_threads, set_num_threads, threads
from fastfinite._version import __version__

__all__ = [
    "ColumnStats",
    "NonFiniteError",
    "ScanReport",
    "__version__",
    "all_finite",
    "asarray_chkfinite",
    "check_finite",
    "column_stats",
    "column_variance",
    "constant_columns",
    "cpu_info",
    "get_num_threads",
    "has_inf",
    "has_nan",
    "inverse_standardize",
    "near_constant_columns",
    "nonfinite",
    "scan",
    "set_num_threads",
    "standardize",
    "threads",
]

for _name in __all__:
    if _name != "__version__":
        globals()[_name].__module__ = __name__
del _name

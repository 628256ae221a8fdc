"""Finds and prevents the numerical causes of a NaN loss: fast, exact scans of arrays for values that are not finite.

The main calls:

- `all_finite`, `has_nan`, `has_inf`: the verdict, with early exit;
- `scan`: how many of each kind, where the first one is, by column where asked;
- `check_finite`, `asarray_chkfinite`: raise `NonFiniteError`, which says what is where;
- `nonfinite`: the indices;
- `column_stats`, `ColumnStats`: count, range, mean and exact variance of columns in one pass, of batches too;
  `column_variance`, `constant_columns`, `near_constant_columns`, `standardize`, `inverse_standardize`;
- `safe_log`, `safe_divide`, `sigmoid`, `sigmoid_grad`, `log_sigmoid`, `softplus`, `logit`: NumPy ufuncs, exact in
  both tails, that never warn;
- `binary_cross_entropy`, `binary_cross_entropy_with_logits`: losses that cannot become nan by themselves, with their
  gradient and a `LossInfo`;
- `softmax`, `log_softmax`, `logsumexp`, `cross_entropy`: the same for many classes;
- `diagnose`: every cause of a NaN loss that data, labels and predictions show, as a `Diagnosis` of `Cause`;
- `scan_batch`, `guard`, `guard_dataset`, `guarded_collate`: the same for nests of arrays, in data loaders, with reports
  (`BatchReport`, `Finding`, `GuardReport`, `BadBatch`) and a `NonFiniteWarning`;
- `check_gradients`, `check_parameters`: for models, by name;
- `threads`, `set_num_threads`, `get_num_threads`, `cpu_info`: what a large call uses.
"""

from typing import TYPE_CHECKING

from fastfinite._batch import scan_batch
from fastfinite._batch_report import BatchReport, Finding
from fastfinite._binary_cross_entropy import LossInfo, binary_cross_entropy, binary_cross_entropy_with_logits
from fastfinite._core import all_finite, has_inf, has_nan
from fastfinite._cross_entropy import cross_entropy
from fastfinite._datasets import guard_dataset, guarded_collate
from fastfinite._elementwise import safe_divide, safe_log
from fastfinite._errors import NonFiniteError, NonFiniteWarning
from fastfinite._guard import BadBatch, GuardReport, guard
from fastfinite._info import cpu_info
from fastfinite._report import ScanReport
from fastfinite._scan import asarray_chkfinite, check_finite, nonfinite, scan
from fastfinite._softmax import log_softmax, logsumexp, softmax
from fastfinite._standardize import inverse_standardize, standardize
from fastfinite._statistics import (
    ColumnStats,
    column_stats,
    column_variance,
    constant_columns,
    near_constant_columns,
)
from fastfinite._threads import get_num_threads, set_num_threads, threads
from fastfinite._training import check_gradients, check_parameters
from fastfinite._ufuncs import log_sigmoid, logit, sigmoid, sigmoid_grad, softplus
from fastfinite._version import __version__

if TYPE_CHECKING:
    from fastfinite._diagnose import diagnose
    from fastfinite._diagnosis import Cause, Diagnosis

__all__ = [
    "BadBatch",
    "BatchReport",
    "Cause",
    "ColumnStats",
    "Diagnosis",
    "Finding",
    "GuardReport",
    "LossInfo",
    "NonFiniteError",
    "NonFiniteWarning",
    "ScanReport",
    "__version__",
    "all_finite",
    "asarray_chkfinite",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "check_finite",
    "check_gradients",
    "check_parameters",
    "column_stats",
    "column_variance",
    "constant_columns",
    "cpu_info",
    "cross_entropy",
    "diagnose",
    "get_num_threads",
    "guard",
    "guard_dataset",
    "guarded_collate",
    "has_inf",
    "has_nan",
    "inverse_standardize",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "near_constant_columns",
    "nonfinite",
    "safe_divide",
    "safe_log",
    "scan",
    "scan_batch",
    "set_num_threads",
    "sigmoid",
    "sigmoid_grad",
    "softmax",
    "softplus",
    "standardize",
    "threads",
]

# What is for the hunt, not for the loop, is imported when it is first asked for: a tenth of the import.
_LATER = {"diagnose": "_diagnose", "Cause": "_diagnosis", "Diagnosis": "_diagnosis"}


if not TYPE_CHECKING:       # which would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        found.__module__ = __name__
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


for _name in __all__:
    # A ufunc has no module to name.
    if _name != "__version__" and _name not in _LATER and hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__
del _name

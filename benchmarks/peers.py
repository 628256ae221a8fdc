"""What else answers the question: NumPy's idioms, and other libraries where they are installed.

(a) A peer is a function of one array that returns something true where all is well. The question is "finite" (no nan,
    no inf) or "nan" (no nan).
(b) What a peer gets wrong is said in `wrong`, and `fails_on` is an array that proves it: bench_scan.py checks that the
    answer there is still wrong, so a label that has become unjust is found.
(c) A library that is absent, or cannot be imported, is left out with the reason.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastfinite

Array = np.ndarray[Any, Any]
Call = Callable[[Array], Any]

HUGE = np.full(64, 3e38, np.float32)
REAL = ("float16", "float32", "float64")
SINGLE_DOUBLE = ("float32", "float64")


class Absent(Exception):
    """A peer cannot be had; the text says why."""


@dataclass(frozen=True)
class Peer:
    name: str
    question: str
    make: Callable[[], Call]
    dtypes: tuple[str, ...] = (*REAL, "complex64")
    contiguous: bool = False        # takes C-contiguous arrays only
    wrong: str = ""
    fails_on: Array | None = None
    threads: bool = False           # its number of threads can be set

    def ready(self) -> Call:
        return _ready(self.name, self.question)


def load(module: str) -> Any:
    """The module, or Absent with the reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise Absent(f"{module.partition('.')[0]} is not installed ({error})") from error
        except Exception as error:
            raise Absent(f"{module} cannot be imported: {error}") from error


@functools.cache
def _ready(name: str, question: str) -> Call:
    return next(peer for peer in PEERS if (peer.name, peer.question) == (name, question)).make()


def _passes(check: Callable[[Array], Any]) -> Call:
    """A check that raises ValueError, as a function that returns true or false."""

    def call(x: Array) -> bool:
        try:
            check(x)
        except ValueError:
            return False
        return True

    return call


def _scikit_learn() -> Call:
    return _passes(load("sklearn.utils").assert_all_finite)


def _scikit_learn_loop() -> Call:
    module = load("sklearn.utils._isfinite")
    check, fine = module.cy_isfinite, module.FiniteStatus.all_finite
    return lambda x: check(x.reshape(-1)) == fine


def _scipy() -> Call:
    return _passes(load("scipy._lib._util")._asarray_validated)


def _onedal() -> Call:
    check = load("onedal.utils.validation").check_all_finite
    return lambda x: check(x)


def _onedal_daal4py() -> Call:
    check = load("daal4py").daal_assert_all_finite
    single = np.dtype(np.float32)
    return lambda x: check(x.reshape(-1, 1), False, 1 if x.dtype == single else 0)


def _numexpr() -> Call:
    evaluate = load("numexpr").evaluate
    return lambda x: evaluate("sum(where(isfinite(x), 0, 1))", local_dict={"x": x}) == 0


def _polars(question: str) -> Call:
    series = load("polars").Series
    if question == "nan":
        return lambda x: not series(x).is_nan().any()
    return lambda x: series(x).is_finite().all()


def _bottleneck() -> Call:
    check = load("bottleneck").anynan
    return lambda x: not check(x)


OVERFLOWS = "false alarm where the sum overflows"
PEERS = (
    Peer("fastfinite", "finite", lambda: fastfinite.all_finite, (*REAL, "bfloat16", "complex64"), threads=True),
    Peer("np.isfinite(x).all()", "finite", lambda: lambda x: np.isfinite(x).all(), (*REAL, "bfloat16", "complex64")),
    Peer(
        "np.isfinite(x.min()) and max",
        "finite",
        lambda: lambda x: np.isfinite(x.min()) and np.isfinite(x.max()),
        REAL,
    ),
    Peer("np.isfinite(x.sum())", "finite", lambda: lambda x: np.isfinite(x.sum()), wrong=OVERFLOWS, fails_on=HUGE),
    Peer(
        "np.isfinite(np.dot(x, x))",
        "finite",
        lambda: lambda x: np.isfinite(np.dot(x.reshape(-1), x.reshape(-1))),
        (*SINGLE_DOUBLE, "complex64"),
        contiguous=True,
        wrong="false alarm above the root of the largest number",
        fails_on=np.sqrt(HUGE) * np.float32(1.1),
    ),
    Peer("np.asarray_chkfinite", "finite", lambda: _passes(np.asarray_chkfinite)),
    Peer("sklearn assert_all_finite", "finite", _scikit_learn),
    Peer("sklearn cy_isfinite", "finite", _scikit_learn_loop, SINGLE_DOUBLE, contiguous=True),
    Peer("scipy _asarray_validated", "finite", _scipy),
    Peer("oneDAL check_all_finite", "finite", _onedal, SINGLE_DOUBLE, contiguous=True, threads=True),
    Peer("oneDAL by daal4py", "finite", _onedal_daal4py, SINGLE_DOUBLE, contiguous=True, threads=True),
    Peer("numexpr", "finite", _numexpr, SINGLE_DOUBLE, threads=True),
    Peer("polars is_finite", "finite", lambda: _polars("finite"), REAL, contiguous=True),
    Peer("fastfinite", "nan", lambda: lambda x: not fastfinite.has_nan(x), (*REAL, "bfloat16", "complex64")),
    Peer("np.isnan(x).any()", "nan", lambda: lambda x: not np.isnan(x).any(), (*REAL, "bfloat16", "complex64")),
    Peer("np.isnan(np.min(x))", "nan", lambda: lambda x: not np.isnan(np.min(x)), REAL),
    Peer(
        "np.isnan(np.dot(x, x))",
        "nan",
        lambda: lambda x: not np.isnan(np.dot(x.reshape(-1), x.reshape(-1))),
        SINGLE_DOUBLE,
        contiguous=True,
    ),
    Peer(
        "np.isnan(x.sum())",
        "nan",
        lambda: lambda x: not np.isnan(x.sum()),
        wrong="false alarm where inf and -inf are both there",
        fails_on=np.array([np.inf, -np.inf]),
    ),
    Peer("bottleneck.anynan", "nan", _bottleneck, SINGLE_DOUBLE),
    Peer("polars is_nan", "nan", lambda: _polars("nan"), REAL, contiguous=True),
)
PACKAGES = {
    "numpy": "numpy",
    "scikit-learn": "sklearn.utils",
    "scipy": "scipy._lib._util",
    "scikit-learn-intelex": "onedal.utils.validation",
    "numexpr": "numexpr",
    "polars": "polars",
    "bottleneck": "bottleneck",
    "numbagg": "numbagg",
    "pandas": "pandas",
    "NumKong": "numkong",
    "ml_dtypes": "ml_dtypes",
    "torch": "torch",
    "pyarrow": "pyarrow",
    "narwhals": "narwhals",
    "dask": "dask.array",
    "distributed": "distributed",
    "zarr": "zarr",
}


def versions() -> dict[str, str]:
    """The version of each package that can be used, or why it cannot."""
    found = {}
    for package, module in PACKAGES.items():
        try:
            load(module)
            found[package] = importlib.metadata.version(package)
        except Absent as error:
            found[package] = f"absent: {error}"
    return found


@functools.cache
def _wake_onedal() -> None:
    # Its pool keeps the size of the first call for good, so the first call has all processors.
    load("daal4py").daal_assert_all_finite(np.zeros((1 << 20, 1), np.float32), False, 1)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """So many threads for fastfinite and for each peer whose number can be set."""
    with suppress(Absent):
        _wake_onedal()
        load("daal4py").daalinit(n)
    with suppress(Absent):
        load("numexpr").set_num_threads(n)
    with suppress(Absent):
        load("torch").set_num_threads(n)
    with fastfinite.threads(n):
        yield

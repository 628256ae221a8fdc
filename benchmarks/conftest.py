"""Benchmarks are collected from bench_*.py; with --benchmark-disable all of them run once, on small arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before NumPy is imported: its dot product is one of the rivals, and has threads of its own. So do polars and numba.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np  # noqa: E402
import peers  # noqa: E402
import pytest  # noqa: E402
from datasets import Array, Size, dataset, dtype_of  # noqa: E402

import fastfinite  # noqa: E402

TABLES = pytest.StashKey[dict[str, list[str]]]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    # The prefix is this folder's own; a file named on the command line is collected by pytest itself.
    if file_path.name.startswith("bench_") and file_path.suffix == ".py" and not parent.session.isinitpath(file_path):
        return pytest.Module.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents:
            # Rivals may warn as they like, as may pytest-benchmark of a noisy machine.
            item.add_marker(pytest.mark.filterwarnings("ignore"))


def pytest_report_header(config: pytest.Config) -> list[str]:
    if config.getoption("benchmark_disable", False):
        return []
    info = fastfinite.cpu_info()
    lines = [f"fastfinite {info['version']}, level {info['level']}, {info['compiler']}"]
    if hasattr(os, "getloadavg"):
        lines.append("load: {:.2f} {:.2f} {:.2f}".format(*os.getloadavg()))
    return lines + [f"peer {package}: {version}" for package, version in peers.versions().items()]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for title, lines in config.stash.get(TABLES, {}).items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def smoke(request: pytest.FixtureRequest) -> bool:
    """Whether nothing is timed, so that small arrays do."""
    return bool(request.config.getoption("benchmark_disable"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with peers.threads(1):
        yield


@pytest.fixture
def make(smoke: bool) -> Any:
    """The array of a dtype, size, layout and place of the bad value; skips where the dtype cannot be had."""

    def make_array(dtype: str, size: Size, layout: str = "C", bad: str = "clean") -> Array:
        try:
            kind: np.dtype[Any] = dtype_of(dtype)
        except ImportError:
            pytest.skip(f"{dtype} needs ml_dtypes, which is not installed")
        return dataset(size.count(kind, smoke), kind, layout, bad)

    return make_array


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Any:
    """Adds a line to a table that is printed at the end."""

    def add(title: str, line: str) -> None:
        request.config.stash.setdefault(TABLES, {}).setdefault(title, []).append(line)

    return add

"""New processes that import NumPy, and NumPy and fastfinite: what the library adds is the difference."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest


@pytest.mark.parametrize("modules", ["numpy", "numpy, fastfinite"])
def test_import(benchmark: Any, smoke: bool, modules: str) -> None:
    benchmark.group = "import, whole process"
    command = [sys.executable, "-c", f"import {modules}"]
    done = benchmark.pedantic(
        subprocess.run, (command,), {"check": True}, rounds=1 if smoke else 30, warmup_rounds=0 if smoke else 2
    )
    assert done.returncode == 0

"""What the tests of file formats share: the memory that a process takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


MEASURED = """
import sys, file_fuzz
from fastfinite._cli import main
code = main(["check", "--quiet", *sys.argv[1:]])
print(file_fuzz.peak_megabytes(), code)
"""


def peak_of(*arguments):
    """Megabytes that a process takes to check files, and its exit code."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    child = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True,
                           env={**os.environ, "PYTHONPATH": path})
    return [int(word) for word in child.stdout.split()[-2:]]

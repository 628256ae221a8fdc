"""What all tests share: the helpers' place on the path, strict floating-point errors, subprocesses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

HERE = Path(__file__).parent
# The tests are imported by file (--import-mode=importlib); their helpers, and workers of multiprocessing, by name.
sys.path[:0] = [str(HERE), str(HERE / "containers")]
pytest.register_assert_rewrite("reference", "same_as_array")

settings.register_profile("default", deadline=None, derandomize=True, database=None, max_examples=150)
settings.register_profile("quick", deadline=None, derandomize=True, database=None, max_examples=20)
settings.register_profile("thorough", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_terminal_summary(terminalreporter):
    from optional import missed

    end = "failed" if os.environ.get("FASTFINITE_TEST_ALL") else "skipped"
    found = f"not installed, their tests {end}: {', '.join(sorted(missed))}" if missed else "none missing"
    terminalreporter.write_line(f"optional libraries: {found}")


@pytest.fixture
def strict_errors():
    """NumPy raises on every floating-point event; warnings are errors for all tests anyway."""
    with np.errstate(all="raise"):
        yield


@pytest.fixture
def run_python():
    """Run code, or a file of this folder, in a new interpreter and return what it printed; it must end well."""

    def run(code, *arguments, **environment):
        command = [str(HERE / code)] if code.endswith(".py") else ["-c", code]
        result = attempt(command, arguments, environment)
        assert result.returncode == 0, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout.strip()

    return run


@pytest.fixture
def fail_python():
    """Run code that must end in an exception and return the exception's last line."""

    def run(code, **environment):
        result = attempt(["-c", code], (), environment)
        assert result.returncode == 1, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stderr.strip().splitlines()[-1]

    return run


@pytest.fixture
def compile_c(tmp_path):
    """Compile C into a shared library and return its path; a machine without a compiler skips the test."""

    def build(text, *flags):
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            pytest.skip("no C compiler")
        source, library = tmp_path / "helper.c", tmp_path / "helper.so"
        source.write_text(text)
        result = subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, *flags], capture_output=True)
        if result.returncode:
            pytest.skip("the helper is for another system or processor")
        return library

    return build


def attempt(command, arguments, environment):
    full = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
    full = {key: value for key, value in full.items() if value is not None}
    command = [sys.executable, "-W", "error", *command, *map(str, arguments)]
    return subprocess.run(command, env=full, capture_output=True, text=True, cwd=HERE, timeout=300)


# ---- checking files with the command line -----------------------------------------------------------


@pytest.fixture
def in_tmp_path(tmp_path, monkeypatch):
    """Names in the output are as they were given, so tests give short ones."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def check(capsys):
    """Run with --json: exit code, entries by name (a list where a name occurs twice)."""

    def check(*arguments):
        from fastfinite._cli import main

        code = main(["check", "--json", *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        entries = json.loads(out)["arrays"]
        names = [entry["name"] for entry in entries]
        return code, dict(zip(names, entries)) if len(set(names)) == len(names) else entries

    return check


@pytest.fixture
def lines(capsys):
    """Run as text: exit code, lines of stdout without the summary, of stderr."""

    def lines(*arguments):
        from fastfinite._cli import main

        code = main(["check", *arguments])
        out, err = capsys.readouterr()
        return code, out.splitlines()[:-1], err.splitlines()

    return lines

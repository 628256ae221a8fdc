"""Importing the package does little: no heavy module, no thread, no change of the environment."""

import pytest


def test_import_brings_in_nothing_heavy(run_python):
    new = run_python(
        "import sys, numpy; before = set(sys.modules); import fastfinite;"
        "print('\\n'.join(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    ).split()
    allowed = {"fastfinite", "numpy", "html", "importlib", "decimal", "_decimal", "fractions", "cython_runtime"}
    allowed.add("__future__")
    assert {name for name in new if not name.startswith("_cython_")} <= allowed


def test_calls_import_nothing(run_python):
    # An import that goes on in one thread while another forks leaves its lock held for ever in the child.
    new = run_python(
        """
import sys
import numpy as np
import fastfinite as ff

x = np.array([[1.0, np.nan], [np.inf, 2.0]])
fields = np.zeros(2, [("a", "f4"), ("b", "i4")])
before = set(sys.modules)
for data in (x, x.T, x.astype("c8"), x.astype("g"), x.astype(object), x.tolist(), fields, np.ones((3, 4), int), 1.0):
    ff.all_finite(data), ff.has_nan(data), ff.has_inf(data), ff.scan(data, target_dtype="float16")
    str(ff.scan(data)), ff.scan(data)._repr_html_(), ff.scan(data).to_dict()
    try:
        ff.check_finite(data)
    except ff.NonFiniteError:
        pass
ff.scan(x, axis=0), ff.nonfinite(x), ff.nonfinite(x.T, limit=1), ff.all_finite(np.ones(4_000_000))
with ff.threads(2):
    ff.all_finite(np.ones(4_000_000))
for data in (x, x.T, x.astype("f4"), x.astype("f2"), [0, 1], 0.0, np.zeros(2_000_000), np.ones(3, int)):
    for ufunc in (ff.sigmoid, ff.sigmoid_grad, ff.log_sigmoid, ff.softplus, ff.logit, ff.safe_log):
        ufunc(data)
    ff.safe_log(data, fill=0), ff.safe_log(data, floor=[1e-9]), ff.safe_divide(data, data, fill=data)
for data in (x.astype("c8"), x.astype(object), x.astype("g"), "a"):
    try:
        ff.sigmoid(data)
    except TypeError:
        pass
print(sorted(set(sys.modules) - before))
"""
    )
    assert new == "[]"


@pytest.mark.parametrize("variables", [{}, {"FASTFINITE_NUM_THREADS": "7"}])
def test_import_starts_no_thread_and_changes_no_environment(run_python, variables):
    run_python(
        """
import os, pathlib, threading, warnings, signal
import numpy

def state():
    tasks = pathlib.Path("/proc/self/task")
    native = len(list(tasks.iterdir())) if tasks.exists() else 0
    return native, threading.active_count(), dict(os.environ), numpy.geterr(), warnings.filters[:], os.getcwd(), [
        signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

before = state()
import fastfinite
assert state() == before
fastfinite.all_finite(numpy.ones(10_000_000))
fastfinite.sigmoid(numpy.ones(2_000_000))
assert state() == before, "a thread outlives its call"
""",
        **variables,
    )


def test_the_package_is_typed():
    import importlib.resources

    assert importlib.resources.files("fastfinite").joinpath("py.typed").is_file()


def test_numpy_ma_may_be_half_imported_by_another_thread(run_python):
    # While numpy.ma is being imported, the module is there and its names are not yet.
    run_python(
        "import sys, types, numpy as np, fastfinite as ff;"
        "sys.modules['numpy.ma'] = types.ModuleType('numpy.ma');"
        "assert ff.scan(np.ones(3)).ok and not ff.all_finite([np.nan])"
    )


def test_the_hunt_is_imported_when_it_is_asked_for(run_python):
    code = """
import sys, fastfinite
before = "fastfinite._diagnose" in sys.modules
from fastfinite import Cause, diagnose
print(before, diagnose.__module__, Cause.__module__, "Diagnosis" in dir(fastfinite), hasattr(fastfinite, "no"))
"""
    assert run_python(code) == "False fastfinite fastfinite True False"

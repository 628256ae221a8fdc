"""Libraries and programs that some tests need and the package does not: where one is missing, those tests skip.

Where FASTFINITE_TEST_ALL is set they fail instead. The summary of the run tells in any case which were missing.
"""

import importlib
import importlib.util
import os
import shutil
import warnings

import pytest

# The names that were asked for and not found.
missed = set()


def require(name, *, load=True):
    """The module of that name, for a test or for a whole file of them; without `load` it is only looked for.

    Not every library may be imported here: some start threads, or leave settings behind.
    """
    __tracebackhide__ = True
    try:
        with warnings.catch_warnings():
            # Of what an import warns, which would be an error as all warnings are, the tests cannot change anything.
            warnings.simplefilter("ignore")
            if load:
                return importlib.import_module(name)
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return None
    except ModuleNotFoundError:
        missed.add(name)
        if os.environ.get("FASTFINITE_TEST_ALL"):
            raise
    return pytest.skip(f"{name} is not installed", allow_module_level=True)


def require_program(name):
    """The path of that program."""
    __tracebackhide__ = True
    path = shutil.which(name)
    if path is None:
        missed.add(name)
        if os.environ.get("FASTFINITE_TEST_ALL"):
            raise FileNotFoundError(f"No program named {name!r}")
        pytest.skip(f"{name} is not installed")
    return path

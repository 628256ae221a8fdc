"""Every public name is documented: the examples run, the parameters are those of the signature."""

import doctest
import inspect
import re

import pytest

import fastfinite as ff

NAMES = [name for name in ff.__all__ if name != "__version__"]


def documented():
    for name in NAMES:
        thing = getattr(ff, name)
        yield name, thing
        if inspect.isclass(thing):
            for key, member in vars(thing).items():
                if not key.startswith("_") and callable(member):
                    yield f"{name}.{key}", member


def sections(thing):
    """The numpydoc sections of a docstring, by heading."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-+$", inspect.cleandoc(thing.__doc__), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.mark.parametrize("name", NAMES)
def test_public_names_live_in_the_package(name):
    assert getattr(ff, name).__module__ == "fastfinite"


@pytest.mark.parametrize(("name", "thing"), list(documented()))
def test_examples_of_docstrings_run(name, thing):
    globs = {}
    test = doctest.DocTestParser().get_doctest(thing.__doc__, globs, name, None, 0)
    output = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append)
    assert result.failed == 0, "".join(output)


@pytest.mark.parametrize("name", NAMES)
def test_public_docstrings_have_their_sections(name):
    thing = getattr(ff, name)
    found = sections(thing)
    first_line = thing.__doc__.strip().splitlines()[0]
    assert first_line.endswith((".", ":")) and len(first_line) <= 120
    if inspect.isclass(thing):
        assert {"Attributes", "Parameters"} & set(found)
        return
    parameters = inspect.signature(thing).parameters
    documented = [word for line in re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", found.get("Parameters", ""), re.MULTILINE)
                  for word in line.split(", ")]
    assert documented == list(parameters)
    assert "Examples" in found
    assert ("Returns" in found) is (name != "set_num_threads")


def test_attributes_of_a_report_are_those_documented():
    report = ff.scan(1.0)
    lines = re.findall(r"^(\w[\w, ]*) :", sections(ff.ScanReport)["Attributes"], re.MULTILINE)
    names = [word for line in lines for word in line.split(", ")]
    assert len(names) > 15
    for name in names:
        getattr(report, name)
    public = {name for name in dir(report) if not name.startswith("_") and not callable(getattr(report, name))}
    assert public - set(names) <= {"bad"}


def test_the_package_tells_what_it_offers():
    for name in NAMES:
        assert name in ff.__doc__ or name in ("ScanReport",)
    assert sorted(ff.__all__) == sorted(set(ff.__all__))
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", ff.__version__)

"""Instruction-set levels: each gives the same results, and FASTFINITE_CPU chooses among them.

The elementwise functions are the exception: without the fused multiply-add of v3 and v4 some roundings differ.
"""

import ml_dtypes
import numpy as np
import pytest
from levels_digest import answers
from reference import check_all

import fastfinite as ff

INFO = ff.cpu_info()
KNOWN = ("base", "v2", "v3", "v4")
USABLE = [level for level in INFO["supported"] if level in INFO["compiled"]]


def test_every_level_gives_the_same_results(run_python):
    lines = [run_python("levels_digest.py", FASTFINITE_CPU=level).split() for level in USABLE]
    assert [line[0] for line in lines] == USABLE
    assert len({line[1] for line in lines}) == 1


def results(text, bits):
    """Of results, by their bits: which are nan, where they are in the order of all numbers, and which have a sign."""
    kind = text.split()[-2]
    with np.errstate(all="ignore"):
        nan = np.isnan(bits.view(ml_dtypes.bfloat16 if kind == "bfloat16" else kind))
    places = np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits)
    return nan, places, bits < 0


def test_elementwise_functions_of_every_level_are_within_1_unit_of_each_other(run_python, tmp_path):
    found = {}
    for level in USABLE:
        path = tmp_path / f"{level}.npz"
        assert run_python("levels_digest.py", path, FASTFINITE_CPU=level) == level
        with np.load(path) as file:
            found[level] = dict(file)
    first = found[USABLE[-1]]
    assert len(first) == 9 * 4 * 3
    for level, texts in found.items():
        assert texts.keys() == first.keys()
        for text, bits in texts.items():
            nan, places, negative = results(text, bits)
            right_nan, right_places, right_negative = results(text, first[text])
            assert np.array_equal(nan, right_nan), (level, text)
            assert np.array_equal(negative[~nan], right_negative[~nan]), (level, text)
            most = 1 if "safe_divide" not in text and level not in ("v3", "v4") else 0
            lower, higher = (choose(places, right_places)[~nan] for choose in (np.minimum, np.maximum))
            assert (higher - lower).max() <= most, (level, text)


def test_the_level_in_use_gives_the_right_results():
    for n, (_, x) in enumerate(answers()):
        if n % 5 == 0:
            check_all(ff, x, axes=(0,))


def test_the_best_level_that_there_is_is_used(run_python):
    code = "import fastfinite as ff; print(ff.cpu_info()['level'])"
    for nothing in (None, ""):
        assert run_python(code, FASTFINITE_CPU=nothing) == USABLE[-1]


def test_cpu_info_tells_what_decides_the_speed():
    assert set(INFO) == {"version", "level", "supported", "compiled", "threads", "compiler"}
    assert INFO["version"] == ff.__version__ and INFO["level"] in USABLE and INFO["compiler"]
    assert INFO["supported"] == list(KNOWN[: len(INFO["supported"])]) and "base" in INFO["compiled"]
    assert ff.cpu_info()["threads"] == ff.get_num_threads()


@pytest.mark.parametrize("name", ["v5", "V4", "avx2", "x86-64-v3", " ", "v", "4"])
def test_an_unknown_level_is_a_clear_error(fail_python, name):
    assert fail_python("import fastfinite", FASTFINITE_CPU=name) == (
        f"ImportError: FASTFINITE_CPU={name!r} is not a level; known are base, v2, v3, v4"
    )


@pytest.mark.parametrize("level", KNOWN)
def test_a_level_that_the_machine_does_not_have_is_a_clear_error(fail_python, level):
    if level in INFO["supported"]:
        pytest.skip("this machine has it")
    assert fail_python("import fastfinite", FASTFINITE_CPU=level) == (
        f"ImportError: FASTFINITE_CPU={level!r} needs more than this processor and system have; "
        f"they support {', '.join(INFO['supported'])}"
    )


@pytest.mark.parametrize("level", USABLE)
def test_a_level_that_was_not_built_is_a_clear_error_or_passed_over(fail_python, run_python, level):
    hide = f"import sys; sys.modules['fastfinite._kernels.{level}'] = None;"
    assert fail_python(hide + "import fastfinite", FASTFINITE_CPU=level) == (
        f"ImportError: this build of fastfinite holds no kernels for level {level!r}"
    )
    if level == USABLE[-1] != "base":
        found = run_python(hide + "import fastfinite as ff; print(ff.cpu_info()['level'])", FASTFINITE_CPU=None)
        assert found == USABLE[-2]

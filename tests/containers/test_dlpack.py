"""What speaks only DLPack, here and on another device, answers as the same numbers do in NumPy."""

from types import SimpleNamespace

import arrays
import numpy as np
import pytest
from memory import MEGABYTE, peak_of
from refusals import VERDICTS, check_not_taken, raised
from same_as_array import (
    COMPLEX,
    OnlyDLPack,
    check_arguments,
    check_like,
    check_statistics,
    check_unchanged,
    example,
)

import fastfinite as ff
from fastfinite._accept import accept

pytestmark = pytest.mark.usefixtures("strict_errors")
nan = np.nan


# ---- here --------------------------------------------------------------------------------------------


class OldDLPack(OnlyDLPack):
    """The protocol as it was before it had versions."""

    def __dlpack__(self, *, stream=None):
        return self.array.__dlpack__(stream=stream)


@pytest.mark.parametrize("kind", [OnlyDLPack, OldDLPack])
@pytest.mark.parametrize("dtype", [*arrays.NATIVE, *COMPLEX, *arrays.INTEGERS])
def test_what_speaks_only_dlpack_is_read(dtype, kind):
    for shape in ((7, 6), (), (2, 3, 4), (0, 3), (3, 0)):
        dense = example(dtype, shape)
        check_like(kind(dense), dense)
        if dtype not in COMPLEX:
            check_statistics(kind(dense), dense)


@pytest.mark.parametrize("layout", ["Fortran", "every other", "backwards", "padded rows"])
@pytest.mark.parametrize("dtype", arrays.NATIVE)
def test_dlpack_of_any_strides(dtype, layout):
    dense = arrays.LAYOUTS[layout](example(dtype))
    check_like(OnlyDLPack(dense), dense)


def test_dlpack_of_memory_that_cannot_be_written():
    dense = arrays.read_only(example("float32"))
    check_like(OnlyDLPack(dense), dense)
    check_not_taken(OldDLPack(dense), "cannot scan this OldDLPack, which NumPy does not take")


def test_dlpack_is_not_copied():
    dense = np.ones((2048, 1024))
    assert np.shares_memory(accept(OnlyDLPack(dense)).array, dense)
    for call in (*VERDICTS, ff.scan, ff.check_finite):
        assert peak_of(lambda call=call: call(OnlyDLPack(dense))) < MEGABYTE


# ---- on another device -------------------------------------------------------------------------------


class OnDevice:
    """An array of another device, with the functions of the array API; it notes what is asked, and journeys."""

    def __init__(self, values, log=None):
        self.values, self.log = values, [] if log is None else log

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if dl_device != (1, 0):
            raise BufferError("the memory is not here")
        self.log.append("journey")
        return self.values.__dlpack__(max_version=max_version)

    def __array_namespace__(self, api_version=None):
        def function(name):
            def call(x):
                x.log.append(name)
                return OnDevice(np.asarray(getattr(np, name)(x.values)), x.log)

            return call

        return SimpleNamespace(**{name: function(name) for name in ("isfinite", "isnan", "isinf", "all", "any")})

    def __bool__(self):
        assert self.values.shape == ()
        return bool(self.values)


class LikeCuPy(OnDevice):
    """It also has what NumPy would call, only to refuse."""

    __cuda_array_interface__ = property(lambda self: {"version": 3})

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("copied without being asked")


@pytest.mark.parametrize("kind", [OnDevice, LikeCuPy])
def test_another_device_is_asked_with_its_own_functions(kind):
    x = kind(np.ones((4, 5), np.float32))
    assert ff.all_finite(x) and not ff.has_nan(x) and not ff.has_inf(x)
    assert x.log == ["isfinite", "all", "isnan", "any", "isinf", "any"]
    assert ff.check_finite(x) is x and ff.check_finite(x, allow_nan=True) is x and ff.scan(x).ok
    assert ff.scan(x, axis=0).nan.tolist() == [0] * 5
    assert "journey" not in x.log


@pytest.mark.parametrize("kind", [OnDevice, LikeCuPy])
def test_what_was_found_on_another_device_is_told_from_here(kind):
    dense = np.ones((4, 5), np.float32)
    dense[2, 3] = nan
    x = kind(dense)
    assert not ff.all_finite(x) and ff.has_nan(x) and not ff.has_inf(x)
    assert ff.check_finite(x, allow_nan=True) is x
    assert "journey" not in x.log
    assert str(raised(x)) == str(raised(dense))
    assert x.log.count("journey") == 1


@pytest.mark.parametrize("dtype", [*arrays.NATIVE, *COMPLEX, "int32"])
def test_an_array_of_another_device_answers_as_the_same_here(dtype):
    for shape in ((7, 6), (), (0, 3), (3, 0)):
        for dense in (example(dtype, shape), arrays.clean(dtype, shape)):
            check_like(OnDevice(dense), dense)
            if dtype not in COMPLEX:
                check_statistics(OnDevice(dense), dense)


def test_another_device_without_functions_is_refused():
    class Mute(OnlyDLPack):
        def __dlpack_device__(self):
            return (2, 0)

    check_not_taken(Mute(np.ones(3)), r"cannot scan this Mute: it lies on another device \(DLPack's type 2\)")


# ---- both --------------------------------------------------------------------------------------------

MAKERS = {"DLPack": OnlyDLPack, "another device": OnDevice}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_arguments_are_as_for_arrays(make):
    check_arguments(make)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_nothing_of_the_input_is_changed(make):
    check_unchanged(make)

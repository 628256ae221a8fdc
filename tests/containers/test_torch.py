"""Dense tensors of PyTorch, here and on another device, answer as the same numbers do in NumPy."""

import arrays
import numpy as np
import pytest
import reference
from memory import MEGABYTE, peak_of
from optional import require
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
from tensors import ALL, FLOATS, INTEGERS, RAW, dense_of, quietly, tensor_of

import fastfinite as ff
from fastfinite._accept import accept

torch = require("torch")

pytestmark = pytest.mark.usefixtures("strict_errors", "unchecked_invariants")
nan, inf = np.nan, np.inf
# Those that hold -2, 0 and both infinities.
SIGNED = ["float16", "bfloat16", "float32", "float64", "float8_e5m2"]


# ---- here --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ALL)
def test_a_tensor_answers_as_the_array_of_its_bits(dtype):
    for shape in ((7, 6), (41,), (), (2, 3, 4), (0, 3), (3, 0), (0,)):
        dense = example(dtype, shape)
        x = tensor_of(dense)
        check_like(x, dense)
        if dtype not in COMPLEX:
            check_statistics(x, dense)


@pytest.mark.parametrize("dtype", RAW)
def test_every_pattern_of_a_format_that_numpy_lacks(dtype):
    itemsize = reference.dtype_of(dtype).itemsize
    dense = np.arange(1 << 8 * itemsize).astype(f"u{itemsize}").view(reference.dtype_of(dtype)).reshape(-1, 16)
    check_like(tensor_of(dense), dense)
    assert ff.scan(tensor_of(dense)).dtype == dtype


LAYOUTS = {
    "transposed": lambda x: x.t(),
    "every other": lambda x: x[:, ::2],
    "a part": lambda x: x[2:5, 1:],
    "one column": lambda x: x[:, 3],
    "permuted": lambda x: x.reshape(2, 4, 8).permute(2, 0, 1),
    "expanded": lambda x: x[:, :1].expand(8, 5),
    "overlapping": lambda x: x.as_strided((6, 6), (8, 1), 3),
    "a scalar": lambda x: x[3, 4],
    "parameter": lambda x: torch.nn.Parameter(x, requires_grad=x.is_floating_point() or x.is_complex()),
    "a view of a bit more": lambda x: x.unsqueeze(0).squeeze(0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float8_e4m3fn", "complex64", "int32"])
def test_any_strides(dtype, layout):
    x = LAYOUTS[layout](tensor_of(example(dtype, (8, 8))))
    check_like(x, dense_of(x))
    if dtype != "complex64":
        check_statistics(x, dense_of(x))


@pytest.mark.parametrize("dtype", [*SIGNED, *COMPLEX])
def test_what_requires_a_gradient_is_read_and_stays_in_its_graph(dtype):
    leaf = tensor_of(example(dtype)).requires_grad_()
    inner = leaf.view(leaf.shape)       # a step of the graph that every dtype has
    for x in (leaf, inner):
        check_like(x, dense_of(x))
        assert x.requires_grad and x.is_leaf is (x is leaf) and leaf.grad is None and x._version == 0


@pytest.mark.parametrize("dtype", COMPLEX)
def test_conjugates_and_negatives_that_are_only_marked_so(dtype):
    x = torch.tensor([[complex(1, inf), complex(nan, 1)], [complex(-inf, 2), complex(3, -inf)]],
                     dtype=getattr(torch, dtype))
    assert x.conj().is_conj() and x.conj().imag.is_neg()
    check_like(x.conj(), dense_of(x).conj())
    check_like(x.conj().imag, dense_of(x).conj().imag)
    check_statistics(x.conj().imag, dense_of(x).conj().imag)
    assert ff.scan(x.conj().imag).first_kind == "-inf"
    check_like(x.real, dense_of(x).real)


def test_subclasses_and_tensors_of_inference():
    class Named(torch.Tensor):
        pass

    dense = example("float32")
    with torch.inference_mode():
        x = tensor_of(dense)
    for y in (x, tensor_of(dense).as_subclass(Named), torch.nn.Buffer(tensor_of(dense))):
        check_like(y, dense)
        check_statistics(y, dense)


def test_targets_are_also_named_as_pytorch_names_them():
    x = torch.tensor([1.0, 70000.0])
    assert ff.scan(x, target_dtype=torch.float16).overflow == 1
    assert ff.scan(x, target_dtype=torch.bfloat16).ok
    assert raised(x, target_dtype=torch.float8_e4m3fn).report.overflow == 1
    assert ff.scan(torch.tensor([0x7F80], dtype=torch.int16), dtype=torch.bfloat16).posinf == 1


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e4m3fn", "complex64", "int64"])
def test_a_dense_tensor_is_not_copied(dtype, transposed):
    x = torch.ones((2048, 1024), dtype=getattr(torch, dtype))
    x = x.t() if transposed else x
    assert accept(x).array.__array_interface__["data"][0] == x.data_ptr()
    for call in (*VERDICTS, ff.scan, ff.check_finite, lambda x: ff.scan(x, axis=0)):
        assert peak_of(lambda call=call: call(x)) < MEGABYTE


@pytest.mark.parametrize("make", [lambda: torch.ones(2, device="meta"), lambda: torch.ones((2, 2), device="meta").t(),
                                  lambda: torch.sparse_coo_tensor(size=(3, 2), device="meta")])
def test_a_tensor_without_values_is_refused(make):
    check_not_taken(make(), "cannot scan a tensor of the meta device: it has no values")


def test_numbers_that_have_no_counterpart_are_refused():
    check_not_taken(quietly(torch.ones, 3, dtype=torch.complex32), "cannot scan a tensor .* of torch.complex32")
    quantized = quietly(torch.quantize_per_tensor, torch.ones(3), 0.1, 0, torch.quint8)
    check_not_taken(quantized, r"cannot scan a quantized tensor \(torch.quint8\).*x.dequantize\(\)")
    if hasattr(torch, "float4_e2m1fn_x2"):
        pairs = torch.zeros(3, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
        check_not_taken(pairs, "cannot scan a tensor .* of torch.float4_e2m1fn_x2")


def test_tensors_that_are_traced_are_refused():
    fake = require("torch._subclasses").FakeTensorMode()
    with fake:
        x, y = torch.ones(3), torch.ones(3, dtype=torch.bfloat16)
    check_not_taken(x, "cannot scan a tensor .FakeTensor. of torch.float32")
    check_not_taken(y, "cannot scan a tensor .FakeTensor. of torch.bfloat16")

    def inside(x):
        check_not_taken(x, "cannot scan a tensor")
        return x.sum()

    torch.func.vmap(inside)(torch.ones(2, 3))
    torch.func.grad(inside)(torch.ones(3))


def test_dlpack_of_tensors_of_pytorch():
    dense = example("float32")
    check_like(OnlyDLPack(tensor_of(dense)), dense)
    bfloat16 = OnlyDLPack(torch.ones(3, dtype=torch.bfloat16))
    check_not_taken(bfloat16, "cannot scan this OnlyDLPack, which NumPy does not take")


# ---- on another device -------------------------------------------------------------------------------


class Elsewhere(torch.Tensor):
    """A tensor that says it is on a GPU, and notes what is done there and whether it is brought here."""

    @staticmethod
    def __new__(cls, inner, log):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device="cuda:0")

    def __init__(self, inner, log):
        self.inner, self.log = inner, log

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        log = next(argument.log for argument in args if isinstance(argument, cls))
        arrives = str(kwargs.get("device")) == "cpu"
        log.append("to cpu" if arrives else func.__name__.partition(".")[0])
        if "device" in kwargs:
            kwargs["device"] = torch.device("cpu")
        result = func(*(argument.inner if isinstance(argument, cls) else argument for argument in args), **kwargs)
        return cls(result, log) if isinstance(result, torch.Tensor) and not arrives else result

    def __repr__(self):
        return f"Elsewhere({self.inner!r})"

    def __invert__(self):
        # The operator itself asks for a guard of the device, which a build for the CPU has not.
        return torch.logical_not(self)


def elsewhere(dense, requires_grad=False):
    x = Elsewhere(tensor_of(dense), [])
    assert x.device.type == "cuda" and not x.is_cpu
    return x.requires_grad_(requires_grad)


def travels(x):
    return x.log.count("to cpu")


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
def test_a_clean_tensor_of_another_device_does_not_travel(dtype):
    dense = arrays.clean(dtype, (4, 5))
    for call in (*VERDICTS, ff.scan, lambda x: ff.scan(x, axis=0), ff.check_finite,
                 lambda x: ff.check_finite(x, allow_nan=True)):
        x = elsewhere(dense)
        call(x)
        # One number comes: the verdict.
        assert travels(x) == 0 and x.log.count("_local_scalar_dense") == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e5m2", "int32"])
def test_nor_does_it_where_there_are_no_indices_to_tell(dtype):
    x = elsewhere(arrays.clean(dtype, (4, 5)))
    assert ff.nonfinite(x).shape == (0, 2)
    assert travels(x) == 0


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_another_device_are_not_read(dtype):
    x = elsewhere(arrays.clean(dtype, (4, 5)))
    assert ff.all_finite(x) and not ff.has_nan(x) and not ff.has_inf(x)
    assert ff.check_finite(x) is x and ff.check_finite(x, allow_nan=True) is x
    assert ff.scan(x) == ff.scan(x.inner) and ff.scan(x, axis=1) == ff.scan(x.inner, axis=1)
    assert x.log == []


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX])
def test_a_tensor_of_another_device_answers_as_the_same_here(dtype, requires_grad):
    for dense in (arrays.mixed(dtype, (7, 6), share=0.3), arrays.clean(dtype, (7, 6))):
        x = elsewhere(dense, requires_grad)
        check_like(x, dense)
        if dtype not in COMPLEX:
            check_statistics(x, dense)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e4m3fn", "complex64"])
def test_details_come_once_something_was_found(dtype):
    dense = arrays.clean(dtype, (4, 5)).copy()
    dense[2, 3] = nan
    x = elsewhere(dense)
    assert not ff.all_finite(x) and ff.has_nan(x) and not ff.has_inf(x) and ff.all_finite(x, allow_nan=True)
    assert ff.check_finite(x, allow_nan=True) is x
    assert travels(x) == 0
    assert str(raised(x, name="X")) == str(raised(dense, name="X"))
    assert travels(x) == 1
    assert ff.scan(x).first == (2, 3)
    assert travels(x) == 2


def test_whether_a_target_overflows_is_found_out_here():
    for dense in (np.array([1.0, 70000.0]), np.array([1, 70000])):
        x = elsewhere(dense)
        assert ff.scan(x, target_dtype="float16").first_overflow == (1,)
        assert travels(x) == 1


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float8_e4m3fn", "complex64", "int32"])
def test_empty_tensors_and_scalars_of_another_device(dtype, shape):
    for dense in (arrays.clean(dtype, shape), example(dtype, shape)):
        check_like(elsewhere(dense), dense)
    if dtype != "int32":
        dense = np.full(shape, nan, reference.dtype_of(dtype))
        check_like(elsewhere(dense), dense)


# ---- both --------------------------------------------------------------------------------------------

MAKERS = {"torch": tensor_of, "another device of torch": elsewhere}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_arguments_are_as_for_arrays(make):
    check_arguments(make)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_nothing_of_the_input_is_changed(make):
    check_unchanged(make)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2])
def test_a_tensor_whose_memory_was_freed_is_refused(dtype):
    # As sharded training does; NumPy gets memory of its own then, with whatever lies there.
    x = torch.zeros(1000, dtype=dtype)
    x.untyped_storage().resize_(0)
    for call in (*VERDICTS, ff.scan, ff.check_finite, ff.column_stats):
        with pytest.raises(TypeError, match="its memory is not allocated"):
            call(x)
    assert list(ff.scan_batch({"x": x}).not_scanned) == ["x"]
    assert ff.all_finite(torch.zeros(0, dtype=dtype))

"""Tensors of PyTorch, arrays of JAX and what speaks only DLPack answer as the same numbers do in NumPy."""

import json
import warnings
from types import SimpleNamespace

import arrays
import ml_dtypes
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from memory import MEGABYTE, peak_of

import fastfinite as ff
from fastfinite._accept import accept, as_array

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")

pytestmark = pytest.mark.usefixtures("strict_errors", "unchecked_invariants")
nan, inf = np.nan, np.inf
FLOATS = [name for name in arrays.FLOATS if hasattr(torch, name)]
RAW = [name for name in FLOATS if name not in arrays.NATIVE]
COMPLEX = ["complex64", "complex128"]
INTEGERS = [name for name in arrays.INTEGERS if hasattr(torch, name)]
ALL = [*FLOATS, *COMPLEX, *INTEGERS]
# Those that hold -2, 0 and both infinities.
SIGNED = ["float16", "bfloat16", "float32", "float64", "float8_e5m2"]
VERDICTS = (ff.all_finite, ff.has_nan, ff.has_inf)


@pytest.fixture(scope="module")
def unchecked_invariants():
    """PyTorch warns where it was not told whether to check the indices of sparse tensors, which takes it long."""
    with torch.sparse.check_sparse_tensor_invariants(False):
        yield


def quietly(make, *args, **options):
    """Make a tensor of a kind of which PyTorch warns that it is new, or on its way out."""
    with warnings.catch_warnings():
        for words in ("Sparse (CSR|CSC|BSR|BSC) tensor support is in beta", "ComplexHalf support is experimental",
                      "The PyTorch API of nested tensors is in prototype", ".*quantize.* (is|are) deprecated",
                      ".*will be removed in a future PyTorch release"):
            warnings.filterwarnings("ignore", words, UserWarning)
        warnings.filterwarnings("ignore", ".*quantiz.*", DeprecationWarning)
        return make(*args, **options)


def tensor_of(dense):
    """A tensor of the same bits."""
    dense = dense.copy(order="C")
    if hasattr(ml_dtypes, dense.dtype.name):
        bits = torch.from_numpy(dense.view(f"i{dense.dtype.itemsize}"))
        return bits.view(getattr(torch, dense.dtype.name))
    return torch.from_numpy(dense)


def dense_of(x):
    """The array of the same bits."""
    x, name = x.detach().contiguous().resolve_conj().resolve_neg(), str(x.dtype).removeprefix("torch.")
    if hasattr(ml_dtypes, name):
        return x.view(torch.int16 if x.itemsize == 2 else torch.int8).numpy().view(reference.dtype_of(name))
    return x.numpy()


def example(dtype, shape=(7, 6)):
    """Finite numbers, and for floats those that are not, too."""
    return arrays.clean(dtype, shape) if dtype in arrays.INTEGERS else arrays.mixed(dtype, shape, share=0.3)


def few(dtype="float32", shape=(5, 4)):
    """Mostly zeros, for sparse tensors; the rest is 1, -2 and what the dtype has that is not finite."""
    dtype = reference.dtype_of(dtype)
    rng = np.random.default_rng(2)
    values = np.array([1, 2] if dtype.kind in "bu" else [1, -2] if dtype.kind == "i" else [1, -2, nan, inf, -inf])
    return np.where(rng.random(shape) < 0.4, rng.choice(values, shape), 0).astype(dtype)


def raised(x, **options):
    with pytest.raises(ff.NonFiniteError) as caught:
        ff.check_finite(x, **options)
    return caught.value


def check_like(x, dense, targets=(None, "float8_e5m2")):
    """Every answer about `x` is what the oracle says of the array."""
    for allow_nan in (False, True):
        right = reference.all_finite(dense, allow_nan=allow_nan)
        assert ff.all_finite(x, allow_nan=allow_nan) is right
        if right:
            assert ff.check_finite(x, allow_nan=allow_nan) is x
        else:
            error, same = raised(x, allow_nan=allow_nan), raised(dense, allow_nan=allow_nan)
            assert (error.report.first, error.report.first_kind) == (same.report.first, same.report.first_kind)
            assert str(error).replace(" sparse", "") == str(same)
    assert ff.has_nan(x) is reference.has_nan(dense) and ff.has_inf(x) is reference.has_inf(dense)
    found, right = ff.nonfinite(x), reference.nonfinite(dense)
    assert found.dtype == np.intp and found.shape == right.shape and np.array_equal(found, right)
    assert np.array_equal(ff.nonfinite(x, limit=2), right[:2])
    for target in targets:
        for axis in (None, *range(dense.ndim)):
            expected = reference.scan(dense, axis=axis, target_dtype=target)
            reference.check_scan(ff.scan(x, axis=axis, target_dtype=target), expected, axis)


def check_statistics(x, dense):
    for axis in (None, *range(dense.ndim)):
        assert ff.column_stats(x, axis=axis) == ff.column_stats(dense, axis=axis), axis
    if dense.ndim:
        stream = ff.ColumnStats().update(x).update(x)
        assert stream == ff.ColumnStats().update(dense).update(dense)


# ---- PyTorch, dense ----------------------------------------------------------------------------------


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
    refused(make(), "cannot scan a tensor of the meta device: it has no values")


def refused(x, words):
    for call in (*VERDICTS, ff.scan, ff.nonfinite, ff.check_finite, ff.column_stats, ff.ColumnStats().update):
        with pytest.raises(TypeError, match=words):
            call(x)


def test_numbers_that_have_no_counterpart_are_refused():
    refused(quietly(torch.ones, 3, dtype=torch.complex32), "cannot scan a tensor .* of torch.complex32")
    quantized = quietly(torch.quantize_per_tensor, torch.ones(3), 0.1, 0, torch.quint8)
    refused(quantized, r"cannot scan a quantized tensor \(torch.quint8\).*x.dequantize\(\)")
    if hasattr(torch, "float4_e2m1fn_x2"):
        pairs = torch.zeros(3, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
        refused(pairs, "cannot scan a tensor .* of torch.float4_e2m1fn_x2")


def test_tensors_that_are_traced_are_refused():
    fake = pytest.importorskip("torch._subclasses").FakeTensorMode()
    with fake:
        x, y = torch.ones(3), torch.ones(3, dtype=torch.bfloat16)
    refused(x, "cannot scan a tensor .FakeTensor. of torch.float32")
    refused(y, "cannot scan a tensor .FakeTensor. of torch.bfloat16")

    def inside(x):
        refused(x, "cannot scan a tensor")
        return x.sum()

    torch.func.vmap(inside)(torch.ones(2, 3))
    torch.func.grad(inside)(torch.ones(3))


# ---- PyTorch, nested ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_the_pieces_of_a_jagged_tensor_are_scanned_one_behind_the_other(dtype):
    dense = np.array([1, nan, 3, inf, 5, 6], reference.dtype_of(dtype))
    pieces = [tensor_of(dense[:2]), tensor_of(dense[2:5]), tensor_of(dense[5:])]
    x = quietly(torch.nested.nested_tensor, pieces, layout=torch.jagged)
    check_like(x, dense)
    clean = quietly(torch.nested.nested_tensor, [torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged)
    check_like(clean, np.ones((6, 3), np.float32))
    check_statistics(clean, np.ones((6, 3), np.float32))


def test_what_lies_between_the_pieces_of_a_jagged_tensor_is_not_looked_at():
    base = torch.ones(3, 5)
    base[0, 4] = nan        # behind the first piece, which has two values
    starts, lengths = torch.tensor([0, 0, 0]), torch.tensor([2, 3, 4])
    x = quietly(torch.nested.narrow, base, 1, starts, lengths, layout=torch.jagged)
    assert all(bool(piece.isfinite().all()) for piece in x.unbind())
    assert ff.all_finite(x) and ff.check_finite(x) is x


def test_a_nested_tensor_of_strided_layout_is_refused():
    x = quietly(torch.nested.nested_tensor, [torch.ones(2), torch.ones(3)], layout=torch.strided)
    refused(x, r"cannot scan a nested tensor of strided layout; pass its x.unbind\(\) one by one")


# ---- PyTorch, sparse ---------------------------------------------------------------------------------

SPARSE = {
    "COO": lambda x: x.to_sparse_coo(),
    "CSR": lambda x: x.to_sparse_csr(),
    "CSC": lambda x: x.to_sparse_csc(),
    "BSR": lambda x: x.to_sparse_bsr((2, 3)),
    "BSC": lambda x: x.to_sparse_bsc((4, 1)),
    "hybrid": lambda x: x.to_sparse(1),
}


@pytest.mark.parametrize("layout", SPARSE)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "bool", "int8", "int64"])
def test_a_sparse_tensor_answers_as_the_dense_one(dtype, layout):
    dense = few(dtype, (8, 6))
    x = quietly(SPARSE[layout], tensor_of(dense))
    if dtype != "complex64":        # of which to_dense makes other numbers
        assert np.array_equal(dense_of(x.to_dense()).astype(float), dense.astype(float), equal_nan=True)
    check_like(x, dense)
    if dtype != "complex64":
        check_statistics(x, dense)
    clean = arrays.clean("int8", (8, 6)).astype(dense.dtype)
    check_like(quietly(SPARSE[layout], tensor_of(clean)), clean)


@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr", "bsc"])
@pytest.mark.parametrize("dtype", RAW)
def test_sparse_tensors_of_formats_that_numpy_lacks(dtype, layout):
    values = tensor_of(np.array([1, nan, 2], np.float32).astype(reference.dtype_of(dtype)))
    indices = torch.tensor([[0, 1, 2], [2, 0, 1]])
    if layout == "coo":
        x = torch.sparse_coo_tensor(indices, values, (3, 3), is_coalesced=True)
    else:
        order = [0, 1, 2] if layout in ("csr", "bsr") else [1, 2, 0]
        values = values[order].reshape(-1, 1, 1) if layout in ("bsr", "bsc") else values[order]
        others = indices[1 if layout in ("csr", "bsr") else 0][order]
        x = quietly(getattr(torch, f"sparse_{layout}_tensor"), torch.arange(4), others, values, (3, 3))
    assert not ff.all_finite(x) and ff.has_nan(x)
    report = ff.scan(x, axis=1)
    assert (report.first, report.nan.tolist(), report.dtype) == ((1, 0), [0, 1, 0], f"{dtype} sparse")
    assert ff.nonfinite(x).tolist() == [[1, 0]]
    assert ff.check_finite(x, allow_nan=True) is x
    if dtype != "float8_e8m0fnu":       # which has no 0
        stats = ff.column_stats(x)
        assert (stats.max.tolist(), stats.zero.tolist(), stats.nan.tolist()) == ([0, 2, 1], [2, 2, 2], [1, 0, 0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("layout", ["CSR", "BSR"])
def test_batches_of_compressed_tensors(layout, dtype):
    one = few(dtype, (8, 6))
    dense = np.stack([one, np.where(one == 0, one, one.dtype.type(3))])
    x = quietly(SPARSE[layout], tensor_of(dense))
    assert x.values().shape[0] == 2
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_values_of_hybrid_tensors_are_arrays_themselves(dims):
    dense = few("float32", (3, 4, 2))
    x = tensor_of(dense).to_sparse(dims)
    assert (x.sparse_dim(), x.dense_dim()) == (dims, 3 - dims)
    check_like(x, dense)
    check_statistics(x, dense)
    if dims == 2:
        for layout in ("csr", "csc"):
            y = quietly(getattr(torch.Tensor, f"to_sparse_{layout}"), tensor_of(dense), dense_dim=1)
            check_like(y, dense)
            check_statistics(y, dense)
    # The same values from memory that goes the other way.
    if dims < 3:
        turned = x.values().transpose(0, -1).contiguous().transpose(0, -1)
        assert not turned.is_contiguous()
        check_like(torch.sparse_coo_tensor(x.indices(), turned, x.shape, is_coalesced=True), dense)


@pytest.mark.parametrize("dense", [np.array([0, nan, 0, -inf, inf, 1], "f4"), np.zeros(3, "f4"), np.zeros(0, "f4")],
                         ids=["some", "zeros", "none"])
def test_sparse_tensors_of_one_dimension(dense):
    x = tensor_of(dense).to_sparse()
    check_like(x, dense)
    check_statistics(x, dense)


def test_a_sparse_tensor_may_be_sparse_in_no_dimension():
    none = torch.empty((0, 1), dtype=torch.int64)
    for dense in (np.array(nan), np.array(1.0), np.array([[1, nan], [inf, 2]])):
        x = torch.sparse_coo_tensor(none, torch.from_numpy(dense[np.newaxis]), dense.shape)
        check_like(x, dense)


@pytest.mark.parametrize("shape", [(3, 2), (0, 2), (2, 0), (0, 0), (3,), (2, 3, 4)])
def test_a_sparse_tensor_that_stores_nothing_is_finite(shape):
    for x in (torch.sparse_coo_tensor(size=shape), torch.zeros(shape).to_sparse()):
        assert x._nnz() == 0
        check_like(x, np.zeros(shape, np.float32))
        check_statistics(x, np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "int8", "bool"])
def test_values_of_one_place_are_added_up(dtype):
    values = torch.tensor([1, 1, 0, 1]).to(getattr(torch, dtype))
    x = torch.sparse_coo_tensor(torch.tensor([[2, 0, 0, 2], [1, 0, 1, 1]]), values, (3, 2))
    dense = dense_of(x.to_dense())
    assert dense[2, 1] == (1 if dtype == "bool" else 2)
    check_like(x, dense)
    if dtype != "complex64":
        check_statistics(x, dense)
    assert not x.is_coalesced() and x._nnz() == 4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_finite_values_of_one_place_may_add_up_to_inf(dtype):
    high = torch.finfo(getattr(torch, dtype)).max
    x = torch.sparse_coo_tensor(torch.tensor([[1, 1]]), torch.tensor([high, high], dtype=getattr(torch, dtype)), (3,))
    assert not ff.all_finite(x) and ff.has_inf(x) and ff.nonfinite(x).tolist() == [[1]]
    assert (ff.scan(x).posinf, ff.scan(x).first_kind) == (1, "+inf")


def test_a_format_that_pytorch_cannot_add_up_is_refused():
    values = torch.ones(2).to(torch.float8_e4m3fn)
    x = torch.sparse_coo_tensor(torch.tensor([[1, 1]]), values, (3,))
    refused(x, "cannot scan a sparse tensor of torch.float8_e4m3fn that is not coalesced")


@st.composite
def stored(draw):
    """A shape, values with places in it, some of them the same, and how many of the axes are dense."""
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=2, max_size=3)))
    sparse_axes = draw(st.integers(1, len(shape)))
    places = draw(st.lists(st.tuples(*[st.integers(0, n - 1) for n in shape[:sparse_axes]]), max_size=8))
    numbers = st.sampled_from([0.0, -0.0, 1.0, -2.0, nan, inf, -inf])
    size = len(places) * int(np.prod(shape[sparse_axes:]))
    values = np.array(draw(st.lists(numbers, min_size=size, max_size=size)))
    return shape, np.array(places, int).reshape(-1, sparse_axes), values.reshape(len(places), *shape[sparse_axes:])


@given(stored(), st.sampled_from(["float32", "float64", "bfloat16"]), st.booleans())
def test_values_at_random_places_answer_as_their_sums(data, dtype, coalesced):
    shape, places, values = data
    dense = np.zeros(shape)
    with np.errstate(all="ignore"):
        np.add.at(dense, tuple(places.T), values)
    dense = dense.astype(reference.dtype_of(dtype))
    x = torch.sparse_coo_tensor(torch.from_numpy(places.T.copy()), tensor_of(values.astype(dense.dtype)), shape)
    check_like(x.coalesce() if coalesced else x, dense, targets=(None,))
    check_statistics(x, dense)


@pytest.mark.parametrize("layout", SPARSE)
def test_sparse_tensors_stay_as_they_are(layout):
    x = quietly(SPARSE[layout], tensor_of(few("float32", (8, 6)))).requires_grad_()
    before = x.detach().clone()
    raised(x)
    ff.scan(x, axis=0), ff.nonfinite(x), ff.column_stats(x)
    assert x.requires_grad and x.grad is None and x.layout is before.layout and x._nnz() == before._nnz()
    assert torch.equal(x.detach().to_dense().nan_to_num(7.0), before.to_dense().nan_to_num(7.0))


def test_a_layout_that_is_not_known_is_refused():
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build has no other layout")
    refused(torch.ones(3).to_mkldnn(), "cannot scan a tensor of layout torch._mkldnn")


# ---- PyTorch, another device -------------------------------------------------------------------------


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


# ---- JAX ---------------------------------------------------------------------------------------------

JAX_DTYPES = [name for name in (*FLOATS, *COMPLEX, *INTEGERS, "float8_e4m3", "float8_e3m4", "int4", "uint2")
              if hasattr(jax.numpy, name)]


def jax_of(dense):
    with jax.enable_x64(True):
        return jax.device_put(dense)


@pytest.mark.parametrize("dtype", JAX_DTYPES)
def test_an_array_of_jax_answers_as_the_array_of_its_bits(dtype):
    for shape in ((7, 6), (), (2, 3, 4), (0, 3), (3, 0)):
        dense = np.ones(shape, reference.dtype_of(dtype)) if dtype in arrays.ML_FINITE else example(dtype, shape)
        x = jax_of(dense)
        assert x.dtype == dense.dtype
        check_like(x, dense)
        if dtype not in COMPLEX:
            check_statistics(x, dense)


def test_an_array_of_jax_is_not_copied():
    x = jax.numpy.ones((2048, 1024))
    assert accept(x).array.__array_interface__["data"][0] == x.unsafe_buffer_pointer()
    for call in (*VERDICTS, ff.scan, ff.check_finite, ff.nonfinite):
        assert peak_of(lambda call=call: call(x)) < MEGABYTE


def test_what_jax_traces_is_refused_with_its_advice():
    def inside(x):
        refused(x, "traced array")
        return x.sum()

    for transform in (jax.jit, jax.vmap, jax.grad):
        transform(inside)(jax.numpy.ones((3, 3) if transform is jax.vmap else 3))


def test_keys_of_random_numbers_are_refused():
    refused(jax.random.key(0), "PRNGKey")


def test_arrays_of_jax_that_lie_in_several_pieces_are_one(run_python):
    found = run_python("""
import json, jax, numpy as np, fastfinite as ff
from jax.sharding import Mesh, NamedSharding, PartitionSpec
x = np.ones((4, 6), np.float32)
x[3, 1], x[0, 5] = np.nan, np.inf
mesh = Mesh(np.array(jax.devices()), "rows")
there = jax.device_put(x, NamedSharding(mesh, PartitionSpec("rows")))
assert len(there.devices()) == 2
print(json.dumps([ff.all_finite(there), ff.nonfinite(there).tolist(), ff.scan(there) == ff.scan(x),
                  ff.column_stats(there) == ff.column_stats(x)]))
""", XLA_FLAGS="--xla_force_host_platform_device_count=2", JAX_PLATFORMS="cpu")
    assert json.loads(found) == [False, [[0, 5], [3, 1]], True, True]


# ---- DLPack ------------------------------------------------------------------------------------------


class OnlyDLPack:
    """An array of some library: nothing but the protocol leads to its memory."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


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
    refused(OldDLPack(dense), "cannot scan this OldDLPack, which NumPy does not take")


def test_dlpack_of_tensors_of_pytorch():
    dense = example("float32")
    check_like(OnlyDLPack(tensor_of(dense)), dense)
    refused(OnlyDLPack(torch.ones(3, dtype=torch.bfloat16)), "cannot scan this OnlyDLPack, which NumPy does not take")


def test_dlpack_is_not_copied():
    dense = np.ones((2048, 1024))
    assert np.shares_memory(accept(OnlyDLPack(dense)).array, dense)
    for call in (*VERDICTS, ff.scan, ff.check_finite):
        assert peak_of(lambda call=call: call(OnlyDLPack(dense))) < MEGABYTE


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

    refused(Mute(np.ones(3)), r"cannot scan this Mute: it lies on another device \(DLPack's type 2\)")


# ---- all of them -------------------------------------------------------------------------------------

MAKERS = {
    "torch": tensor_of,
    "jax": jax_of,
    "DLPack": OnlyDLPack,
    "another device": OnDevice,
    "another device of torch": elsewhere,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_arguments_are_as_for_arrays(make):
    dense = np.array([[0, 1], [nan, 2], [3, inf]], np.float32)
    x = make(dense)
    assert str(raised(x, name="X", columns=["age", "height"])) == (
        "X (3 x 2 float32) has 2 non-finite values: 1 nan, 1 +inf; first nan at row 1, column 0 ('age'); "
        "columns 0 ('age'): 1, 1 ('height'): 1"
    )
    assert ff.scan(x, axis=-1) == ff.scan(dense, axis=-1)
    with pytest.raises(np.exceptions.AxisError):
        ff.scan(x, axis=2)
    assert ff.column_stats(x, nan_policy="propagate", ddof=1) == ff.column_stats(dense, nan_policy="propagate", ddof=1)
    with pytest.raises(ff.NonFiniteError, match=r"x .*1 nan; first nan at row 1, column 0"):
        ff.column_stats(x, nan_policy="raise")
    with pytest.raises(ff.NonFiniteError, match=r"batch .*1 nan; first nan at row 1, column 0"):
        ff.ColumnStats(nan_policy="raise").update(x)
    stream = ff.ColumnStats().update(x).update(make(dense[0])).update(dense)
    assert stream == ff.ColumnStats().update(dense).update(dense[0]).update(dense)
    with pytest.raises(ValueError, match="batch has 3 columns, but the statistics are of 2 columns"):
        stream.update(make(np.ones((2, 3), np.float32)))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_nothing_of_the_input_is_changed(make):
    before = arrays.mixed("float32", (7, 6), share=0.3)
    dense = before.copy()
    x = make(dense)
    check_like(x, before)
    check_statistics(x, before)
    assert dense.tobytes() == before.tobytes() == as_array(accept(x)).array.tobytes()

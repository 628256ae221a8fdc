"""Sparse and nested tensors of PyTorch answer as the dense array that they stand for."""

import arrays
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from optional import require
from refusals import check_not_taken, raised
from same_as_array import check_like, check_statistics, mostly_zeros, stored, summed
from tensors import RAW, dense_of, quietly, tensor_of

import fastfinite as ff

torch = require("torch")

pytestmark = pytest.mark.usefixtures("strict_errors", "unchecked_invariants")
nan, inf = np.nan, np.inf


# ---- nested ------------------------------------------------------------------------------------------


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
    check_not_taken(x, r"cannot scan a nested tensor of strided layout; pass its x.unbind\(\) one by one")


# ---- sparse ------------------------------------------------------------------------------------------

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
    dense = mostly_zeros(dtype, (8, 6))
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
    one = mostly_zeros(dtype, (8, 6))
    dense = np.stack([one, np.where(one == 0, one, one.dtype.type(3))])
    x = quietly(SPARSE[layout], tensor_of(dense))
    assert x.values().shape[0] == 2
    check_like(x, dense)
    check_statistics(x, dense)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_values_of_hybrid_tensors_are_arrays_themselves(dims):
    dense = mostly_zeros("float32", (3, 4, 2))
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
    check_not_taken(x, "cannot scan a sparse tensor of torch.float8_e4m3fn that is not coalesced")


@given(stored(ndims=(2, 3), hybrid=True), st.sampled_from(["float32", "float64", "bfloat16"]), st.booleans())
def test_values_at_random_places_answer_as_their_sums(data, dtype, coalesced):
    shape, places, values = data
    dense = summed(*data).astype(reference.dtype_of(dtype))
    x = torch.sparse_coo_tensor(torch.from_numpy(places.T.copy()), tensor_of(values.astype(dense.dtype)), shape)
    check_like(x.coalesce() if coalesced else x, dense, targets=(None,))
    check_statistics(x, dense)


@pytest.mark.parametrize("layout", SPARSE)
def test_sparse_tensors_stay_as_they_are(layout):
    x = quietly(SPARSE[layout], tensor_of(mostly_zeros("float32", (8, 6)))).requires_grad_()
    before = x.detach().clone()
    raised(x)
    ff.scan(x, axis=0), ff.nonfinite(x), ff.column_stats(x)
    assert x.requires_grad and x.grad is None and x.layout is before.layout and x._nnz() == before._nnz()
    assert torch.equal(x.detach().to_dense().nan_to_num(7.0), before.to_dense().nan_to_num(7.0))


def test_a_layout_that_is_not_known_is_refused():
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build has no other layout")
    check_not_taken(torch.ones(3).to_mkldnn(), "cannot scan a tensor of layout torch._mkldnn")

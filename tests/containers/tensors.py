"""Tensors of PyTorch: made of arrays, and turned into them."""

import warnings

import arrays
import ml_dtypes
import reference
from optional import require
from same_as_array import COMPLEX

torch = require("torch")

FLOATS = [name for name in arrays.FLOATS if hasattr(torch, name)]
RAW = [name for name in FLOATS if name not in arrays.NATIVE]
INTEGERS = [name for name in arrays.INTEGERS if hasattr(torch, name)]
ALL = [*FLOATS, *COMPLEX, *INTEGERS]


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

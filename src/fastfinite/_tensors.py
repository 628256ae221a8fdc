"""Tensors of PyTorch, arrays of JAX and whatever speaks DLPack: as NumPy arrays of the same memory.

(a) Nothing is imported: an array of a library can only be met where the library is.
(b) bfloat16 and 8-bit floats of PyTorch, which NumPy does not know, are viewed as integers and scanned as raw bits.
(c) What lies on another device is asked there, with its own library; only when the answer is not enough does it travel.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fastfinite import _formats
from fastfinite._accepted import Accepted, Array, Input, Remote, Sparse, is_of, of_array
from fastfinite._formats import NAN_ONLY, NON_FINITE, Format

_CPU = 1        # DLPack's number

# ---- PyTorch -----------------------------------------------------------------------------------------


def is_torch(kind: type) -> bool:
    """Whether this is a type of PyTorch's tensors."""
    return is_of(kind, "torch", "Tensor")


def open_torch(x: Any) -> Input:
    """Accept a tensor, of any layout and device."""
    torch: Any = sys.modules["torch"]
    if x.layout is not torch.strided or x.is_nested or x.is_quantized:
        return _open_unusual(x, torch)
    if x.is_cpu:
        return _host_torch(x, torch)
    if x.is_meta:
        raise TypeError("cannot scan a tensor of the meta device: it has no values")
    return _remote_torch(x, torch)


def _host_torch(x: Any, torch: Any) -> Accepted:
    form = _raw_format(x.dtype)
    try:
        bits = x if form is None else x.detach().view(torch.uint8 if form.bits == 8 else torch.int16)
        array = bits.numpy(force=True)
        if not _is_view(array):
            raise RuntimeError("its memory is not allocated")
        return of_array(array, None if form is None else form.name)
    except (TypeError, RuntimeError, ValueError) as error:      # the last two of tensors that have no memory (yet)
        raise TypeError(f"cannot scan a tensor ({type(x).__name__}) of {x.dtype}: {error}") from error


def _is_view(array: Array) -> bool:
    """Whether an array shares the memory of its tensor: NumPy gets its own, uninitialized, where that was freed."""
    return not array.flags.owndata or array.size == 0


@functools.cache
def _raw_format(dtype: Any) -> Format | None:
    """The format of one of PyTorch's dtypes that NumPy has not."""
    name = str(dtype).removeprefix("torch.")
    return None if name in _formats.NATIVE else _formats.FORMATS.get(name)


def plain_array(x: Any) -> Array | None:
    """The array that a tensor shares its memory with, where it is as simple as that."""
    try:
        array: Array = x.numpy()
    except Exception:       # whatever it is, open_torch says it better
        return None
    return array if _is_view(array) else None


def _open_unusual(x: Any, torch: Any) -> Input:
    if x.is_quantized:
        raise TypeError(f"cannot scan a quantized tensor ({x.dtype}): its numbers are integers with a scale; "
                        "pass x.dequantize(), or check the scales")
    if x.is_nested:
        if x.layout is torch.jagged:
            # Values that lie in no row are no part of it.
            return open_torch(x.values() if x.lengths() is None else torch.cat(x.unbind()))
        raise TypeError("cannot scan a nested tensor of strided layout; pass its x.unbind() one by one")
    if "sparse" not in str(x.layout):
        raise TypeError(f"cannot scan a tensor of layout {x.layout}")
    return _open_sparse(x.detach(), torch)


def _open_sparse(x: Any, torch: Any) -> Input:
    if x.layout is torch.sparse_coo and not x.is_coalesced():
        # Values of one place are added up, and two finite ones may make an inf.
        try:
            x = x.coalesce()
        except NotImplementedError as error:
            raise TypeError(f"cannot scan a sparse tensor of {x.dtype} that is not coalesced: {error}") from error
    shape, stored = tuple(x.shape), open_torch(x.values())
    if isinstance(stored, Remote):
        return Remote(shape, f"{stored.label} sparse", stored.ask, lambda: _fetch_sparse(x, torch))
    assert isinstance(stored, Accepted)
    flat = stored._replace(array=stored.array.reshape(-1))
    return Sparse(shape, flat, lambda: _sorted_torch(x, torch))


def _fetch_sparse(x: Any, torch: Any) -> Sparse:
    here = _open_sparse(x.to("cpu"), torch)
    assert isinstance(here, Sparse)
    return here


def _sorted_torch(x: Any, torch: Any) -> tuple[Accepted, Array]:
    """The values in C order, and where they are; each that is stored may be an array of the axes that are dense."""
    if x.dtype.itemsize == 1:       # of which PyTorch sorts none
        x = x.to(torch.float32)
    coo = x if x.layout is torch.sparse_coo else x.to_sparse()
    coo = coo if coo.is_coalesced() else coo.coalesce()
    places, accepted = coo.indices().numpy(), _host_torch(coo.values(), torch)
    dense = accepted.array.shape[1:]
    size = math.prod(dense)
    inner = np.indices(dense, np.intp).reshape(len(dense), size)
    coordinates = np.concatenate([np.repeat(places, size, axis=1), np.tile(inner, places.shape[1])])
    return accepted._replace(array=accepted.array.reshape(-1)), coordinates


def _remote_torch(x: Any, torch: Any) -> Remote:
    name = str(x.dtype).removeprefix("torch.")

    def ask(question: int) -> bool:
        if not (x.dtype.is_floating_point or x.dtype.is_complex):
            return False
        # Of 8-bit floats PyTorch has no tests, or wrong ones.
        values = x.detach().to(torch.float32) if x.dtype.itemsize == 1 else x.detach()
        return _ask(torch, values, question)

    return Remote(tuple(x.shape), name, ask, lambda: _host_torch(x.detach().to("cpu"), torch))


# ---- JAX, DLPack -------------------------------------------------------------------------------------


def is_jax(kind: type) -> bool:
    """Whether this is a type of JAX's arrays."""
    return is_of(kind, "jax", "Array")


def open_jax(x: Any) -> Input:
    """Accept an array of JAX. What is being traced has no values; JAX refuses it, with advice."""
    jax: Any = sys.modules["jax"]
    if not x.is_fully_addressable:
        raise TypeError("cannot scan an array of JAX that lies on other hosts too; pass its x.addressable_shards")
    if all(device.platform == "cpu" for device in x.devices()):
        return of_array(np.asarray(x))
    return _remote(x, jax.numpy, lambda: of_array(np.asarray(x)))


def speaks_dlpack(kind: type) -> bool:
    """Whether only DLPack leads from this type to NumPy."""
    others = ("__array__", "__array_interface__", "__array_struct__", "__buffer__")
    return hasattr(kind, "__dlpack__") and (
        not any(hasattr(kind, name) for name in others) or hasattr(kind, "__cuda_array_interface__"))


def open_dlpack(x: Any) -> Input:
    """Accept an array that gives its memory by DLPack."""
    device = int(x.__dlpack_device__()[0])
    if device == _CPU:
        try:
            return of_array(np.from_dlpack(x))
        except (RuntimeError, BufferError, ValueError) as error:
            raise TypeError(f"cannot scan this {type(x).__name__}, which NumPy does not take: {error}") from error
    namespace = getattr(x, "__array_namespace__", None)
    if namespace is None:
        raise TypeError(f"cannot scan this {type(x).__name__}: it lies on another device (DLPack's type {device}); "
                        "copy it to the host first")
    return _remote(x, namespace(), lambda: of_array(np.from_dlpack(x, device="cpu")))


def _remote(x: Any, library: Any, fetch: Callable[[], Accepted]) -> Remote:
    return Remote(tuple(int(n) for n in x.shape), str(x.dtype), lambda question: _ask(library, x, question), fetch)


def _ask(library: Any, x: Any, question: int) -> bool:
    """Put a question to an array by the operations of its own library; only the answer comes here."""
    if question == NON_FINITE:
        return not bool(library.all(library.isfinite(x)))
    return bool(library.any((library.isnan if question == NAN_ONLY else library.isinf)(x)))

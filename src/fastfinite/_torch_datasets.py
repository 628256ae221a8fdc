"""Guards of PyTorch's datasets, which are of its classes; imported where PyTorch is loaded."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Dataset, IterableDataset

from fastfinite._batch import Walker
from fastfinite._datasets import GuardedDataset, GuardedStream


class TorchDataset(GuardedDataset, Dataset):
    """A ``Dataset`` whose samples are scanned."""


class TorchStream(GuardedStream, IterableDataset):
    """An ``IterableDataset`` whose samples are scanned."""


def guarded(dataset: Any, walker: Walker, options: dict[str, Any]) -> TorchDataset | TorchStream:
    """The guard of a dataset of its own kind."""
    cls = TorchStream if isinstance(dataset, IterableDataset) else TorchDataset
    return cls(dataset, walker, options)

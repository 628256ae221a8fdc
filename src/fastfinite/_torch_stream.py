"""The guard of PyTorch's iterable datasets, which have to be of its class; imported where PyTorch is loaded."""

from torch.utils.data import IterableDataset

from fastfinite._datasets import GuardedStream


class TorchStream(GuardedStream, IterableDataset):
    """An ``IterableDataset`` whose samples are scanned."""

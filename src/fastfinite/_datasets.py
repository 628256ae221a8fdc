"""Guards around datasets and collate functions, which work where samples are made: in the workers of a loader too."""

from __future__ import annotations

import contextlib
import functools
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastfinite._accepted import is_of
from fastfinite._batch import Walker, alone, warn_unscanned
from fastfinite._errors import NonFiniteError
from fastfinite._proxy import Proxy, closing


class _Guarded(Proxy):
    """A dataset whose samples are scanned."""

    _own = frozenset(("_wrapped", "_walker", "_options", "_warned"))

    def __init__(self, wrapped: Any, walker: Walker, options: dict[str, Any]) -> None:
        super().__init__(wrapped)
        self._walker, self._options, self._warned = walker, options, False

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(guard_dataset, **self._options), (self._wrapped,)

    def _checked(self, sample: Any, index: object, where: str = "") -> Any:
        number: int | None = None
        with contextlib.suppress(TypeError):        # a key, or several indices at once
            number = operator.index(index)      # type: ignore[arg-type]

        def label() -> str:
            return f"{self._options['name']} {(index if number is None else number)!r}{where}"

        try:
            report = self._walker.check(alone(sample), label)
        except NonFiniteError as error:     # the sample is that of the dataset
            error.sample = number
            error.findings = tuple(finding._replace(sample=number) for finding in error.findings)
            raise
        if not report and not self._warned:
            self._warned = True
            warn_unscanned(report, label(), stacklevel=4)
        return sample


class GuardedDataset(_Guarded):
    """A dataset of samples by index; made by `guard_dataset`."""

    def __getitem__(self, index: Any) -> Any:
        return self._checked(self._wrapped[index], index)

    def __getitems__(self, indices: Sequence[Any]) -> Any:
        # PyTorch asks for the samples of a batch at once where a dataset can give them so.
        several = getattr(self._wrapped, "__getitems__", None)
        if several is None:
            return [self[index] for index in indices]
        samples = several(indices)
        if not isinstance(samples, (list, tuple)) or len(samples) != len(indices):
            return self._checked(samples, indices)
        for sample, index in zip(samples, indices):
            self._checked(sample, index)
        return samples

    def __iter__(self) -> Iterator[Any]:
        # In the dataset's own order; those without one are gone through by index, as Python does.
        for index, sample in enumerate(self._wrapped):
            yield self._checked(sample, index)


class GuardedStream(_Guarded):
    """A dataset that is gone through in its own order; made by `guard_dataset`."""

    def __iter__(self) -> Iterator[Any]:
        where = _worker()
        iterator = iter(self._wrapped)
        with closing(iterator, self._wrapped):
            for index, sample in enumerate(iterator):
                yield self._checked(sample, index, where)


def _worker() -> str:
    torch: Any = sys.modules.get("torch.utils.data")
    worker = None if torch is None else torch.get_worker_info()
    return "" if worker is None else f" of worker {worker.id}"


def guard_dataset(
    dataset: Any,
    *,
    allow_nan: bool = False,
    target_dtype: object = None,
    on_unknown: str = "ignore",
    name: str = "sample",
) -> Any:
    """Scan every sample of a dataset as it is read, so that the error names it, from inside a worker too.

    Parameters
    ----------
    dataset : object
        With ``__getitem__`` (and ``__len__``), or else with ``__iter__``; PyTorch's ``Dataset`` and ``IterableDataset``
        stay such.
    allow_nan, target_dtype, on_unknown
        As for `scan_batch`.
    name : str, default "sample"
        What the message calls a sample.

    Returns
    -------
    object
        A dataset with the same samples, length and attributes. It can be pickled where `dataset` can.

    Raises
    ------
    TypeError
        If `dataset` is neither; on reading, with ``on_unknown="raise"``, for an object that is unknown.
    ValueError
        If an option is not one that is known.
    NonFiniteError
        On reading: its ``sample`` is the index in the dataset (of a stream, the position in this worker's).

    See Also
    --------
    guard : Around the loader: cheaper, in the parent process, and names the batch.
    guarded_collate : Around the function that makes batches.

    Notes
    -----
    Cost: that of `scan_batch` for each sample. What a method of the dataset returns is not guarded: guard last. PyTorch
    sends the class and the text of an error out of a worker; the fields go with the class.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> samples = ff.guard_dataset([np.zeros(2), np.array([0.0, np.inf])])
    >>> samples[0], len(samples)
    (array([0., 0.]), 2)
    >>> samples[1]
    Traceback (most recent call last):
        ...
    fastfinite.NonFiniteError: sample 1: array (2 float64) has 1 non-finite value: 1 +inf; first +inf at index 1
    """
    options = {"allow_nan": allow_nan, "target_dtype": target_dtype, "on_unknown": on_unknown, "name": name}
    walker = Walker(allow_nan, target_dtype, on_unknown)
    if is_of(type(dataset), "torch.utils.data", "Dataset"):
        from fastfinite import _torch_datasets

        return _torch_datasets.guarded(dataset, walker, options)
    if hasattr(type(dataset), "__getitem__"):
        return GuardedDataset(dataset, walker, options)
    if hasattr(type(dataset), "__iter__"):
        return GuardedStream(dataset, walker, options)
    raise TypeError(f"dataset must have __getitem__ or __iter__; {type(dataset).__name__} has neither")


class GuardedCollate:
    """A collate function whose batches are scanned; made by `guarded_collate`."""

    def __init__(self, function: Callable[[Any], Any], walker: Walker, name: str) -> None:
        self._function, self._walker, self._name, self._warned = function, walker, name, False

    def __call__(self, samples: Any) -> Any:
        batch = self._function(samples)
        report = self._walker.check(alone(batch), lambda: self._name)
        if not report and not self._warned:
            self._warned = True
            warn_unscanned(report, self._name, stacklevel=3)
        return batch

    def __repr__(self) -> str:
        return f"<guarded {self._function!r}>"


def guarded_collate(
    collate_fn: Callable[[Any], Any] | None = None,
    *,
    allow_nan: bool = False,
    target_dtype: object = None,
    on_unknown: str = "ignore",
    name: str = "batch",
) -> GuardedCollate:
    """Scan every batch where it is put together, in the worker of a loader where there are workers.

    Parameters
    ----------
    collate_fn : callable, optional
        Makes a batch of a list of samples; PyTorch's ``default_collate`` where PyTorch is loaded.
    allow_nan, target_dtype, on_unknown
        As for `scan_batch`.
    name : str, default "batch"
        What the message calls it.

    Returns
    -------
    callable
        Can be pickled where `collate_fn` can.

    Raises
    ------
    TypeError
        If `collate_fn` is not callable, or None without PyTorch.
    ValueError
        If an option is not one that is known.
    NonFiniteError
        On the call: its ``sample`` is the index in the batch.

    See Also
    --------
    guard, guard_dataset

    Notes
    -----
    Cost: that of `scan_batch`, in the worker.

    Examples
    --------
    >>> import numpy as np
    >>> import fastfinite as ff
    >>> stack = ff.guarded_collate(np.stack)
    >>> stack([np.zeros(2), np.array([0.0, np.nan])])
    Traceback (most recent call last):
        ...
    fastfinite.NonFiniteError: batch: array (2 x 2 float64) has 1 non-finite value: 1 nan; first nan at row 1, column 1
    """
    if collate_fn is None:
        collate_fn = getattr(sys.modules.get("torch.utils.data"), "default_collate", None)
        if collate_fn is None:
            raise TypeError("collate_fn must be given where torch.utils.data is not loaded")
    if not callable(collate_fn):
        raise TypeError(f"collate_fn must be callable, not {type(collate_fn).__name__} (a loader is given "
                        "guarded_collate(), the result of the call)")
    return GuardedCollate(collate_fn, Walker(allow_nan, target_dtype, on_unknown), name)

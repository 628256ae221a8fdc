"""What test_loaders.py runs in an interpreter of its own: guarded DataLoaders of PyTorch with two workers.

The first argument is the start method of the workers, the others name the cases, each of which is printed once it has
passed. A failed assertion ends the process with an error, which is what the test looks at.
"""

import multiprocessing
import sys
import warnings

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

import fastfinite as ff

NAN = float("nan")
# Python 3.12 and later warn of fork() in a process with threads, which is what these tests are about; PyTorch warns of
# more workers than processors.
warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
warnings.filterwarnings("ignore", ".*This DataLoader will create.*", UserWarning)


class Samples(Dataset):
    """Twelve samples of four numbers, some of them bad."""

    def __init__(self, *bad, value=NAN):
        self.bad, self.value, self.scale = bad, value, 1.0

    def __len__(self):
        return 12

    def __getitem__(self, i):
        x = np.full(4, i * self.scale, np.float32)
        if i in self.bad:
            x[3] = self.value
        return {"x": x, "meta": {"i": i}}


class Several(Samples):
    """Gives the samples of a batch at once, and says so."""

    def __getitems__(self, indices):
        return [{**self[i], "at once": True} for i in indices]


class Stream(IterableDataset):
    """The same samples in order, every second one from each of two workers."""

    def __init__(self, *bad):
        self.samples, self.start = Samples(*bad), 0

    def __iter__(self):
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for i in range(self.start + first, 12, step):
            yield self.samples[i]


class Scaled:
    """A worker_init_fn: sets an attribute of the dataset, by the name that it has there."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __call__(self, worker):
        assert ff.get_num_threads() == 1
        setattr(get_worker_info().dataset, self.name, self.value)


class Pairs:
    """A collate function of its own."""

    def __call__(self, samples):
        return {"x": torch.stack([torch.from_numpy(sample["x"]) for sample in samples]), "n": len(samples)}


def loader(dataset, method, **options):
    return DataLoader(dataset, batch_size=3, **({"num_workers": 2, "multiprocessing_context": method} | options))


def no_child_is_left():
    # Each is joined by this call, if it has ended.
    assert multiprocessing.active_children() == [], multiprocessing.active_children()


def caught(iterable):
    """The error that ends a loop, with its traceback, and so with the names of the frames it came through."""
    try:
        for _ in iterable:
            pass
    except ff.NonFiniteError as error:
        return error
    raise AssertionError("no batch was bad")


def caught_from_worker(iterable):
    """The same without the traceback: one through PyTorch's frames keeps the workers for as long as it is kept."""
    return caught(iterable).with_traceback(None)


def numbers(batches):
    return [int(i) for batch in batches for i in batch["meta"]["i"]]


# ---- around the loader -------------------------------------------------------------------------------


def guard_passes_batches_of_workers(method):
    inner = loader(Samples(), method)
    guarded = ff.guard(inner)
    assert numbers(guarded) == list(range(12)) and len(guarded) == 4
    assert guarded.batch_size == 3 and guarded.dataset is inner.dataset and guarded.sampler is inner.sampler
    report = guarded.report
    # Of each batch the numbers and their places.
    assert (report.epochs, report.batches, report.arrays, report.bytes, report.bad) == (1, 4, 8, 12 * (16 + 8), 0)
    no_child_is_left()


def guard_raises_in_the_parent_and_ends_the_workers(method):
    error = caught(ff.guard(loader(Samples(4), method), name="train"))
    assert type(error) is ff.NonFiniteError
    assert str(error) == (
        "train: batch 1 of epoch 0: x (3 x 4 float32) has 1 non-finite value: 1 nan; first nan at row 1, column 3"
    )
    assert (error.path, error.sample, error.epoch, error.index, error.report.first) == ("x", 1, 0, 1, (1, 3))
    # While the error is still held, and with it the traceback.
    no_child_is_left()


def guard_skips_and_keeps_workers(method):
    """Workers that persist see every epoch; what they send is scanned in each."""
    guarded = ff.guard(loader(Samples(4, 11), method, persistent_workers=True), on_bad="skip")
    for epoch in range(2):
        assert numbers(guarded) == [0, 1, 2, 6, 7, 8]
        assert (guarded.report.epochs, guarded.report.batches, guarded.report.skipped) == (epoch + 1, 4 * epoch + 4,
                                                                                           2 * epoch + 2)
    assert [(bad.epoch, bad.index, bad.sample) for bad in guarded.report.findings] == [
        (0, 1, 1), (0, 3, 2), (1, 1, 1), (1, 3, 2)
    ]
    assert len(multiprocessing.active_children()) == 2
    del guarded
    no_child_is_left()


def guard_may_be_left_early(method):
    for _ in ff.guard(loader(Samples(), method)):
        break
    no_child_is_left()


# ---- in the workers ----------------------------------------------------------------------------------


def a_bad_sample_is_named_from_inside_a_worker(method):
    dataset = ff.guard_dataset(Samples(7), name="row")
    error = caught_from_worker(loader(dataset, method))
    assert isinstance(error, ff.NonFiniteError) and isinstance(error, ValueError)
    assert type(error).__name__ == "NonFiniteError"
    assert "row 7: x (4 float32) has 1 non-finite value: 1 nan; first nan at index 3" in str(error)
    assert (error.sample, error.path, error.epoch, error.index) == (7, "x", None, None)
    assert error.report == ff.scan(Samples(7)[7]["x"]) and error.findings[0].sample == 7
    assert error.findings[0].report == error.report
    no_child_is_left()


def samples_at_once_are_asked_for_in_a_worker(method):
    batches = list(loader(ff.guard_dataset(Several()), method))
    assert numbers(batches) == list(range(12)) and all(batch["at once"].all() for batch in batches)
    assert caught_from_worker(loader(ff.guard_dataset(Several(10)), method)).sample == 10


def a_stream_stays_one(method):
    dataset = ff.guard_dataset(Stream())
    assert isinstance(dataset, IterableDataset)
    assert sorted(numbers(loader(dataset, method))) == list(range(12))


def a_bad_sample_of_a_stream_names_the_worker(method):
    error = caught_from_worker(loader(ff.guard_dataset(Stream(7)), method))
    # The second worker gives 1, 3, 5, 7: it is the fourth there.
    assert error.sample == 3 and "sample 3 of worker 1: x (4 float32) has 1" in str(error)
    assert error.report.nan == 1
    no_child_is_left()


def attributes_of_a_stream_reach_it_in_a_worker(method):
    init = Scaled("start", 6)
    batches = loader(ff.guard_dataset(Stream()), method, worker_init_fn=init)
    assert sorted(numbers(batches)) == list(range(6, 12))


def guards_go_together(method):
    """One loader with all three, whose workers persist and set an attribute of the dataset that they have."""
    dataset = ff.guard_dataset(Samples(4, value=3e38))
    inner = loader(dataset, method, collate_fn=ff.guarded_collate(Pairs()), worker_init_fn=Scaled("scale", 2.0),
                   persistent_workers=True)
    guarded = ff.guard(inner, target_dtype="float16", on_bad="skip")
    for epoch in range(2):
        assert [batch["x"][:, 0].tolist() for batch in guarded] == [[0, 2, 4], [12, 14, 16], [18, 20, 22]]
        assert [(bad.epoch, bad.index, bad.path, bad.sample) for bad in guarded.report.findings[epoch:]] == [
            (epoch, 1, "x", 1)
        ]
    assert dataset.scale == 1.0 and guarded.report.batches == 8 and guarded.report.skipped == 2
    assert len(multiprocessing.active_children()) == 2
    del inner, guarded
    no_child_is_left()


def a_bad_batch_is_refused_where_it_is_made(method):
    collate = ff.guarded_collate(Pairs(), name="batch of a worker")
    error = caught_from_worker(loader(Samples(8), method, collate_fn=collate))
    assert isinstance(error, ff.NonFiniteError)
    assert "batch of a worker: x (3 x 4 float32) has 1 non-finite value" in str(error)
    assert (error.sample, error.path, error.report.first) == (2, "x", (2, 3))
    no_child_is_left()


def the_collate_of_torch_is_guarded(method):
    collate = ff.guarded_collate(allow_nan=True)
    assert numbers(loader(Samples(5), method, collate_fn=collate)) == list(range(12))
    error = caught_from_worker(loader(Samples(5, value=float("inf")), method, collate_fn=collate))
    assert (error.sample, error.path, error.report.first_kind) == (2, "x", "+inf")


def a_guard_may_be_around_guarded_datasets(method):
    guarded = ff.guard(loader(ff.guard_dataset(Samples(7)), method), on_bad="skip")
    # What is raised in a worker is no batch to be skipped.
    error = caught_from_worker(guarded)
    assert error.sample == 7 and guarded.report.bad == 0
    no_child_is_left()


def pinned_memory_is_scanned(method):
    error = caught(ff.guard(loader(Samples(4), method, pin_memory=True)))
    assert error.path == "x" and error.sample == 1


def use_threads():
    """Scan with threads, which are gone afterwards, before workers are started."""
    ff.set_num_threads(2)
    x = np.zeros((6_250_000, 4), np.float32)
    assert ff.all_finite(x) and ff.column_stats(x).mean.tolist() == [0.0] * 4


def main(method, *names):
    # The server imports PyTorch once, instead of every worker.
    multiprocessing.set_forkserver_preload(["torch.utils.data", "fastfinite"])
    use_threads()
    for name in names:
        globals()[name](method)
        print(name)


if __name__ == "__main__":
    main(*sys.argv[1:])

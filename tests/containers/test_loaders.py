"""Data loaders and datasets of PyTorch, guarded: in this process, and with workers of every start method."""

import multiprocessing
import pickle

import pytest
from optional import require
from refusals import refused

import fastfinite as ff

torch = require("torch")
data = require("torch.utils.data")
pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = float("nan"), float("inf")


class Stream(data.IterableDataset):
    """Six samples in order, the fifth of which is bad."""

    start = 0

    def __iter__(self):
        return iter([torch.tensor([1.0, nan if i == 4 else i]) for i in range(self.start, 6)])


class Sized(Stream):
    def __len__(self):
        return 6


def table(n=6, bad=4, value=nan):
    """Samples of two numbers and a label, one of them bad."""
    x = torch.arange(2.0 * n).reshape(n, 2)
    x[bad, 1] = value
    return data.TensorDataset(x, torch.arange(n))


# ---- workers -----------------------------------------------------------------------------------------


# By the names that loader_child.py gives them.
FEW = ["guards_go_together", "a_bad_sample_is_named_from_inside_a_worker", "a_bad_batch_is_refused_where_it_is_made",
       "a_bad_sample_of_a_stream_names_the_worker"]
ALL = [
    *FEW, "guard_passes_batches_of_workers", "guard_raises_in_the_parent_and_ends_the_workers",
    "guard_skips_and_keeps_workers", "guard_may_be_left_early", "samples_at_once_are_asked_for_in_a_worker",
    "a_stream_stays_one", "attributes_of_a_stream_reach_it_in_a_worker", "the_collate_of_torch_is_guarded",
    "a_guard_may_be_around_guarded_datasets",
]


def with_workers(run_python, method, names):
    """Run these cases with workers of this kind; each must have come to its end."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    assert run_python("containers/loader_child.py", method, *names).splitlines() == names


# Each case starts workers; those that are spawned import PyTorch anew, seconds each.
@pytest.mark.parametrize(("method", "names"), [("fork", ALL), ("spawn", FEW), ("forkserver", ALL)],
                         ids=["fork", "spawn", "forkserver"])
def test_guards_work_with_workers_after_scans_with_threads(method, names, run_python):
    with_workers(run_python, method, names)


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_pinned_memory_is_scanned(method, run_python):
    if not getattr(torch, "accelerator", torch.cuda).is_available():
        pytest.skip("no accelerator, and so no memory to pin")
    with_workers(run_python, method, ["pinned_memory_is_scanned"])


# ---- guard, without workers --------------------------------------------------------------------------


def test_a_loader_is_guarded_for_any_number_of_epochs():
    loader = ff.guard(data.DataLoader(table(), batch_size=2), on_bad="skip", name="train")
    for epoch in range(3):
        assert [batch[1].tolist() for batch in loader] == [[0, 1], [2, 3]]
        assert (loader.report.epochs, loader.report.skipped) == (epoch + 1, epoch + 1)
    bad = loader.report.findings[-1]
    assert (bad.epoch, bad.index, bad.path, bad.sample, bad.report.first) == (2, 2, "[0]", 0, (0, 1))
    # Three batches an epoch, each of two by two numbers and two labels.
    assert loader.report.bytes == 3 * 3 * (4 * 4 + 2 * 8)


def test_a_guarded_loader_is_as_long_and_has_what_the_loader_has():
    inner = data.DataLoader(table(), batch_size=4, shuffle=True)
    loader = ff.guard(inner)
    assert len(loader) == 2 and loader.batch_size == 4 and loader.sampler is inner.sampler
    assert loader.dataset is inner.dataset and loader.collate_fn is inner.collate_fn
    loader.worker_init_fn = len
    assert inner.worker_init_fn is len
    # What a loader refuses to change, it refuses here.
    with pytest.raises(ValueError, match="batch_size"):
        loader.batch_size = 8


def test_the_same_seed_gives_the_same_batches_guarded_or_not():
    def labels(wrap):
        loader = data.DataLoader(table(value=0.0), batch_size=2, shuffle=True,
                                 generator=torch.Generator().manual_seed(7))
        return [batch[1].tolist() for batch in wrap(loader)]

    assert labels(ff.guard) == labels(iter)


def test_a_loader_of_a_stream_is_guarded():
    error = refused(list, ff.guard(data.DataLoader(Stream(), batch_size=2)))
    assert (error.path, error.sample, error.index, error.report.first) == ("", 0, 2, (0, 1))
    with pytest.raises(TypeError):
        len(ff.guard(data.DataLoader(Stream())))
    assert len(ff.guard(data.DataLoader(Sized(), batch_size=2))) == 3


def test_a_bad_batch_can_be_mended_with_torch():
    def mend(bad):
        return [torch.nan_to_num(bad.batch[0]), bad.batch[1]]

    loader = ff.guard(data.DataLoader(table(), batch_size=3), on_bad=mend)
    assert [bool(ff.scan_batch(batch)) for batch in loader] == [True, True] and loader.report.mended == 1


def test_a_guarded_loader_survives_pickle():
    loader = pickle.loads(pickle.dumps(ff.guard(data.DataLoader(table(), batch_size=2), on_bad="skip")))
    assert len(list(loader)) == 2 and loader.report.bad == 1


# ---- guard_dataset -----------------------------------------------------------------------------------


def test_a_bad_sample_is_named_by_its_index_whatever_the_order():
    dataset = ff.guard_dataset(table(), name="row")
    error = refused(list, data.DataLoader(dataset, batch_size=2, sampler=[5, 4, 0, 1]))
    assert (error.sample, error.path) == (4, "[0]")
    assert str(error) == "row 4: [0] (2 float32) has 1 non-finite value: 1 nan; first nan at index 1"


def test_an_index_that_is_a_tensor_is_named_as_a_number():
    error = refused(ff.guard_dataset(table()).__getitem__, torch.tensor(4))
    assert error.sample == 4 and type(error.sample) is int and str(error).startswith("sample 4: ")


@pytest.mark.parametrize(
    "index", [slice(3, 6), torch.tensor([0, 4]), torch.arange(6) > 3], ids=["slice", "several", "mask"]
)
def test_several_samples_at_once_are_scanned(index):
    error = refused(ff.guard_dataset(table()).__getitem__, index)
    assert error.sample is None and error.path == "[0]" and error.report.nan == 1
    assert ff.guard_dataset(table(value=0.0))[index][1].tolist() == table()[index][1].tolist()


def test_guarded_datasets_go_where_datasets_go():
    dataset = ff.guard_dataset(table())
    subset = data.Subset(dataset, [0, 4])
    assert len(subset) == 2 and refused(subset.__getitem__, 1).sample == 4
    assert refused(subset.__getitems__, [0, 1]).sample == 4
    both = data.ConcatDataset([dataset, ff.guard_dataset(table(value=inf), name="other")])
    assert len(both) == 12 and str(refused(both.__getitem__, 10)).startswith("other 4: ")
    halves = data.random_split(dataset, [3, 3], generator=torch.Generator().manual_seed(0))
    assert sum(4 in half.indices and refused(list, half).sample == 4 for half in halves) == 1


def test_a_guarded_stream_is_a_stream_of_torch():
    dataset = ff.guard_dataset(Stream())
    assert isinstance(dataset, data.IterableDataset) and dataset.start == 0
    error = refused(list, data.DataLoader(dataset, batch_size=2))
    assert error.sample == 4 and str(error).startswith("sample 4: array (2 float32) has 1 non-finite value")
    dataset.start = 5
    assert [batch.tolist() for batch in data.DataLoader(dataset)] == [[[1.0, 5.0]]]
    with pytest.raises(TypeError):
        len(dataset)


def test_guarded_streams_are_chained_and_sized():
    assert len(data.DataLoader(ff.guard_dataset(Sized()), batch_size=4)) == 2
    chained = ff.guard_dataset(Stream(), allow_nan=True) + ff.guard_dataset(Stream())
    assert refused(list, chained).sample == 4


def test_a_guarded_stream_survives_pickle():
    dataset = pickle.loads(pickle.dumps(ff.guard_dataset(Stream(), name="line")))
    assert isinstance(dataset, data.IterableDataset) and str(refused(list, dataset)).startswith("line 4: ")


def test_the_collate_of_a_loader_is_guarded():
    loader = data.DataLoader(table(), batch_size=3, collate_fn=ff.guarded_collate(name="train"))
    error = refused(list, loader)
    assert (error.path, error.sample) == ("[0]", 1)
    assert str(error) == "train: [0] (3 x 2 float32) has 1 non-finite value: 1 nan; first nan at row 1, column 1"
    clean = list(data.DataLoader(table(value=0.0), batch_size=3, collate_fn=ff.guarded_collate()))
    assert torch.equal(clean[1][0], table(value=0.0)[3:][0])

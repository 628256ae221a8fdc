"""guard, guard_dataset, guarded_collate: what is finite passes as it is, what is not is told of.

Loaders here are plain Python; those of PyTorch, with their workers, are in test_loaders.py.
"""

import copy
import functools
import pickle
import types
import warnings
from collections import UserDict, namedtuple

import numpy as np
import pytest
from optional import require
from refusals import Unknown, kind_of, refused

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors")
nan, inf = float("nan"), float("inf")
Pair = namedtuple("Pair", "x y")


def good():
    return {"x": np.ones(4, np.float32)}


def bad(value=nan, path="x"):
    """A batch whose sample 2 is bad."""
    return {path: np.array([0, 1, value, 2], np.float32)}


class Loader:
    """A loader as people write them: a length, attributes, a state, a new iterator for each epoch."""

    def __init__(self, *batches):
        self.batches, self.batch_size, self.position, self.closed = batches, 4, 0, 0

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        try:
            for position, batch in enumerate(self.batches):
                self.position = position
                yield batch
        finally:
            self.closed += 1

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


class Broken(Loader):
    """Ends in an error of its own."""

    error = OSError("disk")

    def __iter__(self):
        yield from super().__iter__()
        raise self.error


def drained(loader):
    """The messages of the warnings of an epoch, its summary among them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in loader:
            pass
    assert all(warning.category is ff.NonFiniteWarning for warning in caught)
    return [str(warning.message) for warning in caught]


# ---- what passes -------------------------------------------------------------------------------------

BATCHES = [good(), [np.zeros(2), "text"], Pair(np.ones(1), None), 1.0, UserDict(good()), np.ones((2, 2))]


class Indexed:
    """An iterable of the old kind."""

    def __getitem__(self, index):
        return BATCHES[index]


@pytest.mark.parametrize("policy", ["raise", "warn", "skip", lambda bad: None])
@pytest.mark.parametrize(
    "make",
    [list, tuple, iter, lambda batches: (batch for batch in batches), lambda batches: Loader(*batches),
     lambda batches: Indexed()],
    ids=["list", "tuple", "iterator", "generator", "loader", "indexed"],
)
def test_clean_batches_are_the_same_objects(make, policy):
    loader = ff.guard(make(BATCHES), on_bad=policy)
    passed = list(loader)
    assert len(passed) == len(BATCHES) and all(mine is yours for mine, yours in zip(passed, BATCHES))
    assert loader.report and loader.report.batches == len(BATCHES) and loader.report.bad == 0


def test_batches_are_taken_one_by_one():
    taken = []
    loader = iter(ff.guard(taken.append(i) or np.ones(1) for i in range(3)))
    for n in (1, 2, 3):
        next(loader)
        assert taken == list(range(n))


def test_a_loader_without_batches_is_finite():
    for empty in ([], iter([]), Loader()):
        loader = ff.guard(empty, on_bad="warn")
        assert list(loader) == [] and loader.report
        assert (loader.report.epochs, loader.report.batches, loader.report.bytes) == (1, 0, 0)


def test_a_guard_within_a_guard_passes_on():
    loader = ff.guard(ff.guard([good(), bad()], on_bad="skip"))
    assert len(list(loader)) == 1 and loader.report.batches == 1 and len(loader) == 2


# ---- in place of the loader --------------------------------------------------------------------------


def test_a_guard_has_the_length_of_the_loader():
    assert len(ff.guard([1.0, 2.0])) == 2 and len(ff.guard(Loader())) == 0


def test_a_loader_without_length_has_none_when_guarded():
    loader = ff.guard(batch for batch in [good()])
    with pytest.raises(TypeError, match="generator"):
        len(loader)
    assert len(list(loader)) == 1


def test_a_guard_is_as_true_as_the_loader():
    assert not ff.guard([]) and ff.guard([1.0]) and ff.guard(iter([])) and not ff.guard(Loader())


def test_attributes_of_the_loader_are_read_and_set():
    inner = Loader(good())
    loader = ff.guard(inner)
    assert loader.batch_size == 4 and loader.batches is inner.batches
    loader.batch_size = 8
    loader.new = "new"
    assert inner.batch_size == 8 and inner.new == "new" and "batch_size" not in vars(loader)


def test_the_report_is_of_the_guard():
    inner = Loader(good())
    loader = ff.guard(inner)
    assert isinstance(loader.report, ff.GuardReport) and not hasattr(inner, "report")


def test_an_attribute_that_the_loader_has_not_is_missing():
    loader = ff.guard(Loader())
    with pytest.raises(AttributeError, match="'Loader' object has no attribute 'sampler'"):
        _ = loader.sampler
    assert getattr(loader, "sampler", None) is None and not hasattr(loader, "__array__")


def test_the_state_goes_through():
    inner = Loader(good(), good())
    loader = ff.guard(inner)
    list(loader)
    assert loader.state_dict() == {"position": 1}
    loader.load_state_dict({"position": 7})
    assert inner.position == 7


def test_a_guard_shows_what_it_guards():
    assert repr(ff.guard([1.0])) == "<guarded [1.0]>"


# ---- on_bad ------------------------------------------------------------------------------------------


def test_a_bad_batch_raises():
    loader = ff.guard([good(), bad(), good()])
    iterator = iter(loader)
    next(iterator)
    error = refused(next, iterator)
    assert str(error) == (
        "batch 1 of epoch 0: x (4 float32) has 1 non-finite value: 1 nan; first nan at index 2"
    )
    assert (error.path, error.sample, error.epoch, error.index) == ("x", 2, 0, 1)
    assert error.report == ff.scan(bad()["x"]) and error.findings[0].report is error.report
    with pytest.raises(StopIteration):
        next(iterator)


def test_an_error_carries_all_findings_and_names_them():
    batch = {"a": [np.array([inf])], "ok": np.ones(1), "b": Pair(nan, 1.0)}
    error = refused(list, ff.guard([batch]))
    assert [finding.path for finding in error.findings] == ["a[0]", "b.x"] and type(error.findings) is tuple
    assert str(error).endswith("first +inf at index 0; also in b.x")
    many = refused(list, ff.guard([[nan] * 20]))
    assert len(many.findings) == 20 and str(many).endswith("also in [1], [2], [3], [4], [5], [6], [7], [8], ...")


def test_a_batch_that_is_an_array_has_no_path():
    error = refused(list, ff.guard([np.array([[1.0], [nan]])]))
    assert error.path == "" and error.sample == 1 and "batch 0 of epoch 0: array (2 x 1 float64) has" in str(error)


def test_the_error_is_a_value_error_as_that_of_check_finite():
    assert issubclass(ff.NonFiniteError, ValueError) and issubclass(ff.NonFiniteWarning, RuntimeWarning)


def test_bad_batches_are_skipped():
    batches = [bad(), good(), bad(inf), good(), bad()]
    loader = ff.guard(batches, on_bad="skip")
    passed = list(loader)
    assert len(passed) == 2 and passed[0] is batches[1] and passed[1] is batches[3]
    report = loader.report
    assert not report and (report.batches, report.bad, report.skipped, report.mended) == (5, 3, 3, 0)
    assert [entry.index for entry in report.findings] == [0, 2, 4]


def test_bad_batches_pass_with_a_warning():
    batches = [good(), bad(), good()]
    loader = ff.guard(batches, on_bad="warn")
    with pytest.warns(ff.NonFiniteWarning) as caught:
        passed = list(loader)
    assert all(mine is yours for mine, yours in zip(passed, batches)) and len(passed) == 3
    assert [str(warning.message) for warning in caught] == [
        "batch 1 of epoch 0: x (4 float32) has 1 non-finite value: 1 nan; first nan at index 2",
        "in epoch 0: nan in 1 batch at x",
    ]
    assert (loader.report.bad, loader.report.skipped, loader.report.mended) == (1, 0, 0)


def test_warnings_point_to_the_loop():
    with pytest.warns(ff.NonFiniteWarning) as caught:
        for _ in ff.guard([bad()], on_bad="warn"):
            pass
    assert {warning.filename for warning in caught} == {__file__} and len(caught) == 2


def test_each_kind_and_path_is_warned_of_once_and_summed_up():
    batches = [bad(), bad(), bad(inf), bad(-inf), bad(inf), bad(path="y"), {**bad(), **bad(path="y")}]
    messages = drained(ff.guard(batches, on_bad="warn"))
    assert [message.partition(":")[0] for message in messages] == [
        "batch 0 of epoch 0", "batch 2 of epoch 0", "batch 3 of epoch 0", "batch 5 of epoch 0", "in epoch 0",
    ]
    assert messages[-1] == (
        "in epoch 0: nan in 3 batches at x, +inf in 2 batches at x, -inf in 1 batch at x, nan in 2 batches at y"
    )


def test_two_kinds_in_a_batch_are_one_warning():
    first, summary = drained(ff.guard([np.array([nan, inf])], on_bad="warn"))
    assert "2 non-finite values: 1 nan, 1 +inf" in first and summary.startswith("in epoch 0: ")
    assert "nan in 1 batch" in summary and "+inf in 1 batch" in summary


def test_the_summary_is_in_the_order_of_the_batch():
    # Not in that of hashes, which differs from run to run.
    _, summary = drained(ff.guard([{f"x{i}": np.array([nan, inf]) for i in range(5)}], on_bad="warn"))
    assert summary == "in epoch 0: " + ", ".join(
        f"{kind} in 1 batch at x{i}" for i in range(5) for kind in ("nan", "+inf")
    )


def test_overflow_and_null_are_kinds():
    batches = [np.array([1e5]), np.array([None], object)]
    assert drained(ff.guard(batches, on_bad="warn", target_dtype="float16"))[-1] == (
        "in epoch 0: overflow in 1 batch, null in 1 batch"
    )


def test_what_was_warned_of_is_only_summed_up_in_later_epochs():
    loader = ff.guard([bad(), bad()], on_bad="warn")
    assert len(drained(loader)) == 2
    assert drained(loader) == ["in epoch 1: nan in 2 batches at x"]
    assert loader.report.bad == 4


def test_an_epoch_that_was_clean_has_no_summary():
    batches = [bad()]
    loader = ff.guard(batches, on_bad="warn")
    drained(loader)
    batches[0] = good()
    assert drained(loader) == []


def test_a_loop_that_is_left_early_is_summed_up():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in ff.guard([bad(), bad()], on_bad="warn"):
            break
    assert [str(warning.message) for warning in caught][1:] == ["in epoch 0: nan in 1 batch at x"]


def test_a_loop_that_ends_in_an_error_is_summed_up():
    def train():
        for _ in ff.guard([bad(), bad()], on_bad="warn"):
            raise KeyError("step")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(KeyError):
            train()
    assert [str(warning.message) for warning in caught][1:] == ["in epoch 0: nan in 1 batch at x"]


def test_warnings_that_are_errors_end_the_loop():
    inner = Loader(bad(), good())
    with pytest.raises(ff.NonFiniteWarning, match="batch 0 of epoch 0"):
        list(ff.guard(inner, on_bad="warn"))
    assert inner.closed == 1


def test_a_callable_is_given_the_bad_batch():
    seen = []
    batches = [good(), bad(), bad(inf)]
    loader = ff.guard(batches, on_bad=seen.append)
    assert all(mine is yours for mine, yours in zip(list(loader), batches))
    first, second = seen
    assert type(first) is ff.BadBatch and first.batch is batches[1] and (first.epoch, first.index) == (0, 1)
    assert (first.path, first.sample, first.report) == ("x", 2, ff.scan(batches[1]["x"]))
    assert [finding.path for finding in second.findings] == ["x"] and second.index == 2
    assert str(first) == "batch 1 of epoch 0: x (4 float32) has 1 non-finite value: 1 nan; first nan at index 2"
    assert repr(first) == f"<BadBatch: {first}>"
    # None is no batch: those go on as they are.
    assert (loader.report.bad, loader.report.mended, loader.report.skipped) == (2, 0, 0)


def test_what_a_callable_returns_goes_on_and_counts_as_mended_if_it_is():
    still_bad = {"x": np.array([inf])}
    loader = ff.guard([bad(), good(), bad()], on_bad=lambda bad: still_bad if bad.index else good())
    _first, second, third = loader
    assert third is still_bad and second is not still_bad
    assert (loader.report.bad, loader.report.mended) == (2, 1)


def test_a_callable_may_mend_the_batch_where_it_is():
    loader = ff.guard([bad()], on_bad=lambda bad: bad.batch["x"].fill(0))
    assert ff.scan_batch(next(iter(loader))) and loader.report.mended == 1


@pytest.mark.parametrize("nothing", [0, [], {}, "", np.zeros(0)], ids=repr)
def test_an_empty_batch_from_a_callable_is_a_batch(nothing):
    loader = ff.guard([bad()], on_bad=lambda bad: nothing)
    (passed,) = loader
    assert passed is nothing and loader.report.mended == 1


def test_an_error_of_a_callable_passes():
    def refuse(bad):
        raise KeyError(bad.index)

    inner = Loader(good(), bad())
    loader = ff.guard(inner, on_bad=refuse)
    with pytest.raises(KeyError, match="1"):
        list(loader)
    assert inner.closed == 1 and loader.report.bad == 1 and loader.report.mended == 0


def test_a_callable_may_mend_in_place():
    def mend(bad):
        np.nan_to_num(bad.batch[bad.path], copy=False)

    loader = ff.guard([bad()], on_bad=mend)
    (batch,) = loader
    assert batch["x"].tolist() == [0, 1, 0, 2] and loader.report.bad == 1


# ---- options -----------------------------------------------------------------------------------------


def test_messages_begin_with_the_name():
    error = refused(list, ff.guard([bad()], name="train"))
    assert str(error).startswith("train: batch 0 of epoch 0: x (4 float32) has 1 non-finite value")
    messages = drained(ff.guard([bad()], on_bad="warn", name="train"))
    assert messages[0].startswith("train: batch 0") and messages[1] == "train: in epoch 0: nan in 1 batch at x"
    with pytest.raises(TypeError, match=r"^train: batch 0 of epoch 0: \[0\] cannot be scanned: "):
        list(ff.guard([[Unknown()]], name="train", on_unknown="raise"))


def test_allow_nan_lets_nan_pass():
    error = refused(list, ff.guard([bad(), bad(inf)], allow_nan=True))
    assert error.index == 1 and "1 infinite value: 1 +inf" in str(error)


def test_target_dtype_finds_overflow():
    batches = [np.array([1.0, 1e5])]
    assert ff.guard(batches) and list(ff.guard(batches)) == batches
    error = refused(list, ff.guard(batches, target_dtype="float16"))
    assert error.report.overflow == 1 and error.sample == 1


def test_unknown_objects_are_listed():
    loader = ff.guard([{"x": np.ones(2), "u": Unknown()}, [iter([])]])
    assert len(list(loader)) == 2
    assert list(loader.report.not_scanned) == ["u", "[0]"] and loader.report
    assert "not scanned: u: " in str(loader.report)


def test_iterators_in_a_batch_are_not_consumed():
    (batch,) = ff.guard([{"i": iter([1, 2]), "x": np.zeros(1)}])
    assert list(batch["i"]) == [1, 2]


def test_unknown_objects_raise_where_asked():
    inner = Loader(good(), [good(), Unknown()])
    with pytest.raises(TypeError, match=r"^batch 1 of epoch 0: \[1\] cannot be scanned: .*Unknown") as caught:
        list(ff.guard(inner, on_unknown="raise"))
    assert isinstance(caught.value.__cause__, TypeError) and inner.closed == 1


@pytest.mark.parametrize("loader", [None, 3, 1.5, Unknown(), len], ids=kind_of)
def test_what_is_no_loader_is_refused(loader):
    with pytest.raises(TypeError, match=f"loader must be iterable, not {type(loader).__name__}"):
        ff.guard(loader)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"on_bad": "ignore"}, ValueError, "on_bad must be one of 'raise', 'warn', 'skip' or callable, not 'ignore'"),
        ({"on_bad": None}, ValueError, "on_bad must be one of 'raise', 'warn', 'skip' or callable, not None"),
        ({"on_unknown": "skip"}, ValueError, "on_unknown must be 'ignore' or 'raise', not 'skip'"),
        ({"max_findings": -1}, ValueError, "max_findings must be at least 0, not -1"),
        ({"max_findings": "all"}, TypeError, "max_findings must be an integer, not 'all'"),
        ({"target_dtype": "int8"}, ValueError, "target_dtype='int8' is not a floating-point format"),
    ],
)
def test_bad_options_are_refused_before_the_first_batch(options, error, message):
    with pytest.raises(error) as caught:
        ff.guard([], **options)
    assert message in str(caught.value)


def test_options_are_named():
    for function, thing in ((ff.guard, []), (ff.guard_dataset, []), (ff.guarded_collate, list)):
        with pytest.raises(TypeError):
            function(thing, "raise")


# ---- epochs and the report ---------------------------------------------------------------------------


def test_every_epoch_is_scanned_and_counted():
    loader = ff.guard(Loader(good(), bad(), good()), on_bad="skip")
    for epoch in range(3):
        assert len(list(loader)) == 2 and loader.report.epochs == epoch + 1
    report = loader.report
    assert (report.batches, report.bad, report.skipped, report.arrays) == (9, 3, 3, 9)
    assert [(entry.epoch, entry.index) for entry in report.findings] == [(0, 1), (1, 1), (2, 1)]


def test_an_epoch_that_raised_counts():
    loader = ff.guard([good(), bad()])
    assert refused(list, loader).epoch == 0
    error = refused(list, loader)
    assert (error.epoch, error.index) == (1, 1) and str(error).startswith("batch 1 of epoch 1: ")
    assert (loader.report.epochs, loader.report.batches, loader.report.bad) == (2, 4, 2)


def test_two_loops_at_once_are_two_epochs():
    loader = ff.guard([good(), bad()], on_bad="skip")
    for _ in loader:
        assert len(list(loader)) == 1
    assert [(entry.epoch, entry.index) for entry in loader.report.findings] == [(1, 1), (0, 1)]


def test_the_report_counts_what_was_scanned():
    loader = ff.guard([{"x": np.ones((2, 3), np.float32), "y": 1.0}, [np.ones(5), "text"]])
    report = loader.report
    assert (report.epochs, report.batches, report.bytes, report.seconds) == (0, 0, 0, 0.0)
    iterator = iter(loader)
    next(iterator)
    assert (report.epochs, report.batches, report.arrays, report.bytes) == (1, 1, 2, 24 + 8)
    next(iterator)
    assert loader.report is report and (report.arrays, report.bytes) == (3, 24 + 8 + 40)
    assert isinstance(report.seconds, float) and report.seconds >= 0


def test_the_report_does_not_keep_batches():
    loader = ff.guard([bad(), bad(inf)], on_bad="skip")
    list(loader)
    for index, entry in enumerate(loader.report.findings):
        assert entry.batch is None and (entry.epoch, entry.index, entry.path, entry.sample) == (0, index, "x", 2)
    assert loader.report.findings[0].report.nan == 1 and loader.report.findings[1].report.posinf == 1


@pytest.mark.parametrize("n", [0, 2, 5])
def test_the_report_lists_max_findings(n):
    loader = ff.guard([bad()] * 4, on_bad="skip", max_findings=n)
    assert list(loader) == []
    assert len(loader.report.findings) == min(n, 4) and loader.report.bad == 4
    assert ("more" in str(loader.report)) == (n < 4) and (f"... and {4 - n} more" in str(loader.report)) == (n < 4)


def test_the_report_prints_ten_of_many():
    loader = ff.guard([bad()] * 30, on_bad="skip")
    list(loader)
    assert len(loader.report.findings) == 30
    assert str(loader.report).count("non-finite") == 10 and "... and 20 more" in str(loader.report)


def test_a_batch_of_which_nothing_can_be_scanned_is_warned_of_once():
    loader = ff.guard([Unknown(), Unknown(), good()])
    with pytest.warns(ff.NonFiniteWarning, match="batch 0: nothing of it could be scanned: objects of type") as caught:
        assert len(list(loader)) == 3
    assert len(caught) == 1 and list(loader.report.not_scanned) == [""]


@pytest.mark.parametrize("batch", [{"x": np.array([nan])}, types.MappingProxyType({})], ids=kind_of)
def test_one_batch_is_no_loader(batch):
    with pytest.raises(TypeError, match=r"is one itself: use scan_batch\(batch\), or guard\(\[batch\]\)"):
        ff.guard(batch)


def test_the_report_reads_well():
    loader = ff.guard([good(), bad(), bad()], on_bad="skip")
    list(loader)
    head, *rest = str(loader.report).splitlines()
    assert head.startswith("3 batches in 1 epoch: 2 not finite, 2 skipped; 48 B scanned in ") and head.endswith(" s")
    assert rest == [f"  {entry}" for entry in loader.report.findings]
    assert repr(loader.report) == f"<GuardReport: {loader.report}>"
    clean = ff.guard([good()])
    list(clean)
    assert str(clean.report).startswith("1 batch in 1 epoch: all finite; 16 B scanned in ")
    mended = ff.guard([bad()], on_bad=lambda bad: 0)
    list(mended)
    assert str(mended.report).startswith("1 batch in 1 epoch: 1 not finite, 1 mended; ")


def test_the_report_survives_pickle():
    loader = ff.guard([good(), bad()], on_bad="skip")
    list(loader)
    twin = pickle.loads(pickle.dumps(loader.report))
    assert str(twin) == str(loader.report) and twin.findings[0].findings == loader.report.findings[0].findings


# ---- the end of the loop -----------------------------------------------------------------------------


def test_the_generator_is_closed_however_the_loop_ends():
    inner = Loader(good(), bad())
    refused(list, ff.guard(inner))
    assert inner.closed == 1
    for _ in ff.guard(inner):
        break
    assert inner.closed == 2
    list(ff.guard(inner, on_bad="skip"))
    assert inner.closed == 3

    def fail():
        for _ in ff.guard(inner):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inner.closed == 4


def test_an_iterator_with_close_is_closed():
    class Iterator:
        closed = 0

        def __iter__(self):
            return self

        def __next__(self):
            return bad()

        def close(self):
            self.closed += 1

    iterator = Iterator()
    refused(next, iter(ff.guard(iterator)))
    assert iterator.closed == 1


def test_a_loader_that_is_its_own_iterator_stays_open_for_the_next_epoch():
    class Own:
        closed = False

        def __iter__(self):
            assert not self.closed
            self.left = 2
            return self

        def __next__(self):
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return good()

        def close(self):
            self.closed = True

    for wrap in (ff.guard, lambda own: ff.guard_dataset(own)):
        wrapped = wrap(Own())
        assert [len(list(wrapped)) for _ in range(3)] == [2, 2, 2]
        for _ in wrapped:
            break
        assert len(list(wrapped)) == 2


def test_an_error_on_closing_does_not_hide_the_finding():
    class Stubborn(Loader):
        def __iter__(self):
            try:
                yield bad()
            finally:
                raise OSError("close failed")

    assert refused(list, ff.guard(Stubborn())).path == "x"


def test_paths_that_are_new_in_every_batch_are_not_kept_without_end():
    loader = ff.guard([{f"id{i}": Unknown(), "x": np.zeros(1)} for i in range(3000)])
    assert len(list(loader)) == 3000 and len(loader.report.not_scanned) == 1000
    loader = ff.guard([{f"id{i}": np.array([nan])} for i in range(1500)], on_bad="warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(loader)
    assert len(caught) == 1001 and str(caught[-1].message).endswith(", 1490 more")


def test_an_error_of_the_loader_passes():
    inner = Broken(good(), bad())
    loader = ff.guard(inner, on_bad="skip")
    passed = []
    with pytest.raises(OSError) as caught:
        passed.extend(batch for batch in loader)
    assert caught.value is inner.error and loader.report.batches == 2 and inner.closed == 1
    with pytest.raises(OSError):
        list(loader)
    assert loader.report.epochs == 2


def test_an_error_of_iter_passes():
    class Refuses:
        def __iter__(self):
            raise OSError("no data")

    with pytest.raises(OSError, match="no data"):
        list(ff.guard(Refuses()))


# ---- copies ------------------------------------------------------------------------------------------


def mend(bad):
    return {"x": np.zeros(bad.report.shape)}


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_the_options_and_a_report_of_its_own(duplicate):
    loader = ff.guard(Loader(bad(), {"x": np.array([1e5])}), on_bad=mend, allow_nan=True, target_dtype="float16",
                      name="train", max_findings=0)
    twin = duplicate(loader)
    assert type(twin) is type(loader) and twin.batch_size == 4 and len(twin) == 2
    _, mended = twin
    assert mended["x"].tolist() == [0.0] and (twin.report.bad, twin.report.findings) == (1, [])
    assert loader.report.epochs == 0


def test_a_pickled_guard_keeps_its_name_and_strictness():
    loader = pickle.loads(pickle.dumps(ff.guard([[Unknown()]], name="train", on_unknown="raise")))
    with pytest.raises(TypeError, match=r"^train: batch 0"):
        list(loader)


def test_a_copy_shares_the_loader():
    inner = Loader(good())
    assert copy.copy(ff.guard(inner)).batches is inner.batches
    twin = copy.copy(ff.guard(inner))
    twin.batch_size = 2
    assert inner.batch_size == 2


# ---- the error ---------------------------------------------------------------------------------------


def test_an_error_alone_has_no_fields():
    error = ff.NonFiniteError("text")
    assert str(error) == "text" and error.findings == ()
    assert (error.report, error.by_column, error.path, error.sample, error.epoch, error.index) == (None,) * 6


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickle_with_its_fields(protocol):
    error = refused(list, ff.guard([good(), {"a": [np.array([[1, inf]])], "b": nan}], name="train"))
    twin = pickle.loads(pickle.dumps(error, protocol))
    assert type(twin) is ff.NonFiniteError and str(twin) == str(error)
    assert (twin.path, twin.sample, twin.epoch, twin.index) == ("a[0]", 0, 0, 1)
    assert twin.report == error.report and twin.findings == error.findings and len(twin.findings) == 2
    assert type(twin.findings[0]) is ff.Finding


# ---- guard_dataset -----------------------------------------------------------------------------------


class Samples:
    """A dataset of samples by index, the last of which is bad."""

    def __init__(self, n=3, value=nan):
        self.n, self.value, self.transform = n, value, None
        self.samples = [{"x": np.full(2, value if i == n - 1 else i, np.float32), "id": f"{i}"} for i in range(n)]

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.samples[index]


class AtOnce(Samples):
    """Gives several samples in one go, as the datasets of Hugging Face."""

    calls = 0

    def __getitems__(self, indices):
        self.calls += 1
        return [self.samples[i] for i in indices]


class Stream:
    """A dataset in its own order, the last sample of which is bad."""

    closed = 0
    size = 3

    def __iter__(self):
        try:
            for i in range(self.size):
                yield {"x": np.array([0.0, nan if i == self.size - 1 else i])}
        finally:
            self.closed += 1


def test_samples_are_the_same_objects():
    inner = Samples()
    dataset = ff.guard_dataset(inner)
    assert dataset[0] is inner.samples[0] and dataset[np.int64(1)] is inner.samples[1] and len(dataset) == 3


def test_a_bad_sample_is_named_by_its_index():
    error = refused(ff.guard_dataset(Samples()).__getitem__, 2)
    assert str(error) == "sample 2: x (2 float32) has 2 non-finite values: 2 nan; first nan at index 0"
    assert (error.sample, error.path, error.epoch, error.index) == (2, "x", None, None)
    assert error.report == ff.scan(np.full(2, nan, np.float32)) and error.findings[0].sample == 2


def test_an_index_from_the_end_is_named_as_it_was_given():
    error = refused(ff.guard_dataset(Samples()).__getitem__, -1)
    assert error.sample == -1 and str(error).startswith("sample -1: ")


def test_an_index_of_numpy_is_named_as_a_number():
    # Samplers that draw with NumPy give such.
    error = refused(ff.guard_dataset(Samples()).__getitem__, np.int64(2))
    assert error.sample == 2 and type(error.sample) is int and str(error).startswith("sample 2: ")


@pytest.mark.parametrize("index", [slice(0, 2), [0, 1], np.array([0, 1]), np.array([False, True])], ids=repr)
def test_an_index_of_several_samples_is_no_sample(index):
    error = refused(ff.guard_dataset(np.array([1.0, nan])).__getitem__, index)
    assert error.sample is None and error.path == "" and error.report.nan == 1


def test_an_index_may_be_a_key():
    error = refused(ff.guard_dataset({"a": np.ones(1), "b": np.array([nan])}).__getitem__, "b")
    assert error.sample is None and str(error).startswith("sample 'b': ")


def test_samples_at_once_are_asked_for_at_once():
    inner = AtOnce()
    dataset = ff.guard_dataset(inner)
    first, second = dataset.__getitems__([1, 0])
    assert first is inner.samples[1] and second is inner.samples[0] and inner.calls == 1
    error = refused(dataset.__getitems__, [0, 2, 1])
    assert error.sample == 2 and str(error).startswith("sample 2: ")


def test_samples_at_once_come_one_by_one_from_a_dataset_that_has_no_other_way():
    inner = Samples()
    dataset = ff.guard_dataset(inner)
    assert all(mine is yours for mine, yours in zip(dataset.__getitems__([1, 0]), inner.samples[1::-1]))
    assert refused(dataset.__getitems__, [0, 2]).sample == 2


def test_a_dataset_is_gone_through_to_its_end():
    inner = Samples(value=5)
    passed = list(ff.guard_dataset(inner))
    assert len(passed) == 3 and all(mine is yours for mine, yours in zip(passed, inner.samples))
    with pytest.raises(IndexError):
        ff.guard_dataset(inner)[3]


def test_streams_are_gone_through_again_and_again():
    class Clean(Stream):
        def __iter__(self):
            return iter([1.0, 2.0])

    dataset = ff.guard_dataset(Clean())
    assert list(dataset) == list(dataset) == [1.0, 2.0]


def test_a_bad_sample_of_a_stream_is_named_by_its_position():
    inner = Stream()
    error = refused(list, ff.guard_dataset(inner))
    assert error.sample == 2 and error.path == "x" and inner.closed == 1
    assert str(error) == "sample 2: x (2 float64) has 1 non-finite value: 1 nan; first nan at index 1"


def test_a_stream_that_is_left_early_is_closed():
    inner = Stream()
    for _ in ff.guard_dataset(inner):
        break
    assert inner.closed == 1


def test_generators_are_streams():
    assert list(ff.guard_dataset(x for x in (1.0, 2.0))) == [1.0, 2.0]


def test_a_guarded_stream_has_no_more_than_the_stream():
    dataset = ff.guard_dataset(Stream())
    assert not hasattr(type(dataset), "__getitem__") and dataset.size == 3 and bool(dataset)
    with pytest.raises(TypeError):
        len(dataset)


@pytest.mark.parametrize("make", [Samples, Stream])
def test_attributes_of_the_dataset_are_read_and_set(make):
    inner = make()
    dataset = ff.guard_dataset(inner)
    dataset.transform = "crop"
    assert inner.transform == dataset.transform == "crop"
    with pytest.raises(AttributeError, match=f"'{make.__name__}' object has no attribute 'nonsense'"):
        _ = dataset.nonsense


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("make", [Samples, AtOnce])
def test_a_copy_of_a_guarded_dataset_is_guarded_alike(make, duplicate):
    dataset = duplicate(ff.guard_dataset(make(value=-inf), name="row", allow_nan=True))
    assert len(dataset) == 3 and str(refused(dataset.__getitem__, 2)).startswith("row 2: x (2 float32) has 2 infinite")
    assert duplicate(ff.guard_dataset(make(), allow_nan=True))[2]["id"] == "2"
    stream = duplicate(ff.guard_dataset(Stream(), name="row"))
    assert str(refused(list, stream)).startswith("row 2: ")


def test_options_of_scan_batch_apply_to_datasets():
    assert refused(ff.guard_dataset([1e5], target_dtype="float16").__getitem__, 0).report.overflow == 1
    assert ff.guard_dataset([nan], allow_nan=True)[0] is nan
    unknown = Unknown()
    with pytest.warns(ff.NonFiniteWarning, match="sample 0: nothing of it could be scanned") as caught:
        samples = ff.guard_dataset([unknown, unknown])
        assert samples[0] is samples[1] is unknown
    assert len(caught) == 1
    with pytest.raises(TypeError, match=r"^row 0: u cannot be scanned: "):
        ff.guard_dataset([{"u": unknown}], on_unknown="raise", name="row")[0]
    with pytest.raises(TypeError, match=r"^sample 1: u cannot be scanned: "):
        list(ff.guard_dataset(iter([1.0, {"u": unknown}]), on_unknown="raise"))


@pytest.mark.parametrize("dataset", [None, 3, Unknown(), len], ids=kind_of)
def test_what_is_no_dataset_is_refused(dataset):
    with pytest.raises(TypeError, match=f"dataset must have __getitem__ or __iter__; {type(dataset).__name__} has"):
        ff.guard_dataset(dataset)


@pytest.mark.parametrize("function", [lambda **options: ff.guard_dataset([], **options),
                                      lambda **options: ff.guarded_collate(list, **options)])
def test_bad_options_are_refused_at_once(function):
    with pytest.raises(ValueError, match="on_unknown must be 'ignore' or 'raise', not 'skip'"):
        function(on_unknown="skip")
    with pytest.raises(ValueError, match="target_dtype='int8'"):
        function(target_dtype="int8")


def test_a_guarded_dataset_shows_what_it_guards():
    assert repr(ff.guard_dataset([1.0])) == "<guarded [1.0]>"


# ---- guarded_collate ---------------------------------------------------------------------------------


def test_a_clean_batch_is_what_the_function_made():
    made = []
    collate = ff.guarded_collate(lambda samples: made.append(list(samples)) or made[-1])
    assert collate([1.0, 2.0]) is made[0] and made == [[1.0, 2.0]]


def test_a_bad_batch_names_the_sample_within():
    error = refused(ff.guarded_collate(np.stack), [np.zeros(2), np.array([0.0, nan])])
    assert str(error) == (
        "batch: array (2 x 2 float64) has 1 non-finite value: 1 nan; first nan at row 1, column 1"
    )
    assert (error.sample, error.path, error.epoch, error.index) == (1, "", None, None)
    assert str(refused(ff.guarded_collate(np.stack, name="train"), [nan])).startswith("train: array (1 float64)")


def test_options_of_scan_batch_apply_to_batches():
    assert ff.guarded_collate(list, allow_nan=True)([nan]) == [nan]
    assert refused(ff.guarded_collate(list, target_dtype="float16"), [1.0, 1e5]).path == "[1]"
    unknown = Unknown()
    with pytest.warns(ff.NonFiniteWarning, match="batch: nothing of it could be scanned"):
        assert ff.guarded_collate(list)([unknown]) == [unknown]
    with pytest.raises(TypeError, match=r"^batch: \[0\] cannot be scanned: "):
        ff.guarded_collate(list, on_unknown="raise")([unknown])


@pytest.mark.parametrize("target", [None, "float16", "bfloat16", "float8_e4m3fn", np.float16])
def test_a_guarded_collate_survives_pickle(target):
    collate = pickle.loads(pickle.dumps(ff.guarded_collate(functools.partial(np.stack, axis=-1), target_dtype=target)))
    assert collate([np.zeros(2), np.ones(2)]).tolist() == [[0, 1], [0, 1]]
    assert refused(collate, [np.array([0.0, nan])]).sample == 1
    assert bool(ff.scan(np.array([1e39]), target_dtype=target)) == (target is None)
    if target is not None:
        assert refused(collate, [np.array([0.0, 1e39])]).report.overflow == 1


def test_an_error_of_the_function_passes():
    with pytest.raises(ZeroDivisionError):
        ff.guarded_collate(lambda samples: 1 // 0)([])


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="collate_fn must be callable, not int"):
        ff.guarded_collate(3)


def test_without_torch_a_function_has_to_be_given(fail_python):
    assert fail_python("import fastfinite as ff; ff.guarded_collate()") == (
        "TypeError: collate_fn must be given where torch.utils.data is not loaded"
    )


def test_with_torch_its_own_collate_is_the_default():
    torch = require("torch")
    batch = ff.guarded_collate()([{"x": np.zeros(2)}, {"x": np.ones(2)}])
    assert torch.equal(batch["x"], torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64))
    error = refused(ff.guarded_collate(), [{"x": np.zeros(2)}, {"x": np.array([0.0, inf])}])
    assert (error.path, error.sample, error.report.first) == ("x", 1, (1, 1))


def test_namespaces_of_a_batch_are_scanned():
    assert refused(list, ff.guard([types.SimpleNamespace(y=[bad()])])).path == "y[0].x"


def test_what_a_callable_returns_is_scanned_as_batches_are():
    loader = ff.guard([bad()], on_bad=lambda bad: {"a": np.ones(1), "b": Unknown()})
    list(loader)
    assert list(loader.report.not_scanned) == ["b"] and loader.report.mended == 1
    with pytest.raises(TypeError, match=r"^train: batch 0 of epoch 0: .*cannot be scanned"):
        list(ff.guard([bad()], on_bad=lambda bad: Unknown(), on_unknown="raise", name="train"))

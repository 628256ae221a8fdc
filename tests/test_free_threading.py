"""Calls of many Python threads at once share no state that one of them could spoil; with and without a GIL."""

import sysconfig
import threading

import numpy as np
import pytest

import fastfinite as ff
from fastfinite import _accept

THREADS = 8


def at_once(function):
    """Call function(number) in several threads, all let go at the same moment; their results."""
    start, results = threading.Barrier(THREADS), [None] * THREADS

    def run(number):
        start.wait(60)
        results[number] = function(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python always has a GIL")
def test_importing_everything_leaves_the_gil_disabled(run_python):
    # Python would enable it for a module that does not say that it needs none, and warn, which here is an error.
    code = "import sys, fastfinite, fastfinite._cli, fastfinite._diagnose; print(sys._is_gil_enabled())"
    assert run_python(code, PYTHON_GIL=None) == "False"


def test_types_met_for_the_first_time_by_all_threads_at_once():
    # More of them than are remembered, so that the memory is emptied again and again meanwhile.
    kinds = [type(f"Array{i}", (np.ndarray,), {}) for i in range(_accept._MOST_TYPES + 300)]
    x = np.array([1.0, np.nan])

    def ask(number):
        step = 1 if number % 2 else -1
        return [ff.scan(x.view(kind)).nan for kind in kinds[::step]]

    assert at_once(ask) == [[1] * len(kinds)] * THREADS


def test_every_kind_of_call_at_once_gives_what_it_gives_alone():
    x = np.random.default_rng(0).normal(size=(20_000, 7))
    x[17, 3], x[400, 5] = np.nan, np.inf
    y = np.arange(20_000) % 2
    finite = np.nan_to_num(x, posinf=0.0)

    def every(number):
        return [
            ff.all_finite(x), ff.has_inf(x.T), ff.scan(x, axis=0).to_dict(), ff.nonfinite(x).tolist(),
            ff.column_stats(x).to_dict(), ff.standardize(finite).tobytes(), ff.sigmoid(x).tobytes(),
            ff.safe_log(x, fill=number * 0.0).tobytes(), ff.binary_cross_entropy_with_logits(y, finite[:, 0]),
            ff.softmax(finite, axis=1).tobytes(), ff.scan_batch({"x": x, "y": [y]}).to_dict(), str(ff.diagnose(x, y)),
        ]

    alone = every(0)
    assert at_once(every) == [alone] * THREADS


def test_numbers_of_threads_chosen_at_once_are_each_threads_own():
    def choose(number):
        seen = set()
        for _ in range(200):
            with ff.threads(number + 1):
                seen.add(ff.get_num_threads())
        return seen

    assert at_once(choose) == [{number + 1} for number in range(THREADS)]


def test_statistics_of_other_columns_are_never_merged():
    # As if another thread had made the first update in between.
    from fastfinite import _columns

    with pytest.raises(ValueError, match=r"statistics of 3 and of 4 columns cannot be merged"):
        _columns.merge_tables(_columns.empty_table(3), _columns.empty_table(4))

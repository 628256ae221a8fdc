"""Threads: how many are chosen, that results do not depend on them, and that calls go on without them."""

import contextlib
import os
import threading

import arrays
import numpy as np
import pytest

import fastfinite as ff

pytestmark = pytest.mark.usefixtures("strict_errors", "default_threads")


@pytest.fixture
def default_threads():
    yield
    ff.set_num_threads(None)


# ---- results -----------------------------------------------------------------------------------------

ROWS, COLUMNS = 1_250_000, 8        # 40 MB of float32: enough for 8 threads


def large(dtype, layout):
    """A view of tens of megabytes, and an array of the same layout to write faults through."""
    zeros = np.zeros((ROWS, COLUMNS), dtype)
    if layout == "Fortran":
        return np.zeros((COLUMNS, ROWS), dtype).T
    if layout == "every other":
        return np.zeros((ROWS, 2 * COLUMNS), dtype)[:, ::2]
    return zeros[::-1] if layout == "backwards" else zeros


def answers(x):
    by_column, by_row = ff.scan(x, axis=0), ff.scan(x, axis=1)
    return [
        ff.all_finite(x), ff.all_finite(x, allow_nan=True), ff.has_nan(x), ff.has_inf(x), ff.scan(x).to_dict(),
        by_column.to_dict(), [by_row.nan.sum(), by_row.first], ff.nonfinite(x, limit=5).tolist(),
        ff.scan(x, target_dtype="float16").to_dict() if x.dtype.kind in "fc" else None,
    ]


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [("float32", "C"), ("float32", "Fortran"), ("float32", "every other"), ("float64", "backwards"),
     ("complex64", "C"), ("complex64", "Fortran"), ("M8[s]", "C")],
)
def test_results_do_not_depend_on_the_number_of_threads(dtype, layout):
    x = large(dtype, layout)
    bad = arrays.bad_values("datetime64[s]" if dtype == "M8[s]" else dtype)
    faults = [(ROWS - 1, COLUMNS - 1), (ROWS // 2, 0), (17, 5)]
    for done in range(len(faults) + 1):
        if done:
            # From the last place to the first, so that a later part is the first to find one.
            x[faults[done - 1]] = list(bad.values())[done % len(bad)][0]
        found = []
        for n in (1, 2, 8):
            with ff.threads(n):
                found.append(answers(x))
        assert found[0] == found[1] == found[2]
        report = found[0][4]
        assert report["ok"] is (done == 0) and report["nan"] + report["posinf"] + report["neginf"] == done
        assert report["first"] == (list(faults[done - 1]) if done else None)


def test_every_part_counts():
    x = np.zeros(10_000_000, np.float32)
    places = np.linspace(0, len(x) - 1, 1001).astype(int)
    x[places[::2]], x[places[1::2]] = np.nan, -np.inf
    x[3] = 1e30
    for n in (1, 2, 3, 8, 64):
        with ff.threads(n):
            report = ff.scan(x, target_dtype="float16")
            assert (report.nan, report.neginf, report.overflow, report.first) == (501, 500, 1, (0,))
            columns = ff.scan(x.reshape(-1, 10), axis=0)
            assert columns.nan.sum() == 501 and columns.neginf.sum() == 500
            assert not ff.all_finite(x[1:places[1] + 1]) and ff.all_finite(x[4 : places[1]])


def test_eight_python_threads_may_scan_at_once():
    inputs = [arrays.mixed("float32", (2_000_000,), seed, share=0.001) for seed in range(8)]
    with ff.threads(1):
        expected = [ff.scan(x) for x in inputs]
    results = [None] * 8
    barrier = threading.Barrier(8)

    def work(n):
        barrier.wait()
        with ff.threads(2):
            for _ in range(3):
                results[n] = ff.scan(inputs[n]), ff.all_finite(inputs[n]), ff.get_num_threads()

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [(report, False, 2) for report in expected]


def test_one_array_may_be_scanned_by_many_at_once():
    x = np.zeros(4_000_000, np.float32)
    x[-1] = np.nan
    results = []
    workers = [threading.Thread(target=lambda: results.append(ff.scan(x).first)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [(3_999_999,)] * 8


def test_a_scan_goes_on_if_no_thread_can_be_started(run_python):
    pytest.importorskip("resource")
    if "san" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("a sanitizer takes more address space than this test leaves")
    run_python(
        """
import resource, sys, threading
import numpy as np
import fastfinite as ff

x = np.zeros(64_000_000, np.float32)
x[-1], x[32_000_000] = np.nan, np.inf
ff.scan(x[:100])
ff.set_num_threads(64)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 20), resource.RLIM_INFINITY))
try:
    threading.Thread(target=int).start()
except RuntimeError:
    pass
else:
    sys.exit("a thread could be started after all")
report = ff.scan(x)
assert (report.nan, report.posinf, report.first) == (1, 1, (32_000_000,)), str(report)
assert ff.scan(x.reshape(-1, 8), axis=0).nan.tolist() == [0] * 7 + [1]
assert not ff.all_finite(x) and ff.all_finite(x[:32_000_000]) and ff.has_nan(x)
""",
        OMP_NUM_THREADS=None,
        FASTFINITE_NUM_THREADS=None,
    )


COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
int threads_started = 0;
int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    threads_started++;
    return real(thread, how, run, argument);
}
"""


def test_threads_are_started_for_large_arrays_alone(run_python, compile_c):
    counter = compile_c(COUNTER, "-ldl")
    preload = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), str(counter)]))
    counts = run_python(
        """
import ctypes, sys
import numpy as np
import fastfinite as ff

started = ctypes.c_int.in_dll(ctypes.CDLL(sys.argv[1]), "threads_started")

def threads_of(call):
    started.value = 0
    call()
    return started.value

large, small = np.zeros(10_000_000, np.float32), np.zeros(1_000_000, np.float32)
bad = large.copy()
bad[5] = np.nan
ff.set_num_threads(4)
print([threads_of(lambda: call(x)) for call in (ff.all_finite, ff.scan) for x in (large, small, bad, large[::2])])
with ff.threads(64):
    print(threads_of(lambda: ff.scan(large)), threads_of(lambda: ff.scan(np.broadcast_to(small, (10**6, 10**6)))))
with ff.threads(1):
    print(threads_of(lambda: ff.scan(large)))
""",
        counter,
        LD_PRELOAD=preload,
    )
    # One part runs on the caller's thread; a bad value near the start is found before any is started.
    assert counts.splitlines() == ["[3, 0, 0, 3, 3, 0, 3, 3]", "8 0", "0"]


# ---- how many ----------------------------------------------------------------------------------------


def test_set_num_threads_holds_until_it_is_taken_back():
    before = ff.get_num_threads()
    ff.set_num_threads(before + 3)
    assert ff.get_num_threads() == before + 3 == ff.cpu_info()["threads"]
    ff.set_num_threads(np.int16(2))
    assert ff.get_num_threads() == 2
    ff.set_num_threads(None)
    assert ff.get_num_threads() == before >= 1


def test_the_context_comes_first_and_nests():
    ff.set_num_threads(5)
    with ff.threads(2):
        assert ff.get_num_threads() == 2
        with ff.threads(7):
            assert ff.get_num_threads() == 7
            ff.set_num_threads(4)
            assert ff.get_num_threads() == 7
        assert ff.get_num_threads() == 2
    assert ff.get_num_threads() == 4


def test_a_context_ends_with_an_exception_and_may_be_used_again():
    ff.set_num_threads(5)
    context = ff.threads(3)
    for _ in range(2):
        with contextlib.suppress(KeyError), context:
            assert ff.get_num_threads() == 3
            with context:
                assert ff.get_num_threads() == 3
            raise KeyError
        assert ff.get_num_threads() == 5


def test_a_context_belongs_to_its_python_thread():
    ff.set_num_threads(5)
    seen, asked, answered = [], threading.Event(), threading.Event()

    def other():
        seen.append(ff.get_num_threads())
        answered.set()
        asked.wait(60)
        seen.append(ff.get_num_threads())
        with ff.threads(9):
            seen.append(ff.get_num_threads())

    worker = threading.Thread(target=other)
    worker.start()
    answered.wait(60)
    with ff.threads(2):
        asked.set()
        worker.join()
        assert ff.get_num_threads() == 2
    assert seen == [5, 5, 9]


@pytest.mark.parametrize("choose", [ff.set_num_threads, ff.threads])
@pytest.mark.parametrize("n", [0, -1, 1.5, 2.0, "2", "two", True, False, [2], 1j, np.float32(2)])
def test_only_whole_numbers_of_at_least_one_are_taken(choose, n):
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, not "):
        choose(n)


def test_a_context_needs_a_number():
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, not None"):
        ff.threads(None)


# ---- the environment ---------------------------------------------------------------------------------

SHOW = "import fastfinite as ff; print(ff.get_num_threads())"


@pytest.mark.parametrize(
    ("own", "openmp", "expected"),
    [("3", None, 3), (None, "5", 5), ("3", "5", 3), (" 4 ", None, 4), ("", "6", 6), (None, "4,2", 4), ("12", None, 12),
     ("3", "nonsense", 3)],
)
def test_the_environment_chooses(run_python, own, openmp, expected):
    assert int(run_python(SHOW, FASTFINITE_NUM_THREADS=own, OMP_NUM_THREADS=openmp)) == expected


@pytest.mark.parametrize("digits", ["9" * 30, "9" * 5000, "1" + "0" * 4999], ids=["30", "5000", "round"])
def test_a_number_of_threads_may_be_huge(run_python, digits):
    code = """
import numpy as np
import fastfinite as ff
x = np.zeros(4_000_000)
assert ff.all_finite(x) and ff.get_num_threads() >= 8
x[-1] = np.nan
assert ff.scan(x).first == (3_999_999,) and ff.column_stats(x).nan == 1
"""
    run_python(code, FASTFINITE_NUM_THREADS=digits)
    run_python(code, FASTFINITE_NUM_THREADS=None, OMP_NUM_THREADS=digits + ",2")


def test_leading_zeros_do_not_make_a_number_of_threads_huge(run_python):
    assert int(run_python(SHOW, FASTFINITE_NUM_THREADS="0" * 40 + "3")) == 3


@pytest.mark.parametrize("n", [2**31, 2**63, 2**70, 10**5000], ids=int.bit_length)
def test_a_program_may_choose_any_number_of_threads(n):
    x = np.zeros(4_000_000)
    x[-1] = np.nan
    ff.set_num_threads(n)
    assert ff.get_num_threads() >= 8 and ff.scan(x).first == (3_999_999,) and ff.column_stats(x).nan == 1
    ff.set_num_threads(1)
    with ff.threads(n):
        assert ff.get_num_threads() >= 8 and not ff.all_finite(x)


def test_without_a_choice_the_usable_processors_decide(run_python):
    none = {"FASTFINITE_NUM_THREADS": "", "OMP_NUM_THREADS": None}
    assert 1 <= int(run_python(SHOW, **none)) <= min(8, os.cpu_count())
    if hasattr(os, "sched_setaffinity"):
        code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});" + SHOW
        assert int(run_python(code, **none)) == 1


@pytest.mark.parametrize("variable", ["FASTFINITE_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "0x2", ",", "²", "1e1"])
def test_nonsense_in_the_environment_is_an_error_where_it_matters(run_python, variable, text):
    values = {"FASTFINITE_NUM_THREADS": None, "OMP_NUM_THREADS": None, variable: text}
    said = run_python(
        """
import numpy as np
import fastfinite as ff

assert not ff.all_finite(np.array([np.nan])) and ff.scan(np.zeros(1000)).ok
for call in (ff.get_num_threads, lambda: ff.all_finite(np.zeros(4_000_000))):
    try:
        call()
    except ValueError as error:
        print(error)
with ff.threads(2):
    assert ff.all_finite(np.zeros(4_000_000))
ff.set_num_threads(1)
assert ff.get_num_threads() == 1
""",
        **values,
    ).splitlines()
    assert said == [f"the environment variable {variable} must be a whole number of at least 1, not {text!r}"] * 2


def test_the_choice_of_the_program_beats_the_environment(run_python):
    code = "import fastfinite as ff; ff.set_num_threads(2); print(ff.get_num_threads())"
    assert int(run_python(code, FASTFINITE_NUM_THREADS="7")) == 2

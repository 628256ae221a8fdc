"""Other processes: forked, spawned, workers of multiprocessing; and what travels between them."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import fastfinite as ff

METHODS = multiprocessing.get_all_start_methods()
# Python warns of fork() in a process with threads, NumPy's own among them, and JAX of any where it is loaded.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*")
every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture
def two_threads():
    ff.set_num_threads(2)
    yield
    ff.set_num_threads(None)


def pool_of(method, **options):
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method), **options)


@every_method
def test_a_worker_uses_one_thread(method, two_threads):
    with pool_of(method) as pool, ff.threads(2):
        assert pool.submit(ff.get_num_threads).result() == 1
    assert ff.get_num_threads() == 2


@every_method
def test_the_environment_does_not_give_a_worker_more(method, monkeypatch):
    monkeypatch.setenv("FASTFINITE_NUM_THREADS", "4")
    with pool_of(method) as pool:
        assert pool.submit(ff.get_num_threads).result() == 1


@every_method
def test_a_worker_may_ask_for_more(method):
    with pool_of(method, initializer=ff.set_num_threads, initargs=(3,)) as pool:
        assert pool.submit(ff.get_num_threads).result() == 3
        x = np.zeros(6_000_000, np.float32)
        x[-1] = np.nan
        assert pool.submit(ff.scan, x).result().first == (5_999_999,)


@every_method
def test_a_report_comes_back_from_a_worker(method):
    x = np.ones((5, 3), np.float32)
    x[1, 2] = np.inf
    with pool_of(method) as pool:
        assert pool.submit(ff.scan, x, axis=0).result() == ff.scan(x, axis=0)


@every_method
def test_an_error_comes_back_from_a_worker_with_its_report(method):
    x = np.ones((5, 3), np.float32)
    x[1, 2] = np.nan
    with pool_of(method) as pool:
        error = pool.submit(ff.check_finite, x, name="X").exception()
    assert type(error) is ff.NonFiniteError and error.report == ff.scan(x) and error.by_column == ff.scan(x, axis=0)
    assert str(error) == (
        "X (5 x 3 float32) has 1 non-finite value: 1 nan; first nan at row 1, column 2; columns 2: 1"
    )


fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@fork
def test_a_forked_child_scans_after_a_threaded_call(run_python):
    out = run_python(
        """
import os, signal
import numpy as np
import fastfinite as ff

x = np.zeros(16_000_000, np.float32)
x[-1] = np.nan
ff.set_num_threads(4)
assert ff.scan(x).nan == 1          # threads were started, and are gone

for generation in range(3):
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        print(generation, os.waitstatus_to_exitcode(status), flush=True)
        os._exit(0 if status == 0 else 1)
    signal.alarm(60)                # a hang is an error
    assert ff.get_num_threads() == 4
    assert ff.scan(x).first == (15_999_999,) and not ff.all_finite(x)
    with ff.threads(2):
        assert ff.scan(x.reshape(-1, 4), axis=0).nan.tolist() == [0, 0, 0, 1]
"""
    )
    assert sorted(out.splitlines()) == ["0 0", "1 0", "2 0"]


@fork
def test_fork_while_other_threads_scan(run_python):
    run_python(
        """
import os, signal, threading, warnings
import numpy as np
import fastfinite as ff

warnings.simplefilter("ignore")
x = np.zeros(8_000_000, np.float32)
x[-1] = np.nan
ff.set_num_threads(2)
stop = threading.Event()

def scan():
    while not stop.is_set():
        assert ff.scan(x).nan == 1

workers = [threading.Thread(target=scan) for _ in range(2)]
for worker in workers:
    worker.start()
codes = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if ff.scan(x).nan == 1 and not ff.all_finite(x) else 1)
    codes.append(os.waitpid(child, 0)[1])
stop.set()
for worker in workers:
    worker.join()
assert codes == [0] * 10
"""
    )

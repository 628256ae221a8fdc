"""On a cluster of two workers: the same answers, an early end, and no answer lost with a worker."""

import os
import pickle
import signal
from pathlib import Path

import arrays
import numpy as np
import pytest
from cluster_chunks import FREE, Spy, first_is_bad, noted, wait_for, waiting
from optional import require
from refusals import raised, refused
from same_as_array import check_like, inf, nan

import fastfinite as ff

dask, da, dd, db, distributed = map(require, ("dask", "dask.array", "dask.dataframe", "dask.bag", "distributed"))
# Not before: it imports dask.
import fastfinite.dask as ffd  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, memory_limit="1GiB", host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def connected(cluster):
    with distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def client(cluster, connected):
    """Two workers with nothing to do, before and after."""
    connected.wait_for_workers(2, timeout=60)
    yield connected
    wait_for(lambda: not cluster.scheduler.tasks)


def is_idle(cluster):
    return not any(worker.processing for worker in cluster.scheduler.workers.values())


def test_answers_are_those_in_memory(client):
    dense = arrays.mixed("float32", (40, 6), share=0.1)
    check_like(da.from_array(dense, chunks=(7, 4)), dense, targets=(None,))
    clean = np.random.default_rng(0).normal(1e6, 1, (400, 6))
    x = da.from_array(clean, chunks=(33, 4))
    assert ff.all_finite(x) and ff.check_finite(x) is x
    frame = require("pandas").DataFrame(dense, columns=list("abcdef")).assign(text="x")
    y = np.arange(40) % 2 + 1
    for lazy, whole in ((dd.from_pandas(frame, npartitions=3), frame), (da.from_array(dense, chunks=9), dense)):
        assert str(ff.diagnose(lazy, da.from_array(y, chunks=9))) == str(ff.diagnose(whole, y))
    error = raised(dd.from_pandas(frame, npartitions=3))
    assert str(error) == str(raised(frame)) and pickle.loads(pickle.dumps(error)).report == error.report


def test_an_error_comes_back_from_a_worker_whole(client):
    dense = np.ones((6, 2))
    dense[3, 1] = inf
    error = refused(ffd.check_finite(da.from_array(dense, chunks=(2, 1)), name="X", compute=False).compute)
    assert str(error) == ("chunk (1, 1) of X (2 x 1 float64) has 1 non-finite value: 1 +inf; "
                          "first +inf at row 3, column 1")
    assert error.report.first == (3, 1)
    with pytest.raises(TypeError, match="a bag whose items are no arrays"):
        ff.scan(db.from_sequence([1.0, 2.0], npartitions=2))


def test_statistics_are_the_same_bits_on_one_worker_and_on_two(client):
    dense = np.random.default_rng(0).normal(1e6, 1, (2000, 6))
    x = da.from_array(dense, chunks=(133, 4))
    lazy = ffd.column_stats(x, compute=False)
    one, *_ = client.scheduler_info()["workers"]
    found = [lazy.compute(), lazy.compute(workers=[one]), lazy.compute(scheduler="synchronous")]
    assert found[0] == found[1] == found[2]
    assert len({stats.var.tobytes() + stats.mean.tobytes() for stats in found}) == 1


@pytest.mark.parametrize("call", [ff.all_finite, lambda x: not ff.has_nan(x)], ids=["all_finite", "has_nan"])
def test_a_bad_chunk_cancels_what_is_left(call, client, cluster, tmp_path):
    x = da.ones((400, 2), chunks=(10, 2)).map_blocks(first_is_bad, folder=tmp_path, dtype=float, meta=np.empty((0, 0)))
    # Of 40 chunks nearly all do not end before this has returned.
    assert call(x) is False
    Path(tmp_path, "go").touch()
    wait_for(lambda: not cluster.scheduler.tasks and is_idle(cluster))
    assert 1 <= len(noted(tmp_path, "begun")) <= FREE + 4


def test_a_bad_partition_cancels_what_is_left_of_a_frame(client, cluster, tmp_path):
    x = da.ones((400, 2), chunks=(10, 2)).map_blocks(first_is_bad, folder=tmp_path, dtype=float, meta=np.empty((0, 0)))
    assert ff.all_finite(dd.from_dask_array(x, columns=["a", "b"])) is False
    Path(tmp_path, "go").touch()
    wait_for(lambda: not cluster.scheduler.tasks and is_idle(cluster))
    assert 1 <= len(noted(tmp_path, "begun")) <= FREE + 4


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
def test_a_worker_that_dies_takes_no_answer_with_it(client, cluster, tmp_path):
    dense = np.random.default_rng(0).normal(1e6, 1, (200, 3))
    dense[77, 1] = nan
    x = da.from_array(dense, chunks=(10, 3))
    right = [lazy.compute() for lazy in (ffd.scan(x, compute=False), ffd.column_stats(x, compute=False))]
    slow = x.map_blocks(waiting, folder=tmp_path, dtype=float, meta=np.empty((0, 0)))
    futures = client.compute([ffd.scan(slow, compute=False), ffd.column_stats(slow, compute=False)])
    wait_for(lambda: len({process for _, process in noted(tmp_path, "begun")}) == 2)
    chunk, process = noted(tmp_path, "begun")[0]
    os.kill(int(process), signal.SIGKILL)
    Path(tmp_path, "go").touch()
    report, stats = client.gather(futures)
    assert report == right[0] == ff.scan(dense) and stats == right[1]
    # The chunk was computed again.
    assert [begun for begun, _ in noted(tmp_path, "begun")].count(chunk) == 2
    del futures
    client.wait_for_workers(2, timeout=60)


def test_kernels_use_one_thread_in_a_worker(client, tmp_path):
    x = db.from_sequence([tmp_path] * 4, npartitions=4).map(Spy)
    assert ff.all_finite(x) and ff.scan(x).size == 24 and ff.column_stats(x).count.tolist() == [12, 12]
    assert {threads for threads, _ in noted(tmp_path, "threads")} == {"1"}


def test_questions_asked_together_read_each_chunk_once(client, tmp_path):
    Path(tmp_path, "go").touch()
    x = da.ones((40, 2), chunks=(4, 1)).map_blocks(waiting, folder=tmp_path, dtype=float, meta=np.empty((0, 0)))
    finite, report, stats, constant = dask.compute(
        ffd.all_finite(x, compute=False), ffd.scan(x, axis=0, compute=False), ffd.column_stats(x, compute=False),
        ffd.constant_columns(x, compute=False))
    assert finite and report.ok and stats.count.tolist() == [40, 40] and constant.all()
    chunks = [chunk for chunk, _ in noted(tmp_path, "begun")]
    assert len(chunks) == len(set(chunks)) == 20

"""Data larger than memory may be: Zarr and Parquet, by threads and on a cluster, some megabytes at a time.

The small data run always. `pytest -m large -s` writes 3 GB of each kind, allows 1 GiB, and prints times and peaks.
"""

import json

import pytest
from large_child import COLUMNS, answers, opened, peak, write
from optional import require

distributed, _, _ = map(require, ("distributed", "dask.array", "dask.dataframe"))
MEGABYTE, GIBIBYTE = 1 << 20, 1 << 30
# Rows, and how many are stored together: 2 MB, and 16 MB.
SIZES = [pytest.param((1_000_000, 32_768), id="64 MB"),
         pytest.param((50_000_000, 262_144), id="3.2 GB", marks=pytest.mark.large)]


@pytest.fixture(scope="module", params=SIZES)
def size(request):
    return request.param


@pytest.fixture(scope="module", params=["zarr", "parquet"])
def stored(request, size, tmp_path_factory):
    """The kind and the path of data on disk."""
    require("pyarrow" if request.param == "parquet" else "zarr")
    path = tmp_path_factory.mktemp("large") / request.param
    write(request.param, path, *size)
    return request.param, path


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, memory_limit="1GiB", host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster, distributed.Client(cluster) as client:
        yield client


def check(found, kind, rows):
    """The answers about what `write` has written."""
    assert (tuple(found["first"]), found["nan"], found["size"]) == ((rows - 2, 3), 1, rows * COLUMNS)
    assert found["count"] == [rows - (i == 3) for i in range(COLUMNS)]
    assert [i for i in range(COLUMNS) if found["constant"][i]] == [7]
    assert found["all_finite"] is False and abs(found["spread"] - 1) < 1e-3
    assert found["causes"] == ["nan", "constant"]
    assert "has 1 non-finite value: 1 nan; first nan at row" in found["message"]
    if kind == "zarr":
        assert f"first nan at row {rows - 2}, column 3" in found["message"]


def test_threads_hold_some_chunks_at_a_time(stored, size, run_python):
    kind, path = stored
    rows, step = size
    found = json.loads(run_python("containers/large_child.py", kind, path))
    print(f"\n{kind}, {rows * COLUMNS * 4 / 1e9:.2f} GB by threads: one pass {found['seconds']:.1f} s, "
          f"peak {found['peak'] / MEGABYTE:.0f} MiB, {found['before'] / MEGABYTE:.0f} MiB of it before")
    check(found, kind, rows)
    # Two threads, each with a chunk and what becomes of it.
    assert found["peak"] - found["before"] < 20 * step * COLUMNS * 4 + 100 * MEGABYTE
    assert found["peak"] < GIBIBYTE


def test_workers_hold_some_chunks_at_a_time(stored, size, client):
    kind, path = stored
    rows, _ = size
    with client.as_current():
        found = answers(opened(kind, path))
    peaks = client.run(peak)
    print(f"\n{kind}, {rows * COLUMNS * 4 / 1e9:.2f} GB on two workers: one pass {found['seconds']:.1f} s, "
          f"peaks {', '.join(f'{one / MEGABYTE:.0f} MiB' for one in peaks.values())}")
    check(found, kind, rows)
    assert len(peaks) == 2 and max(peaks.values()) < GIBIBYTE

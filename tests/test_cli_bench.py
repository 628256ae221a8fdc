"""``fastfinite bench``: what is compared does the same, and every number comes with what it was measured on."""

import json

import numpy as np
import pytest

import fastfinite as ff
from fastfinite import _bench_command
from fastfinite._bench_command import JOBS, Plan, Result
from fastfinite._cli import main

SECTIONS = ["all_finite", "scan, axis=0", "column_stats", "sigmoid", "safe_log", "binary_cross_entropy", "diagnose"]
TINY = Plan(("float32", "float64"), 4096, 8192, 0.0)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(_bench_command, "FULL", TINY)
    monkeypatch.setattr(_bench_command, "QUICK", TINY._replace(dtypes=("float32",)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_compared_gives_the_same_answer(dtype, strict_errors):
    data = _bench_command.make(dtype, 1 << 16, "in cache")
    tolerance = {"rtol": 1e-5 if dtype == "float32" else 1e-12}
    for job in JOBS:
        with np.errstate(under="ignore"):
            ours, theirs = job.ours(data), job.theirs(data)
        if job.name == "all_finite":
            assert ours is True and theirs
        elif job.name == "scan, axis=0":
            np.testing.assert_array_equal(ours.nan, theirs[0])
            np.testing.assert_array_equal(ours.posinf + ours.neginf, theirs[1])
        elif job.name == "diagnose":
            assert bool(ours) and not theirs[0] and not theirs[1]
            np.testing.assert_allclose(ours.stats.var, theirs[2], **tolerance)
        else:
            np.testing.assert_allclose(ours, theirs, **tolerance)


def test_every_job_is_printed_at_every_size_and_dtype_below_the_machine(capsys):
    assert main(["bench", "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    first, second, third, titles, *lines = out.splitlines()
    assert err == ""
    assert f"fastfinite {ff.__version__}" in first and f"NumPy {np.__version__}" in first
    assert f"kernels {ff.cpu_info()['level']}" in second
    assert third.startswith("threads: 1, NumPy 1;")
    assert titles.split()[:4] == ["job", "data", "fastfinite", "NumPy"]
    assert [line[:20].rstrip() for line in lines] == [name for name in SECTIONS for _ in range(4)]
    sizes = ["1,024 float32, in cache", "512 float64, in cache", "2,048 float32, out of cache",
             "1,024 float64, out of cache"]
    assert [line[22:54].rstrip() for line in lines] == sizes * len(SECTIONS)


def test_json_has_the_same_in_one_object(capsys):
    assert main(["bench", "--quick", "--json", "--threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == ff.__version__ and found["numpy"] == np.__version__ and found["threads"] == 1
    assert [entry["job"] for entry in found["jobs"]] == [name for name in SECTIONS for _ in range(2)]
    for entry in found["jobs"]:
        assert entry["ratio"] == entry["numpy_seconds"] / entry["seconds"]


def test_each_takes_its_turn_and_the_least_time_counts(monkeypatch):
    clock, calls = [0.0], []
    durations = {"ours": iter([3.0, 2.0, 5.0]), "theirs": iter([8.0, 9.0, 4.0])}
    monkeypatch.setattr(_bench_command.time, "perf_counter", lambda: clock[0])

    def call(who):
        calls.append(who)
        clock[0] += next(durations[who])

    job = _bench_command.Job("job", lambda data: call("ours"), lambda data: call("theirs"), "way")
    result = _bench_command.measure(job, _bench_command.make("float32", 256, "in cache"), 0.0)
    assert (result.seconds, result.numpy_seconds, result.ratio) == (2.0, 4.0, 2.0)
    assert calls == ["ours", "theirs"] * 3


@pytest.mark.parametrize(
    ("seconds", "numpy_seconds", "shown"),
    [
        (2e-6, 1e-6, ["2.00 us", "1.00 us", "0.5x"]),
        (1.234e-7, 9.99e-4, ["123 ns", "999 us", "8096x"]),
        (0.0123, 0.0123, ["12.3 ms", "12.3 ms", "1x"]),
        (2.0, 25.0, ["2.00 s", "25.0 s", "12x"]),
    ],
)
def test_losses_are_printed_like_wins(seconds, numpy_seconds, shown):
    line = _bench_command.line_of(Result("job", "data", "way", seconds, numpy_seconds))
    assert line.split("  ")[0] == "job" and line.endswith("  way")
    assert [text for text in (part.strip() for part in line.split("  ")) if text][2:5] == shown


def test_paths_are_refused(capsys):
    assert main(["bench", "x.npy"]) == 2
    assert "unrecognized arguments: x.npy" in capsys.readouterr().err

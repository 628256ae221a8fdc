"""What test_dask_large.py runs in an interpreter of its own: questions to data on disk, by dask's threads.

Arguments: "zarr" or "parquet", and the path. Prints the answers and the peak of memory, in bytes, as JSON.
"""

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np

COLUMNS = 16


def write(kind, path, rows, step):
    """Normal numbers of 16 columns, float32, some rows at a time; a nan in the last row but one, column 7 constant."""
    rng = np.random.default_rng(0)
    if kind == "zarr":
        import zarr

        stored = zarr.create_array(path, shape=(rows, COLUMNS), chunks=(step, COLUMNS), dtype="float32",
                                   compressors=None)
    else:
        import pyarrow as pa
        from pyarrow import parquet

        path.mkdir()
    for start in range(0, rows, step):
        block = rng.standard_normal((min(step, rows - start), COLUMNS), np.float32)
        block[:, 7] = 0.1
        if start + len(block) == rows:
            block[-2, 3] = np.nan
        if kind == "zarr":
            stored[start : start + len(block)] = block
        else:
            table = pa.table({f"c{i}": block[:, i] for i in range(COLUMNS)})
            parquet.write_table(table, path / f"{start // step:05}.parquet", compression="none", use_dictionary=False)


def opened(kind, path):
    """The data, none of which is read yet."""
    if kind == "zarr":
        import dask.array

        return dask.array.from_zarr(path)
    import dask.dataframe

    return dask.dataframe.read_parquet(path)


def answers(x):
    """What is asked of them, with how long that took."""
    import dask

    import fastfinite as ff
    import fastfinite.dask as ffd

    start = time.perf_counter()
    report, stats = dask.compute(ffd.scan(x, compute=False), ffd.column_stats(x, compute=False))
    one_pass = time.perf_counter() - start
    # Of what is written piece by piece the error comes when the last piece is read.
    try:
        ffd.check_finite(x, compute=False).sum().compute()
    except ff.NonFiniteError as error:
        message = str(error)
    scaled = ff.standardize(x, stats=stats)
    return {
        "first": report.first, "nan": report.nan, "size": report.size, "count": stats.count.tolist(),
        "constant": stats.constant.tolist(), "all_finite": ff.all_finite(x), "message": message,
        "spread": float(scaled[:, 0].var().compute()), "causes": [cause.code for cause in ff.diagnose(x)],
        "seconds": one_pass,
    }


def peak():
    """The most memory that this process had, in bytes."""
    if sys.platform == "linux":     # where getrusage begins with what the parent had
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(kind, path):
    import dask

    with dask.config.set(scheduler="threads", num_workers=2):
        x = opened(kind, path)
        before = peak()
        found = answers(x)
    print(json.dumps(found | {"before": before, "peak": peak()}))


if __name__ == "__main__":
    # Dask's own call of pandas.
    warnings.filterwarnings("ignore", "The inplace keyword in DataFrame.reset_index", DeprecationWarning)
    main(*sys.argv[1:])

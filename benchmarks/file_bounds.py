"""The bounds on what the command line does with files, and on diagnose. Sections of bounds.py.

Files are written to a temporary folder first, so that all of them are read from the system's cache. What is timed is a
command in this process, with as many threads as its rival: the reader of the format alone, which looks at no value, and
of the ways to call it the fastest.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
from command_child import run
from datasets import COLUMNS, normal, size_text
from measure import HERE, Contender, child
from readers import READERS, Unavailable
from rows import F32, F64, Plan, Row, absolute, against, rate, readers, speed

import fastfinite as ff

CLEAN, FINDINGS = 0, 1
MOST_MEMORY = 300_000_000
# A buffer that stays in the second cache.
BUFFER = 1 << 20


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fastfinite") as path:
        yield Path(path)


def command(path: Path, *options: str, code: int = CLEAN) -> Contender:
    """`check` of a file, once its answer was right."""
    arguments = ["check", str(path), *options]
    assert run(*arguments) == code, arguments
    return Contender(" ".join(["check", path.name, *options]), "run(*arguments)", {"run": run, "arguments": arguments})


def reader(name: str, call: Callable[[Any], object], path: Path) -> Contender:
    return Contender(name, "call(path)", {"call": call, "path": str(path)})


def beside(job: str, mine: Contender, rivals: Sequence[Contender], bound: float | None, nbytes: int) -> Iterator[Row]:
    """The fastest rival has the bound, the others are for information."""
    best = min(rivals, key=lambda rival: rival.best)
    for rival in sorted(rivals, key=lambda rival: rival.best):
        note = f"{speed(mine, nbytes)}, theirs {speed(rival, nbytes)}"
        yield against(job, mine, rival, bound if rival is best else None, note)


# ---- arrays ------------------------------------------------------------------------------------------


def files_diagnose(plan: Plan) -> Iterator[Row]:
    rows = plan.nbytes(1_000_000)
    x = np.random.default_rng(0).standard_normal((rows, COLUMNS), F32)
    assert not ff.diagnose(x).causes
    mine, reads = Contender("diagnose(x)", "diagnose(x)", {"x": x, "diagnose": ff.diagnose}), readers(x)
    plan.time(mine, *reads)
    limit = min(reads, key=lambda read: read.best)
    note = f"{rate(mine, x)}, read {rate(limit, x)}"
    yield against(f"diagnose, {rows:,} x {COLUMNS} float32", mine, limit, 3.0, note)


def write_npy(path: Path, nbytes: int, dtype: np.dtype[Any]) -> None:
    """Some block of numbers, over and over."""
    block = normal(min(nbytes, 64 << 20) // dtype.itemsize, dtype)
    with open(path, "wb") as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (nbytes // dtype.itemsize,)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, nbytes, block.nbytes):
            file.write(block[: (nbytes - start) // dtype.itemsize].data)


def plain_reads(path: Path) -> list[Contender]:
    """A file read once: mapped and every word looked at, or copied to a buffer that is used again."""
    found = []
    for name, make in READERS.items():
        with contextlib.suppress(Unavailable):
            names = {"read": make(), "memmap": np.memmap, "path": str(path), "words": np.uint64}
            found.append(Contender(f"mapped, {name}", "read(memmap(path, words, 'r', 128))", names))
    return [*found, reader("readinto a buffer", read_blocks, path)]


def read_blocks(path: str) -> None:
    buffer = bytearray(BUFFER)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def largest(where: Path) -> int:
    """Bytes of a file that fits beside everything else into memory, and of which the disk holds two."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    full = 4_000_000_000
    return full if memory >= 4 * full and shutil.disk_usage(where).free >= 2 * full else full // 4


def files_npy(plan: Plan) -> Iterator[Row]:
    with folder() as where:
        nbytes = plan.nbytes(largest(where)) // 64 * 64
        for dtype, bound in ((F32, 1.3), (np.dtype(np.float16), None)):
            path = where / f"{dtype}.npy"
            write_npy(path, nbytes, dtype)
            one, two, reads = command(path), command(path, "--threads", "2"), plain_reads(path)
            plan.time(one, two, *reads, large=True)
            job = f"check, {size_text(nbytes)} .npy, {dtype}"
            yield from beside(job, one, reads, bound, nbytes)
            yield against(f"{job}, 2 threads", two, min(reads, key=lambda read: read.best), None, speed(two, nbytes))
            path.unlink()


def files_safetensors(plan: Plan) -> Iterator[Row]:
    try:
        safetensors, numpy = peers.load("safetensors"), peers.load("safetensors.numpy")
    except peers.Absent as reason:
        print(f".safetensors left out: {reason}", file=sys.stderr)
        return

    def get_tensors(path: str) -> None:
        with safetensors.safe_open(path, framework="np") as opened:
            for name in opened.keys():      # noqa: SIM118
                opened.get_tensor(name)

    with folder() as where:
        path, nbytes = where / "x.safetensors", plan.nbytes(500_000_000)
        numpy.save_file({f"layer{i}": normal(nbytes // 40, F32) for i in range(10)}, path)
        mine = command(path)
        rivals = [reader("load_file", numpy.load_file, path), reader("safe_open, get_tensor", get_tensors, path)]
        plan.time(mine, *rivals, large=True)
        yield from beside(f"check, {size_text(nbytes)} .safetensors", mine, rivals, 1.2, nbytes)


def files_chunked(plan: Plan) -> Iterator[Row]:
    """HDF5 and zarr as their libraries write them, for information."""
    x = normal(plan.nbytes(200_000_000) // F32.itemsize, F32).reshape(-1, 10)

    def hdf5(library: Any, path: Path) -> Contender:
        with library.File(path, "w") as file:
            file["x"] = x
        return reader("h5py, x[...]", lambda path: library.File(path)["x"][...], path)

    def zarr(library: Any, path: Path) -> Contender:
        library.save_array(path, x)
        return reader("zarr, x[...]", lambda path: library.open_array(path, mode="r")[...], path)

    for module, suffix, make in (("h5py", ".h5", hdf5), ("zarr", ".zarr", zarr)):
        try:
            library = peers.load(module)
        except peers.Absent as reason:
            print(f"{suffix} left out: {reason}", file=sys.stderr)
            continue
        with folder() as where:
            path = where / f"x{suffix}"
            rival = make(library, path)
            mine = command(path)
            plan.time(mine, rival, large=True)
            yield from beside(f"check, {size_text(x.nbytes)} {suffix}", mine, [rival], None, x.nbytes)


# ---- tables ------------------------------------------------------------------------------------------


def table_of(pyarrow: Any, nbytes: int, nulls: bool) -> Any:
    """Four columns of float64 and four of float32, with 1 % nulls or none."""
    rng = np.random.default_rng(0)
    rows = max(1000, nbytes // 48)
    arrays = [pyarrow.array(rng.standard_normal(rows, dtype), mask=rng.random(rows) < 0.01 if nulls else None)
              for dtype in [F64] * 4 + [F32] * 4]
    return pyarrow.table({f"c{i}": array for i, array in enumerate(arrays)})


def parquet_readers(parquet: Any, path: Path) -> tuple[list[Contender], list[Contender]]:
    """pyarrow's ways to read a file with one thread, and those of them that map it."""

    def batches(path: str, **options: Any) -> None:
        # The rows of a block of `check`, of this width.
        for _ in parquet.ParquetFile(path, **options).iter_batches(batch_size=75_000, use_threads=False):
            pass

    def table(path: str, **options: Any) -> None:
        # Buffered beforehand it is read by a thread of its own.
        parquet.read_table(path, use_threads=False, pre_buffer=False, **options)

    calls = {"iter_batches": batches, "read_table": table}
    plain = [reader(name, call, path) for name, call in calls.items()]
    mapped = [reader(f"{name}, memory_map", partial(call, memory_map=True), path) for name, call in calls.items()]
    return plain, mapped


def files_tables(plan: Plan) -> Iterator[Row]:
    try:
        pyarrow, parquet, feather = (peers.load(f"pyarrow{part}") for part in ("", ".parquet", ".feather"))
    except peers.Absent as reason:
        print(f"Parquet and Arrow left out: {reason}", file=sys.stderr)
        return
    for nulls in (False, True):
        table = table_of(pyarrow, plan.nbytes(500_000_000), nulls)
        nbytes = 48 * table.num_rows
        code, label = (FINDINGS, ", 1 % nulls") if nulls else (CLEAN, "")
        with folder() as where:
            for compression in ("none", "snappy"):
                path = where / f"{compression}.parquet"
                parquet.write_table(table, path, compression=compression)
                mine, (plain, mapped) = command(path, code=code), parquet_readers(parquet, path)
                plan.time(mine, *plain, *mapped, large=True)
                job = f"check, {size_text(nbytes)} Parquet, {compression}{label}"
                yield from beside(job, mine, plain, 1.2, nbytes)
                yield from beside(job, mine, mapped, None, nbytes)
                path.unlink()
            path = where / "x.arrow"
            feather.write_feather(table, path, compression="uncompressed")
            mine = command(path, code=code)
            rival = reader("read_table", lambda path: feather.read_table(path, memory_map=False), path)
            plan.time(mine, rival, large=True)
            yield from beside(f"check, {size_text(nbytes)} Arrow{label}", mine, [rival], None, nbytes)


# ---- processes ---------------------------------------------------------------------------------------


def files_start(plan: Plan) -> Iterator[Row]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with folder() as where:
        path = where / "small.npy"
        np.save(path, np.ones(1000))
        mine, numpy = Contender("check", "", {}), Contender("import numpy", "", {})
        commands = ((mine, ["-m", "fastfinite", "check", str(path)]), (numpy, ["-c", "import numpy"]))
        for _ in range(2 if plan.quick else 25):
            for contender, arguments in commands:
                start = timeit.default_timer()
                subprocess.run([sys.executable, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)
                contender.seconds.append(timeit.default_timer() - start)
    yield absolute("check, a small .npy, whole process", mine, 0.25)
    yield against("check, a small .npy, whole process", mine, numpy, None)


def files_memory(plan: Plan) -> Iterator[Row]:
    with folder() as where:
        for path in memory_files(plan, where):
            for name in ("check", "stats"):
                peaks = []
                for _ in range(1 if plan.quick else 3):
                    done = child(str(HERE / "command_child.py"), name, str(path))
                    assert done["code"] == CLEAN, path
                    peaks.append(done["peak"])
                job = f"peak memory, {name}, {size_text(path.stat().st_size)} {path.suffix}"
                yield Row(job, max(peaks), "B", "", None, None, None, MOST_MEMORY, "the whole process")
            path.unlink()


def memory_files(plan: Plan, where: Path) -> Iterator[Path]:
    path = where / "x.npy"
    write_npy(path, plan.nbytes(2_000_000_000) // 64 * 64, F32)
    yield path
    try:
        pyarrow, parquet, csv = (peers.load(f"pyarrow{part}") for part in ("", ".parquet", ".csv"))
    except peers.Absent as reason:
        print(f"Parquet and CSV left out: {reason}", file=sys.stderr)
        return
    path = where / "x.parquet"
    parquet.write_table(table_of(pyarrow, plan.nbytes(500_000_000), nulls=False), path)
    yield path
    path, text = where / "x.csv", io.BytesIO()
    csv.write_csv(table_of(pyarrow, 1_000_000, nulls=False), text)
    header, _, lines = text.getvalue().partition(b"\n")
    with open(path, "wb") as file:
        file.write(header + b"\n")
        for _ in range(max(1, plan.nbytes(225_000_000) // len(lines))):
            file.write(lines)
    yield path


SECTIONS = (files_diagnose, files_npy, files_safetensors, files_chunked, files_tables)

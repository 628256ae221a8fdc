"""What test_dask_cluster.py computes in workers, which import it by its name; it tells and asks by files."""

import os
import time
from pathlib import Path

import numpy as np

import fastfinite as ff

FREE = 8


def wait_for(condition):
    """Wait until something holds, or fail in the end."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.01)


def note(folder, what, block_info):
    """Leave a file: which chunk, and the process that computes it."""
    place = "-".join(map(str, block_info[None]["chunk-location"]))
    path = Path(folder, f"{what} {place} {os.getpid()} {time.monotonic_ns()}")
    path.touch()
    return path


def noted(folder, what):
    """What was left: chunks and processes."""
    return [path.name.split()[1:3] for path in Path(folder).glob(f"{what} *")]


def first_is_bad(block, folder, block_info=None):
    """Whichever is computed first has a nan; a few follow, and all others do not end before they may."""
    note(folder, "begun", block_info)
    try:
        Path(folder, "first").touch(exist_ok=False)
    except FileExistsError:
        # A worker has its next task before it can be told of what follows from the last.
        if len(noted(folder, "begun")) > FREE:
            wait_for(Path(folder, "go").exists)
        return block
    return np.full_like(block, np.nan)


def waiting(block, folder, block_info=None):
    """The block, once it may be."""
    note(folder, "begun", block_info)
    wait_for(Path(folder, "go").exists)
    return block


class Spy:
    """An array that notes how many threads a kernel may use where it is read."""

    def __init__(self, folder):
        self.folder = folder

    def __array__(self, dtype=None, copy=None):
        Path(self.folder, f"threads {ff.get_num_threads()} {os.getpid()}").touch()
        return np.arange(6.0).reshape(3, 2)

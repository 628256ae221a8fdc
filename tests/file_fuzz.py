"""Damages files, checks them in child processes, and reports every one that ends in anything but a verdict.

A child checks one file after the other with the command line; where a native reader takes it down, the next child goes
on behind the file that did it. FASTFINITE_FUZZ sets the number of files of each format.
"""

import contextlib
import faulthandler
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

COUNT = int(os.environ.get("FASTFINITE_FUZZ", "60"))
_SECONDS = 30
_MEGABYTES = 300


def damaged(data, random):
    """A copy that is cut, or has some bits flipped, most often where headers and footers are."""
    if random.random() < 0.3:
        return data[: int(random.integers(0, len(data)))]
    copy = bytearray(data)
    low, high = (0, len(data)) if random.random() < 0.4 else ((0, min(len(data), 600)) if random.random() < 0.5 else
                                                             (max(0, len(data) - 600), len(data)))
    for _ in range(int(random.integers(1, 9))):
        copy[int(random.integers(low, high))] ^= 1 << int(random.integers(8))
    return bytes(copy)


def damage(path, originals, seed):
    """Write a damaged copy of one of the originals, files or folders, to the path."""
    random = np.random.default_rng(seed)
    original = originals[int(random.integers(len(originals)))]
    if not original.is_dir():
        path.write_bytes(damaged(original.read_bytes(), random))
        return
    shutil.copytree(original, path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = files[int(random.integers(len(files)))]
    file.write_bytes(damaged(file.read_bytes(), random))


def faults_of(folder, originals, suffix):
    """Check COUNT damaged copies; what went wrong, a line each."""
    names = []
    for number in range(COUNT):
        names.append(f"{number}{suffix}")
        damage(folder / names[-1], originals, number)
    faults = []
    while names:
        child = subprocess.run(
            [sys.executable, __file__, *names], cwd=folder, capture_output=True, text=True, timeout=60 + 5 * COUNT
        )
        results = [json.loads(line) for line in child.stdout.splitlines()]
        for name, result in zip(names, results):
            faults += [f"{name}: {fault}" for fault in result]
        where = names[len(results)] if len(results) < len(names) else "at exit"
        names = names[len(results) + 1 :]
        if child.returncode:
            faults.append(f"{where}: the process ended with {child.returncode}: {child.stderr[-2000:]}")
    return faults


def _check(name):
    """What is wrong with the way a file is checked."""
    from fastfinite._cli import main

    out, err = io.StringIO(), io.StringIO()
    faulthandler.dump_traceback_later(_SECONDS, exit=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["check", "--json", name])
    faulthandler.cancel_dump_traceback_later()
    if err.getvalue():
        return [f"on stderr: {err.getvalue()[-2000:]}"]
    entries = json.loads(out.getvalue())["arrays"]
    faults = _diagnose(name, failed=all(entry["status"] == "error" for entry in entries))
    for entry in entries:
        if entry["status"] in ("error", "not scanned") and (code != 2 or not entry["reason"]):
            faults.append(f"exit code {code} for {entry}")
        if "Traceback" in str(entry["reason"]) or len(str(entry["reason"])) > 2000:
            faults.append(f"not a clear reason: {entry['reason'][:300]}")
    if not entries:
        faults.append(f"exit code {code}, and nothing was said")
    return faults


def _diagnose(name, failed):
    """What is wrong with the way it is diagnosed; `failed` says whether nothing of it can be read."""
    from fastfinite._cli import main

    out, err = io.StringIO(), io.StringIO()
    faulthandler.dump_traceback_later(_SECONDS, exit=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["diagnose", "--json", name])
    faulthandler.cancel_dump_traceback_later()
    faults = [f"diagnose: not a clear reason: {line[:300]}" for line in err.getvalue().splitlines()
              if not line.startswith("fastfinite: ") or len(line) > 2000]
    if code not in (0, 1, 2) or (failed and code != 2) or (code == 2) != bool(err.getvalue()):
        faults.append(f"diagnose: exit code {code} with {err.getvalue()[:300]!r}")
    return faults


def peak_megabytes():
    """The most resident memory this process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))


def main(names):
    """Check files in this process, and print a line of faults for each; one that is missing ended the process."""
    for name in names:
        faults = _check(name)
        if sys.platform == "linux" and peak_megabytes() > _MEGABYTES:
            sys.exit(f"{peak_megabytes()} MB")      # the next file gets a process of its own
        print(json.dumps(faults), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

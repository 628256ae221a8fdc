"""Times in a process of its own, at the level FASTFINITE_CPU names: `level_child.py QUICK` prints them as JSON."""

from __future__ import annotations

import json
import sys

from function_bounds import level_times
from rows import Plan

import fastfinite as ff

if __name__ == "__main__":
    quick = bool(json.loads(sys.argv[1]))
    json.dump({"level": ff.cpu_info()["level"], "times": level_times(Plan(quick))}, sys.stdout)

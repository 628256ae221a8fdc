"""The bounds on what goes through loops: guards, batches, frames. Sections of bounds.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import peers
from datasets import Array
from measure import Contender
from rows import F32, Plan, Row, absolute, against, rate

import fastfinite as ff

SMALL_BATCHES = 1000


def loops(batches: list[Any]) -> tuple[Contender, Contender]:
    """A guarded loop over batches, and the bare one."""
    statement = "for batch in loader: pass"
    guarded = Contender("guard(loader)", statement, {"loader": ff.guard(batches)})
    return guarded, Contender("the bare loop", statement, {"loader": batches})


def loaders_guard(plan: Plan) -> Iterator[Row]:
    x = np.ones((plan.nbytes(256 * 3 * 224 * 224 * 4) // (3 * 224 * 224 * 4), 3, 224, 224), F32)
    guarded, bare = loops([x])
    alone = Contender("all_finite(x)", "all_finite(x)", {"x": x, "all_finite": ff.all_finite})
    plan.time(guarded, bare, alone)
    guarded.seconds = [more - less for more, less in zip(guarded.seconds, bare.seconds)]
    yield against(f"guard, a batch of {' x '.join(map(str, x.shape))} float32", guarded, alone, 1.15, rate(guarded, x))
    kinds = {"arrays": np.ones}
    try:
        kinds["tensors"] = peers.load("torch").ones
    except peers.Absent as reason:
        print(f"tensors left out: {reason}", file=sys.stderr)
    for name, make in kinds.items():
        guarded, bare = loops([{key: make((32, 16)) for key in "xyz"} for _ in range(SMALL_BATCHES)])
        plan.time(guarded, bare)
        guarded.seconds = [(more - less) / SMALL_BATCHES for more, less in zip(guarded.seconds, bare.seconds)]
        yield absolute(f"guard, a dict of 3 {name} of 32 x 16", guarded, 15e-6)


def loaders_nest(plan: Plan) -> Iterator[Row]:
    nest = {f"part{i}": [{"x": np.ones(8, F32), "y": np.ones(3)} for _ in range(10)] for i in range(50)}
    mine = Contender("scan_batch(nest)", "scan_batch(nest)", {"nest": nest, "scan_batch": ff.scan_batch})
    plan.time(mine)
    yield absolute("scan_batch, 1,000 small arrays in a nest", mine, 1.5e-3)


def loaders_frames(plan: Plan) -> Iterator[Row]:
    x = np.random.default_rng(0).normal(size=(plan.nbytes(8_000_000) // 8, 32))
    alone = Contender("all_finite(array)", "all_finite(x)", {"x": x, "all_finite": ff.all_finite})
    for name, frame in frames(x):
        names = {"frame": frame, "check_finite": ff.check_finite}
        mine = Contender(f"check_finite({name})", "check_finite(frame)", names)
        alone.seconds = []
        plan.time(mine, alone)
        bound = 1.2 if name == "pandas frame" else 1.3
        yield against(f"check_finite, {name}, {len(x):,} x 32 float64", mine, alone, bound, rate(mine, x))


def frames(x: Array) -> Iterator[tuple[str, Any]]:
    columns = {f"c{i}": column for i, column in enumerate(x.T)}
    makers = {
        "pandas": ("pandas frame", lambda library: library.DataFrame(x)),
        "polars": ("polars frame", lambda library: library.DataFrame(columns)),
        "pyarrow": ("pyarrow table", lambda library: library.table(columns)),
    }
    for module, (name, make) in makers.items():
        try:
            yield name, make(peers.load(module))
        except peers.Absent as reason:
            print(f"{name} left out: {reason}", file=sys.stderr)


SECTIONS = (loaders_guard, loaders_nest, loaders_frames)

"""Run by test_levels.py at each instruction-set level: what the scans say of a compact and nasty set, as one line; and,
into a file that is named, what the elementwise functions make of one."""

import hashlib
import json
import sys

import arrays
import numpy as np
from elementwise import CALLS, DTYPES, operands

import fastfinite as ff


def answers():
    for dtype in arrays.BITS:
        for layout in ("C", "every third backwards", "unaligned strided Fortran", "swapped"):
            if layout not in arrays.layouts_of(dtype):
                continue
            for size in (1, 31, 65, 127, 257, 511, 513, 4097):
                for share in (0.01, 0.8):
                    yield ff, arrays.LAYOUTS[layout](arrays.mixed(dtype, size, size, share))
        yield ff, arrays.mixed(dtype, (40, 30)).T


def digest(ff, x):
    target = None if x.dtype.kind in "mM" else "float8_e4m3fn"
    return [
        ff.all_finite(x), ff.has_nan(x), ff.has_inf(x), ff.scan(x).to_dict(), ff.scan(x, axis=0).to_dict(),
        ff.scan(x, target_dtype=target).to_dict(), ff.nonfinite(x, limit=7).tolist(),
    ]


def functions():
    """By name, results for every hard number and for many ordinary ones, as bits."""
    for name, (count, call) in CALLS.items():
        for kind in DTYPES:
            hard = operands(name, kind, 2000)
            rng = np.random.default_rng(0)
            dtype = hard[0].dtype
            ordinary = [rng.standard_normal(20_000) * 20 for _ in range(count)]
            if name == "logit":
                ordinary = [rng.random(20_000)]
            if name == "safe_log(floor=)":
                ordinary[1] = abs(ordinary[1])
            ordinary = [x.astype(dtype) for x in ordinary]
            for label, data in (("hard", hard), ("ordinary", ordinary), ("strided", [x[::-3] for x in ordinary])):
                yield f"{name} {kind} {label}", call(*data).view(f"i{dtype.itemsize}")


def main():
    if sys.argv[1:]:
        np.savez(sys.argv[1], **dict(functions()))
        print(ff.cpu_info()["level"])
        return
    found = json.dumps([digest(ff, x) for ff, x in answers()])
    print(ff.cpu_info()["level"], hashlib.sha256(found.encode()).hexdigest(), np.__version__)


if __name__ == "__main__":
    main()

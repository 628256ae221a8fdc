"""The hot loops use vector instructions: read from the machine code of the build, not from a clock.

A compiler vectorizes these loops as they are written, or, after a small change, silently no longer does. Looked at are
innermost loops: stretches of code that end in a jump to their start and hold no other such stretch.
"""

import importlib.util
import platform
import re
import shutil
import subprocess

import pytest

import fastfinite as ff

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the instructions named are x86-64's"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump (binutils) is not installed"),
]

REGISTER = {"base": "xmm", "v2": "xmm", "v3": "ymm", "v4": "zmm"}
LETTER = {8: "b", 16: "w", 32: "d", 64: "q"}
# SSE2 has no comparison of 64 bits, and before AVX-512 there is no maximum of them.
KERNELS = [
    (level, width)
    for level in ff.cpu_info()["compiled"]
    for width in LETTER
    if (level, width) != ("base", 64)
]


@pytest.fixture(scope="module")
def code_of():
    """The instructions of a level's module, by function: (address, name, operands)."""
    known = {}

    def read(level):
        if level not in known:
            path = importlib.util.find_spec(f"fastfinite._kernels.{level}").origin
            if ".debug_info" in objdump("-h", path):
                pytest.skip("a debug or sanitizer build")
            known[level] = functions(objdump("-d", "--no-show-raw-insn", path))
        return known[level]

    return read


def objdump(*arguments):
    return subprocess.run(["objdump", *arguments], capture_output=True, text=True, check=True).stdout


def functions(listing):
    found, current = {}, []
    for line in listing.splitlines():
        if start := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            current = found.setdefault(start[1], [])
        elif parts := re.match(r"\s+([0-9a-f]+):\t(\S+)\s*(.*)$", line):
            current.append((int(parts[1], 16), parts[2], parts[3]))
    return found


def innermost_loops(instructions):
    spans = []
    for address, name, operands in instructions:
        target = re.match(r"([0-9a-f]+)\b", operands) if name.startswith("j") else None
        if target and instructions[0][0] <= int(target[1], 16) <= address:
            spans.append((int(target[1], 16), address))
    inner = [
        (start, end) for start, end in spans
        if not any((first, last) != (start, end) and start <= first and last <= end for first, last in spans)
    ]
    return [[entry for entry in instructions if start <= entry[0] <= end] for start, end in inner]


def loops_of(code, kernel):
    """The innermost loops of a kernel, or, where the build was stripped of names, of all kernels."""
    named = [body for name, body in code.items() if name.endswith(f"_{kernel}")]
    assert len(named) <= 1
    if not named and not any("_find_" in name for name in code):
        named = [body for body in code.values() if body]
    return [loop for body in named for loop in innermost_loops(body)]


def uses(loop, operation, register):
    """How many instructions of a loop do the operation in the register, where the loop reads memory as well."""
    wide = [(name, operands) for _, name, operands in loop if register in operands]
    reads = any("(%r" in operands for _, operands in wide)
    return sum(bool(re.fullmatch(operation, name)) for name, _ in wide) if reads else 0


@pytest.mark.parametrize(("level", "width"), KERNELS)
def test_the_search_runs_on_full_vectors(code_of, level, width):
    operation = rf"v?p(max[su]|cmpgt){LETTER[width]}"
    loops = loops_of(code_of(level), f"find_{width}")
    best = max((uses(loop, operation, REGISTER[level]) for loop in loops), default=0)
    # From AVX2 on a block of 512 bytes is unrolled whole: 8 vectors, or 16.
    assert best >= {"zmm": 8, "ymm": 8, "xmm": 1}[REGISTER[level]]


@pytest.mark.parametrize(("level", "width"), KERNELS)
def test_counting_runs_on_full_vectors(code_of, level, width):
    loops = loops_of(code_of(level), f"count_{width}")
    assert max((uses(loop, r"v?p(add|sub)[dq]", REGISTER[level]) for loop in loops), default=0) >= 3


@pytest.mark.parametrize("kernel", ["block_f32", "block_f64", "affine_f32", "affine_f64"])
@pytest.mark.parametrize("level", ff.cpu_info()["compiled"])
def test_columns_run_on_full_vectors(code_of, level, kernel):
    """Sums and squares of a block, and the scaling of standardize: packed arithmetic in loops over memory."""
    loops = loops_of(code_of(level), kernel)
    least = 4 if kernel.startswith("block") else 1
    for operation in ("mul", "(add|sub)", *([r"fn?m(add|sub)\d+"] if level in ("v3", "v4") else [])):
        best = max((uses(loop, f"v?{operation}p[sd]", REGISTER[level]) for loop in loops), default=0)
        assert best >= least, operation


@pytest.mark.parametrize("level", ff.cpu_info()["compiled"])
def test_the_search_prefetches(code_of, level):
    body = [name for instructions in code_of(level).values() for _, name, _ in instructions]
    assert sum(name.startswith("prefetch") for name in body) >= len(LETTER)


def test_only_kernels_use_more_than_the_floor(code_of):
    for glue in ("_core", "_columns"):
        path = importlib.util.find_spec(f"fastfinite.{glue}").origin
        wide = re.findall(r"%[yz]mm\d+", objdump("-d", path))
        assert not wide, f"{glue} would not run on every machine"
    for level, register in REGISTER.items():
        if level in ff.cpu_info()["compiled"]:
            used = {word for body in code_of(level).values() for _, _, operands in body
                    for word in re.findall(r"%([xyz]mm)", operands)}
            assert max(used) == register

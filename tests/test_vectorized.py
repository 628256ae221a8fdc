"""The hot loops use vector instructions: read from the machine code of the build, not from a clock.

A compiler vectorizes these loops as they are written, or, after a small change, silently no longer does. Looked at are
innermost loops: stretches of code that end in a jump to their start and hold no other such stretch.
"""

import importlib.machinery
import importlib.util
import platform
import re
import shutil
import subprocess
from pathlib import Path

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


def reached_from(code, kernel):
    """The functions that run for a kernel, by name: its own, and those of the module that they call or end in."""
    found, left = {}, [name for name in code if name.endswith(f"_{kernel}")]
    while left:
        name = left.pop()
        if name not in found and name in code:
            found[name] = code[name]
            left += [match[1] for _, jump, operands in code[name] if jump.startswith(("call", "jmp"))
                     if (match := re.search(r"<([^>+@]+)>$", operands))]
    return found


def arithmetic(loop, operation, kind, register="xmm"):
    """How many instructions of a loop do the operation on vectors (kind p) or on one number (kind s)."""
    return sum(bool(re.fullmatch(f"v?({operation}){kind}[sd]", name)) and register in operands
               for _, name, operands in loop)


FUSED = r"mul|fn?m(add|sub)\d+"
# Of each kernel, at least: loops with 4 and more multiplications, fused or not, and divisions anywhere. Functions may
# share the loops for exp(-|x|) and for logs.
LOOPS = {"map_single": (10, 2), "full_map": (8, 3)}


@pytest.mark.parametrize("kernel", list(LOOPS))
@pytest.mark.parametrize("level", ff.cpu_info()["compiled"])
def test_elementwise_functions_run_on_full_vectors(code_of, level, kernel):
    """An elementary function that is not inlined is called for one number at a time, from a loop of no vectors."""
    reached = reached_from(code_of(level), kernel)
    if not reached:
        pytest.skip("the build was stripped of names")
    register = REGISTER[level]
    multiply = divide = 0
    for name, body in reached.items():
        loops = innermost_loops(body)
        if not loops and len(body) < 10:
            continue        # goes on to another
        wide = [loop for loop in loops if arithmetic(loop, f"{FUSED}|div", "p", register)]
        assert wide, f"{name} is called for one number at a time"
        multiply += sum(arithmetic(loop, FUSED, "p", register) >= 4 for loop in wide)
        packed = arithmetic(body, "div", "p", register)
        # Those that divide one number: what is left of a loop of vectors, or operands that overlap.
        assert sum(arithmetic(loop, "div", "s") > 0 for loop in loops) <= 2 * packed, name
        divide += packed
    least_multiply, least_divide = LOOPS[kernel]
    assert multiply >= least_multiply and divide >= least_divide


@pytest.mark.parametrize("kernel", ["narrow_half", "narrow_brain", "widen_half"])
@pytest.mark.parametrize("level", [level for level in ff.cpu_info()["compiled"] if level != "base"])
def test_small_floats_are_widened_and_rounded_on_full_vectors(code_of, level, kernel):
    operation = "mul" if kernel == "widen_half" else "add"
    loops = loops_of(code_of(level), kernel)
    assert max(arithmetic(loop, operation, "p", REGISTER[level]) for loop in loops) >= 1


@pytest.mark.parametrize("level", ff.cpu_info()["compiled"])
def test_the_search_prefetches(code_of, level):
    body = [name for instructions in code_of(level).values() for _, name, _ in instructions]
    assert sum(name.startswith("prefetch") for name in body) >= len(LETTER)


def test_only_kernels_use_more_than_the_floor(code_of):
    folder = Path(ff.__file__).parent
    glue = {path for suffix in importlib.machinery.EXTENSION_SUFFIXES for path in folder.glob(f"*{suffix}")}
    assert {path.name.partition(".")[0] for path in glue} >= {"_core", "_columns", "_ufuncs"}
    for path in glue:
        wide = re.findall(r"%[yz]mm\d+", objdump("-d", path))
        assert not wide, f"{path.name} would not run on every machine"
    for level, register in REGISTER.items():
        if level in ff.cpu_info()["compiled"]:
            used = {word for body in code_of(level).values() for _, _, operands in body
                    for word in re.findall(r"%([xyz]mm)", operands)}
            assert max(used) == register

"""Builds the extension modules: the glue at the ABI floor, and the kernels once for each instruction-set level.

Switches, as environment variables: FASTFINITE_SANITIZE=address,undefined (or thread), FASTFINITE_COVERAGE=1 (line
tracing in Cython), FASTFINITE_DEBUG=1 (no optimization, symbols).
"""

import os
import platform
import shutil
import sys
import tempfile

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# One row a level: the kernels' flags on GCC and Clang, and on MSVC. "base" is what the compiler does by default.
V2 = ["-msse4.2", "-mpopcnt"]
V3 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mlzcnt", "-mmovbe"]
V4 = [*V3, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
LEVELS = {
    "base": ([], []),
    "v2": (V2, None),
    "v3": (V3, ["/arch:AVX2"]),
    "v4": (V4, ["/arch:AVX512"]),
}
ON_X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32
MSVC = os.name == "nt"

SANITIZE = os.environ.get("FASTFINITE_SANITIZE", "")
COVERAGE = os.environ.get("FASTFINITE_COVERAGE", "") == "1"
DEBUG = os.environ.get("FASTFINITE_DEBUG", "") == "1"


def common_flags():
    if MSVC:
        return ["/Od" if DEBUG else "/O2", "/fp:precise"], []
    # Exact sums need each operation as written; buffers of bytes are looked at as integers and as floats.
    compile_flags = ["-O0" if DEBUG else "-O3", "-fno-fast-math", "-ffp-contract=off", "-fno-math-errno"]
    compile_flags += ["-fno-strict-aliasing", "-Wno-unused-function"]
    compile_flags += ["-g"] if DEBUG or SANITIZE else ["-g0"]
    link_flags = [] if sys.platform == "darwin" else ["-pthread"]
    if SANITIZE:
        compile_flags += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"]
        link_flags += [f"-fsanitize={SANITIZE}"]
    return compile_flags, link_flags


def extension(name, flags=()):
    compile_flags, link_flags = common_flags()
    macros = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
    if "_kernels" in name and not MSVC:
        # What keeps a loop from being vectorized: a function that is called instead of taken in, and a choice between
        # two results of which the one not taken might trap (kernels run where nothing does).
        macros += [("CYTHON_INLINE", "__inline__ __attribute__((always_inline))")]
        compile_flags = [*compile_flags, "-fno-trapping-math"]
    if COVERAGE:
        macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
    return Extension(
        f"fastfinite.{name}",
        [f"src/fastfinite/{name.replace('.', '/')}.pyx"],
        include_dirs=["src/fastfinite", numpy.get_include()],
        define_macros=macros,
        extra_compile_args=[*compile_flags, *flags],
        extra_link_args=link_flags,
    )


class BuildExtensions(build_ext):
    """Leaves out a level whose flags the compiler does not know, with a note; the floor is always built."""

    def finalize_options(self):
        super().finalize_options()
        self.force = True       # what is there may have been built with other switches

    def build_extensions(self):
        self.extensions = [entry for entry in self.extensions if self.can_build(entry)]
        super().build_extensions()

    def can_build(self, entry):
        level = entry.name.rpartition(".")[2]
        flags = LEVELS.get(level, ([], []))[1 if MSVC else 0]
        if not flags:
            return True
        folder = tempfile.mkdtemp()
        try:
            source = os.path.join(folder, "probe.c")
            with open(source, "w", encoding="ascii") as file:
                file.write("int probe(void) { return 0; }\n")
            self.compiler.compile([source], output_dir=folder, extra_postargs=flags)
        except Exception as error:
            note = f"note: the compiler does not take {' '.join(flags)}; no kernels for {level} ({error})"
            print(note, file=sys.stderr)
            return False
        finally:
            shutil.rmtree(folder)
        return True


def levels():
    for name, (gcc, msvc) in LEVELS.items():
        flags = msvc if MSVC else gcc
        if flags is not None and (ON_X86 or name == "base"):
            yield name, flags


setup(
    ext_modules=cythonize(
        [
            extension("_core"),
            extension("_columns"),
            extension("_ufuncs"),
            extension("_losses"),
            extension("_rows"),
            *(extension(f"_kernels.{name}", flags) for name, flags in levels()),
        ],
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "binding": True,
            "linetrace": COVERAGE,
            "freethreading_compatible": True,
        },
        build_dir="build/cython",
    ),
    cmdclass={"build_ext": BuildExtensions},
)

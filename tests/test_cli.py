"""The command line: what it prints, what it exits with, and how it ends when it is cut off."""

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy
from optional import require

import fastfinite as ff
from fastfinite import _files, _progress
from fastfinite._cli import main

NAN, INF = np.nan, np.inf
KNOWN = _files.known()
EXAMPLES = Path(__file__).parent.parent / "examples"
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals, pipes and terminals of POSIX")
FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    """Names in the output are as they were given, so tests give short ones."""
    monkeypatch.chdir(tmp_path)
    for name in ("FASTFINITE_NUM_THREADS", "OMP_NUM_THREADS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """Run the command in this process: exit code, lines of stdout but for the summary, lines of stderr."""

    def run(*arguments):
        code = main(["check", *arguments])
        out, err = capsys.readouterr()
        lines = out.splitlines()
        if lines and " read in " in lines[-1]:
            lines.pop()
        return code, lines, err.splitlines()

    return run


@pytest.fixture
def run_json(capsys):
    """Run with --json in this process: exit code, parsed object."""

    def run(*arguments):
        code = main(["check", "--json", *arguments])
        out, err = capsys.readouterr()
        assert err == ""
        return code, strict(out)

    return run


def strict(text):
    def refuse(constant):
        raise AssertionError(f"bare {constant} in JSON")

    return json.loads(text, parse_constant=refuse)


def process(*arguments, code=None, **options):
    """The command as a process; `code` replaces ``-m fastfinite``."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "fastfinite"]), *arguments]
    environment = {**os.environ, **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, env=environment, **options)


def finished(*arguments, **options):
    """Exit code, stdout and stderr of the command as a process."""
    with process(*arguments, **options) as child:
        out, err = child.communicate(timeout=60)
    return child.returncode, (out or b"").decode(), (err or b"").decode()


def save(name, array):
    np.save(name, np.asarray(array))
    return name


def bad():
    array = np.ones((4, 3))
    array[2, 1] = NAN
    array[3, 0] = INF
    array[3, 1] = NAN
    return array


# ------------------------------------------------------------------------------------------------ verdicts


def test_a_clean_file(run):
    assert run(save("x.npy", np.ones((2, 3), np.float32))) == (0, ["x.npy (2 x 3 float32) is finite: 6 values"], [])


def test_findings(run):
    save("x.npy", bad())
    assert run("x.npy") == (
        1,
        ["x.npy (4 x 3 float64) has 3 non-finite values: 2 nan, 1 +inf; first nan at row 2, column 1"],
        [],
    )


def test_columns_of_two_dimensional_arrays(run):
    save("x.npy", bad())
    save("y.npy", [1.0, NAN])
    code, lines, _ = run("--columns", "x.npy", "y.npy")
    assert code == 1
    assert lines[1:] == [
        "  column 0: 1 +inf",
        "  column 1: 2 nan",
        "y.npy (2 float64) has 1 non-finite value: 1 nan; first nan at index 1",
    ]


def test_allow_nan(run):
    save("x.npy", bad())
    save("y.npy", [1.0, NAN])
    assert run("--allow-nan", "--columns", "x.npy", "y.npy") == (
        1,
        [
            "x.npy (4 x 3 float64) has 1 infinite value: 1 +inf; first +inf at row 3, column 0",
            "  column 0: 1 +inf",
            "y.npy (2 float64) has no infinite value in 2 values; 1 nan allowed",
        ],
        [],
    )
    assert run("--allow-nan", "y.npy")[0] == 0


def test_target_dtype(run):
    save("x.npy", [1.0, 7e4, -7e4])
    assert run("x.npy")[0] == 0
    assert run("--target-dtype", "bfloat16", "x.npy")[0] == 0
    assert run("--target-dtype", "float16", "x.npy") == (
        1, ["x.npy (3 float64) has 2 values that overflow float16, first at index 1"], []
    )


def test_scalars_empty_arrays_and_fortran_order(run):
    save("scalar.npy", np.float32(NAN))
    save("empty.npy", np.empty((0, 3)))
    save("fortran.npy", np.asfortranarray(bad()))
    assert run("scalar.npy", "empty.npy", "fortran.npy") == (
        1,
        [
            "scalar.npy (float32 scalar) has 1 non-finite value: 1 nan; first nan",
            "empty.npy (0 x 3 float64) is finite: 0 values",
            "fortran.npy (4 x 3 float64) has 3 non-finite values: 2 nan, 1 +inf; first nan at row 2, column 1",
        ],
        [],
    )


def test_members_of_an_archive_are_named(run):
    np.savez("x.npz", a=np.ones(3), b=np.array([1.0, NAN]), c=np.arange(4))
    assert run("x.npz") == (
        1,
        [
            "x.npz: a (3 float64) is finite: 3 values",
            "x.npz: b (2 float64) has 1 non-finite value: 1 nan; first nan at index 1",
            "x.npz: c (4 int64) is finite: 4 values",
        ],
        [],
    )


def test_records_with_fields_that_hold_no_numbers_are_not_clean(run, run_json):
    array = np.zeros(3, [("a", "f4"), ("label", "U2")])
    save("x.npy", array)
    assert run("--quiet", "x.npy") == (2, ["x.npy (3 record) has 3 finite values; not scanned: 'label'"], [])
    code, result = run_json("x.npy")
    (entry,) = result["arrays"]
    assert (code, entry["status"], entry["nan"], entry["not_scanned"]) == (2, "not scanned", 0, ["label"])
    assert entry["reason"] == "fields that hold no numbers: 'label'"
    array["a"][1] = NAN
    save("x.npy", array)
    code, result = run_json("x.npy")
    assert (code, result["arrays"][0]["status"], result["arrays"][0]["first_field"]) == (2, "non-finite", "a")


def test_the_examples(run_json):
    if not EXAMPLES.is_dir():
        pytest.skip("the examples are in the source tree only")
    code, result = run_json("--columns", str(EXAMPLES))
    assert code == 1
    entries = {(os.path.basename(entry["file"]), entry["name"]): entry for entry in result["arrays"]}
    faulty = entries.pop(("breast_cancer_faulty.npy", None))
    assert {key: entry["status"] for key, entry in entries.items()} == dict.fromkeys(
        [
            ("breast_cancer.npy", None), ("breast_cancer.npz", "X"), ("breast_cancer.npz", "y"),
            ("breast_cancer_labels.npy", None),
        ],
        "finite",
    )
    assert (faulty["nan"], faulty["posinf"], faulty["first"], faulty["shape"]) == (3, 1, [17, 4], [569, 30])
    assert [(c["column"], c["nan"], c["posinf"]) for c in faulty["columns"]] == [(4, 2, 0), (5, 1, 0), (23, 0, 1)]
    assert np.ptp(np.load(EXAMPLES / "breast_cancer_faulty.npy")[:, 11]) == 0


# ------------------------------------------------------------------------------------------------ problems


def test_every_broken_file_has_one_line_and_the_others_are_checked(run, run_json):
    whole = Path(save("whole.npy", bad())).read_bytes()
    Path("cut.npy").write_bytes(whole[:-5])
    Path("zero.npy").touch()
    Path("header.npy").write_bytes(whole[:40])
    Path("noise.npy").write_bytes(bytes(range(200)))
    Path("cut.npz").write_bytes(zipped(a=np.ones(50))[:-30])
    np.save("objects.npy", np.array([1.0, None]), allow_pickle=True)
    save("void.npy", np.zeros(2, "V2"))
    save("text.npy", np.array(["a"]))
    Path("notes.txt").write_text("1 2 3")
    Path("empty").mkdir()
    expected = {
        "cut.npy": "truncated: the header announces 96 bytes of data, 91 are there",
        "zero.npy": "the file is empty (0 bytes)",
        "header.npy": "truncated: the header is cut short",
        "noise.npy": "not NumPy's .npy format",
        "cut.npz": "not a zip archive, or a damaged one: File is not a zip file",
        "objects.npy": "not scanned: it holds pickled Python objects, and nothing is ever unpickled",
        "void.npy": "not scanned: raw bytes of unknown meaning (dtype |V2; NumPy saves bfloat16 and 8-bit floats so): "
                    "scan them in Python with fastfinite.scan(x, dtype='bfloat16')",
        "text.npy": "not scanned: cannot scan dtype <U1: it holds text, not numbers; convert it first, "
                    "for example with astype(float)",
        "notes.txt": f"not scanned: the type of this file is not known by its name (known: {KNOWN})",
        "missing.npy": "No such file or directory",
        "empty": f"no file in this folder is of a known type ({KNOWN})",
        "no*.npz": "no file matches this pattern",
    }
    code, lines, errors = run(*expected, "whole.npy")
    assert code == 2
    assert errors == [f"fastfinite: {name}: {reason}" for name, reason in expected.items()]
    assert len(lines) == 1 and lines[0].startswith("whole.npy (4 x 3 float64) has 3 ")

    code, result = run_json(*expected, "whole.npy")
    assert code == 2
    *problems, last = result["arrays"]
    assert last["status"] == "non-finite"
    for entry, (name, reason) in zip(problems, expected.items(), strict=True):
        status = "not scanned" if reason.startswith("not scanned: ") else "error"
        assert (entry["file"], entry["status"]) == (name, status)
        assert entry["reason"] == reason.removeprefix("not scanned: ")
        assert entry["nan"] is None and entry["first"] is None
        assert entry.keys() == last.keys()
    assert {key: result["summary"][key] for key in ("files", "arrays", "finite", "non_finite", "not_scanned")} == {
        "files": 13, "arrays": 4, "finite": 0, "non_finite": 1, "not_scanned": 4,
    }
    assert (result["summary"]["errors"], result["summary"]["exit_code"]) == (8, 2)


@POSIX
def test_a_file_that_may_not_be_read():
    save("open.npy", np.ones(3))
    save("secret.npy", np.ones(3))
    os.chmod("secret.npy", 0)
    # The superuser may read everything, so the process becomes another user, once it has imported what it needs.
    code = """if True:
        import os, sys
        from fastfinite._cli import main
        assert main(["check", "--quiet", "open.npy"]) == 0
        if os.geteuid() == 0:
            os.setuid(65534)
        sys.exit(main(sys.argv[1:]))
    """
    code, out, err = finished("check", "secret.npy", code=code)
    assert (code, err) == (2, "fastfinite: secret.npy: Permission denied\n")
    assert out.startswith("0 arrays in 1 file: 1 error; 0 bytes read in ")


def zipped(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_no_truncated_file_is_clean(run_json, kind):
    random = np.random.default_rng(7)
    array = random.normal(size=(40, 5))
    data = zipped(a=array, b=array) if kind == "npz" else Path(save("x.npy", array)).read_bytes()
    for length in random.integers(0, len(data), size=250):
        Path(f"cut.{kind}").write_bytes(data[:length])
        code, result = run_json(f"cut.{kind}")
        assert code == 2
        assert [entry["status"] for entry in result["arrays"]] == ["error"]


@pytest.mark.parametrize("kind", ["npy", "npz", "stored"])
def test_no_flipped_bits_crash_it(run_json, kind):
    random = np.random.default_rng(8)
    array = random.normal(size=(8, 5))
    if kind == "stored":
        file = io.BytesIO()
        np.savez(file, a=array, b=np.arange(3))
        data = file.getvalue()
    else:
        data = zipped(a=array, b=np.arange(3)) if kind == "npz" else Path(save("x.npy", array)).read_bytes()
    suffix = "npy" if kind == "npy" else "npz"
    codes = set()
    for _ in range(400):
        spoiled = bytearray(data)
        for bit in random.integers(0, 8 * len(data), size=random.integers(1, 4)):
            spoiled[bit // 8] ^= 1 << (bit % 8)
        Path(f"x.{suffix}").write_bytes(spoiled)
        code, result = run_json("--columns", f"x.{suffix}")
        assert code == result["summary"]["exit_code"]
        assert all("\n" not in (entry["reason"] or "") for entry in result["arrays"])
        codes.add(code)
    # Archives have checksums: flipped data are errors there, and never a verdict of their own.
    assert codes == ({0, 1, 2} if kind == "npy" else {0, 2})


# ------------------------------------------------------------------------------------------------ output


def test_json_agrees_with_the_library(run_json):
    array = bad()
    array[0, 2] = 1e10
    save("x.npy", array)
    code, result = run_json("--columns", "--target-dtype", "float16", "x.npy")
    assert code == 1
    assert result["version"] == ff.__version__
    (entry,) = result["arrays"]
    report = ff.scan(array, target_dtype="float16").to_dict()
    assert report.pop("ok") is False
    columns = entry.pop("columns")
    assert entry == {"file": "x.npy", "name": None, "status": "non-finite", "reason": None, **report}
    assert columns == [
        {"column": 0, "nan": 0, "posinf": 1, "neginf": 0, "null": 0, "overflow": 0},
        {"column": 1, "nan": 2, "posinf": 0, "neginf": 0, "null": 0, "overflow": 0},
        {"column": 2, "nan": 0, "posinf": 0, "neginf": 0, "null": 0, "overflow": 1},
    ]
    summary = result["summary"]
    assert (summary["files"], summary["arrays"], summary["non_finite"], summary["bytes"]) == (1, 1, 1, array.nbytes)


def test_json_with_allow_nan_tells_the_counts_all_the_same(run_json):
    save("x.npy", [1.0, NAN])
    code, result = run_json("--allow-nan", "--columns", "x.npy")
    (entry,) = result["arrays"]
    assert (code, entry["status"], entry["nan"], entry["first"]) == (0, "allowed", 1, None)
    assert "columns" not in entry       # of arrays of two dimensions only


def test_the_summary(capsys):
    save("a.npy", np.ones(3))
    save("b.npy", np.full(1000, NAN))
    os.mkdir("folder")
    np.savez(os.path.join("folder", "c.npz"), x=np.arange(3), y=np.array(["text"]))
    Path("folder", "notes.txt").touch()
    assert main(["check", "a.npy", "b.npy", "folder", "missing.npy"]) == 2
    summary = capsys.readouterr().out.splitlines()[-1]
    assert summary.startswith("4 arrays in 4 files: 2 finite, 1 non-finite, 1 not scanned, 1 error; 8.02 kB read in ")
    assert summary.endswith("/s); 1 file of other types skipped")


def test_quiet_prints_what_is_not_clean(run, run_json, capsys):
    save("a.npy", np.ones(3))
    save("b.npy", [INF])
    assert main(["check", "--quiet", "a.npy"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run("--quiet", "a.npy", "b.npy") == (
        1, ["b.npy (1 float64) has 1 non-finite value: 1 +inf; first +inf at index 0"], []
    )
    code, result = run_json("--quiet", "a.npy", "b.npy")
    assert (code, [entry["file"] for entry in result["arrays"]], result["summary"]["arrays"]) == (1, ["b.npy"], 2)


def test_names_cannot_write_to_the_terminal(run, run_json):
    with zipfile.ZipFile("x.npz", "w") as archive:
        archive.writestr("\x1b[31mred\r\n\u202e.npy", Path(save("x.npy", [NAN])).read_bytes())
    field = np.zeros(1, [("a", "f8"), ("\x1b[2J", "U1")])
    save("y\x1b]0;title\x07.npy", field)
    code, lines, errors = run("x.npz", "y\x1b]0;title\x07.npy", "z\n.npy")
    assert code == 2
    assert lines == [
        r"x.npz: \x1b[31mred\r\n\u202e (1 float64) has 1 non-finite value: 1 nan; first nan at index 0",
        r"y\x1b]0;title\x07.npy (1 record) has 1 finite value; not scanned: '\x1b[2J'",
    ]
    assert errors == [r"fastfinite: z\n.npy: No such file or directory"]
    _, result = run_json("x.npz")
    assert result["arrays"][0]["name"] == "\x1b[31mred\r\n\u202e"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are Unicode")
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_file_names_that_are_not_utf8(encoding):
    with open(b"x\xff\xc3\xa9.npy", "wb") as file:
        np.save(file, np.array([NAN]))
    code, out, err = finished("check", b"x\xff\xc3\xa9.npy", env={"PYTHONIOENCODING": encoding})
    shown = r"x\xff\xe9.npy" if encoding == "ascii" else r"x\xffé.npy"
    assert (code, err) == (1, "")
    assert out.splitlines()[0] == f"{shown} (1 float64) has 1 non-finite value: 1 nan; first nan at index 0"
    code, out, err = finished("check", "--json", b"x\xff\xc3\xa9.npy", env={"PYTHONIOENCODING": encoding})
    assert (code, err) == (1, "")
    assert strict(out)["arrays"][0]["file"] == r"x\xffé.npy"


def test_long_lines_are_not_wrapped_and_not_coloured_in_a_pipe():
    name = save("n" * 200 + ".npy", bad())
    code, out, err = finished("check", name, "missing.npy", env={"COLUMNS": "40", "TERM": "xterm-256color"})
    assert code == 2
    assert out.splitlines()[0].startswith(f"{name} (4 x 3 float64) has 3 non-finite values: 2 nan, 1 +inf;")
    assert "\x1b" not in out + err


def test_more_than_50_bad_columns_are_all_in_json_alone(run, run_json):
    array = np.ones((2, 60))
    array[1, 2:] = NAN
    save("x.npy", array)
    code, lines, _ = run("--columns", "x.npy")
    assert (code, len(lines)) == (1, 52)
    assert lines[1] == "  column 2: 1 nan" and lines[50] == "  column 51: 1 nan"
    assert lines[51] == "  ... and 8 more columns (--json lists all)"
    _, result = run_json("--columns", "x.npy")
    assert [column["column"] for column in result["arrays"][0]["columns"]] == list(range(2, 60))
    array[1, 52:] = 1
    save("x.npy", array)
    assert run("--columns", "x.npy")[1][-1] == "  column 51: 1 nan"


@POSIX
def test_a_folder_nested_deeper_than_python_calls_does_not_stop_the_others(tmp_path):
    save("x.npy", [NAN])
    (tmp_path / "deep").mkdir()
    save("deep/a.npy", [1.0])
    here = os.open("deep", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        code, out, err = finished("check", "deep", "x.npy")
        assert code in (1, 2) and "Traceback" not in out + err
        assert out.splitlines()[:2] == [
            "deep/a.npy (1 float64) is finite: 1 value",
            "x.npy (1 float64) has 1 non-finite value: 1 nan; first nan at index 0",
        ]
    finally:
        subprocess.run(["rm", "-r", "deep"], check=True)     # shutil.rmtree is recursive before Python 3.13


# ------------------------------------------------------------------------------------------------ usage


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "fastfinite: error: the following arguments are required: COMMAND"),
        (["check"], "fastfinite check: error: the following arguments are required: PATH"),
        (["chekc", "x"], "invalid choice: 'chekc'"),
        (["check", "--threads", "0", "x"], "argument --threads: must be a whole number of at least 1, not '0'"),
        (["check", "--threads", "-1", "x"], "argument --threads: "),
        (["check", "--threads", "two", "x"], "must be a whole number of at least 1, not 'two'"),
        (["check", "--threads", "1.5", "x"], "must be a whole number of at least 1, not '1.5'"),
        (["check", "--threads", "²", "x"], "must be a whole number of at least 1, not '²'"),
        (["check", "--target-dtype", "int8", "x"], "target_dtype='int8' is not a floating-point format known here"),
        (["check", "--progress", "maybe", "x"], "argument --progress: invalid choice: 'maybe'"),
        (["check", "--quie", "x"], "unrecognized arguments: --quie"),
    ],
)
def test_usage_errors(capsys, arguments, message):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_what_follows_two_dashes_is_a_path(run):
    save("--x.npy", [1.0])
    save("-y.npy", [NAN])
    save("z.npy", [1.0])
    right = (1, ["--x.npy (1 float64) is finite: 1 value",
                 "-y.npy (1 float64) has 1 non-finite value: 1 nan; first nan at index 0"], [])
    assert run("--", "--x.npy", "-y.npy") == right
    assert run("--columns", "--", "--x.npy", "-y.npy") == right
    assert run("z.npy", "--columns", "--", "--x.npy", "-y.npy") == (
        1, ["z.npy (1 float64) is finite: 1 value", *right[1]], [])
    assert run("z.npy", "--", "--quiet")[0] == 2


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "0" * 40 + "3"], ids=len)
def test_a_number_of_threads_of_many_digits(run, number):
    assert run("--threads", number, save("x.npy", [1.0]))[0] == 0


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fastfinite {ff.__version__}\n"
    assert main(["check", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: fastfinite check ")


def test_the_module_is_the_command():
    assert finished("--version") == (0, f"fastfinite {ff.__version__}\n", "")
    save("x.npy", [NAN])
    assert finished("check", "x.npy")[0] == 1


def test_threads(run, monkeypatch):
    save("x.npy", bad())
    expected = run("x.npy")
    assert run("--threads", "1", "x.npy") == run("--threads", "7", "x.npy") == expected
    monkeypatch.setenv("FASTFINITE_NUM_THREADS", "many")
    assert run("x.npy") == (
        2, [],
        ["fastfinite: the environment variable FASTFINITE_NUM_THREADS must be a whole number of at least 1, "
         "not 'many'"],
    )
    assert run("--threads", "2", "x.npy") == expected


def test_rich_and_other_slow_imports_are_not_needed():
    save("x.npy", np.ones(3))
    code = """if True:
        import sys
        from fastfinite._cli import main
        main(["check", "x.npy"])
        assert not {"rich", "pandas", "multiprocessing"} & sys.modules.keys()
    """
    assert finished(code=code)[::2] == (0, "")


# ------------------------------------------------------------------------------------------------ processes


@POSIX
@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["check", "x.npy"], ["check", "--json", "x.npy"], ["--version"]])
def test_a_full_disk_is_told(arguments):
    save("x.npy", np.ones(3))
    with open(FULL, "wb") as full:
        code, _, err = finished(*arguments, stdout=full, env={"PYTHONUNBUFFERED": ""})
    assert (code, err) == (2, "fastfinite: cannot write the output: No space left on device\n")


@POSIX
@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_reader_that_goes_away_ends_it_quietly(arguments):
    save("x.npy", np.ones(3))
    with process("check", *arguments, *["x.npy"] * 3000, env={"PYTHONUNBUFFERED": ""}) as child:
        assert child.stdout.read(1) in (b"x", b"{")
        child.stdout.close()
        err = child.stderr.read()
    assert (child.returncode, err) == (141, b"")


@POSIX
def test_closed_streams_do_not_matter():
    save("x.npy", [NAN])
    code = "import os, sys; os.close({}); os.execv(sys.executable, [sys.executable, '-m', 'fastfinite', *sys.argv[1:]])"
    assert finished("check", "x.npy", code=code.format(1)) == (1, "", "")
    returned, out, _ = finished("check", "x.npy", "missing.npy", code=code.format(2))
    assert returned == 2
    assert out.startswith("x.npy (1 float64) has 1 ")


def sparse(name, shape, dtype="<f4"):
    """A file of zeros that takes no place on the disk."""
    with open(name, "wb") as file:
        npy.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return name


@POSIX
def test_ctrl_c_ends_it_cleanly():
    save("first.npy", np.ones(3))
    sparse("large.npy", (1 << 13, 1 << 20))     # 32 GiB: many seconds
    # A shell starts what runs in the background with the signal ignored, and children inherit that.
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        running = process("check", "first.npy", "large.npy", env={"PYTHONUNBUFFERED": "1"})
    finally:
        signal.signal(signal.SIGINT, previous)
    with running as child:
        assert child.stdout.readline() == b"first.npy (3 float64) is finite: 3 values\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (130, b"", b"fastfinite: interrupted\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_members_and_maps_are_read_in_bounded_memory():
    rows, columns = 37, 1 << 20
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (rows, columns)})
    with zipfile.ZipFile("x.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, \
            archive.open("a.npy", "w") as member:
        member.write(header.getvalue())
        for _ in range(rows):
            member.write(bytes(8 * columns))
    sparse("y.npy", (1 << 27,))
    code = """if True:
        import sys
        from fastfinite._cli import main
        status = main(["check", "--columns", *sys.argv[1:]])
        with open("/proc/self/status") as file:
            print(*(line.split()[1] for line in file if line.startswith("VmHWM:")))
        sys.exit(status)
    """
    code, out, err = finished("x.npz", "y.npy", code=code)
    first, second, _, peak = out.splitlines()
    assert (code, err) == (0, "")
    assert first == f"x.npz: a (37 x 1048576 float64) is finite: {rows * columns} values"
    assert second == "y.npy (134217728 float32) is finite: 134217728 values"
    assert int(peak) < 200_000


# ------------------------------------------------------------------------------------------------ progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_no_bar_without_a_terminal_and_none_for_short_work(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for mode, stream, delay in [("auto", io.StringIO(), 0), ("never", Terminal(), 0), ("auto", Terminal(), 1e9)]:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(_progress, "_DELAY", delay)
        bar = _progress.ProgressBar(mode, 100)
        for done in range(0, 101, 10):
            bar.at(done)
        bar.hide()
        assert stream.getvalue() == ""


def test_without_rich_there_is_no_bar(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    save("x.npy", np.ones(3))
    assert main(["check", "--progress", "always", "x.npy"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("x.npy (3 float64) is finite: 3 values\n")
    assert err == "fastfinite: no progress bar: it needs rich (pip install fastfinite[cli])\n"
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(_progress, "_DELAY", 0)
    assert main(["check", "x.npy"]) == 0
    assert sys.stderr.getvalue() == ""


class Bar:
    """Takes the place of rich's, and notes how many bytes it showed and of which file."""

    def __init__(self):
        self.sizes, self.names = [], []

    def update(self, task, completed, description):
        self.sizes.append(completed)
        self.names.append(description)

    def start(self):
        pass

    refresh = stop = start


@pytest.fixture
def bar(monkeypatch):
    """Stands for the bar in this process; its attribute `room` is that for the file."""

    def make(progress):
        progress._bar, progress._room = bar, bar.room
        return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(_progress, "_INTERVAL", 0)
    monkeypatch.setattr(_progress.ProgressBar, "_make", make)
    bar = Bar()
    bar.room = 100
    return bar


def test_the_bar_moves_inside_of_files_and_tells_which(bar, monkeypatch):
    monkeypatch.setattr(_files, "MAPPED_BLOCK", 800)
    paths = [save(f"{name}.npy", np.ones(500)) for name in "abc"]
    size = os.path.getsize("a.npy")
    assert main(["check", "--progress", "always", *paths]) == 0
    assert list(dict.fromkeys(bar.sizes[: bar.names.index("2/3 b.npy")])) == [0, 800, 1600, 2400, 3200, 4000, size]
    assert bar.sizes == sorted(bar.sizes) and bar.sizes[-1] == 3 * size
    assert list(dict.fromkeys(bar.names)) == ["1/3 a.npy", "2/3 b.npy", "3/3 c.npy"]
    bar.names.clear()
    main(["check", "--progress", "always", "a.npy"])
    assert set(bar.names) == {"a.npy"}


def test_the_bar_neither_goes_back_nor_beyond_its_end(bar, monkeypatch):
    require("pyarrow")
    h5py = require("h5py")
    monkeypatch.setattr(_files, "STREAM_BLOCK", 1000)
    os.mkdir("data")
    os.chdir("data")
    Path("a.csv.gz").write_bytes(gzip.compress(b"x,y\n" + b"1.5,nan\n" * 2000))
    # Each of its arrays may take as much as the file has.
    with h5py.File("b.h5", "w") as file:
        for name in "abcdef":
            file.create_dataset(name, data=np.zeros((200, 50)), chunks=(20, 50), compression="gzip")
    Path("c.npy").write_bytes(Path(save("whole.npy", np.ones(900))).read_bytes()[:-7])
    Path("d.npz").write_bytes(zipped(a=np.ones(5000), text=np.array(["a"]), b=np.ones(70)))
    Path("e.csv").write_text("x,y\n" + "1,2\n" * 900 + "1,2,3\n" + "1,2\n" * 900)
    Path("f.npz").write_bytes(Path("d.npz").read_bytes()[:-40])
    Path("g.npy").touch()
    total = sum(file.stat().st_size for file in Path().iterdir())
    Path("notes.txt").write_text("of another type")
    assert main(["check", "--progress", "always", ".", "missing.npy", "notes.txt"]) == 2
    assert bar.sizes == sorted(bar.sizes) and bar.sizes[0] == 0 and bar.sizes[-1] == total
    assert len(set(bar.sizes)) > 15


def test_a_bar_of_two_passes(bar):
    sources, _ = _files.find([save("a.npy", np.ones(100)), save("b.npy", np.ones(100))])
    size = os.path.getsize("a.npy")
    progress = _progress.ProgressBar("always", 2 * 2 * size)
    for _ in range(2):
        for _, item in progress.through(sources):
            for _ in item.blocks():
                progress.advance(1)
    assert list(dict.fromkeys(zip(bar.sizes, bar.names))) == [
        (before + within, name)
        for before, name in zip(range(0, 4 * size, size), ["1/2 a.npy", "2/2 b.npy"] * 2)
        for within in (0, 800, size)
    ]


def test_names_beside_the_bar_are_short_and_cannot_write_to_the_terminal(bar, monkeypatch):
    os.mkdir("folder")
    paths = [save(os.path.join("folder", f"{name}.npy"), np.ones(1))
             for name in ("x" * 50, "\x1b[2J", "年" * 50, "[red]{}", "é")]

    def names(room):
        bar.room = room
        bar.names.clear()
        main(["check", "--progress", "always", *paths])
        return list(dict.fromkeys(bar.names))

    assert names(20) == [
        "1/5 xxxxxxxxxxxxx...", r"2/5 \x1b[2J.npy", "3/5 年年年年年年...", "4/5 [red]{}.npy", "5/5 é.npy",
    ]
    assert names(11) == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert names(2) == [""]
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert names(20)[-1] == r"5/5 \xe9.npy"


def in_terminal(*arguments, **environment):
    """What the command writes to a terminal; the bar is due at once."""
    pty = pytest.importorskip("pty")
    code = """if True:
        import sys
        from fastfinite import _files, _progress
        from fastfinite._cli import main
        _progress._DELAY = _progress._INTERVAL = 0
        _files.MAPPED_BLOCK = 1 << 20
        sys.exit(main(sys.argv[1:]))
    """
    ours, theirs = pty.openpty()
    env = {"TERM": "xterm-256color", "COLUMNS": "100", **environment}
    with process(*arguments, code=code, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        written = b""
        while True:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:     # Linux: the other end is closed
                break
            if not data:
                break
            written += data
    os.close(ours)
    return child.returncode, written.decode().replace("\r\n", "\n")


@POSIX
def test_a_bar_and_colours_on_a_terminal():
    require("rich")
    save("x.npy", bad())
    save("y.npy", np.ones(3))
    code, written = in_terminal("check", "x.npy", "y.npy", "missing.npy")
    assert code == 2
    assert "━" in written and "/" in written
    line = "x.npy (4 x 3 float64) has 3 non-finite values: 2 nan, 1 +inf; first nan at row 2, column 1"
    assert f"\x1b[31m{line}\x1b[0m\n" in written
    # The bar is gone before a line is written, and at the end: each begins on a cleared line.
    for text in (f"\x1b[31m{line}", "y.npy (3 float64) is finite: 3 values\n", "fastfinite: missing.npy: No such file"):
        before = written[: written.index(text)]
        assert before.rindex("━") < before.rindex("\x1b[2K")
    assert written.rstrip("\n").splitlines()[-1].endswith("/s)")
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") > 0     # the cursor is shown again


@POSIX
@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("mode", ["auto", "always"])
def test_one_bar_for_several_files_in_one_line_of_the_terminal(width, mode):
    require("rich")
    names = [save(f"{letter * 30}.npy", np.ones(400_000)) for letter in "abc"]
    code, written = in_terminal("check", "--progress", mode, *names, COLUMNS=str(width), NO_COLOR="1")
    assert code == 0
    states = (re.sub(r"\x1b\[[?\d]*[a-zA-Z]", "", text) for text in re.split(r"[\r\n]", written))
    bars = [text for text in states if "/9.6 MB" in text]
    assert max(map(len, bars)) <= width
    found = [re.fullmatch(r"[━╸ ]+(\d\.\d)/9\.6 MB (\?|\S+ .?B/s) (--:--|0\d:\d\d) (\d/3)? ?(\S*)\s*", bar)
             for bar in bars]
    done = [float(state[1]) for state in found]
    assert done == sorted(done) and done[0] == 0 and done[-1] == 9.6 and len(set(done)) > 6
    assert found[-1][2].endswith("B/s") and found[-1][3] == "00:00"
    assert (found[0][4], found[-1][4]) == ("1/3", "3/3")
    assert found[0][5] == {40: "", 80: "a" * 24 + "...", 200: names[0]}[width]
    # Each line stands where the bar was, or after another.
    for name in (*names, "3 arrays in 3 files"):
        before = written[: written.index(name + (" (4" if name in names else ""))]
        assert before.endswith(("\x1b[2K", "values\n"))
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") > 0


@POSIX
def test_a_terminal_that_cannot_draw_has_no_bar():
    save("x.npy", np.ones(3))
    for mode in ("auto", "always"):
        code, written = in_terminal("check", "--progress", mode, "x.npy", TERM="dumb")
        assert code == 0 and written.splitlines()[0] == "x.npy (3 float64) is finite: 3 values"
        assert len(written.splitlines()) == 2 and "\x1b" not in written


@POSIX
def test_no_colour_where_it_is_not_wanted():
    save("x.npy", bad())
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, written = in_terminal("check", "--progress", "never", "x.npy", **environment)
        assert code == 1
        assert written.startswith("x.npy (4 x 3 float64) has 3 ")
        assert "\x1b" not in written

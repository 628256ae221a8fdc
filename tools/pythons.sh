#!/usr/bin/env bash
# Installs a wheel into an empty environment of each Python, with the oldest and the newest NumPy it can have, and runs
# the quick part of the suite in each. Pythons are those given as arguments, else all of 3.10 to 3.14 that are found,
# pyenv's too. WHEELS names a folder of wheels that are built already; WORK one where the environments stay.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=(scan nonfinite check_finite report column_stats column_variance standardize ufuncs safe_log safe_divide guard
       diagnose free_threading import docstrings typing readme cli_stats cli_diagnose cli_bench)
tests=()
for name in "${quick[@]}"; do tests+=("tests/test_$name.py"); done

work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
wheels=${WHEELS:-$work/wheels}

pythons=("$@")
if [ $# -eq 0 ]; then
    for version in 3.10 3.11 3.12 3.13 3.14; do
        for python in "$HOME"/.pyenv/versions/"$version".*/bin/python "$(command -v "python$version" || true)"; do
            if [ -x "$python" ] && "$python" -c pass 2>/dev/null; then pythons+=("$python"); break; fi
        done
    done
fi

# The first NumPy with wheels for a Python, of those that are supported.
oldest() {
    case $1 in
        310 | 311 | 312) echo 1.26.0 ;;
        313) echo 2.1.0 ;;
        *) echo 2.3.2 ;;
    esac
}

failed=0
for python in "${pythons[@]}"; do
    tag=$("$python" -c 'import sys; print("{}{}".format(*sys.version_info))')
    if ! compgen -G "$wheels/fastfinite-*-cp$tag-*.whl" >/dev/null; then
        "$python" -m pip wheel --quiet --no-deps --wheel-dir "$wheels" .
    fi
    for numpy in "numpy==$(oldest "$tag")" numpy; do
        there="$work/$tag-$numpy"
        "$python" -m venv --clear "$there"
        "$there/bin/pip" install --quiet --only-binary :all: "$numpy" pytest hypothesis ml_dtypes gmpy2 \
            "$wheels"/fastfinite-*-cp"$tag"-*.whl
        "$there/bin/python" -c 'import sys, numpy; print("== Python", *sys.version_info[:2], "NumPy", numpy.__version__)'
        HYPOTHESIS_PROFILE=quick "$there/bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}" || failed=1
    done
done
exit $failed

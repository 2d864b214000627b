#!/usr/bin/env bash
# Makes the virtual environment, or brings it up to the lock: tools/bootstrap.sh all|demo
#
# Needs Python 3.11 or newer and nothing else. An environment that is there is kept and brought up to
# date; one that already matches the lock costs a few milliseconds.
#
#   VENV    where the environment is (default .venv)
#   PYTHON  the interpreter that makes it, or its version, as in 3.12 (default: the first that is new
#           enough of python3, 3.13, 3.12 and 3.11)
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:?usage: tools/bootstrap.sh all|demo}
venv=${VENV:-.venv}
lock=requirements/$profile.lock
[ -f "$lock" ] || { echo "there is no $lock: the profiles are all and demo" >&2; exit 2; }

fingerprint() {
    cat "requirements/$1.lock" requirements/bootstrap.lock pyproject.toml tools/bootstrap.sh | cksum
}

is_current() {
    [ "$(cat "$venv/.installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]
}

# Where an interpreter may be: on PATH, or put aside by pyenv.
candidates() {
    case $1 in
    [0-9]*) echo "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python ;;
    *) echo "$1" ;;
    esac
}

find_python() {
    local wanted candidate
    for wanted in ${PYTHON:-python3 3.13 3.12 3.11}; do
        for candidate in $(candidates "$wanted"); do
            if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
    echo "no Python 3.11 or newer was found (tried ${PYTHON:-python3, 3.13, 3.12 and 3.11});" \
        "install one, or name it: make PYTHON=/path/to/python3" >&2
    return 1
}

# Debian ships venv and its pip apart from Python itself.
make_venv() {
    local python
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        local package
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        tools/system.sh "$package" || {
            echo "$python cannot make virtual environments: install the package $package" >&2
            return 1
        }
    fi
    echo "making $venv with $("$python" --version)"
    "$python" -m venv "$venv"
}

is_current all && exit 0
is_current "$profile" && exit 0

# Two makes in one tree take turns.
if command -v flock >/dev/null; then
    exec 9>".bootstrap.lock"
    flock 9
    is_current "$profile" && exit 0
fi

[ -x "$venv/bin/python" ] || make_venv

uv=$venv/bin/uv
want=$(sed -n 's/^uv==\([^ ]*\).*/uv \1/p' requirements/bootstrap.lock)
if [ "$("$uv" --version 2>/dev/null | cut -d' ' -f1-2)" != "$want" ]; then
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip --upgrade
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --requirement requirements/bootstrap.lock
fi

echo "installing $lock into $venv"
# Compiled here, once: an environment that forbids Python to write bytecode would have every process
# compile all that it imports.
"$uv" pip install --quiet --python "$venv/bin/python" --compile-bytecode --require-hashes --requirement "$lock"
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
fingerprint "$profile" >"$venv/.installed-$profile"

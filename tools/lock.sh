#!/usr/bin/env bash
# Renews requirements/*.lock from pyproject.toml: versions and hashes for every supported Python and
# platform, and no address of any index. Pins stay as they are unless `--upgrade` is given.
#
# There is one resolution, all.lock; the smaller locks are cut out of it.
set -euo pipefail
cd "$(dirname "$0")/.."

uv="${VENV:-.venv}/bin/uv"
compile() {
    local lock=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-annotate --no-emit-index-url --no-emit-find-links --output-file "$lock" "$@" >/dev/null
}

compile requirements/all.lock pyproject.toml --all-extras --group dev --group bootstrap "$@"
cut() {
    local lock=$1
    shift
    rm -f "$lock"
    compile "$lock" --constraint requirements/all.lock "$@"
}
cut requirements/bootstrap.lock --group bootstrap
cut requirements/core.lock pyproject.toml
cut requirements/demo.lock pyproject.toml --extra dask --extra viz --group build --group examples --group bootstrap

if grep -nE '^ *-|://|file:' requirements/*.lock | grep -v -- '--hash='; then
    echo "a lock names an index or a file: it must hold versions and hashes only" >&2
    exit 1
fi

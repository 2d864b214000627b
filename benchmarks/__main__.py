"""The one command: ``python -m benchmarks [NAME ...] [--quick] [--peers]``."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from benchmarks.cases import CASES, Case
from benchmarks.cluster import running_cluster
from benchmarks.comparisons import Settings
from benchmarks.report import Row, as_markdown, as_text, describe_machine, heading, write_json

#: Samples of each contender, unless asked for otherwise.
REPEATS = 5


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="cases to run, with * as in 'W3*' (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--quick", action="store_true", help="small sizes, once: a smoke test")
    parser.add_argument("--peers", action="store_true", help="measure other orchestrators too")
    parser.add_argument("--repeats", type=int, metavar="N", help="samples of each contender")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a table there")
    return parser.parse_args()


def _chosen(names: list[str]) -> list[Case]:
    """Return the cases whose name, or the part before its dash, matches one of the names."""
    for name in names:
        if not any(_matches(case, name) for case in CASES):
            known = ", ".join(case.name for case in CASES)
            raise SystemExit(f"no case is named {name!r}; there are: {known}")
    return [case for case in CASES if not names or any(_matches(case, name) for name in names)]


def _matches(case: Case, name: str) -> bool:
    return fnmatchcase(case.name, name) or case.name.partition("-")[0] == name


def main() -> int:
    """Run the chosen cases, print each as it is done, and return 1 if a target was missed."""
    arguments = _arguments()
    cases = _chosen(arguments.names)
    if arguments.list:
        print(*(case.name for case in cases), sep="\n")
        return 0
    machine = describe_machine()
    print(", ".join(f"{name}: {value}" for name, value in machine.items()), end="\n\n")
    rows: list[Row] = []
    with ExitStack() as stack:
        settings = Settings(
            cluster=cache(lambda: stack.enter_context(running_cluster())),
            repeats=arguments.repeats or (1 if arguments.quick else REPEATS),
            quick=arguments.quick,
            peers=arguments.peers,
        )
        print(heading(), flush=True)
        for case in cases:
            done = case.run(settings)
            print(as_text(done), flush=True)
            rows += done
    if arguments.json is not None:
        write_json(arguments.json, rows, machine)
    if arguments.markdown is not None:
        arguments.markdown.write_text(as_markdown(rows, machine), encoding="utf-8")
    missed = [row for row in rows if row.verdict == "MISS"]
    print(f"\n{len(rows)} rows, {len(missed)} missed")
    # A smoke test measures nothing, so it misses nothing.
    return 1 if missed and not arguments.quick else 0


if __name__ == "__main__":
    sys.exit(main())

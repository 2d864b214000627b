"""Record the states of random recipes from the real Prefect 1.4.1.

Run it with any Python that has `prefect==1.4.1`; nothing of Headrace is imported:

    python tests/differential/record_prefect_1_4_1.py [COUNT [SEED]]

It writes `prefect_1_4_1.jsonl.gz` beside itself, one line for each recipe: the recipe, and the
digests of the states of its tasks.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

# Nothing of the user's own settings, and no lines for each of thousands of failures.
os.environ["PREFECT__LOGGING__LEVEL"] = "CRITICAL"
os.environ["PREFECT__USER_CONFIG_PATH"] = os.devnull
sys.path.insert(0, str(Path(__file__).parents[2]))

import prefect
from prefect import triggers
from prefect.engine import signals, state

from tests.support.recipes import Library, RandomChoice, build, digests, make_recipe, to_json

PREFECT = Library(
    prefect.Flow,
    prefect.task,
    prefect.context,
    signals,
    SimpleNamespace(Success=state.Success, Failed=state.Failed),
    triggers,
)


def main(count: int = 400, seed: int = 1) -> None:
    if prefect.__version__ != "1.4.1":
        raise SystemExit(f"This is Prefect {prefect.__version__}; 1.4.1 is needed.")
    lines: list[str] = []
    number = seed * 1_000_000
    while len(lines) < count:
        number += 1
        recipe = make_recipe(RandomChoice(number))
        flow = build(PREFECT, recipe)
        ended = flow.run()
        if not isinstance(ended.result, dict):
            # Its runner broke off: a state handler gave a mapped task a state without children.
            print(f"{number}: left out, as Prefect raised {ended.result!r}", file=sys.stderr)
            continue
        lines.append(json.dumps([to_json(recipe), digests(flow, ended)], separators=(",", ":")))
    target = Path(__file__).with_name("prefect_1_4_1.jsonl.gz")
    # No time of writing in it: the same recipes give the same file.
    target.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

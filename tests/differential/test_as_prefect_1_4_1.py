"""Random flows end in the states in which the real Prefect 1.4.1 ends them.

The states were recorded by `record_prefect_1_4_1.py`. Two classes of difference are known, and
Headrace's way is meant:

- A task that is mapped over several upstream tasks, one of which is itself mapped and failed as a
  whole, while another one can be mapped over. In Prefect it is an empty success (or, in a later
  round of the same run, mapped over the others). Here it has children, whose triggers see the
  failure.
- Prefect ends a run as soon as the terminal tasks are finished, even if a child still waits for its
  retry. Here every task ends.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.random_flows import build, digests, quiet
from tests.support.recipes import Recipe, from_json

RECORDED = Path(__file__).with_name("prefect_1_4_1.jsonl.gz")
with gzip.open(RECORDED, "rt") as _lines:
    LINES = [json.loads(line) for line in _lines]


def without_messages(digest: Any) -> Any:
    """Drop what a failure says: the sentences are our own."""
    if isinstance(digest, list):
        if digest and digest[0] in ("Failed", "TriggerFailed") and len(digest) == 2:
            return digest[:1]
        return [without_messages(part) for part in digest]
    return digest


def differing(recipe: Recipe, states: dict[str, Any]) -> set[str]:
    """Name the tasks that are of a known class of difference, or hang on one that is."""
    names: set[str] = set()
    for index, each in enumerate(recipe):
        own = f"t{index}"
        if any(f"t{up}" in names for up, _ in each.inputs):
            names.add(own)
            continue
        over = [f"t{up}" for up, how in each.inputs if how.startswith("map")]
        broken = [
            up
            for up in over
            if is_mapped(recipe[int(up[1:])]) and states[up][0] in ("Failed", "TriggerFailed")
        ]
        if broken and states[own][0] == "Mapped":
            names.add(own)
        if "Retrying" in json.dumps(states[own]):
            names.add(own)
    return names


def is_mapped(ingredient: Any) -> bool:
    return ingredient.over is not None or any(how.startswith("map") for _, how in ingredient.inputs)


@pytest.mark.parametrize("number", range(0, len(LINES), 20))
def test_the_states_are_those_of_prefect(number: int) -> None:
    for data, recorded in LINES[number : number + 20]:
        recipe = from_json(data)
        flow = build(recipe)
        with quiet():
            ours = json.loads(json.dumps(digests(flow, flow.run())))
        known = differing(recipe, recorded)
        compared = [slug for slug in recorded if slug not in known and (slug or not known)]
        assert {slug: without_messages(ours[slug]) for slug in compared} == {
            slug: without_messages(recorded[slug]) for slug in compared
        }, recipe


def test_little_is_left_out_and_much_is_covered() -> None:
    left_out = tasks = 0
    kinds: dict[str, int] = {}

    def count(digest: Any) -> None:
        kinds[digest[0]] = kinds.get(digest[0], 0) + 1
        if digest[0] == "Mapped":
            for child in digest[1]:
                count(child)

    for data, recorded in LINES:
        left_out += len(differing(from_json(data), recorded))
        tasks += len(data)
        for slug, digest in recorded.items():
            if slug:
                count(digest)
    assert len(LINES) >= 400
    assert left_out < tasks / 20
    assert kinds["Mapped"] > 500
    for kind in ("Failed", "Success", "Skipped", "TriggerFailed", "ValidationFailed"):
        assert kinds[kind] > 10

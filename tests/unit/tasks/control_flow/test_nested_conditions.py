"""Nested `case` blocks and merges do what a plain reading of the same program says."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, case, merge, task
from headrace.signals import SKIP
from headrace.states import Failed, Skipped, Success, TriggerFailed

KINDS = {"ok": Success, "fail": Failed, "skip": Skipped}


@dataclass(frozen=True)
class Step:
    """A task that takes an earlier result, and succeeds, fails or skips."""

    takes: int
    ending: str
    value: int


@dataclass(frozen=True)
class Merged:
    takes: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    condition: int
    value: int
    body: tuple


numbers = st.integers(0, 2)
earlier = st.integers(0, 50)
steps = st.builds(Step, earlier, st.sampled_from(["ok", "ok", "ok", "fail", "skip"]), numbers)
merges = st.builds(Merged, st.lists(earlier, min_size=1, max_size=3).map(tuple))


def blocks(inner):
    return st.builds(Block, earlier, numbers, st.lists(inner, max_size=4).map(tuple))


programs = st.lists(
    st.recursive(steps | merges, lambda inner: inner | blocks(inner) | blocks(inner), max_leaves=8),
    min_size=1,
    max_size=6,
)


@task
def act(x, ending, value):
    if ending == "fail":
        raise ValueError
    if ending == "skip":
        raise SKIP("")
    return value


def build(program):
    """Make the flow; return it, and its tasks in the order of the program."""
    made = []

    def write(statements):
        for statement in statements:
            match statement:
                case Block(condition, value, body):
                    with case(made[condition % len(made)], value):
                        write(body)
                case Merged(takes):
                    made.append(merge(*[made[each % len(made)] for each in takes]))
                case Step(takes, ending, value):
                    made.append(act(made[takes % len(made)], ending, value))

    with Flow("nested") as flow:
        made.append(act(0, "ok", 1))
        write(program)
    return flow, made


def read(program):
    """Say what state each task should end in, and with which value: without any graph."""
    outcomes = [("ok", 1)]

    def after(upstream):
        kinds = [kind for kind, _ in upstream]
        if "skip" in kinds:
            return "skip"
        return "fail" if set(kinds) != {"ok"} else "ok"

    def walk(statements, guard):
        # The tasks of this block alone: they carry its guard with them.
        here = set()
        for statement in statements:
            count = len(outcomes)
            match statement:
                case Block(condition, value, body):
                    asked = condition % count
                    upstream = [outcomes[asked]]
                    if guard is not None and asked not in here:
                        upstream.append(guard)
                    kind = after(upstream)
                    if kind == "ok" and outcomes[asked][1] != value:
                        kind = "skip"
                    walk(body, ("trigger" if kind == "fail" else kind, None))
                case Merged(takes):
                    inputs = list(dict.fromkeys(each % count for each in takes))
                    upstream = [outcomes[each] for each in inputs]
                    if guard is not None and here.isdisjoint(inputs):
                        upstream.append(guard)
                    kinds = {kind for kind, _ in upstream}
                    results = [outcomes[each % count][1] for each in takes]
                    found = next((r for r in results if r is not None), None)
                    if kinds == {"skip"}:
                        outcomes.append(("skip", None))
                    elif kinds <= {"skip", "ok"}:
                        outcomes.append(("ok", found))
                    else:
                        outcomes.append(("trigger", None))
                    here.add(count)
                case Step(takes, ending, value):
                    taken = takes % count
                    upstream = [outcomes[taken]]
                    if guard is not None and taken not in here:
                        upstream.append(guard)
                    kind = after(upstream)
                    if kind == "ok":
                        outcomes.append((ending, value if ending == "ok" else None))
                    else:
                        outcomes.append(("trigger" if kind == "fail" else kind, None))
                    here.add(count)

    walk(program, None)
    return outcomes


@given(programs)
def test_a_program_of_blocks_and_merges_runs_as_it_reads(program):
    flow, made = build(program)
    state = flow.run()
    expected = read(program)
    assert len(made) == len(expected)
    for one, (kind, value) in zip(made, expected, strict=True):
        ended = state.result[one]
        assert type(ended) is {**KINDS, "trigger": TriggerFailed}[kind]
        if kind == "ok":
            assert ended.result == value

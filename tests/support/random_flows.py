"""Random flows: recipes that hypothesis makes, and the flows that are built from them.

Everything in them is deterministic, so that a recipe must give the same states wherever its tasks
run. Task functions take whatever comes: the value of a failed upstream task is its exception.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from headrace import Flow, Task, context, flatten, mapped, signals, task, triggers
from headrace.states import Mapped, State

NOW = datetime.timedelta(0)

TRIGGERS = {
    "all_successful": triggers.all_successful,
    "all_failed": triggers.all_failed,
    "any_successful": triggers.any_successful,
    "any_failed": triggers.any_failed,
    "always_run": triggers.always_run,
    "not_all_skipped": triggers.not_all_skipped,
    "some_failed": triggers.some_failed(at_least=1, at_most=0.5),
    "some_successful": triggers.some_successful(at_least=2),
    "custom": lambda states: sum(state.is_successful() for state in states.values()) > 0,
}

BEHAVIOURS = [
    "ok", "ok", "ok", "list", "list", "nested", "large", "fail", "fail_if_odd", "skip",
    "skip_if_even", "signal_success", "signal_fail", "retry_once", "retry_out", "loop",
    "retry_signal", "trigger_fail", "none", "empty", "tuple",
]  # fmt: skip


@dataclass(frozen=True)
class Ingredient:
    """One task of a recipe; `inputs` are (index of an earlier ingredient, how) pairs."""

    behaviour: str
    trigger: str = "all_successful"
    skip_on_upstream_skip: bool = True
    inputs: tuple[tuple[int, str], ...] = ()
    constant: int | None = None


@dataclass(frozen=True)
class Recipe:
    ingredients: tuple[Ingredient, ...] = field(default=())


@st.composite
def recipes(draw: st.DrawFn, most: int = 9) -> Recipe:
    count = draw(st.integers(1, most))
    made: list[Ingredient] = []
    for index in range(count):
        inputs: list[tuple[int, str]] = []
        if index:
            above = draw(st.lists(st.integers(0, index - 1), max_size=3, unique=True))
            inputs = [
                (up, draw(st.sampled_from(["whole", "map", "map", "flat", "map_flat", "order"])))
                for up in above
            ]
        usual = draw(st.integers(0, 2)) > 0
        made.append(
            Ingredient(
                draw(st.sampled_from(BEHAVIOURS)),
                "all_successful" if usual else draw(st.sampled_from(sorted(TRIGGERS))),
                usual or draw(st.booleans()),
                tuple(inputs),
                draw(st.none() | st.integers(0, 3)),
            )
        )
    return Recipe(tuple(made))


def number(value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, (list, tuple)):
        return sum(map(number, value))
    if isinstance(value, str):
        return len(value)
    if isinstance(value, BaseException):
        return 7
    return 0


def behave(behaviour: str, values: list[Any]) -> Any:
    total = number(values) % 1000
    match behaviour:
        case "ok":
            return total + 1
        case "list":
            return [total, total + 1, total + 2][: total % 4]
        case "nested":
            return [[total], [], [total + 1, total + 2], 5][: 2 + total % 3]
        case "tuple":
            return (total, [total])
        case "empty":
            return []
        case "none":
            return None
        case "large":
            return "x" * (2000 + total)
        case "fail":
            raise ValueError(total)
        case "fail_if_odd":
            if total % 2:
                raise KeyError(total)
            return total
        case "skip":
            raise signals.SKIP("not now")
        case "skip_if_even":
            if total % 2 == 0:
                raise signals.SKIP("even")
            return total
        case "signal_success":
            raise signals.SUCCESS("well", result=total)
        case "signal_fail":
            raise signals.FAIL("badly", result=total)
        case "trigger_fail":
            raise signals.TRIGGERFAIL("no")
        case "retry_once":
            if context.task_run_count == 1:
                raise RuntimeError("first")
            return total
        case "retry_out":
            raise RuntimeError("always")
        case "retry_signal":
            if context.task_run_count < 3:
                raise signals.RETRY("again")
            return total
        case "loop":
            turn = context.get("task_loop_count") or 1
            before = context.get("task_loop_result") or 0
            if turn < 3:
                raise signals.LOOP(result=before + total)
            return before + turn
    raise AssertionError(behaviour)


def build(recipe: Recipe) -> Flow:
    """Make the flow of a recipe; its tasks have the slugs t0, t1, ..."""
    flow = Flow("random")
    tasks: list[Task[Any]] = []
    for index, each in enumerate(recipe.ingredients):
        retries = 1 if each.behaviour in ("retry_once", "retry_out") else 0

        def run(
            a: Any = None, b: Any = None, c: Any = None, d: Any = None, *, _do: str = each.behaviour
        ) -> Any:
            return behave(_do, [a, b, c, d])

        made = task(
            run,
            name=f"t{index}",
            slug=f"t{index}",
            max_retries=retries,
            retry_delay=NOW if retries else None,
            trigger=TRIGGERS[each.trigger],
            skip_on_upstream_skip=each.skip_on_upstream_skip,
        )
        flow.add_task(made)
        tasks.append(made)
        for key, (up, how) in zip("abc", each.inputs, strict=False):
            if how == "order":
                flow.add_edge(tasks[up], made)
            else:
                source: Any = tasks[up]
                if how.endswith("flat"):
                    source = flatten(source)
                if how.startswith("map"):
                    source = mapped(source)
                flow.add_edge(source, made, key=key)
        if each.constant is not None:
            flow.set_dependencies(made, keyword_tasks={"d": each.constant})
    return flow


def digest(state: State) -> Any:
    """What must be the same wherever a flow runs: types and values, children one by one."""
    if isinstance(state, Mapped):
        return ("Mapped", [None if child is None else digest(child) for child in state.map_states])
    value = state.result
    if isinstance(value, BaseException):
        value = (type(value).__name__, str(value))
    return (type(state).__name__, value)


def digests(flow: Flow, state: State) -> dict[str, Any]:
    """The digests of all task states of a flow run, by slug, and that of the flow run itself."""
    tasks = {flow.slugs[each]: digest(each_state) for each, each_state in state.result.items()}
    return {"": type(state).__name__, **tasks}

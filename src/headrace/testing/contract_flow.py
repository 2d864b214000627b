"""A flow that every executor must bring to the same states, and what these are compared by."""

from __future__ import annotations

import datetime
from typing import Any

from headrace import Flow, case, context, flatten, signals, task, triggers, unmapped
from headrace.states import Mapped, State


def contract_flow() -> Flow:
    """Make a flow that has something of everything that states can come from."""
    no_delay = datetime.timedelta(0)

    @task
    def numbers(n: int) -> list[int]:
        return list(range(n))

    @task
    def inverse(x: int) -> float:
        return 1 / x

    @task
    def plus(x: Any, y: int) -> Any:
        return x + y

    @task(trigger=triggers.any_successful)
    def count(xs: list[Any]) -> int:
        return len([x for x in xs if isinstance(x, int | float)])

    @task
    def nested(x: int) -> list[int]:
        return [x] * x

    @task
    def total(xs: list[int]) -> int:
        return sum(xs)

    @task(max_retries=2, retry_delay=no_delay)
    def third_time() -> int:
        if context.task_run_count < 3:
            raise RuntimeError("not yet")
        return int(context.task_run_count)

    @task
    def loops() -> int:
        turn: int = context.get("task_loop_count") or 1
        if turn < 4:
            raise signals.LOOP(result=turn)
        return turn

    @task
    def skips() -> None:
        raise signals.SKIP("not today")

    @task(trigger=triggers.any_failed)
    def mends(xs: Any) -> str:
        return "mended"

    @task(skip_on_upstream_skip=False)
    def goes_on(x: Any) -> str:
        return "on"

    @task
    def names() -> tuple[str, str, int]:
        return context.flow_name, context.task_name, context.parameters.get("absent", 3)

    @task
    def big(x: int) -> str:
        return "x" * (5000 + x)

    @task
    def lengths(xs: list[str]) -> list[int]:
        return [len(x) for x in xs]

    with Flow("contract") as flow:
        source = numbers(5)
        inverses = inverse.map(source)
        more = plus.map(inverses, unmapped(1))
        count(more)
        mends(inverses)
        total(flatten(nested.map(source)))
        plus.map(flatten(nested.map(source)), y=unmapped(10))
        plus(third_time(), loops())
        skipped = skips()
        goes_on(skipped)
        plus(skipped, 1)
        names()
        lengths(big.map(source))
        empty = inverse.map(numbers(0))
        total(empty)
        with case(total(source), 10):
            plus(source, [1])
        with case(total(source), 11):
            plus(source, [2])
    return flow


def digest(state: State, flow: Flow) -> dict[str, Any]:
    """Return types and results of a run's states, by the slugs of its tasks."""
    slugs = flow.slugs
    return {"": type(state).__name__, **{slugs[t]: _seen(s) for t, s in state.result.items()}}


def _seen(state: State | None) -> Any:
    if isinstance(state, Mapped):
        return ["Mapped", *map(_seen, state.map_states)]
    if state is None:
        return None
    value = state.result
    return type(state).__name__, repr(value) if isinstance(value, BaseException) else value

"""Recipes of random flows, and the flows that are built from them.

A recipe is plain data, and what its tasks do depends on nothing but their inputs and on which run,
turn and child they are. So it must give the same states wherever it runs: on every executor, and
in Prefect 1.4.1, whose states of some recipes are recorded in `tests/differential`. Therefore this
module imports no library of either: a `Library` brings what flows are made of.

Task functions take whatever comes: the value of a failed upstream task is its exception.
"""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")

AT_ONCE = datetime.timedelta(0)
LARGE = 1 << 9000  #: more than 1 KiB of pickle, and nothing that could be mapped over

LISTS = ["list", "list", "many", "nested", "nested", "tuple", "large_list", "empty"]
CALM = ["ok", "ok", "ok", "list", "nap", "nested", "large", "large_list", "none", "place"]
WILD = [
    "fail", "fail_if_odd", "fail_large", "skip", "skip_if_even", "signal_success", "signal_fail",
    "retry_once", "retry_if_odd", "retry_out", "retry_in_loop", "retry_signal", "loop",
    "loop_if_odd", "trigger_fail", "validation_fail", "empty", "tuple",
]  # fmt: skip
HOWS = ["map", "map", "map", "map", "whole", "flat", "map_flat", "order", "map_order"]
HANDLERS = ["rescue", "spoil", "raise", "watch"]
TRIGGERS = [
    "all_successful", "all_failed", "any_successful", "any_failed", "always_run",
    "not_all_skipped", "some_failed", "some_successful", "custom", "custom_raises",
]  # fmt: skip


@dataclass(frozen=True)
class Ingredient:
    """One task of a recipe.

    Args:
        behaviour: What its function does.
        inputs: Pairs of the index of an earlier ingredient and how its result is taken.
        trigger: The trigger's name.
        skip_on_upstream_skip: As for a task.
        constant: A constant input.
        over: A constant list that it is mapped over, too.
        handler: What its state handler does, if it has one.
    """

    behaviour: str
    inputs: tuple[tuple[int, str], ...] = ()
    trigger: str = "all_successful"
    skip_on_upstream_skip: bool = True
    constant: int | None = None
    over: tuple[Any, ...] | None = None
    handler: str | None = None


Recipe = tuple[Ingredient, ...]


def to_json(recipe: Recipe) -> list[Any]:
    return [list(astuple(ingredient)) for ingredient in recipe]


def from_json(data: list[Any]) -> Recipe:
    made = []
    for behaviour, inputs, trigger, skip, constant, over, handler in data:
        pairs = tuple((up, how) for up, how in inputs)
        made.append(
            Ingredient(
                behaviour,
                pairs,
                trigger,
                skip,
                constant,
                None if over is None else tuple(over),
                handler,
            )
        )
    return tuple(made)


# -- making recipes -------------------------------------------------------------------------


class Choice(Protocol):
    """Where chance comes from: `random`, or hypothesis."""

    def between(self, least: int, most: int) -> int: ...

    def of(self, options: Sequence[T]) -> T: ...

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """Choose this many different ones."""


class RandomChoice:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def between(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def of(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def some(self, options: Sequence[T], count: int) -> list[T]:
        return self._random.sample(options, count)


def make_recipe(choice: Choice, most: int = 10) -> Recipe:
    """Make a recipe that is rich in maps, and in maps over maps."""
    made: list[Ingredient] = []
    # One mood for all: where every third task fails, nothing gets far.
    wild = choice.of([0, 1, 2, 4])
    for index in range(choice.between(1, most)):
        inputs: list[tuple[int, str]] = []
        if index:
            count = min(index, choice.of([1, 1, 1, 2, 2, 3, 0]))
            # Near ones more often, so that there are chains.
            near = range(max(0, index - 3), index)
            ups = choice.some(
                near if len(near) >= count and choice.between(0, 1) else range(index), count
            )
            inputs = [(up, choice.of(HOWS)) for up in ups]
        is_wild = choice.between(0, 9) < wild
        behaviour = choice.of(
            WILD if is_wild else LISTS if index < 2 and choice.between(0, 2) else CALM
        )
        usual = choice.between(0, 9) >= wild
        over = None
        if choice.between(0, 9) == 0:
            over = choice.of([(), (1,), (0, 1, 2), ((1, 2), (), (3,))])
        made.append(
            Ingredient(
                behaviour,
                tuple(inputs),
                "all_successful" if usual else choice.of(TRIGGERS),
                bool(usual or choice.between(0, 1)),
                choice.of([None, None, 0, 1, 2, 3]),
                over,
                choice.of(HANDLERS) if choice.between(0, 19) < wild else None,
            )
        )
    return tuple(made)


# -- what tasks do --------------------------------------------------------------------------


class Library(NamedTuple):
    """What flows are made of: Headrace's, or the real Prefect's."""

    Flow: Any
    task: Any
    context: Any
    signals: Any
    states: Any
    triggers: Any


class Heavy(ValueError):
    """An exception of more than 1 KiB, that shows little of it."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.weight = LARGE


def number(value: Any) -> int:
    """Boil any value down to a number."""
    if isinstance(value, (bool, int)):
        return int(value) % 10_007
    if isinstance(value, (list, tuple)):
        return sum(map(number, value))
    return 7 if isinstance(value, BaseException) else 0


def behave(library: Library, behaviour: str, values: list[Any]) -> Any:
    """Do what a task of this behaviour does with these inputs."""
    signals, context = library.signals, library.context
    total = number(values) % 1000
    run_count = context.get("task_run_count")
    turn = context.get("task_loop_count") or 1
    before = context.get("task_loop_result") or 0
    match behaviour:
        case "ok":
            return total + 1
        case "list":
            return [total, total + 1, total + 2][: total % 4]
        case "many":
            width = 12 + total % 20 if context.get("map_index") is None else 2
            return list(range(total, total + width))
        case "nap":
            time.sleep(0.001 * (total % 4))
            return total + 1
        case "sleep":  # too slow to be one of many
            time.sleep(0.1)
            return total + 1
        case "nested":
            return [[total], [], [total + 1, total + 2], 5][: 2 + total % 3]
        case "tuple":
            return (total, [total])
        case "empty":
            return []
        case "none":
            return None
        case "place":
            return [run_count, turn, -1 if context.get("map_index") is None else context.map_index]
        case "large":
            return LARGE + total
        case "large_list":
            return [LARGE + total, [LARGE, total], LARGE][: 1 + total % 3]
        case "fail":
            raise ValueError(total)
        case "fail_if_odd":
            if total % 2:
                raise KeyError(total)
            return total
        case "fail_large":
            raise Heavy(total)
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
        case "validation_fail":
            raise signals.VALIDATIONFAIL("wrong", result=total)
        case "retry_once":
            if run_count == 1:
                raise RuntimeError("first")
            return [total, run_count]
        case "retry_if_odd":
            if total % 2 and run_count < 3:
                raise RuntimeError("odd")
            return [total, run_count]
        case "retry_out":
            raise RuntimeError("always")
        case "retry_signal":
            if run_count < 3:
                raise signals.RETRY("again")
            return total + run_count
        case "loop":
            if turn < 3:
                raise signals.LOOP(result=before + total)
            return before + turn
        case "loop_if_odd":
            if total % 2 and turn < 4:
                raise signals.LOOP(result=before + 1)
            return [before, turn]
        case "retry_in_loop":
            if turn == 2 and run_count == 1:
                raise RuntimeError("in the second turn")
            if turn < 3:
                raise signals.LOOP(result=before + 10)
            return [before, turn, run_count]
    raise AssertionError(behaviour)


def handle(library: Library, what: str, old: Any, new: Any) -> Any:
    """Do what a state handler does."""
    if what == "rescue" and new.is_failed():
        return library.states.Success("rescued", result=[1, 2])
    if what == "spoil" and new.is_successful() and not new.is_mapped():
        return library.states.Failed("spoilt", result=3)
    if what == "raise" and new.is_failed():
        raise RuntimeError("in the handler")
    return new


def _any_successful(states: Any) -> bool:
    return any(state.is_successful() for state in states.values())


def _none_is_none(states: Any) -> bool:
    if any(state.result is None for state in states.values()):
        raise ValueError("one is None")
    return True


def trigger_of(library: Library, name: str) -> Any:
    """Return the trigger of this name."""
    own = {
        "some_failed": lambda: library.triggers.some_failed(at_least=1, at_most=0.5),
        "some_successful": lambda: library.triggers.some_successful(at_least=2),
        "custom": lambda: _any_successful,
        "custom_raises": lambda: _none_is_none,
    }
    return own[name]() if name in own else getattr(library.triggers, name)


RETRIES = {"retry_once": 1, "retry_if_odd": 2, "retry_out": 1, "retry_in_loop": 1}


def build(library: Library, recipe: Recipe) -> Any:
    """Make the flow of a recipe; its tasks have the slugs t0, t1, ..."""
    flow = library.Flow("random")
    tasks: list[Any] = []
    for index, each in enumerate(recipe):
        retries = RETRIES.get(each.behaviour, 0)
        made = library.task(
            _function(library, each.behaviour),
            name=f"t{index}",
            slug=f"t{index}",
            max_retries=retries,
            retry_delay=AT_ONCE if retries else None,
            trigger=trigger_of(library, each.trigger),
            skip_on_upstream_skip=each.skip_on_upstream_skip,
            state_handlers=None if each.handler is None else [_handler(library, each.handler)],
        )
        flow.add_task(made)
        tasks.append(made)
        for key, (up, how) in zip("abc", each.inputs, strict=False):
            flow.add_edge(
                tasks[up],
                made,
                key=None if how.endswith("order") else key,
                mapped=how.startswith("map"),
                flattened=how.endswith("flat"),
            )
        if each.constant is not None:
            flow.set_dependencies(made, keyword_tasks={"d": each.constant})
        if each.over is not None:
            flow.add_edge(list(each.over), made, key="e", mapped=True)
    return flow


def _function(library: Library, behaviour: str) -> Any:
    def run(a: Any = None, b: Any = None, c: Any = None, d: Any = None, e: Any = None) -> Any:
        return behave(library, behaviour, [a, b, c, d, e])

    return run


def _handler(library: Library, what: str) -> Any:
    def changed(task: Any, old: Any, new: Any) -> Any:
        return handle(library, what, old, new)

    return changed


# -- what came of it ------------------------------------------------------------------------


def digest(state: Any) -> Any:
    """Boil a state down to what must be the same everywhere, as JSON has it."""
    if state is None:
        return None
    if state.is_mapped():
        return ["Mapped", [digest(child) for child in state.map_states]]
    return [type(state).__name__, _digest_of_value(state.result)]


def _digest_of_value(value: Any) -> Any:
    if isinstance(value, BaseException):
        return [type(value).__name__, str(value)]
    if isinstance(value, (list, tuple)):
        return [_digest_of_value(item) for item in value]
    if isinstance(value, int) and value >= LARGE:
        return ["large", value - LARGE]
    return value


def digests(flow: Any, state: Any) -> dict[str, Any]:
    """Return the digests of all tasks of a recipe's flow run by slug, and of the run itself."""
    tasks = {flow.slugs[task]: digest(task_state) for task, task_state in state.result.items()}
    own = {slug: tasks[slug] for slug in sorted(tasks) if slug[0] == "t"}
    return {"": type(state).__name__, **own}

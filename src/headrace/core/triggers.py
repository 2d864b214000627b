"""Triggers: whether a task runs, given the states of its upstream tasks.

A trigger is a function from `{edge: state}` to True; it raises a signal to say what becomes of the
task instead. The built-in ones are `BuiltinTrigger`s: they decide from counts alone, so the
`FlowRunner` can decide for a task behind a hundred thousand children without seeing one of their
values.

Skipped counts as success; trigger-failed counts as failure. A mapped upstream counts as its
children. A constant argument counts as one upstream success, as in the flows this API comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.core import signals
from headrace.core.states import Mapped, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.core.edge import Edge

#: A user's trigger. A built-in one is such a function too.
Trigger = "Callable[[Mapping[Edge, State]], bool]"


class Tally(NamedTuple):
    """How the upstream states of a task are spread.

    Attributes:
        total: How many states there are.
        finished: How many of them are finished.
        successful: How many of them are successful, skipped ones included.
        failed: How many of them are failed.
        skipped: How many of them are skipped.
        upstream: Whether the task has any upstream at all (a mapped one may have no children).
    """

    total: int
    finished: int
    successful: int
    failed: int
    skipped: int
    upstream: bool


class BuiltinTrigger:
    """A trigger that decides from a `Tally`.

    Calling it with `{edge: state}` gives True or raises a signal, as for any trigger.

    Attributes:
        name: The trigger's name, with its arguments if it has any; it is how it is serialized.
        needs_person: Whether the task waits for a person, whatever its upstream states.
    """

    def __init__(
        self,
        name: str,
        objection: Callable[[Tally], signals.StateSignal | None],
        doc: str | None,
        needs_person: bool = False,
    ) -> None:
        self.name = name
        self.__doc__ = doc
        self._objection = objection
        self.needs_person = needs_person

    def __repr__(self) -> str:
        return f"<trigger {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return named, (self.name,)

    @property
    def __name__(self) -> str:
        return self.name

    def objection(self, tally: Tally) -> signals.StateSignal | None:
        """Return the signal that stops the task, or None if it may run."""
        return self._objection(tally)

    def __call__(self, upstream_states: Mapping[Edge, State]) -> bool:
        """Return True if the task may run.

        Raises:
            StateSignal: The signal that becomes the task's state instead.
        """
        from headrace.core.context import context

        if self.needs_person and context.get("resume"):
            return True
        signal = self._objection(tally_of(upstream_states))
        if signal is not None:
            raise signal
        return True


def tally_of(upstream_states: Mapping[Edge, State]) -> Tally:
    """Count upstream states: each once, and a mapped one by its children."""
    distinct: set[State] = set()
    for state in upstream_states.values():
        if isinstance(state, Mapped):
            distinct.update(child for child in state.map_states if child is not None)
        else:
            distinct.add(state)
    return Tally(
        total=len(distinct),
        finished=sum(s.is_finished() for s in distinct),
        successful=sum(s.is_successful() for s in distinct),
        failed=sum(s.is_failed() for s in distinct),
        skipped=sum(s.is_skipped() for s in distinct),
        upstream=bool(upstream_states),
    )


def _disagree(name: str, because: str) -> signals.TRIGGERFAIL:
    return signals.TRIGGERFAIL(f'Trigger was "{name}" but {because}.')


def _not_finished(t: Tally) -> signals.StateSignal | None:
    if t.finished == t.total:
        return None
    return _disagree("all_finished", "some of the upstream tasks were not finished")


def _not_all_successful(t: Tally) -> signals.StateSignal | None:
    if t.successful == t.total:
        return None
    return _disagree("all_successful", "some of the upstream tasks failed")


def _not_all_failed(t: Tally) -> signals.StateSignal | None:
    if t.failed == t.total:
        return None
    return _disagree("all_failed", "some of the upstream tasks succeeded")


def _none_successful(t: Tally) -> signals.StateSignal | None:
    if t.successful or not t.upstream:
        return None
    return _disagree("any_successful", "none of the upstream tasks succeeded")


def _none_failed(t: Tally) -> signals.StateSignal | None:
    if t.failed or not t.upstream:
        return None
    return _disagree("any_failed", "none of the upstream tasks failed")


def _skipped_or_failed(t: Tally) -> signals.StateSignal | None:
    if t.skipped == t.total:
        return signals.SKIP("All upstreams were skipped", result=None)
    if t.successful == t.total:
        return None
    return _disagree("not_all_skipped", "some of the upstream tasks failed")


def _asks_a_person(t: Tally) -> signals.StateSignal | None:
    return signals.PAUSE('Trigger function is "manual_only"')


all_finished = BuiltinTrigger(
    "all_finished", _not_finished, "Run once all upstream tasks are finished, however they ended."
)
always_run = all_finished
all_successful = BuiltinTrigger(
    "all_successful", _not_all_successful, "Run if all upstream tasks were successful."
)
all_failed = BuiltinTrigger("all_failed", _not_all_failed, "Run if all upstream tasks failed.")
any_successful = BuiltinTrigger(
    "any_successful", _none_successful, "Run if any upstream task was successful."
)
any_failed = BuiltinTrigger("any_failed", _none_failed, "Run if any upstream task failed.")
not_all_skipped = BuiltinTrigger(
    "not_all_skipped",
    _skipped_or_failed,
    "Run if all upstream tasks were successful and not all skipped; skip if all were skipped.",
)
manual_only = BuiltinTrigger(
    "manual_only", _asks_a_person, "Pause, until a person resumes the task.", needs_person=True
)


def some_failed(at_least: float | None = None, at_most: float | None = None) -> BuiltinTrigger:
    """Make a trigger that runs the task if the number of failed upstream states is in bounds.

    Args:
        at_least: The smallest number; below 1 it is a share of all upstream states.
        at_most: The largest number; below 1 it is a share of all upstream states.
    """
    return _within_bounds("some_failed", "failed", at_least, at_most)


def some_successful(at_least: float | None = None, at_most: float | None = None) -> BuiltinTrigger:
    """Make a trigger that runs the task if the number of successful upstream states is in bounds.

    Args:
        at_least: The smallest number; below 1 it is a share of all upstream states.
        at_most: The largest number; below 1 it is a share of all upstream states.
    """
    return _within_bounds("some_successful", "successful", at_least, at_most)


def _within_bounds(
    kind: str, counted: str, at_least: float | None, at_most: float | None
) -> BuiltinTrigger:
    bounds: dict[str, Any] = {"at_least": at_least, "at_most": at_most}
    for name, bound in bounds.items():
        if bound is not None and (not isinstance(bound, int | float) or bound < 0):
            raise ValueError(f"{kind}: {name} must be a number of 0 or more, not {bound!r}.")

    def objection(t: Tally) -> signals.StateSignal | None:
        if not t.upstream:
            return None
        count = t.failed if counted == "failed" else t.successful
        lowest = 0 if at_least is None else at_least * t.total if at_least < 1 else at_least
        highest = t.total if at_most is None else at_most * t.total if at_most < 1 else at_most
        if lowest <= count <= highest:
            return None
        return _disagree(kind, f"{count} of {t.total} upstream tasks were {counted}")

    return BuiltinTrigger(
        f"{kind}(at_least={at_least!r}, at_most={at_most!r})",
        objection,
        f"Run if the number of {counted} upstream states is within the bounds given.",
    )


_NAMED = {
    trigger.name: trigger
    for trigger in (
        all_finished,
        all_successful,
        all_failed,
        any_successful,
        any_failed,
        not_all_skipped,
        manual_only,
    )
}


def named(name: str) -> BuiltinTrigger:
    """Return the built-in trigger of this name, as its `name` gives it.

    Raises:
        ValueError: If there is none.
    """
    if name in _NAMED:
        return _NAMED[name]
    kind, bracket, arguments = name.partition("(")
    if kind in ("some_failed", "some_successful") and bracket:
        bounds: dict[str, float | None] = {}
        for part in arguments.rstrip(")").split(", "):
            key, _, text = part.partition("=")
            if text == "None":
                bounds[key] = None
            else:
                bounds[key] = float(text) if "." in text or "e" in text else int(text)
        return _within_bounds(
            kind, kind.removeprefix("some_"), bounds.get("at_least"), bounds.get("at_most")
        )
    raise ValueError(f"There is no built-in trigger named {name!r}.")

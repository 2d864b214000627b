"""What is said of a flow run once it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.signals import Signal
from headrace.core.states import (
    Cached,
    Cancelled,
    Failed,
    Mapped,
    Paused,
    Pending,
    Retrying,
    Scheduled,
    Skipped,
    State,
    Success,
    TimedOut,
    TriggerFailed,
)

if TYPE_CHECKING:
    from headrace.core.task import Task

#: How many map indexes are named of children that failed in the same way.
_MOST_INDEXES = 5
#: How many of those that failed in different ways, or did not run, are named.
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FailedRuns:
    """Task runs of one task that failed in the same way."""

    #: The task's name, with the map indexes in brackets if it is mapped.
    name: str
    #: The first line of the error.
    error: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is to say of a flow run."""

    #: The flow's name.
    flow: str
    #: The state that the flow run ended in, or waits in; None if it was broken off.
    state: State | None
    #: How long it took, in seconds.
    seconds: float
    #: How many task runs are in each state, by the state's word.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Those that failed by themselves.
    failed: tuple[FailedRuns, ...] = ()
    #: The tasks that did not run because others had failed, with the numbers of their runs.
    not_run: Mapping[str, int] = field(default_factory=dict)
    #: The tasks that wait: for a person, or for a time.
    waiting: tuple[FailedRuns, ...] = ()

    @property
    def total(self) -> int:
        """How many task runs there are; the children of a mapped task count, and it does not."""
        return sum(self.counts.values())

    @property
    def verdict(self) -> str:
        """What became of the flow run, in one or two words."""
        state = self.state
        if state is None or isinstance(state, Cancelled):
            return "was cancelled"
        if state.is_failed():
            return "failed"
        if state.is_skipped():
            return "was skipped"
        if state.is_finished():
            return "succeeded"
        return "is not finished"

    @property
    def reason(self) -> str:
        """Why, where the verdict and the counts do not say it; else an empty string."""
        state = self.state
        if state is None or not state.message:
            return ""
        said_already = state.is_successful() or (state.is_failed() and self.failed)
        return "" if said_already else state.message


#: The word for each state, from what is good to what is bad; subclasses before their parents.
_WORDS: tuple[tuple[type[State], str], ...] = (
    (Cached, "cached"),
    (Skipped, "skipped"),
    (Success, "success"),
    (TimedOut, "timed out"),
    (TriggerFailed, "trigger failed"),
    (Failed, "failed"),
    (Cancelled, "cancelled"),
    (Retrying, "retrying"),
    (Paused, "paused"),
    (Scheduled, "scheduled"),
    (Pending, "not run"),
)
_ORDER = (
    "success",
    "cached",
    "skipped",
    "failed",
    "timed out",
    "trigger failed",
    "cancelled",
    "retrying",
    "paused",
    "scheduled",
    "not run",
)


def summarize(flow: str, state: State, seconds: float) -> Summary:
    """Sum up a flow run.

    Args:
        flow: The flow's name.
        state: Its state, with the states of its tasks as result.
        seconds: How long it took.
    """
    states: dict[Task[Any], State] = state.result if isinstance(state.result, dict) else {}
    counts: Counter[str] = Counter()
    failed: dict[tuple[Task[Any], str], list[int | None]] = {}
    waiting: dict[tuple[Task[Any], str], list[int | None]] = {}
    not_run: Counter[str] = Counter()
    for task, task_state in states.items():
        for index, run_state in _runs(task_state):
            counts[_word(run_state)] += 1
            if isinstance(run_state, TriggerFailed):
                not_run[task.name] += 1
            elif isinstance(run_state, Failed):
                failed.setdefault((task, error_line(run_state)), []).append(index)
            elif isinstance(run_state, Scheduled):
                waiting.setdefault((task, _waits_for(run_state)), []).append(index)
    return Summary(
        flow=flow,
        state=state,
        seconds=seconds,
        counts={word: counts[word] for word in _sorted(counts)},
        failed=tuple(_grouped(failed)),
        not_run=dict(not_run),
        waiting=tuple(_grouped(waiting)),
    )


def error_line(state: State) -> str:
    """Return the first line of what a failed state has to say."""
    error = state.result
    if isinstance(error, BaseException) and not isinstance(error, Signal):
        text = str(error)
        name = type(error).__name__
        return _first_line(f"{name}: {text}" if text else name)
    return _first_line(state.message or (str(error) if error is not None else "no message"))


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else text


def _runs(state: State) -> Iterator[tuple[int | None, State]]:
    """Yield the map index and the state of each task run of a task."""
    if isinstance(state, Mapped) and state.map_states:
        for index, child in enumerate(state.map_states):
            yield index, child if child is not None else Pending()
    else:
        yield None, state


def _word(state: State) -> str:
    for kind, word in _WORDS:
        if isinstance(state, kind):
            return word
    return type(state).__name__.lower()


def _sorted(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda word: _ORDER.index(word) if word in _ORDER else len(_ORDER))


def _waits_for(state: Scheduled) -> str:
    if state.start_time is not None:
        return f"{_word(state)}, next at {state.start_time.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"{_word(state)}, until it is resumed"


def _grouped(found: Mapping[tuple[Task[Any], str], list[int | None]]) -> Iterator[FailedRuns]:
    for (task, error), indexes in found.items():
        numbers = [str(index) for index in indexes if index is not None]
        if not numbers:
            name = task.name
        elif len(numbers) <= _MOST_INDEXES:
            name = f"{task.name}[{', '.join(numbers)}]"
        else:
            name = f"{task.name}[{', '.join(numbers[:_MOST_INDEXES])}, ...]"
            error = f"{error} ({len(numbers):,} of them)"
        yield FailedRuns(name, error)


def sentence_of_not_run(summary: Summary) -> str:
    """Say which tasks did not run, as others had failed."""
    count = sum(summary.not_run.values())
    names = list(summary.not_run)
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    reason = "because of that" if summary.failed else "as their triggers did not agree"
    return f"{count:,} did not run, {reason}: {', '.join(names[:MOST_SHOWN])}{more}"


def duration(seconds: float) -> str:
    """Say a duration for people: `43 ms`, `2.18 s`, `18.3 s`, `2 min 5 s`, `1 h 2 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

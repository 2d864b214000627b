"""States: what a flow run or a task run is, at one moment.

The classes form a tree; each question (`is_finished()`, `is_successful()`, ...) is answered by
a state's place in it.

```text
State
├── Pending
│   ├── Scheduled ── Paused, Resume, Retrying, Queued
│   └── Submitted, ClientFailed
├── Running
└── Finished
    ├── Success ── Cached, Mapped, Skipped
    ├── Failed ── TimedOut, TriggerFailed, ValidationFailed
    └── Cancelled, Looped
```

States are slotted: a mapped task makes one for each of its children, by the hundred thousand.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from headrace.core.now import now
from headrace.core.result import Result
from headrace.core.state import Place as Place
from headrace.core.state import State as State

if TYPE_CHECKING:
    from collections.abc import Sequence


# -- pending --------------------------------------------------------------------------------


class Pending(State):
    """The run has not started."""

    __slots__ = ()
    _is_pending = True
    color = "#7ebdff"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        cached_inputs: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)


class Scheduled(Pending):
    """The run starts at a time.

    Args:
        start_time: When it starts; a naive time counts as UTC. Now, if none is given.
    """

    __slots__ = ("start_time",)
    _is_scheduled = True
    color = "#ffab00"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        start_time: datetime.datetime | None = None,
        cached_inputs: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, cached_inputs, context)
        self.start_time: datetime.datetime | None = _aware(start_time or now())


class Paused(Scheduled):
    """The run waits for a person, or for its start time if it has one."""

    __slots__ = ()
    color = "#cfd8dc"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        start_time: datetime.datetime | None = None,
        cached_inputs: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, start_time, cached_inputs, context)
        if start_time is None:
            self.start_time = None


class Resume(Scheduled):
    """A paused run goes on; `context.resume` is True in it."""

    __slots__ = ()
    color = "#fb8532"


class Retrying(Scheduled):
    """The run failed and is tried again.

    Args:
        start_time: When the next try starts. Now, if none is given.
        run_count: How many times it has run; by default what `context.task_run_count` says.
    """

    __slots__ = ("run_count",)
    _is_retrying = True
    color = "#fb8532"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        start_time: datetime.datetime | None = None,
        cached_inputs: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        run_count: int | None = None,
    ) -> None:
        super().__init__(message, result, start_time, cached_inputs, context)
        if run_count is None:
            from headrace.core.context import context as run_context

            run_count = run_context.get("task_run_count") or 1
        self.run_count = run_count


class _MetaState(State):
    """A state that wraps another one, which comes back when the meta state ends."""

    __slots__ = ()
    _is_meta_state = True


class Queued(Scheduled, _MetaState):
    """The run waits for a place; it is looked at again at `start_time`.

    Args:
        state: The state that it was in.
    """

    __slots__ = ("state",)
    _is_queued = True
    color = "#ffab00"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        state: State | None = None,
        start_time: datetime.datetime | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, start_time, cached_inputs, context)
        self.state = state


class Submitted(Pending, _MetaState):
    """The run was handed to whatever will run it.

    Args:
        state: The state that it was in.
    """

    __slots__ = ("state",)
    _is_submitted = True
    color = "#ffab00"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        state: State | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, cached_inputs, context)
        self.state = state


class ClientFailed(Pending, _MetaState):
    """The run's state could not be written; what became of the run is not known.

    Args:
        state: The state that could not be written.
    """

    __slots__ = ("state",)
    color = "#eb0000"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        state: State | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, cached_inputs, context)
        self.state = state


# -- running --------------------------------------------------------------------------------


class Running(State):
    """The run is on."""

    __slots__ = ()
    _is_running = True
    color = "#3d67ff"


# -- finished -------------------------------------------------------------------------------


class Finished(State):
    """The run is over."""

    __slots__ = ()
    _is_finished = True
    color = "#28a745"


class Looped(Finished):
    """The task asked to be run again, with this state's result as `context.task_loop_result`.

    Args:
        loop_count: Which turn of the loop this was, from 1; by default what
            `context.task_loop_count` says.
    """

    __slots__ = ("loop_count",)
    _is_looped = True
    color = "#29b7ff"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        loop_count: int | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        if loop_count is None:
            from headrace.core.context import context as run_context

            loop_count = run_context.get("task_loop_count") or 1
        self.loop_count = loop_count


class Cancelled(Finished):
    """The run was stopped on purpose."""

    __slots__ = ()
    color = "#bdbdbd"


class Success(Finished):
    """The run ended well."""

    __slots__ = ()
    _is_successful = True
    color = "#28a745"


class Cached(Success):
    """The run ended well, with a result that later runs may use.

    Args:
        cached_parameters: The flow run's parameters.
        cached_result_expiration: Until when the result may be used; None for ever.
        hashed_inputs: A hash of each input, by parameter name.
    """

    __slots__ = ("cached_parameters", "cached_result_expiration", "hashed_inputs")
    _is_cached = True
    color = "#34d058"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        cached_inputs: dict[str, Any] | None = None,
        cached_parameters: dict[str, Any] | None = None,
        cached_result_expiration: datetime.datetime | None = None,
        context: dict[str, Any] | None = None,
        hashed_inputs: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        self.cached_parameters = cached_parameters
        self.cached_result_expiration = (
            None if cached_result_expiration is None else _aware(cached_result_expiration)
        )
        self.hashed_inputs = hashed_inputs


class Mapped(Success):
    """The parent of mapped children. Its result is the list of theirs.

    Args:
        map_states: The children's states, by map index.
        n_map_states: How many children there are; by default the length of `map_states`.
    """

    __slots__ = ("_width", "map_states")
    _is_mapped = True
    color = "#97FFD5"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        map_states: Sequence[State | None] | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
        n_map_states: int | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        self.map_states: list[State | None] = list(map_states or ())
        self._width = n_map_states

    @property
    def n_map_states(self) -> int:
        """How many children there are, known before they exist."""
        return len(self.map_states) if self._width is None else self._width

    @property
    def result(self) -> Any:
        """The children's results, by map index; what was set, if there are no children here."""
        if self.map_states:
            return [None if child is None else child.result for child in self.map_states]
        return [] if self._value is None else self._value

    @result.setter
    def result(self, value: Any) -> None:
        # Not kept beside the children: a list of a hundred thousand would stand here twice.
        self._value = None if getattr(self, "map_states", None) else value
        self._stored = None

    def _data(self) -> tuple[Any, ...]:
        return (self.map_states, self.n_map_states, self.result)

    def load_result(self, result: Result | None = None) -> State:
        """Read each child's value from where it is stored, if it is not here yet."""
        for child in self.map_states:
            if child is not None:
                child.load_result(result)
        return self


class Skipped(Success):
    """The run did not take place, and that is fine."""

    __slots__ = ()
    _is_skipped = True
    color = "#62757f"


class Failed(Finished):
    """The run ended badly; the result is the exception."""

    __slots__ = ()
    _is_failed = True
    color = "#eb0000"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        cached_inputs: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)


class TimedOut(Failed):
    """The run took longer than the task's timeout."""

    __slots__ = ()
    color = "#CF0000"


class TriggerFailed(Failed):
    """The task's trigger did not agree with its upstream states; its function was not called."""

    __slots__ = ()
    color = "#F14343"


class ValidationFailed(Failed):
    """The task's result was found to be wrong."""

    __slots__ = ()
    color = "#F14343"


def known_name(kind: type[State]) -> str:
    """Return the name by which a type of state is known to all.

    For a class of a user's own, which only the user's code knows, that is the name of the nearest
    class of this module that it is made from.
    """
    name = _known_names.get(kind)
    if name is None:
        own = (__name__, State.__module__)
        name = next(each for each in kind.__mro__ if each.__module__ in own).__name__
        _known_names[kind] = name
    return name


_known_names: dict[type[State], str] = {}


def succeeded(value: Any, place: Place, timestamp: float) -> Success:
    """Make the state of a task that returned `value`, without the cost of a constructor."""
    state = _new(Success)
    state.message = "Task run succeeded."
    state._value = value
    state._stored = None
    state._context = None
    state._cached_inputs = None
    state.place = place
    state.timestamp = timestamp
    return state


_new = object.__new__


def _aware(moment: datetime.datetime) -> datetime.datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)

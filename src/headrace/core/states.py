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
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.core.now import now
from headrace.core.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Place(NamedTuple):
    """Where a task run executed.

    Attributes:
        host: The host's name.
        pid: The process id on that host.
    """

    host: str
    pid: int


class State:
    """The state of a flow run or a task run.

    Args:
        message: What happened, for people.
        result: The value, or a `Result` that carries the value and the place where it is stored.
            Of a failed task this is the exception; of a flow run, a dict from task to state.
        context: Facts about the run that led here; JSON-able.
        cached_inputs: Inputs that the run used, by parameter name.

    Attributes:
        place: The host and process where the task ran; None if it did not run.
        timestamp: When the state was entered, in seconds since the epoch; None if not recorded.
    """

    __slots__ = (
        "_cached_inputs",
        "_context",
        "_stored",
        "_value",
        "message",
        "place",
        "timestamp",
    )

    color = "#696969"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        self.message = message
        self.result = result
        self._context = context
        self._cached_inputs = cached_inputs
        self.place: Place | None = None
        self.timestamp: float | None = None

    @property
    def result(self) -> Any:
        """The value; of a failed task its exception, of a flow run a dict from task to state."""
        return self._value

    @result.setter
    def result(self, value: Any) -> None:
        if isinstance(value, Result):
            self._value = value.value
            self._stored: Result | None = value
        else:
            self._value = value
            self._stored = None

    @property
    def stored(self) -> Result | None:
        """The `Result` that says where the value is stored; None if it is only in memory."""
        return self._stored

    @property
    def _result(self) -> Result:
        # The name by which existing flows and state handlers reach `location`.
        return self._stored if self._stored is not None else Result(value=self.result)

    @property
    def context(self) -> dict[str, Any]:
        """Facts about the run that led to this state; made on first use."""
        if self._context is None:
            self._context = {}
        return self._context

    @context.setter
    def context(self, value: dict[str, Any] | None) -> None:
        self._context = value

    @property
    def cached_inputs(self) -> dict[str, Any]:
        """Inputs that the run used, by parameter name; made on first use."""
        if self._cached_inputs is None:
            self._cached_inputs = {}
        return self._cached_inputs

    @cached_inputs.setter
    def cached_inputs(self, value: dict[str, Any] | None) -> None:
        self._cached_inputs = value

    def __repr__(self) -> str:
        if self.message is None:
            return f"<{type(self).__name__}>"
        return f'<{type(self).__name__}: "{self.message}">'

    def __eq__(self, other: object) -> bool:
        """Equal when the type and the data are; message, context and place do not count."""
        if type(self) is not type(other):
            return NotImplemented
        return bool(self._data() == other._data())

    # Sets of states (of a trigger, of reference tasks) tell states apart by identity.
    __hash__ = object.__hash__

    def _data(self) -> tuple[Any, ...]:
        """What two states must share to be equal."""
        return (self.result, *(getattr(self, name) for name in self._own_fields()))

    @classmethod
    def _own_fields(cls) -> list[str]:
        """The fields that the subclasses of `State` add."""
        return [
            name
            for klass in cls.__mro__
            if klass is not State and issubclass(klass, State)
            for name in klass.__dict__.get("__slots__", ())
            if not name.startswith("_")
        ]

    # -- questions ------------------------------------------------------------------------

    def is_pending(self) -> bool:
        """Tell whether the run has not started; includes scheduled, paused and retrying."""
        return isinstance(self, Pending)

    def is_scheduled(self) -> bool:
        """Tell whether the run waits for a time; includes paused, retrying and queued."""
        return isinstance(self, Scheduled)

    def is_queued(self) -> bool:
        """Tell whether the run waits for a place."""
        return isinstance(self, Queued)

    def is_submitted(self) -> bool:
        """Tell whether the run was handed to whatever will run it."""
        return isinstance(self, Submitted)

    def is_retrying(self) -> bool:
        """Tell whether the run waits to be tried again."""
        return isinstance(self, Retrying)

    def is_running(self) -> bool:
        """Tell whether the run is on."""
        return isinstance(self, Running)

    def is_finished(self) -> bool:
        """Tell whether the run is over, well or badly."""
        return isinstance(self, Finished)

    def is_successful(self) -> bool:
        """Tell whether the run ended well; includes cached, mapped and skipped."""
        return isinstance(self, Success)

    def is_failed(self) -> bool:
        """Tell whether the run ended badly; includes trigger-failed and timed-out."""
        return isinstance(self, Failed)

    def is_skipped(self) -> bool:
        """Tell whether the run was skipped."""
        return isinstance(self, Skipped)

    def is_cached(self) -> bool:
        """Tell whether the result came from, or goes to, a cache."""
        return isinstance(self, Cached)

    def is_mapped(self) -> bool:
        """Tell whether this is the parent of mapped children."""
        return isinstance(self, Mapped)

    def is_looped(self) -> bool:
        """Tell whether the task asked to be run again in a loop."""
        return isinstance(self, Looped)

    def is_meta_state(self) -> bool:
        """Tell whether this state wraps another one."""
        return isinstance(self, _MetaState)

    # -- the tree -------------------------------------------------------------------------

    @classmethod
    def children(
        cls, include_self: bool = False, names_only: bool = False
    ) -> list[type[State]] | list[str]:
        """Return the states below this one in the tree.

        Args:
            include_self: Whether this class is listed too.
            names_only: Whether names are returned instead of classes.
        """
        found: list[type[State]] = []
        stack = list(cls.__subclasses__())
        while stack:
            klass = stack.pop(0)
            if not klass.__name__.startswith("_"):
                found.append(klass)
            stack.extend(klass.__subclasses__())
        if include_self:
            found.append(cls)
        return [klass.__name__ for klass in found] if names_only else found

    @classmethod
    def parents(
        cls, include_self: bool = False, names_only: bool = False
    ) -> list[type[State]] | list[str]:
        """Return the states above this one in the tree, nearest first.

        Args:
            include_self: Whether this class is listed too.
            names_only: Whether names are returned instead of classes.
        """
        found: list[type[State]] = [
            klass
            for klass in cls.__mro__[1:]
            if issubclass(klass, State) and not klass.__name__.startswith("_")
        ]
        if include_self:
            found.append(cls)
        return [klass.__name__ for klass in found] if names_only else found

    # -- stored values --------------------------------------------------------------------

    def load_result(self, result: Result | None = None) -> State:
        """Read the value from where it is stored, if it is not here yet.

        Args:
            result: What to read with; by default the `Result` that the state carries.
        """
        stored = self._stored
        if stored is not None and stored.value is None and stored.location is not None:
            self.result = (result or stored).read(stored.location)
        return self

    def load_cached_results(self, results: Mapping[str, Result] | None = None) -> State:
        """Read the cached inputs that are stored and not here yet.

        Args:
            results: What to read each input with, by its name; by default its own `Result`.
        """
        readers = results or {}
        for key, kept in list(self.cached_inputs.items()):
            if isinstance(kept, Result) and kept.value is None and kept.location is not None:
                self.cached_inputs[key] = readers.get(key, kept).read(kept.location)
        return self

    def serialize(self) -> dict[str, Any]:
        """Return the state as a JSON-able dict: no value, only where it is stored."""
        from headrace.core.state_codec import serialize

        return serialize(self)

    @staticmethod
    def deserialize(json_blob: Mapping[str, Any]) -> State:
        """Make a state from what `serialize` returned.

        Raises:
            ValueError: If the dict names no known type of state.
        """
        from headrace.core.state_codec import deserialize

        return deserialize(json_blob)


# -- pending --------------------------------------------------------------------------------


class Pending(State):
    """The run has not started."""

    __slots__ = ()
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


class Queued(Scheduled, _MetaState):
    """The run waits for a place; it is looked at again at `start_time`.

    Args:
        state: The state that it was in.
    """

    __slots__ = ("state",)
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
    color = "#3d67ff"


# -- finished -------------------------------------------------------------------------------


class Finished(State):
    """The run is over."""

    __slots__ = ()
    color = "#28a745"


class Looped(Finished):
    """The task asked to be run again, with this state's result as `context.task_loop_result`.

    Args:
        loop_count: Which turn of the loop this was, from 1; by default what
            `context.task_loop_count` says.
    """

    __slots__ = ("loop_count",)
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
    color = "#28a745"


class Cached(Success):
    """The run ended well, with a result that later runs may use.

    Args:
        cached_parameters: The flow run's parameters.
        cached_result_expiration: Until when the result may be used; None for ever.
        hashed_inputs: A hash of each input, by parameter name.
    """

    __slots__ = ("cached_parameters", "cached_result_expiration", "hashed_inputs")
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
    color = "#62757f"


class Failed(Finished):
    """The run ended badly; the result is the exception."""

    __slots__ = ()
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

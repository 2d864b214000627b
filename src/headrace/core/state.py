"""The base of all states, and where a task ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from headrace.core.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    # What a state is, by class: each class below sets what it adds to its parent.
    _is_pending: ClassVar[bool] = False
    _is_scheduled: ClassVar[bool] = False
    _is_queued: ClassVar[bool] = False
    _is_submitted: ClassVar[bool] = False
    _is_retrying: ClassVar[bool] = False
    _is_running: ClassVar[bool] = False
    _is_finished: ClassVar[bool] = False
    _is_successful: ClassVar[bool] = False
    _is_failed: ClassVar[bool] = False
    _is_skipped: ClassVar[bool] = False
    _is_cached: ClassVar[bool] = False
    _is_mapped: ClassVar[bool] = False
    _is_looped: ClassVar[bool] = False
    _is_meta_state: ClassVar[bool] = False

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
        return self._is_pending

    def is_scheduled(self) -> bool:
        """Tell whether the run waits for a time; includes paused, retrying and queued."""
        return self._is_scheduled

    def is_queued(self) -> bool:
        """Tell whether the run waits for a place."""
        return self._is_queued

    def is_submitted(self) -> bool:
        """Tell whether the run was handed to whatever will run it."""
        return self._is_submitted

    def is_retrying(self) -> bool:
        """Tell whether the run waits to be tried again."""
        return self._is_retrying

    def is_running(self) -> bool:
        """Tell whether the run is on."""
        return self._is_running

    def is_finished(self) -> bool:
        """Tell whether the run is over, well or badly."""
        return self._is_finished

    def is_successful(self) -> bool:
        """Tell whether the run ended well; includes cached, mapped and skipped."""
        return self._is_successful

    def is_failed(self) -> bool:
        """Tell whether the run ended badly; includes trigger-failed and timed-out."""
        return self._is_failed

    def is_skipped(self) -> bool:
        """Tell whether the run was skipped."""
        return self._is_skipped

    def is_cached(self) -> bool:
        """Tell whether the result came from, or goes to, a cache."""
        return self._is_cached

    def is_mapped(self) -> bool:
        """Tell whether this is the parent of mapped children."""
        return self._is_mapped

    def is_looped(self) -> bool:
        """Tell whether the task asked to be run again in a loop."""
        return self._is_looped

    def is_meta_state(self) -> bool:
        """Tell whether this state wraps another one."""
        return self._is_meta_state

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
            # A state with two parents is met twice.
            if not klass.__name__.startswith("_") and klass not in found:
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

    @staticmethod
    def place_of(host: str, pid: int) -> Place:
        """Make the `Place` of a host and a process."""
        return Place(host, pid)

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

        return deserialize(State, json_blob)

"""Signals: raised in a task, or in a trigger, they become its state.

They derive from `BaseException`, so that a task's own `except Exception` does not swallow them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from headrace.core import states


class Signal(BaseException):
    """The root of all signals."""

    def __init__(self, message: str | None = "") -> None:
        super().__init__(message)


class TaskTimeoutSignal(Signal):
    """Raised in a task that has run longer than its timeout."""


class EndRun(Signal):
    """Ends a runner's steps at once, with the state given.

    Args:
        state: The state in which the run ends.
    """

    def __init__(self, state: states.State) -> None:
        super().__init__()
        self.state = state


class StateSignal(Signal):
    """A signal that becomes a state.

    Args:
        message: The state's message.
        *args: More positional arguments of the state's class.
        **kwargs: Keyword arguments of the state's class; `result` is the signal itself by default.

    Attributes:
        state: The state that it becomes.
    """

    _state_cls: ClassVar[type[states.State]] = states.State

    def __init__(self, message: str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(message)
        if not args:
            kwargs.setdefault("result", self)
        self.state = self._state_cls(message, *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        # The state's result is, as a rule, the signal: pickle must not go round in circles.
        state = self.state
        own = state.result is self
        fields = {name: getattr(state, name) for name in state._own_fields()}
        return _rebuild, (type(self), state.message, None if own else state.result, own, fields)


def _rebuild(
    cls: type[StateSignal], message: str | None, result: Any, own: bool, fields: dict[str, Any]
) -> StateSignal:
    signal = cls(message) if own else cls(message, result=result)
    for name, value in fields.items():
        setattr(signal.state, name, value)
    return signal


class FAIL(StateSignal):
    """The task failed. Retries apply."""

    _state_cls = states.Failed


class TRIGGERFAIL(FAIL):
    """The task's trigger does not agree with its upstream states."""

    _state_cls = states.TriggerFailed


class VALIDATIONFAIL(FAIL):
    """The task's result was found to be wrong."""

    _state_cls = states.ValidationFailed


class SUCCESS(StateSignal):
    """The task is done, with `result` as its value."""

    _state_cls = states.Success


class SKIP(StateSignal):
    """The task is skipped, and so is what follows it unless it says otherwise."""

    _state_cls = states.Skipped


class RETRY(StateSignal):
    """The task is to be run again, whatever its `max_retries`: now, or at `start_time`."""

    _state_cls = states.Retrying


class PAUSE(StateSignal):
    """The task waits for a person, or until `start_time` if one is given."""

    _state_cls = states.Paused


class LOOP(StateSignal):
    """The task is run again at once, with `result` as `context.task_loop_result`."""

    _state_cls = states.Looped

    def __init__(self, message: str | None = None, *args: Any, **kwargs: Any) -> None:
        if not args:
            kwargs.setdefault("result", None)
        super().__init__(message, *args, **kwargs)


def signal_from_state(state: states.State) -> type[StateSignal]:
    """Return the signal's class that becomes a state of this type.

    Raises:
        ValueError: If no signal becomes such a state.
    """
    waiting: list[type[StateSignal]] = [StateSignal]
    while waiting:
        cls = waiting.pop()
        if cls._state_cls is type(state) and cls is not StateSignal:
            return cls
        waiting.extend(cls.__subclasses__())
    raise ValueError(f"No signal becomes a state of type {type(state).__name__}.")

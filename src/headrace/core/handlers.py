"""State handlers made from plain callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.errors import TaskTypeError
from headrace.core.state import State

if TYPE_CHECKING:
    from collections.abc import Callable


class CallbackHandler:
    """A state handler that calls a function whenever a new state passes a check.

    Args:
        fn: Called with the task or flow and its new state; what it returns is ignored.
        check: Called with the new state; `fn` is called if the answer is true.
    """

    __slots__ = ("check", "fn")

    def __init__(self, fn: Callable[[Any, State], Any], check: Callable[[State], bool]) -> None:
        self.fn = fn
        self.check = check

    def __call__(self, obj: Any, old_state: State, new_state: State) -> State:
        """Handle one change of state, which it leaves as it is."""
        if self.check(new_state):
            self.fn(obj, new_state)
        return new_state


def callback_factory(
    fn: Callable[[Any, State], Any], check: Callable[[State], bool]
) -> CallbackHandler:
    """Make a state handler that calls `fn(obj, state)` for each new state that passes `check`.

    Args:
        fn: Called with the task or flow and its new state; what it returns is ignored.
        check: Called with the new state; `fn` is called if the answer is true.

    Returns:
        A handler for the `state_handlers` of a task or a flow.

    Raises:
        TaskTypeError: If one of the two cannot be called.
    """
    for argument, function in (("fn", fn), ("check", check)):
        if not callable(function):
            raise TaskTypeError(
                f"The {argument} of callback_factory is {function!r:.60}, which cannot be called; "
                "give a function."
            )
    return CallbackHandler(fn, check)


def heed(handler: Any, returned: Any, state: State) -> State:
    """Return what a handler's answer means: the state that it returned, or the one that it was shown.

    Raises:
        TaskTypeError: If it returned something else.
    """
    if not returned:
        return state
    if not isinstance(returned, State):
        name = getattr(handler, "__name__", repr(handler))
        raise TaskTypeError(
            f"The state handler {name!r} returned {returned!r:.60}; a handler returns a state, or "
            "nothing."
        )
    return returned


def _is_failed(state: State) -> bool:
    return state.is_failed()


def on_failure_handler(fn: Callable[[Any, State], Any]) -> CallbackHandler:
    """Make the state handler behind `on_failure=fn`."""
    return CallbackHandler(fn, _is_failed)

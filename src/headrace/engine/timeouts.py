"""Running a function for a limited time.

Where the call stands in the main thread of a Unix process, an interval timer interrupts it, even in
the middle of `time.sleep` or of a loop that never ends. Elsewhere (a worker's thread) the function
runs in a thread of its own: when the time is up the caller goes on at once, and the thread gets the
timeout as an exception at its next line of Python. A C call that holds on to its thread cannot be
ended that way; it runs out by itself, and what it returns is dropped.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from headrace.core.signals import TaskTimeoutSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SOON = 1e-6  #: seconds; 0 would stop the timer
_HAS_TIMER = hasattr(signal, "setitimer")


def call_with_timeout(fn: Callable[..., Any], kwargs: Mapping[str, Any], seconds: float) -> Any:
    """Return `fn(**kwargs)`.

    Args:
        fn: The function.
        kwargs: Its arguments.
        seconds: How long it may take.

    Raises:
        TaskTimeoutSignal: If it takes longer.
    """
    if _HAS_TIMER and threading.current_thread() is threading.main_thread():
        return _interrupted_by_timer(fn, kwargs, seconds)
    return _left_in_a_thread(fn, kwargs, seconds)


def _interrupted_by_timer(fn: Callable[..., Any], kwargs: Mapping[str, Any], seconds: float) -> Any:
    def time_is_up(signum: int, frame: Any) -> NoReturn:
        raise _timeout(seconds)

    before = signal.signal(signal.SIGALRM, time_is_up)
    begun = monotonic()
    around = 0.0
    try:
        around, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            return fn(**kwargs)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
        if around:
            # A task that runs a flow has a limit of its own, which goes on.
            left = around - (monotonic() - begun)
            signal.setitimer(signal.ITIMER_REAL, max(left, SOON))


def _left_in_a_thread(fn: Callable[..., Any], kwargs: Mapping[str, Any], seconds: float) -> Any:
    outcome: list[Any] = []
    error: list[BaseException] = []
    context = copy_context()

    def call() -> None:
        try:
            outcome.append(context.run(fn, **kwargs))
        except BaseException as exc:  # noqa: BLE001 - raised again in the caller's thread
            error.append(exc)

    thread = threading.Thread(target=call, name="headrace-timeout", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive() and not outcome and not error:
        raise_in_thread(thread.ident, TaskTimeoutSignal)
        raise _timeout(seconds)
    if error:
        raise error[0]
    return outcome[0]


def raise_in_thread(ident: int | None, error: type[BaseException]) -> None:
    """Raise `error` in another thread, at its next line of Python."""
    if ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(error))


def _timeout(seconds: float) -> TaskTimeoutSignal:
    return TaskTimeoutSignal(f"Execution timed out after {seconds:g} s.")

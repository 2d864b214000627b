"""Interrupting a run from outside: Ctrl-C and SIGTERM end it in the same, orderly way."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGTERM raise `KeyboardInterrupt` in the block, as SIGINT does.

    Only the main thread of a process can say what a signal does; elsewhere nothing changes. A
    handler that a user has set for SIGTERM stays.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def told(tell: Callable[[str], Any]) -> Iterator[None]:
    """Hand interrupts to a function in this block, instead of raising them wherever it stands.

    An exception that may come between any two steps leaves what is handed over in doubt. So where
    the main thread only waits and keeps books, it is told, and heeds it when its books are right.
    Whoever interrupts a second time before that has lost patience: then it is raised after all.

    Args:
        tell: Given the reason. It is called in the middle of whatever goes on, so it must be one
            that bears it, as `SimpleQueue.put` does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    is_told = False

    def handle(number: int, frame: Any) -> None:
        nonlocal is_told
        handler = before[signal.Signals(number)]
        assert callable(handler)
        try:
            handler(number, frame)
        except KeyboardInterrupt as interrupt:
            if is_told:
                raise
            is_told = True
            tell(str(interrupt))

    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


def _interrupt(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt("The process was asked to end (SIGTERM).")

"""Interrupting a run from outside: Ctrl-C and SIGTERM end it in the same, orderly way."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def _interrupt(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt("The process was asked to end (SIGTERM).")

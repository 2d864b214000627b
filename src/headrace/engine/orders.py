"""What a tracked run was told to do, and whether it may start another task now."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn, Self

from headrace.config.logging import get_logger
from headrace.engine.tenancy import Tenancy

if TYPE_CHECKING:
    from headrace.engine.channel import Orders as Message

#: How long before its lease ends a process holds still that must not outlive it: what it has
#: handed to workers begins a little later.
MARGIN_SECONDS = 1.0
LOOK_SECONDS = 0.1  #: how often a run that holds still looks whether it may go on


class Orders:
    """Keeps what the supervisor has said. Written by one thread, read by another.

    Args:
        holds: Whether the run starts nothing once its lease has passed, nor before it was told of
            one.

    Attributes:
        cancel: Why the run is cancelled; None if it is not.
        pause: Why it is paused; None if it is not.
        superseded: Why it is another process's; None if it is not.
        terminated: Whether the process was asked to end, and the run was not cancelled.
    """

    def __init__(self, holds: bool = False) -> None:
        self.cancel: str | None = None
        self.pause: str | None = None
        self.superseded: str | None = None
        self.terminated = False
        self._holds = holds
        self._tenancy = Tenancy(holds)
        self._is_held = False
        self._lock = threading.Lock()
        self._interrupts = False

    def obey(self, message: Message) -> None:
        """Take note of an order, and interrupt the run if it says so."""
        if message.lease_until is not None:
            self._tenancy.granted(message.lease_until, 0.0)
        if message.pause is not None and self.pause is None:
            self.pause = message.pause
        ends = False
        if message.superseded is not None and self.superseded is None:
            self.superseded = message.superseded
            self._tenancy.end(message.superseded)
            ends = True
        if message.cancel is not None and self.cancel is None:
            self.cancel = message.cancel
            ends = True
        if ends:
            self._interrupt()

    @property
    def is_ending(self) -> bool:
        """Whether the run ends before its tasks are done."""
        return self.cancel is not None or self.superseded is not None or self.terminated

    @property
    def stops(self) -> bool:
        """Whether nothing new starts, for good."""
        return self.pause is not None or self.superseded is not None

    def may_start(self) -> bool:
        """Tell whether a task may start now; a log line says why not, and when it may again."""
        if self.pause is not None or self.superseded is not None:
            return False
        if not self._holds:
            return True
        may = self._tenancy.may_start(time.monotonic() + MARGIN_SECONDS)
        if may == self._is_held:
            self._is_held = not may
            logger = get_logger("CloudFlowRunner")
            if may:
                logger.info("The lease was renewed: the run goes on.")
            else:
                logger.warning(
                    "The lease has passed, and nobody could renew it: no task is started until the "
                    "server is heard of again (on_disconnect='hold')."
                )
        return may

    def wait_to_start(self) -> bool:
        """Wait until a task may start; tell whether one ever may."""
        while not self.may_start():
            if self.stops:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    # -- interrupts -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Have orders to end, and SIGTERM, raise `KeyboardInterrupt` in the main thread."""
        if threading.current_thread() is threading.main_thread():
            with self._lock:
                self._interrupts = True
            self._before = signal.signal(signal.SIGTERM, self._raise)
            if self.is_ending:
                self._interrupt()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            interrupts, self._interrupts = self._interrupts, False
        if interrupts:
            # Who was told to end does so, and says how: to be asked again must not stop that.
            signal.signal(signal.SIGTERM, signal.SIG_IGN if self.is_ending else self._before)

    def _interrupt(self) -> None:
        with self._lock:
            if self._interrupts:
                main = threading.main_thread().ident
                assert main is not None
                signal.pthread_kill(main, signal.SIGTERM)

    def _raise(self, number: int, frame: Any) -> NoReturn:
        if self.superseded is not None:
            raise KeyboardInterrupt(f"This process has lost the run: {self.superseded}.")
        if self.cancel is not None:
            raise KeyboardInterrupt(self.cancel)
        self.terminated = True
        raise KeyboardInterrupt("The process was asked to end (SIGTERM).")

"""The live display of a terminal: a bar, counts, and above them whatever the run has to say."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console

from headrace.cli.display.base import Display, undisturbed
from headrace.cli.display.capture import Capture
from headrace.cli.display.log_lines import TerminalHandler
from headrace.cli.display.screen import Screen
from headrace.cli.display.view import View
from headrace.cli.display.view import summary as rendered
from headrace.config import config
from headrace.config.logging import get_logger
from headrace.engine.progress import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.cli.summary import Summary
    from headrace.engine.progress import Progress

_SECONDS_BETWEEN_DRAWINGS = 0.1
#: So many times as long as a drawing has taken the thread rests: a large flow pays no more for it.
_REST = 50
_MOST_SECONDS_BETWEEN_DRAWINGS = 1.0
#: A run that is over before this has shown no region: nothing flickers.
_SECONDS_BEFORE_FIRST = 0.2


class LiveDisplay(Display):
    """Shows a run on a terminal.

    One thread owns the terminal. It reads what anybody writes and prints it, and draws the region
    below it; the threads that run tasks know nothing of it.
    """

    def __init__(self, flow: str) -> None:
        super().__init__(flow)
        self._console = Console(highlight=False, markup=False, emoji=False)
        # People who set NO_COLOR want the bar all the same.
        self._colors = None if self._console.no_color else self._console.color_system
        self._view = View(flow, self._colors)
        # The first drawing takes longest, as it loads what drawing needs: not while tasks run.
        self._view.region(80, Counts(), 0.0)
        self._capture: Capture | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._handlers: list[tuple[logging.Logger, logging.Handler]] = []

    def __enter__(self) -> Self:
        self._show_log_lines()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        for logger, handler in self._handlers:
            logger.removeHandler(handler)

    def begin(self, progress: Progress) -> None:
        """Take notice of a run that begins."""
        super().begin(progress)
        with undisturbed():
            self._over.clear()
            capture = self._capture = Capture()
            self._thread = threading.Thread(
                target=self._own, args=(capture,), name="headrace-display", daemon=True
            )
            self._thread.start()

    def show(self, summary: Summary) -> None:
        """Print the summary of a run."""
        self._stop()
        self._console.print(rendered(summary))

    def _show_log_lines(self) -> None:
        """Have log lines formatted for a person, unless somebody has said how they look."""
        if any(
            name in ("logging.format", "logging.datefmt") and source != "default"
            for name, _, source in config.describe()
        ):
            return
        handler = TerminalHandler(colors=self._colors is not None)
        # A logger that has a handler when it is first asked for is given no other.
        for name in ("headrace", *config.logging.extra_loggers):
            logger = logging.getLogger(name)
            if not logger.handlers:
                logger.addHandler(handler)
                self._handlers.append((logger, handler))
        get_logger()

    def _stop(self) -> None:
        thread, capture = self._thread, self._capture
        if thread is None or capture is None:
            return
        with undisturbed():
            self._thread = self._capture = None
            # What is still in the buffers goes the same way as all before it.
            capture.release()
            self._over.set()
            capture.wake()
            thread.join()
            capture.close()

    # -- in the thread ------------------------------------------------------------------------

    def _own(self, capture: Capture) -> None:
        screen = Screen(capture.write, capture.size)
        try:
            self._watch(capture, screen)
        except OSError:
            # The terminal is gone: nobody looks on any more, but the run goes on.
            self._pass_on(capture, lambda data: None)
        except Exception as error:  # noqa: BLE001 - a display that breaks must not break the run
            capture.write(f"\nThe display has stopped: {error!r}\n".encode())
            self._pass_on(capture, capture.write)

    def _watch(self, capture: Capture, screen: Screen) -> None:
        due = time.monotonic() + _SECONDS_BEFORE_FIRST
        while not self._over.is_set():
            data = capture.read(due - time.monotonic())
            if data:
                screen.print(data)
            if time.monotonic() >= due:
                begun = time.thread_time()
                self._draw(screen)
                rest = _REST * (time.thread_time() - begun)
                due = time.monotonic() + min(
                    max(_SECONDS_BETWEEN_DRAWINGS, rest), _MOST_SECONDS_BETWEEN_DRAWINGS
                )
        screen.show(())
        while data := capture.read(0):
            screen.print(data)

    def _draw(self, screen: Screen) -> None:
        progress = self.progress
        if progress is None:
            return
        counts = progress.count()
        screen.show(
            self._view.region(
                screen.width,
                counts,
                self.elapsed,
                progress.open_maps,
                progress.count_running(),
                progress.is_cancelled,
            )
        )

    def _pass_on(self, capture: Capture, write: Callable[[bytes], None]) -> None:
        """Keep those who write from waiting for a reader, until the run is over."""
        while True:
            over = self._over.is_set()
            data = capture.read(0 if over else 1.0)
            if data:
                write(data)
            elif over:
                return

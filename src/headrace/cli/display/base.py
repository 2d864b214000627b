"""What every display of a flow run does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from headrace.cli.summary import Summary, summarize
from headrace.engine.interrupts import told

if TYPE_CHECKING:
    from headrace.core.states import State
    from headrace.engine.progress import Progress


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let an interrupt wait until the block is done: half a display cannot be put away.

    Raises:
        KeyboardInterrupt: At its end, if there was one.
    """
    reasons: list[str] = []
    with told(reasons.append):
        yield
    if reasons:
        raise KeyboardInterrupt(*filter(None, reasons))


class Display:
    """Shows the runs of one flow, one after another. Used in a `with` block.

    Args:
        flow: The flow's name.
    """

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self.progress: Progress | None = None
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put back whatever the display has changed."""

    def begin(self, progress: Progress) -> None:
        """Take notice of a run that begins."""
        self.progress = progress
        self._begun = time.monotonic()

    def end(self, state: State | None) -> None:
        """Show what became of the run.

        Args:
            state: The state it ended in, or waits in; None if it was broken off.
        """
        self.show(self._summary(state))
        self.progress = None

    def show(self, summary: Summary) -> None:
        """Print the summary of a run."""

    @property
    def elapsed(self) -> float:
        """How long the run has been on, in seconds."""
        return time.monotonic() - self._begun

    def _summary(self, state: State | None) -> Summary:
        if state is not None:
            return summarize(self.flow, state, self.elapsed)
        # It was broken off before there were any states; what was counted is all there is.
        counts = {}
        if self.progress is not None:
            counted = self.progress.count()
            counts = {
                "success": counted.successful,
                "skipped": counted.skipped,
                "failed": counted.failed,
                "not run": counted.total - counted.successful - counted.skipped - counted.failed,
            }
        counts = {word: count for word, count in counts.items() if count}
        return Summary(self.flow, None, self.elapsed, counts)

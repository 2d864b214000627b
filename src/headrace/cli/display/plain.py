"""Plain lines: for pipes, files, and people who want no display."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

import click

from headrace.cli.display.base import Display, undisturbed
from headrace.cli.summary import MOST_SHOWN, FailedRuns, Summary, duration, sentence_of_not_run
from headrace.config.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.engine.progress import Progress

#: How long a run goes on before a line says how far it is, and then again.
_SECONDS_BETWEEN_LINES = 30.0


class PlainDisplay(Display):
    """Says how far a long run is in a log line now and then, and sums it up at its end."""

    def __init__(self, flow: str, seconds_between_lines: float = _SECONDS_BETWEEN_LINES) -> None:
        super().__init__(flow)
        self._seconds = seconds_between_lines
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, progress: Progress) -> None:
        """Take notice of a run that begins."""
        super().begin(progress)
        with undisturbed():
            self._over.clear()
            self._thread = threading.Thread(
                target=self._tell, name="headrace-progress", daemon=True
            )
            self._thread.start()

    def show(self, summary: Summary) -> None:
        """Print the summary of a run."""
        self._stop()
        for line in lines_of(summary):
            click.echo(line)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        with undisturbed():
            self._over.set()
            if self._thread is not None:
                self._thread.join()
                self._thread = None

    def _tell(self) -> None:
        logger = get_logger("progress")
        said = -1
        while not self._over.wait(self._seconds):
            progress = self.progress
            if progress is None:
                return
            counts = progress.count()
            if counts.done == said:
                continue  # nothing new to say
            said = counts.done
            logger.info(
                "%s: %s of %s task runs done after %s%s",
                self.flow,
                f"{counts.done:,}",
                f"{counts.total:,}",
                duration(self.elapsed),
                f", {counts.failed:,} failed" if counts.failed else "",
            )


class QuietDisplay(Display):
    """Says nothing of a run that succeeds."""

    def show(self, summary: Summary) -> None:
        """Print the summary of a run that did not succeed."""
        if summary.state is None or not summary.state.is_successful():
            for line in lines_of(summary):
                click.echo(line)


def lines_of(summary: Summary) -> Iterator[str]:
    """Yield the lines that sum up a run."""
    reason = f": {summary.reason}" if summary.reason else ""
    yield (
        f"Flow run of {summary.flow!r} {summary.verdict} after {duration(summary.seconds)}{reason}"
    )
    if summary.counts:
        counts = ", ".join(f"{count:,} {word}" for word, count in summary.counts.items())
        yield f"  {summary.total:,} task run{'s' * (summary.total != 1)}: {counts}"
    yield from _block("Failed:", summary.failed)
    if summary.not_run:
        yield f"  {sentence_of_not_run(summary)}"
    yield from _block("Waiting:", summary.waiting)


def _block(title: str, runs: Sequence[FailedRuns]) -> Iterator[str]:
    if not runs:
        return
    yield f"  {title}"
    shown = runs[:MOST_SHOWN]
    width = min(40, max(len(each.name) for each in shown))
    for each in shown:
        yield f"    {each.name:<{width}}  {each.error}"
    if len(runs) > len(shown):
        yield f"    and {len(runs) - len(shown):,} more"

"""The log lines of a tracked run: each becomes an event, as far as bounds allow; the rest is counted."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Self

from headrace.config import config
from headrace.config.logging import StdoutHandler, get_logger
from headrace.core.context import context
from headrace.core.now import timestamp
from headrace.wire.events import LogLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.wire.events import Event

MOST_LINES = 200_000  #: of one attempt
LINES_A_SECOND = 2_000  #: that may come for as long as they like
BURST_LINES = 20_000  #: that may come at once
CHUNK_CHARACTERS = 16_000  #: of one event; a longer line becomes several
MOST_CHARACTERS = 1_000_000  #: of one line; what is behind is counted


class RunLog:
    """Brings what is logged in a block into the run's record.

    It takes the lines of the `headrace` loggers and of `logging.extra_loggers`. Those of worker
    processes come to these loggers by the executor's channel, and know their tasks already.
    Nothing is dropped silently: when lines come faster than `LINES_A_SECOND`, or there are more than
    `MOST_LINES`, a line says how many were omitted.

    Args:
        emit: Takes the events.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._handler = _Handler(emit)
        self._silenced: list[tuple[logging.Logger, logging.Handler]] = []
        self._loggers: list[logging.Logger] = []

    def __enter__(self) -> Self:
        get_logger()  # which sets up the loggers, if nobody has
        for name in ("headrace", *config.logging.extra_loggers):
            logger = logging.getLogger(name)
            self._loggers.append(logger)
            if config.cloud.send_flow_run_logs:
                # Else each line would be there twice: what is printed is kept as well.
                for handler in list(logger.handlers):
                    if isinstance(handler, StdoutHandler):
                        logger.removeHandler(handler)
                        self._silenced.append((logger, handler))
                logger.addHandler(self._handler)
        return self

    def __exit__(self, *exc: object) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._handler)
        for logger, handler in self._silenced:
            logger.addHandler(handler)

    def flush(self) -> None:
        """Say how many lines were omitted since it was last said."""
        self._handler.say_omitted()


class _Handler(logging.Handler):
    """Makes events of records."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        super().__init__()
        self._emit = emit
        self._left = float(BURST_LINES)
        self._at = time.monotonic()
        self._count = 0
        self._omitted = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record. Never raises: a line that cannot be formatted says so."""
        if not self._may_pass():
            self._omitted += 1
            return
        if self._omitted:
            self.say_omitted()
        try:
            text = record.getMessage()
            if record.exc_text is None and record.exc_info:
                record.exc_text = _formatter.formatException(record.exc_info)
            if record.exc_text:
                text = f"{text}\n{record.exc_text}"
        except Exception as error:  # noqa: BLE001 - a user's arguments may not fit their format
            text = f"{record.msg!r} (which cannot be formatted: {error!r})"
        slug, child = _task_of(record)
        behind = len(text) - MOST_CHARACTERS
        if behind > 0:
            text = f"{text[:MOST_CHARACTERS]}\n[{behind} more characters omitted]"
        for start in range(0, len(text) or 1, CHUNK_CHARACTERS):
            self._emit(
                LogLine(
                    at=record.created,
                    message=text[start : start + CHUNK_CHARACTERS],
                    level=record.levelno,
                    logger=record.name,
                    slug=slug,
                    map_index=child,
                )
            )

    def _may_pass(self) -> bool:
        now = time.monotonic()
        self._left = min(BURST_LINES, self._left + (now - self._at) * LINES_A_SECOND)
        self._at = now
        if self._left < 1 or self._count >= MOST_LINES:
            return False
        self._left -= 1
        self._count += 1
        return True

    def say_omitted(self) -> None:
        """Emit a line that says how many were omitted, if any were."""
        omitted, self._omitted = self._omitted, 0
        if omitted:
            why = (
                f"this attempt has written {MOST_LINES} already"
                if self._count >= MOST_LINES
                else f"they came faster than {LINES_A_SECOND} a second"
            )
            self._emit(
                LogLine(
                    at=timestamp(),
                    message=f"{omitted} log lines omitted: {why}.",
                    level=logging.WARNING,
                )
            )


_formatter = logging.Formatter()


def _task_of(record: logging.LogRecord) -> tuple[str | None, int]:
    """Return the task that wrote a record: as it says itself, or as the context says here."""
    fields: dict[str, Any] = record.__dict__
    if "task_slug" in fields:
        slug, child = fields["task_slug"], fields.get("map_index")
    else:
        slug, child = context.get("task_slug"), context.get("map_index")
    return (None, -1) if slug is None else (slug, -1 if child is None else child)

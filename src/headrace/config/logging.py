"""Sets up the `headrace` logger: at the first use, once, and nothing but it.

The root logger is never touched. A user who has put a handler of their own on the `headrace`
logger before its first use (a `logging.NullHandler()` will do) gets no handler from here.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, TextIO, cast

from headrace.config.settings import config
from headrace.core.context import context

ROOT = "headrace"

#: What each line carries, besides `logging.log_attributes`.
ATTRIBUTES = (
    "flow_name",
    "flow_run_id",
    "task_name",
    "task_full_name",
    "task_slug",
    "task_run_id",
    "map_index",
)

_lock = Lock()
_handler: StdoutHandler | None = None


def get_logger(name: str | None = None) -> logging.Logger:
    """Return the logger `headrace`, or `headrace.<name>`, set up as the settings say.

    Args:
        name: The name below `headrace`; the name of a logger below it is taken as it is.
    """
    if _handler is None:
        _set_up()
    if name is None or name == ROOT:
        return logging.getLogger(ROOT)
    return logging.getLogger(name if name.startswith(f"{ROOT}.") else f"{ROOT}.{name}")


class ContextFilter(logging.Filter):
    """Gives records what `headrace.context` says of the run: `%(task_name)s` and so on.

    Headrace's own handler has one; add one to another handler to use these there. An attribute is
    None where the context has no such key.

    Args:
        names: The attributes; by default all of `ATTRIBUTES` and `logging.log_attributes`.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.names = names

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes; every record passes."""
        names = self.names
        for name in (*ATTRIBUTES, *config.logging.log_attributes) if names is None else names:
            if name not in record.__dict__:
                record.__dict__[name] = context.get(name)
        return True


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stdout` is when a line is logged.

    Looking it up for each line lets `contextlib.redirect_stdout` and notebooks work; a redirection
    into the log itself (`log_stdout_to`) is looked through, else each line would log itself.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    @property
    def stream(self) -> TextIO:
        """The stream that lines go to."""
        stream: TextIO = sys.stdout
        while isinstance(stream, RedirectToLog | _StdoutByContext):
            stream = stream.original
        return stream

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Ignore it: the stream is looked up."""


class RedirectToLog(io.TextIOBase):
    """A text stream whose lines become log lines at level INFO.

    A line is logged when it is complete, or at `flush`; blank ones are dropped.

    Args:
        logger: Where they go; by default `headrace.stdout`.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        super().__init__()
        self.stdout_logger = logger or get_logger("stdout")
        self.original: TextIO = sys.stdout
        self._begun = ""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, s: str) -> int:
        """Take text, and log each line that it completes.

        Raises:
            TypeError: If `s` is no string.
        """
        if not isinstance(s, str):
            raise TypeError(f"A text stream takes strings, not {type(s).__name__}.")
        *lines, self._begun = (self._begun + s).split("\n")
        for line in lines:
            self._log(line)
        return len(s)

    def flush(self) -> None:
        """Log the line that has been begun."""
        line, self._begun = self._begun, ""
        self._log(line)

    def _log(self, line: str) -> None:
        if line.strip():
            self.stdout_logger.info("%s", line)


class _StdoutByContext:
    """Stands in for `sys.stdout` while tasks run whose output goes to their logs.

    `sys.stdout` belongs to the whole process, but tasks run in threads side by side; the context
    tells which redirection, if any, is in force where the text is written.
    """

    def __init__(self, original: TextIO) -> None:
        self.original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(_redirection.get() or self.original, name)


_redirection: ContextVar[RedirectToLog | None] = ContextVar("headrace_stdout", default=None)
_redirections = 0


@contextmanager
def log_stdout_to(logger: logging.Logger) -> Iterator[None]:
    """Turn what is printed in this block, in this context, into log lines of `logger`.

    Text that another thread prints meanwhile goes where it always went.
    """
    global _redirections
    stream = RedirectToLog(logger)
    with _lock:
        _redirections += 1
        if not isinstance(sys.stdout, _StdoutByContext):
            sys.stdout = cast(TextIO, _StdoutByContext(sys.stdout))
    token = _redirection.set(stream)
    try:
        yield
    finally:
        stream.flush()
        _redirection.reset(token)
        with _lock:
            _redirections -= 1
            if _redirections == 0 and isinstance(sys.stdout, _StdoutByContext):
                sys.stdout = sys.stdout.original


def _set_up() -> None:
    global _handler
    with _lock:
        if _handler is not None:
            return
        handler = StdoutHandler()
        _apply(handler)
        config.subscribe(_on_change)
        _handler = handler


def _on_change(name: str) -> None:
    # "" is everything at once.
    if _handler is not None and (not name or name.startswith("logging.")):
        _apply(_handler)


def _apply(handler: StdoutHandler) -> None:
    """Bring the loggers to what the settings say."""
    settings = config.logging
    handler.setFormatter(logging.Formatter(settings.format, settings.datefmt))
    # Looking up what the format does not show would double the cost of a line.
    shown = [name for name in ATTRIBUTES if f"%({name})" in settings.format]
    handler.filters = [ContextFilter([*shown, *settings.log_attributes])]
    for name in (ROOT, *settings.extra_loggers):
        logger = logging.getLogger(name)
        logger.setLevel(settings.level)
        if not _is_handled(logger):
            logger.addHandler(handler)


def _is_handled(logger: logging.Logger) -> bool:
    """Tell whether lines of `logger` reach a handler other than the root logger's."""
    node: logging.Logger | None = logger
    while node is not None and node.name != "root":
        if node.handlers:
            return True
        node = node.parent if node.propagate else None
    return False

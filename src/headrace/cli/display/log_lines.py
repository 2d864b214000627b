"""Log lines as a person at a terminal reads them."""

from __future__ import annotations

import logging
import re
import time
from textwrap import indent
from typing import Any

from headrace.config.logging import ContextFilter, StdoutHandler

_RESET = "\x1b[0m"
_STYLES = {
    "dim": "\x1b[2m",
    "bold red": "\x1b[1;31m",
    "yellow": "\x1b[33m",
}
#: What the runner of a task says when its function has raised an exception.
_RAISED = "Exception encountered during task execution!"
_ABOUT_A_TASK = re.compile(r"Task '(?P<name>.*?)': (?P<rest>.*)", re.DOTALL)
#: Loggers whose names tell a person nothing.
_THE_RUN_ITSELF = ("FlowRunner", "headrace", "stdout")
#: So far do the lines below a headline stand in: below its name.
_INDENT = " " * 11
_TRACEBACK = "Traceback (most recent call last):\n"
#: Lines that say what the display shows anyway.
_SAID_OTHERWISE = ("Beginning Flow run", "Flow run ")


class TerminalFormatter(logging.Formatter):
    """The time, what it is about, and the message; a failure with its traceback indented.

    Args:
        colors: Whether the terminal shows colours.
    """

    def __init__(self, colors: bool = True) -> None:
        super().__init__()
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines."""
        moment = self._paint("dim", time.strftime("%H:%M:%S", time.localtime(record.created)))
        message = record.getMessage()
        name = record.name.removeprefix("headrace.")
        if name in _THE_RUN_ITSELF:
            name = ""
        elif name == getattr(record, "task_name", None):
            name = getattr(record, "task_full_name", None) or name
        about = _ABOUT_A_TASK.fullmatch(message)
        if about is not None:
            name, message = about["name"], about["rest"]
        trace = self._trace(record)
        if trace and message == _RAISED:
            trace, message = _split(trace)
        mark, style = "", "dim"
        if record.levelno >= logging.ERROR:
            mark, style = self._paint("bold red", "✗ "), "bold red"
        elif record.levelno >= logging.WARNING:
            mark = self._paint("yellow", "! ")
        head = f"{moment} {mark}{f'{self._paint(style, name)}  ' if name else ''}{message}"
        if not trace:
            return head
        return f"{head}\n{self._paint('dim', indent(trace.rstrip(), _INDENT))}"

    def _trace(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return record.exc_text or ""

    def _paint(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self._colors else text


def _split(trace: str) -> tuple[str, str]:
    """Return the frames of a traceback, and the first line of its exception.

    A traceback of several exceptions stays as it is.
    """
    if trace.count(_TRACEBACK) != 1 or not trace.startswith(_TRACEBACK):
        return trace, trace.splitlines()[-1]
    lines = trace.splitlines()[1:]
    # Frames are indented; the exception, though it may go on for lines, does not begin so.
    first = next((n for n, line in enumerate(lines) if not line.startswith(" ")), len(lines) - 1)
    frames = [line[2:] for line in lines[:first]]
    return "\n".join([*frames, *lines[first + 1 :]]), lines[first]


class TerminalHandler(StdoutHandler):
    """Writes log lines for a terminal; leaves out what the display says itself.

    Args:
        colors: Whether the terminal shows colours.
    """

    def __init__(self, colors: bool = True) -> None:
        super().__init__()
        self.addFilter(ContextFilter(("task_name", "task_full_name")))
        self.setFormatter(TerminalFormatter(colors))

    def filter(self, record: logging.LogRecord) -> Any:
        """Tell whether a line is shown; newer Pythons return the record itself."""
        if (
            record.levelno == logging.INFO
            and record.name == "headrace.FlowRunner"
            and str(record.msg).startswith(_SAID_OTHERWISE)
        ):
            return False
        return super().filter(record)

"""What a supervisor does that is all there is in its container: it has nobody beside it.

Its platform shows what it prints, so the run's log lines are printed, too; and whether the kernel
has killed something for want of memory stands in the container's own control group.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import sys
from functools import cache
from pathlib import Path

import msgspec

from headrace.wire.events import Event, LogLine

#: How a log line begins in an array of events. Text in an event has its quotes escaped.
_LOG_LINE = b'{"event":"log"'
#: Where the kernel counts what it has killed in a container's control group: versions 2 and 1.
_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def print_events(array: bytes) -> None:
    """Print the log lines in a JSON array of events."""
    if _LOG_LINE in array:
        # Not read by the supervisor otherwise: what is no event is the server's to refuse.
        with contextlib.suppress(msgspec.DecodeError):
            for event in _decoder().decode(array):
                if isinstance(event, LogLine):
                    print_line(event)


def print_line(line: LogLine) -> None:
    """Print a log line; what the run itself has printed, as it was."""
    if line.logger in ("stdout", "stderr"):
        text, stream = line.message, sys.stderr if line.logger == "stderr" else sys.stdout
    else:
        at = datetime.datetime.fromtimestamp(line.at, datetime.UTC)
        level = logging.getLevelName(line.level)
        text = f"[{at:%Y-%m-%d %H:%M:%S}+0000] {level} - {line.logger} | {line.message}"
        stream = sys.stdout
    # A platform that takes no more output does not end the run.
    with contextlib.suppress(OSError, ValueError):
        stream.write(f"{text}\n")
        stream.flush()


def was_short_of_memory(counts: tuple[str, ...] = _COUNTS) -> bool:
    """Tell whether the kernel has killed a process of this container for want of memory."""
    for path in counts:
        try:
            lines = Path(path).read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)
    return False


@cache
def _decoder() -> msgspec.json.Decoder[list[Event]]:
    return msgspec.json.Decoder(list[Event])

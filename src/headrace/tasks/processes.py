"""Running a command so that nothing of it is left when the task that runs it is cut short.

The command gets a session of its own. If the task is interrupted (its timeout, a cancelled run, a
signal), every process of that session is asked to end, and soon after made to. If this process
itself is killed, nothing here can do that any more: a watchdog does, a small shell that notices
that the other end of its pipe is gone. What a command has moved into yet another session has left
on purpose, and stays.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING, Self

from headrace.core.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

#: Seconds that processes get to end by themselves before they are killed.
GRACE = 2.0

# An exception for a worker's thread reaches it between two waits, so no wait is longer than this.
_TICK = 0.1

_WATCHDOG = """
read -r nothing
session=$1
end() {
    for stat in /proc/[0-9]*/stat; do
        { IFS= read -r line < "$stat"; } 2> /dev/null || continue
        pid=${line%% *}
        # After the name in brackets: state, parent, group, session.
        set -- "$1" ${line##*) }
        [ "$5" = "$session" ] && kill -s "$1" "$pid" 2> /dev/null
    done
    kill -s "$1" -- "-$session" 2> /dev/null
}
end TERM
sleep 1
end KILL
rm -f -- "$2"
"""


class Command:
    """A command and all the processes that it starts; a context manager.

    Leaving the block by an exception ends the processes. Leaving it well leaves alone what the
    command has put into the background.

    Args:
        arguments: The program and its arguments.
        env: The environment.
        script: A file that is to be removed if this process is killed.

    Raises:
        CommandError: On entering the block, if the program cannot be started.
    """

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], script: str) -> None:
        self._arguments = arguments
        self._env = env
        self._script = script

    def __enter__(self) -> Self:
        self._process = self._start()
        try:
            self._watchdog = _start_watchdog(self._process.pid, self._script)
        except BaseException:
            # An interrupt comes at any time: now, too, there is a command to end.
            end_session(self._process)
            _close(self._process.stdout)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is not None:
                end_session(self._process)
        finally:
            self._watchdog.kill()
            self._watchdog.wait()
            _close(self._watchdog.stdin)
            _close(self._process.stdout)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            # Standard error goes where standard output goes: in two pipes, their order is lost.
            return subprocess.Popen(
                self._arguments,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandError(
                f"The program {self._arguments[0]!r} cannot be started: {error.strerror}. Install "
                "it where the task runs, or name another."
            ) from error

    def lines(self) -> Iterator[str]:
        """Yield each line of the output as it comes, without the blanks at its end."""
        assert self._process.stdout is not None
        rest = b""
        for block in _blocks(self._process.stdout):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield _text(line)
        if rest:
            yield _text(rest)

    def wait(self) -> int:
        """Wait for the command to end; return its exit code, or the negative of a signal."""
        while True:
            try:
                return self._process.wait(_TICK)
            except subprocess.TimeoutExpired:
                continue


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip()


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(_TICK):
                continue
            block = os.read(stream.fileno(), 65536)
            if not block:
                return
            yield block


def _start_watchdog(session: int, script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "headrace-watchdog", str(session), script],
        env={"PATH": os.defpath},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end_session(process: subprocess.Popen[bytes]) -> None:
    """End the leader of a session and every process in it; returns when they are gone.

    Args:
        process: The leader. Nothing happens if it has been waited for: then its id may be
            another's by now.
    """
    if process.returncode is not None:
        return
    try:
        _signal(process.pid, signal.SIGTERM)
        _wait_for(process.pid)
    finally:
        # Also if a second interrupt comes while the first one is being heeded.
        _signal(process.pid, signal.SIGKILL)
        _wait_for(process.pid)
        process.wait()


def _wait_for(session: int) -> None:
    """Wait until a session has no living processes, or the grace is over."""
    deadline = time.monotonic() + GRACE
    while _members(session) and time.monotonic() < deadline:
        time.sleep(0.01)


def _signal(session: int, number: int) -> None:
    for pid in _members(session):
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue  # it ended by itself, or became another user's
    try:
        os.killpg(session, number)
    except (ProcessLookupError, PermissionError):
        return


def _members(session: int) -> list[int]:
    """Return the living processes of a session, as far as the system tells (Linux does)."""
    members: list[int] = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # After the name in brackets: state, parent, group, session.
                state, _, _, own = file.read().rpartition(b")")[2].split()[:4]
        except (OSError, ValueError):
            continue  # it ended meanwhile
        if int(own) == session and state not in (b"Z", b"X"):
            members.append(int(name))
    return members

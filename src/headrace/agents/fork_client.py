"""The agent's side of a fork server: finds it, starts it, and talks to it."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from headrace.agents.environment import read_at_start
from headrace.agents.fork_messages import (
    LOG,
    Gone,
    Hello,
    Lines,
    Message,
    NotStarted,
    Retire,
    Start,
    Started,
    connect,
    line,
)
from headrace.agents.fork_server import code_stamp
from headrace.core.errors import DeploymentError

#: How many seconds a fork server may take to start.
_START_SECONDS = 30.0


class ForkClient:
    """Talks to the fork server of one agent's directory, and starts one when there is none.

    Args:
        folder: The agent's directory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._connection: _Connection | None = None

    def start(self, start: Start) -> int:
        """Have a supervisor started, and return its process id.

        Raises:
            DeploymentError: If it was not.
        """
        with self._lock:
            for is_last in (False, True):
                connection = self._connected()
                try:
                    answer = connection.ask(start)
                except OSError as error:
                    self._drop()
                    # It has died: another one is tried. If it had begun, the server lets only one.
                    if is_last:
                        raise DeploymentError(
                            f"the fork server does not answer: {error}"
                        ) from error
                    continue
                if isinstance(answer, NotStarted):
                    raise DeploymentError(answer.reason)
                return answer.pid
        raise AssertionError("the last try returns or raises")

    def hello(self) -> Hello:
        """Return what the fork server says of itself; start one if there is none.

        Raises:
            DeploymentError: If none can be started.
        """
        with self._lock:
            return self._connected().hello

    def gone(self, seconds: float) -> list[str]:
        """Wait until supervisors have ended, and return their runs' directories, if any."""
        connection = self._connection
        if connection is None:
            time.sleep(min(seconds, 0.2))
            return []
        try:
            return connection.gone(seconds)
        except (OSError, ValueError):
            with self._lock:
                if self._connection is connection:
                    self._drop()
            return []

    def retire(self) -> None:
        """Have the fork server, if there is one, end with its last child."""
        with self._lock:
            connection = self._connection or self._find()
            self._connection = None
            if connection is not None:
                connection.retire()

    def close(self) -> None:
        """Hang up; the fork server stays for as long as it has children."""
        with self._lock:
            self._drop()

    # -- with the lock held -----------------------------------------------------------------

    def _connected(self) -> _Connection:
        if self._connection is None:
            self._connection = self._find() or self._launch()
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _find(self) -> _Connection | None:
        try:
            connection = _Connection(self._folder)
        except OSError:
            return None
        hello = connection.hello
        if hello.code == code_stamp() and hello.at_start == read_at_start(os.environ):
            return connection
        # It has imported another Headrace, or what it would be given comes too late for it. It stays
        # with its children, and takes no more.
        connection.retire()
        return None

    def _launch(self) -> _Connection:
        command = [sys.executable, "-P", "-m", "headrace.agents.fork_server", str(self._folder)]
        log = self._folder / LOG
        try:
            with log.open("ab") as file:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    cwd="/",
                    start_new_session=True,
                )
        except OSError as error:
            raise DeploymentError(f"no fork server can be started: {error}") from error
        # It may outlive this client, and is reaped whenever it ends.
        threading.Thread(target=process.wait, name="reap", daemon=True).start()
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                connection = _Connection(self._folder)
                if connection.hello.process.pid == process.pid:
                    return connection
                connection.close()
            if (code := process.poll()) is not None:
                raise DeploymentError(f"the fork server ended with exit code {code}; see {log}")
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise DeploymentError(f"the fork server does not get ready; see {log}")


class _Connection:
    """Two connections, in fact: one for questions, one for news."""

    def __init__(self, folder: Path) -> None:
        self._questions = connect(folder)
        try:
            self._news = connect(folder)
        except OSError:
            self._questions.close()
            raise
        self._lines = Lines()
        self._news_lines = Lines()
        try:
            hello = self._next()
        except OSError:
            self.close()
            raise
        if not isinstance(hello, Hello):
            self.close()
            raise ConnectionError("what listens there is no fork server")
        self.hello = hello

    def ask(self, start: Start) -> Started | NotStarted:
        self._questions.sendall(line(start))
        while True:
            answer = self._next()
            if isinstance(answer, Started | NotStarted):
                return answer

    def gone(self, seconds: float) -> list[str]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._news, selectors.EVENT_READ)
            if not selector.select(seconds):
                return []
        data = self._news.recv(1 << 16)
        if not data:
            raise ConnectionError("the fork server has hung up")
        return [each.directory for each in self._news_lines.feed(data) if isinstance(each, Gone)]

    def retire(self) -> None:
        with contextlib.suppress(OSError):
            self._questions.sendall(line(Retire()))
            # Waited for, so that it has let go of the socket before another one takes it.
            self._questions.shutdown(socket.SHUT_WR)
            while self._questions.recv(4096):
                pass
        self.close()

    def close(self) -> None:
        self._questions.close()
        self._news.close()

    def _next(self) -> Message:
        while True:
            data = self._questions.recv(1 << 16)
            if not data:
                raise ConnectionError("the fork server has hung up")
            # One question is asked at a time, and news that come in between are told twice.
            for message in self._lines.feed(data):
                if not isinstance(message, Gone):
                    return message

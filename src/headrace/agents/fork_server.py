"""The fork server: parent of the supervisors of a local agent, outliving the agent itself.

It has imported what runs need, so that a supervisor is there within milliseconds and shares its
memory with all others. It has one thread and no connection to any server, imports nothing of a
user's, and writes down how each supervisor ended, which only a parent learns. `python -m
headrace.agents.fork_server DIRECTORY` is started by the agent, in a session of its own.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
from functools import cache
from pathlib import Path
from typing import NoReturn

from headrace.agents.environment import read_at_start
from headrace.agents.fork_messages import (
    SOCKET,
    Gone,
    Hello,
    Lines,
    Message,
    NotStarted,
    Retire,
    Start,
    Started,
    is_own,
    line,
    short_path,
)
from headrace.engine.process_identity import ProcessIdentity, how_it_ended, identity_of
from headrace.engine.run_directory import Reaped, RunDirectory, RunSpec
from headrace.engine.runner_start import close_all_but, preload, reseed, standard_streams

#: How many seconds it stays with no child and no agent.
IDLE_SECONDS = 30.0


class ForkServer:
    """Starts supervisors and sees them end.

    Args:
        folder: The agent's directory, in which it listens.
        idle: How many seconds it stays with no child and no agent.
    """

    def __init__(self, folder: Path, idle: float = IDLE_SECONDS) -> None:
        self._folder = folder
        self._idle = idle
        self._children: dict[int, tuple[ProcessIdentity, RunDirectory]] = {}
        self._clients: dict[socket.socket, Lines] = {}
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        process = identity_of(os.getpid())
        assert process is not None
        self._hello = Hello(process=process, code=code_stamp(), at_start=read_at_start(os.environ))

    def serve(self) -> None:
        """Serve until nobody needs it any more."""
        self._listen()
        woken, waker = socket.socketpair()
        woken.setblocking(False)
        waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ, woken)
        needed_at = time.monotonic()
        while True:
            for key, _ in self._selector.select(1.0):
                if key.data is woken:
                    with contextlib.suppress(BlockingIOError):
                        woken.recv(4096)
                elif key.data is self._listener:
                    self._accept()
                else:
                    self._hear(key.data)
            self._reap()
            now = time.monotonic()
            if self._children or self._clients:
                needed_at = now
            elif self._listener is None or now - needed_at >= self._idle:
                break
        self._stop_listening()

    # -- agents -------------------------------------------------------------------------------

    def _listen(self) -> None:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Bound under a name of its own and then moved: it is never there without listening.
        own = f".{SOCKET}.{os.getpid()}"
        before = os.umask(0o177)
        try:
            listener.bind(short_path(self._folder, own, fd))
        finally:
            os.umask(before)
        listener.listen(16)
        listener.setblocking(False)
        os.rename(self._folder / own, self._folder / SOCKET)
        self._inode = os.stat(self._folder / SOCKET).st_ino
        os.close(fd)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, listener)

    def _stop_listening(self) -> None:
        if self._listener is None:
            return
        self._selector.unregister(self._listener)
        self._listener.close()
        self._listener = None
        # Another fork server may have taken its place.
        with contextlib.suppress(OSError):
            if os.stat(self._folder / SOCKET).st_ino == self._inode:
                os.unlink(self._folder / SOCKET)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if not is_own(client):
            client.close()
            return
        # Messages are short: a client that does not take them is not worth waiting for.
        client.settimeout(2.0)
        self._clients[client] = Lines()
        self._selector.register(client, selectors.EVENT_READ, client)
        self._tell(client, self._hello)

    def _hear(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 20)
            messages = list(self._clients[client].feed(data)) if data else None
        except (OSError, ValueError):
            messages = None
        if messages is None:
            self._hang_up(client)
            return
        for message in messages:
            if isinstance(message, Retire):
                self._stop_listening()
            elif isinstance(message, Start):
                self._tell(client, self._start(message))

    def _tell(self, client: socket.socket, message: Message) -> None:
        try:
            client.sendall(line(message))
        except OSError:
            self._hang_up(client)

    def _hang_up(self, client: socket.socket) -> None:
        if self._clients.pop(client, None) is not None:
            self._selector.unregister(client)
            client.close()

    # -- children -----------------------------------------------------------------------------

    def _start(self, start: Start) -> Message:
        directory = RunDirectory(start.directory)
        spec = directory.read(RunSpec)
        if spec is None:
            return NotStarted(reason=f"the run's directory {directory.path} cannot be read")
        if not os.access(start.working_dir, os.X_OK) or not os.path.isdir(start.working_dir):
            return NotStarted(reason=f"there is no working directory {start.working_dir} here")
        try:
            pid = self._fork(start, spec) if start.command is None else spawn(start)
        except OSError as error:
            return NotStarted(reason=f"no process could be started: {error}")
        process = identity_of(pid)
        if process is None:  # over already, but not reaped
            process = ProcessIdentity(pid=pid, start="", boot="", host="")
        self._children[pid] = (process, directory)
        return Started(pid=pid)

    def _fork(self, start: Start, spec: RunSpec) -> int:
        pid = os.fork()
        if not pid:
            try:
                become_supervisor(start, spec)
            finally:
                os._exit(1)
        return pid

    def _reap(self) -> None:
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            process, directory = self._children.pop(pid)
            reason = how_it_ended(os.waitstatus_to_exitcode(status))
            try:
                directory.write(Reaped(process=process, reason=reason, at=time.time()))
            except OSError:
                # No room, or the directory was removed: what the supervisor wrote has to do.
                traceback.print_exc()
            for client in list(self._clients):
                self._tell(client, Gone(directory=str(directory.path)))


def become_supervisor(start: Start, spec: RunSpec) -> NoReturn:
    """Turn a fresh copy of the fork server into a run's supervisor."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    directory = RunDirectory(start.directory)
    log = os.open(directory.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    close_all_but(0, 1, 2)
    gc.enable()
    code = 1
    try:
        os.chdir(start.working_dir)
        os.environ.clear()
        os.environ.update(start.environment)
        sys.path[:0] = start.import_paths
        standard_streams()
        reseed()
        code = _supervise(spec, directory)
    except BaseException:  # noqa: BLE001 - whatever it is, it ends this process and is written down
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _supervise(spec: RunSpec, directory: RunDirectory) -> int:
    from headrace.config import config
    from headrace.engine.runner_start import fork_runner
    from headrace.engine.supervisor import supervise

    config.reload()  # which may read other files, and other variables, than the fork server did
    return supervise(spec, directory, fork_runner)


def spawn(start: Start) -> int:
    """Start a supervisor as a new program, in a session of its own; return its process id.

    Raises:
        OSError: If it cannot be started.
    """
    assert start.command is not None
    log = os.open(RunDirectory(start.directory).log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            start.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=start.working_dir,
            env=start.environment,
            start_new_session=True,
        )
    finally:
        os.close(log)
    # Whoever called waits for it by its id; the object would, too, when it is thrown away.
    process.returncode = 0
    return process.pid


@cache
def code_stamp() -> str:
    """Return what stands for this Headrace: a fork server of another one is of no use."""
    from headrace.core import version

    folder = Path(version.__file__).parent.parent
    newest = max((path.stat().st_mtime_ns for path in folder.rglob("*.py")), default=0)
    return f"{sys.executable} {sys.version_info[:3]} {version.__version__} {folder} {newest}"


def main(folder: str) -> None:
    """Serve in an agent's directory."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    preload()
    # After a fork nothing of all this is written to by the collector, so it stays shared.
    gc.collect()
    gc.disable()
    gc.freeze()
    ForkServer(Path(folder)).serve()


if __name__ == "__main__":
    main(sys.argv[1])

"""Containers: real processes, each in a session of its own."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from tests.integration.components.kubernetes.logs import ContainerLog

_PAGE = os.sysconf("SC_PAGE_SIZE")
#: How often memory is looked at, in seconds.
_LOOK = 0.05


class CannotStart(Exception):
    """The container's program cannot be started; said as runc says it."""


class Container:
    """A running container."""

    async def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        raise AssertionError("of a kind")

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it and all that it has started."""

    #: Whether it was killed for want of memory.
    out_of_memory = False
    pid: int | None = None


class StandIn(Container):
    """A container without a process."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        try:
            return await asyncio.wait_for(asyncio.shield(self._code), self._seconds)
        except TimeoutError:
            return 0

    def finish(self, code: int) -> None:
        """End it with this exit code."""
        if not self._code.done():
            self._code.set_result(code)

    def terminate(self) -> None:
        self.finish(143)

    def kill(self) -> None:
        self.finish(137)


class ProcessContainer(Container):
    """A container whose program is a process of this machine."""

    def __init__(
        self,
        argv: list[str],
        env: dict[str, str],
        folder: Path,
        log: ContainerLog,
        memory: int | None,
    ) -> None:
        self._memory = memory
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._readers: set[int] = set()
        self._drained = asyncio.Event()
        streams = {name: os.pipe() for name in ("stdout", "stderr")}
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=streams["stdout"][1],
                stderr=streams["stderr"][1],
                start_new_session=True,
            )
        except OSError as error:
            for read, write in streams.values():
                os.close(read)
                os.close(write)
            raise CannotStart(_said(argv, env, error)) from error
        self.pid = self._process.pid
        for name, (read, write) in streams.items():
            os.close(write)
            os.set_blocking(read, False)
            self._readers.add(read)
            self._loop.add_reader(read, self._read, name, read)

    async def wait(self) -> int:
        watching = asyncio.ensure_future(self._watch_memory()) if self._memory else None
        try:
            await self._ended()
        finally:
            if watching:
                watching.cancel()
        # A container ends with its first process, and takes all others with it.
        self.kill()
        code = self._process.wait()
        try:
            await asyncio.wait_for(self._drained.wait(), 1)
        except TimeoutError:
            # Somebody outside its session still holds its output.
            for read in list(self._readers):
                self._close(read)
        self._log.end()
        return 128 - code if code < 0 else code

    def terminate(self) -> None:
        """Send SIGTERM, which the first process of a container gets only if it catches it."""
        if self._process.poll() is None and self._catches(signal.SIGTERM):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def run_out_of_memory(self) -> None:
        """Kill it as the kernel does when its memory is used up."""
        self.out_of_memory = True
        self.kill()

    async def _ended(self) -> None:
        if not hasattr(os, "pidfd_open"):
            # Where the system has no better way to tell.
            while self._process.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            return
        handle = os.pidfd_open(self._process.pid)
        done = asyncio.Event()
        self._loop.add_reader(handle, done.set)
        try:
            await done.wait()
        finally:
            self._loop.remove_reader(handle)
            os.close(handle)

    async def _watch_memory(self) -> None:
        assert self._memory is not None
        while True:
            if _resident(self._process.pid) > self._memory:
                self.run_out_of_memory()
                return
            await asyncio.sleep(_LOOK)

    def _catches(self, number: int) -> bool:
        try:
            text = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return True
        caught = next((line for line in text.splitlines() if line.startswith("SigCgt:")), None)
        return caught is None or bool(int(caught.split()[1], 16) >> (number - 1) & 1)

    def _read(self, name: str, read: int) -> None:
        try:
            data = os.read(read, 65536)
        except BlockingIOError:
            return
        if data:
            self._log.write(name, data)
        else:
            self._close(read)

    def _close(self, read: int) -> None:
        self._loop.remove_reader(read)
        os.close(read)
        self._readers.discard(read)
        if not self._readers:
            self._drained.set()


def _resident(pid: int) -> int:
    """Return the bytes of memory that a process holds, or 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _said(argv: list[str], env: dict[str, str], error: OSError) -> str:
    why = error.strerror.lower() if error.strerror else str(error)
    if isinstance(error, FileNotFoundError):
        why = (
            "no such file or directory" if "/" in argv[0] else "executable file not found in $PATH"
        )
    prefix = "" if "/" not in argv[0] else "stat " if isinstance(error, FileNotFoundError) else ""
    shown = f"{prefix}{argv[0]}" if prefix else argv[0]
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
        f'failed: unable to start container process: error during container init: exec: "{argv[0]}": '
        + (f"{shown}: {why}" if "/" in argv[0] else why)
        + ": unknown"
    )

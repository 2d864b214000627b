"""The directory of one process of one flow run: what it was told, and what became of it.

```text
<home_dir>/runs/<flow_run_id>/<attempt>-<something random>/
    run.json          what it was deployed as (`RunSpec`)
    supervisor.json   its supervisor, while it runs and afterwards (`SupervisorRecord`)
    exit.json         how it ended (`ExitRecord`), written by its supervisor, or by whoever found it dead
    reaped.json       how its supervisor ended (`Reaped`), written by the supervisor's parent
    stdout, stderr    what the runner wrote
    supervisor.log    what the supervisor had to say
    spool             events that the server does not have yet
```
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from headrace.config.private import make_private
from headrace.core.errors import ConfigError
from headrace.engine.process_identity import ProcessIdentity

T = TypeVar("T", bound=msgspec.Struct)

RUN_ID = "HEADRACE_RUN_ID"
RUN_ATTEMPT = "HEADRACE_RUN_ATTEMPT"
RUN_TOKEN = "HEADRACE_RUN_TOKEN"  # noqa: S105 - the name of a variable
RUN_DIRECTORY = "HEADRACE_RUN_DIRECTORY"

#: How a run's process can have ended: with the run's end or parked; without one; not allowed to
#: begin; never heard by the server; its run given to another; ended from outside with its supervisor.
How = Literal["finished", "lost", "refused", "unreachable", "superseded", "stopped"]


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a process was deployed as.

    Attributes:
        flow_run_id: The flow run.
        attempt: The attempt.
        api_url: The server's address.
        token: What the process identifies with; empty if the server asks for none.
        agent: The id of the agent that deployed it; None if none did.
    """

    flow_run_id: str
    attempt: int
    api_url: str
    token: str = ""
    agent: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], api_url: str) -> RunSpec:
        """Read what whoever deployed this process has put into its environment.

        Args:
            environ: The environment.
            api_url: The server's address.

        Raises:
            ConfigError: If something is missing, or no number.
        """
        run_id, attempt = environ.get(RUN_ID), environ.get(RUN_ATTEMPT, "")
        if not run_id or not attempt.isdecimal():
            raise ConfigError(
                f"This process was not told which flow run it is: it needs {RUN_ID} and "
                f"{RUN_ATTEMPT} in its environment, which agents set. To run a flow by hand, use "
                "`headrace run`."
            )
        return cls(
            flow_run_id=run_id,
            attempt=int(attempt),
            api_url=api_url,
            token=environ.get(RUN_TOKEN, ""),
        )


class SupervisorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor, as it writes itself down.

    Attributes:
        nonce: What it calls itself before the server.
        process: Which process it is.
        runner: Which process the runner is, once there is one.
        activated: Whether the server has let it begin.
    """

    nonce: str
    process: ProcessIdentity
    runner: ProcessIdentity | None = None
    activated: bool = False


class ExitRecord(msgspec.Struct, kw_only=True):
    """How a run's process ended.

    Attributes:
        how: One of `How`.
        reason: The same in words: "killed by SIGKILL".
        at: When; seconds since 1970, UTC.
        code: The runner's exit code; a signal's number below zero; None if there was no runner.
        undelivered: How many events the server did not have then.
        reported: Whether nothing is left to be said to the server.
    """

    how: How
    reason: str
    at: float
    code: int | None = None
    undelivered: int = 0
    reported: bool = False


class Reaped(msgspec.Struct, frozen=True, kw_only=True):
    """How a supervisor ended, as its parent saw it.

    Attributes:
        process: Which process it was.
        reason: How it ended: "exit code 1".
        at: When; seconds since 1970, UTC.
    """

    process: ProcessIdentity
    reason: str
    at: float


class RunDirectory:
    """One run directory.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, home: str, flow_run_id: str, attempt: int) -> RunDirectory:
        """Make a new one, which only this user can look into.

        Raises:
            OSError: If it cannot be made.
        """
        # An id comes from a server: it names one folder, whatever it holds.
        folder = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in flow_run_id)
        path = Path(home).absolute() / "runs" / folder / f"{attempt}-{secrets.token_hex(4)}"
        make_private(path.parent)
        path.mkdir(mode=0o700)
        return cls(path)

    @property
    def spool(self) -> Path:
        """The file of events that the server does not have."""
        return self.path / "spool"

    @property
    def stdout(self) -> Path:
        """What the runner wrote to its standard output."""
        return self.path / "stdout"

    @property
    def stderr(self) -> Path:
        """What the runner wrote to its standard error."""
        return self.path / "stderr"

    @property
    def log(self) -> Path:
        """What the supervisor had to say."""
        return self.path / "supervisor.log"

    def write(self, record: msgspec.Struct) -> None:
        """Write one of the records, at once or not at all.

        Raises:
            OSError: If there is no room.
        """
        handle, name = tempfile.mkstemp(dir=self.path, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(record))
            os.replace(name, self.path / _FILES[type(record)])
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def read(self, kind: type[T]) -> T | None:
        """Read one of the records; None if there is none that can be read."""
        try:
            return msgspec.json.decode((self.path / _FILES[kind]).read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError):
            return None

    def last_lines(self, file: Path, most: int = 20) -> list[str]:
        """Return the last lines of one of its files."""
        try:
            with file.open("rb") as opened:
                opened.seek(max(0, file.stat().st_size - 8192))
                return opened.read().decode(errors="replace").splitlines()[-most:]
        except OSError:
            return []


_FILES: dict[type[msgspec.Struct], str] = {
    RunSpec: "run.json",
    SupervisorRecord: "supervisor.json",
    ExitRecord: "exit.json",
    Reaped: "reaped.json",
}


def run_directories(home: str) -> Iterator[RunDirectory]:
    """Find all run directories, in no order."""
    for path in (Path(home) / "runs").glob("*/*/run.json"):
        yield RunDirectory(path.parent)

"""A server, an agent, registered flows, and a command line: all that a tracked run needs, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.agents import RunningAgent, running_agent
from tests.support.servers import PROGRAM, RunningServer, running_server

FLOWS = """
    import os, time
    from pathlib import Path
    from headrace import Flow, Parameter, context, task
    from headrace.results import LocalResult

    MARKS = Path({marks!r})


    def mark(name):
        # One line for each call, whoever makes it.
        with (MARKS / name).open("a") as file:
            file.write(f"{{os.getpid()}}\\n")


    @task
    def numbers(count):
        mark("numbers")
        context.logger.info("there are %d numbers", count)
        return list(range(count))


    @task
    def double(x):
        mark(f"double-{{x}}")
        return 2 * x


    @task(log_stdout=True)
    def total(xs):
        print("adding up")
        mark("total")
        return sum(xs)


    @task
    def hold(x, until):
        mark("hold")
        while until and not Path(until).exists():
            time.sleep(0.02)
        return x


    @task
    def fails(x):
        raise ValueError(f"{{x}} is too much")


    kept = LocalResult(dir={results!r})

    with Flow("sums", result=kept) as sums:
        total(double.map(numbers(Parameter("count", default=3))))

    with Flow("broken", result=kept) as broken:
        fails(numbers(2))

    with Flow("held", result=kept) as held:
        doubled = double.map(numbers(Parameter("count", default=3)))
        total(hold(doubled, Parameter("until", default="")))
"""


class Place:
    """A server, an agent with the label `here`, registered flows, and a command line."""

    def __init__(self, server: RunningServer, agent: RunningAgent, folder: Path) -> None:
        self.server = server
        self.agent = agent
        self.folder = folder
        self.marks = folder / "marks"

    def call(self, *arguments: str, code: int = 0) -> str:
        """Run a command, see that it ends with this code, and return all that it has printed."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.server.env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{arguments}: exit code {done.returncode}\n{said}"
        return said

    def ask(self, *arguments: str) -> Any:
        """Run a command with `--json`, and return what it has printed."""
        return json.loads(self.call(*arguments, "--json"))

    def start(self, name: str, **parameters: object) -> str:
        """Make a run that is not watched, and return its id."""
        given = [
            word
            for key, value in parameters.items()
            for word in ("-p", f"{key}={json.dumps(value)}")
        ]
        made: str = self.ask("run", "--project", "etl", "--name", name, *given)["id"]
        return made

    def show(self, run: str) -> Any:
        return self.ask("flow-run", "show", run)

    def wait(self, run: str, *states: str) -> Any:
        """Wait until a run has one of these states, and return it."""
        until = time.monotonic() + 60
        while (shown := self.show(run))["state"] not in states:
            assert time.monotonic() < until, f"{shown}\n{self.agent.log[-3000:]}"
            time.sleep(0.1)
        return shown

    def wait_for_mark(self, name: str) -> None:
        until = time.monotonic() + 60
        while not (self.marks / name).exists():
            assert time.monotonic() < until, f"{name} was not called\n{self.agent.log[-3000:]}"
            time.sleep(0.02)

    def calls(self, name: str) -> int:
        """Return how often a task's function was called."""
        file = self.marks / name
        return len(file.read_text().splitlines()) if file.exists() else 0


@contextmanager
def running_place(
    folder: Path,
    database_url: str | None = None,
    *,
    lease: float | None = None,
    agent_env: dict[str, str] | None = None,
) -> Iterator[Place]:
    """Run a server and an agent with the label `here` for the length of a `with` block.

    Args:
        folder: Where the flows' file, their results and marks are.
        database_url: The server's database; by default SQLite.
        lease: How many seconds the process of a flow run owns it without a word.
        agent_env: Environment variables of the agent and its runs over those of the command line.
    """
    with (
        running_server(database_url, lease=lease) as server,
        running_agent(server, "here", env=agent_env) as agent,
    ):
        place = Place(server, agent, folder)
        place.marks.mkdir(exist_ok=True)
        text = FLOWS.format(marks=str(place.marks), results=str(folder / "results"))
        (folder / "flows.py").write_text(textwrap.dedent(text))
        place.call("project", "create", "etl")
        place.call("register", "--project", "etl", "--path", "flows.py", "--label", "here")
        yield place

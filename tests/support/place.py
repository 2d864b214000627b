"""A server, an agent, registered flows, and a command line: all that a tracked run needs, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.support.agents import RunningAgent, running_agent
from tests.support.proxy import Proxy, proxy
from tests.support.servers import PROGRAM, RunningServer, running_server

FLOWS = """
    import os, time
    from pathlib import Path
    from headrace import Flow, Parameter, context, task
    from headrace.results import LocalResult

    MARKS = Path({marks!r})


    def mark(name):
        # One line for each call, whoever makes it: the process, when, and of which run.
        with (MARKS / name).open("a") as file:
            file.write(f"{{os.getpid()}} {{time.time()}} {{context.flow_run_id}}\\n")


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

    with Flow("held", result=kept, lost_after=10) as held:
        doubled = double.map(numbers(Parameter("count", default=3)))
        total(hold(doubled, Parameter("until", default="")))
"""


class Place:
    """A server, an agent with the label `here`, registered flows, and a command line."""

    def __init__(
        self,
        server: RunningServer,
        agent: RunningAgent,
        folder: Path,
        network: Proxy | None = None,
    ) -> None:
        self.server = server
        #: What stands between the agent, with its runs, and the server.
        self.network = network
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

    def wait(self, run: str, *states: str, seconds: float = 120) -> Any:
        """Wait until a run has one of these states, and return it."""
        until = time.monotonic() + seconds
        while (shown := self.show(run))["state"] not in states:
            assert time.monotonic() < until, f"{shown}\n{self.agent.log[-3000:]}"
            time.sleep(0.1)
        return shown

    def wait_for_mark(self, name: str) -> None:
        """Wait until a task's function is called."""
        self.wait_for_calls(name, 1)

    def wait_for_calls(self, name: str, count: int, run: str | None = None) -> None:
        """Wait until a task's function has been called so often, by any run or by one."""
        until = time.monotonic() + 120
        while self.calls(name, run) < count:
            assert time.monotonic() < until, f"{name} is not called\n{self.agent.log[-3000:]}"
            time.sleep(0.02)

    def wait_for_log(self, run: str, text: str) -> None:
        """Wait until the server has a log line."""
        until = time.monotonic() + 90
        while text not in (said := self.call("flow-run", "logs", run)):
            assert time.monotonic() < until, f"no {text!r} in:\n{said}\n{self.agent.log[-3000:]}"
            time.sleep(0.05)

    def wait_until_doubled(self, run: str) -> None:
        """Wait until the server has it that all that `hold` waits for has succeeded."""
        until = time.monotonic() + 90
        command = ("task-run", "list", run, "--state", "Success", "--task", "double-1")
        while len(children := self.ask(*command)) < 3:
            seen = f"{children}\n{self.show(run)}\n{self.agent.log[-3000:]}"
            assert time.monotonic() < until, seen
            time.sleep(0.05)

    @contextmanager
    def another_agent(self, folder: Path) -> Iterator[RunningAgent]:
        """Run an agent with the same labels and a home of its own, as if on another machine."""
        home = folder / "another-home"
        home.mkdir()
        with running_agent(self.server, "here", env={"HEADRACE_HOME": str(home)}) as agent:
            yield agent

    def calls(self, name: str, run: str | None = None) -> int:
        """Return how often a task's function was called, by any run or by one."""
        return len(self.callers(name, run))

    def callers(self, name: str, run: str | None = None) -> list[tuple[int, float]]:
        """Return which process called a task's function when, in seconds since 1970."""
        file = self.marks / name
        if not file.exists():
            return []
        # What is still being written has no line's end yet.
        whole, _, _ = file.read_text().rpartition("\n")
        marks = [line.split() for line in whole.splitlines()]
        return [(int(pid), float(at)) for pid, at, *of in marks if run is None or run in of]


P = TypeVar("P", bound=Place)


@contextmanager
def running_place(
    folder: Path,
    database_url: str | None = None,
    *,
    lease: float | None = None,
    back_off: float = 5.0,
    bad_network: bool = False,
    kind: Callable[[RunningServer, RunningAgent, Path, Proxy | None], P],
) -> Iterator[P]:
    """Run a server and an agent with the label `here` for the length of a `with` block.

    Args:
        folder: Where the flows' file, their results and marks are.
        database_url: The server's database; by default SQLite.
        lease: How many seconds the process of a flow run owns it without a word.
        back_off: Where `lease` is given, how many seconds pass before the second attempt of a run
            that was lost; before the third it is four times as long, and so on.
        bad_network: Whether a proxy stands between the agent, with its runs, and the server.
        kind: `Place`, or what does more.
    """
    with ExitStack() as stack:
        impatient = {} if lease is None else {"back_off": back_off}
        server = stack.enter_context(running_server(database_url, lease=lease, **impatient))
        network = stack.enter_context(proxy(server.url)) if bad_network else None
        env = {"HEADRACE_API_URL": network.url} if network else {}
        agent = stack.enter_context(running_agent(server, "here", env=env))
        place = kind(server, agent, folder, network)
        place.marks.mkdir(exist_ok=True)
        text = FLOWS.format(marks=str(place.marks), results=str(folder / "results"))
        (folder / "flows.py").write_text(textwrap.dedent(text))
        place.call(
            *("register", "--project", "etl", "--create-project", "--path", "flows.py"),
            *("--label", "here"),
        )
        yield place

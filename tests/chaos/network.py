"""Runs whose record is looked at down to the single event, between a server and a bad network."""

from __future__ import annotations

import textwrap
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from headrace.client import Client
from headrace.core.errors import Conflict, ServerUnreachable
from headrace.engine.run_directory import ExitRecord, RunDirectory, run_directories
from headrace.server.db.schema import flow_runs, logs, task_run_states, writers
from tests.chaos.quick import QuickPlace
from tests.chaos.story import check
from tests.support.agents import RunningAgent, running_agent
from tests.support.place import running_place
from tests.support.proxy import Proxy

T = TypeVar("T")

#: `lined` says numbered things in each child; `stepped` takes steps, and starts none without a lease;
#: `flooding` writes more than anybody wants to keep.
_FLOWS = """
    import os, sys, time
    from pathlib import Path
    from headrace import Flow, Parameter, context, task, unmapped
    from headrace.results import LocalResult

    MARKS = Path({marks!r})


    def mark(name):
        with (MARKS / name).open("a") as file:
            file.write(f"{{os.getpid()}} {{time.time()}}\\n")


    @task
    def numbers(count, who):
        mark(f"{{who}}-numbers")
        return list(range(count))


    @task
    def double(x, lines):
        for line in range(lines):
            context.logger.info("child %d line %d", x, line)
        return 2 * x


    @task
    def hold(x, until, who):
        mark(f"{{who}}-hold")
        while until and not Path(until).exists():
            time.sleep(0.02)
        return x


    @task
    def write(x, lines, width):
        for line in range(lines):
            context.logger.info("late line %d %s", line, "x" * width)
        return x


    @task(log_stdout=True)
    def total(xs, who):
        print("adding up")
        mark(f"{{who}}-total")
        return sum(xs)


    @task(name="double")
    def step(x, who, seconds):
        mark(f"{{who}}-step")
        time.sleep(seconds)


    @task
    def flood(lines, longest, binary):
        for line in range(lines):
            context.logger.info("line %d", line)
        context.logger.info("y" * longest)
        sys.stdout.flush()
        block = bytes(range(256)) * 256
        for _ in range(binary):
            os.write(1, block)
        os.write(2, b"z" * longest)


    @task
    def fails(length):
        raise ValueError("too long " * (length // 9))


    @task
    def odd(count, until, who):
        mark(f"{{who}}-odd")
        while until and not Path(until).exists():
            time.sleep(0.02)
        for line in range(count):
            # A level that no table holds.
            context.logger.log(2**40 if line % 7 == 3 else 20, "odd line %d", line)


    kept = LocalResult(dir={results!r})
    who = Parameter("who", default="x")

    with Flow("lined", result=kept, lost_after=10) as lined:
        doubled = double.map(numbers(Parameter("count", default=10), who), unmapped(10))
        held = hold(doubled, Parameter("until", default=""), who)
        late = write(held, Parameter("lines", default=0), Parameter("width", default=0))
        total(late, who)

    with Flow("stepped", on_disconnect="hold") as stepped:
        step.map(numbers(Parameter("count", default=100), who), unmapped(who), unmapped(0.05))

    with Flow("flooding") as flooding:
        flood(Parameter("lines"), Parameter("longest"), Parameter("binary"))

    with Flow("strange") as strange:
        odd(Parameter("count", default=30), Parameter("until", default=""), who)

    with Flow("failing") as failing:
        fails(Parameter("length"))
"""


class Line(Proxy):
    """A network that may also change which version of the messages each side says it speaks.

    Attributes:
        asked_as: What requests say instead, unless it is None.
        answered_as: What answers say instead.
        beginnings_only: Whether this is so only where a run's process asks to begin.
    """

    asked_as: str | None = None
    answered_as: str | None = None
    beginnings_only = False

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        if self.beginnings_only and not path.endswith("/activate"):
            return super().forward(method, path, headers, body)
        if self.asked_as is not None:
            headers = {k: v for k, v in headers.items() if k.lower() != "headrace-wire"}
            headers["headrace-wire"] = self.asked_as
        status, found, answer = super().forward(method, path, headers, body)
        if self.answered_as is not None:
            found = [pair for pair in found if pair[0].lower() != "headrace-wire"]
            found.append(("headrace-wire", self.answered_as))
        return status, found, answer


class LinedPlace(QuickPlace):
    """A place with the flows of this file."""

    def begin(self, flow: str, who: str = "x", label: str = "here", **parameters: object) -> str:
        """Make a run, past the network; return its id."""
        with self.client() as client:
            given: dict[str, Any] = {"who": who, **parameters}
            if flow in ("flooding", "failing"):
                del given["who"]
            return client.create_flow_run(flow, "etl", parameters=given, labels=[label]).id

    @contextmanager
    def agent_with(self, folder: Path, label: str, **env: str) -> Iterator[RunningAgent]:
        """Run an agent for one run at a time with a home of its own, over the network."""
        home = folder / f"home-{label}"
        home.mkdir(exist_ok=True)
        url = self.server.url if self.network is None else self.network.url
        env = {"HEADRACE_HOME": str(home), "HEADRACE_API_URL": url, **env}
        with running_agent(self.server, label, options=["--limit", "1"], env=env) as agent:
            yield agent

    def lease_until(self, run: str) -> float:
        """Return until when a run's process owns it, in seconds since 1970; 0 if none does."""
        engine = self.engine()
        try:
            with engine.connect() as connection:
                found = select(flow_runs.c.lease_until).where(flow_runs.c.id == run)
                until: float | None = connection.execute(found).scalar_one()
                return until or 0.0
        finally:
            engine.dispose()


def directory_of(home: Path, run: str) -> RunDirectory:
    """Return the newest directory of a run in a home directory."""
    found = [each for each in run_directories(str(home)) if run in str(each.path)]
    assert found, f"there is no directory of {run} in {home}"
    return max(found, key=lambda each: each.path.stat().st_mtime)


def exit_of(home: Path, run: str, seconds: float = 30) -> ExitRecord:
    """Wait until a run's supervisor has written down how it ended."""
    wait_until(lambda: directory_of(home, run).read(ExitRecord) is not None, "no exit", seconds)
    record = directory_of(home, run).read(ExitRecord)
    assert record is not None
    return record


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def insist(ask: Callable[[], T], seconds: float = 30) -> T | None:
    """Ask over a bad network until there is an answer; None if it had taken effect already."""
    until = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Conflict:
            return None
        except ServerUnreachable:
            assert time.monotonic() < until
            time.sleep(0.05)


def over_the_network(place: LinedPlace) -> Client:
    """Return a client that does not try again by itself."""
    assert place.network is not None
    return Client(place.network.url, api_key="", retries=False)


def check_events(place: LinedPlace, run: str, state: str = "Success", *, unseen: int = 1) -> Any:
    """See that a run ended once, and that of each of its writers every event is there, in order.

    Args:
        place: Where it ran.
        run: Its id.
        state: How it has to have ended.
        unseen: How many numbers at most may be states of the flow run, which have no row with one.

    Returns:
        The run.
    """
    shown = check(place, run, state)
    engine = place.engine()
    try:
        with engine.connect() as connection:
            key = connection.execute(
                select(flow_runs.c.key).where(flow_runs.c.id == run)
            ).scalar_one()
            found: dict[int, list[tuple[int, str]]] = defaultdict(list)
            for table, text in ((logs, logs.c.message), (task_run_states, task_run_states.c.slug)):
                rows = connection.execute(
                    select(table.c.writer, table.c.seq, text).where(table.c.run_key == key)
                )
                for writer, seq, said in rows:
                    found[writer].append((seq, said))
            ends = connection.execute(
                select(writers.c.id, writers.c.stored).where(writers.c.run_key == key)
            ).all()
    finally:
        engine.dispose()
    assert found.keys() <= {writer for writer, _ in ends}
    for writer, up_to in ends:
        numbers = sorted(seq for seq, _ in found[writer])
        assert len(numbers) == len(set(numbers)), "a number is there twice"
        missing = set(range(1, up_to + 1)) - set(numbers)
        assert len(missing) <= unseen, f"events {sorted(missing)[:20]} of {up_to} are missing"
        assert not numbers or numbers[-1] <= up_to
        said = [said for _, said in sorted(found[writer])]
        for child in range(10):
            lines = [each for each in said if each.startswith(f"child {child} line ")]
            assert lines in ([], [f"child {child} line {n}" for n in range(10)]), lines
    return shown


@contextmanager
def lined_place(
    folder: Path, database_url: str, *, lease: float, bad_network: bool = True
) -> Iterator[LinedPlace]:
    """Run a place with the flows of this file."""
    with running_place(
        folder, database_url, lease=lease, bad_network=bad_network, kind=LinedPlace
    ) as place:
        place.database_url = database_url
        text = _FLOWS.format(marks=str(place.marks), results=str(folder / "results"))
        (folder / "lined.py").write_text(textwrap.dedent(text))
        place.call("register", "--project", "etl", "--path", "lined.py", "--label", "here")
        yield place

"""Tracked runs, as a user has them: a server, an agent, and the command line."""

from __future__ import annotations

import datetime
import json
import os
import signal
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.place import Place, running_place
from tests.support.postgres import PostgreSQL

#: Waits longer for its second try than it may hold its process for, and than an agent looks ahead.
PATIENT = """
    import datetime
    from pathlib import Path
    from headrace import Flow, context, task
    from headrace.results import LocalResult
    from headrace.run_configs import LocalRun
    import os, time


    def mark(name):
        with (Path({marks!r}) / name).open("a") as file:
            file.write(f"{{os.getpid()}} {{time.time()}}\\n")


    @task
    def once():
        mark("once")
        return 1


    @task(max_retries=1, retry_delay=datetime.timedelta(seconds=18))
    def tried(x):
        mark("tried")
        if context.attempt == 1:
            raise ValueError("not yet")


    env = {{"HEADRACE__FLOWS__PARK_AFTER": "2"}}
    with Flow("patient", result=LocalResult(dir={results!r}), run_config=LocalRun(env=env)) as flow:
        tried(once())
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            postgresql: PostgreSQL = request.getfixturevalue("postgresql")
            url = stack.enter_context(postgresql.database())
        yield stack.enter_context(
            running_place(tmp_path_factory.mktemp("tracked"), url, kind=Place)
        )


@pytest.fixture
def place(whole: Place) -> Place:
    for file in whole.marks.iterdir():
        file.unlink()
    return whole


def test_a_run_is_watched_to_its_end(place: Place):
    said = place.call(
        *("run", "--project", "etl", "--name", "sums", "-p", "count=4", "--run-name", "four"),
        "--watch",
    )
    assert "there are 4 numbers" in said
    assert "adding up" in said
    assert "Success" in said
    shown = place.show("four")
    assert (shown["state"], shown["attempt"], shown["recoveries"]) == ("Success", 1, 0)
    assert shown["parameters"]["count"] == 4
    states = [entry["state"] for entry in place.ask("flow-run", "states", "four")]
    assert states == ["Scheduled", "Submitted", "Running", "Success"]
    runs = place.ask("task-run", "list", "four")
    runs = runs["items"] if isinstance(runs, dict) else runs
    children = [each for each in runs if each["slug"] == "double-1" and each["map_index"] >= 0]
    assert [(each["map_index"], each["state"]) for each in children] == [
        (n, "Success") for n in range(4)
    ]
    assert [place.calls(f"double-{n}") for n in range(4)] == [1] * 4
    assert "four" in place.call("flow-run", "list")


def test_a_run_that_fails_says_where(place: Place):
    said = place.call(
        *("run", "--project", "etl", "--name", "broken", "--run-name", "bad", "--watch"), code=1
    )
    assert "[0, 1] is too much" in said
    assert place.show("bad")["state"] == "Failed"
    failed = place.call("task-run", "list", "bad", "--state", "Failed")
    assert "fails-1" in failed


def test_a_run_is_cancelled(place: Place):
    run = place.start("held", until="never")
    place.wait_for_mark("hold")
    begun = time.monotonic()
    place.call("flow-run", "cancel", run, "--reason", "wrong day", "--wait")
    assert time.monotonic() - begun < 60  # the task would wait for ever
    shown = place.show(run)
    assert shown["state"] == "Cancelled"
    assert "wrong day" in json.dumps(place.ask("flow-run", "states", run))
    assert place.calls("total") == 0
    _gone(shown["pid"])


def test_a_run_is_paused_and_resumed(place: Place, tmp_path: Path):
    go = tmp_path / "go"
    run = place.start("held", until=str(go))
    place.wait_for_mark("hold")
    place.call("flow-run", "pause", run, "--reason", "the source is being repaired")
    time.sleep(5)  # the order takes 30 ms to the runner, on a machine that has nothing else to do
    go.touch()
    shown = place.wait(run, "Paused", "Success")
    assert shown["state"] == "Paused"
    assert shown["waiting"]["whose_turn"] == "user"
    assert place.calls("total") == 0
    place.call("flow-run", "resume", run)
    assert place.wait(run, "Success", "Failed")["state"] == "Success"
    assert place.calls("numbers") == place.calls("double-0") == place.calls("total") == 1


def test_a_runs_log_lines_are_kept_once_and_in_order(place: Place):
    run = place.start("sums")
    place.wait(run, "Success", "Failed")
    lines = place.call("flow-run", "logs", run)
    assert lines.count("there are 3 numbers") == 1
    assert lines.count("adding up") == 1
    assert lines.index("there are 3 numbers") < lines.index("adding up")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_run_goes_on_while_the_server_is_away(place: Place, tmp_path: Path, how: str):
    go = tmp_path / "go"
    run = place.start("held", until=str(go))
    place.wait_for_mark("hold")
    end: Callable[[], None] = getattr(place.server, how)
    end()
    try:
        go.touch()
        place.wait_for_mark("total")
    finally:
        place.server.start()
    shown = place.wait(run, "Success", "Failed")
    assert (shown["state"], shown["attempt"]) == ("Success", 1)
    assert place.calls("numbers") == place.calls("total") == 1
    assert place.call("flow-run", "logs", run).count("adding up") == 1


def test_a_run_outlives_its_agent(place: Place, tmp_path: Path):
    go = tmp_path / "go"
    run = place.start("held", until=str(go))
    place.wait_for_mark("hold")
    place.agent.kill()
    try:
        go.touch()
        assert place.wait(run, "Success", "Failed")["state"] == "Success"
    finally:
        place.agent.start()
    assert place.show(run)["attempt"] == 1
    # The agent that has come back takes up work as before.
    assert place.wait(place.start("sums"), "Success", "Failed")["state"] == "Success"


def test_what_succeeded_is_not_run_again_after_a_crash(place: Place, tmp_path: Path):
    go = tmp_path / "go"
    run = place.start("held", until=str(go))
    place.wait_for_mark("hold")
    place.wait_until_doubled(run)
    ((runner, _),) = place.callers("hold")
    os.kill(runner, signal.SIGKILL)
    go.touch()
    shown = place.wait(run, "Success", "Failed")
    assert (shown["state"], shown["recoveries"]) == ("Success", 1)
    assert shown["attempt"] == 2
    assert place.calls("numbers") == 1
    assert [place.calls(f"double-{n}") for n in range(3)] == [1, 1, 1]
    assert place.calls("hold") == 2
    assert "SIGKILL" in json.dumps(place.ask("flow-run", "states", run))


def test_a_run_that_waits_for_long_lets_go_of_its_process(place: Place, tmp_path: Path):
    code = PATIENT.format(marks=str(place.marks), results=str(tmp_path / "results"))
    (tmp_path / "patient.py").write_text(textwrap.dedent(code))
    place.call(
        *("register", "--project", "etl", "--path", str(tmp_path / "patient.py")),
        *("--label", "here"),
    )
    run = place.start("patient")
    parked = place.wait(run, "Scheduled", "Success", "Failed")
    until = time.monotonic() + 90
    while parked["attempt"] == 0:  # it has not been claimed yet
        assert time.monotonic() < until, place.agent.log[-3000:]
        parked = place.wait(run, "Scheduled", "Success", "Failed")
    assert parked["state"] == "Scheduled"
    assert "It is parked" in parked["waiting"]["reason"]
    assert parked["waiting"]["whose_turn"] == "clock"
    _gone(parked["pid"])
    (task,) = place.ask("task-run", "list", run, "--task", "tried-1")
    assert task["state"] == "Retrying"
    assert "It is tried again at" in task["waiting"]["reason"]
    shown = place.wait(run, "Success", "Failed")
    assert (shown["state"], shown["attempt"], shown["recoveries"]) == ("Success", 2, 0)
    assert [place.calls(name) for name in ("once", "tried")] == [1, 2]
    (first, _), (second, began) = place.callers("tried")
    assert first != second
    due = datetime.datetime.fromisoformat(task["due"]).timestamp()
    assert 0 <= began - due < 10  # agents ask twice a minute


def test_a_run_that_nobody_serves_says_so(place: Place):
    run = place.ask("run", "--project", "etl", "--name", "sums", "--label", "elsewhere")["id"]
    shown = place.show(run)
    assert shown["state"] == "Scheduled"
    assert "elsewhere" in shown["waiting"]["reason"]
    assert shown["waiting"]["remedy"]
    assert "elsewhere" in place.call("flow-run", "show", run)
    place.call("flow-run", "cancel", run)
    assert place.show(run)["state"] == "Cancelled"


def test_what_is_not_there_is_named(place: Place):
    assert "etl" in place.call("run", "--project", "etl", "--name", "sum", code=2)
    assert "elt" in place.call("run", "--project", "elt", "--name", "sums", code=2)
    assert "cuont" in place.call(
        *("run", "--project", "etl", "--name", "sums", "-p", "cuont=3"), code=2
    )


def test_an_unchanged_flow_is_not_registered_anew(place: Place):
    before = {flow["name"]: flow["version"] for flow in place.ask("flow", "list")}
    place.call("register", "--project", "etl", "--path", "flows.py", "--label", "here")
    assert {flow["name"]: flow["version"] for flow in place.ask("flow", "list")} == before


def _gone(pid: int) -> None:
    """See that a process ends soon."""
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until, f"process {pid} goes on"
        time.sleep(0.05)

"""What runs have to say and cannot deliver: on a full disk, too much, too late, or not to be taken."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from headrace.server.db.schema import flow_runs, logs, task_run_states
from headrace.wire.claims import Activate, Activated, Claim, ClaimedRun, Exited
from headrace.wire.events import EventBatch, FlowState, LogLine, TaskState
from tests.chaos.network import (
    LinedPlace,
    check_events,
    directory_of,
    exit_of,
    lined_place,
    wait_until,
)
from tests.support.agents import running_agent
from tests.support.servers import headrace

#: Seconds that a process owns its run without a word.
LEASE = 3.0
#: A supervisor waits no longer than that, at its end, for a server that is away.
IMPATIENT = {"HEADRACE__RUNS__FLUSH_TIMEOUT": "0.3"}

on_sqlite = pytest.mark.parametrize("shared_database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def whole(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LinedPlace]:
    folder = tmp_path_factory.mktemp("spool")
    with lined_place(folder, shared_database_url, lease=LEASE) as place:
        yield place


def _cut_off(place: LinedPlace, is_cut_off: bool = True) -> None:
    assert place.network is not None
    place.network.away = is_cut_off


def _numbers(place: LinedPlace, run: str, of: str) -> list[int]:
    """Return the numbers of all lines of a kind that the server has, in its order."""
    found = re.findall(rf"^{of} (\d+)", place.lines(run), re.MULTILINE)
    return [int(number) for number in found]


def _omitted(place: LinedPlace, run: str) -> int:
    """Return how many lines are said to have been omitted."""
    found = re.findall(r"^(\d+) (?:log )?lines omitted", place.lines(run), re.MULTILINE)
    return sum(map(int, found))


# -- a full disk ------------------------------------------------------------------------------------


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Give a folder 1 MiB of room; if that is not allowed here, then any one file."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if mounted.returncode:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        if not mounted.returncode:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@on_sqlite
def test_a_full_disk_costs_lines_that_are_counted_and_no_state(place: LinedPlace, tmp_path: Path):
    go = tmp_path / "go"
    memory = {"HEADRACE__RUNS__MEMORY_LIMIT": "300000"}
    with (
        _small_disk(tmp_path / "home-full" / "runs"),
        place.agent_with(tmp_path, "full", **memory) as agent,
    ):
        run = place.begin("lined", label="full", until=str(go), lines=6000, width=500)
        place.wait_for_calls("x-hold", 1)
        _cut_off(place)
        go.touch()
        place.wait_for_calls("x-total", 1)
        directory = directory_of(agent.home, run)
        wait_until(lambda: directory.spool.stat().st_size > 500_000, "nothing is kept on the disk")
        _cut_off(place, False)
        place.wait(run, "Success", "Failed")
        shown = check_events(place, run)
        assert (shown["attempt"], shown["recoveries"]) == (1, 0)
        kept = _numbers(place, run, "late line")
        assert kept == sorted(set(kept))
        assert 500 < len(kept) < 6000
        # A few lines about the run's end may be among those that had no room.
        assert 6000 <= len(kept) + _omitted(place, run) <= 6004
        with place.client() as client:
            assert not [line for line in client.logs(run) if line.is_stale]
        assert exit_of(agent.home, run).how == "finished"


# -- too much ---------------------------------------------------------------------------------------


def _peak(pid: int) -> int:
    """Return how much memory a process has had at most, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


@on_sqlite
def test_a_flood_is_bounded_and_counted(place: LinedPlace):
    lines, longest, binary = 500_000, 50_000_000, 200
    before = _peak(place.server.pid)
    run = place.begin("flooding", lines=lines, longest=longest, binary=binary)
    wait_until(lambda: place.show(run)["state"] == "Running", "it does not begin")
    supervisor = place.show(run)["pid"]
    most = 0
    while (shown := place.show(run))["state"] == "Running":
        with suppress(OSError, IndexError):  # it is over
            most = max(most, _peak(supervisor))
    assert shown["state"] == "Success", shown["message"]
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)
    with place.client() as client:
        found = list(client.logs(run))
    # The counts are told before the run ends: afterwards nobody would believe them.
    assert not [line for line in found if line.is_stale]
    logged = [line.message for line in found if line.logger.startswith("headrace")]
    kept = sum(message.startswith("line ") for message in logged)
    omitted = sum(int(m.split()[0]) for m in logged if re.match(r"\d+ log lines omitted", m))
    long = sum(message.count("y") for message in logged if message.startswith("yy"))
    more = re.search(r"\[(\d+) more characters omitted\]", "\n".join(logged))
    assert 20_000 <= kept <= 200_000
    # The long line itself may have been one too many.
    assert kept + omitted == lines + (0 if long else 1)
    if long:
        assert more is not None
        assert long + int(more[1]) == longest
    for name in ("stdout", "stderr"):
        printed = [line.message for line in found if line.logger == name]
        assert sum(len(message) for message in printed) < 6_000_000
        assert re.match(r"\d+ lines omitted: the run wrote more than 5000000 bytes", printed[-1])
    assert 0 < most < 200, f"the supervisor took {most} MiB"
    taken = _peak(place.server.pid) - before
    assert taken < 150, f"the server took {taken} MiB more"


# -- too late ---------------------------------------------------------------------------------------


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _end_unheard(place: LinedPlace, home: Path, run: str, go: Path) -> None:
    """Let a run end while nobody can be told."""
    place.wait_for_calls("x-hold", 1)
    _cut_off(place)
    go.touch()
    ended = exit_of(home, run)
    assert ended.undelivered > 0
    assert not ended.reported


def test_a_spool_is_delivered_by_the_agent_when_it_is_back(place: LinedPlace, tmp_path: Path):
    go = tmp_path / "go"
    with place.agent_with(tmp_path, "back", **IMPATIENT) as agent:
        run = place.begin("lined", label="back", until=str(go), lines=1500, width=50)
        place.wait_for_calls("x-hold", 1)
        agent.kill()
        _end_unheard(place, agent.home, run, go)
        _cut_off(place, False)
        agent.start()
        place.wait(run, "Success", "Failed")
        shown = check_events(place, run)
        assert (shown["attempt"], shown["recoveries"]) == (1, 0)
        assert _numbers(place, run, "late line") == list(range(1500))
        wait_until(lambda: exit_of(agent.home, run).reported, "it is delivered again and again")


def test_a_spool_that_comes_after_a_successor_ended_is_history(place: LinedPlace, tmp_path: Path):
    go = tmp_path / "go"
    with place.agent_with(tmp_path, "first", **IMPATIENT) as first:
        run = place.begin("lined", label="first", until=str(go), lines=700, width=50)
        _end_unheard(place, first.home, run, go)
        first.kill()
        with place.client() as client:
            client.exited(run, Exited(attempt=1, reason="its machine is gone"))
        with running_agent(
            place.server, "first", env={"HEADRACE_HOME": str(_folder(tmp_path / "second"))}
        ):
            place.wait(run, "Success", "Failed")
    before = check_events(place, run)
    assert (before["attempt"], before["recoveries"]) == (2, 1)
    with place.client() as client:
        tasks_before = msgspec.to_builtins(list(client.task_runs(run)))
        story_before = client.flow_run_states(run)
    _cut_off(place, False)
    env = {**place.server.env, "HEADRACE_HOME": str(first.home)}
    assert run in headrace("flush", env=env)
    assert "nothing to deliver" in headrace("flush", env=env)
    # It is all there, and marked; and nothing else has changed.
    assert check_events(place, run) == before
    with place.client() as client:
        assert msgspec.to_builtins(list(client.task_runs(run))) == tasks_before
        stale = [line for line in client.logs(run) if line.is_stale]
        story = client.flow_run_states(run)
    late = [line.message.split()[2] for line in stale if line.message.startswith("late line")]
    assert late == [str(number) for number in range(700)]
    assert {line.attempt for line in stale} == {1}
    added = [entry for entry in story if entry not in story_before]
    assert [(entry.state, entry.attempt, entry.is_stale) for entry in added] == [
        ("Success", 1, True)
    ]


# -- not to be taken --------------------------------------------------------------------------------


def _check_strange(place: LinedPlace, run: str) -> None:
    expected = [number for number in range(30) if number % 7 != 3]
    assert _numbers(place, run, "odd line") == expected
    said = re.findall(
        r'^The server did not take an event .*"odd line (\d+)"', place.lines(run), re.MULTILINE
    )
    assert [int(number) for number in said] == [3, 10, 17, 24]


@on_sqlite
def test_what_a_server_never_takes_is_said_and_holds_up_nothing(place: LinedPlace):
    run = place.begin("strange")
    shown = place.wait(run, "Success", "Failed")
    assert (shown["state"], shown["attempt"]) == ("Success", 1)
    _check_strange(place, run)


@on_sqlite
def test_what_a_server_never_takes_holds_up_no_flush(place: LinedPlace, tmp_path: Path):
    go = tmp_path / "go"
    with place.agent_with(tmp_path, "strange", **IMPATIENT) as agent:
        run = place.begin("strange", label="strange", until=str(go))
        place.wait_for_calls("x-odd", 1)
        agent.kill()
        _cut_off(place)
        go.touch()
        assert exit_of(agent.home, run).undelivered > 0
        _cut_off(place, False)
        env = {**place.server.env, "HEADRACE_HOME": str(agent.home)}
        assert run in headrace("flush", env=env)
        assert "nothing to deliver" in headrace("flush", env=env)
    assert place.show(run)["state"] == "Success"
    _check_strange(place, run)


@on_sqlite
def test_a_message_over_every_bound_is_cut_and_the_run_ends(place: LinedPlace):
    run = place.begin("failing", length=20_000_000)
    shown = place.wait(run, "Success", "Failed")
    assert (shown["state"], shown["attempt"]) == ("Failed", 1)
    with place.client() as client:
        (task_run,) = (each for each in client.task_runs(run) if each.slug == "fails-1")
    assert "too long too long" in (task_run.message or "")
    assert len(task_run.message or "") < 1_100_000


def test_a_batch_that_is_wrong_leaves_nothing_and_breaks_no_numbering(place: LinedPlace):
    with place.client() as client:
        run = client.create_flow_run("lined", "etl", labels=["by hand"]).id
        asked = Claim(agent="by hand", name="by hand", kind="local", labels=["by hand"], wait=10)
        (claimed,) = client.claim(asked).runs
        activate = Activate(attempt=claimed.attempt, nonce="n", host="here", pid=os.getpid())
        activated: Activated = client.activate(run, activate, claimed.token)
        assert activated.refused is None
    good = [LogLine(at=1.0 + n, message=f"late line {n}") for n in range(500)]
    wrong: list[tuple[int, str, bytes]] = [
        (400, r"events\[500\]", _batch([*good, TaskState(at=1.0, slug="", type="Success")])),
        (400, "after which there are none", _batch([FlowState(at=1.0, type="Success"), *good])),
        (
            400,
            "map_index",
            _batch([*good, TaskState(at=1.0, slug="x", type="Success", map_index=-7)]),
        ),
        (400, "message", _batch(good).replace(b'"late line 499"', b"499")),
        (400, "colour", b'{"colour":1,' + _batch(good)[1:]),
        (400, "first", _batch(good, first=-3)),
        (400, "truncated", _batch(good)[:-40]),
        (413, "10001 events", _batch(good * 20 + good[:1])),
        (413, "8388608 bytes", _batch([*good, LogLine(at=1.0, message="x" * 9_000_000)])),
    ]
    for status, named, body in wrong:
        assert _said(place, claimed, body, status, named)
        assert _stored(place, run) == 0, named
    answer = _post(place, claimed, _batch(good, first=101))
    assert (answer[0], answer[1]["stored"]) == (200, 0)  # a gap: send again from the first
    assert _stored(place, run) == 0
    assert _post(place, claimed, _batch(good))[1]["stored"] == 500
    assert _post(place, claimed, _batch(good))[1]["stored"] == 500
    overlap = [*good[400:], FlowState(at=9.0, type="Success")]
    assert _post(place, claimed, _batch(overlap, first=401))[1]["stored"] == 501
    assert _post(place, claimed, _batch(overlap, first=401))[1]["stored"] == 501
    assert _numbers(place, run, "late line") == list(range(500))
    shown = place.show(run)
    assert (shown["state"], shown["attempt"], shown["recoveries"]) == ("Success", 1, 0)


def _batch(events: list[Any], first: int = 1) -> bytes:
    return msgspec.json.encode(EventBatch(attempt=1, nonce="n", first=first, events=events))


def _post(place: LinedPlace, run: ClaimedRun, body: bytes) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", place.server.port, 30)
    headers = {"headrace-wire": "1", "authorization": f"Bearer {run.token}"}
    try:
        connection.request("POST", f"/api/runs/{run.id}/events", body, headers)
        answer = connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read())
    finally:
        connection.close()


def _said(place: LinedPlace, run: ClaimedRun, body: bytes, status: int, named: str) -> bool:
    """See that a body is refused with a status and a message that names what is wrong."""
    got, problem = _post(place, run, body)
    assert got == status, problem
    assert re.search(named, problem["message"]), problem
    return "Traceback" not in problem["message"]


def _stored(place: LinedPlace, run: str) -> int:
    """Return how many rows there are of events of a run."""
    of_run = select(flow_runs.c.key).where(flow_runs.c.id == run).scalar_subquery()
    engine = place.engine()
    try:
        with engine.connect() as connection:
            return sum(
                connection.execute(
                    select(func.count()).select_from(table).where(table.c.run_key == of_run)
                ).scalar_one()
                for table in (logs, task_run_states)
            )
    finally:
        engine.dispose()

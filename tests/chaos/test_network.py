"""All that is said to a server goes over a bad network, or meets no server at all.

Beside what a run's process says these are the requests of people: making runs, cancelling, pausing.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace.client import Client
from headrace.core.errors import VersionMismatch
from tests.chaos.network import (
    Line,
    LinedPlace,
    check_events,
    directory_of,
    insist,
    lined_place,
    over_the_network,
    wait_until,
)
from tests.support.agents import running_agent
from tests.support.proxy import Fault, Plan

#: Seconds that a process owns its run without a word: its renewals come every third of it.
LEASE = 3.0

#: Tests of what the database has no part in.
on_sqlite = pytest.mark.parametrize("shared_database_url", ["sqlite"], indirect=True)

#: Everything at once, and what makes one request two.
STORMS: dict[str, dict[Fault, float]] = {
    "everything": {
        "drop": 0.07,
        "swallow": 0.07,
        "repeat": 0.07,
        "late": 0.07,
        "delay": 0.07,
        "cut": 0.04,
        "cut_answer": 0.04,
        "refuse": 0.07,
    },
    "twice": {"swallow": 0.15, "repeat": 0.25, "late": 0.15},
}


@pytest.fixture(scope="module")
def whole(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LinedPlace]:
    folder = tmp_path_factory.mktemp("network")
    with lined_place(folder, shared_database_url, lease=LEASE) as place:
        yield place


def _weather(place: LinedPlace, plan: Plan | None = None) -> None:
    assert place.network is not None
    place.network.plan = plan or Plan()


def _was_asked(place: LinedPlace, run: str, what: str) -> bool:
    assert place.network is not None
    return any(each.path.endswith(f"/{run}/{what}") for each in place.network.asked)


def _wait_for_an_answer(place: LinedPlace, run: str) -> None:
    """Wait until the process of a run was answered something that it asks after now."""
    assert place.network is not None
    asked = place.network.asked
    before = len(asked)

    def is_answered() -> bool:
        return any(
            each.path.endswith(f"/{run}/events") and each.fault in ("pass", "repeat", "delay")
            for each in asked[before:]
        )

    wait_until(is_answered, "its process asks for nothing")
    time.sleep(1.5)  # from the supervisor to the runner it takes 30 ms, if nothing else is going on


# -- a bad network --------------------------------------------------------------------------------


@pytest.mark.parametrize("storm", STORMS)
def test_what_people_and_runs_say_in_a_storm_takes_effect_once(
    place: LinedPlace, tmp_path: Path, storm: str
):
    go = tmp_path / "go"
    assert place.network is not None
    place.network.asked.clear()
    _weather(place, Plan(seed=7, odds=STORMS[storm]))
    with over_the_network(place) as client:

        def begin(who: str, until: object) -> str:
            made = insist(
                lambda: client.create_flow_run(
                    "lined",
                    "etl",
                    parameters={"who": who, "until": str(until)},
                    idempotency_key=f"{tmp_path.name}-{who}",
                )
            )
            assert made is not None
            return made.id

        ends = [begin(f"ends{n}", "") for n in range(4)]
        cancelled, paused = begin("cancelled", "never"), begin("paused", go)
        place.wait_for_calls("cancelled-hold", 1)
        insist(lambda: client.cancel_flow_run(cancelled, "enough"))
        place.wait_for_calls("paused-hold", 1)
        insist(lambda: client.pause_flow_run(paused, "later"))
        _wait_for_an_answer(place, paused)
        go.touch()
        place.wait(paused, "Paused")
        time.sleep(0.4)  # until no request to pause it can be on its way any more
        insist(lambda: client.resume_flow_run(paused))
        for run in (*ends, paused):
            place.wait(run, "Success", "Failed", seconds=90)
            shown = check_events(place, run)
        place.wait(cancelled, "Cancelled", "Failed", seconds=90)
    for who in ("ends0", "ends1", "ends2", "ends3", "paused"):
        assert place.calls(f"{who}-numbers") == place.calls(f"{who}-total") == 1
    # What waited for the second half of a paused run was not run again, also if the storm kept all
    # that was said of an attempt from its server for a whole term, so that another one followed.
    assert (shown["recoveries"] <= 1, place.calls("paused-hold")) == (True, 1)
    check_events(place, cancelled, "Cancelled")
    assert "enough" in place.show(cancelled)["message"]
    with place.client() as client:
        made = [run.parameters["who"] for run in client.flow_runs(flow_name="lined", limit=6)]
    assert len(made) == len(set(made)) == 6, "a run was made twice"
    assert "Traceback" not in place.server.log
    befell = place.network.counts()
    assert set(befell) >= {"drop" if storm == "everything" else "swallow", "pass"}, befell


# -- a server that is away --------------------------------------------------------------------------


@on_sqlite
def test_a_server_that_goes_between_a_claim_and_its_beginning(place: LinedPlace):
    _weather(place, Plan(odds={"drop": 1.0}, on=lambda _, path: path.endswith("/activate")))
    assert place.network is not None
    run = place.begin("lined")
    wait_until(lambda: _was_asked(place, run, "activate"), "it is not claimed")
    # As long as its agent says that it is being deployed it is nobody else's; the time in which
    # there is no server counts for nothing.
    place.server.kill()
    time.sleep(LEASE + 1.0)
    place.server.start()
    time.sleep(1.0)
    shown = place.show(run)
    assert (shown["state"], shown["attempt"]) == ("Submitted", 1), shown
    _weather(place)
    place.wait(run, "Success", "Failed")
    shown = check_events(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)


@on_sqlite
def test_a_run_ends_while_its_server_is_away(place: LinedPlace, tmp_path: Path):
    go = tmp_path / "go"
    run = place.begin("lined", until=str(go), lines=2000, width=100)
    place.wait_for_calls("x-hold", 1)
    place.server.kill()
    go.touch()
    place.wait_for_calls("x-total", 1)
    time.sleep(0.5)
    place.server.start()
    place.wait(run, "Success", "Failed")
    shown = check_events(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)
    late = [line for line in place.lines(run).splitlines() if line.startswith("late line ")]
    assert [int(line.split()[2]) for line in late] == list(range(2000))


def test_lease_time_does_not_run_while_there_is_no_server(place: LinedPlace):
    run = place.begin("stepped", count=40)
    place.wait_for_calls("x-step", 1)
    supervisor = place.show(run)["pid"]
    # It says nothing any more, so that only the server's own word can keep its lease. A flow of
    # this kind could be taken over as soon as its lease has passed.
    os.kill(supervisor, signal.SIGSTOP)
    try:
        place.server.kill()
        time.sleep(LEASE + 1.0)
        began = time.time()
        place.server.start()
        wait_until(lambda: place.lease_until(run) > time.time(), "there is no new term")
        # Nothing else is asked before it goes on: on a slow machine the new term would pass, too.
        term = place.lease_until(run)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert term >= began + LEASE
    place.wait(run, "Success", "Failed")
    shown = check_events(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)


@on_sqlite
def test_a_run_that_must_not_have_a_twin_starts_nothing_without_a_lease(place: LinedPlace):
    run = place.begin("stepped", count=70)
    place.wait_for_calls("x-step", 5)
    place.server.kill()
    gone = time.time()
    time.sleep(LEASE + 1.5)
    steps = [at for _, at in place.callers("x-step")]
    # While it had its lease it went on; then it stopped, before anybody else could begin.
    assert 5 < len(steps) < 70
    assert max(steps) < gone + LEASE
    assert time.time() - max(steps) > 0.5
    place.server.start()
    place.wait(run, "Success", "Failed")
    shown = check_events(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)
    assert place.calls("x-step") == 70
    said = place.lines(run)
    assert said.count("The lease has passed") == said.count(
        "The lease was renewed: the run goes on"
    )


# -- another version on the other side ----------------------------------------------------------------


@on_sqlite
def test_a_server_of_another_version_is_told_apart_and_costs_a_run_nothing(
    place: LinedPlace, tmp_path: Path
):
    """It is upgraded in the middle of a run, and put back; both directions."""
    go, home = tmp_path / "go", tmp_path / "home"
    home.mkdir()
    with closing(Line(place.server.url)) as line:
        env = {"HEADRACE_HOME": str(home), "HEADRACE_API_URL": line.url}
        with running_agent(place.server, "upgraded", env=env) as agent:
            run = place.begin("lined", label="upgraded", until=str(go), lines=50)
            place.wait_for_calls("x-hold", 1)
            line.answered_as = "2"
            time.sleep(0.5)
            line.answered_as, line.asked_as = None, "0"
            go.touch()
            place.wait_for_calls("x-total", 1)
            time.sleep(0.5)
            line.asked_as = None
            place.wait(run, "Success", "Failed")
            assert "Upgrade the client" in directory_of(home, run).log.read_text()
            agent.stop()
            line.asked_as = "2"
            agent.start()
            # One that never was understood does not stay, as if it could do something.
            wait_until(lambda: not agent.is_running, "it stays")
            assert "Upgrade the server" in agent.log
    shown = check_events(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)


@on_sqlite
def test_a_run_that_another_version_keeps_from_beginning_says_so(place: LinedPlace, tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    with closing(Line(place.server.url)) as line:
        line.asked_as, line.beginnings_only = "0", True
        env = {
            "HEADRACE_HOME": str(home),
            "HEADRACE_API_URL": line.url,
            "HEADRACE__RUNS__ACTIVATION_TIMEOUT": "0.5",
        }
        with running_agent(place.server, "older", env=env):
            run = place.begin("lined", label="older")
            wait_until(lambda: place.show(run)["recoveries"], "nobody says that it did not begin")
            line.asked_as = None
            place.wait(run, "Success", "Failed")
    check_events(place, run)
    with place.client() as client:
        told = [entry.message for entry in client.flow_run_states(run)]
    assert any("Upgrade the client" in message for message in told), told


@on_sqlite
def test_a_client_of_another_version_changes_nothing(place: LinedPlace):
    with closing(Line(place.server.url)) as line, place.client() as known:
        before = len(known.flow_runs(limit=200))
        with Client(line.url, api_key="") as client:
            for asked, answered, side in (
                ("0", None, "client"),
                ("2", None, "server"),
                (None, "9", "client"),
            ):
                line.asked_as, line.answered_as = asked, answered
                with pytest.raises(VersionMismatch, match=f"Upgrade the {side}"):
                    client.server() if answered else client.create_flow_run("lined", "etl")
        assert len(known.flow_runs(limit=200)) == before

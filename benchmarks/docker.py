"""The Docker agent: how soon a container's process starts, and what watching containers costs."""

from __future__ import annotations

import datetime
import subprocess
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

from benchmarks.claims import register_empty
from benchmarks.comparisons import Settings
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import measured_server, usage
from headrace.agents.docker.container import AGENT, ATTEMPT, OVER, RUN, name_of
from headrace.client import Client
from headrace.wire.claims import Activate, Claim
from headrace.wire.flow_runs import CreateFlowRun
from tests.integration.components.base_image import build_headrace_image
from tests.integration.components.docker_engine import DockerEngine, running_docker_engine
from tests.support.agents import running_agent

STARTS = 30
QUICK_STARTS = 3
#: Each has a shim of 12 MiB beside it.
LIVE = 500
QUICK_LIVE = 10
#: How many of them end while the agent watches.
_ENDS = 50
_QUICK_ENDS = 5
#: Twice the time between two looks at all of them.
_WATCH_SECONDS = 60.0
_QUICK_WATCH_SECONDS = 2.0
_PATIENCE = 60.0
_AGENT_ID = "bench"
_BY_HAND = "docker run"
_MEBIBYTE = 1 << 20


def docker_start(settings: Settings, *, target: Target) -> list[Row]:
    """Measure the time from a run's claim until its container's process starts.

    The peer is `docker run` of the same image by hand, on the same engine, by turns.
    """
    count = QUICK_STARTS if settings.quick else STARTS
    ours: list[float] = []
    by_hand: list[float] = []
    with running_docker_engine() as engine, measured_server() as server:
        image = build_headrace_image(engine)
        flow_id = register_empty(server)
        options = ["--base-url", engine.url, "--keep"]
        with (
            running_agent(server, "bench", options=options, kind="docker"),
            Client(server.url, api_key="") as client,
        ):
            for _ in range(count + 1):
                run_id = client.create_flow_run(flow_id=flow_id, labels=["bench"]).id
                client.wait_for_flow_run(run_id)
                claimed = next(
                    each.at for each in client.flow_run_states(run_id) if each.state == "Submitted"
                )
                name = f"{name_of(run_id, 1)}{OVER}"
                ours.append(_started_at(engine, name) - claimed.timestamp())
                by_hand.append(_by_hand(engine, image))
    # The first of each finds no files in the machine's memory.
    figures = {HEADRACE: median(ours[1:]) * 1000, _BY_HAND: median(by_hand[1:]) * 1000}
    return rows_of(
        "claim → container's process started, median",
        "ms",
        figures,
        target=target,
        notes={HEADRACE: f"{count} runs, by turns with {_BY_HAND}"},
    )


def docker_watch(settings: Settings, *, cpu: Target, memory: Target) -> list[Row]:
    """Measure what an agent costs while its containers run, and what the end of one costs it."""
    count = QUICK_LIVE if settings.quick else LIVE
    ends = _QUICK_ENDS if settings.quick else _ENDS
    seconds = _QUICK_WATCH_SECONDS if settings.quick else _WATCH_SECONDS
    with running_docker_engine() as engine, measured_server() as server:
        image = build_headrace_image(engine)
        with Client(server.url, api_key="") as client, ThreadPoolExecutor(4) as pool:
            wanted = [CreateFlowRun(flow_id=register_empty(server), labels=["bench"])] * count
            made = [run.id for run in client.create_flow_runs(wanted)]
            names = list(pool.map(lambda run_id: _sleeping(engine, image, run_id), made))
            _begin(client, count)
        with running_agent(
            server,
            "watch",  # so that next attempts are nobody's
            options=["--base-url", engine.url],
            env={"HEADRACE_AGENT_ID": _AGENT_ID},
            kind="docker",
        ) as agent:
            _until(lambda: agent.log.count("Found flow run") >= count)
            time.sleep(2.0)
            before, began = usage(agent.pid), time.monotonic()
            time.sleep(seconds)
            after, ended = usage(agent.pid), time.monotonic()
            share = (after.cpu - before.cpu) / (ended - began) * 100
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(engine.client.api.kill, names[:ends]))
            _until(lambda: agent.log.count("has ended") >= ends)
            each = (usage(agent.pid).cpu - after.cpu) / ends * 1000
        with ThreadPoolExecutor(4) as pool:  # by one alone it takes a minute
            remove = partial(engine.client.api.remove_container, force=True)
            list(pool.map(remove, names[ends:]))
    case = f"the Docker agent watching {count} containers for {seconds:g} s"
    note = f"{show(each)} ms of CPU for the end of each of {ends}, told to the server"
    return [
        *rows_of(f"{case}: CPU", "%", {HEADRACE: share}, target=cpu, notes={HEADRACE: note}),
        *rows_of(
            f"{case}: resident memory", "MiB", {HEADRACE: after.resident / _MEBIBYTE}, target=memory
        ),
    ]


def _by_hand(engine: DockerEngine, image: str) -> float:
    began = time.time()
    done = subprocess.run(
        [
            *("docker", "--host", engine.url, "run", "--detach", "--network", "host"),
            *(image, "headrace", "--version"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    name = str(engine.client.api.inspect_container(done.stdout.strip())["Name"]).lstrip("/")
    engine.client.api.wait(name)
    return _started_at(engine, name) - began


def _started_at(engine: DockerEngine, name: str) -> float:
    """Return when a container's process was started, and remove the container."""
    found: list[str] = []

    def look() -> bool:
        if engine.client.api.containers(all=True, filters={"name": name}):
            found.append(engine.client.api.inspect_container(name)["State"]["StartedAt"])
        return bool(found)

    _until(look)
    engine.client.api.remove_container(name, force=True)
    # Nanoseconds are more than Python reads.
    whole, _, rest = found[0].rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}+00:00")
    return at.timestamp()


def _begin(client: Client, count: int) -> None:
    """Let the server believe that all runs have begun in the containers of the agent."""
    while count:
        claim = Claim(agent=_AGENT_ID, name="bench", kind="docker", labels=["bench"], most=count)
        for run in client.claim(claim).runs:
            client.activate(run.id, Activate(attempt=1, nonce=uuid.uuid4().hex), run.token)
            count -= 1


def _sleeping(engine: DockerEngine, image: str, run_id: str) -> str:
    name = name_of(run_id, 1)
    engine.client.containers.run(
        image,
        ["sleep", "infinity"],
        name=name,
        labels={RUN: run_id, ATTEMPT: "1", AGENT: _AGENT_ID},
        network_mode="none",
        detach=True,
    )
    return name


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("It has not come in time.")
        time.sleep(0.02)

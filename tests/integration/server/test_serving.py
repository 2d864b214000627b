"""The server as a process: started, stopped, refused, shared."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import Flow, task
from headrace.client import Client
from headrace.core.description import describe_graph
from headrace.server.serving import bind
from headrace.server.settings import ServerSettings, is_loopback
from headrace.wire.claims import Claim
from headrace.wire.flow_runs import CreateFlowRun
from headrace.wire.flows import RegisterFlow
from tests.support.servers import PROGRAM, RunningServer, headrace, running_server


def start_in_vain(*arguments: str, home: Path) -> str:
    """Start a server that must not start; return what it says."""
    done = subprocess.run(
        [PROGRAM, "server", "start", *arguments],
        env={**os.environ, "HEADRACE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def flow_of(server: RunningServer) -> str:
    @task
    def nothing() -> None:
        pass

    with Flow("f") as flow:
        nothing()
    with Client(server.url, api_key="") as client:
        client.create_project("p")
        wanted = RegisterFlow(project="p", name="f", graph=describe_graph(flow), hash="1")
        return client.register_flow(wanted).id


def waiting_agents(server: RunningServer) -> int:
    """Return how many agents wait at a server, as it says itself."""
    with urllib.request.urlopen(server.url + "/metrics", timeout=30) as answer:
        said = answer.read().decode()
    (line,) = [line for line in said.splitlines() if line.startswith("headrace_waiting_agents ")]
    return int(float(line.split()[1]))


def until_waiting(server: RunningServer, count: int) -> None:
    """Wait until so many agents wait at a server."""
    until = time.monotonic() + 60
    while (found := waiting_agents(server)) != count:
        assert time.monotonic() < until, f"{found} wait, not {count}:\n{server.log[-3000:]}"
        time.sleep(0.02)


class Waiting(threading.Thread):
    """An agent that waits for a run.

    Args:
        server: Where it asks.
        name: What it is called.
        count: How many wait there once it does.
    """

    def __init__(self, server: RunningServer, name: str = "a1", count: int = 1) -> None:
        super().__init__(daemon=True)
        self.answer: Any = None
        self._body = Claim(agent=name, name=name, kind="local", wait=50)
        self._url = server.url
        self.start()
        until_waiting(server, count)

    def run(self) -> None:
        with Client(self._url, api_key="") as client:
            self.answer = client.claim(self._body)


def test_it_answers_who_waits_and_ends_within_two_seconds(database_url: str):
    with running_server(database_url) as server:
        flow = flow_of(server)
        agents = [Waiting(server, f"a{number}", 1 + number) for number in range(3)]
        with Client(server.url, api_key="") as client:
            made = [client.create_flow_run(flow_id=flow).id for _ in range(2)]
        until_waiting(server, 1)
        agents += [Waiting(server, f"b{number}", 2 + number) for number in range(3)]
        began = time.monotonic()
        server.stop()
        # A loaded machine may need some more; those who wait would be there for 50 s.
        assert time.monotonic() - began < 2 + 8
        for agent in agents:
            agent.join(60)
            assert agent.answer is not None, server.log[-3000:]
        got = [run.id for agent in agents for run in agent.answer.runs]
        assert sorted(got) == sorted(made)
        assert "The server has ended." in server.log
        assert "Traceback" not in server.log


def test_ctrl_c_ends_it_in_order():
    with running_server() as server:
        process = server._process
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in server.log


def test_what_was_answered_is_there_after_it_was_killed(database_url: str):
    with running_server(database_url) as server:
        flow = flow_of(server)
        with Client(server.url, api_key="") as client:
            ids = {client.create_flow_run(flow_id=flow).id for _ in range(20)}
            server.restart(kill=True)
            assert {run.id for run in client.flow_runs()} == ids


def test_an_agent_that_went_away_gets_nothing():
    with running_server() as server:
        flow = flow_of(server)
        body = json.dumps({"agent": "gone", "name": "gone", "kind": "local", "wait": 50}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as left:
            left.sendall(
                b"POST /api/claims HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(body), body)
            )
            until_waiting(server, 1)
        until_waiting(server, 0)
        with Client(server.url, api_key="") as client:
            made = client.create_flow_run(flow_id=flow).id
            (run,) = client.claim(Claim(agent="a2", name="a2", kind="local")).runs
        assert (run.id, run.attempt) == (made, 1)


def test_an_answer_comes_in_one_piece():
    with running_server() as server, socket.create_connection(("127.0.0.1", server.port)) as asked:
        for _ in range(3):
            asked.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            head, _, body = asked.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert f"content-length: {len(body)}".encode() in head.lower()
            assert body


def test_a_port_that_is_taken_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = start_in_vain("--port", str(port), home=tmp_path)
    assert f"Port {port} of 127.0.0.1 is taken" in said
    assert "--port" in said


def test_a_second_server_on_one_sqlite_file_is_told_of_the_first():
    with running_server() as server:
        said = start_in_vain("--port", "0", home=server.home)
        assert f"the process {server.pid}" in said
        assert "--database-url" in said
        # Nor may the tables be changed under it.
        with pytest.raises(AssertionError, match=f"the process {server.pid}"):
            headrace("server", "database", "reset", "--yes", env=server.env)
        assert server.answers("/ready")
        # Its end frees the database, however it comes.
        server.restart(kill=True)


def test_two_servers_share_a_postgresql_database(postgresql):
    with (
        postgresql.database() as url,
        running_server(url) as one,
        running_server(url) as other,
    ):
        flow = flow_of(one)
        for _ in range(3):
            agent = Waiting(other)
            with Client(one.url, api_key="") as client:
                made = client.create_flow_run(flow_id=flow).id
                began = time.monotonic()
                agent.join(60)
            # Without notifications only the next plain look, ten seconds later, would find it.
            assert time.monotonic() - began < 8
            assert [run.id for run in agent.answer.runs] == [made]


def compete(servers: list[RunningServer], flow: str, total: int) -> list[tuple[str, int]]:
    """Let agents and makers ask the servers at once; return the claims, one for each time."""
    got: list[tuple[str, int]] = []
    failed: list[BaseException] = []

    def agent(number: int) -> None:
        name, holds = f"agent-{number}", []
        with Client(servers[number % len(servers)].url, api_key="") as client:
            while len(got) < total and not failed:
                asked = Claim(
                    agent=name, name=name, kind="local", most=2, wait=0.5, deploying=holds
                )
                claimed = client.claim(asked).runs
                holds = [run.id for run in claimed]
                got.extend((run.id, run.attempt) for run in claimed)

    def maker(number: int) -> None:
        with Client(servers[number % len(servers)].url, api_key="") as client:
            for _ in range(total // 4 // 5):
                client.create_flow_runs([CreateFlowRun(flow_id=flow)] * 5)

    def guarded(play: Callable[[int], None], number: int) -> None:
        try:
            play(number)
        except BaseException as error:
            failed.append(error)

    players = [(agent, number) for number in range(8)] + [(maker, number) for number in range(4)]
    threads = [threading.Thread(target=guarded, args=player) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert failed == []
    return got


def test_agents_that_compete_over_http_get_each_run_once(database_url: str):
    with running_server(database_url) as server:
        got = compete([server], flow_of(server), 200)
        assert len(got) == len({run_id for run_id, _ in got}) == 200
        assert {attempt for _, attempt in got} == {1}


def test_agents_of_two_servers_that_compete_get_each_run_once(postgresql):
    with (
        postgresql.database() as url,
        running_server(url) as one,
        running_server(url) as other,
    ):
        got = compete([one, other], flow_of(one), 200)
        assert len(got) == len({run_id for run_id, _ in got}) == 200
        assert {attempt for _, attempt in got} == {1}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--database-url", "mysql://db/x"], "mysql"),
        (["--database-url", "nonsense"], "nonsense"),
        (["--database-url", "sqlite:////nowhere/at/all.db"], "/nowhere/at"),
        (["--database-url", "postgresql://127.0.0.1:1/x"], "127.0.0.1"),
        (["--host", "0.0.0.0"], "create-key --local"),
        (["--host", "192.0.2.1"], "192.0.2.1"),
        (["--port", "70000"], "70000"),
    ],
)
def test_a_server_that_cannot_start_says_why(arguments: list[str], named: str, tmp_path: Path):
    port = [] if "--port" in arguments else ["--port", "0"]
    assert named in start_in_vain(*port, *arguments, home=tmp_path)


def test_the_command_line_tells_how_the_server_is():
    with running_server() as server:
        told = headrace("server", "status", "--json", env=server.env)
        assert json.loads(told)["server"]["database"] == "sqlite"
        assert server.url in headrace("server", "status", env=server.env)


def test_tables_go_down_and_up_while_no_server_runs(database_url: str, tmp_path: Path):
    env = {"HEADRACE_HOME": str(tmp_path), "HEADRACE_DATABASE_URL": database_url}
    headrace("server", "database", "upgrade", env=env)
    headrace("server", "database", "downgrade", "base", "--yes", env=env)
    headrace("server", "database", "upgrade", env=env)
    headrace("server", "database", "reset", "--yes", env=env)
    with running_server(database_url) as server:
        assert server.answers("/ready")


def test_a_new_key_opens_a_server_to_other_machines(tmp_path: Path):
    env = {"HEADRACE_HOME": str(tmp_path)}
    headrace("auth", "create-key", "--local", "--scope", "admin", "--name", "me", env=env)
    with running_server(home=tmp_path, host="0.0.0.0") as server:
        with urllib.request.urlopen(server.url + "/api/server") as answer:
            assert json.load(answer)["auth"] is True


def test_a_free_port_is_taken_on_request():
    with bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("headrace.example", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, only_here: bool):
    assert is_loopback(host) is only_here
    assert ServerSettings(host=host, home=Path()).is_loopback is only_here


def test_a_client_that_is_gone_in_the_middle_of_a_request_is_no_fault_of_the_server(tmp_path: Path):
    with running_server(home=tmp_path) as server:
        for path in ("/api/runs/some-run/events", "/api/claims", "/api/flow-runs"):
            head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            with socket.create_connection(("127.0.0.1", server.port)) as asked:
                asked.sendall(f"{head}content-length: 1000\r\nheadrace-wire: 1\r\n\r\n[".encode())
                time.sleep(0.1)
        server.stop()
        assert "Traceback" not in server.log
        assert "failed" not in server.log

"""A supervisor with real runner processes, before a server that does what the test wants."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.engine.run_directory import ExitRecord, RunDirectory, RunSpec, SupervisorRecord
from tests.support.run_peer import RunPeer, run_peer

#: What a runner of these tests begins with: its channel, and how it reports.
_BEGIN = """
import json, os, signal, socket, struct, sys, time
sock = socket.socket(fileno=int(sys.argv[1]))
frames = sock.makefile("rb")
def frame():
    length, = struct.unpack(">I", frames.read(4))
    kind, payload = frames.read(1), frames.read(length - 1)
    return kind, json.loads(payload)
def send(*events):
    payload = struct.pack(">I", len(events)) + json.dumps(events, separators=(",", ":")).encode()
    sock.sendall(struct.pack(">Ic", len(payload) + 1, b"E") + payload)
def log(message):
    send({"event": "log", "at": time.time(), "message": message})
def flow(type):
    send({"event": "flow", "at": time.time(), "type": type})
kind, details = frame()
assert kind == b"R", kind
"""

#: A supervisor in a process of its own: its settings, and the runner's program.
_SUPERVISOR = """
import json, subprocess, sys
from headrace.engine.run_directory import RunDirectory, RunSpec
from headrace.engine.supervisor import Patience, supervise
directory = RunDirectory(sys.argv[1])
def spawn(channel, stdout, stderr):
    process = subprocess.Popen(
        [sys.executable, "-c", sys.argv[3], str(channel.fileno())],
        stdout=stdout, stderr=stderr, pass_fds=[channel.fileno()], process_group=0,
    )
    process.returncode = 0
    return process.pid
patience = Patience(**json.loads(sys.argv[2]))
sys.exit(supervise(directory.read(RunSpec), directory, spawn, patience))
"""


class Supervisor:
    def __init__(self, peer: RunPeer, path: Path, program: str, **patience: float) -> None:
        self.peer = peer
        self.directory = RunDirectory(path)
        self.directory.write(RunSpec(flow_run_id="run-1", attempt=1, api_url=peer.url, token="t"))
        given = {
            "activation": 5,
            "cancel_grace": 5,
            "term_grace": 1,
            "flush": 2,
            "output": 10_000,
            "memory": 1_000_000,
        } | patience
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISOR, str(path), json.dumps(given), _BEGIN + program],
            preexec_fn=patience.get("preexec"),
        )

    def wait(self, timeout: float = 20) -> int:
        return self.process.wait(timeout)

    @property
    def exit(self) -> ExitRecord:
        record = self.directory.read(ExitRecord)
        assert record is not None
        return record

    @property
    def runner(self) -> int:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            record = self.directory.read(SupervisorRecord)
            if record is not None and record.runner is not None:
                return record.runner.pid
            time.sleep(0.01)
        raise AssertionError("no runner was started")


@pytest.fixture
def peer() -> Iterator[RunPeer]:
    with run_peer() as peer:
        yield peer


@pytest.fixture
def start(peer: RunPeer, tmp_path: Path) -> Iterator[object]:
    started: list[Supervisor] = []

    def start(program: str, name: str = "run", **patience: float) -> Supervisor:
        path = tmp_path / name
        path.mkdir()
        started.append(Supervisor(peer, path, program, **patience))
        return started[-1]

    yield start
    for supervisor in started:
        if supervisor.process.poll() is None:
            supervisor.process.send_signal(signal.SIGCONT)
            supervisor.process.kill()
            supervisor.process.wait()
        record = supervisor.directory.read(SupervisorRecord)
        if record is not None and record.runner is not None:
            until = time.monotonic() + 5
            while record.runner.is_alive() and time.monotonic() < until:
                time.sleep(0.01)
            left = record.runner.is_alive()
            record.runner.signal(signal.SIGKILL)
            # A runner of these tests asks for no death signal, so it may outlive a killed supervisor.
            assert not left or supervisor.process.returncode == -signal.SIGKILL


def test_a_run_is_carried_to_its_end(peer, start):
    supervisor = start(
        """
log(f"it is {details['name']}")
print("printed", flush=True)
flow("Running")
for number in range(1200):
    log(str(number))
flow("Success")
"""
    )
    assert supervisor.wait() == 0
    assert len(peer.activations) == 1
    assert peer.activations[0]["attempt"] == 1
    # The states and lines are in order; what was printed stands somewhere among them.
    printed = [each["message"] for each in peer.events if each.get("logger") == "stdout"]
    assert [
        e["message"] for e in peer.events if e["event"] == "log" and e.get("logger") is None
    ] == [
        "it is a-run",
        *map(str, range(1200)),
    ]
    assert printed == ["printed"]
    assert [each["type"] for each in peer.events if each["event"] == "flow"] == [
        "Running",
        "Success",
    ]
    assert max(peer.sizes) <= 500
    assert peer.exits == []
    assert supervisor.exit.how == "finished"
    assert supervisor.exit.reported

"""A supervisor with real runner processes, before a server that does what the test wants."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.engine.run_directory import ExitRecord, RunDirectory, RunSpec, SupervisorRecord
from headrace.engine.settling import is_over, settle
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
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
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
from headrace.engine.patience import Patience
from headrace.engine.supervisor import supervise
import resource
if len(sys.argv) > 4:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
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
    def __init__(
        self, peer: RunPeer, path: Path, program: str, file_size: int = 0, **patience: float
    ) -> None:
        self.peer = peer
        self.directory = RunDirectory(path)
        self.directory.write(RunSpec(flow_run_id="run-1", attempt=1, api_url=peer.url, token="t"))
        given = {
            "activation": 60,
            "cancel_grace": 60,
            "term_grace": 30,
            "flush": 60,
            "output": 10_000,
            "memory": 1_000_000,
        } | patience
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISOR, str(path), json.dumps(given), _BEGIN + program]
            + ([str(file_size)] if file_size else []),
            stdout=subprocess.DEVNULL,
        )

    def wait(self, timeout: float = 90) -> int:
        return self.process.wait(timeout)

    @property
    def exit(self) -> ExitRecord:
        record = self.directory.read(ExitRecord)
        assert record is not None
        return record

    @property
    def runner(self) -> int:
        until = time.monotonic() + 60
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
            until = time.monotonic() + 30
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


def test_what_was_printed_before_the_end_comes_before_it(peer, start):
    supervisor = start("print('the last word', flush=True)\nflow('Success')\n")
    assert supervisor.wait() == 0
    assert [each.get("message") for each in peer.events] == ["the last word", None]


def test_a_process_that_is_refused_starts_nothing(peer, start):
    peer.refuse_activation = "twin"
    supervisor = start("log('it began')")
    assert supervisor.wait() == 11
    assert peer.events == []
    assert peer.exits == []
    assert supervisor.exit.how == "refused"
    assert supervisor.exit.reported
    assert not supervisor.directory.stdout.exists()


def test_without_a_server_nothing_is_started_and_that_is_said_later(peer, start):
    peer.away = True
    supervisor = start("log('it began')", activation=4)
    assert supervisor.wait() == 12
    assert supervisor.exit.how == "unreachable"
    assert not supervisor.exit.reported
    assert peer.asked.count("activate") >= 3
    peer.away = False
    assert settle(supervisor.directory).reported
    assert peer.exits == ["the server was not reached for 4 s"]
    assert settle(supervisor.directory).reported
    assert len(peer.exits) == 1


def test_a_server_that_comes_late_is_waited_for(peer, start):
    peer.away = True
    supervisor = start("flow('Success')")
    peer.wait_for(lambda peer: "activate" in peer.asked)
    peer.away = False
    assert supervisor.wait() == 0


def test_a_runner_that_is_killed_is_reported_at_once_with_its_last_words(peer, start):
    supervisor = start(
        """
print("last words", file=sys.stderr, flush=True)
flow("Running")
time.sleep(60)
"""
    )
    peer.wait_for(lambda peer: any(each["event"] == "flow" for each in peer.events))
    killed_at = time.monotonic()
    os.kill(supervisor.runner, signal.SIGKILL)
    peer.wait_for(lambda peer: peer.exits)
    # Where nobody saw it, it would be when the lease has passed: after 30 s.
    assert time.monotonic() - killed_at < 12.0
    assert peer.exits == ["killed by SIGKILL"]
    assert supervisor.wait() == 10
    assert "last words" in "".join(peer.lines)
    assert supervisor.exit.code == -9


def test_an_exit_code_is_the_reason(peer, start):
    supervisor = start("sys.exit(3)")
    assert supervisor.wait() == 10
    assert peer.exits == ["exit code 3"]


def test_what_a_dead_runner_has_left_behind_goes_with_it(peer, start, tmp_path):
    supervisor = start(
        f"""
import subprocess
child = subprocess.Popen(["sleep", "60"])
open({str(tmp_path / "child")!r}, "w").write(str(child.pid))
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert supervisor.wait() == 10
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 60
    while os.path.exists(f"/proc/{child}") and time.monotonic() < until:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{child}")


def test_an_order_to_cancel_reaches_the_runner(peer, start):
    supervisor = start(
        """
flow("Running")
while "cancel" not in (order := frame()[1]):
    pass
log(order["cancel"])
flow("Cancelled")
"""
    )
    peer.wait_for(lambda peer: peer.events)
    peer.cancel = "a person said so"
    assert supervisor.wait() == 0
    assert "a person said so" in peer.lines
    assert peer.events[-1]["type"] == "Cancelled"


def test_who_does_not_heed_an_order_gets_sigterm_and_is_then_killed(peer, start):
    supervisor = start(
        """
signal.signal(signal.SIGTERM, lambda *_: log("SIGTERM"))
flow("Running")
while True:
    time.sleep(0.1)
""",
        cancel_grace=0.3,
        term_grace=4,
    )
    peer.wait_for(lambda peer: peer.events)
    peer.cancel = "now"
    assert supervisor.wait() == 10
    assert "SIGTERM" in peer.lines
    assert peer.exits == ["killed by SIGKILL"]


def test_a_process_that_has_lost_its_run_is_told_so_and_ended(peer, start):
    supervisor = start(
        """
flow("Running")
while "superseded" not in frame()[1]:
    pass
log("too late")
time.sleep(60)
""",
        cancel_grace=4,
    )
    peer.wait_for(lambda peer: peer.events)
    peer.refused = "superseded"
    assert supervisor.wait() == 13
    assert peer.exits == []
    assert "too late" not in peer.lines
    assert "too late" in [each.get("message") for each in peer.stale]


def test_the_lease_is_renewed_while_the_runner_holds_still(peer, start):
    peer.lease = 3.0
    supervisor = start(
        """
flow("Running")
untils = []
while len(untils) < 3:
    untils.append(frame()[1]["lease_until"])
assert untils == sorted(set(untils)), untils
assert time.monotonic() < untils[-1]
flow("Success")
"""
    )
    assert supervisor.wait() == 0
    assert len(peer.asked) > 4


def test_a_run_goes_on_while_the_server_is_away_and_everything_comes_in_order(
    peer, start, tmp_path
):
    supervisor = start(
        f"""
flow("Running")
for number in range(500):
    log(str(number))
wait_for({str(tmp_path / "gone")!r})
for number in range(500, 1000):
    log(str(number))
open({str(tmp_path / "all")!r}, "w")
wait_for({str(tmp_path / "go")!r})
flow("Success")
""",
        flush=60,
        memory=5_000,
    )
    peer.wait_for(lambda peer: peer.events)
    peer.away = True
    (tmp_path / "gone").touch()
    peer.wait_for(lambda _: (tmp_path / "all").exists())
    peer.wait_for(lambda _: supervisor.directory.spool.exists())
    (tmp_path / "go").touch()
    time.sleep(0.3)
    peer.away = False
    assert supervisor.wait() == 0
    assert peer.lines == [str(number) for number in range(1000)]
    assert peer.events[-1]["type"] == "Success"
    assert not supervisor.directory.spool.exists()


def test_what_the_server_did_not_get_in_time_is_delivered_later(peer, start, tmp_path):
    gone = tmp_path / "gone"
    supervisor = start(
        f"flow('Running'); wait_for({str(gone)!r}); log('kept'); flow('Success')", flush=0.3
    )
    peer.wait_for(lambda peer: peer.events)
    peer.away = True
    gone.touch()
    assert supervisor.wait() == 14
    assert supervisor.exit.how == "finished"
    assert supervisor.exit.undelivered == 2
    assert is_over(supervisor.directory)
    peer.away = False
    assert settle(supervisor.directory).reported
    assert peer.lines == ["kept"]
    assert peer.events[-1]["type"] == "Success"
    assert peer.exits == []
    assert not supervisor.directory.spool.exists()


def test_a_supervisor_that_is_killed_leaves_its_spool_to_others(peer, start, tmp_path):
    gone = tmp_path / "gone"
    supervisor = start(
        f"""
flow("Running")
wait_for({str(gone)!r})
for number in range(100):
    log(str(number))
print("all", flush=True)
time.sleep(60)
"""
    )
    peer.wait_for(lambda peer: peer.events)
    peer.away = True
    gone.touch()
    peer.wait_for(lambda _: supervisor.directory.stdout.read_text() == "all\n")
    # What it has been told is written down before it is sent, or while nobody takes it.
    spool = supervisor.directory.spool
    peer.wait_for(lambda _: spool.exists() and b'"message":"99"' in spool.read_bytes())
    supervisor.process.kill()
    supervisor.process.wait()
    runner = supervisor.runner
    assert is_over(supervisor.directory)
    peer.away = False
    assert settle(supervisor.directory).reported
    assert [line for line in peer.lines if line != "all"] == [str(number) for number in range(100)]
    assert len(peer.exits) == 1
    # Its runner was ended, too, before anybody said that the run is free.
    until = time.monotonic() + 60
    while os.path.exists(f"/proc/{runner}") and time.monotonic() < until:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{runner}")


def test_a_full_disk_costs_log_lines_and_no_state(peer, start, tmp_path):
    supervisor = start(
        f"""
flow("Running")
wait_for({str(tmp_path / "gone")!r})
for number in range(200):
    log("x" * 1000)
    send({{"event": "task", "at": time.time(), "slug": f"t-{{number}}", "type": "Success"}})
open({str(tmp_path / "all")!r}, "w")
wait_for({str(tmp_path / "go")!r})
flow("Success")
""",
        file_size=20_000,
        memory=60_000,
        flush=60,
    )
    peer.wait_for(lambda peer: peer.events)
    peer.away = True
    (tmp_path / "gone").touch()
    peer.wait_for(lambda _: (tmp_path / "all").exists())
    (tmp_path / "go").touch()
    time.sleep(0.3)
    peer.away = False
    assert supervisor.wait() == 0
    slugs = [each["slug"] for each in peer.events if each["event"] == "task"]
    assert slugs == [f"t-{number}" for number in range(200)]
    kept = sum(line.startswith("xxx") for line in peer.lines)
    omitted = [line for line in peer.lines if "omitted" in line]
    assert 0 < kept < 200
    assert sum(int(line.split()[0]) for line in omitted) == 200 - kept


def test_output_is_kept_up_to_a_bound_and_the_rest_is_counted(peer, start):
    supervisor = start(
        """
for number in range(5000):
    print(f"line {number}", file=sys.stderr)
sys.stderr.flush()
sys.exit(1)
""",
        output=2000,
    )
    assert supervisor.wait() == 10
    printed = [each for each in peer.events if each.get("logger") == "stderr"]
    lines = "\n".join(each["message"] for each in printed[:-2]).splitlines()
    assert lines == [f"line {number}" for number in range(len(lines))]
    assert printed[-2]["message"].startswith(f"{5000 - len(lines)} lines omitted")
    # What it said last is there all the same: it tells why.
    assert printed[-1]["message"].splitlines()[-1] == "line 4999"


def test_an_event_that_the_server_does_not_take_holds_up_no_other(peer, start):
    peer.poison = "poison"
    supervisor = start(
        """
for number in range(10):
    log(str(number))
send({"event": "log", "at": 1.0, "message": "before"},
     {"event": "task", "at": 1.0, "slug": "t", "type": "Failed", "message": "no " * 3000 + "poison"},
     {"event": "log", "at": 1.0, "message": "after"})
flow("Success")
"""
    )
    assert supervisor.wait() == 0
    assert peer.lines == [*map(str, range(10)), "before", "after"]
    (task,) = [each for each in peer.events if each["event"] == "task"]
    assert task["type"] == "Failed"
    assert "did not take it" in task["message"]


def test_a_server_that_has_lost_what_it_had_confirmed_is_given_the_rest(peer, start, tmp_path):
    supervisor = start(
        f"""
for number in range(100):
    log(str(number))
wait_for({str(tmp_path / "go")!r})
log("later")
flow("Success")
"""
    )
    peer.wait_for(lambda peer: len(peer.events) == 100)
    del peer.events[50:]
    (tmp_path / "go").touch()
    assert supervisor.wait() == 0
    assert peer.lines == [*map(str, range(50)), "later"]


def test_sigterm_ends_the_runner_and_lets_the_run_go_on_elsewhere(peer, start):
    supervisor = start(
        """
flow("Running")
while "superseded" not in frame()[1]:
    pass
"""
    )
    peer.wait_for(lambda peer: peer.events)
    supervisor.process.terminate()
    assert supervisor.wait() == 15
    assert peer.exits == ["stopped by SIGTERM"]


def test_a_stopped_supervisor_goes_on_where_it_was(peer, start):
    peer.lease = 0.6
    supervisor = start(
        "flow('Running')\nfor n in range(20):\n    log(str(n)); time.sleep(0.05)\nflow('Success')"
    )
    peer.wait_for(lambda peer: peer.events)
    supervisor.process.send_signal(signal.SIGSTOP)
    time.sleep(1.0)
    supervisor.process.send_signal(signal.SIGCONT)
    assert supervisor.wait() == 0
    assert peer.lines == [str(number) for number in range(20)]


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (401, "not_authorized")])
def test_a_run_that_is_not_there_or_not_ones_own_is_not_asked_for_again(peer, start, status, code):
    peer.problem = (status, {"code": code, "message": "No."})
    supervisor = start("flow('Success')")
    assert supervisor.wait() == 11
    assert peer.asked == ["activate"]

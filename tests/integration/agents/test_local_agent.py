"""The local agent with real processes and a real server."""

from __future__ import annotations

import datetime
import json
import os
import signal
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from headrace.engine.process_identity import identity_of
from headrace.engine.run_directory import ExitRecord, RunDirectory, RunSpec, run_directories
from headrace.engine.settling import BEGIN_SECONDS_ALONE
from headrace.wire.claims import Claim
from tests.support.agents import processes_of
from tests.support.servers import PROGRAM, headrace

# -- what a run's process is given ----------------------------------------------------------------


def test_environment_working_directory_and_modules_of_a_run(scene, agent, tmp_path):
    agent(
        *("--env", "STAGE=agent", "--env", "BOTH=agent", "--import-path", str(tmp_path)),
        INHERITED="yes",
        PREFECT__CLOUD__API_KEY="agents-own",
    )
    work = tmp_path / "work"
    work.mkdir()
    config = {"type": "LocalRun", "env": {"BOTH": "run"}, "working_dir": str(work)}
    run, where = scene.start(config)
    found = scene.looked(where)
    env = found["env"]
    assert (env["STAGE"], env["BOTH"], env["INHERITED"]) == ("agent", "run", "yes")
    assert (env["HEADRACE_RUN_ID"], env["HEADRACE_RUN_ATTEMPT"]) == (run, "1")
    assert env["PREFECT__CONTEXT__FLOW_RUN_ID"] == run
    assert env["HEADRACE_API_URL"] == scene.server.url
    assert env["HEADRACE_RUN_TOKEN"]
    # The agent's key may claim any run; a run's token writes that run and no other.
    assert "PREFECT__CLOUD__API_KEY" not in env
    assert found["cwd"] == str(work)
    assert str(tmp_path) in found["path"]
    assert env["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path)
    assert "click" not in found["modules"]  # it is a copy of the fork server, not a new program
    scene.ended(run)


def test_copies_share_no_files_no_session_and_no_random_numbers(scene, agent):
    started = agent()
    looks = [scene.looked(scene.start()[1]) for _ in range(2)]
    assert looks[0]["random"] != looks[1]["random"]
    assert looks[0]["session"] != looks[1]["session"]
    assert started.pid not in {look["parent"] for look in looks}
    for look in looks:
        assert look["session"] == look["parent"]  # the supervisor leads it
        # stdin, stdout, stderr, the channel; and whatever the flow itself had open at the time.
        assert len([name for name in look["files"] if name.startswith("socket:")]) == 1, look
        assert not [name for name in look["files"] if "fork-server" in name or "supervisor" in name]


def test_what_has_to_be_there_at_an_interpreters_start_is_there(scene, agent):
    agent()
    config = {"type": "LocalRun", "env": {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "0"}}
    run, where = scene.start(config)
    found = scene.looked(where)
    assert found["zone"] == "JST"
    expected = subprocess.run(
        [os.sys.executable, "-c", "print(hash('headrace'))"],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found["hash"] == int(expected.stdout)
    scene.ended(run)


def test_a_run_that_cannot_be_deployed_says_why_and_harms_no_other(scene, agent):
    agent()
    config = {"type": "LocalRun", "working_dir": "/there/is/no/such/folder"}
    run, _ = scene.start(config)
    scene.until(lambda: "/there/is/no" in scene.client.get_flow_run(run).message, "no reason")
    other, where = scene.start()
    scene.looked(where)
    scene.ended(other)
    scene.client.cancel_flow_run(run)


def test_the_fork_server_can_be_asked_by_its_owner_alone(scene, agent):
    started = agent()
    socket = started.home / "agents" / "local" / "fork-server.sock"
    scene.until(socket.exists, "no fork server")
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    scene.looked(scene.start()[1])
    server = _fork_server(started.home)
    assert len(list(Path(f"/proc/{server}/task").iterdir())) == 1
    sockets = set()
    for fd in Path(f"/proc/{server}/fd").iterdir():
        with suppress(FileNotFoundError):  # it has been closed meanwhile
            sockets.add(os.readlink(fd))
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            assert f"socket:[{line.split()[9]}]" not in sockets


# -- when ------------------------------------------------------------------------------------------


def test_a_scheduled_run_starts_on_the_second(scene, agent):
    agent()
    now = datetime.datetime.now(datetime.UTC)
    dues = [now + datetime.timedelta(seconds=3 + 2 * number) for number in range(3)]
    started = [(due, *scene.start(start_time=due)) for due in dues]
    late = [scene.looked(where)["at"] - due.timestamp() for due, _, where in started]
    assert min(late) >= 0, late
    # Each would be late if that were the agent's way; others on the machine may hold up one or two.
    assert min(late) < 1.0, late
    for _, run, _ in started:
        scene.ended(run)


def test_a_run_that_is_cancelled_before_its_time_is_not_started(scene, agent):
    agent()
    due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=8)
    run, where = scene.start(start_time=due)
    scene.until(lambda: scene.client.get_flow_run(run).attempt == 1, "no agent takes it", 7)
    scene.client.cancel_flow_run(run)
    scene.ended(run, "Cancelled")
    time.sleep(max(0.0, due.timestamp() - time.time()) + 1.0)
    assert not where.exists()


def test_no_more_runs_at_once_than_the_limit(scene, agent, tmp_path):
    agent("--limit", "1")
    first, first_looks = scene.start(until=tmp_path / "go")
    scene.looked(first_looks)
    second, second_looks = scene.start()
    time.sleep(1.0)
    assert not second_looks.exists()
    (tmp_path / "go").touch()
    scene.looked(second_looks)
    scene.ended(first)
    scene.ended(second)


# -- deaths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_runs_survive_their_agent_and_are_found_again(scene, agent, tmp_path, number):
    started = agent("--limit", "1")
    run, where = scene.start(until=tmp_path / "go")
    pid = scene.looked(where)["pid"]
    os.kill(started.pid, number)
    scene.until(lambda: not started.is_running, "the agent does not end")
    time.sleep(0.3)
    assert identity_of(pid) is not None
    started.kill()
    started.start()
    scene.until(lambda: f"Found flow run {run}" in started.log, "it is not found again")
    # It counts against the limit.
    other, other_looks = scene.start()
    time.sleep(1.0)
    assert not other_looks.exists()
    (tmp_path / "go").touch()
    assert scene.ended(run).attempt == 1
    scene.ended(other)


def test_runs_survive_the_fork_server_and_another_one_is_started(scene, agent, tmp_path):
    started = agent()
    run, where = scene.start(until=tmp_path / "go")
    scene.looked(where)
    os.kill(_fork_server(started.home), signal.SIGKILL)
    other, other_looks = scene.start()
    scene.looked(other_looks)
    (tmp_path / "go").touch()
    assert scene.ended(run).attempt == 1
    assert scene.ended(other).attempt == 1


def test_a_supervisor_that_is_killed_is_reported_at_once_and_takes_its_runner_along(
    scene, agent, tmp_path
):
    agent()
    run, where = scene.start(until=tmp_path / "go")
    runner = scene.looked(where)["pid"]
    _, record = scene.supervisor(run)
    os.kill(record.process.pid, signal.SIGKILL)
    scene.until(lambda: scene.client.get_flow_run(run).attempt == 2, "it is not tried again", 20)
    scene.until(lambda: identity_of(runner) is None, "the runner lives on")
    states = scene.client.flow_run_states(run)
    assert any("killed by SIGKILL" in state.message for state in states)
    (tmp_path / "go").touch()
    scene.ended(run)


def test_a_runner_that_is_killed_is_reported_at_once(scene, agent, tmp_path):
    agent()
    run, where = scene.start(until=tmp_path / "go")
    os.kill(scene.looked(where)["pid"], signal.SIGKILL)
    scene.until(lambda: scene.client.get_flow_run(run).attempt == 2, "it is not tried again", 20)
    (tmp_path / "go").touch()
    assert scene.ended(run).recoveries == 1


def test_all_ends_that_an_agent_has_missed_are_reported_by_the_next(scene, agent, tmp_path):
    started = agent()
    run, where = scene.start(until=tmp_path / "go")
    scene.looked(where)
    _, record = scene.supervisor(run)
    started.kill()
    os.kill(record.process.pid, signal.SIGKILL)
    time.sleep(0.5)
    assert scene.client.get_flow_run(run).attempt == 1
    started.start()
    scene.until(lambda: scene.client.get_flow_run(run).attempt == 2, "it is not tried again", 20)
    (tmp_path / "go").touch()
    scene.ended(run)


def test_what_an_agent_was_about_to_start_when_it_was_killed_is_tried_again(scene, agent, tmp_path):
    first = agent()
    _, where = scene.start()
    scene.looked(where)
    first.kill()
    run, where = scene.start(until=tmp_path / "go")
    kept = json.loads(next(first.home.glob("agents/*/agent.json")).read_text())["id"]
    asked = Claim(agent=kept, name="local", kind="local", labels=["vm"], wait=30.0)
    claimed = scene.got(run, asked)
    directory = RunDirectory.create(str(first.home), run, claimed.attempt)
    spec = RunSpec(
        flow_run_id=run, attempt=1, api_url=scene.server.url, token=claimed.token, agent=kept
    )
    directory.write(spec)
    then = time.time() - BEGIN_SECONDS_ALONE
    os.utime(directory.path / "run.json", (then, then))
    first.start()
    scene.until(lambda: scene.client.get_flow_run(run).attempt == 2, "it is not tried again")
    (tmp_path / "go").touch()
    scene.ended(run)


def test_what_a_server_that_was_away_did_not_hear_is_delivered_by_the_agent(scene, agent, tmp_path):
    started = agent(HEADRACE__RUNS__FLUSH_TIMEOUT="0.3")
    run, where = scene.start(until=tmp_path / "go")
    scene.looked(where)
    directory, record = scene.supervisor(run)
    scene.server.kill()
    (tmp_path / "go").touch()
    scene.until(lambda: not record.process.is_alive(), "the supervisor waits too long")
    ended = directory.read(ExitRecord)
    assert ended.undelivered
    scene.server.start()
    assert scene.ended(run).attempt == 1
    scene.until(lambda: directory.read(ExitRecord).reported, "it is not settled")
    assert started.is_running


def test_what_nobody_has_delivered_is_delivered_by_flush(scene, agent, tmp_path):
    started = agent(HEADRACE__RUNS__FLUSH_TIMEOUT="0.3")
    run, where = scene.start(until=tmp_path / "go")
    scene.looked(where)
    _, record = scene.supervisor(run)
    scene.server.kill()
    started.kill()
    (tmp_path / "go").touch()
    scene.until(lambda: not record.process.is_alive(), "the supervisor waits too long")
    failed = subprocess.run(
        [PROGRAM, "flush"], env={**os.environ, **scene.server.env}, capture_output=True, check=False
    )
    assert failed.returncode == 1
    scene.server.start()
    assert run in headrace("flush", env=scene.server.env)
    scene.ended(run)
    assert "nothing to deliver" in headrace("flush", env=scene.server.env)


def test_a_fork_server_of_another_environment_keeps_its_runs_and_gets_no_new_ones(
    scene, agent, tmp_path
):
    before = agent(TZ="UTC")
    run, where = scene.start(until=tmp_path / "go")
    scene.looked(where)
    before.stop()
    after = agent(TZ="Asia/Tokyo")
    other, other_looks = scene.start()
    found = scene.looked(other_looks)
    assert found["zone"] == "JST"
    assert "click" not in found["modules"]  # it is a copy of another fork server
    (tmp_path / "go").touch()
    assert scene.ended(run).attempt == 1
    assert scene.ended(other).attempt == 1
    scene.until(lambda: f"{run} (attempt 1) has ended: exit code 0" in after.log, "it is not told")


# -- twins ------------------------------------------------------------------------------------------


def test_of_two_processes_of_one_deployment_one_runs(scene, tmp_path):
    run_id, where = scene.start(until=tmp_path / "go")
    run = scene.claimed(run_id)
    env = {
        **os.environ,
        **scene.server.env,
        "HEADRACE_RUN_ID": run.id,
        "HEADRACE_RUN_ATTEMPT": str(run.attempt),
        "HEADRACE_RUN_TOKEN": run.token,
    }
    twins = [
        subprocess.Popen([PROGRAM, "execute"], env=env, stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    scene.looked(where)
    scene.until(lambda: any(twin.poll() is not None for twin in twins), "none was refused")
    (tmp_path / "go").touch()
    assert sorted(twin.wait(90) for twin in twins) == [0, 11]
    assert scene.ended(run_id).attempt == 1
    assert len([each for each in run_directories(str(scene.home)) if run_id in str(each.path)]) == 2


def test_what_was_not_deployed_is_told_what_it_misses():
    done = subprocess.run([PROGRAM, "execute"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "HEADRACE_RUN_ID" in done.stderr


def _fork_server(home: Path) -> int:
    """Return the fork server's process id: its copies look like it, and are younger."""
    begun = {}
    for pid in processes_of(home):
        with suppress(OSError):  # it has ended
            if b"fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                # Numbers of processes start anew at some time.
                stat = Path(f"/proc/{pid}/stat").read_text()
                begun[pid] = int(stat.rpartition(")")[2].split()[19])
    return min(begun, key=begun.__getitem__)

"""`headrace dev`: everything in one terminal, and nothing of it left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from headrace.client import Client
from headrace.core.errors import ClientError
from tests.integration.components.server import free_ports
from tests.support.agents import processes_of
from tests.support.servers import PROGRAM

_FLOW = """
from headrace import Flow, task

@task
def say():
    print({said!r})

with Flow("talks") as flow:
    say()
"""


def _until(condition, process, log):
    end = time.monotonic() + 120
    while True:
        try:
            if condition():
                return
        except ClientError:
            pass  # it is not there yet
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def test_a_flow_is_registered_run_changed_and_run_again_until_ctrl_c(tmp_path: Path) -> None:
    home, file, log = tmp_path / "home", tmp_path / "talks.py", tmp_path / "log"
    home.mkdir()
    file.write_text(_FLOW.format(said="hello"))
    (port,) = free_ports(1)
    with log.open("w") as output:
        process = subprocess.Popen(
            [PROGRAM, "dev", str(file), "--port", str(port), "--project", "mine"],
            env={**os.environ, "HEADRACE_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            _until(lambda: client.flows("mine"), process, log)
            first = client.create_flow_run("talks", "mine")
            assert client.wait_for_flow_run(first.id, timeout=120).state == "Success", (
                log.read_text()
            )
            file.write_text(_FLOW.format(said="goodbye"))
            _until(lambda: [each.version for each in client.flows("mine")] == [2], process, log)
            second = client.create_flow_run("talks", "mine")
            assert client.wait_for_flow_run(second.id, timeout=120).state == "Success", (
                log.read_text()
            )
            said = [line.message for line in client.logs(second.id) if line.logger == "stdout"]
            assert said == ["goodbye"]
        assert "No agent" not in log.read_text()  # the agent was there before the flow
        process.send_signal(signal.SIGINT)
        assert process.wait(100) == 0, log.read_text()
        end = time.monotonic() + 60
        while processes_of(home) and time.monotonic() < end:
            time.sleep(0.05)
        assert processes_of(home) == []
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pid in processes_of(home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_file_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "dev", str(tmp_path / "none.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "none.py" in done.stderr


def test_a_port_that_is_taken_is_said_and_ends_it(tmp_path: Path) -> None:
    import socket

    (tmp_path / "flow.py").write_text(_FLOW.format(said="hello"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [PROGRAM, "dev", str(tmp_path / "flow.py"), "--port", str(taken.getsockname()[1])],
            env={**os.environ, "HEADRACE_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 1
    assert "port" in done.stdout + done.stderr

"""Tracked runs that are watched from a terminal: live, over a restart of the server, and left alone."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from headrace.client import Client
from tests.support.agents import running_agent
from tests.support.servers import PROGRAM, headrace, running_server

FLOW = """
import os, time
from headrace import Flow, Parameter, context, task

@task
def step(folder):
    context.logger.info("first line")
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.02)
    context.logger.info("last line")

with Flow("steps") as flow:
    step(Parameter("folder"))
"""


@pytest.fixture(scope="module")
def server(shared_database_url, tmp_path_factory):
    file = tmp_path_factory.mktemp("flows") / "steps.py"
    file.write_text(FLOW)
    with running_server(shared_database_url) as server, running_agent(server):
        headrace("project", "create", "etl", env=server.env)
        headrace("register", "-p", str(file), "--project", "etl", env=server.env)
        yield server


class Watching:
    """A command whose output is read line by line as it comes."""

    def __init__(self, server, *args):
        self.lines = []
        self.process = subprocess.Popen(
            [PROGRAM, *args],
            env={**os.environ, **server.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()

    def wait_for(self, text, seconds=90):
        until = time.monotonic() + seconds
        while not any(text in line for line in list(self.lines)):
            assert time.monotonic() < until, (text, self.lines)
            assert self.process.poll() is None or any(text in each for each in self.lines), (
                self.lines
            )
            time.sleep(0.02)

    def end(self):
        code = self.process.wait(120)
        self.reader.join(60)
        complaint = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, "".join(self.lines), complaint


def test_lines_and_states_come_as_they_are_made(server, tmp_path):
    run = Watching(server, *_start(tmp_path, "live"), "--watch")
    run.wait_for("first line")
    follower = Watching(server, "flow-run", "logs", "live", "--follow", "--json")
    follower.wait_for("first line")
    assert not any("last line" in line for line in run.lines + follower.lines)
    (tmp_path / "go").touch()
    code, out, err = run.end()
    assert (code, err) == (0, "")
    states = re.findall(r"^\S+ (Scheduled|Submitted|Running|Success) ", out, re.MULTILINE)
    assert states == ["Scheduled", "Submitted", "Running", "Success"]
    assert out.index("first line") < out.index("last line") < out.index("succeeded after")
    code, out, err = follower.end()
    assert (code, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["message"].startswith("Flow run SUCCESS")


def test_ctrl_c_ends_the_watching_and_not_the_run(server, tmp_path):
    run = Watching(server, *_start(tmp_path, "left"), "--watch")
    run.wait_for("first line")
    run.process.send_signal(signal.SIGINT)
    code, _, err = run.end()
    assert code == 130
    assert "the run goes on" in err
    assert "headrace flow-run cancel" in err
    again = Watching(server, "flow-run", "watch", "left")
    again.wait_for("first line")
    (tmp_path / "go").touch()
    code, out, _ = again.end()
    assert code == 0
    # What had happened before somebody watched is told in the order in which it happened.
    told = ("Scheduled", "Submitted", "Running", "first line", "last line", "Success")
    assert [out.index(each) for each in told] == sorted(out.index(each) for each in told)


def test_a_server_that_is_away_for_a_moment_is_waited_for(server, tmp_path):
    run = Watching(server, *_start(tmp_path, "away"), "--watch")
    run.wait_for("first line")
    server.kill()
    (tmp_path / "go").touch()
    time.sleep(1.5)
    server.start()
    code, out, err = run.end()
    assert (code, err) == (0, "")
    assert out.count("last line") == 1
    assert "succeeded after" in out


def test_a_reader_that_goes_away_is_no_error(server, tmp_path):
    (tmp_path / "go").touch()
    with Client(server.url, "") as client:
        made = client.create_flow_run("steps", "etl", parameters={"folder": str(tmp_path)})
        client.wait_for_flow_run(made.id, timeout=120)
    for command in (("flow-run", "list", "--json"), ("flow-run", "logs", made.id)):
        process = subprocess.Popen(
            [PROGRAM, *command],
            env={**os.environ, **server.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        process.stderr.close()
        process.wait(90)


def _start(folder, name):
    given = json.dumps(str(folder))
    return ("run", "--project", "etl", "-p", f"folder={given}", "--run-name", name)

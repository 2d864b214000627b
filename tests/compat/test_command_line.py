"""`headrace run --prefect1` runs the same flow files, and its exit code says how they ended."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.environments import environment_variables
from tests.compat.record import EXPECTED, FLOWS

CODES = {"Success": 0, "Failed": 1}
#: What starts a web server, says secrets or gives parameters in its `__main__` part, which the
#: command does not run.
SCRIPTS = {"notifications", "parameters", "secrets"}


def first_flow(name):
    """Return the name of a file's first flow."""
    text = (FLOWS / f"{name}.py").read_text()
    found = re.search(r'^(?:with|flow =) Flow\(\s*"([^"]+)"', text, re.MULTILINE)
    assert found is not None
    return found[1]


def recorded_code(name):
    """Return the exit code that the recorded state of a file's first flow means, if it has one."""
    runs = json.loads((EXPECTED / f"{name}.json").read_text())["runs"]
    return CODES[runs["state"]["type"]] if "state" in runs else None


NAMES = sorted(
    file.stem
    for file in EXPECTED.glob("*.json")
    if file.stem not in SCRIPTS and recorded_code(file.stem) is not None
)


def test_there_are_enough():
    assert len(NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_the_command_runs_a_flow_file(name, tmp_path):
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("headrace"), "run", "--quiet", "--prefect1"),
            *(FLOWS / f"{name}.py", "--name", first_flow(name)),
        ],
        cwd=tmp_path,
        env=environment_variables(Path(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == recorded_code(name), run.stdout + run.stderr

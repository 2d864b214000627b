"""The launcher that the guide writes, against the contract; those of platforms run it in tests/integration."""

import os
import re
import signal
from pathlib import Path

import pytest

from headrace.testing import LauncherContract, LauncherPlatform

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "agents.md"


def _folder_launcher():
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if "class FolderLauncher" in block)
    found = {}
    exec(compile(block, str(GUIDE), "exec"), found)
    return found["FolderLauncher"]


class Folder(LauncherPlatform):
    def __init__(self, folder):
        self._folder = folder
        self._kind = _folder_launcher()

    def launcher(self):
        return self._kind(self._folder, "http://127.0.0.1:1")

    def run(self, does):
        return LauncherContract.run_that(does)

    def is_running(self, deployment):
        try:
            pid = int(Path(deployment.handle, "pid").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return False
        return True

    def kill(self, deployment):
        os.killpg(int(Path(deployment.handle, "pid").read_text()), signal.SIGKILL)

    def marks(self, deployment):
        owner = Path(deployment.handle, "agent").read_text()
        return [owner, *Path(deployment.handle).name.split("_")]


class TestTheGuidesLauncher(LauncherContract):
    patience = 15.0

    @pytest.fixture
    def platform(self, tmp_path, monkeypatch):
        program = tmp_path / "bin" / "headrace"
        program.parent.mkdir()
        program.write_text(self.PROGRAM)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return Folder(tmp_path / "runs")

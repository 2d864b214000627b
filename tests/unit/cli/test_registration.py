"""`headrace preflight`, and what `headrace register` says before there is a server."""

import json
import os

import pytest

from headrace.cli.commands.register import _without_sources
from headrace.config import set_temporary_config

FLOW = """
from headrace import Flow, task
from headrace.results import LocalResult

@task
def f():
    return 1

with Flow("etl", result=LocalResult()) as flow:
    f()
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path):
    with set_temporary_config({"api_url": "http://127.0.0.1:9", "home_dir": str(tmp_path)}):
        yield


class TestPreflight:
    def test_nothing_is_found(self, headrace, write):
        code, out, err = headrace("preflight", write("etl.py", FLOW), "--no-server")
        assert (code, err) == (0, "")
        assert "Nothing was found that would keep 'etl' from running." in out

    def test_a_server_that_is_not_there_is_no_obstacle(self, headrace, write):
        code, out, _ = headrace("preflight", write("etl.py", FLOW))
        assert code == 0
        assert "note: agents: The server was not asked" in out

    def test_an_error(self, headrace, write):
        text = (
            FLOW.replace("def f", "def g")
            .replace("f()", "g()")
            .replace(
                "with Flow",
                "import os\nif os.getcwd() != {!r}: raise OSError('elsewhere')\nwith Flow",
            )
        )
        code, out, _ = headrace(
            "preflight", write("etl.py", text.format(os.getcwd())), "--no-server"
        )
        assert code == 1
        assert "error: storage: The flow cannot be loaded back from it" in out
        assert "OSError: elsewhere" in out

    def test_json(self, headrace, write):
        file = write("etl.py", FLOW.replace(", result=LocalResult()", ""))
        code, out, _ = headrace("preflight", file, "--no-server", "--json")
        assert code == 0
        (finding,) = json.loads(out)
        assert finding["level"] == "note"
        assert set(finding) == {"level", "subject", "message", "remedy"}

    def test_a_module(self, headrace, write):
        write("module_of_preflight.py", FLOW)
        code, out, _ = headrace("preflight", "-m", "module_of_preflight", "--no-server")
        # It is found in the current folder, which a run does not start in.
        assert code == 1
        assert "no module 'module_of_preflight'" in out
        assert "--import-path" in out


class TestRegister:
    def test_nothing_to_register(self, headrace):
        code, _, err = headrace("register", "--project", "p")
        assert code == 2
        assert "--path" in err

    def test_no_such_file(self, headrace):
        code, _, err = headrace("register", "--project", "p", "-p", "nope.py")
        assert (code, "There is no file or folder nope.py." in err) == (2, True)

    def test_no_server(self, headrace, write):
        code, _, err = headrace("register", "--project", "p", "-p", write("etl.py", FLOW))
        assert (code, "headrace server start" in err) == (2, True)

    def test_watch_and_json(self, headrace, write):
        file = write("etl.py", FLOW)
        code, _, err = headrace("register", "--project", "p", "-p", file, "--watch", "--json")
        assert (code, "--watch and --json" in err) == (2, True)

    def test_a_module_that_cannot_be_watched(self, headrace):
        code, _, err = headrace("register", "--project", "p", "-m", "no_such_module", "--watch")
        assert (code, "no module 'no_such_module' to watch" in err) == (2, True)

    def test_what_is_passed_on_when_a_file_changes(self):
        line = "register --project p -p a.py --path=b.py -m c --label x --watch --path d.py -n e -f"
        assert " ".join(_without_sources(line.split())) == "register --project p --label x -n e -f"

import logging
import os
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from headrace import Flow, Parameter, task
from headrace.config import set_temporary_config
from headrace.core.errors import (
    FileOfFlowsNotFound,
    LoadError,
    SerializationError,
    StorageError,
)
from headrace.storage import Local, storage_from


@task
def give(x):
    return x


def flow_of(constant, name="etl"):
    with Flow(name) as flow:
        give(constant)
    return flow


SCRIPT = "from headrace import Flow\nwith Flow('etl') as flow: pass\n"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


class TestPickles:
    def test_where_they_are(self, tmp_path):
        with set_temporary_config({"home_dir": str(tmp_path)}):
            storage = Local()
        assert storage.directory == str(tmp_path / "flows")
        assert not os.path.exists(storage.directory)
        location = storage.add_flow(flow_of(1, name="Nightly load / 2"))
        assert os.path.dirname(location) == str(tmp_path / "flows" / "nightly-load-2")

    def test_versions_stand_beside_each_other(self, tmp_path):
        first, second = Local(tmp_path), Local(tmp_path)
        first.add_flow(flow_of(1))
        second.add_flow(flow_of(2))
        assert first.flows != second.flows
        for storage, value in ((first, 1), (second, 2)):
            flow = storage_from(storage.serialize()).get_flow("etl")
            assert list(flow.constants.values()) == [{"x": value}]

    def test_the_same_flow_is_not_written_again(self, tmp_path):
        location = Local(tmp_path).add_flow(flow_of(1))
        os.utime(location, (1, 1))
        assert Local(tmp_path).add_flow(flow_of(1)) == location
        assert os.stat(location).st_mtime == 1

    def test_one_that_was_written_over_is_noticed(self, tmp_path):
        registered = Local(path=tmp_path / "flow")
        registered.add_flow(flow_of(1))
        description = registered.serialize()
        Local(path=tmp_path / "flow").add_flow(flow_of(2))
        with pytest.raises(StorageError, match=r"is not the pickle .* that was registered"):
            storage_from(description).get_flow("etl")

    @pytest.mark.parametrize("damage", [b"", b"\x80\x04K", b"nonsense"])
    def test_one_that_is_damaged(self, tmp_path, damage):
        storage = Local(tmp_path)
        with open(storage.add_flow(flow_of(1)), "wb") as file:
            file.write(damage)
        with pytest.raises(StorageError, match="damaged"):
            storage.get_flow("etl")
        storage.hashes.clear()
        with pytest.raises(StorageError, match=r"cannot be loaded from .*stored_as_script"):
            storage.get_flow("etl")

    def test_one_that_is_gone(self, tmp_path):
        storage = Local(tmp_path)
        os.unlink(storage.add_flow(flow_of(1)))
        with pytest.raises(StorageError, match=r"no such file on this machine.*Register"):
            storage.get_flow("etl")

    def test_a_path_holds_one_flow(self, tmp_path):
        storage = Local(path=tmp_path / "flow")
        storage.add_flow(flow_of(1))
        with pytest.raises(StorageError, match="holds one flow already"):
            storage.add_flow(flow_of(1, name="other"))

    def test_what_cannot_be_pickled(self, tmp_path):
        storage = Local(tmp_path)
        with pytest.raises(SerializationError, match="inside the tasks"):
            storage.add_flow(flow_of(threading.Lock()))
        assert storage.flows == {}

    def test_a_place_that_cannot_be_written_to(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match=r"cannot be made: Not a directory"):
            Local(tmp_path / "file" / "x").add_flow(flow_of(1))


class TestPythonFiles:
    def storage(self, tmp_path, text=SCRIPT, name="etl"):
        (tmp_path / "etl.py").write_text(text)
        storage = Local(path=tmp_path / "etl.py", stored_as_script=True)
        storage.add_flow(Flow(name))
        return storage

    def test_one_that_has_changed_is_taken_and_said(self, tmp_path, caplog):
        storage = self.storage(tmp_path)
        storage.get_flow("etl")
        assert not caplog.records
        (tmp_path / "etl.py").write_text(SCRIPT + "CHANGED = 1\n")
        with caplog.at_level(logging.WARNING, "headrace"):
            assert storage_from(storage.serialize()).get_flow("etl").name == "etl"
        assert "has changed since the flow 'etl' was registered" in caplog.text
        assert storage.serialize() != self.storage(tmp_path, SCRIPT + "CHANGED = 1\n").serialize()

    def test_one_that_is_not_there(self, tmp_path):
        storage = Local(path=tmp_path / "none.py", stored_as_script=True)
        storage.add_flow(Flow("etl"))
        with pytest.raises(StorageError, match=r"none.py.*no such file"):
            storage.get_flow("etl")

    @pytest.mark.parametrize(
        ("text", "error", "words"),
        [
            ("x = 1\n", LoadError, "no flow in"),
            (SCRIPT.replace("etl", "other"), LoadError, "no flow 'etl' in .* Flows there: 'other'"),
            (SCRIPT + "again = Flow('etl')\n", LoadError, "two flows named 'etl'"),
            ("1 / 0\n", ZeroDivisionError, "division"),
            ("open('/nowhere/at/all')\n", FileNotFoundError, "nowhere/at/all"),
            ("def\n", SyntaxError, "invalid"),
            ("import sys\nsys.exit(3)\n", LoadError, "ended the process"),
        ],
    )
    def test_ones_that_give_no_such_flow(self, tmp_path, text, error, words):
        with pytest.raises(error, match=words) as caught:
            self.storage(tmp_path, text).get_flow("etl")
        assert not isinstance(caught.value, FileOfFlowsNotFound)

    def test_no_path(self):
        with pytest.raises(StorageError, match="path=__file__"):
            Local(stored_as_script=True).add_flow(Flow("etl"))

    def test_a_relative_path_is_that_of_here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "etl.py").write_text(SCRIPT)
        storage = Local(path="etl.py", stored_as_script=True)
        storage.add_flow(Flow("etl"))
        monkeypatch.chdir("/")
        assert storage.get_flow("etl").name == "etl"
        assert Local(path="etl.py", stored_as_script=True, validate=False).path == "etl.py"


class TestArguments:
    def test_default_labels(self):
        assert Local().labels == [socket.gethostname()]
        assert Local(labels=["a"], add_default_labels=False).labels == ["a"]
        with set_temporary_config({"flows.defaults.storage.add_default_labels": False}):
            assert Local().labels == []

    def test_a_run_elsewhere_does_not_mind_its_own_name(self, monkeypatch):
        described = Local().serialize()
        monkeypatch.setattr(socket, "gethostname", lambda: "another machine")
        assert storage_from(described).serialize() == described

    def test_wrong_types(self):
        with pytest.raises(StorageError, match="directory"):
            Local(directory=3)
        with pytest.raises(StorageError, match="secrets"):
            Local(secrets=[3])


PROGRAM = """
import sys
from headrace import Flow, Parameter, Task, task
from headrace.storage import Local

KNOWN = {"some", "words", "in", "a", "set"}

class Add(Task):
    def run(self, x, y=CONSTANT):
        return helper(x) + y

def helper(x):
    return x if x in KNOWN else len(KNOWN)

@task(tags={"a", "b", "c"})
def show(x, *, key=lambda x: {1: {x}}):
    return key(helper(x))

with Flow("etl") as flow:
    show(Add()(Parameter("p", default=1), {"k": {"x", "y", "z"}}))

storage = Local(directory=sys.argv[1])
print(storage.add_flow(flow))
"""


def test_the_same_code_gives_the_same_file_in_each_process(tmp_path):
    first = PROGRAM.replace("CONSTANT", "1")

    def location(seed, program=first):
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert location("1") == location("2") == location("random")
    assert location("1", PROGRAM.replace("CONSTANT", "2")) != location("1")
    helped = first.replace("else len(KNOWN)", "else 1 + len(KNOWN)")
    assert location("1", helped) != location("1")


def test_a_parameter_is_kept(tmp_path):
    with Flow("etl") as flow:
        give(Parameter("x", default=3))
    storage = Local(tmp_path)
    storage.add_flow(flow)
    (parameter,) = storage.get_flow("etl").parameters()
    assert parameter.default == 3

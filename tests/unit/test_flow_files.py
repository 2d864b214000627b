import os
import pickle
import threading

import cloudpickle
import pytest

from headrace.config import set_temporary_config
from headrace.core.errors import FlowError, SerializationError
from headrace.core.function_task import task
from headrace.flow import Flow


@pytest.fixture
def home(tmp_path):
    with set_temporary_config({"home_dir": str(tmp_path / "home")}):
        yield tmp_path / "home"


def make(name="f", value=1):
    @task
    def give():
        return value

    with Flow(name) as flow:
        give()
    return flow


def outcome(flow):
    return [state.result for state in flow.run().result.values()]


def test_a_flow_comes_back_with_its_code(tmp_path):
    path = tmp_path / "some.flow"
    assert make(value=7).save(path) == str(path)
    loaded = Flow.load(path)
    assert type(loaded) is Flow
    assert outcome(loaded) == [7]
    assert os.listdir(tmp_path) == ["some.flow"]


def test_without_a_path_it_is_found_by_its_name(home):
    path = make("My Flow: nightly", value=2).save()
    assert path == str(home / "flows" / "my-flow-nightly.headrace")
    assert outcome(Flow.load("My Flow: nightly")) == [2]
    make("My Flow: nightly", value=3).save()
    assert outcome(Flow.load("My Flow: nightly")) == [3]


def test_a_relative_path_is_a_path(tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    assert make(value=4).save("here") == str(tmp_path / "here")
    assert outcome(Flow.load("here")) == [4]


def test_what_is_not_there_is_an_error(home):
    with pytest.raises(FlowError, match=r"no flow 'nope'.*flow\.save\(\)"):
        Flow.load("nope")


def test_what_is_no_flow_is_an_error(tmp_path):
    other, broken = tmp_path / "other", tmp_path / "broken"
    other.write_bytes(pickle.dumps([1]))
    broken.write_bytes(b"no pickle")
    with pytest.raises(FlowError, match=r"holds \[1\]"):
        Flow.load(other)
    with pytest.raises(FlowError, match="cannot be loaded"):
        Flow.load(broken)


def test_what_cannot_be_pickled_is_an_error_and_leaves_no_file(tmp_path):
    lock = threading.Lock()

    @task
    def locked():
        with lock:
            return 1

    with Flow("f") as flow:
        locked()
    with pytest.raises(SerializationError, match="inside the tasks"):
        flow.save(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        make().save(tmp_path / "no folder" / "f")
    assert os.listdir(tmp_path) == []


def test_a_subclass_loads_only_its_own(tmp_path):
    class Special(Flow):
        pass

    path = make().save(tmp_path / "f")
    with pytest.raises(FlowError, match="not a"):
        Special.load(path)


def test_saving_replaces_a_file_whole(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 10_000_000)
    make().save(path)
    assert path.stat().st_size < 100_000
    assert cloudpickle.loads(path.read_bytes()).name == "f"

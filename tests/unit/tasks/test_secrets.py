import logging
import pickle

import pytest

from headrace import Flow, task
from headrace.core.errors import SecretError, TaskDefinitionError
from headrace.results import LocalResult, SecretResult
from headrace.states import Failed, Success
from headrace.tasks import EnvVarSecret, PrefectSecret, SecretBase


@task
def length(x):
    return len(str(x))


def test_a_secret_is_an_input_like_any_other():
    with Flow("f") as flow:
        taken = length(PrefectSecret("TOKEN"))
    state = flow.run(context={"secrets": {"TOKEN": "abcdef"}})
    assert state.result[taken].result == 6


def test_its_name_may_come_when_it_is_called():
    with Flow("f") as flow:
        secret = PrefectSecret()(name="TOKEN")
    state = flow.run(context={"secrets": {"TOKEN": '{"user": "a"}'}})
    assert state.result[secret].result == {"user": "a"}
    assert secret.name == "PrefectSecret"
    assert PrefectSecret("TOKEN").name == "TOKEN"


def test_a_secret_that_is_nowhere_fails_its_task():
    with Flow("f") as flow:
        secret = PrefectSecret("MISSING")()
    state = flow.run().result[secret]
    assert isinstance(state, Failed)
    assert isinstance(state.result, SecretError)
    assert "'MISSING'" in str(state.result)


@pytest.mark.parametrize("kind", [PrefectSecret, EnvVarSecret])
def test_a_secret_without_a_name_says_so(kind):
    with pytest.raises(SecretError, match="was not told which secret"):
        kind().run()


def test_a_secret_from_the_environment(monkeypatch):
    monkeypatch.setenv("HR_NUMBER", "42")
    monkeypatch.delenv("HR_NONE", raising=False)
    assert EnvVarSecret("HR_NUMBER").run() == "42"
    assert EnvVarSecret("HR_NUMBER", cast=int).run() == 42
    assert EnvVarSecret().run(name="HR_NUMBER") == "42"
    assert EnvVarSecret("HR_NONE", cast=int).run() is None
    with pytest.raises(SecretError, match="'HR_NONE' is not set"):
        EnvVarSecret("HR_NONE", raise_if_missing=True).run()


def test_a_value_that_cannot_be_cast_is_not_shown(monkeypatch, caplog):
    monkeypatch.setenv("HR_NUMBER", "hunter2")
    with Flow("f") as flow:
        secret = EnvVarSecret("HR_NUMBER", cast=int)()
    with caplog.at_level(logging.DEBUG, logger="headrace"):
        state = flow.run().result[secret]
    assert isinstance(state.result, SecretError)
    assert "'HR_NUMBER'" in str(state.result)
    assert "hunter2" not in caplog.text
    assert "hunter2" not in repr(state)


def test_a_secret_is_never_stored(tmp_path, monkeypatch):
    monkeypatch.setenv("HR_TOKEN", "hunter2")
    with Flow("f", result=LocalResult(dir=str(tmp_path))) as flow:
        secret = EnvVarSecret("HR_TOKEN")()
        taken = length(secret)
    state = flow.run(context={"checkpointing": True})
    assert state.result[taken].stored is not None
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hunter2" not in stored
    assert secret.checkpoint is False
    assert isinstance(secret.result, SecretResult)


def test_a_run_that_goes_on_asks_for_it_again(monkeypatch):
    monkeypatch.setenv("HR_TOKEN", "old")
    with Flow("f") as flow:
        secret = EnvVarSecret("HR_TOKEN")()
    before = flow.run().result
    monkeypatch.setenv("HR_TOKEN", "new")
    assert flow.run(task_states=before).result[secret].result == "new"


def test_reading_its_result_runs_it_again(monkeypatch):
    monkeypatch.setenv("HR_TOKEN", "x")
    secret = EnvVarSecret("HR_TOKEN")
    assert secret.result.read("HR_TOKEN").value == "x"


@pytest.mark.parametrize("place", [{"result": LocalResult()}, {"target": "here.txt"}])
@pytest.mark.parametrize("kind", [SecretBase, PrefectSecret, EnvVarSecret])
def test_a_place_to_store_it_is_refused(kind, place):
    with pytest.raises(TaskDefinitionError, match="secrets are not stored"):
        kind(**place)


def test_a_store_of_ones_own():
    class Vault(SecretBase):
        def run(self, name=None):
            return "from the vault"

    with Flow("f") as flow:
        secret = Vault(name="v")()
    state = flow.run().result[secret]
    assert isinstance(state, Success)
    assert state.result == "from the vault"
    assert secret.always_runs


def test_it_can_travel():
    assert pickle.loads(pickle.dumps(EnvVarSecret("HR_TOKEN", cast=int))).secret_name == "HR_TOKEN"

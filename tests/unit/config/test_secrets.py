import pickle

import pytest

from headrace import Flow, task
from headrace.config import config
from headrace.core.context import context
from headrace.core.errors import SecretError
from headrace.secrets import Secret


@pytest.fixture(autouse=True)
def _home(home):
    return home


def test_context_then_environment_then_file(home, monkeypatch):
    (home / "config.toml").write_text("[context.secrets]\nTOKEN = 'file'\n")
    config.reload()
    assert Secret("TOKEN").get() == "file"
    monkeypatch.setenv("HEADRACE__CONTEXT__SECRETS__TOKEN", "environment")
    assert Secret("TOKEN").get() == "environment"
    config.reload()
    assert Secret("TOKEN").get() == "environment"
    with context(secrets={"TOKEN": "context"}):
        assert Secret("TOKEN").get() == "context"
    assert Secret("TOKEN").get() == "environment"


def test_context_in_a_run_does_not_hide_the_other_places(monkeypatch):
    monkeypatch.setenv("HEADRACE__CONTEXT__SECRETS__TOKEN", "x")
    with context(secrets={"OTHER": 1}):
        assert Secret("TOKEN").get() == "x"
    with context(secrets=None):
        assert Secret("TOKEN").get() == "x"


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ('{"user": "a", "n": [1, null]}', {"user": "a", "n": [1, None]}),
        ("42", 42),
        ('"42"', "42"),
        ("null", None),
        ("plain", "plain"),
        ("{broken", "{broken"),
        ("", ""),
        (42, 42),
        ({"already": "decoded"}, {"already": "decoded"}),
        (b"\xff\xfe", b"\xff\xfe"),
        (None, None),
    ],
)
def test_json_is_decoded(stored, value):
    with context(secrets={"S": stored}):
        assert Secret("S").exists()
        assert Secret("S").get() == value


def test_setting_a_secret_in_the_context():
    context.secrets["S"] = "v"
    assert Secret("S").get() == "v"


def test_missing(home):
    assert not Secret("NONE").exists()
    with pytest.raises(SecretError) as raised:
        Secret("NONE").get()
    for place in (
        "context.secrets['NONE']",
        "HEADRACE__CONTEXT__SECRETS__NONE",
        f"[context.secrets] in {home / 'config.toml'}",
    ):
        assert place in str(raised.value)
    assert isinstance(raised.value, ValueError)


def test_capitals_count(monkeypatch):
    monkeypatch.setenv("HEADRACE__CONTEXT__SECRETS__Mixed__Name", "x")
    assert Secret("Mixed__Name").get() == "x"
    assert not Secret("mixed__name").exists()


def test_a_secret_needs_a_name():
    with pytest.raises(SecretError, match="name"):
        Secret("")


def test_only_the_name_travels_and_shows():
    with context(secrets={"S": "hush"}):
        secret = Secret("S")
        assert secret.get() == "hush"
        assert b"hush" not in pickle.dumps(secret)
        assert repr(secret) == "<Secret: S>"
    assert pickle.loads(pickle.dumps(secret)).name == "S"


def test_a_secret_is_not_read_while_a_flow_is_built():
    with context(secrets={"S": "hush"}), Flow("f"):
        with pytest.raises(SecretError, match="'S' is asked for while a flow is being built"):
            Secret("S").get()
        assert Secret("S").exists()


def test_a_task_reads_a_secret():
    @task
    def read():
        return Secret("S").get()

    with Flow("f") as flow:
        value = read()
    with context(secrets={"S": '{"a": 1}'}):
        assert flow.run().result[value].result == {"a": 1}

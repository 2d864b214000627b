"""Key values: by the client, on both databases, and as flow files of Prefect 1 ask for them."""

import pytest

from headrace.client import Client
from headrace.core.errors import NotFound, NotJsonError, Refused
from tests.support.servers import headrace, running_server

OLD_FLOW = """
from prefect import Flow, task
from prefect.backend import delete_key, get_key_value, list_keys, set_key_value
from prefect.backend.kv_store import get_key_value as the_same


@task
def go_on():
    assert the_same is get_key_value
    try:
        day = get_key_value("last day")
    except ValueError:
        day = 0
    set_key_value(key="last day", value=day + 1)
    set_key_value("other", {"a": [1]})
    assert list_keys() == ["last day", "other"]
    assert delete_key("other")
    try:
        delete_key("other")
    except ValueError:
        return get_key_value("last day")


with Flow("increments") as flow:
    go_on()
"""


def test_a_value_is_what_was_set_last(database_url):
    with running_server(database_url) as server, Client(server.url, "") as client:
        assert client.keys_of_values() == []
        for value in (None, 3, "größe\x00", [1.5, {"a//b": True}]):
            client.set_key_value("a//b ü/", value)
            assert client.get_key_value("a//b ü/") == value
        client.set_key_value("A", 0)
        assert [each.key for each in client.keys_of_values()] == ["A", "a//b ü/"]
        client.delete_key("a//b ü/")
        with pytest.raises(NotFound, match=r"'a'.*Did you mean 'A'\?"):
            client.get_key_value("a")
        with pytest.raises(NotFound):
            client.delete_key("a//b ü/")
        with pytest.raises(NotJsonError, match="'when'.*no JSON"):
            client.set_key_value("when", {1, 2})
        with pytest.raises(Refused, match="must not be empty"):
            client.set_key_value("", 1)
        with pytest.raises(Refused, match="65536"):
            client.set_key_value("A", "x" * 70_000)
        assert client.get_key_value("A") == 0


def test_people_set_and_look_at_values(tmp_path):
    with running_server(home=tmp_path) as server:

        def call(*arguments: str, check: bool = True) -> str:
            return headrace("key-value", *arguments, env=server.env, check=check)

        call("set", "last day", "2024-01-31")
        call("set", "limits", '{"rows": 1000}')
        assert call("get", "last day") == "2024-01-31\n"
        assert call("get", "last day", "--json") == '"2024-01-31"\n'
        assert call("get", "limits") == '{"rows": 1000}\n'
        assert [line.split("  ")[0] for line in call("list").splitlines()] == [
            "KEY",
            "last day",
            "limits",
        ]
        call("delete", "limits")
        assert "limits" not in call("list")
        assert call("set", "limits", '{"rows": ', check=False) == ""


def test_flow_files_of_prefect_find_what_they_kept(tmp_path):
    file = tmp_path / "increments.py"
    file.write_text(OLD_FLOW)
    with running_server(home=tmp_path) as server, Client(server.url, "") as client:
        for times in (1, 2):
            headrace("run", "--prefect1", str(file), env=server.env)
            assert client.get_key_value("last day") == times

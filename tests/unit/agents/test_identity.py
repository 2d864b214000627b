"""Who an agent is."""

import pytest

from headrace.agents.identity import AgentDirectory
from headrace.core.errors import ConfigError


def test_the_id_is_kept_in_its_directory(tmp_path):
    first = AgentDirectory(str(tmp_path), "etl")
    twin = AgentDirectory(str(tmp_path), "etl")
    first.close()
    again = AgentDirectory(str(tmp_path), "etl")
    assert (again.id, again.path) == (first.id, first.path)
    assert twin.id != first.id
    again.close()
    twin.close()


def test_the_environment_says_it_where_no_directory_outlives_the_agent(tmp_path, monkeypatch):
    kept = AgentDirectory(str(tmp_path), "etl")
    kept.close()
    monkeypatch.setenv("HEADRACE_AGENT_ID", "agent-of.etl_1")
    told = AgentDirectory(str(tmp_path), "etl")
    told.close()
    assert told.id == "agent-of.etl_1"
    monkeypatch.delenv("HEADRACE_AGENT_ID")
    again = AgentDirectory(str(tmp_path), "etl")
    again.close()
    assert again.id == kept.id


@pytest.mark.parametrize("given", ["a b", "-a", "x" * 64, "ä", "a/b", "a\n"])
def test_what_no_platform_could_keep_is_refused(tmp_path, monkeypatch, given):
    monkeypatch.setenv("HEADRACE_AGENT_ID", given)
    with pytest.raises(ConfigError, match="HEADRACE_AGENT_ID"):
        AgentDirectory(str(tmp_path), "etl")

"""Whether there is an agent for a flow, by what a server says of its agents."""

import datetime

import pytest

from headrace import Flow
from headrace.core.errors import ServerUnreachable
from headrace.registration.preflight.agents import check_agents
from headrace.run_configs import DockerRun, LocalRun, UniversalRun
from headrace.storage import Module
from headrace.wire.agents import Agent

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Server:
    """What is asked of a client."""

    def __init__(self, *agents):
        self.known = agents

    def agents(self):
        if not self.known:
            raise ServerUnreachable("nobody there")
        return [
            Agent(
                id=str(n),
                name="a",
                kind=kind,
                labels=labels,
                first_seen=NOW,
                last_seen=NOW,
                is_online=up,
            )
            for n, (kind, labels, up) in enumerate(self.known)
        ]


def said(run_config, labels, *agents):
    flow = Flow("f", run_config=run_config, storage=Module("m", labels=["stored"]))
    return [(f.level, str(f)) for f in check_agents(flow, labels, Server(*agents))]


@pytest.mark.parametrize(
    ("run_config", "agent"),
    [
        (UniversalRun(labels=["run"]), ("kubernetes", ["run", "stored", "more", "given"], True)),
        (LocalRun(), ("local", ["stored", "given"], True)),
        (None, ("ecs", ["stored", "given"], True)),
    ],
)
def test_one_that_fits(run_config, agent):
    assert said(run_config, ["given"], agent) == []


@pytest.mark.parametrize(
    ("run_config", "agents", "words"),
    [
        (None, [("local", ["given"], True)], "has the label 'stored'"),
        (None, [("local", ["given", "stored"], False)], "No agent is online"),
        (None, [("local", ["given"], True), ("local", ["stored"], True)], "No single agent"),
        (DockerRun(), [("local", ["given", "stored"], True)], "No docker agent is online"),
        (LocalRun(), [("local", [], True)], "No local agent that is online has the label 'given'"),
    ],
)
def test_none_that_fits(run_config, agents, words):
    ((level, text),) = said(run_config, ["given"], *agents)
    assert level == "warning"
    assert words in text
    assert text.endswith("start --label given --label stored")


def test_a_server_that_is_not_there():
    assert said(None, []) == [
        ("note", "agents: The server was not asked for its agents: nobody there")
    ]

"""What a flow run's process finds in its environment."""

import datetime

from headrace.agents.environment import read_at_start, run_environment
from headrace.run_configs import DockerRun, LocalRun
from headrace.wire.claims import ClaimedRun


def _run(run_config=None):
    return ClaimedRun(
        id="run-1",
        name="a-run",
        attempt=2,
        token="its-own",
        start_time=datetime.datetime.now(datetime.UTC),
        lease=60.0,
        flow_name="f",
        project_name="p",
        run_config=run_config and run_config.serialize(),
    )


def test_each_source_is_laid_over_the_one_before():
    found = run_environment(
        _run(LocalRun(env={"A": "run", "HEADRACE_RUN_ID": "forged"})),
        "http://server",
        base={"A": "base", "B": "base", "C": "base"},
        agent={"A": "agent", "B": "agent"},
    )
    assert (found["A"], found["B"], found["C"]) == ("run", "agent", "base")
    assert found["HEADRACE_RUN_ID"] == "run-1"
    assert found["HEADRACE_RUN_ATTEMPT"] == "2"
    assert found["HEADRACE_RUN_TOKEN"] == "its-own"
    assert found["HEADRACE_API_URL"] == "http://server"
    assert found["PREFECT__CONTEXT__FLOW_RUN_ID"] == "run-1"


def test_a_run_does_not_inherit_the_agents_key_but_may_be_given_one():
    names = ("HEADRACE_API_KEY", "HEADRACE__CLOUD__API_KEY", "HEADRACE_DATABASE_URL")
    own = dict.fromkeys(names, "agents")
    assert "agents" not in run_environment(_run(), "http://server", base=own).values()
    given = run_environment(
        _run(), "http://server", base=own, agent={"HEADRACE_API_KEY": "for runs"}
    )
    assert given["HEADRACE_API_KEY"] == "for runs"


def test_import_paths_come_first():
    found = run_environment(
        _run(DockerRun(image="i", env={"PYTHONPATH": "/run"})),
        "http://server",
        base={"PYTHONPATH": "/base"},
        import_paths=["/a", "/b"],
    )
    assert found["PYTHONPATH"] == "/a:/b:/run"
    assert "PYTHONPATH" not in run_environment(_run(), "http://server")


def test_what_counts_only_at_an_interpreters_start():
    variables = {"TZ": "UTC", "LD_PRELOAD": "x", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    assert read_at_start({**variables, "STAGE": "test", "TZDATA": "x"}) == variables


def test_what_goes_away_with_its_container_waits_longer_for_the_server():
    name = "HEADRACE__RUNS__FLUSH_TIMEOUT"
    assert run_environment(_run(), "http://server")[name] == "3600"
    assert name not in run_environment(_run(), "http://server", base={})
    assert run_environment(_run(), "http://server", agent={name: "5"})[name] == "5"
    assert run_environment(_run(LocalRun(env={name: "7"})), "http://server")[name] == "7"


def test_an_agents_id_is_its_own():
    assert "HEADRACE_AGENT_ID" not in run_environment(
        _run(), "http://server", base={"HEADRACE_AGENT_ID": "agent-1"}
    )

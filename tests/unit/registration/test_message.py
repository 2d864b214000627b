"""What a server is told, and the hash by which it knows what has not changed."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, Parameter, task
from headrace.core.errors import RegistrationError
from headrace.registration.message import hash_of, labels_of, message_of
from headrace.run_configs import KubernetesRun, LocalRun, UniversalRun
from headrace.storage import Local, Module


@task
def load(x, y=1):
    return x


def flow_of(**options):
    with Flow(
        "etl", **{"storage": Module("company.flows"), "run_config": LocalRun(), **options}
    ) as flow:
        load(Parameter("x", default=1))
    return flow


def message(flow, **options):
    flow.storage.add_flow(flow)
    return message_of(flow, "project", flow.storage, **options)


def test_what_the_hash_depends_on():
    seen = {
        message(flow).hash
        for flow in (
            flow_of(),
            flow_of(run_config=LocalRun(env={"A": "1"})),
            flow_of(run_config=UniversalRun()),
            flow_of(storage=Module("company.other")),
            flow_of(storage=Module("company.flows", labels=["a"])),
        )
    } | {message(flow_of(), labels=["a"]).hash}
    assert len(seen) == 6


def test_what_it_does_not_depend_on():
    usual = message(flow_of()).hash
    # The server takes these over without a new version.
    settings = {"max_recoveries": 9, "on_disconnect": "hold", "lost_after": 60}
    assert message(flow_of(**settings)).hash == usual
    assert message(flow_of(run_config=LocalRun(labels=["a"])), labels=["b"]).labels == ["a", "b"]
    orders = [["a", "b", "c"], ["c", "b", "a"], ("b", "a", "c", "a")]
    assert len({message(flow_of(), labels=labels).hash for labels in orders}) == 1
    assert len({message(flow_of(run_config=LocalRun(labels=o))).hash for o in orders}) == 1
    flow = flow_of()
    flow.storage.add_flow(flow)
    assert message_of(flow, "another", flow.storage).hash == usual
    flow.storage.add_flow(Flow("another in the same storage"))
    assert message_of(flow, "project", flow.storage).hash == usual


PROGRAM = """
import datetime
from headrace import Flow, Parameter, task
from headrace.registration.message import message_of
from headrace.run_configs import KubernetesRun
from headrace.schedules import IntervalSchedule
from headrace.storage import Git

@task(tags={"x", "y", "z", "a"})
def load(x: int | None, y: dict[str, int] = 1) -> set[str]:
    return x

class Odd: pass

@task
def odd(x: Odd()):
    return x

start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
with Flow(
    "etl",
    IntervalSchedule(start, datetime.timedelta(hours=1)),
    run_config=KubernetesRun(env={"B": "1", "A": "2"}, labels={"q", "w", "e"}),
    storage=Git("flow.py", "org/repo", labels=["l"]),
) as flow:
    odd(load(Parameter("x", default={"k": 1, "a": [2]})))
flow.storage.add_flow(flow)
print(message_of(flow, "p", flow.storage, labels={"m", "n", "o"}).hash)
"""


def test_the_hash_is_the_same_in_each_process():
    def hashed(seed):
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert hashed("1") == hashed("2") == hashed("3")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_hashing_is_of_content(described):
    turned = dict(reversed(described.items()))
    assert hash_of(described) == hash_of(turned) == hash_of(json.loads(json.dumps(described)))
    assert hash_of({**described, "one more": 1}) != hash_of(described) or "one more" in described


@given(JSON)
def test_parameters_keep_their_defaults(default):
    with Flow("f", storage=Module("m")) as flow:
        load(Parameter("x", default=default))
    (parameter,) = message(flow).graph["parameters"]
    assert parameter["default"] == json.loads(json.dumps(default))


def test_a_default_that_is_no_json_is_left_out():
    for default in (object(), float("nan"), {1, 2}, b"x"):
        with Flow("f", storage=Module("m")) as flow:
            load(Parameter("x", default=default))
        (parameter,) = message(flow).graph["parameters"]
        assert parameter["default"] is None
        assert not parameter["required"]


def test_no_values_and_no_executor():
    from headrace.executors import DaskExecutor

    flow = flow_of(executor=DaskExecutor("tcp://private:8786"))
    with flow:
        load("hunter2", y={"another": "hunter2"})
        load.map(["mapped hunter2"])
    text = repr(message(flow))
    assert "hunter2" not in text
    assert "private" not in text
    assert "Dask" not in text


def test_labels_that_are_none():
    for labels in ("gpu", [3], [""]):
        with pytest.raises(RegistrationError, match="label"):
            labels_of(flow_of(), Local(), labels)


def test_a_run_config_that_is_no_json():
    flow = flow_of(run_config=KubernetesRun(job_template={"a": object()}))
    with pytest.raises(RegistrationError, match=r"run config of flow 'etl'"):
        message(flow)

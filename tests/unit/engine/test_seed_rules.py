"""What `flow.run()` is, and is not: the rules that everything else stands on."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from headrace import Flow, task, triggers
from headrace.executors import LocalDaskExecutor, LocalExecutor
from headrace.states import Failed, TriggerFailed


class Broken:
    """Breaks whoever looks at it."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"flow.run() looked at {name!r}")


@task
def one() -> int:
    return 1


@task
def plus(x: int, y: int) -> int:
    return x + y


def test_storage_and_run_config_are_not_looked_at() -> None:
    with Flow("broken around", storage=Broken(), run_config=Broken()) as flow:
        total = plus(one(), 2)
    assert flow.run().result[total].result == 3
    assert flow.run(executor=LocalDaskExecutor()).result[total].result == 3


def test_the_local_executor_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("flow.run() opened a socket")

    with Flow("offline") as flow:
        total = plus.map([1, 2, 3], y=[1, 1, 1])
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert flow.run(executor=LocalExecutor()).result[total].result == [2, 3, 4]


@pytest.mark.parametrize(
    "executor", [LocalExecutor(), LocalDaskExecutor("threads", num_workers=2)], ids=str
)
def test_what_follows_a_failure_is_decided_and_not_called(executor: Any) -> None:
    called: list[str] = []

    @task
    def fails(x: int) -> int:
        called.append("fails")
        raise ValueError(x)

    @task
    def follows(x: int) -> int:
        called.append("follows")
        return x

    @task(trigger=triggers.any_failed)
    def mends(x: Any) -> str:
        called.append("mends")
        return "mended"

    with Flow("failure") as flow:
        failed = fails(1)
        after = follows(failed)
        later = follows(after)
        mended = mends(failed)
    state = flow.run(executor=executor)
    assert sorted(called) == ["fails", "mends"]
    assert isinstance(state.result[failed], Failed)
    assert isinstance(state.result[after], TriggerFailed)
    assert isinstance(state.result[later], TriggerFailed)
    assert state.result[mended].result == "mended"

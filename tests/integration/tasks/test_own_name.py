"""A tracked run that renames itself: by its events, whoever is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace import Flow, task
from headrace.core.errors import ArgumentError
from headrace.engine.own_name import rename_own_run
from headrace.executors import Executor, LocalDaskExecutor, LocalExecutor
from headrace.tasks import RenameFlowRun
from headrace.wire.events import Renamed, TaskState
from tests.support.tracked import Attempt


@pytest.mark.parametrize(
    "executor",
    [LocalExecutor(), LocalDaskExecutor("threads"), LocalDaskExecutor("processes", num_workers=1)],
    ids=str,
)
def test_it_needs_no_server(executor: Executor, tmp_path: Path) -> None:
    with Flow("renamed", executor=executor) as flow:
        name = task(lambda: "another name", name="name")()
        RenameFlowRun(name="rename")(flow_run_name=name)
    attempt = Attempt(flow, tmp_path)
    ending = attempt.run()
    assert ending is not None
    assert ending.type == "Success"
    told = [
        event.name if isinstance(event, Renamed) else event.slug
        for event in attempt.events
        if isinstance(event, Renamed | TaskState)
    ]
    # The name first: who sees that the task is over sees the name.
    assert told[-2:] == ["another name", "rename-1"]
    assert not rename_own_run("run-1", "too late")


@pytest.mark.parametrize("name", ["a\nb", " a", "a" * 201, ""])
def test_a_name_that_the_server_would_refuse_fails_the_task(name: str, tmp_path: Path) -> None:
    with Flow("misnamed") as flow:
        RenameFlowRun(flow_run_name=name)()
    attempt = Attempt(flow, tmp_path)
    ending = attempt.run()
    assert ending is not None
    assert ending.type == "Failed"
    assert not any(isinstance(event, Renamed) for event in attempt.events)


def test_a_run_that_is_anothers_is_not_renamed(tmp_path: Path) -> None:
    attempt: Any = None

    def loses() -> None:
        attempt.runner.orders.superseded = "it was lost"
        RenameFlowRun(flow_run_name="late").run()

    with Flow("lost") as flow:
        task(loses)()
    attempt = Attempt(flow, tmp_path)
    attempt.run()
    assert not any(isinstance(event, Renamed) for event in attempt.events)


def test_the_name_is_told_what_is_wrong_with_it() -> None:
    with pytest.raises(ArgumentError, match=r"U\+000A"):
        RenameFlowRun(flow_run_name="a\nb").run(flow_run_id="x")

"""A loop goes on with its turn when another attempt takes the run over."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from headrace import Flow, context, task
from headrace.engine import keeper, turns
from headrace.executors import DaskExecutor, Executor, LocalDaskExecutor, LocalExecutor
from headrace.signals import LOOP
from tests.support.clusters import dask_cluster
from tests.support.tracked import Attempt


@pytest.fixture(autouse=True)
def every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "KEPT_SECONDS", 0.0)


def copied(source: str, target: str) -> None:
    """Copy a file, if it is still there: others come and go meanwhile."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def looping(
    executor: Executor, died: Path, home: Path, told_every: float | None = None, **kwargs: Any
) -> tuple[Flow, Path]:
    """Make a flow whose loop leaves, in its third turn, what there is if its process dies now."""
    log = home.parent / "log"

    @task(**kwargs)
    def loops(x: int) -> Any:
        turn, before = context.get("task_loop_count", 1), context.get("task_loop_result", x)
        if told_every is not None:
            turns.KEPT_SECONDS = told_every  # type: ignore[misc]
        with log.open("a") as file:
            file.write(f"{x}:{turn}\n")
        if turn == 3 and x == 10 and not died.exists():
            time.sleep(0.5 if told_every is None else 3.0)  # what a worker has told is on its way
            shutil.copytree(home, died, copy_function=copied)
        if turn < 5:
            raise LOOP(result=before + 1)
        return turn, before

    with Flow("looping", executor=executor) as flow:
        loops.map(task(lambda: [10, 20], name="numbers")())
    return flow, log


def turns_of(log: Path, x: int) -> list[int]:
    lines = [line.split(":") for line in log.read_text().split()]
    return [int(turn) for which, turn in lines if which == str(x)]


def taken_over(executor: Callable[[], Executor], tmp_path: Path, **kwargs: Any) -> list[int]:
    """Return the turns that the attempt makes which takes a loop over in its third turn."""
    home, died = tmp_path / "home", tmp_path / "died"
    flow, _ = looping(executor(), died, home, **kwargs)
    Attempt(flow, home).run()
    flow, log = looping(executor(), died, home, **kwargs)
    log.unlink()
    again = Attempt(flow, died, 2)
    ending = again.run()
    assert ending is not None
    assert ending.type == "Success"
    (last,) = [
        event
        for event in again.tasks()
        if (event.slug, event.map_index, event.type) == ("loops-1", 0, "Success")
    ]
    assert last.run_count == 1
    return turns_of(log, 10)


@pytest.mark.parametrize("kwargs", [{}, {"timeout": 60}], ids=["plain", "not plain"])
@pytest.mark.parametrize("kind", [LocalExecutor, LocalDaskExecutor])
def test_it_goes_on_with_its_turn(kind: Any, kwargs: Any, tmp_path: Path) -> None:
    assert taken_over(kind, tmp_path, **kwargs) == [3, 4, 5]


def test_it_goes_on_with_its_turn_on_dask(tmp_path: Path) -> None:
    with dask_cluster(workers=1, threads=1) as cluster:
        made = taken_over(lambda: DaskExecutor(address=cluster.address), tmp_path, told_every=60.0)
    # A worker tells of the first turn, and then once a second; here, once a minute.
    assert made == [2, 3, 4, 5]


def test_a_process_of_a_pool_cannot_tell(tmp_path: Path) -> None:
    made = taken_over(lambda: LocalDaskExecutor("processes", num_workers=1), tmp_path)
    assert made == [1, 2, 3, 4, 5]


def test_a_task_that_keeps_nothing_begins_anew(tmp_path: Path) -> None:
    assert taken_over(LocalExecutor, tmp_path, checkpoint=False) == [1, 2, 3, 4, 5]


def test_short_turns_are_recorded_now_and_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(turns, "KEPT_SECONDS", 60.0)
    told: list[turns.Turn] = []

    def loops() -> int:
        turn = context.get("task_loop_count", 1)
        if turn < 100:
            raise LOOP(result=turn)
        return int(turn)

    with Flow("short") as flow:
        task(loops)()
    with turns.told_here("some-run", told.append):
        flow.run(context={"flow_run_id": "some-run"})
        flow.run(context={"flow_run_id": "another"})
    assert len(told) == 1

"""Where checkpoints go, and what becomes of a run that cannot keep any."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import Flow, task
from headrace.core.errors import ResultNotFound
from headrace.engine import checkpoints as module
from headrace.engine.checkpoints import (
    Checkpoints,
    DirectoryStore,
    ObjectStore,
    Store,
    may_hold,
    store_for,
)
from headrace.engine.segments import VALUE, Record
from headrace.results import LocalResult
from headrace.results.serializers import JSONSerializer
from tests.support.tracked import Attempt

STORES: dict[str, Callable[[Path, int], Store]] = {
    "directory": lambda folder, attempt: DirectoryStore(folder, "run", attempt),
    "objects": lambda folder, attempt: ObjectStore(LocalResult(str(folder)), "run", attempt),
}


@pytest.fixture(params=list(STORES))
def make(request: pytest.FixtureRequest) -> Callable[[Path, int], Store]:
    return STORES[request.param]


def record(child: int) -> Record:
    return Record("t", child, "Success", VALUE, value=b"v" * child)


def test_later_attempts_read_what_earlier_ones_have_written(
    tmp_path: Path, make: Callable[[Path, int], Store]
) -> None:
    for attempt in (1, 2):
        kept = Checkpoints(make(tmp_path, attempt), attempt)
        for child in range(3):
            kept.add(record(child + attempt))
            kept.flush()
        kept.close()
    third = Checkpoints(make(tmp_path, 3), 3)
    assert list(third.read()) == [
        (attempt, record(child + attempt)) for attempt in (1, 2) for child in range(3)
    ]
    assert list(Checkpoints(make(tmp_path, 1), 1).read()) == []


def test_one_value_is_kept_by_itself(tmp_path: Path, make: Callable[[Path, int], Store]) -> None:
    store = make(tmp_path, 1)
    location = store.write_value("a task[3]", b"value")
    assert make(tmp_path, 2).read_value(location) == b"value"
    with pytest.raises(ResultNotFound):
        store.read_value("gone.value")


def test_what_is_added_while_it_is_written_is_not_lost(tmp_path: Path) -> None:
    kept = Checkpoints(DirectoryStore(tmp_path, "run", 1), 1)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            kept.flush()

    writer = threading.Thread(target=write)
    writer.start()
    for child in range(20_000):
        kept.add(record(child % 7))
    done.set()
    writer.join()
    kept.close()
    assert len(list(Checkpoints(DirectoryStore(tmp_path, "run", 2), 2).read())) == 20_000


def test_they_go_where_the_flow_has_its_results(tmp_path: Path) -> None:
    store = store_for(LocalResult(str(tmp_path)), "run", 1)
    store.append(b"x")
    store.close()
    assert list(tmp_path.glob("checkpoints/run/00001-*.seg"))
    assert store_for(None, "../run", 1).directory is not None
    assert ".." not in Path(str(store_for(None, "../run", 1).directory)).parts


def test_they_stand_for_results_that_say_no_more_than_where() -> None:
    assert may_hold(LocalResult())
    assert not may_hold(None)
    assert not may_hold(LocalResult(location="{task_name}"))
    assert not may_hold(LocalResult(serializer=JSONSerializer()))


def test_a_run_that_cannot_keep_any_goes_on_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")

    @task
    def one() -> int:
        return 1

    with Flow("f") as flow:
        one()
    attempt = Attempt(flow, tmp_path / "file")
    end = attempt.run()
    assert end is not None
    assert end.type == "Success"
    assert attempt.runner.checkpoints is not None
    assert "NotADirectoryError" in str(attempt.runner.checkpoints.broken)


@pytest.mark.parametrize("how", ["not kept", "cannot be pickled"])
def test_a_value_without_a_checkpoint_is_made_again(tmp_path: Path, how: str) -> None:
    calls: list[str] = []

    @task(checkpoint=False if how == "not kept" else None)
    def first() -> Any:
        calls.append("first")
        return 1 if how == "not kept" else threading.Lock()

    @task
    def second(x: Any) -> int:
        calls.append("second")
        return 2

    @task
    def third(x: Any) -> int:
        calls.append("third")
        return 3

    with Flow("f") as flow:
        third(second(first()))
    Attempt(flow, tmp_path).run()
    again = Attempt(flow, tmp_path, 2)
    again.run()
    # A value that equals no other, as a lock does, is never taken for the one before.
    made = ["first"] if how == "not kept" else ["first", "second", "third"]
    assert calls == ["first", "second", "third", *made]
    assert ("second-1", -1) in again.reused() if how == "not kept" else again.reused() == set()


def test_a_large_value_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.engine.keeper.LARGE_BYTES", 1000)
    calls: list[int] = []

    @task
    def large() -> bytes:
        calls.append(1)
        return b"x" * 5000

    @task
    def use(x: bytes) -> int:
        if len(calls) == 1:
            calls.append(2)
            raise ValueError
        return len(x)

    with Flow("f") as flow:
        use(large())
    Attempt(flow, tmp_path).run()
    assert len(list(tmp_path.glob("*/*.value"))) == 1
    again = Attempt(flow, tmp_path, 2, restarted_after=1)
    end = again.run()
    assert end is not None
    assert end.type == "Success"
    assert calls == [1, 2]
    assert module.LARGE_BYTES > 2**20

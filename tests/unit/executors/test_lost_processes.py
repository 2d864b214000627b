"""When a process of a pool dies, each call is told whether it may have been the reason."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.core.errors import ExecutionLost
from headrace.executors.pools import ProcessPool


def nap(begun: Path) -> None:
    begun.write_text(str(os.getpid()))
    for _ in range(6000):
        time.sleep(0.01)


def end_after(begun: Path) -> None:
    until(begun)
    os._exit(1)


def until(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(2)
    yield pool
    pool.close()


def lost(future: object) -> ExecutionLost:
    with pytest.raises(ExecutionLost) as raised:
        future.result(timeout=60)  # type: ignore[attr-defined]  # of whichever kind
    return raised.value


def test_who_only_shared_the_pool_is_not_the_reason(pool: ProcessPool, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    napping = pool.submit(nap, begun)
    ending = pool.submit(end_after, begun)
    waiting = pool.submit(os.getpid)
    assert [lost(each).may_be_why for each in (ending, napping, waiting)] == [True, False, False]


def test_who_was_killed_from_outside_may_be_the_reason(pool: ProcessPool, tmp_path: Path) -> None:
    begun = [tmp_path / "first", tmp_path / "second"]
    napping = [pool.submit(nap, each) for each in begun]
    for each in begun:
        until(each)
    os.kill(int(begun[0].read_text()), signal.SIGKILL)
    assert [lost(each).may_be_why for each in napping] == [True, False]


def test_nobody_is_cleared_when_a_process_dies_that_made_no_call(
    pool: ProcessPool, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    napping = pool.submit(nap, begun)
    idle = pool.submit(os.getpid).result(timeout=60)
    until(begun)
    os.kill(idle, signal.SIGKILL)
    assert lost(napping).may_be_why


def test_the_next_call_gets_a_new_pool(pool: ProcessPool, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.write_text("now")
    assert lost(pool.submit(end_after, begun)).may_be_why
    assert pool.submit(os.getpid).result(timeout=60) != os.getpid()

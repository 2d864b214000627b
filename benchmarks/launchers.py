"""What the launchers of platforms cost: for each deployment, and what their cases have in common."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from benchmarks.comparisons import Settings
from benchmarks.deployments import IN_FLIGHT, LIVE, PLATFORM_SECONDS
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from headrace.testing import LauncherContract
from headrace.wire.claims import ClaimedRun
from tests.support.agents import RunningAgent

T = TypeVar("T")

_RUNS = 200
_QUICK_RUNS = 100
#: How often each side has its turn; the best counts, as others may use the machine, too.
_ROUNDS = 5
_PATIENCE = 240.0


def overhead_rows(
    case: str,
    settings: Settings,
    *,
    deploy: Callable[[ClaimedRun], object],
    made: Callable[[ClaimedRun], T],
    alone: Callable[[T], object],
    target: Target,
) -> list[Row]:
    """Measure what a launcher adds to its platform's own call, with many in flight at once.

    In each of its places one deployment follows another. The time that passes between two, less the
    time that it is if nothing but the call is made there, is what the launcher adds.

    Args:
        case: What is deployed where.
        settings: How the benchmarks are run.
        deploy: The launcher's part.
        made: Makes what the call is made with for a run; that is not measured.
        alone: The call.
        target: What the figure is judged by, in milliseconds.
    """
    count = _QUICK_RUNS if settings.quick else _RUNS
    runs = [LauncherContract.run_that("succeed") for _ in range(count)]
    rounds = []
    for _ in range(_ROUNDS):
        launched = _in_a_place(deploy, runs)
        _begin_anew(runs)
        rounds.append((launched, _in_a_place(alone, [made(run) for run in runs])))
        _begin_anew(runs)
    (launched_in, used), (alone_in, bare) = map(min, zip(*rounds, strict=True))
    note = (
        f"the call alone {show(alone_in * 1000)} ms; "
        f"CPU {show(used * 1000)} and {show(bare * 1000)} ms"
    )
    return rows_of(
        f"{case}, {IN_FLIGHT} in flight, the platform's own call {PLATFORM_SECONDS * 1000:g} ms",
        "ms",
        {HEADRACE: (launched_in - alone_in) * 1000},
        target=target,
        notes={HEADRACE: note},
    )


@contextmanager
def endpoint(module: str, *options: str) -> Iterator[str]:
    """Have a platform in a process of its own; yield the line by which it says where it is."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def wait_until_found(agent: RunningAgent, settling: float) -> None:
    """Wait until an agent has found all live deployments, and then until it does nothing special.

    Args:
        agent: The agent, which was just started.
        settling: For how many seconds after that it still looks more closely than later.
    """
    until = time.monotonic() + _PATIENCE
    while agent.log.count("Found flow run") < LIVE:
        if time.monotonic() > until:
            raise SystemExit(f"Not all deployments were found:\n{agent.log[-2000:]}")
        time.sleep(0.1)
    time.sleep(settling)


def _begin_anew(runs: Sequence[ClaimedRun]) -> None:
    """Let another attempt of each run be deployed: the same one would be there already."""
    for run in runs:
        run.attempt += 1


def _in_a_place(call: Callable[[T], object], given: Sequence[T]) -> tuple[float, float]:
    """Make all calls, and return how many seconds each took in its place, and of this process."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        used, began = time.process_time(), time.monotonic()
        for _ in pool.map(call, given):
            pass
        took, used = time.monotonic() - began, time.process_time() - used
    return took / len(given) * IN_FLIGHT, used / len(given)

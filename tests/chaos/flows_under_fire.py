"""Flows whose tasks write down each call of theirs, for runs that have parts of them killed.

One line for each call goes to the file that `CHAOS_CALLS` names, by one write to a file that is only
ever appended to: what a process has begun is there, however it ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any

from headrace import Flow, Parameter, context, task, unmapped
from headrace.executors import LocalDaskExecutor, LocalExecutor


def note(value: Any = None) -> None:
    """Write down that a task's function was called: by which process, in which attempt, when."""
    index = -1 if context.map_index is None else context.map_index
    call = (context.task_slug, index, context.attempt)
    # The session is the supervisor's, whichever of a run's processes calls.
    line = [context.flow_run_id, *call, os.getpid(), os.getsid(0), time.time(), value]
    file = os.open(os.environ["CHAOS_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, json.dumps(line).encode() + b"\n")
    finally:
        os.close(file)
    context.logger.info("called %s %d in attempt %d", *call)


@task
def numbers(count: int) -> list[int]:
    note()
    return list(range(count))


@task
def double(x: int, pace: float) -> int:
    note()
    time.sleep(pace)
    return 2 * x


@task
def total(xs: list[int]) -> int:
    note(sum(xs))
    return sum(xs)


@task
def outside(x: int, seconds: float) -> int:
    note()
    # A later attempt need not wait for as long: this program is killed, or it is left behind.
    subprocess.run(["sleep", "60" if context.attempt == 1 else str(seconds)], check=True)
    return 4 * x


def build(name: str, executor: Any, **more: Any) -> Flow:
    """Make a flow that doubles numbers twice, child by child, and adds them up."""
    with Flow(name, executor=executor, **more) as flow:
        pace = unmapped(Parameter("pace", default=0.05))
        total(double.map(double.map(numbers(Parameter("count", default=6)), pace), pace))
    return flow


inline = build("inline", LocalExecutor(), max_recoveries=20)
threads = build("threads", LocalDaskExecutor(num_workers=2), max_recoveries=20)
processes = build(
    "processes", LocalDaskExecutor(scheduler="processes", num_workers=2), max_recoveries=20
)
careful = build("careful", LocalExecutor(), max_recoveries=20, on_disconnect="hold")
frail = build("frail", LocalExecutor(), max_recoveries=1)

# A run of this one ends only if its first attempt is killed.
with Flow("program", max_recoveries=20) as program:
    xs = numbers(Parameter("count"))
    total(outside.map(xs, unmapped(Parameter("pace", default=0.05))))

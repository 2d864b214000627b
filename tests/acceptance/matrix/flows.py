"""The two flows of the matrix, as a file that stands in whatever storage is tried."""

from __future__ import annotations

from tests.acceptance.matrix.rows import EXECUTORS, Row

_TEXT = """\
import os
from datetime import timedelta

from headrace import Flow, Parameter, case, context, task
from headrace.executors import DaskExecutor, LocalDaskExecutor, LocalExecutor
from headrace.run_configs import UniversalRun
from headrace.storage import {imported}
from headrace.tasks.control_flow import merge


@task
def numbers(count):
    return list(range(count))


@task
def square(x):
    return x * x


@task
def total(xs):
    context.logger.info("the total is %d", sum(xs))
    return sum(xs)


@task(max_retries=1, retry_delay=timedelta(seconds=0))
def text():
    if context.task_run_count == 1:
        raise ConnectionError("nobody answers")
    return "to be or not to be"


@task
def words(text):
    return text.split()


@task
def is_long(words):
    return len(words) > 3


@task
def count(words):
    return {{word: words.count(word) for word in words}}


@task
def nothing():
    return {{}}


@task(log_stdout=True)
def report(counts):
    print("the words are", " ".join(f"{{word}}={{n}}" for word, n in sorted(counts.items())))


def say_where(flow, old, new):
    if new.is_running():
        flow.logger.info("the run is process %d", os.getpid())
    return new


executor = {executor}
storage = {storage}
run_config = UniversalRun(labels=["{label}"])

common = dict(executor=executor, storage=storage, run_config=run_config)

with Flow("sums-{name}", state_handlers=[say_where], **common) as sums:
    total(square.map(numbers(Parameter("count", default=8))))

with Flow("words-{name}", **common) as words_flow:
    found = words(text())
    long = is_long(found)
    with case(long, True):
        counted = count(found)
    with case(long, False):
        none = nothing()
    report(merge(counted, none))
"""
#: What a run of each flow writes to its log, whatever it runs on.
SAYS = {"sums": "the total is 140", "words": "the words are be=2 not=1 or=1 to=2"}


def code(row: Row, storage: str, address: str) -> str:
    """Return the file of a row's flows.

    Args:
        row: The row.
        storage: The expression that makes the storage.
        address: The address of the cluster that is there already.
    """
    return _TEXT.format(
        imported=row.storage,
        storage=storage,
        executor=EXECUTORS[row.executor].format(address=address),
        label=label(row.agent),
        name=row.name,
    )


def label(agent: str) -> str:
    """Return the label of the agent of a kind."""
    return f"matrix-{agent}"

import logging
import os
import signal
import time

import pytest

from headrace import Flow, task
from headrace.core import signals
from headrace.executors import LocalDaskExecutor


def lines_of(error):
    @task
    def raises():
        raise error

    with Flow("lines") as flow:
        raises()
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("headrace.raises")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        flow.run()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    return [(record.levelname, record.getMessage()) for record in records]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (signals.FAIL("no rows"), ("ERROR", "Task 'raises': FAIL signal raised: no rows")),
        (signals.FAIL(), ("ERROR", "Task 'raises': FAIL signal raised.")),
        (
            signals.VALIDATIONFAIL("3 < 4"),
            ("ERROR", "Task 'raises': VALIDATIONFAIL signal raised: 3 < 4"),
        ),
        (signals.SKIP("nothing new"), ("DEBUG", "Task 'raises': SKIP signal raised: nothing new")),
        (ValueError(1), ("ERROR", "Task 'raises': Exception encountered during task execution!")),
    ],
)
def test_a_failure_is_an_error_line_by_whatever_name(error, line):
    assert lines_of(error) == [line]


def test_a_task_that_is_stopped_with_its_run_is_no_error(caplog):
    @task
    def numbers():
        return list(range(3))

    @task
    def interrupt(x):
        if x == 0:
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(500):
            time.sleep(0.01)

    with Flow("stopped", executor=LocalDaskExecutor("threads", num_workers=2)) as flow:
        interrupt.map(numbers())
    assert type(flow.run()).__name__ == "Cancelled"
    assert [record.levelname for record in caplog.records if "Task '" in record.message] == []

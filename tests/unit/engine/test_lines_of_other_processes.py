import logging

import pytest

from headrace import Flow, task
from headrace.config.logging import ContextFilter, get_logger
from headrace.executors import LocalDaskExecutor


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_tasks_log_lines_carry_its_names_from_wherever_it_runs(scheduler):
    @task
    def speak(x):
        speak_again = logging.getLogger("headrace.speak")
        speak_again.warning("word %d", x)

    with Flow("lines", executor=LocalDaskExecutor(scheduler, num_workers=1)) as flow:
        speak.map([3, 4])
    records = []
    handler = logging.Handler()
    handler.addFilter(ContextFilter())
    handler.emit = records.append
    logger = get_logger("speak")
    logger.addHandler(handler)
    try:
        flow.run()
    finally:
        logger.removeHandler(handler)
    told = {
        (record.getMessage(), record.flow_name, record.task_name, record.task_full_name)
        for record in records
    }
    assert told == {
        ("word 3", "lines", "speak", "speak[0]"),
        ("word 4", "lines", "speak", "speak[1]"),
    }
    assert {record.task_run_id.split("/")[-1] for record in records} == {"speak-1[0]", "speak-1[1]"}

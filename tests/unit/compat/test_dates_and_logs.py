"""What flows of Prefect 1 see and log while they run."""

import pytest

FLOW = """
import logging
import headrace.compat.prefect
import prefect
from prefect import Flow, Parameter, task
from prefect.core.parameter import DateTimeParameter
"""


def test_dates_are_pendulums(run_python):
    pytest.importorskip("pendulum")
    shown = run_python(
        FLOW
        + """
import datetime
from prefect.schedules import IntervalSchedule

@task
def dates(when):
    start, date = prefect.context.scheduled_start_time, prefect.context["date"]
    return [start.add(days=1).diff(start).in_days(), date.to_date_string() == prefect.context.today,
            when.subtract(hours=1).to_datetime_string(), when.timezone_name]

with Flow("dates") as flow:
    seen = dates(DateTimeParameter("when"))
show(flow.run(when="2024-03-01T10:00:00").result[seen].result)
start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
schedule = IntervalSchedule(start, datetime.timedelta(days=1))
show([time.to_date_string() for time in schedule.next(2, after=start)])
"""
    )
    assert shown == [
        [1, True, "2024-03-01 09:00:00", "UTC"],
        ["2024-01-02", "2024-01-03"],
    ]


def test_without_pendulum_dates_say_how_to_get_its_methods(run_python, tmp_path):
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "pendulum.py").write_text("raise ImportError('not here')")
    first, *said = run_python(
        FLOW
        + """
import copy, pickle

@task
def dates():
    date = prefect.context.date
    assert pickle.loads(pickle.dumps(date)) == date == copy.copy(date)
    return f"{date:%Y}" == prefect.context.today[:4]

@task
def misses():
    return prefect.context.scheduled_start_time.add(days=1)

with Flow("dates") as flow:
    seen, missed = dates(), misses()
state = flow.run()
show(state.result[seen].result)
show(str(state.result[missed].result))
""",
        path=[tmp_path / "blocked"],
    )
    assert first is True
    way_out = "If it is one of pendulum's, install it: pip install 'headrace[prefect1]'."
    assert said == [f"A datetime has no attribute 'add'. {way_out}"]


def test_each_task_run_is_logged_when_it_starts_and_when_it_ends(run_python):
    run_python(
        FLOW
        + """
from datetime import timedelta
from prefect.engine.signals import LOOP, SKIP

@task
def numbers():
    return [1, 2]

@task
def skips():
    raise SKIP

@task(max_retries=1, retry_delay=timedelta(0))
def flaky(x):
    if x == 2 and prefect.context.task_run_count == 1:
        raise ValueError(x)
    return x

@task
def loops():
    if prefect.context.get("task_loop_count", 1) < 3:
        raise LOOP
    return 1

with Flow("logged") as flow:
    flaky.map(numbers())
    flaky(skips(), task_args={"name": "after"})
    loops()
logging.getLogger("prefect.mine").info("a line by the name of the library")
flow.run()
"""
    )
    lines = [line.split(" - ", 1)[1] for line in run_python.output.splitlines() if " - " in line]
    for task, ending in (
        ("numbers", "Success"),
        ("flaky", "Mapped"),
        ("flaky[0]", "Success"),
        ("flaky[1]", "Retrying"),
        ("flaky[1]", "Success"),
        ("skips", "Skipped"),
        ("after", "Skipped"),
        ("loops", "Success"),
    ):
        said = f"Task '{task}': Finished task run for task with final state: '{ending}'"
        assert lines.count(f"headrace.TaskRunner | {said}") == 1, said
    starts = [line for line in lines if "Starting task run..." in line]
    assert len(starts) == 8
    assert lines.count("headrace.TaskRunner | Task 'loops': Starting task run...") == 1
    assert "prefect.mine | a line by the name of the library" in lines


def test_lines_keep_quiet_where_the_level_says_so(run_python):
    run_python(
        FLOW + "with Flow('quiet') as flow:\n    Parameter('x', default=1)()\nflow.run()",
        PREFECT__LOGGING__LEVEL="WARNING",
    )
    assert run_python.output == ""


def test_a_task_runner_of_ones_own_is_used_as_it_is(run_python):
    run_python(
        FLOW
        + """
from prefect.engine import FlowRunner, TaskRunner

class Mine(TaskRunner):
    pass

with Flow("own runner") as flow:
    Parameter("x", default=1)()
show(type(FlowRunner(flow, task_runner_cls=Mine).run()).__name__)
"""
    )
    assert "Starting task run" not in run_python.output


def test_lines_from_another_process_are_written_once(run_python):
    run_python(
        FLOW
        + """
from prefect.executors import LocalDaskExecutor

@task
def double(x):
    import prefect
    prefect.context.get("logger").info("over there")
    return 2 * x

with Flow("away") as flow:
    double(1)
if __name__ == "__main__":
    flow.run(executor=LocalDaskExecutor(scheduler="processes", num_workers=1))
"""
    )
    for line in ("Task 'double': Starting task run...", "final state: 'Success'", "over there"):
        assert run_python.output.count(line) == 1, run_python.output

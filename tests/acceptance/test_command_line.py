"""The command as a person or a script starts it: in a process of its own, its output in pipes."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

ETL = """
import os
from headrace import Flow, Parameter, task
from beside import SECRET_OF_SUCCESS

@task
def numbers(n):
    return list(range(n))

@task
def check(x):
    from late import LIMIT  # a module beside the file, imported when the task runs
    if x >= LIMIT:
        raise ValueError(f"{x} is too much\\nsecond line")
    return os.getpid()

@task
def end(xs):
    return len(xs)

with Flow("etl") as flow:
    end(check.map(numbers(Parameter("n", default=3))))
"""

SLEEPY = """
import time
from headrace import Flow, task

@task
def numbers():
    return list(range(8))

@task
def nap(x):
    print("awake" if x == 0 else "", flush=True)
    for _ in range(12000):
        time.sleep(0.01)

with Flow("sleepy") as flow:
    nap.map(numbers())
"""


@pytest.fixture
def etl(write):
    write("beside.py", "SECRET_OF_SUCCESS = 'none'\n")
    write("late.py", "LIMIT = 5\n")
    return write("etl.py", ETL)


EXECUTORS = [[], ["-e", "local"], ["-e", "threads:2"], ["-e", "processes:2"], ["-e", "dask"]]
#: Another Dask on this machine may have its dashboard's usual port: Dask warns, and takes another.
QUIET_DASHBOARD = {"PYTHONWARNINGS": "ignore:Port 8787:UserWarning"}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_success(headrace, etl, executor):
    run = headrace("run", etl, *executor, **QUIET_DASHBOARD)
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert re.fullmatch(r"Flow run of 'etl' succeeded after \S+ m?s", lines[-2])
    assert lines[-1] == "  6 task runs: 6 success"
    assert "\x1b" not in run.stdout


@pytest.mark.parametrize("executor", EXECUTORS)
def test_failure(headrace, etl, tmp_path, executor):
    run = headrace("run", etl, "-p", "n=7", *executor, **QUIET_DASHBOARD)
    assert (run.returncode, run.stderr) == (1, "")
    # As it happens: the traceback begins at the user's own frame.
    assert run.stdout.count("Traceback (most recent call last):\n") == 2
    for frame in re.findall(r"last\):\n(  File .*)\n", run.stdout):
        assert frame == f'  File "{tmp_path}/etl.py", line 14, in check'
    # And at the end.
    assert run.stdout.splitlines()[-5:] == [
        "  10 task runs: 7 success, 2 failed, 1 trigger failed",
        "  Failed:",
        "    check[5]  ValueError: 5 is too much",
        "    check[6]  ValueError: 6 is too much",
        "  1 did not run, because of that: end",
    ]


def test_a_scheduler_that_does_not_answer(headrace, etl):
    run = headrace("run", etl, "-e", "dask:tcp://127.0.0.1:1")
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert re.search(
        r"^Flow run of 'etl' failed after \S+ s: No Dask scheduler answers at tcp://127.0.0.1:1 ",
        run.stdout,
        re.MULTILINE,
    )


def test_a_flow_file_of_prefect_1(headrace, write):
    code = """
    import prefect
    from prefect import Flow, Parameter, task

    @task
    def double(x):
        prefect.context.logger.info("doubling %s", x)
        return 2 * x

    with Flow("old") as flow:
        double.map(Parameter("xs", default=[1, 2]))

    if __name__ == "__main__":
        flow.run()
    """
    name = write("old.py", code)
    run = headrace("run", name, "--prefect1", "--param", "xs=[5]")
    assert (run.returncode, run.stderr) == (0, "")
    assert "INFO - headrace.double | doubling 5\n" in run.stdout
    assert "Task 'double[0]': Finished task run for task with final state: 'Success'" in run.stdout
    run = headrace("run", name)
    assert run.returncode == 2
    assert run.stderr.endswith(" If it was written for Prefect 1, add --prefect1.\n")


def test_wrong_usage(headrace, etl):
    run = headrace("run", etl, "--param", "m=3")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "Error: The flow 'etl' has no parameter 'm'. It has: n.\n"


def test_unfinished(headrace, write):
    code = """
    from headrace import Flow, pause_task, task

    @task
    def release():
        pause_task("Look first.")

    with Flow("release") as flow:
        release()
    """
    run = headrace("run", write("release.py", code))
    assert run.returncode == 3
    assert run.stdout.endswith("  Waiting:\n    release  paused, until it is resumed\n")


@pytest.mark.parametrize("executor", ["local", "threads:2", "processes:2"])
@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (signal.SIGINT, 130, "The run was interrupted."),
        (signal.SIGTERM, 143, "The process was asked to end (SIGTERM)."),
    ],
)
def test_cancelling(begin, write, executor, number, code, reason):
    process = begin("run", write("sleepy.py", SLEEPY), "-e", executor)
    while "awake" not in process.stdout.readline():
        assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(number)
    out, _ = process.communicate(timeout=120)
    assert time.monotonic() - asked < 60, out  # a nap takes two minutes
    assert process.returncode == code, out
    assert "Traceback" not in out
    lines = out.splitlines()
    assert lines[-2].startswith("Flow run of 'sleepy' was cancelled after")
    assert lines[-2].endswith(reason)
    assert lines[-1] == "  9 task runs: 1 success, 8 cancelled"


@pytest.mark.parametrize("seconds", [0, 0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("executor", ["threads:2", "processes:2"])
def test_ctrl_c_while_everything_begins(begin, write, executor, seconds):
    process = begin("run", write("sleepy.py", SLEEPY), "-e", executor)
    while "Beginning Flow run" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the command
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 130, out
    assert "Traceback" not in out
    assert "Flow run of 'sleepy' was cancelled after" in out


def test_following_a_schedule(begin, write):
    code = """
    import datetime
    from headrace import Flow, task
    from headrace.schedules import IntervalSchedule

    @task
    def tick():
        print("tick", flush=True)

    every = datetime.timedelta(seconds=0.5)
    with Flow("clock", schedule=IntervalSchedule(interval=every)) as flow:
        tick()
    """
    process = begin("run", write("clock.py", code), "--schedule")
    ticks = 0
    while ticks < 2:
        line = process.stdout.readline()
        assert line, "it has ended"
        ticks += line == "tick\n"
    while not line.startswith("  1 task run: 1 success"):
        line = process.stdout.readline()
        assert line, "it has ended"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out


def test_a_schedule_is_not_followed_unasked(headrace, write):
    code = """
    import datetime
    from headrace import Flow, task
    from headrace.schedules import CronSchedule

    @task
    def tick():
        print("tick")

    with Flow("yearly", schedule=CronSchedule("0 0 1 1 *")) as flow:
        tick()
    """
    run = headrace("run", write("yearly.py", code))
    assert run.returncode == 0
    assert run.stdout.count("tick\n") == 1


def test_a_schedule_without_any_more_events(headrace, write):
    code = """
    import datetime
    from headrace import Flow
    from headrace.schedules import Schedule
    from headrace.schedules.clocks import DatesClock

    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    flow = Flow("past", schedule=Schedule([DatesClock([past])]))
    """
    run = headrace("run", write("past.py", code), "--schedule")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("Error: Flow 'past': The schedule has no event after ")
    assert "its last clock has ended at 2020-01-01" in run.stderr
    assert run.stderr.count("\n") == 1


def test_settings_of_a_wrong_type(headrace, etl, tmp_path):
    (tmp_path / "config.toml").write_text("[logging]\nlevel = 'LOUD'\n")
    run = headrace("run", etl, HEADRACE_HOME=str(tmp_path))
    assert (run.returncode, run.stdout) == (2, "")
    assert f"In the file {tmp_path}/config.toml: logging.level must be DEBUG" in run.stderr
    assert run.stderr.count("\n") == 1


def test_config_shows_where_values_come_from(headrace, tmp_path):
    (tmp_path / "config.toml").write_text("[tasks.defaults]\nmax_retries = 2\nretry_delay = 5\n")
    run = headrace(
        "config", HEADRACE_HOME=str(tmp_path), HEADRACE__TASKS__DEFAULTS__MAX_RETRIES="3"
    )
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in run.stdout.splitlines()}
    assert rows["tasks.defaults.max_retries"] == [
        "3",
        "environment variable HEADRACE__TASKS__DEFAULTS__MAX_RETRIES",
    ]
    assert rows["tasks.defaults.retry_delay"][1].endswith(f"file {tmp_path}/config.toml")
    assert rows["home_dir"] == [str(tmp_path), "environment variable HEADRACE_HOME"]


def test_a_misspelt_setting_is_one_line_of_warning(headrace, etl, tmp_path):
    (tmp_path / "config.toml").write_text("[flows]\ncheckpoint = true\n")
    run = headrace("run", etl, HEADRACE_HOME=str(tmp_path))
    assert run.returncode == 0
    assert run.stderr.startswith(f"Warning: In the file {tmp_path}/config.toml: flows.checkpoint")
    assert run.stderr.count("\n") == 1


def test_whoever_reads_may_stop_reading(tmp_path):
    from tests.acceptance.conftest import HEADRACE

    command = subprocess.list2cmdline([sys.executable, "-c", HEADRACE[2]])
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} config | head -n 1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.count("\n") == 1


def test_a_long_run_says_now_and_then_how_far_it_is(tmp_path):
    # The time between two such lines is long for a test, so the display is used by itself.
    code = """
import time
from headrace import Flow, task
from headrace.cli.display.plain import PlainDisplay
from headrace.engine.flow_runner import FlowRunner

@task
def numbers():
    return list(range(30))

@task
def nap(x):
    time.sleep(0.02)

with Flow("long") as flow:
    nap.map(numbers())

begun = time.monotonic()
with PlainDisplay("long", seconds_between_lines=0.2) as display:
    display.end(FlowRunner(flow, observer=display.begin).run(return_tasks=flow.tasks))
print("it took", time.monotonic() - begun)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    said = re.findall(r"INFO - headrace.progress \| long: (\d+) of 31 task runs done", run.stdout)
    took = float(run.stdout.rpartition("it took ")[2])
    assert 1 <= len(said) <= took / 0.2 + 1
    assert said == sorted(said, key=int)


def test_what_is_not_needed_is_not_imported(headrace):
    code = (
        "import sys; from headrace.cli.app import run; run(['version']); "
        "print([name for name in ('rich', 'asyncio', 'dask', 'graphviz', 'cloudpickle', "
        "'multiprocessing', 'headrace.cli.commands.run') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"

"""Tracked runs that let go of their process and go on in another one; and those that never begin."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headrace.wire.events import FlowState, TaskState
from tests.integration.test_tracked_runs import EXECUTORS, HEAD
from tests.support.tracked import Process, called, details, write_flow


@pytest.fixture(params=["local", "threads"])
def executor(request: pytest.FixtureRequest) -> str:
    return EXECUTORS[request.param]


# -- parked ---------------------------------------------------------------------------------------

RETRIES = """
@task
def first():
    note("first")
    return 1

@task(max_retries=3, retry_delay=datetime.timedelta(seconds=DELAY))
def flaky(x):
    note(f"try-{context.task_run_count}")
    if context.task_run_count < 3:
        raise ValueError("not yet")
    return x

with Flow("retries") as flow:
    flaky(first())
"""


def test_a_long_delay_parks_the_run_and_the_count_of_tries_survives(
    tmp_path: Path, executor: str
) -> None:
    file = write_flow(
        tmp_path, HEAD + RETRIES.replace("DELAY", "3.5") + f"flow.executor = {executor}"
    )
    short = {"HEADRACE__FLOWS__PARK_AFTER": "0.5"}
    for attempt in (1, 2):
        with Process(
            details(file, "retries", attempt=attempt), tmp_path / "home", short
        ) as process:
            end = process.finish()
            assert end is not None
            assert end.type == "Scheduled", process.text()
            assert end.due is not None
            waiting = process.last()["flaky-1", -1]
            assert (waiting.type, waiting.run_count) == ("Retrying", attempt)
            assert waiting.due == pytest.approx(end.due)
            time.sleep(max(0.0, end.due - time.time()))
    with Process(details(file, "retries", attempt=3), tmp_path / "home", short) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
        assert process.last()["flaky-1", -1].run_count == 3
    assert called(tmp_path / "calls") == ["first", "try-1", "try-2", "try-3"]


def test_a_delay_is_not_over_earlier_because_the_process_is_another(tmp_path: Path) -> None:
    file = write_flow(tmp_path, HEAD + RETRIES.replace("DELAY", "1.5"))
    with Process(details(file, "retries"), tmp_path / "home") as process:
        waiting = process.wait_for(
            lambda each: isinstance(each, TaskState) and each.type == "Retrying"
        )
        process.kill()
    assert isinstance(waiting, TaskState)
    with Process(details(file, "retries", attempt=2), tmp_path / "home") as process:
        assert process.finish() is not None
        again = [
            each for each in process.tasks("flaky-1") if each.started or each.type == "Running"
        ]
        assert again[0].run_count == 2
        started = again[0].started
        assert started is not None
        assert waiting.due is not None
        assert started >= waiting.due - 0.01


def test_what_could_not_be_taken_over_is_waited_for(tmp_path: Path) -> None:
    code = RETRIES.replace("DELAY", "3.5").replace(
        "@task\ndef first", "@task(checkpoint=False)\ndef first"
    )
    file = write_flow(tmp_path, HEAD + code)
    short = {"HEADRACE__FLOWS__PARK_AFTER": "0.5"}
    with Process(details(file, "retries"), tmp_path / "home", short) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success"
        assert "a resume would run it again" in process.text()


PAUSES = """
from headrace.tasks import pause_task
from headrace.triggers import manual_only

@task
def ask(x):
    note(f"ask-{x}")
    pause_task(f"really {x}?")
    note(f"done-{x}")
    return x

@task(trigger=manual_only)
def approve(xs):
    note("approved")

with Flow("asks") as flow:
    approve(ask.map([1, 2]))
"""


def test_a_paused_task_parks_the_run_until_a_person_resumes_it(
    tmp_path: Path, executor: str
) -> None:
    file = write_flow(tmp_path, HEAD + PAUSES + f"flow.executor = {executor}")

    def attempt(number: int, *resumed: tuple[str, int]) -> tuple[FlowState, dict[str, str]]:
        run = details(file, "asks", attempt=number, resumed=list(resumed))
        with Process(run, tmp_path / "home") as process:
            end = process.finish()
            assert end is not None, process.text()
            return end, process.types()

    end, types = attempt(1)
    assert (end.type, end.due) == ("Paused", None)
    assert end.message is not None
    assert "'ask[0]' is paused (and 1 more): really 1?" in end.message
    assert types["ask-1[0]"] == types["ask-1[1]"] == "Paused"
    end, types = attempt(2, ("ask-1", 0))
    assert end.type == "Paused"
    assert "'ask[1]'" in str(end.message)
    end, types = attempt(3, ("ask-1", 1))
    assert end.type == "Paused"
    assert "'approve'" in str(end.message)
    end, types = attempt(4, ("approve-1", -1))
    assert end.type == "Success"
    calls = called(tmp_path / "calls")
    assert sorted(calls) == ["approved", "ask-1", "ask-1", "ask-2", "ask-2", "done-1", "done-2"]


# -- what is taken over, and what is not ----------------------------------------------------------


def test_what_failed_stays_so_after_a_takeover_and_is_run_again_by_a_restart(
    tmp_path: Path,
) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + """
from headrace.triggers import any_failed

@task
def good():
    note("good")

@task
def bad(x):
    note("bad")
    if not (FOLDER / "mended").exists():
        raise ValueError("broken")

@task(trigger=any_failed)
def alarm(x):
    note(f"alarm-{type(x).__name__}")
    if context.attempt == 1:
        (FOLDER / "reached").touch()
        time.sleep(60)

with Flow("fails") as flow:
    x = bad(good())
    alarm(x)
    flow.set_reference_tasks([x])
""",
    )
    home = tmp_path / "home"
    with Process(details(file, "fails"), home) as process:
        process.wait_for(lambda each: isinstance(each, TaskState) and each.type == "Running")
        process.kill()
    with Process(details(file, "fails", attempt=2), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Failed"
        assert process.last()["bad-1", -1].reused
        assert process.last()["bad-1", -1].type == "Failed"
    assert called(tmp_path / "calls") == ["good", "bad", "alarm-ValueError", "alarm-ValueError"]
    (tmp_path / "mended").touch()
    with Process(details(file, "fails", attempt=3, restarted_after=2), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success"
        assert process.last()["good-1", -1].reused
        assert process.types()["alarm-1"] == "TriggerFailed"
    assert called(tmp_path / "calls")[4:] == ["bad"]


def test_children_are_taken_over_by_their_inputs_where_those_are_made_anew(
    tmp_path: Path, executor: str
) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
@task(checkpoint=False)
def look():
    return ["a", "b", "c"] if context.attempt == 1 else ["a", "x", "c", "d"]

@task
def each(x):
    note(x)
    return x

@task
def shout(x):
    note(x.upper())
    return x.upper()

@task
def join(xs):
    note("+".join(xs))
    if context.attempt == 1:
        (FOLDER / "reached").touch()
        time.sleep(60)

with Flow("looks") as flow:
    join(shout.map(each.map(look())))
flow.executor = {executor}
""",
    )
    home = tmp_path / "home"
    with Process(details(file, "looks"), home) as process:
        process.wait_for(
            lambda each: (
                isinstance(each, TaskState) and (each.slug, each.type) == ("join-1", "Running")
            )
        )
        process.kill()
    before = len(called(tmp_path / "calls"))
    with Process(details(file, "looks", attempt=2), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
        reused = {(each.slug, each.map_index) for each in process.tasks() if each.reused}
        assert reused == {("each-1", 0), ("each-1", 2), ("shout-1", 0), ("shout-1", 2)}
    calls = called(tmp_path / "calls")[before:]
    assert sorted(calls) == ["A+X+C+D", "D", "X", "d", "x"]


def test_resources_and_secrets_are_had_again_and_what_used_them_is_not(tmp_path: Path) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + """
from headrace.tasks.secrets import EnvVarSecret

@headrace.resource_manager
class Machine:
    def setup(self):
        note("setup")
        return lambda: "not to be pickled, or compared"
    def cleanup(self, machine):
        note("cleanup")

@task
def work(machine, password):
    note("work")
    return 7

@task
def more(machine, x):
    note(f"more-{x}")
    if context.attempt == 1:
        (FOLDER / "reached").touch()
        time.sleep(60)

with Flow("rents") as flow:
    password = EnvVarSecret("PASSWORD")
    with Machine() as machine:
        more(machine, work(machine, password))
""",
    )
    home = tmp_path / "home"
    environment = {"PASSWORD": "open sesame"}
    with Process(details(file, "rents"), home, environment) as process:
        process.wait_for(
            lambda each: (
                isinstance(each, TaskState) and (each.slug, each.type) == ("more-1", "Running")
            )
        )
        process.kill()
    with Process(details(file, "rents", attempt=2), home, environment) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
    assert called(tmp_path / "calls") == [
        *("setup", "work", "more-7"),
        *("setup", "more-7", "cleanup"),
    ]
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"open sesame" not in kept


def test_results_that_a_task_stores_are_read_from_their_places(tmp_path: Path) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + """
from headrace.results import LocalResult

@task(result=LocalResult(dir=str(FOLDER / "results")))
def stored():
    note("stored")
    return [1, 2, 3]

@task
def use(xs):
    note(f"use-{len(xs)}")
    if context.attempt == 1:
        (FOLDER / "reached").touch()
        time.sleep(60)

with Flow("stores") as flow:
    use(stored())
""",
    )
    home = tmp_path / "home"
    for attempt in (1, 2):
        with Process(details(file, "stores", attempt=attempt), home) as process:
            process.wait_for(
                lambda each: (
                    isinstance(each, TaskState) and (each.slug, each.type) == ("use-1", "Running")
                )
            ) if attempt == 1 else process.finish()
            process.kill()
            location = process.last()["stored-1", -1].location
            assert location is not None
            assert Path(location).is_file()
    assert called(tmp_path / "calls") == ["stored", "use-3", "use-3"]
    # What was stored is gone, so it has to be made again.
    Path(location).unlink()
    with Process(details(file, "stores", attempt=3), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success"


# -- runs that never begin ------------------------------------------------------------------------

FAULTY = [
    ("raise ValueError('in the file')", "ValueError('in the file')"),
    ("import nowhere_to_be_found", "nowhere_to_be_found"),
    ("import sys\nsys.exit(3)", "sys.exit(3)"),
    ("x = (", "SyntaxError"),
    ("x = 1", "no flow"),
    (
        "from headrace import Flow, Parameter\nwith Flow('f') as flow: Parameter('y')",
        "no parameter 'x'",
    ),
    ("from headrace import Flow, Parameter\ng = Flow('g')", "no flow 'f'"),
]


@pytest.mark.parametrize(("code", "says"), FAULTY)
def test_what_cannot_be_run_fails_and_says_why(tmp_path: Path, code: str, says: str) -> None:
    file = write_flow(tmp_path, code)
    run = details(file, "f", parameters={"x": 1})
    with Process(run, tmp_path / "home") as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Failed"
        assert says in str(end.message)
        assert process.process.returncode == 0


def test_the_traceback_of_a_flow_file_is_in_the_log(tmp_path: Path) -> None:
    file = write_flow(tmp_path, "def broken():\n    return 1 / 0\nbroken()")
    with Process(details(file, "f"), tmp_path / "home") as process:
        process.finish()
        assert "in broken" in process.text()
        assert "engine" not in process.text()


def test_a_storage_that_is_not_there_is_named(tmp_path: Path) -> None:
    run = details(tmp_path / "gone.py", "f")
    with Process(run, tmp_path / "home") as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Failed"
        assert "gone.py" in str(end.message)


def test_lines_over_the_bound_are_counted(tmp_path: Path) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + """
@task
def talk():
    for number in range(25_000):
        context.logger.info("line %d", number)

with Flow("talks") as flow:
    talk()
""",
    )
    with Process(details(file, "talks"), tmp_path / "home") as process:
        process.finish()
        lines = [each.message for each in process.lines()]
        said = sum(line.startswith("line ") for line in lines)
        omitted = sum(int(line.split()[0]) for line in lines if "log lines omitted" in line)
        assert omitted > 0
        assert said + omitted >= 25_000


@pytest.mark.parametrize("name", ["local", "dask"])
def test_results_without_locations_of_their_own_share_a_file_in_their_place(
    tmp_path: Path, name: str
) -> None:
    file = write_flow(
        tmp_path,
        HEAD
        + f"""
from headrace.results import LocalResult

@task
def each(x):
    note(x)
    return [x] * 1000

@task(target="named.pkl")
def named(xs):
    note("named")
    return len(xs)

@task
def last(x):
    note(f"last-{{x}}")
    if context.attempt == 1:
        time.sleep(60)

with Flow("stores", result=LocalResult(dir=str(FOLDER / "results"))) as flow:
    last(named(each.map([1, 2, 3, 4])))
flow.executor = {EXECUTORS[name]}
""",
    )
    home = tmp_path / "home"
    with Process(details(file, "stores"), home) as process:
        process.wait_for(
            lambda each: (
                isinstance(each, TaskState) and (each.slug, each.type) == ("last-1", "Running")
            )
        )
        process.kill()
        assert process.last()["each-1", 0].location is None
        assert process.last()["named-1", -1].location is not None
    assert not (home / "checkpoints").exists()
    files = sorted(path.suffix for path in (tmp_path / "results").rglob("*") if path.is_file())
    assert files.count(".seg") == 1
    assert files.count(".pkl") == 1
    assert ".result" not in files
    with Process(details(file, "stores", attempt=2), home) as process:
        end = process.finish()
        assert end is not None
        assert end.type == "Success", process.text()
    assert sorted(called(tmp_path / "calls")) == ["1", "2", "3", "4", "last-4", "last-4", "named"]

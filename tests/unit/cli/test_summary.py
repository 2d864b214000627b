import datetime

import pytest

from headrace import Flow, task
from headrace.cli.display.plain import lines_of
from headrace.cli.exit_codes import code_of
from headrace.cli.summary import FailedRuns, Summary, duration, error_line, summarize
from headrace.core import signals, triggers
from headrace.core.states import (
    Cancelled,
    Failed,
    Paused,
    Running,
    Scheduled,
    Skipped,
    Success,
)


@task
def numbers(n):
    return list(range(n))


@task
def picky(x):
    if x % 2:
        raise ValueError("odd")
    if x == 4:
        raise signals.SKIP("four")
    if x == 8:
        raise signals.FAIL("eight is too much\nand so on")
    return x


@task(skip_on_upstream_skip=False)
def end(xs):
    return xs


def run(n, **kwargs):
    with Flow("f") as flow:
        end(picky.map(numbers(n)))
    return summarize("f", flow.run(**kwargs), 1.0)


def test_success():
    summary = run(1)
    assert summary.counts == {"success": 3}
    assert (summary.total, summary.failed, summary.not_run) == (3, (), {})
    assert list(lines_of(summary)) == [
        "Flow run of 'f' succeeded after 1.00 s",
        "  3 task runs: 3 success",
    ]


def test_children_that_fail_alike_stand_in_one_line():
    summary = run(4)
    assert summary.counts == {"success": 3, "failed": 2, "trigger failed": 1}
    assert list(summary.counts) == ["success", "failed", "trigger failed"]
    assert summary.failed == (FailedRuns("picky[1, 3]", "ValueError: odd"),)
    assert summary.not_run == {"end": 1}


def test_many_children_are_counted():
    summary = run(30)
    assert summary.failed == (
        FailedRuns("picky[1, 3, 5, 7, 9, ...]", "ValueError: odd (15 of them)"),
        FailedRuns("picky[8]", "eight is too much"),
    )
    assert list(lines_of(summary)) == [
        "Flow run of 'f' failed after 1.00 s",
        "  32 task runs: 14 success, 1 skipped, 16 failed, 1 trigger failed",
        "  Failed:",
        "    picky[1, 3, 5, 7, 9, ...]  ValueError: odd (15 of them)",
        "    picky[8]                   eight is too much",
        "  1 did not run, because of that: end",
    ]


def test_only_so_many_failures_are_named():
    @task
    def fails(x):
        raise KeyError(x)

    with Flow("f") as flow:
        fails.map(numbers(25))
    lines = list(lines_of(summarize("f", flow.run(), 0.1)))
    assert lines[3] == "    fails[0]   KeyError: 0"
    assert lines[-1] == "    and 5 more"
    assert len(lines) == 3 + 20 + 1


def test_triggers_that_do_not_agree_without_a_failure():
    @task(trigger=triggers.any_failed)
    def ambulance(x):
        return x

    with Flow("f") as flow:
        ambulance(numbers(1))
    lines = list(lines_of(summarize("f", flow.run(), 0.1)))
    assert lines[-1] == "  1 did not run, as their triggers did not agree: ambulance"


def test_what_waits():
    @task(trigger=triggers.manual_only)
    def release(x):
        return x

    with Flow("f") as flow:
        release(numbers(1))
    summary = summarize("f", flow.run(), 0.1)
    assert summary.verdict == "is not finished"
    assert "Task 'release' is paused" in summary.reason
    assert summary.waiting == (FailedRuns("release", "paused, until it is resumed"),)


def test_what_waits_for_a_time():
    @task(max_retries=1, retry_delay=datetime.timedelta(hours=1))
    def fails(x):
        raise ValueError

    with Flow("f") as flow:
        fails(numbers(1))
    summary = summarize("f", flow.run(patience=0), 0.1)
    assert summary.counts == {"success": 1, "retrying": 1}
    assert summary.waiting[0].error.startswith("retrying, next at 20")


def test_a_run_that_was_broken_off():
    summary = Summary("f", None, 3.0, {"success": 2, "not run": 1})
    assert list(lines_of(summary)) == [
        "Flow run of 'f' was cancelled after 3.00 s",
        "  3 task runs: 2 success, 1 not run",
    ]


def test_a_flow_run_that_fails_before_its_tasks_says_why():
    state = Failed("No scheduler answers.", result={})
    assert next(lines_of(summarize("f", state, 0.1))) == (
        "Flow run of 'f' failed after 100 ms: No scheduler answers."
    )


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (Failed("m", result=ValueError("a\nb")), "ValueError: a"),
        (Failed("m", result=ValueError()), "ValueError"),
        (Failed("first\nsecond"), "first"),
        (Failed("said", result=signals.FAIL("x")), "said"),
        (Failed(result=3), "3"),
        (Failed(), "no message"),
    ],
)
def test_the_first_line_of_an_error(state, line):
    assert error_line(state) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0431, "43 ms"),
        (0.9999, "1.00 s"),
        (2.183, "2.18 s"),
        (9.996, "10.0 s"),
        (18.34, "18.3 s"),
        (59.96, "1 min 0 s"),
        (125.4, "2 min 5 s"),
        (3599.7, "1 h 0 min"),
        (7380, "2 h 3 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (Success(), 0),
        (Skipped(), 0),
        (Failed(), 1),
        (Running(), 3),
        (Paused(), 3),
        (Scheduled(), 3),
        (Cancelled(), 130),
    ],
)
def test_exit_codes(state, code):
    assert code_of(state) == code
    assert code_of(state, terminated=True) == (143 if code == 130 else code)

import io

import pytest
from rich.console import Console

from headrace import Flow, task
from headrace.cli.display.view import View, summary
from headrace.cli.summary import FailedRuns, Summary, summarize
from headrace.core.states import Cancelled, Failed, Paused, Success
from headrace.engine.progress import Counts, OpenMap

MAPS = [OpenMap("fetch", 120, 300), OpenMap("load", 119, 300)]


def region(width=79, counts=None, seconds=72.0, **kwargs):
    counts = counts or Counts(total=1605, successful=240, failed=1, waiting=2)
    return View("nightly-load", None).region(width, counts, seconds, **kwargs)


def texts(lines):
    return [line.text.rstrip() for line in lines]


def test_region():
    assert texts(region(running=4)) == [
        "",
        "nightly-load  ━━━━╸                               241 of 1,605  0:01:12",
        "240 success   1 failed   2 waiting   4 running",
    ]


def test_mapped_tasks_get_bars_of_their_own():
    assert texts(region(maps=MAPS))[1:-1] == [
        "nightly-load  ━━━━╸                               241 of 1,605  0:01:12",
        "  fetch       ━━━━━━━━━━━━╸                       120 of 300",
        "  load        ━━━━━━━━━━━━╸                       119 of 300",
    ]


def test_a_map_that_is_nearly_all_of_the_run_says_nothing_more():
    counts = Counts(total=302, successful=121)
    assert len(region(counts=counts, maps=MAPS[:1])) == 3
    assert len(region(maps=MAPS[:1])) == 4


def test_many_mapped_tasks():
    lines = texts(region(maps=MAPS * 4))
    assert len(lines) == 7
    assert lines[-1].startswith("and 4 more mapped   240 success")


def test_a_run_that_is_being_cancelled():
    assert texts(region(cancelling=True))[-1].startswith("cancelling: what runs is asked to end")


@pytest.mark.parametrize("width", [79, 60, 50, 40, 30, 24, 12, 5, 1])
@pytest.mark.parametrize(
    "name", ["etl", "a flow with quite a long name of many words", "日本語の流れ"]
)
def test_no_line_is_wider_than_the_terminal(width, name):
    lines = View(name, "truecolor").region(width, Counts(10**6, 10**5), 36000.0, MAPS, 99)
    assert all(line.width <= width for line in lines)
    assert len(lines) == 5


def test_colors_are_those_of_the_terminal():
    assert "\x1b[" not in "".join(texts(View("f", None).region(79, Counts(9, 3), 1.0)))
    assert "\x1b[" in "".join(texts(View("f", "standard").region(79, Counts(9, 3), 1.0)))


def shown(run, width=60):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(summary(run))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_summary_of_a_failure():
    run = Summary(
        flow="etl",
        state=Failed("Some reference tasks failed."),
        seconds=18.3,
        counts={"success": 9972, "skipped": 20, "failed": 2, "trigger failed": 1},
        failed=(FailedRuns("fetch[17]", "OSError: refused"), FailedRuns("load", "ValueError")),
        not_run={"total": 1},
    )
    assert shown(run) == [
        "",
        "✗ etl failed  18.3 s",
        "  9,972 success   20 skipped   2 failed   1 trigger failed",
        "",
        "  fetch[17]  OSError: refused",
        "  load       ValueError",
        "  1 did not run, because of that: total",
    ]


@pytest.mark.parametrize(
    ("state", "lines"),
    [
        (Success("All reference tasks succeeded."), ["✓ etl succeeded  300 ms"]),
        (None, ["■ etl was cancelled  300 ms"]),
        (Cancelled("Interrupted."), ["■ etl was cancelled  300 ms", "  Interrupted."]),
        (Paused("Look first."), ["… etl is not finished  300 ms", "  Look first."]),
        (Failed("No scheduler."), ["✗ etl failed  300 ms", "  No scheduler."]),
    ],
)
def test_summaries(state, lines):
    assert shown(Summary("etl", state, 0.3)) == ["", *lines]


def test_only_so_many_failures_are_named():
    @task
    def fails(x):
        raise KeyError(x)

    with Flow("f") as flow:
        fails.map(list(range(23)))
    lines = shown(summarize("f", flow.run(), 0.1))
    assert lines[-1] == "  and 3 more"
    assert len(lines) == 4 + 20 + 1

import logging
import re
import sys

import pytest

from headrace.cli.display.log_lines import TerminalFormatter, TerminalHandler


def record(message, level=logging.INFO, name="headrace.fetch", args=(), error=None):
    exc_info = None
    if error is not None:
        try:
            raise error
        except type(error):
            exc_info = sys.exc_info()
    return logging.LogRecord(name, level, "etl.py", 1, message, args, exc_info)


def lines(*args, **kwargs):
    """The lines of a record, without colours, with T for the time."""
    text = TerminalFormatter(colors=False).format(record(*args, **kwargs))
    return re.sub(r"^\d\d:\d\d:\d\d", "T", text).splitlines()


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("%d rows", logging.INFO, "headrace.fetch", (3,)), "T fetch  3 rows"),
        (("quick", logging.DEBUG), "T fetch  quick"),
        (("old", logging.WARNING), "T ! fetch  old"),
        (("bad", logging.ERROR), "T ✗ fetch  bad"),
        (("worse", logging.CRITICAL), "T ✗ fetch  worse"),
        (("The flow run is cancelled.", logging.WARNING, "headrace.FlowRunner"), None),
        (("Task '%s': again", logging.INFO, "headrace.fetch", ("fetch[3]",)), "T fetch[3]  again"),
        (("other", logging.INFO, "mylib.sub"), "T mylib.sub  other"),
    ],
)
def test_lines(args, line):
    assert lines(*args) == [line or "T ! The flow run is cancelled."]


RAISED = "Task '%s': Exception encountered during task execution!"


def test_a_failure_leads_with_its_error():
    error = ValueError("bad row\n  of many\ncolumns")
    got = lines(RAISED, logging.ERROR, args=("fetch[3]",), error=error)
    assert got[0] == "T ✗ fetch[3]  ValueError: bad row"
    assert got[1].startswith('           File "') and got[1].endswith(", in record")
    assert got[2] == "             raise error"
    assert got[3:] == ["             of many", "           columns"]


def test_a_failure_of_another_process_comes_as_text():
    line = record(RAISED, logging.ERROR, args=("fetch",))
    line.exc_text = (
        'Traceback (most recent call last):\n  File "etl.py", line 3, in fetch\n    1 / 0\n'
        "ZeroDivisionError: division by zero"
    )
    text = TerminalFormatter(colors=False).format(line)
    assert text.splitlines()[0].endswith(" ✗ fetch  ZeroDivisionError: division by zero")
    assert text.splitlines()[1:] == [
        '           File "etl.py", line 3, in fetch',
        "             1 / 0",
    ]


def test_a_chain_of_errors_stays_whole():
    error = ValueError("late")
    error.__cause__ = KeyError("early")
    got = lines(RAISED, logging.ERROR, args=("fetch",), error=error)
    assert got[0] == "T ✗ fetch  ValueError: late"
    assert got[1] == "           KeyError: 'early'"
    assert got[-1] == "           ValueError: late"


def test_a_traceback_of_another_line_stays_below_it():
    got = lines("could not tidy up", logging.WARNING, error=OSError("gone"))
    assert got[0] == "T ! fetch  could not tidy up"
    assert got[-1] == "           OSError: gone"


def test_colors():
    text = TerminalFormatter().format(record("bad", logging.ERROR))
    assert "\x1b[1;31mfetch\x1b[0m" in text
    assert "\x1b" not in TerminalFormatter(colors=False).format(record("bad", logging.ERROR))


@pytest.mark.parametrize(
    ("message", "level", "name", "shown"),
    [
        ("Beginning Flow run for '%s'", logging.INFO, "headrace.FlowRunner", False),
        ("Flow run SUCCESS: all", logging.INFO, "headrace.FlowRunner", False),
        ("Waiting for next scheduled run", logging.INFO, "headrace.FlowRunner", True),
        ("Flow run ...", logging.WARNING, "headrace.FlowRunner", True),
        ("Flow run of mine", logging.INFO, "headrace.fetch", True),
    ],
)
def test_what_the_display_says_itself_is_left_out(message, level, name, shown):
    assert bool(TerminalHandler().filter(record(message, level, name))) is shown


def test_a_mapped_task_is_named_with_its_index():
    line = record("3 rows")
    line.task_name, line.task_full_name = "fetch", "fetch[3]"
    text = TerminalFormatter(colors=False).format(line)
    assert text.endswith(" fetch[3]  3 rows")
    line.name = "headrace.mylib"
    text = TerminalFormatter(colors=False).format(line)
    assert text.endswith(" mylib  3 rows")

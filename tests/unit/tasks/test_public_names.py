import subprocess
import sys

import pytest

import headrace
from headrace import notifications, tasks
from headrace.tasks import control_flow


def test_each_name_is_there():
    assert all(getattr(tasks, name) is not None for name in tasks.__all__)
    assert set(tasks.__all__) <= set(dir(tasks))
    assert set(control_flow.__all__) == {
        "case",
        "switch",
        "ifelse",
        "merge",
        "FilterTask",
        "CompareValue",
        "Merge",
    }
    assert set(notifications.__all__) == {"callback_factory", "slack_notifier"}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'PushbulletTask'"):
        tasks.PushbulletTask


@pytest.mark.parametrize(
    "name",
    ["case", "switch", "ifelse", "merge", "FilterTask", "resource_manager", "pause_task"],
)
def test_the_most_common_are_at_the_top(name):
    assert getattr(headrace, name) is getattr(tasks, name)


def test_what_is_heavy_is_imported_when_it_is_used():
    program = (
        "import sys, headrace.tasks, headrace.notifications\n"
        "from headrace.tasks import *\n"
        "heavy = {'subprocess', 'smtplib', 'urllib.request', 'email', 'ssl', 'tempfile', 'json'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == "[]"

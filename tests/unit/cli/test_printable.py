"""What others have written is shown on a terminal, and commands nothing there."""

import datetime
import json
import subprocess
import sys

import pytest

from headrace.cli.app import run
from headrace.cli.flow_run_page import print_flow_run, waiting_lines
from headrace.cli.log_text import line_of
from headrace.cli.output import print_fields, print_json, print_json_line, print_table, said_done
from headrace.cli.printable import printable, printable_line
from headrace.wire.flow_runs import FlowRun, Waiting
from headrace.wire.logs import Log
from headrace.wire.task_runs import TaskRunCounts

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
#: Sets the window's title, clears the screen, and both with one byte less; turns text around.
EVIL = "a\x1b]0;gone\x07\x1b[2J\x9b2J\u202eb\x08"
WRONG = {*EVIL} - {*"a]0;gone[2Jb"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é🙂", "plain é🙂"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("10 %\r20 %\r\nend", "10 %\n20 %\nend"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J\u202e\x00", "\\x9b2J\\u202e\\x00"),
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
)
def test_control_characters_are_shown_and_colours_left_out(text: str, shown: str):
    assert printable(text) == shown


def test_one_line_stays_one():
    assert printable_line("a\nb\x1b[31mc\x1b]0;d\x07") == "a bc ]0;d "


def test_nothing_that_a_server_tells_commands_a_terminal(capsys):
    run_ = FlowRun(
        id="1",
        name=EVIL,
        flow_id="f",
        flow_name=EVIL,
        flow_version=1,
        project_name=EVIL,
        is_finished=False,
        state="Running",
        state_since=NOON,
        message=EVIL,
        created=NOON,
        created_by=EVIL,
        notes=[EVIL],
        host=EVIL,
        parameters={EVIL: EVIL},
        waiting=Waiting(reason=f"w{EVIL}", whose_turn="user", remedy=EVIL),
    )
    print_flow_run(run_, TaskRunCounts(states={}, tasks={}))
    print_table(("name",), [[EVIL]], nothing="")
    print_fields([("name", EVIL)])
    said_done(f"{EVIL} is there.", None, as_json=False)
    print("\n".join(waiting_lines(run_.waiting)))
    print(line_of(Log(at=NOON, level=20, logger=EVIL, message=EVIL, attempt=1)))
    print_json(run_)
    print_json_line({"name": EVIL})
    out = capsys.readouterr().out
    # The styles of our own are the only commands.
    for style in (
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[2m",
        "\x1b[33m\x1b[1m",
        "\x1b[34m\x1b[1m",
        "\x1b[33m",
    ):
        out = out.replace(style, "")
    left = WRONG & {*out}
    assert left <= {"\x1b"}, left
    assert all(part[0] == "[" and "m" in part[:6] for part in out.split("\x1b")[1:])
    assert json.loads(out.splitlines()[-1]) == {"name": EVIL}


def test_an_error_commands_no_terminal(capsys):
    assert run(["--config", EVIL]) != 0
    assert not WRONG & {*capsys.readouterr().err.replace("\x1b[", "[")} - {"\x1b"}


def test_it_needs_nothing_that_takes_long_to_import():
    code = "import sys, headrace.cli.printable; assert 'rich' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

"""What commands print: tables for people, JSON for programs."""

import datetime
import json

import click
import pytest

from headrace.cli.app import headrace as root
from headrace.cli.flow_run_page import counted, waiting_lines
from headrace.cli.log_text import line_of
from headrace.cli.output import print_fields, print_json, print_table
from headrace.cli.state_names import FLOW_RUN_STATES, parse_states, task_run_states
from headrace.cli.task_names import name_of, parse_task_run
from headrace.cli.wording import took
from headrace.wire.flow_runs import Waiting
from headrace.wire.logs import Log
from headrace.wire.task_runs import TaskRunCounts

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def test_a_table_is_aligned_and_one_line_a_row(capsys):
    print_table(("name", "state"), [("a", "Success"), ("long\nname\x1b[2J", None)], nothing="-")
    out, err = capsys.readouterr()
    assert out == "NAME           STATE\na              Success\nlong name [2J\n"
    assert err == ""


def test_an_empty_table_says_so_to_people_only(capsys):
    print_table(("name",), [], nothing="There is nothing.")
    assert capsys.readouterr() == ("", "There is nothing.\n")


def test_fields_without_a_value_are_left_out(capsys):
    print_fields([("a", 1), ("long name", "x"), ("b", None), ("c", ""), ("d", {}), ("e", 0)])
    assert capsys.readouterr().out == "a          1\nlong name  x\ne          0\n"
    print_fields([])
    print_fields([("parameters", {"n": [1, "ü"]})])
    assert capsys.readouterr().out == 'parameters  {"n":[1,"ü"]}\n'


def test_json_is_that_of_the_api(capsys):
    print_json(TaskRunCounts(states={"Success": 1}, tasks={}))
    assert json.loads(capsys.readouterr().out) == {"states": {"Success": 1}, "tasks": {}}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "INFO     hello"),
        ({"level": 40, "logger": "my.module"}, "ERROR    my.module: hello"),
        (
            {"slug": "load-1", "map_index": 3, "logger": "headrace.load"},
            "INFO     load-1[3]: hello",
        ),
        ({"logger": "stdout"}, "INFO     stdout: hello"),
        ({"level": 15}, "Level 15 hello"),
        ({"is_stale": True}, "INFO     (of an attempt that had lost the run) hello"),
    ],
)
def test_a_log_line_says_when_how_bad_and_about_what(more, expected):
    line = Log(
        **{"at": NOON, "level": 20, "logger": "headrace", "message": "hello\n", "attempt": 1} | more
    )
    assert click.unstyle(line_of(line)) == f"{NOON.astimezone():%H:%M:%S} {expected}"


def test_waiting_says_whose_turn_it_is_and_what_to_do():
    lines = waiting_lines(Waiting(reason="Nobody.", whose_turn="user", remedy="Do it."))
    assert [click.unstyle(line) for line in lines] == [
        "Waiting: Nobody.",
        "Whose turn: yours",
        "What to do: Do it.",
    ]
    assert len(waiting_lines(Waiting(reason="Soon.", whose_turn="clock"))) == 2


def test_counts_in_words():
    assert counted(TaskRunCounts(states={"Success": 1200, "Failed": 1}, tasks={})) == (
        "1,201 task runs: 1,200 Success, 1 Failed"
    )
    assert counted(TaskRunCounts(states={}, tasks={})) == ""


def test_how_long_something_took():
    assert took(None, NOON) == ""
    assert took(NOON, NOON + datetime.timedelta(seconds=90)) == "1 min 30 s"
    assert took(NOON + datetime.timedelta(seconds=1), NOON) == took(NOON, NOON)


@pytest.mark.parametrize(
    ("text", "found"),
    [("load-1", ("load-1", -1)), ("load-1[3]", ("load-1", 3)), ("a b/c", ("a b/c", -1))],
)
def test_a_task_run_is_named_by_slug_and_index(text, found):
    assert parse_task_run(text) == found
    assert name_of(*found) == text


@pytest.mark.parametrize("text", ["", "[3]", "a[b]", "a[-1]", "a[1][2]", "a[1"])
def test_what_names_no_task_run_is_refused(text):
    with pytest.raises(click.ClickException, match="names no task run"):
        parse_task_run(text)


def test_states_are_named_in_any_case():
    assert parse_states(None, task_run_states) is None
    assert parse_states("failed, TIMEDOUT", task_run_states) == "Failed,TimedOut"
    assert parse_states("cancelling", lambda: FLOW_RUN_STATES) == "Cancelling"
    with pytest.raises(click.ClickException, match="'runing'. Did you mean 'Running'"):
        parse_states("runing", lambda: FLOW_RUN_STATES)
    with pytest.raises(click.ClickException, match="'x'. There are: Scheduled, "):
        parse_states("x", lambda: FLOW_RUN_STATES)


def commands(group, path):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_each_command_that_asks_a_server_can_answer_programs():
    asked = [
        (path, command)
        for path, command in commands(root, ())
        if path[0] in ("project", "flow", "flow-run", "task-run", "key-value", "auth")
        or path[:2] in (("agent", "list"), ("agent", "forget"))
    ]
    assert len(asked) > 25
    for path, command in asked:
        assert "as_json" in {parameter.name for parameter in command.params}, path
        assert command.help, path

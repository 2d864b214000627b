"""What a supervisor prints that is alone in its container, and what it knows of memory."""

from __future__ import annotations

import msgspec
import pytest

from headrace.engine.alone import print_events, print_line, was_short_of_memory
from headrace.wire.events import LogLine, TaskState


def test_log_lines_are_printed_and_nothing_else(capsys):
    events = [
        TaskState(at=0, slug='a{"event":"log"', type="Running"),
        LogLine(at=0, level=30, logger="headrace.load", message="look out"),
        LogLine(at=0, logger="stdout", message="as it was"),
        LogLine(at=0, logger="stderr", message="a trace"),
    ]
    print_events(msgspec.json.encode(events))
    print_events(msgspec.json.encode(events[:1]))
    print_events(b'[{"event":"log" and no event')

    printed = capsys.readouterr()
    line = "[1970-01-01 00:00:00+0000] WARNING - headrace.load | look out"
    assert printed.out == f"{line}\nas it was\n"
    assert printed.err == "a trace\n"


def test_an_output_that_is_closed_ends_nothing(monkeypatch, tmp_path):
    file = (tmp_path / "closed").open("w")
    file.close()
    monkeypatch.setattr("sys.stdout", file)
    print_line(LogLine(at=0, message="unheard"))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("low 0\nhigh 0\noom 1\noom_kill 1\n", True),
        ("oom 0\noom_kill 0\n", False),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("", False),
    ],
)
def test_what_the_kernel_has_counted(tmp_path, text, answer):
    (tmp_path / "events").write_text(text)
    paths = (str(tmp_path / "none"), str(tmp_path / "events"))
    assert was_short_of_memory(paths) is answer
    assert was_short_of_memory(paths[:1]) is False

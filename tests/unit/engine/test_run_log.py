"""Log lines of a tracked run: whose they are, and what becomes of too many of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from headrace.config import config
from headrace.config.logging import get_logger
from headrace.engine import run_log
from headrace.engine.run_log import RunLog
from headrace.wire.events import Event, LogLine


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep pytest's own handlers out of it, which bear no wrong lines."""
    monkeypatch.setattr(logging.getLogger("headrace"), "propagate", False)


@pytest.fixture
def lines() -> Iterator[list[Event]]:
    events: list[Event] = []
    with RunLog(events.append) as log:
        yield events
        log.flush()


def texts(events: list[Event]) -> list[str]:
    return [each.message for each in events if isinstance(each, LogLine)]


def test_a_line_knows_its_logger_its_level_and_its_task(lines: list[Event]) -> None:
    get_logger("mine").warning("at %d", 7)
    record = logging.makeLogRecord(
        {
            "name": "headrace.far",
            "msg": "from afar",
            "levelno": logging.INFO,
            "task_slug": "t-1",
            "map_index": 3,
        }
    )
    logging.getLogger("headrace.far").handle(record)
    here, afar = lines
    assert isinstance(here, LogLine)
    assert isinstance(afar, LogLine)
    assert (here.logger, here.level, here.message) == ("headrace.mine", logging.WARNING, "at 7")
    assert (here.slug, here.map_index) == (None, -1)
    assert (afar.slug, afar.map_index, afar.message) == ("t-1", 3, "from afar")


def test_a_traceback_comes_along(lines: list[Event]) -> None:
    try:
        raise ValueError("inside")
    except ValueError:
        get_logger().exception("It failed:")
    (text,) = texts(lines)
    assert text.startswith("It failed:\nTraceback")
    assert text.endswith("ValueError: inside")


def test_a_line_that_cannot_be_formatted_says_so() -> None:
    events: list[Event] = []
    record = logging.LogRecord("headrace", logging.INFO, "", 0, "%d apples", ("many",), None)
    # Handed over by itself: pytest's own handler bears no such line.
    RunLog(events.append)._handler.handle(record)
    (text,) = texts(events)
    assert "cannot be formatted" in text


def test_a_long_line_becomes_several(lines: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "CHUNK_CHARACTERS", 10)
    monkeypatch.setattr(run_log, "MOST_CHARACTERS", 25)
    get_logger().info("0123456789" * 4)
    whole = "".join(texts(lines))
    assert whole == "0123456789012345678901234\n[15 more characters omitted]"
    assert max(map(len, texts(lines))) == 10


def test_lines_over_the_bound_are_counted_and_the_count_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_log, "MOST_LINES", 5)
    events: list[Event] = []
    with RunLog(events.append) as log:
        for number in range(12):
            get_logger().info("line %d", number)
        log.flush()
    assert texts(events)[:5] == [f"line {number}" for number in range(5)]
    assert texts(events)[5:] == ["7 log lines omitted: this attempt has written 5 already."]


def test_other_loggers_are_heard_if_the_settings_name_them() -> None:
    config.logging.extra_loggers = ["neighbour"]
    events: list[Event] = []
    try:
        with RunLog(events.append):
            logging.getLogger("neighbour").info("hello")
            logging.getLogger("stranger").info("hello")
    finally:
        config.logging.extra_loggers = []
    assert texts(events) == ["hello"]


def test_logs_may_stay_at_home() -> None:
    config.cloud.send_flow_run_logs = False
    events: list[Event] = []
    try:
        with RunLog(events.append):
            get_logger().info("private")
    finally:
        config.cloud.send_flow_run_logs = True
    assert events == []

"""What an agent tells the server of its deployments."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from headrace.agents import reports
from headrace.agents.reports import Waitings
from headrace.agents.timetable import Timetable

LOG = logging.getLogger("headrace.tests")


class Server:
    """Takes messages, but for the first."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._calls = 0

    def deploying(self, run_id: str, message) -> None:
        self._calls += 1
        if self._calls == 1:
            raise ValueError("no such answer was expected")
        self.heard.append(message.message)


@pytest.fixture
def timetable():
    made = Timetable(LOG)
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.close()
    thread.join()


def test_a_fault_in_one_message_keeps_no_other_back(timetable, monkeypatch):
    monkeypatch.setattr(reports, "_BETWEEN", 0.05)
    monkeypatch.setattr(reports, "LONGEST_PAUSE", 0.2)
    server = Server()
    waitings = Waitings("agent", server, timetable, LOG)  # type: ignore[arg-type]
    key = ("run", 1)
    waitings.say(key, "no room")
    until = time.monotonic() + 5
    while not server.heard and time.monotonic() < until:
        time.sleep(0.01)
    waitings.say(key, "its image is pulled")
    while len(server.heard) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    waitings.close()
    assert server.heard == ["no room", "its image is pulled"]

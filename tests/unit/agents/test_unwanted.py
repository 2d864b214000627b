"""Deployments that are not to begin."""

from __future__ import annotations

import logging
import threading
import time

from headrace.agents import unwanted
from headrace.agents.holdings import Holdings
from headrace.agents.launcher import Deployment
from headrace.agents.timetable import Timetable
from headrace.agents.unwanted import Unwanted

LOG = logging.getLogger("headrace.tests")


class Server:
    """Answers nothing that anybody understands."""

    def deploying(self, run_id, asked):
        raise ValueError("no such answer was expected")


def test_what_could_not_be_asked_is_named_to_the_server_again(monkeypatch):
    monkeypatch.setattr(unwanted, "_CANCEL_AGAIN", 0.05)
    lock = threading.Condition()
    timetable = Timetable(LOG)
    thread = threading.Thread(target=timetable.run)
    thread.start()
    holdings = Holdings(None, 5)
    deployment = Deployment(flow_run_id="run", attempt=1, handle="run-1")
    holdings.find(deployment)
    holdings.drop("run")
    assert holdings.to_name() == []
    ended = Unwanted(
        "agent",
        launcher=None,
        client=Server(),
        holdings=holdings,
        lock=lock,
        ends=None,
        timetable=timetable,
        log=LOG,
    )
    ended.dropped(deployment)
    until = time.monotonic() + 5
    while not holdings.to_name() and time.monotonic() < until:
        time.sleep(0.01)
    ended.close()
    timetable.close()
    thread.join()
    assert holdings.to_name() == ["run"]

"""Things that are done at their time."""

import logging
import threading
import time

from headrace.agents.timetable import Timetable


def test_each_is_called_in_its_time_and_a_fault_harms_no_other(caplog):
    timetable = Timetable(logging.getLogger("timetable"))
    thread = threading.Thread(target=timetable.run)
    thread.start()
    begun = time.monotonic()
    called = []
    all_called = threading.Event()

    def note(name):
        called.append((name, time.monotonic() - begun))

    timetable.after(0.3, lambda: note("third"))
    timetable.after(0.1, lambda: note("first"))
    timetable.after(0.2, lambda: 1 / 0)
    timetable.after(0.25, lambda: note("second"))
    timetable.after(0.35, all_called.set)
    timetable.after(60.0, lambda: note("never"))
    assert all_called.wait(10)
    timetable.close()
    thread.join(10)
    assert not thread.is_alive()
    assert [name for name, _ in called] == ["first", "second", "third"]
    assert all(at >= due for (_, at), due in zip(called, (0.1, 0.25, 0.3), strict=True))
    assert "went wrong" in caplog.text

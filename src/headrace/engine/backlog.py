"""Events of a run that no server has confirmed yet: in memory, and on disk when there are many."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Literal

import msgspec

from headrace.engine.spool import Spool
from headrace.wire.events import Event, LogLine

#: What one request carries at most.
MOST_EVENTS = 500
MOST_BYTES = 1 << 20
#: How many seconds after a disk was full it is tried again.
_DISK_PAUSE = 2.0

_raw_events = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder()


class _Kind(msgspec.Struct):
    event: Literal["task", "flow", "log", "renamed"]


_kind = msgspec.json.Decoder(_Kind)


class _Entry:
    """Some events that are sent together, as the text between the brackets of a JSON array."""

    __slots__ = ("count", "offset", "size", "text")

    def __init__(self, count: int, size: int, text: bytes | None, offset: int = -1) -> None:
        self.count = count
        self.size = size
        self.text = text  # None if it is on disk alone
        self.offset = offset  # -1 unless it is on disk


class Backlog:
    """Events in the order in which they came, numbered from 1. Threads may share it.

    Args:
        spool: The file that takes what is not to stay in memory alone.
        memory: How many bytes of events are kept in memory. Beyond that, and when the disk has no
            room either, log lines are left out; states never are.
    """

    def __init__(self, spool: Spool, memory: int = 32 << 20) -> None:
        self._spool = spool
        self._memory = memory
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque()
        self._unspooled: deque[_Entry] = deque()
        self._first = 1  # the number of the first event of the first entry
        self._next = 1  # the number that the next event will get
        self._spooled = 1  # the number of the first event of the first entry that is not on disk
        self._kept = 0  # bytes in memory
        self._spooling = False
        self._disk_from = 0.0
        self._omitted = 0
        self._alone = 0  # so many entries, from the oldest on, are sent one by one
        for record in spool.records():
            if not self._entries:
                self._first = record.first
            self._entries.append(_Entry(record.count, record.size, None, record.offset))
            self._next = self._spooled = record.first + record.count
            self._spooling = True

    def __len__(self) -> int:
        """How many events there are."""
        with self._lock:  # between the last event and a word on what was omitted it is not empty
            return self._next - self._first

    @property
    def first(self) -> int:
        """The number of the oldest event that is here, or of the next one to come."""
        return self._first

    def put(self, array: bytes, count: int, *, ends: bool = False) -> None:
        """Add events.

        Args:
            array: A JSON array of them.
            count: How many they are.
            ends: Whether the last one ends the run, so that nothing may follow it.
        """
        if not count:
            return
        with self._lock:
            if ends:
                self._put_end(_raw_events.decode(array))
            elif count > MOST_EVENTS or (len(array) > MOST_BYTES and count > 1):
                self._put_each(_raw_events.decode(array))
            else:
                self._put(array.strip()[1:-1], count)

    def put_event(self, event: Event) -> None:
        """Add one event."""
        self.put(_encoder.encode([event]), 1)

    def batch(self) -> tuple[int, int, bytes]:
        """Return what to send next: the first event's number, how many, and their JSON array.

        Raises:
            OSError: If it is on disk and cannot be read.
        """
        with self._lock:
            texts: list[bytes] = []
            count = size = 0
            for entry in self._entries:
                if texts and (
                    self._alone
                    or count + entry.count > MOST_EVENTS
                    or size + entry.size > MOST_BYTES
                ):
                    break
                texts.append(self._text(entry))
                count += entry.count
                size += entry.size + 1
            return self._first, count, b"[" + b",".join(texts) + b"]"

    def stored(self, up_to: int) -> None:
        """Forget what is stored: all events up to this number."""
        with self._lock:
            while self._entries and self._first + self._entries[0].count - 1 <= up_to:
                self._drop_first()
            if not self._entries and self._spooling:
                self._spooling = False
                self._unspooled.clear()
                self._spool.clear()
            self._note_omitted()

    def number_from(self, first: int) -> None:
        """Give the oldest event another number: the server has lost what it had confirmed."""
        with self._lock:
            self._next += first - self._first
            self._spooled += first - self._first
            self._first = first

    def isolate_first(self) -> None:
        """Have the events of the next batch sent one by one."""
        with self._lock:
            count = size = 0
            taken: list[_Entry] = []
            while self._entries and (not taken or count + self._entries[0].count <= MOST_EVENTS):
                if taken and size + self._entries[0].size > MOST_BYTES:
                    break
                entry = self._entries[0]
                text = self._text(entry)
                taken += [
                    _Entry(1, len(each), bytes(each), 0) for each in split(b"[" + text + b"]")
                ]
                count, size = count + entry.count, size + entry.size + 1
                self._drop_first()
            self._put_back(taken)
            self._alone = len(taken)

    def replace_first(self, text: bytes) -> None:
        """Put another event in the place of the oldest one, which stands alone."""
        with self._lock:
            self._drop_first()
            self._put_back([_Entry(1, len(text), text, 0)])
            self._alone = max(self._alone, 1)

    def write_down(self) -> None:
        """Keep everything on disk too from now on, until all of it is stored."""
        with self._lock:
            self._begin_spooling()
            self._write_down()

    def sync(self) -> None:
        """Make sure that what is on disk survives the end of the machine."""
        with self._lock:
            self._spool.sync()

    def close(self) -> None:
        """Write down what is left, and close the file."""
        with self._lock:
            self._note_omitted(even_in_want=True)
            if self._entries:
                self._begin_spooling()
                self._disk_from = 0.0
                self._write_down()
                self._spool.sync()
            self._spool.close()

    # -- with the lock held -----------------------------------------------------------------

    def _put_back(self, entries: list[_Entry]) -> None:
        self._entries.extendleft(reversed(entries))
        self._first -= len(entries)
        self._kept += sum(entry.size for entry in entries)

    def _put_end(self, events: list[msgspec.Raw]) -> None:
        if len(events) > 1:
            self._put_each(events[:-1])
        # What was left out is said while there is still somebody who listens.
        self._note_omitted(even_in_want=True)
        self._put(_joined(events[-1:]), 1)

    def _put_each(self, events: list[msgspec.Raw]) -> None:
        start = size = 0
        for index, event in enumerate(events):
            if index > start and (index - start >= MOST_EVENTS or size + len(event) > MOST_BYTES):
                self._put(_joined(events[start:index]), index - start)
                start, size = index, 0
            size += len(event) + 1
        self._put(_joined(events[start:]), len(events) - start)

    def _put(self, text: bytes, count: int) -> None:
        self._note_omitted()
        if self._kept + len(text) > self._memory:
            self._begin_spooling()
            self._write_down()
            if self._is_full():
                text, count = self._without_log_lines(text)
                if not count:
                    return
        self._add(text, count)

    def _add(self, text: bytes, count: int) -> None:
        entry = _Entry(count, len(text), text)
        self._entries.append(entry)
        self._kept += entry.size
        if self._spooling:
            if not self._unspooled:
                self._spooled = self._next
            self._unspooled.append(entry)
        self._next += count
        if self._spooling:
            self._write_down()

    def _begin_spooling(self) -> None:
        if not self._spooling:
            self._spooling = True
            self._unspooled.extend(self._entries)
            self._spooled = self._first

    def _is_full(self) -> bool:
        return bool(self._unspooled) and self._kept > self._memory * 3 // 4

    def _write_down(self) -> None:
        """Append to the file what is not there yet, in order, as far as there is room."""
        if time.monotonic() < self._disk_from:
            return
        while self._unspooled:
            entry = self._unspooled[0]
            try:
                entry.offset = self._spool.append(self._spooled, entry.count, self._text(entry))
            except OSError:
                self._disk_from = time.monotonic() + _DISK_PAUSE
                return
            self._unspooled.popleft()
            self._spooled += entry.count
            if self._kept > self._memory // 2:
                # The oldest are sent first, so it is the newest that memory can do without.
                self._kept -= entry.size
                entry.text = None

    def _drop_first(self) -> None:
        entry = self._entries.popleft()
        self._first += entry.count
        self._alone = max(0, self._alone - 1)
        if entry.text is not None:
            self._kept -= entry.size
        if self._unspooled and self._unspooled[0] is entry:
            self._unspooled.popleft()
            self._spooled += entry.count

    def _text(self, entry: _Entry) -> bytes:
        return self._spool.read(entry.offset, entry.size) if entry.text is None else entry.text

    def _without_log_lines(self, text: bytes) -> tuple[bytes, int]:
        events = _raw_events.decode(b"[" + text + b"]")
        kept = [event for event in events if _kind.decode(event).event != "log"]
        self._omitted += len(events) - len(kept)
        return _joined(kept), len(kept)

    def _note_omitted(self, even_in_want: bool = False) -> None:
        """Say how many log lines were left out, once there is room to say it."""
        if self._omitted and (even_in_want or self._kept < self._memory // 2):
            omitted, self._omitted = self._omitted, 0
            line = LogLine(
                at=time.time(),
                level=30,
                message=f"{omitted} log lines omitted: the server was away, and there was no room "
                "for them on the disk nor in memory.",
            )
            self._add(_encoder.encode(line), 1)


def split(array: bytes) -> list[msgspec.Raw]:
    """Return the events of a JSON array one by one, undecoded."""
    return _raw_events.decode(array)


def _joined(events: Iterable[msgspec.Raw]) -> bytes:
    return b",".join(bytes(event) for event in events)

"""Chunks that run in another process: what they report is bytes, and their log lines come along.

Every part of a report is pickled by itself, so that one value that cannot be pickled fails its own
task run and no other.
"""

from __future__ import annotations

import logging
import pickle
import time
import traceback
from collections import deque
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from headrace.config import config
from headrace.config.logging import ContextFilter, StdoutHandler
from headrace.core.errors import SerializationError
from headrace.core.now import timestamp
from headrace.core.states import Failed, State, Success
from headrace.core.wording import repr_of, str_of
from headrace.engine.chunk import Chunk, run_chunk
from headrace.engine.outcome import Outcome, Started
from headrace.engine.places import here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from headrace.executors.base import Outlet

POSITION_BYTES = 4  #: at the end of a packed outcome
FLUSH_SECONDS = 0.02  #: how long outcomes wait at most for their checkpoints to be flushed together
SHOWN_AFTER_SECONDS = 0.2  #: how long a run of a tracked flow lasts before it is shown as running
MOST_LINES = 10_000  #: log lines of one chunk that come along; the rest are counted


class LogLines:
    """Log lines that a chunk wrote.

    Args:
        records: The records' fields, each ready to be pickled.
        omitted: How many more there were.
    """

    __slots__ = ("omitted", "records")

    def __init__(self, records: list[dict[str, Any]], omitted: int = 0) -> None:
        self.records = records
        self.omitted = omitted

    def __reduce__(self) -> tuple[Any, ...]:
        return LogLines, (self.records, self.omitted)

    def replay(self) -> None:
        """Hand the lines to this process's loggers, as if they had been written here."""
        for fields in self.records:
            logging.getLogger(fields["name"]).handle(logging.makeLogRecord(fields))
        if self.omitted:
            logging.getLogger("headrace").warning("%d log lines omitted.", self.omitted)


class RemoteError(Exception):
    """Stands for an exception that cannot be brought to this process.

    Args:
        text: The exception and its traceback, as text.
    """


def run_portable(
    chunk: Chunk,
    held: Sequence[Mapping[int, Any]] = (),
    keeps: Callable[[Any], bool] | None = None,
    stopped: Callable[[], bool] | None = None,
    outlet: Outlet | None = None,
) -> tuple[list[bytes], dict[int, Any]]:
    """Run a chunk as `run_chunk` does, and give its reports as bytes for `unpack`.

    They go to the `outlet`, log lines as they come; all of them are returned if there is none.
    """
    reports: list[bytes] = []
    out: Callable[[bytes], None] = reports.append if outlet is None else outlet
    # On a worker that is a thread of the runner's process the lines are written at home already.
    level = None if chunk.home == here() else chunk.log_level
    with _captured(level) as lines:
        sender = _Sender(chunk, lines, out)
        if outlet is not None:
            outlet.more = sender.more
            if chunk.scope.running_with_backend:
                chunk.under_way = -1, 0.0  # somebody asks
        with _turns_told(chunk, outlet):
            _, kept = run_chunk(chunk, held, keeps, stopped, sender.report)
        sender.end()
    if lines is not None:
        # Without an outlet the lines come first, as they were written before what is reported.
        reports = [*lines.take(), *reports]
        if outlet is not None:
            for part in reports:
                out(part)
            reports = []
    return reports, kept


def _turns_told(chunk: Chunk, outlet: Outlet | None) -> AbstractContextManager[None]:
    """Have the turns of loops told in a block, if there is a way, and anybody keeps them."""
    if outlet is None or not (chunk.scope.running_with_backend and chunk.scope.checkpointing):
        return nullcontext()
    from headrace.engine.turns import told_by_chunk

    return told_by_chunk(lambda turn: outlet(pickle.dumps(turn)))


class _Sender:
    """Sends what a chunk has to report, in order, and nothing that is not durable.

    Args:
        chunk: The chunk.
        lines: The log lines that it writes; None if they need not be sent.
        out: Takes reports.
    """

    def __init__(self, chunk: Chunk, lines: _Lines | None, out: Callable[[bytes], None]) -> None:
        self._chunk = chunk
        self._lines = lines
        self._out = out
        self._log = None
        if chunk.checkpoints is not None:
            from headrace.engine.worker_checkpoints import log_at

            self._log = log_at(chunk.checkpoints)
        #: Outcomes that speak of checkpoints which are not flushed yet, and what comes after them.
        self._held: list[Outcome] = []
        self._flushed_at = time.monotonic()
        self._told = -1

    def report(self, outcome: Outcome) -> None:
        """Report how a step ended."""
        log = self._log
        if log is None or (not log.is_dirty and not self._held):
            self._send(outcome)
            return
        self._held.append(outcome)
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self._flush()

    def end(self) -> None:
        """Report what is left."""
        self._chunk.under_way = None
        self._flush()

    def more(self) -> list[bytes]:
        """Return what else is to be sent now. Called from another thread."""
        parts = [] if self._lines is None else self._lines.take()
        under_way = self._chunk.under_way
        if under_way is not None and under_way[0] > self._told:
            position, since = under_way
            if time.time() - since >= SHOWN_AFTER_SECONDS:
                self._told = position
                parts.append(pickle.dumps(Started(position, since, here())))
        return parts

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and self._log is not None:
            self._log.sync()
        self._flushed_at = time.monotonic()
        for outcome in held:
            self._send(outcome)

    def _send(self, outcome: Outcome) -> None:
        lines = self._lines
        if lines is not None and lines.records:
            for part in lines.take():
                self._out(part)
        self._out(pack(outcome, self._chunk))


def pack(outcome: Outcome, chunk: Chunk) -> bytes:
    """Pickle an outcome; if its value cannot be, it becomes a failure that says so."""
    import cloudpickle

    state = outcome.state
    try:
        packed: bytes = pickle.dumps(outcome)
        if isinstance(state.result, BaseException):
            pickle.loads(packed)  # exceptions that pickle but cannot be made again are common
    except Exception:  # noqa: BLE001 - an object's own pickling may raise anything
        try:
            packed = cloudpickle.dumps(outcome)
            if isinstance(state.result, BaseException):
                pickle.loads(packed)
        except Exception as error:  # noqa: BLE001 - as above
            step = chunk.steps[outcome.position]
            outcome.state = _without_what_cannot_travel(state, error, step.slug, step.child)
            packed = pickle.dumps(outcome)
    # Unpickling ends before it; `unpack` needs it if it does not get that far.
    return packed + outcome.position.to_bytes(POSITION_BYTES)


def unpack(report: Any) -> Any:
    """Return what `run_portable` packed: an `Outcome`, or `LogLines`.

    A value that can be pickled and not unpickled makes its outcome a failure that says so.
    """
    if not isinstance(report, bytes):
        return report
    try:
        return pickle.loads(report)
    except Exception as error:  # noqa: BLE001 - an object's own unpickling may raise anything
        failed = Failed(
            "The result was sent from the process where it was computed, and cannot be unpickled "
            f"here: {repr_of(error)}. Return something that can be, or run the flow with threads.",
            result=SerializationError(repr_of(error)),
        )
        failed.timestamp = timestamp()
        return Outcome(int.from_bytes(report[-POSITION_BYTES:]), failed)


def _without_what_cannot_travel(state: State, error: Exception, slug: str, child: int) -> State:
    if isinstance(state.result, BaseException) and not isinstance(state, Success):
        # The task failed anyway: its exception travels as text.
        text = "".join(traceback.format_exception(state.result))
        state.result = RemoteError(text)
        return state
    name = slug if child < 0 else f"{slug}[{child}]"
    failed = Failed(
        f"The result of {name!r}, a {type(state.result).__name__}, cannot be sent from the process "
        f"where it was computed, as it cannot be pickled: {str_of(error)}. Return something that can be, "
        "or run the flow with threads.",
        result=SerializationError(str_of(error)),
    )
    failed.place = state.place
    failed.timestamp = state.timestamp
    return failed


# -- log lines ------------------------------------------------------------------------------


class _Lines:
    """The log lines of a chunk that have not been sent, written by the thread that runs it."""

    __slots__ = ("count", "omitted", "records")

    def __init__(self) -> None:
        self.records: deque[dict[str, Any]] = deque()
        self.count = 0
        self.omitted = 0

    def add(self, fields: dict[str, Any]) -> None:
        """Keep a line, if there were not too many."""
        if self.count < MOST_LINES:
            self.count += 1
            self.records.append(fields)
        else:
            self.omitted += 1

    def take(self) -> list[bytes]:
        """Take out what there is, from any thread, as reports."""
        taken: list[dict[str, Any]] = []
        while self.records:
            taken.append(self.records.popleft())
        omitted, self.omitted = self.omitted, 0
        return [pickle.dumps(LogLines(taken, omitted))] if taken or omitted else []


_lines: ContextVar[_Lines | None] = ContextVar("headrace_log_lines", default=None)
_PLAIN = (str, int, float, bool, type(None))


class _Capture(logging.Handler):
    """Keeps the records that are written in a chunk, in whichever thread it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, as far as there is room."""
        lines = _lines.get()
        if lines is None:
            return
        fields = {key: value for key, value in record.__dict__.items() if isinstance(value, _PLAIN)}
        fields["msg"] = record.getMessage()
        fields["args"] = None
        if record.exc_info:
            fields["exc_text"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        lines.add(fields)


_capture: _Capture | None = None


@contextmanager
def _captured(level: int | None) -> Iterator[_Lines | None]:
    """Keep the log lines of this block, if a level is given."""
    global _capture
    if level is None:
        yield None
        return
    if _capture is None:
        _capture = _Capture()
        # What the context says of the run is known here only, so the records take it along.
        _capture.addFilter(ContextFilter())
        for name in ("headrace", *config.logging.extra_loggers):
            logger = logging.getLogger(name)
            for handler in list(logger.handlers):
                if isinstance(handler, StdoutHandler):
                    logger.removeHandler(handler)  # the runner's process will write the lines
            logger.addHandler(_capture)
            logger.propagate = False
            if name != "headrace" and logger.level == logging.NOTSET:
                logger.setLevel(config.logging.level)
    logging.getLogger("headrace").setLevel(level)
    lines = _Lines()
    token = _lines.set(lines)
    try:
        yield lines
    finally:
        _lines.reset(token)

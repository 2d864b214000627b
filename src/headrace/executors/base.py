"""The contract of an executor: where the tasks of a flow run execute.

An executor gets functions to call, and knows nothing of flows. Three methods make one: `start`,
`submit` and `wait`. The rest of the contract has a default that is built on these, and is there for
executors that can do better: hand over a whole batch at once, report from within a submission,
keep values where they were computed.

`headrace.testing.ExecutorContract` is the test suite of this contract, for any executor.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from headrace.core.undefined import undefined

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Sequence


class Future(Protocol):
    """What `submit` returns: a value to come. `concurrent.futures.Future` is one."""

    def result(self) -> Any:
        """Wait for the value and return it, or raise what the function raised."""

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> Any:
        """Call `fn(future)` once the value is there, from any thread; at once if it is."""


class Shared:
    """A value that many submissions carry, such as a task that is mapped.

    It travels with each of them as any value does; an executor may bring it to a worker once.

    Args:
        value: The value.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        return Shared, (self.value,)


class Outlet(Protocol):
    """Takes what a call has to report while it still runs, from the thread that runs it.

    Attributes:
        more: Asked from any thread, when reports are about to be sent, for those that the call
            holds back to send them together; None if there is nothing to ask.
    """

    more: Callable[[], Sequence[Any]] | None

    def __call__(self, report: Any, /) -> None:
        """Take one report. It is sent soon, whatever the call does next."""


class Submission:
    """One call that an executor is asked to make: `fn(payload)`.

    The call returns `(reports, kept)`. `reports` is for the caller's eyes; `kept` is what has to
    stay where the call ran, for later submissions that name its handle in `needs`.

    An executor whose `keeps_values` is True calls `fn(payload, held, keeps, stopped, outlet)`
    instead: `held` is what each of `needs` has kept, `keeps(value)` says whether a value is to
    stay, `stopped()` whether the call should end at its next opportunity and leave the rest of its
    work unreported, and the `Outlet` takes reports as they come, in place of those returned.

    Args:
        key: The call's name, unique in the run. One that comes again is the same work again.
        fn: The function; picklable by reference.
        payload: Its argument; picklable if the executor's calls leave the process.
        needs: Handles of earlier submissions, whose kept values are passed as `held`, in order.
        priority: Larger ones go first where the executor has a choice.
        context: What the call is for: `task_name`, `task_tags`, `task_index` and so on.
    """

    __slots__ = ("context", "fn", "key", "needs", "payload", "priority")

    def __init__(
        self,
        key: str,
        fn: Callable[..., Any],
        payload: Any,
        needs: Sequence[Any] = (),
        priority: int = 0,
        context: dict[str, Any] | None = None,
    ) -> None:
        self.key = key
        self.fn = fn
        self.payload = payload
        self.needs = needs
        self.priority = priority
        self.context = context or {}


class Report:
    """A part of a submission is done.

    Args:
        key: The submission's key.
        reports: What its call had to report, in order. No part is reported twice.
    """

    __slots__ = ("key", "reports")

    def __init__(self, key: str, reports: Any) -> None:
        self.key = key
        self.reports = reports


class Ended:
    """A submission is over; no `Report` of it follows.

    Args:
        key: The submission's key.
        error: Why it did not run to its end, if it did not: `ExecutionLost` if its worker died,
            `ValueLost` if what it needed had died with a worker, `SerializationError` if it could
            not travel, anything else if the call raised it.
    """

    __slots__ = ("error", "key")

    def __init__(self, key: str, error: BaseException | None = None) -> None:
        self.key = key
        self.error = error


class Resized:
    """The executor has more slots now, or fewer."""

    __slots__ = ()


Event = Report | Ended | Resized


class Executor:
    """Executes the tasks of a flow run.

    Attributes:
        inline: Whether calls run in the caller's thread, one after another: nothing is submitted
            then, the runner calls by itself.
        keeps_values: Whether values can stay where they were computed, see `Submission`.
        leaves_process: Whether payloads and results must be picklable.
        chunk_seconds: How much work one submission should hold, since handing over a call costs
            more than a short task; 0 for never more than one task.
        queue_depth: How many submissions each slot should have in hand, the one that runs
            included, so that it never waits for the next.
    """

    inline: bool = False
    keeps_values: bool = False
    leaves_process: bool = False
    chunk_seconds: float = 0.0
    queue_depth: int = 2

    @property
    def logger(self) -> logging.Logger:
        """The executor's logger."""
        import logging

        return logging.getLogger(f"headrace.{type(self).__name__}")

    def __repr__(self) -> str:
        return f"<Executor: {type(self).__name__}>"

    # -- what each executor defines ---------------------------------------------------------

    @contextmanager
    def start(self) -> Iterator[None]:
        """Have workers ready while the block runs; end them after it, however it ends.

        Raises:
            ExecutorError: If they cannot be had, with the reason and the way out.
        """
        yield

    def submit(
        self,
        fn: Callable[..., Any],
        *args: Any,
        extra_context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `fn(*args, **kwargs)` on a worker, soon, and return a `Future` of its value.

        Args:
            fn: The function.
            *args: Its arguments. A future of this executor stands for its value.
            extra_context: What the call is for: `task_name`, `task_tags`, `task_index`.
            **kwargs: More arguments.
        """
        raise undefined(
            self, "submit", "a method that has a worker call a function, and returns a Future"
        )

    def wait(self, futures: Any) -> Any:
        """Return `futures` with each future in it replaced by its value.

        Args:
            futures: A future, or lists, tuples, sets or dicts of futures and other values.
        """
        raise undefined(self, "wait", "a method that returns the values of futures")

    # -- what an executor can do better than the default --------------------------------------

    @property
    def slots(self) -> int:
        """How many calls run at the same time, as far as is known now; at least 1."""
        return 1

    def submit_batch(
        self, submissions: Sequence[Submission], channel: Callable[[Event], None]
    ) -> Sequence[Any]:
        """Have all these calls made, and report them.

        Args:
            submissions: The calls.
            channel: Takes, from any thread, any number of `Report`s of each submission and then
                exactly one `Ended`; and a `Resized` whenever `slots` has changed.

        Returns:
            For each submission a handle, by which later ones name what it kept; None where
            nothing is ever kept.
        """
        for submission in submissions:
            try:
                future = self.submit(
                    submission.fn,
                    submission.payload,
                    extra_context=submission.context,
                )
            except Exception as error:  # noqa: BLE001 - whatever a third party's executor raises is its answer
                channel(Ended(submission.key, error))
                continue
            future.add_done_callback(_reporter(submission.key, channel))
        return [None] * len(submissions)

    def gather(self, handles: Sequence[Any]) -> list[Any]:
        """Bring what submissions have kept to the caller.

        Args:
            handles: Handles from `submit_batch`.

        Returns:
            For each handle what its submission kept, by position; a `ValueLost` (returned, not
            raised) for one that is gone.
        """
        raise undefined(self, "gather", "a method that returns what its submissions have kept")

    def release(self, handles: Sequence[Any]) -> None:
        """Let go of what submissions have kept: nobody needs it any more."""

    def take_back(self) -> None:
        """Keep what has not begun from beginning, as far as the workers can be reached.

        Each of these calls reports nothing and ends with an `Ended` without an error, or with a
        `concurrent.futures.CancelledError`; what runs goes on to its end, or to where `stopped()`
        ends it. Nothing is submitted after this. An executor that cannot do it does nothing: what it
        was handed then begins in its turn.
        """

    def cancel(self) -> None:
        """Ask all calls to stop: what has not begun never does, what runs is interrupted.

        Each still ends with an `Ended`, as far as the workers can be reached. Does nothing if
        nothing runs.
        """


def _reporter(key: str, channel: Callable[[Event], None]) -> Callable[[Any], None]:
    def report(future: Any) -> None:
        try:
            reports, _ = future.result()
        except BaseException as error:  # noqa: BLE001 - the call's, or a cancelled future's
            channel(Ended(key, error))
        else:
            channel(Report(key, reports))
            channel(Ended(key))

    return report


def resolve(futures: Any, value_of: Callable[[Any], Any], is_future: Callable[[Any], bool]) -> Any:
    """Replace the futures in nested lists, tuples, sets and dicts.

    Args:
        futures: The structure.
        value_of: Returns a future's value.
        is_future: Tells what is a future.
    """
    if is_future(futures):
        return value_of(futures)
    if isinstance(futures, dict):
        return {key: resolve(value, value_of, is_future) for key, value in futures.items()}
    if isinstance(futures, list | set):
        return type(futures)(resolve(value, value_of, is_future) for value in futures)
    if type(futures) is tuple:
        return tuple(resolve(value, value_of, is_future) for value in futures)
    return futures

"""What a submission travels in: its payload, and the values that it shares with others.

A shared value that turns up again is pickled once. A small one goes along with each submission, as
bytes that a worker unpickles once; a large one is put on the cluster once and named.
"""

from __future__ import annotations

import pickle
import sys
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import cloudpickle

from headrace.core.errors import ExecutorError, SerializationError
from headrace.executors.base import Shared, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LARGE = 100 * 1024  #: bytes from which a shared value is put on the cluster once
LARGE_BODY = 2**20  #: bytes from which a payload does not go by way of the scheduler


@cache
def this_version() -> str:
    """Name what both sides must have in common to understand each other."""
    from importlib.metadata import version

    return f"Headrace {version('headrace')} on Python {sys.version_info[0]}.{sys.version_info[1]}"


_SEEN_ONCE = -1


class SharedValues:
    """The shared values of one run, pickled, on the side that sends them."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._values: list[Shared] = []  # held, as an id is only good while its object lives
        self._pickles: list[bytes] = []

    def number(self, shared: Shared) -> int | None:
        """Return the number under which a value travels; None when it is seen for the first time.

        Most tasks run once. Pickled together they are smaller, as most share their functions.
        """
        number = self._numbers.get(id(shared))
        if number is None:
            self._numbers[id(shared)] = _SEEN_ONCE
            self._values.append(shared)
            return None
        if number == _SEEN_ONCE:
            pickled = _dumps(shared.value)
            number = self._numbers[id(shared)] = len(self._pickles)
            self._pickles.append(pickled)
        return number

    def pickled(self, number: int) -> bytes:
        """Return a value's pickle."""
        return self._pickles[number]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles a payload, with numbers in place of shared values."""

    def __init__(self, file: BytesIO, shared: SharedValues) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._shared = shared
        self.numbers: dict[int, None] = {}

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Shared:
            number = self._shared.number(obj)
            if number is not None:
                self.numbers[number] = None
                return _shared_value, (number,)
            return NotImplemented  # it travels as any object does
        return super().reducer_override(obj)


def pack(
    fn: Callable[..., Any], payload: Any, topic: str, shared: SharedValues
) -> tuple[bytes, list[int]]:
    """Pickle a submission.

    Args:
        fn: Its function.
        payload: Its argument.
        topic: Names the run, and where its reports go.
        shared: The run's shared values.

    Returns:
        The parcel, and the numbers of the large shared values that it needs beside it.

    Raises:
        SerializationError: If anything in it cannot be pickled.
    """
    buffer = BytesIO()
    pickler = _Pickler(buffer, shared)
    try:
        pickler.dump((fn, payload))
    except SerializationError:
        raise
    except Exception as error:
        raise _unpicklable(error) from error
    small: dict[int, bytes] = {}
    large: list[int] = []
    for number in pickler.numbers:
        pickled = shared.pickled(number)
        if len(pickled) < LARGE:
            small[number] = pickled
        else:
            large.append(number)
    parcel = (this_version(), topic, small, large, buffer.getvalue())
    return pickle.dumps(parcel, protocol=pickle.HIGHEST_PROTOCOL), large


def _dumps(value: Any) -> bytes:
    try:
        return cloudpickle.dumps(value)  # type: ignore[no-any-return]
    except Exception as error:
        raise _unpicklable(error) from error


def _unpicklable(error: Exception) -> SerializationError:
    return SerializationError(
        f"It cannot be sent to a Dask worker, as it cannot be pickled: {error}. Take what cannot be "
        "pickled (a connection, a lock, an open file) into the task, or use "
        "LocalDaskExecutor(scheduler='threads')."
    )


class Slot:
    """Stands for the value of a future among the arguments of a call.

    Args:
        number: Which of the call's futures.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return Slot, (self.number,)


def pack_call(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    is_future: Callable[[Any], bool],
) -> tuple[Any, list[Any]]:
    """Return a call as a payload for `make_call`, and the futures among its arguments."""
    futures: list[Any] = []

    def slot(future: Any) -> Slot:
        futures.append(future)
        return Slot(len(futures) - 1)

    return (fn, *resolve((args, kwargs), slot, is_future)), futures


def make_call(payload: Any, values: Sequence[Any]) -> Any:
    """Make a call that `pack_call` packed, with the values of its futures."""

    def value(slot: Slot) -> Any:
        return values[slot.number]

    fn, args, kwargs = resolve(payload, value, lambda part: type(part) is Slot)
    return fn(*args, **kwargs)


# -- on the worker --------------------------------------------------------------------------

MOST_RUNS = 8  #: runs whose shared values a worker remembers, the latest ones

#: Of each run, by its topic: the shared values that were unpickled here.
_known: dict[str, dict[int, Shared]] = {}


class _Opening:
    """The parcel that a thread is unpickling."""

    __slots__ = ("pickles", "values")

    def __init__(self, values: dict[int, Shared], pickles: dict[int, bytes]) -> None:
        self.values = values
        self.pickles = pickles


_opening: dict[int, _Opening] = {}


def open_parcel(
    parcel: bytes, beside: Sequence[bytes], worker: str
) -> tuple[str, Callable[..., Any], Any]:
    """Unpickle a submission on a worker.

    Args:
        parcel: What `pack` returned.
        beside: The pickles of the large shared values that it needs.
        worker: The worker's address, for messages.

    Returns:
        The topic, the function and its argument.

    Raises:
        ExecutorError: If it comes from another version.
        SerializationError: If it cannot be unpickled here.
    """
    from threading import get_ident

    version, topic, small, large, body = pickle.loads(parcel)
    if version != this_version():
        raise ExecutorError(
            f"The flow runs with {version}, the Dask worker {worker} has {this_version()}. Install "
            "the same on both."
        )
    values = _known.get(topic)
    if values is None:
        values = _known.setdefault(topic, {})
        for old in list(_known)[:-MOST_RUNS]:
            _known.pop(old, None)
    pickles = small | dict(zip(large, beside, strict=True))
    ident = get_ident()
    _opening[ident] = _Opening(values, pickles)
    try:
        fn, payload = pickle.loads(body)
    except Exception as error:
        raise SerializationError(
            f"It was sent to the Dask worker {worker}, which cannot unpickle it: {error!r}. A "
            "module that the flow imports must be installed there, too."
        ) from error
    finally:
        del _opening[ident]
    return topic, fn, payload


def _shared_value(number: int) -> Shared:
    """Return a shared value of the parcel that this thread is unpickling."""
    from threading import get_ident

    opening = _opening[get_ident()]
    value = opening.values.get(number)
    if value is None:
        made = Shared(pickle.loads(opening.pickles[number]))
        # Another thread may have been faster: all use the same one.
        value = opening.values.setdefault(number, made)
    return value


def forget(topic: str) -> None:
    """Drop a run's shared values from this worker."""
    _known.pop(topic, None)

"""What stays on a worker: which values do, and the container that Dask holds them in."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from headrace.core.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Mapping

TINY = 1024  #: bytes, pickled: values up to here travel with their state
MOST_KEPT = 16 * 2**20  #: bytes of values after which a chunk hands back the rest of its work

_ATOMS = (bool, type(None), float, complex)
_TEXTS = (str, bytes)


class Kept:
    """What one submission left on its worker.

    Args:
        values: The values, by position.
        reports: All that it had to report, in order. They do not travel with the values.
    """

    __slots__ = ("reports", "values")

    def __init__(self, values: dict[int, Any], reports: list[bytes] | None = None) -> None:
        self.values = values
        self.reports = reports

    def __sizeof__(self) -> int:
        from dask.sizeof import sizeof

        values: int = sum(sizeof(value) for value in self.values.values())
        return values + sum(len(report) for report in self.reports or ())


class Unreadable:
    """Stands for a value that cannot be brought to another process.

    Args:
        reason: Why.
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Held:
    """The values of a `Kept`, for a call that needs them: one that cannot be read fails its reader.

    Args:
        kept: What an earlier submission kept.
    """

    __slots__ = ("_values",)

    def __init__(self, kept: Kept) -> None:
        self._values: Mapping[int, Any] = kept.values

    def __getitem__(self, position: int) -> Any:
        """Return a value.

        Raises:
            SerializationError: If it could not be brought here.
        """
        value = self._values[position]
        if type(value) is Unreadable:
            raise SerializationError(value.reason)
        return value


def register() -> None:
    """Tell Dask how a `Kept` travels: each value by itself, so that one can fail alone."""
    from distributed.protocol.serialize import (
        dask_deserialize,
        dask_serialize,
        deserialize,
        serialize,
    )

    def take_apart(kept: Kept) -> tuple[dict[str, Any], list[Any]]:
        parts: list[tuple[int, str, Any, int]] = []
        frames: list[Any] = []
        for position, value in kept.values.items():
            header, own = serialize(value)
            parts.append((position, type(value).__name__, header, len(own)))
            frames.extend(own)
        return {"parts": parts}, frames

    def put_together(header: dict[str, Any], frames: list[Any]) -> Kept:
        values: dict[int, Any] = {}
        begin = 0
        for position, kind, sub_header, count in header["parts"]:
            own = frames[begin : begin + count]
            begin += count
            try:
                values[position] = deserialize(sub_header, own)  # type: ignore[no-untyped-call]
            except Exception as error:  # noqa: BLE001 - unpickling a user's object may raise anything
                values[position] = Unreadable(
                    f"A value of type {kind} cannot be brought here from the worker that holds it: "
                    f"{error}"
                )
        return Kept(values)

    dask_serialize.register(Kept, take_apart)  # type: ignore[no-untyped-call]
    dask_deserialize.register(Kept, put_together)  # type: ignore[no-untyped-call]


class Keeper:
    """Decides of each value of one submission whether it stays on the worker."""

    __slots__ = ("_size",)

    def __init__(self) -> None:
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether so much was kept that the submission should end."""
        return self._size > MOST_KEPT

    def keeps(self, value: Any) -> bool:
        """Tell whether a value stays: it is not tiny, and it can be sent elsewhere if need be."""
        kind = type(value)
        if kind in _ATOMS or (kind is int and value.bit_length() <= 8 * TINY):
            return False
        if not self._is_larger(kind, value):
            return False
        from dask.sizeof import sizeof

        self._size += sizeof(value)
        return True

    @staticmethod
    def _is_larger(kind: type, value: Any) -> bool:
        if kind in _TEXTS:
            return len(value) > TINY
        if isinstance(nbytes := getattr(value, "nbytes", None), int) and nbytes > TINY:
            return True  # an array: its size is known without pickling it
        try:
            return _pickles_beyond(value, pickle.Pickler)
        except Exception:  # noqa: BLE001 - an object's own pickling may raise anything
            import cloudpickle

            try:
                return _pickles_beyond(value, cloudpickle.Pickler)
            except Exception:  # noqa: BLE001 - as above: it is reported as what cannot travel
                return False


class _Beyond(Exception):
    """More was written than asked about."""


class _Gauge:
    """A file that only counts, and refuses to take more than is asked about."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> int:
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        self.size += size
        if self.size > TINY:
            raise _Beyond
        return size


def _pickles_beyond(value: Any, pickler: Any) -> bool:
    """Tell whether a value's pickle is larger than `TINY`, without making all of it."""
    gauge = _Gauge()
    try:
        pickler(gauge, protocol=5).dump(value)
    except _Beyond:
        return True
    return False

"""How values become bytes, and bytes become values again."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Mapping
from typing import Any

from headrace.core.errors import (
    DeserializationError,
    MissingExtraError,
    ResultError,
    SerializationError,
)
from headrace.core.undefined import undefined

_STANDARD_FORMATS = ("bz2", "gzip", "lzma", "zlib")


class Serializer:
    """Turns values into bytes and back. Two of one kind with the same settings are equal.

    Children implement both methods; what `serialize` gives, `deserialize` of an equal serializer in
    another process takes back.
    """

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def serialize(self, value: Any) -> bytes:
        """Return `value` as bytes.

        Raises:
            SerializationError: If it cannot be.
        """
        raise undefined(self, "serialize", "a method that returns a value as bytes")

    def deserialize(self, value: bytes) -> Any:
        """Return the value that these bytes stand for.

        Raises:
            DeserializationError: If they stand for none.
        """
        raise undefined(self, "deserialize", "a method that returns the value of some bytes")


class PickleSerializer(Serializer):
    """Takes nearly every Python value, lambdas and classes of `__main__` included (cloudpickle).

    Reading a pickle runs what is in it: read only from places that you trust.
    """

    def serialize(self, value: Any) -> bytes:
        """Return the pickle of `value`."""
        import cloudpickle

        try:
            data: bytes = cloudpickle.dumps(value)
        except Exception as error:  # a value's own __reduce__ may raise anything
            raise _unfit(self, value, error) from error
        return data

    def deserialize(self, value: bytes) -> Any:
        """Return what is pickled in these bytes."""
        import pickle

        try:
            return pickle.loads(value)
        except Exception as error:  # bytes that are no pickle may raise anything
            raise _unreadable(self, error) from error


class JSONSerializer(Serializer):
    """Takes what JSON knows: dicts with string keys, lists, strings, numbers, booleans, None.

    As in Python's `json`, tuples come back as lists, and other keys of dicts as strings.
    """

    def serialize(self, value: Any) -> bytes:
        """Return `value` as JSON, in UTF-8."""
        import json

        try:
            return json.dumps(value).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _unfit(self, value, error) from error

    def deserialize(self, value: bytes) -> Any:
        """Return what the JSON text stands for."""
        import json

        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise _unreadable(self, error) from error


class DateTimeSerializer(Serializer):
    """Takes a `datetime`, as ISO 8601 text that people can read too.

    What comes back is aware: a time without a zone is taken to be in UTC.
    """

    def serialize(self, value: Any) -> bytes:
        """Return the time as ISO 8601 text."""
        if not isinstance(value, datetime.datetime):
            raise _unfit(self, value, "it takes a datetime")
        return _aware(value).isoformat().encode()

    def deserialize(self, value: bytes) -> datetime.datetime:
        """Return the time that the text gives."""
        try:
            return _aware(datetime.datetime.fromisoformat(value.decode()))
        except ValueError as error:
            raise _unreadable(self, error) from error


class PandasSerializer(Serializer):
    """Takes a pandas DataFrame, in one of the formats that pandas writes and reads.

    Args:
        file_type: The format, as in `DataFrame.to_<file_type>` and `pandas.read_<file_type>`: "csv",
            "parquet", "json", ...
        deserialize_kwargs: Keyword arguments for `read_<file_type>`.
        serialize_kwargs: Keyword arguments for `to_<file_type>`.

    Raises:
        ResultError: If pandas has no such format.
        MissingExtraError: If pandas is not installed.
    """

    def __init__(
        self,
        file_type: str,
        deserialize_kwargs: Mapping[str, Any] | None = None,
        serialize_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        pandas = _pandas()
        if not (
            hasattr(pandas, f"read_{file_type}") and hasattr(pandas.DataFrame, f"to_{file_type}")
        ):
            both = sorted(
                name.removeprefix("read_")
                for name in dir(pandas)
                if name.startswith("read_")
                and hasattr(pandas.DataFrame, name.replace("read_", "to_", 1))
            )
            raise ResultError(
                f"pandas cannot both write and read {file_type!r}; it can: {', '.join(both)}."
            )
        self.file_type = file_type
        self.deserialize_kwargs = dict(deserialize_kwargs or {})
        self.serialize_kwargs = dict(serialize_kwargs or {})

    def __repr__(self) -> str:
        return f"<PandasSerializer: {self.file_type}>"

    def serialize(self, value: Any) -> bytes:
        """Return the data frame as the bytes of a file."""
        if not isinstance(value, _pandas().DataFrame):
            raise _unfit(self, value, "it takes a pandas DataFrame")
        to = getattr(value, f"to_{self.file_type}")
        buffer = io.BytesIO()
        try:
            try:
                to(buffer, **self.serialize_kwargs)
                return buffer.getvalue()
            except TypeError:
                # Some formats, JSON among them, write text alone.
                text = io.StringIO()
                to(text, **self.serialize_kwargs)
                return text.getvalue().encode()
        except Exception as error:  # each format's library raises what it likes
            raise _unfit(self, value, error) from error

    def deserialize(self, value: bytes) -> Any:
        """Return the data frame that is in these bytes."""
        read = getattr(_pandas(), f"read_{self.file_type}")
        try:
            return read(io.BytesIO(value), **self.deserialize_kwargs)
        except Exception as error:  # each format's library raises what it likes
            raise _unreadable(self, error) from error


class CompressedSerializer(Serializer):
    """Makes another serializer's bytes smaller.

    Args:
        serializer: The other serializer.
        format: "bz2", "gzip", "lzma" or "zlib", or any module that has `compress` and `decompress`.
        compress: In place of a format, a function from bytes to bytes; and
        decompress: the function that undoes it.
        compress_kwargs: Keyword arguments for `compress`.
        decompress_kwargs: Keyword arguments for `decompress`.

    Raises:
        ResultError: If neither or both of a format and functions are given, or there is no such
            format.
    """

    def __init__(
        self,
        serializer: Serializer,
        format: str | None = None,
        compress: Callable[..., bytes] | None = None,
        decompress: Callable[..., bytes] | None = None,
        compress_kwargs: Mapping[str, Any] | None = None,
        decompress_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(serializer, Serializer):
            raise ResultError(f"CompressedSerializer needs a serializer, not {serializer!r}.")
        if format is not None and compress is None and decompress is None:
            compress, decompress = _functions_of(format)
        elif format is not None or compress is None or decompress is None:
            raise ResultError(
                "CompressedSerializer needs either a format "
                f"({', '.join(_STANDARD_FORMATS)}), or both compress and decompress."
            )
        self._serializer = serializer
        self._compress = compress
        self._decompress = decompress
        self._compress_kwargs = dict(compress_kwargs or {})
        self._decompress_kwargs = dict(decompress_kwargs or {})

    def __repr__(self) -> str:
        return f"<CompressedSerializer: {self._compress.__module__} of {self._serializer!r}>"

    def serialize(self, value: Any) -> bytes:
        """Return the other serializer's bytes, compressed."""
        return self._compress(self._serializer.serialize(value), **self._compress_kwargs)

    def deserialize(self, value: bytes) -> Any:
        """Return what the bytes stand for, once they are decompressed."""
        try:
            data = self._decompress(value, **self._decompress_kwargs)
        except Exception as error:  # each library has errors of its own
            raise _unreadable(self, error) from error
        return self._serializer.deserialize(data)


def _functions_of(format: str) -> tuple[Callable[..., bytes], Callable[..., bytes]]:
    from importlib import import_module

    known = ", ".join(name for name in _STANDARD_FORMATS if name != format)
    try:
        module = import_module(format)
    except ImportError as error:
        raise ResultError(
            f"There is no module {format!r} to compress with; there are: {known}."
        ) from error
    try:
        return module.compress, module.decompress
    except AttributeError:
        raise ResultError(
            f"The module {format!r} has no functions compress and decompress. "
            f"Give these functions instead, or one of the formats {known}."
        ) from None


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("PandasSerializer", "pandas", "pandas") from error
    return pandas


def _aware(time: datetime.datetime) -> datetime.datetime:
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


def _unfit(serializer: Serializer, value: Any, why: object) -> SerializationError:
    return SerializationError(
        f"{type(serializer).__name__} cannot take this {type(value).__name__}: {_reason(why)}. "
        "Give the result another serializer, or the task another value."
    )


def _unreadable(serializer: Serializer, why: object) -> DeserializationError:
    return DeserializationError(
        f"{type(serializer).__name__} cannot read it: {_reason(why)}. "
        "It may have been written with another serializer."
    )


def _reason(why: object) -> str:
    text = str(why).rstrip(".")
    return f"{type(why).__name__}: {text}" if isinstance(why, Exception) else text

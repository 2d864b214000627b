"""A flow's code as bytes: a pickle with what it is known by behind it, or the text of a Python file."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from headrace.core.errors import FlowError, StorageError

if TYPE_CHECKING:
    from headrace.flow import Flow

#: What stands after a pickle, before the fingerprint. Unpickling does not read so far.
_MARK: Final = b"\nheadrace fingerprint "
#: How many bytes are behind a pickle.
MARK_LENGTH: Final = len(_MARK) + 32


def pickled(flow: Flow, mark: str) -> bytes:
    """Return a flow's pickle with its fingerprint behind it.

    Raises:
        SerializationError: If the flow cannot be pickled.
    """
    from headrace.flow_files import flow_to_bytes_pickle

    return flow_to_bytes_pickle(flow) + _MARK + mark.encode()


def mark_in(data: bytes) -> str | None:
    """Return the fingerprint behind a pickle; None if there is none."""
    end = data[-MARK_LENGTH:]
    return end[len(_MARK) :].decode("ascii", "replace") if end.startswith(_MARK) else None


def script_at(path: str | os.PathLike[str]) -> bytes:
    """Return the text of the Python file that makes a flow.

    Raises:
        StorageError: If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StorageError(
            f"The Python file {os.fspath(path)} cannot be read: {error.strerror}. Name the file that "
            "makes the flow; __file__ is the one that this is written in."
        ) from error


def file_at(path: str | os.PathLike[str], argument: str) -> bytes:
    """Return what is in a file that an argument of a storage names.

    Raises:
        StorageError: If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StorageError(
            f"The {argument} {os.fspath(path)} cannot be read: {error.strerror}. Paths count from the "
            f"current folder, {os.getcwd()}."
        ) from error


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal digits."""
    return sha256(data).hexdigest()


def slug_of(name: str) -> str:
    """Return a flow's name in small ASCII letters, digits and hyphens, at most 100; never empty."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:100].strip("-") or "flow"


def flow_in(data: bytes, flow_name: str, place: str, *, is_script: bool) -> Flow:
    """Return the flow that some bytes make. This runs their code.

    Args:
        data: The bytes.
        flow_name: The flow's name.
        place: Where they come from, for messages.
        is_script: Whether they are the text of a Python file; else they are a pickle.

    Raises:
        StorageError: If they are no pickle of this flow that can be read here.
        LoadError: If the text makes no such flow, or two.
        Exception: Whatever the code raises.
    """
    if is_script:
        from headrace.loading import choose, flows_in_code

        return choose(flows_in_code(data, place), flow_name, place)
    from headrace.flow_files import flow_from_bytes_pickle

    try:
        flow: Any = flow_from_bytes_pickle(data)
    except FlowError as error:
        raise StorageError(
            f"The flow {flow_name!r} cannot be loaded from {place}: {error} It is a pickle, which is "
            "read by the version of Python that wrote it; a storage with stored_as_script=True keeps "
            "the Python file instead."
        ) from error
    if getattr(flow, "name", None) != flow_name:
        raise StorageError(
            f"{place} holds {flow!r:.80}, and not the flow {flow_name!r}. Register the flow again."
        )
    loaded: Flow = flow
    return loaded

"""Flows in files: pickled whole, with their code."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from headrace.config import config
from headrace.config.private import make_private
from headrace.core.errors import FlowError, SerializationError

if TYPE_CHECKING:
    from headrace.core.graph import Graph

#: What the names of files of flows end with.
SUFFIX = ".headrace"


def save_flow(flow: Graph, fpath: str | os.PathLike[str] | None = None) -> str:
    """Pickle a flow to a file.

    Args:
        flow: The flow.
        fpath: The file; by default one named after the flow, in the folder `flows` of the home
            directory that is configured.

    Returns:
        The absolute path of the file.

    Raises:
        SerializationError: If something in the flow cannot be pickled.
    """
    path = _path_of_name(flow.name) if fpath is None else os.path.abspath(os.fspath(fpath))
    data = flow_to_bytes_pickle(flow)
    if fpath is None:
        make_private(os.path.dirname(path))
    write_whole(path, data)
    return path


def load_flow(fpath: str | os.PathLike[str]) -> Any:
    """Read what `save_flow` has written. Loading runs code: trust the file.

    Args:
        fpath: The path of the file, or the name of a flow that was saved without a path.

    Returns:
        The flow.

    Raises:
        FlowError: If there is no such file, or it cannot be read.
    """
    given = os.fspath(fpath)
    path = given if os.path.isfile(given) else _path_of_name(given)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError as error:
        raise FlowError(
            f"There is no flow {given!r}: neither a file of this name nor {path} exists. Save it "
            "first, with flow.save()."
        ) from error
    try:
        return flow_from_bytes_pickle(data)
    except FlowError as error:
        raise FlowError(f"The flow in {path} cannot be loaded: {error}") from error


def flow_to_bytes_pickle(flow: Graph) -> bytes:
    """Pickle a flow, with the code that cannot be imported by name.

    Raises:
        SerializationError: If something in the flow cannot be pickled.
    """
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(flow)
    except Exception as error:  # pickling runs code of every object in the flow, which raises any
        raise SerializationError(
            f"{flow!r} cannot be saved, because something in it cannot be pickled: {error}. Make "
            "such things (connections, locks, open files) inside the tasks that use them."
        ) from error
    return data


def flow_from_bytes_pickle(data: bytes) -> Any:
    """Unpickle what `flow_to_bytes_pickle` gave. This runs code: trust the bytes.

    Raises:
        FlowError: If it cannot be unpickled here.
    """
    import cloudpickle

    try:
        return cloudpickle.loads(data)
    except Exception as error:  # unpickling runs code of the pickle's author, which raises anything
        raise FlowError(
            f"{error!r}. It has to be loaded where the modules that it was built with can be "
            "imported."
        ) from error


def write_whole(path: str, data: bytes) -> None:
    """Write a file that appears whole or not at all, even if this process ends while it writes.

    Raises:
        OSError: If it cannot be written.
    """
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            file.write(data)
        os.replace(part, path)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


def _path_of_name(name: str) -> str:
    slug = re.sub(r"[^\w.-]+", "-", name.lower()).strip("-") or "flow"
    return os.path.join(os.path.expanduser(config.home_dir), "flows", slug + SUFFIX)

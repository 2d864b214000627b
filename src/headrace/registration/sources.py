"""The flows of files, folders and modules, to be registered from there."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.context import context
from headrace.core.errors import HeadraceError, LoadError, NoFlowFound
from headrace.loading import flows_in_file, flows_in_module

if TYPE_CHECKING:
    from headrace.flow import Flow


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where flows come from.

    Attributes:
        location: A file's path, or a module's name, as it was given.
        is_module: Whether it is a module.
        is_optional: Whether it may hold no flow: a file of a folder that was named whole.
    """

    location: str
    is_module: bool = False
    is_optional: bool = False


def sources_of(paths: Iterable[str] = (), modules: Iterable[str] = ()) -> list[Source]:
    """Return the files and modules that are meant.

    Args:
        paths: Files; folders, whose Python files are meant, without those of folders inside; and
            patterns such as `flows/**/*.py`.
        modules: Names of modules.

    Raises:
        LoadError: If there is no such file or folder.
    """
    found: dict[str, Source] = {}
    for path in paths:
        matches = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
        if not matches:
            raise LoadError(f"There is no file or folder {path}.")
        for match in matches:
            if not os.path.isdir(match):
                # A file that only a pattern names may be any file.
                _add(found, Source(location=match, is_optional=match != path))
                continue
            for name in sorted(os.listdir(match)):
                file = os.path.join(match, name)
                if name.endswith(".py") and os.path.isfile(file):
                    _add(found, Source(location=file, is_optional=True))
    return [*found.values(), *(Source(location=name, is_module=True) for name in modules)]


@contextmanager
def flows_of(source: Source) -> Iterator[list[Flow]]:
    """Load the flows of a file or module, each with a storage: that file or module, by default.

    What a file has imported from beside it is forgotten at the end of the block, so that the next
    file finds its own neighbours, and not those of the same name.

    Raises:
        LoadError: If there is no such file or module, or no flow in it and one has to be.
        Exception: Whatever the code raises.
    """
    path, modules = list(sys.path), set(sys.modules)
    # Storages that keep Python files elsewhere take this one, if they name none, as for Prefect 1.
    script = None if source.is_module else os.path.abspath(source.location)
    try:
        with context(local_script_path=script):
            yield _with_storages(source)
    finally:
        sys.path[:] = path
        if not source.is_module:
            _forget(os.path.dirname(os.path.abspath(source.location)), modules)


def add_together(flows: Iterable[Flow]) -> None:
    """Put the flows of a file that share a storage into it, before the first of them is registered.

    So an image that is built for them has all of them, and is built once. What goes wrong with one
    is said when that one is registered.
    """
    for flow in flows:
        if getattr(flow.storage, "is_elsewhere", False):
            with suppress(HeadraceError):
                flow.storage.add_flow(flow)


def _with_storages(source: Source) -> list[Flow]:
    from headrace.storage import Local, Module, Storage

    location = source.location
    default: Storage
    if source.is_module:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        flows, name = _of_module(location)
        default = Module(name)
    else:
        try:
            flows = flows_in_file(location)
        except NoFlowFound:
            if not source.is_optional:
                raise
            return []
        default = Local(path=os.path.abspath(location), stored_as_script=True)
    for flow in flows.values():
        if flow.storage is None:
            flow.storage = default
    return list(flows.values())


def _of_module(name: str) -> tuple[dict[str, Flow], str]:
    """Return a module's flows, and its name; a flow may be named with dots only, too."""
    try:
        return flows_in_module(name), name
    except LoadError as error:
        module, _, attribute = name.rpartition(".")
        if not isinstance(error.__cause__, ModuleNotFoundError) or ":" in name or not module:
            raise
        try:
            return flows_in_module(f"{module}:{attribute}"), f"{module}:{attribute}"
        except LoadError:
            raise error from error.__cause__


def _forget(folder: str, modules: set[str]) -> None:
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and os.path.abspath(file).startswith(folder + os.sep):
            del sys.modules[name]


def _add(found: dict[str, Source], source: Source) -> None:
    key = os.path.abspath(source.location)
    known = found.get(key)
    # Who names a file by itself means it, even if a folder or a pattern names it too.
    if known is None or (known.is_optional and not source.is_optional):
        found[key] = source

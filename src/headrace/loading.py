"""Flows from Python files and modules: their code is run, and the flows that it left are found.

While it runs, `context.loading_flow` is True: a stray `flow.run()` or `flow.register()` warns and
does nothing. The file is not `__main__`, so what stands below `if __name__ == "__main__":` is not
run either.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from headrace.core.context import context
from headrace.core.errors import FileOfFlowsNotFound, LoadError, NoFlowFound
from headrace.core.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headrace.flow import Flow


def extract_flow_from_file(
    file_path: str | os.PathLike[str] | None = None,
    file_contents: str | bytes | None = None,
    flow_name: str | None = None,
) -> Flow:
    """Run a file and return a flow that it makes.

    Args:
        file_path: The file. It finds its own path in `__file__` and, like a script, modules beside
            it; its folder stays the first place that modules are looked for in.
        file_contents: The code itself, instead of a file.
        flow_name: The flow's name; by default the first flow of the file is taken.

    Returns:
        The flow.

    Raises:
        LoadError: If neither or both of file and contents are given, the code is no Python text,
            it ends the process, or it makes no flow (of this name).
        FileOfFlowsNotFound: If there is no such file.
        Exception: Whatever the code raises.
    """
    if (file_path is None) == (file_contents is None):
        raise LoadError("Provide either file_path or file_contents, and not both.")
    if file_path is not None:
        flows, where = flows_in_file(file_path), os.fspath(file_path)
    else:
        assert file_contents is not None
        flows, where = flows_in_code(file_contents), "the code given"
    if flow_name is None:
        return next(iter(flows.values()))
    return choose(flows, flow_name, where)


def extract_flow_from_module(module_str: str, flow_name: str | None = None) -> Flow:
    """Import a module and return a flow that it makes.

    Args:
        module_str: The module's dotted name; `package.module:name` names one of its attributes,
            which may be a function that returns a flow.
        flow_name: The flow's name; needed if the module makes several flows.

    Returns:
        The flow.

    Raises:
        LoadError: If there is no such module or attribute, the module ends the process, or it
            makes no flow (of this name), or several and none was named.
        Exception: Whatever the module raises.
    """
    return choose(flows_in_module(module_str), flow_name, module_str)


def flows_in_file(path: str | os.PathLike[str], unique: bool = True) -> dict[str, Flow]:
    """Run a file and return the flows that it makes, by name; at least one.

    Args:
        path: The file.
        unique: Whether two flows of one name are an error. Else the last of them counts, as for
            Prefect 1: good enough to run it here, and not to be registered by its name.

    Errors are those of `extract_flow_from_file`.
    """
    file = os.path.abspath(os.fspath(path))
    try:
        with open(file, "rb") as stream:
            code = stream.read()
    except FileNotFoundError as error:
        raise FileOfFlowsNotFound(f"There is no file {os.fspath(path)}.") from error
    except OSError as error:
        raise LoadError(f"The file {os.fspath(path)} cannot be read: {error.strerror}.") from error
    folder = os.path.dirname(file)
    # It stays there: a task may import a module from beside its file as late as when it runs.
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    stem = os.path.splitext(os.path.basename(file))[0]
    return _flows_of(code, file, f"<{stem}>", os.fspath(path), unique)


def flows_in_code(code: str | bytes, where: str | None = None) -> dict[str, Flow]:
    """Run the text of a file and return the flows that it makes, by name; at least one.

    Args:
        code: The text.
        where: Where it is from, for messages and tracebacks.

    Errors are those of `extract_flow_from_file`.
    """
    if not isinstance(code, str | bytes):
        raise LoadError(f"The file_contents must be a string or bytes, not {code!r}.")
    if where is None:
        return _flows_of(code, None, "<flow>", "the code given")
    return _flows_of(code, None, "<flow>", where, shown=f"<{where}>")


def flows_in_module(module_str: str, unique: bool = True) -> dict[str, Flow]:
    """Import a module and return the flows that it makes, by name; at least one.

    Args:
        module_str: As for `extract_flow_from_module`.
        unique: As for `flows_in_file`.

    Errors are those of `extract_flow_from_module`.
    """
    from importlib import import_module

    name, colon, attribute = module_str.partition(":")
    if not name or (colon and not attribute):
        raise LoadError(
            f"{module_str!r} names no module; write 'package.module' or 'package.module:flow'."
        )
    with context(loading_flow=True):
        try:
            with _only_here():
                module = import_module(name)
        except SystemExit as error:
            raise _ended(module_str, error) from error
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # one that the module itself imports
            raise LoadError(
                f"There is no module {error.name!r}. Modules are looked for in the current folder "
                "and where Python's packages are."
            ) from error
        if colon:
            return _flow_at(module, attribute, module_str)
    return _named(vars(module).values(), module_str, unique)


def choose(flows: dict[str, Flow], name: str | None, where: str) -> Flow:
    """Return the flow of this name, or the only one.

    Args:
        flows: The flows, by name.
        name: The name; None for the only flow.
        where: Where they come from, for messages.

    Raises:
        LoadError: If there is none of this name, or no name and several flows.
    """
    names = ", ".join(map(repr, flows))
    if name is None:
        if len(flows) > 1:
            raise LoadError(f"There are {len(flows)} flows in {where}; name one of them: {names}.")
        return next(iter(flows.values()))
    if name not in flows:
        raise LoadError(f"There is no flow {name!r} in {where}. Flows there: {names}.")
    return flows[name]


def _flows_of(
    code: str | bytes,
    file: str | None,
    name: str,
    where: str,
    unique: bool = True,
    shown: str | None = None,
) -> dict[str, Flow]:
    try:
        # Without `dont_inherit` the file would get this one's `from __future__` imports.
        compiled = compile(code, file or shown or name, "exec", dont_inherit=True)
    except ValueError as error:
        raise LoadError(f"The contents of {where} are no Python code: {error}.") from error
    # A name that cannot be imported: what the code defines then travels to other processes whole,
    # and not as the name of a module that they do not have.
    module = ModuleType(name)
    # Code that is no file here was one where the flow was registered, and may say so to its storage:
    # `S3("flows", stored_as_script=True, local_script_path=__file__)`.
    module.__file__ = file or name
    # While it is made, a dataclass looks up the module that it stands in.
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        with context(loading_flow=True), _only_here():
            exec(compiled, module.__dict__)  # noqa: S102 - running a user's file is what this is for
    except SystemExit as error:
        raise _ended(where, error) from error
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
    return _named(module.__dict__.values(), where, unique)


@contextmanager
def _only_here() -> Iterator[None]:
    """End a process that the code has forked where the code ends, as it would as a script.

    The flow is its parent's: a copy would register it, or run it, a second time.
    """
    pid = os.getpid()
    code: Any = 0
    try:
        yield
    except BaseException as error:
        if os.getpid() == pid:
            raise
        if isinstance(error, SystemExit):
            code = 0 if error.code is None else error.code
        else:
            sys.excepthook(type(error), error, error.__traceback__)
            code = 1
    if os.getpid() != pid:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code if isinstance(code, int) else 1)


def _flow_at(module: ModuleType, attribute: str, where: str) -> dict[str, Flow]:
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise LoadError(f"There is no {part!r} in {found!r}, which {where!r} asks for.")
        found = getattr(found, part)
    if callable(found) and not isinstance(found, Graph):
        found = found()
    if not isinstance(found, Graph):
        raise LoadError(f"What {where!r} names is no flow, but {found!r}.")
    return _named([found], where)


def _named(values: Iterable[Any], where: str, unique: bool = True) -> dict[str, Flow]:
    flows: dict[str, Any] = {}
    for value in values:
        if not isinstance(value, Graph):
            continue
        before = flows.get(value.name)
        flows[value.name] = value
        if unique and before is not None and before is not value:
            raise LoadError(
                f"There are two flows named {value.name!r} in {where}, and flows are known by their "
                "names. Give one of them another name, or put it where it is not at the top level."
            )
    if not flows:
        raise NoFlowFound(
            f"There is no flow in {where}. A flow has to stand at its top level: "
            "with Flow('name') as flow: ..."
        )
    return flows


def _ended(where: str, error: SystemExit) -> LoadError:
    return LoadError(
        f"{where} ended the process while it was loaded: sys.exit({error.code!r}). Put what a script "
        "does below `if __name__ == '__main__':`."
    )

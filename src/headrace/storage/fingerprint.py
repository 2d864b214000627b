"""What a pickled flow's code is known by: a hash that is the same in each process.

The bytes of a pickle are not: they change with the order of sets and with ids that classes get. So
this hashes what the pickle is made of: tasks, their constants, and every function and class that is
pickled with its code, because no run could import it by name.
"""

from __future__ import annotations

from types import (
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from headrace.core.hashing import ContentWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.core.graph import Graph

_DIGEST_BYTES = 16
#: What Python gives every class anew.
_OF_EVERY_CLASS = ("__dict__", "__weakref__", "__module__", "_abc_impl", "__firstlineno__")
#: What a flow has besides tasks that a run looks at.
_PARTS = ("state_handlers", "terminal_state_handler", "result", "executor")


def fingerprint(flow: Graph) -> str:
    """Return a hash of a flow and of the code that its pickle holds: 32 hexadecimal digits.

    Where something in it cannot be hashed the result is a new one each time: what cannot be compared
    is never taken for unchanged.
    """
    import json
    from hashlib import blake2b

    from headrace.core.description import describe_graph

    whole = blake2b(digest_size=_DIGEST_BYTES)
    writer = _CodeWriter(whole, [])
    try:
        writer.write(json.dumps(describe_graph(flow), sort_keys=True))
        for task, slug in sorted(flow.slugs.items(), key=lambda item: item[1]):
            writer.write(slug)
            writer.write(task)
            writer.write(flow.constants.get(task))
        for part in _PARTS:
            writer.write(getattr(flow, part, None))
        digests = sorted(writer.definitions())
    except Exception:  # noqa: BLE001 - values are hashed by their own code, which may raise anything
        import os

        return os.urandom(_DIGEST_BYTES).hex()
    for digest in digests:
        whole.update(digest)
    return whole.hexdigest()


class _CodeWriter(ContentWriter):
    """Writes functions and classes that are pickled with their code, by that code.

    Where one is mentioned, its name and what it does itself is written; what it mentions in turn
    waits for `definitions`, so that each is written once however often it is mentioned.

    Args:
        stream: The hash.
        path: The ids of the containers and objects that hold what is written next.
        waiting: What was mentioned, shared by the writers of one flow: by id, the thing itself.
    """

    __slots__ = ("_waiting",)

    def __init__(self, stream: Any, path: list[int], waiting: dict[int, Any] | None = None) -> None:
        super().__init__(stream, path)
        self._waiting: dict[int, Any] = {} if waiting is None else waiting

    def part(self, stream: Any) -> _CodeWriter:
        """Return a writer to another hash, for what this one writes in parts."""
        return _CodeWriter(stream, self._path, self._waiting)

    def require_name(self, value: Any) -> None:
        """Write a class or function: by its name, or by its code if that is what travels."""
        if not _travels_with_code(value):
            super().require_name(value)
            return
        self._waiting.setdefault(id(value), value)
        self._text("mention", value.__qualname__)
        if isinstance(value, FunctionType):
            self._code(value.__code__)
            plain = [part for part in _held(value) if isinstance(part, str | int | float | bool)]
            self._sequence("plain", plain)

    def definitions(self) -> Iterator[bytes]:
        """Yield a digest for each function and class that was mentioned, and by those in turn."""
        from hashlib import blake2b

        done: set[int] = set()
        while len(done) < len(self._waiting):
            for key, thing in list(self._waiting.items()):
                if key not in done:
                    done.add(key)
                    stream = blake2b(digest_size=_DIGEST_BYTES)
                    _CodeWriter(stream, [], self._waiting).define(thing)
                    yield stream.digest()

    def define(self, thing: Any) -> None:
        """Write all that a function or class is made of."""
        self._text("define", thing.__qualname__)
        if isinstance(thing, FunctionType):
            self._code(thing.__code__)
            self.write(thing.__kwdefaults__)
            self.write(thing.__dict__)
            self._sequence("held", list(_held(thing)))
            for name in sorted(_names(thing.__code__)):
                if name in thing.__globals__:
                    self.write(name)
                    self.write(thing.__globals__[name])
            return
        self._sequence("bases", list(thing.__bases__))
        self._unordered(
            "members",
            [
                (name, _plain_member(member))
                for name, member in vars(thing).items()
                if name not in _OF_EVERY_CLASS
                and not isinstance(member, GetSetDescriptorType | MemberDescriptorType)
            ],
        )

    def _composed(self, kind: type, value: Any) -> None:
        if kind is ModuleType:
            self._text("module", value.__name__)
        elif kind is CodeType:
            self._code(value)
        elif kind is MethodType:
            self._sequence("method", [value.__func__, value.__self__])
        else:
            super()._composed(kind, value)

    def _code(self, code: CodeType) -> None:
        self._bytes("code", code.co_code)
        self._sequence("names", [*code.co_names, *code.co_varnames, *code.co_freevars])
        self._text("flags", f"{code.co_flags} {code.co_argcount} {code.co_kwonlyargcount}")
        self._sequence("constants", list(code.co_consts))


def _travels_with_code(value: Any) -> bool:
    """Tell whether a function or class cannot be imported by name elsewhere, as cloudpickle does."""
    import sys

    module = getattr(value, "__module__", None)
    if module is None or module == "__main__" or module.startswith("<"):
        return True
    found: Any = sys.modules.get(module)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is not value


def _held(function: FunctionType) -> Iterator[Any]:
    """Yield a function's defaults and the contents of its closure."""
    yield from function.__defaults__ or ()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is still empty
            yield None


def _names(code: CodeType) -> set[str]:
    """Return the global names that code, and code inside it, may ask for."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _plain_member(member: Any) -> Any:
    """Return what a class's member is made of, where it cannot be pickled itself."""
    if isinstance(member, staticmethod | classmethod):
        return [type(member).__name__, member.__func__]
    if isinstance(member, property):
        return ["property", member.fget, member.fset, member.fdel]
    return member

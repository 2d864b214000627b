"""What a process has to do before it unpickles the tasks that it is sent.

What a task refers to travels by name where its module can be imported, and some modules can only be
imported once something is done: those of Prefect 1's flows once `prefect` is Headrace. So what has
to be done travels in front of the tasks, to any process, whichever executor sends it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: By name: what has been done in this process, and is to be done in those that it sends tasks to.
_calls: dict[str, Callable[[], object]] = {}


def prepare_with(name: str, call: Callable[[], object]) -> None:
    """Have a call made, once, in each process that tasks are sent to from this one.

    Args:
        name: Names the call; a later one of the same name takes its place. It is the name of a
            module, which has the call as `install`.
        call: Picklable by reference. What it raises, unpickling raises.
    """
    _calls[name] = call


class Preparation:
    """Stands in front of what is pickled: when it is unpickled, the calls are made.

    Pickle restores the parts of a tuple in their order, so all that comes after it can rely on them.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _prepare, (_calls,)


def _prepare(calls: Mapping[str, Callable[[], object]]) -> Preparation:
    for name, call in calls.items():
        if name not in _calls:
            call()
            _calls[name] = call
    return Preparation()


def preparation() -> Preparation | None:
    """Return what to put in front of what is sent to another process; None if nothing is needed."""
    return Preparation() if _calls else None


def prepared() -> list[str]:
    """Return the names of what has been done in this process, for `prepare_as` in another."""
    return sorted(_calls)


def prepare_as(names: Iterable[str]) -> None:
    """Do what another process had done, known by name: each is a module with a function `install`.

    Raises:
        ImportError: If there is no such module.
        Exception: Whatever its `install` raises.
    """
    from importlib import import_module

    for name in names:
        if name not in _calls:
            import_module(name).install()

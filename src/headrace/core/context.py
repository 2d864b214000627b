"""The run's context: what a task can ask about the run that it is part of.

The engine sets a frozen `FlowRunContext`, and on top of it a frozen `TaskRunContext` for each task
run, in a `ContextVar`. `context` reads whatever is on top, by attribute or by item. Writing never
changes these: it puts an `Overlay` on top, which goes when the task ends (or the `with` block).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.core.dates import shown
from headrace.core.now import now

if TYPE_CHECKING:
    from headrace.core.task import Task

_MISSING: Any = object()


class Scope:
    """One layer of the context. Names that it does not know are looked up in its parent.

    Attributes:
        parent: The layer below; None for the lowest.
    """

    __slots__ = ("parent",)

    parent: Scope | None

    def own(self, name: str) -> Any:
        """Return this layer's value for `name`, or `_MISSING`."""
        raise KeyError(name)  # each layer has its own

    def own_names(self) -> Iterator[str]:
        """Yield the names that this layer knows."""
        return iter(())

    def find(self, name: str) -> Any:
        """Return the topmost value for `name`, or `_MISSING`."""
        scope: Scope | None = self
        while scope is not None:
            value = scope.own(name)
            if value is not _MISSING:
                return value
            scope = scope.parent
        return _MISSING

    def names(self) -> dict[str, None]:
        """Return all names that have a value, lowest layer first."""
        layers: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            layers.append(scope)
            scope = scope.parent
        found: dict[str, None] = {}
        for layer in reversed(layers):
            found.update(dict.fromkeys(layer.own_names()))
        return {name: None for name in found if self.find(name) is not _REMOVED}


_REMOVED: Any = object()


class Overlay(Scope):
    """A layer of values that a user has set.

    Args:
        parent: The layer below.
        values: The values; `_REMOVED` hides a name.
    """

    __slots__ = ("values",)

    def __init__(self, parent: Scope | None, values: dict[str, Any]) -> None:
        self.parent = parent
        self.values = values

    def own(self, name: str) -> Any:
        """Return what was set for `name`, or `_MISSING`."""
        return self.values.get(name, _MISSING)

    def own_names(self) -> Iterator[str]:
        """Yield the names that were set."""
        return iter(self.values)


class _Ground(Scope):
    """The lowest layer: what is known outside of any run.

    Layers above `core` add to it with `provide`, as `config` does for `context.config`, and with
    `provide_rest`.
    """

    __slots__ = ("providers", "rest")

    def __init__(self) -> None:
        self.parent = None
        self.providers: dict[str, Callable[[], Any]] = {}
        self.rest: Callable[[], Mapping[str, Any]] = dict

    def own(self, name: str) -> Any:
        provider = self.providers.get(name)
        return self.rest().get(name, _MISSING) if provider is None else provider()

    def own_names(self) -> Iterator[str]:
        return iter({**self.providers, **self.rest()})


_ground = _Ground()
_caches: dict[str, list[Any]] = {}
_ground.providers["caches"] = lambda: _caches


def provide(name: str, provider: Callable[[], Any]) -> None:
    """Make `context.<name>` call `provider` wherever no run says otherwise."""
    _ground.providers[name] = provider


def provide_rest(source: Callable[[], Mapping[str, Any]]) -> None:
    """Look up names that nothing else provides in what `source` returns."""
    _ground.rest = source


def _dated(run: FlowRunContext, days: int, pattern: str) -> str:
    return (run.date + datetime.timedelta(days=days)).strftime(pattern)


class FlowRunContext(Scope):
    """What is known of a flow run. Frozen: nothing changes it once the run has begun.

    Args:
        flow_name: The flow's name.
        flow_id: The flow's id; its name when it is not registered.
        flow_run_id: The flow run's id.
        flow_run_name: The flow run's name.
        parameters: The flow run's parameters, defaults filled in.
        scheduled_start_time: When the run was to start.
        date: When it did start; the `today` family derives from it.
        checkpointing: Whether results are written where the tasks or the flow say.
        running_with_backend: Whether the run is tracked by a server.
        attempt: Which attempt at the run this is, from 1.
        extras: A user's own keys.
        parent: The layer below.
    """

    __slots__ = (
        "attempt",
        "checkpointing",
        "date",
        "extras",
        "flow_id",
        "flow_name",
        "flow_run_id",
        "flow_run_name",
        "parameters",
        "running_with_backend",
        "scheduled_start_time",
    )

    def __init__(
        self,
        flow_name: str,
        flow_run_id: str,
        flow_run_name: str,
        parameters: Mapping[str, Any],
        flow_id: str | None = None,
        scheduled_start_time: datetime.datetime | None = None,
        date: datetime.datetime | None = None,
        checkpointing: bool = False,
        running_with_backend: bool = False,
        attempt: int = 1,
        extras: Mapping[str, Any] | None = None,
        parent: Scope | None = None,
    ) -> None:
        self.parent = parent if parent is not None else _ground
        self.flow_name = flow_name
        self.flow_id = flow_id or flow_name
        self.flow_run_id = flow_run_id
        self.flow_run_name = flow_run_name
        self.parameters = parameters
        self.date = shown(date or now())
        start = scheduled_start_time
        self.scheduled_start_time = self.date if start is None else shown(start)
        self.checkpointing = checkpointing
        self.running_with_backend = running_with_backend
        self.attempt = attempt
        self.extras: Mapping[str, Any] = extras or {}

    _derived: ClassVar[dict[str, Callable[[FlowRunContext], Any]]] = {
        "today": lambda run: _dated(run, 0, "%Y-%m-%d"),
        "yesterday": lambda run: _dated(run, -1, "%Y-%m-%d"),
        "tomorrow": lambda run: _dated(run, 1, "%Y-%m-%d"),
        "today_nodash": lambda run: _dated(run, 0, "%Y%m%d"),
        "yesterday_nodash": lambda run: _dated(run, -1, "%Y%m%d"),
        "tomorrow_nodash": lambda run: _dated(run, 1, "%Y%m%d"),
        "flow_run_version": lambda run: run.attempt,
    }
    _fields: ClassVar[frozenset[str]] = frozenset(__slots__) - {"extras"}

    def own(self, name: str) -> Any:
        """Return what the flow run has for `name`, or `_MISSING`."""
        if name in self._fields:
            return getattr(self, name)
        if name in self.extras:
            return self.extras[name]  # a user may well say what `today` is
        derive = self._derived.get(name)
        return _MISSING if derive is None else derive(self)

    def own_names(self) -> Iterator[str]:
        """Yield the names of the fields, of what derives from them, and of the user's keys."""
        yield from sorted(self._fields)
        yield from self._derived
        yield from self.extras

    def __reduce__(self) -> tuple[Any, ...]:
        # What is below stays where it is: another process has its own ground.
        return FlowRunContext, (
            self.flow_name,
            self.flow_run_id,
            self.flow_run_name,
            self.parameters,
            self.flow_id,
            self.scheduled_start_time,
            self.date,
            self.checkpointing,
            self.running_with_backend,
            self.attempt,
            self.extras,
        )


class TaskRunContext(Scope):
    """What is known of one task run. Frozen: a retry or a turn of a loop gets another.

    Args:
        parent: The flow run's context.
        task: The task.
        task_slug: The task's slug in its flow.
        map_index: Which child of a mapped task this is; None if the task is not mapped.
        task_run_count: Which run of the task this is, from 1.
        task_run_id: The task run's id.
        resume: Whether a person let the task go on.
        task_loop_count: Which turn of a loop this is, from 1; None outside a loop.
        task_loop_result: What the turn before gave to `LOOP`.
    """

    __slots__ = (
        "_task_run_id",
        "map_index",
        "resume",
        "task",
        "task_loop_count",
        "task_loop_result",
        "task_run_count",
        "task_run_name",
        "task_slug",
    )

    def __init__(
        self,
        parent: Scope | None,
        task: Task[Any],
        task_slug: str,
        map_index: int | None,
        task_run_count: int,
        task_run_id: str | None = None,
        resume: bool = False,
        task_loop_count: int | None = None,
        task_loop_result: Any = None,
        task_run_name: str | None = None,
    ) -> None:
        self.parent = parent
        self.task = task
        self.task_slug = task_slug
        self.map_index = map_index
        self.task_run_count = task_run_count
        self._task_run_id = task_run_id
        self.resume = resume
        self.task_loop_count = task_loop_count
        self.task_loop_result = task_loop_result
        self.task_run_name = task_run_name

    @property
    def task_full_name(self) -> str:
        """The task's name, with the map index in brackets if it is mapped."""
        index = self.map_index
        return self.task.name if index is None else f"{self.task.name}[{index}]"

    @property
    def task_run_id(self) -> str:
        """The task run's id: derived from the flow run's, the slug and the map index."""
        if self._task_run_id is None:
            run = self.find("flow_run_id")
            index = "" if self.map_index is None else f"[{self.map_index}]"
            self._task_run_id = f"{run if run is not _MISSING else ''}/{self.task_slug}{index}"
        return self._task_run_id

    _derived: ClassVar[dict[str, Callable[[TaskRunContext], Any]]] = {
        "task": lambda run: run.task,
        "task_slug": lambda run: run.task_slug,
        "task_id": lambda run: run.task_slug,
        "task_name": lambda run: run.task.name,
        "task_full_name": lambda run: run.task_full_name,
        "task_tags": lambda run: run.task.tags,
        "task_run_id": lambda run: run.task_run_id,
        "task_run_name": lambda run: run.task_run_name or run.task_full_name,
        "task_run_version": lambda run: run.task_run_count,
        "task_run_count": lambda run: run.task_run_count,
        "map_index": lambda run: run.map_index,
        "resume": lambda run: run.resume,
        "logger": lambda run: run.task.logger,
        "task_loop_count": lambda run: (
            _MISSING if run.task_loop_count is None else run.task_loop_count
        ),
        "task_loop_result": lambda run: (
            _MISSING if run.task_loop_count is None else run.task_loop_result
        ),
        "idempotency_key": lambda run: run.task_run_id,
    }

    def own(self, name: str) -> Any:
        """Return what the task run has for `name`, or `_MISSING`."""
        derive = self._derived.get(name)
        return _MISSING if derive is None else derive(self)

    def own_names(self) -> Iterator[str]:
        """Yield the names that have a value in this task run."""
        return (name for name in self._derived if self.own(name) is not _MISSING)


RunContext = FlowRunContext | TaskRunContext

#: The topmost layer. The engine sets and resets it around each run; nobody else needs it.
current: ContextVar[Scope] = ContextVar("headrace_context", default=_ground)


class Context(MutableMapping[str, Any]):
    """Reads the current run's context, by attribute and by item.

    `with context(key=value):` sets keys for a block. Setting a key puts a copy-on-write layer on
    top that ends with the task. A key that is not there raises `AttributeError` or `KeyError`;
    `context.get(key)` gives None.
    """

    __slots__ = ()

    def __call__(self, *args: Mapping[str, Any], **kwargs: Any) -> Any:
        """Set keys for a `with` block."""
        values: dict[str, Any] = {}
        for mapping in args:
            values.update(mapping)
        values.update(kwargs)
        return _overlaid(values)

    def __getattr__(self, name: str) -> Any:
        value = current.get().find(name)
        if value is _MISSING or value is _REMOVED:
            raise AttributeError(
                f"The context has no {name!r} here; what it has: {', '.join(sorted(self))}."
            )
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __getitem__(self, name: str) -> Any:
        value = current.get().find(name)
        if value is _MISSING or value is _REMOVED:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        self[name]  # a name that is not there is an error
        self.update({name: _REMOVED})

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set keys until the task ends."""
        top = current.get()
        current.set(Overlay(top, dict(*args, **kwargs)))

    def __iter__(self) -> Iterator[str]:
        return iter(current.get().names())

    def __len__(self) -> int:
        return len(current.get().names())

    def __contains__(self, name: object) -> bool:
        value = current.get().find(str(name))
        return value is not _MISSING and value is not _REMOVED

    def __repr__(self) -> str:
        return f"<Context: {', '.join(sorted(self))}>"

    def to_dict(self) -> dict[str, Any]:
        """Return all keys and values that stand now."""
        return {name: self[name] for name in self}

    copy = to_dict


@contextmanager
def _overlaid(values: dict[str, Any]) -> Iterator[Context]:
    token = current.set(Overlay(current.get(), values))
    try:
        yield context
    finally:
        current.reset(token)


context = Context()

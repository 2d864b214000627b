"""`config`: the settings of this process, read when they are first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any

from headrace.config.container import Config
from headrace.config.keys import KEYS, SECTIONS, is_private
from headrace.config.reading import Source, checked, checked_all, in_the, read_sources
from headrace.config.sources import Path, flat
from headrace.core.errors import ConfigError

if TYPE_CHECKING:
    from headrace.config.sections import (
        AgentsSection,
        CloudSection,
        ContextSection,
        FlowsSection,
        LoggingSection,
        RunsSection,
        TasksSection,
    )

#: A leaf's path, its value and where it came from, to put back; no value: there was none.
Before = tuple[Path, Any, str | None]

_MISSING = object()


class Section(Config):
    """A part of the settings, which checks what is written into it."""

    __slots__ = ("_path", "_root")

    _path: Path
    _root: Settings

    def __init__(self, root: Settings, path: Path) -> None:
        super().__init__()
        object.__setattr__(self, "_root", root)
        object.__setattr__(self, "_path", path)

    def __setitem__(self, key: str, value: Any) -> None:
        for path, leaf in flat({key: value}, self._path):
            self._root._assign(path, leaf, "set in code")

    def __delitem__(self, key: str) -> None:
        self._root._remove((*self._path, key))

    def _not_found(self, name: str) -> str:
        from headrace.config.spelling import suggestion

        path = ".".join((*self._path, name))
        return f"There is no setting {path!r}.{suggestion(path)}"


class Settings(Section):
    """All settings of this process: see `headrace.config.keys` for what there is.

    The first access reads them, each source over the one before: defaults, the file
    `config.toml` in the home directory, the environment. After that they may be set in code, and
    every part of Headrace sees the new value at once, in every thread of this process.
    """

    __slots__ = ("_further", "_listeners", "_lock", "_sources")

    _further: list[Source]
    _listeners: list[Callable[[str], None]]
    _sources: dict[str, str]

    if TYPE_CHECKING:
        home_dir: str
        api_url: str
        api_key: str
        backend: str
        agents: AgentsSection
        cloud: CloudSection
        context: ContextSection
        flows: FlowsSection
        logging: LoggingSection
        runs: RunsSection
        tasks: TasksSection

    def __init__(self) -> None:
        # `_items` stays unset: the first access finds it missing, and `__getattr__` reads it.
        for name, value in (
            ("_root", self),
            ("_path", ()),
            ("_further", []),
            ("_listeners", []),
            ("_lock", RLock()),
            ("_sources", {}),
        ):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name != "_items":
            return super().__getattr__(name)
        with self._lock:
            try:
                # Another thread may have read the settings while this one waited for the lock.
                return object.__getattribute__(self, "_items")
            except AttributeError:
                self.reload()
                return object.__getattribute__(self, "_items")

    def __reduce__(self) -> str:  # type: ignore[override]
        # Another process has settings of its own, so this object travels by name.
        return "config"

    def reload(self) -> None:
        """Read the file and the environment again, and forget what was set in code.

        Raises:
            ConfigError: If the file is not TOML, or either holds a value of a wrong type.
        """
        with self._lock:
            found, unknown = read_sources(os.environ, self._further)
            items: dict[str, Any] = {}
            for name in sorted(SECTIONS):
                self._section(items, tuple(name.split(".")), "")
            for path, (value, source) in found.items():
                self._put(items, path, value, source)
            sources = {".".join(path): source for path, (_, source) in found.items()}
            object.__setattr__(self, "_sources", sources)
            object.__setattr__(self, "_items", items)
        self._tell("")
        if unknown:
            from headrace.config.spelling import warn_of_misspellings

            warn_of_misspellings(unknown)

    def describe(self) -> list[tuple[str, Any, str]]:
        """List every setting as its dotted name, its value and where that came from.

        Secrets and keys are shown as asterisks.
        """
        return [
            (name, "********" if is_private(name) else value, self._sources.get(name, "default"))
            for name, value in sorted((".".join(path), value) for path, value in flat(self))
            if not isinstance(value, Config)
        ]

    def add_source(self, source: Source) -> None:
        """Read settings from one more place. All others but the defaults go before it.

        What it names and Headrace does not know is kept, without a warning. What has been set in
        code stays; a source that has been added already changes nothing.

        Raises:
            ConfigError: If it holds a value of a wrong type.
        """
        with self._lock:
            if source in self._further:
                return
            known = dict(self._sources)  # nothing, before the settings are read for the first time
            for path, value, where in checked_all(source(os.environ)) if known else ():
                if known.get(".".join(path), "default") == "default":
                    self._put(self._items, path, value, where)
                    self._sources[".".join(path)] = where
            self._further.append(source)
        self._tell("")

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the dotted name of each setting that changes ("" for all)."""
        self._listeners.append(listener)

    def _assign(self, path: Path, value: Any, source: str) -> Before:
        """Check a value and store it; return what `_restore` needs to undo that."""
        value = checked(path, value, "", text=False)
        with self._lock:
            before = self._before(path)
            self._put(self._items, path, value, "")
            self._sources[".".join(path)] = source
        self._tell(".".join(path))
        return before

    def _restore(self, before: Before) -> None:
        path, value, source = before
        name = ".".join(path)
        with self._lock:
            if value is _MISSING:
                self._remove(path)
                return
            self._put(self._items, path, value, "")
            self._sources.pop(name, None)
            if source is not None:
                self._sources[name] = source
        self._tell(name)

    def _remove(self, path: Path) -> None:
        name = ".".join(path)
        if name in KEYS or name in SECTIONS:
            raise ConfigError(f"{name} is one of Headrace's own settings and always has a value.")
        with self._lock:
            parent: Any = self
            for key in path[:-1]:
                parent = parent[key]
            del parent._items[path[-1]]
            for known in [n for n in self._sources if n == name or n.startswith(f"{name}.")]:
                del self._sources[known]
        self._tell(name)

    def _before(self, path: Path) -> Before:
        node: Any = self
        for depth, key in enumerate(path, start=1):
            if not isinstance(node, Config) or key not in node:
                return path[:depth], _MISSING, None
            node = node[key]
        return path, node, self._sources.get(".".join(path))

    def _put(self, items: dict[str, Any], path: Path, value: Any, where: str) -> None:
        siblings = self._section(items, path[:-1], where)
        if isinstance(value, Mapping):
            if not value:
                self._section(items, path, where)
            return
        if isinstance(siblings.get(path[-1]), Section):
            raise ConfigError(
                f"{in_the(where)}{'.'.join(path)} is a section of settings, "
                f"so it cannot be {value!r} ({type(value).__name__})."
            )
        siblings[path[-1]] = value

    def _section(self, items: dict[str, Any], path: Path, where: str) -> dict[str, Any]:
        """Return the items of the section at `path`, made if it is missing."""
        for depth, key in enumerate(path, start=1):
            child = items.setdefault(key, None)
            if child is None:
                child = items[key] = Section(self, path[:depth])
            elif not isinstance(child, Section):
                name = ".".join(path[:depth])
                must = f"must be {KEYS[name].kind.expects}" if name in KEYS else "is a value"
                raise ConfigError(f"{in_the(where)}{name} {must}, so it cannot be a section.")
            items = child._items
        return items

    def _tell(self, name: str) -> None:
        for listener in self._listeners:
            listener(name)


#: The settings of this process.
config = Settings()

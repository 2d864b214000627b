"""`Config`: nested settings, read as attributes or as items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from headrace.core.errors import ConfigError, SettingNotFound


class Config(MutableMapping[str, Any]):
    """A mapping whose keys are also attributes; mappings inside it become `Config`s too.

    `config.flows.checkpointing` and `config["flows"]["checkpointing"]` are the same. A key that
    is named like a method (`items`, `get`, ...) can be reached as an item only.

    Args:
        init: The first keys and values.
        **kwargs: More keys and values.
    """

    __slots__ = ("_items",)

    _items: dict[str, Any]

    def __init__(self, init: Mapping[str, Any] | None = None, /, **kwargs: Any) -> None:
        object.__setattr__(self, "_items", {})
        if init is not None:
            self.update(init)
        if kwargs:
            self.update(kwargs)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._items[key] = Config(value) if isinstance(value, Mapping) else value

    def __delitem__(self, key: str) -> None:
        del self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise SettingNotFound(self._not_found(name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._check_attribute(name)
        self[name] = value

    def __delattr__(self, name: str) -> None:
        self._check_attribute(name)
        try:
            del self[name]
        except KeyError:
            raise SettingNotFound(self._not_found(name)) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(map(repr, self)) or 'empty'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Config, (self.to_dict(),)

    def copy(self) -> Config:
        """Return a `Config` with the same values, whose sections can be changed apart."""
        return Config(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain nested dicts."""
        return {
            key: value.to_dict() if isinstance(value, Config) else value
            for key, value in self.items()
        }

    def _check_attribute(self, name: str) -> None:
        if hasattr(type(self), name) or name.startswith("_"):
            raise ConfigError(
                f"{name!r} cannot be set as an attribute, because it is part of what a "
                f"Config is; write config[{name!r}] instead."
            )

    def _not_found(self, name: str) -> str:
        return f"There is no {name!r} here, only: {', '.join(map(repr, self)) or 'nothing'}."

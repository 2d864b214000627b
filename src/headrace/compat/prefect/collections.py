"""The helpers for dicts that Prefect 1 had, for the flows that use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from headrace.config import config
from headrace.core.context import Context as RunContext


class DotDict(MutableMapping[str, Any]):
    """A dict whose keys are also attributes.

    Args:
        init_dict: The first keys and values.
        **kwargs: More of them.
    """

    def __init__(self, init_dict: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        self.__dict__.update(init_dict or {})
        self.__dict__.update(kwargs)

    def __getitem__(self, key: str) -> Any:
        return self.__dict__[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.__dict__[key] = value

    def __delitem__(self, key: str) -> None:
        del self.__dict__[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def __getattr__(self, name: str) -> Any:
        # Only what is not there gets here: attributes are the items themselves.
        raise AttributeError(f"There is no {name!r} here, only: {', '.join(map(repr, self))}.")

    def __repr__(self) -> str:
        keys = ", ".join(sorted(map(repr, self)))
        return f"<{type(self).__name__}: {keys}>" if keys else f"<{type(self).__name__}>"

    def copy(self) -> DotDict:
        """Return one with the same values."""
        return type(self)(self.__dict__)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as a plain dict, those inside it too."""
        plain: dict[str, Any] = as_nested_dict(self, dct_class=dict)
        return plain


class Context(DotDict):
    """What `prefect.context` is an instance of; one that is made by hand is a `DotDict`.

    Args:
        *args: Mappings of the first keys and values, over those that the settings give.
        **kwargs: More of them.
    """

    def __init__(self, *args: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__({**config.context, "config": config}, **dict(*args, **kwargs))


Context.register(RunContext)


class CompoundKey(tuple[Any, ...]):
    """The chain of keys that leads to a value inside nested dicts."""

    __slots__ = ()


def flatten_seq(seq: Iterable[Any]) -> Iterator[Any]:
    """Yield what is in a sequence, and in those inside it; strings and bytes stay whole."""
    for item in seq:
        if isinstance(item, Iterable) and not isinstance(item, str | bytes):
            yield from flatten_seq(item)
        else:
            yield item


def merge_dicts(d1: Any, d2: Mapping[str, Any]) -> Any:
    """Return a copy of `d1` with what is in `d2` laid over it; mappings in both are merged too."""
    merged = d1.copy()
    for key, value in d2.items():
        before = merged.get(key)
        both = isinstance(before, MutableMapping) and isinstance(value, MutableMapping)
        merged[key] = merge_dicts(before, value) if both else value
    return merged


def as_nested_dict(obj: Any, dct_class: type[Any] = DotDict) -> Any:
    """Return `obj` with each dict in it, itself included, as a `dct_class`."""
    if isinstance(obj, list | tuple | set):
        return type(obj)([as_nested_dict(item, dct_class) for item in obj])
    if isinstance(obj, dict | DotDict):
        # A DotDict may have keys that are named like its methods.
        items = obj.__dict__ if isinstance(obj, DotDict) else obj
        return dct_class({key: as_nested_dict(value, dct_class) for key, value in items.items()})
    return obj


def dict_to_flatdict(
    dct: Mapping[str, Any], parent: CompoundKey | None = None
) -> dict[CompoundKey, Any]:
    """Return nested dicts as one, whose keys are the chains of keys that lead to each value."""
    flat: dict[CompoundKey, Any] = {}
    for key, value in dct.items():
        path = CompoundKey((*(parent or ()), key))
        if isinstance(value, dict):
            flat.update(dict_to_flatdict(value, path))
        else:
            flat[path] = value
    return flat


def flatdict_to_dict(dct: Mapping[Any, Any], dct_class: type[Any] | None = None) -> Any:
    """Return nested dicts made of one whose keys are chains of keys; other keys stay."""
    kind = dct_class or dict
    nested = kind()
    for key, value in dct.items():
        if not isinstance(key, CompoundKey):
            nested[key] = value
            continue
        inner = nested
        for part in key[:-1]:
            inner = inner.setdefault(part, kind())
        inner[key[-1]] = value
    return nested

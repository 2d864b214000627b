"""The mark for "no default was given", where None is a default like any other."""

from __future__ import annotations

from typing import Final


class NoDefault:
    """The type of `NO_DEFAULT`, of which there is one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<no default>"

    def __reduce__(self) -> str:
        # Pickled by name, so that the mark is one object in every process.
        return "NO_DEFAULT"


NO_DEFAULT: Final = NoDefault()

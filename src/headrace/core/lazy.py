"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def lazy_names(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a package that imports names late.

    Type checkers read the real imports instead, and so complain of names that are not there; hence
    the `else`.

    Args:
        package: The package's name, its `__name__`.
        homes: By the dotted name of each module, the names that come from it.

    Example:
        ```python
        if TYPE_CHECKING:
            from headrace.tasks.shell import ShellTask
        else:
            __getattr__, __dir__ = lazy_names(__name__, {"headrace.tasks.shell": ["ShellTask"]})
        ```
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def get(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)  # so that it is not asked for again
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return get, names

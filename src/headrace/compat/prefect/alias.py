"""The modules named `prefect...`: made when they are imported, filled when they are asked."""

from __future__ import annotations

from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from headrace.compat.prefect.remedies import missing_name, no_module
from headrace.compat.prefect.table import MODULES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class AliasModule(ModuleType):
    """A module whose names are Headrace's objects, each looked up when it is first asked for.

    Args:
        name: The module's dotted name.
        restore: Returns the module of a name in a process that may not have the alias yet.
    """

    def __init__(self, name: str, restore: Callable[[str], ModuleType]) -> None:
        super().__init__(name, f"The part of Headrace that stands where Prefect 1 had {name}.")
        # With a path a module is a package: what it lacks is then asked of the finder, whose error
        # tells the way out; Python's own, "cannot import name", would not.
        self.__path__: list[str] = []
        self.__all__ = sorted(MODULES[name])
        self.__restore = restore
        if name == "prefect":
            self.__version__ = VERSION

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name in MODULES[self.__name__]:
            source, original = MODULES[self.__name__][name]
            value = getattr(import_module(source), original)
            self.__dict__[name] = value
            return value
        path = f"{self.__name__}.{name}"
        if path in MODULES:
            return import_module(path)
        raise missing_name(path)

    def __setattr__(self, name: str, value: Any) -> None:
        # Python binds a submodule to its parent once it is imported. Where both a name and a
        # submodule are called the same (`control_flow.case`), the name is what the parent gives.
        if isinstance(value, AliasModule) and name in MODULES[self.__name__]:
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        start = f"{self.__name__}."
        parts = {path[len(start) :].partition(".")[0] for path in MODULES if path.startswith(start)}
        return sorted({*super().__dir__(), *MODULES[self.__name__], *parts})

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # A function that names `prefect` may travel to a process that has no alias yet.
        return self.__restore, (self.__name__,)


class AliasFinder(MetaPathFinder, Loader):
    """Finds the modules of the table, and says of all others below `prefect` what to do instead.

    Args:
        restore: As for `AliasModule`.
        check: Called before a module is found; raises an error if it must not be.
    """

    def __init__(self, restore: Callable[[str], ModuleType], check: Callable[[], None]) -> None:
        self.restore = restore
        self.check = check

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module is made.

        Raises:
            PrefectInstalledError: If a package named `prefect` is installed, and not to be hidden.
            NotOfferedError: If Headrace does not offer the module.
        """
        if fullname != "prefect" and not fullname.startswith("prefect."):
            return None
        self.check()
        if fullname not in MODULES:
            raise no_module(fullname)
        return ModuleSpec(fullname, self, origin="headrace", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the module."""
        return AliasModule(spec.name, self.restore)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module's names are looked up when they are asked for."""

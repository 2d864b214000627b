"""`install`: puts Headrace where Prefect 1 is expected."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec, NamespaceLoader
from types import ModuleType
from typing import Any

from headrace.compat.prefect.alias import AliasFinder, AliasModule
from headrace.core.errors import PrefectInstalledError
from headrace.core.preparation import prepare_with

#: "replace" in this environment variable lets the alias win.
_VARIABLE = "HEADRACE_PREFECT1"
_replaces = False


def install(replace: bool = False) -> None:
    """Make `import prefect` and the dotted paths of Prefect 1.4 resolve to Headrace's objects.

    From then on, in this process and in those that its flow runs send tasks to: settings of
    Prefect 1 are read below Headrace's own (see `settings`), dates have pendulum's methods (see
    `dates`), and the start and end of each task run are logged. Calling it again changes nothing
    more.

    Args:
        replace: Whether the alias wins over a package named `prefect` that is installed.

    Raises:
        PrefectInstalledError: If such a package is installed or imported and is not to be replaced.
    """
    global _replaces
    _replaces = replace or _replaces or os.environ.get(_VARIABLE) == "replace"
    if not _replaces:
        _check_nothing_installed()
    _remove_imported(_replaces)
    _put_first(_finder)
    _finder.check = _allow
    prepare_with(__name__, partial(install, _replaces))
    from headrace.compat.prefect.dates import show_pendulums
    from headrace.compat.prefect.logs import log_as_prefect
    from headrace.compat.prefect.settings import read_settings_of_prefect

    read_settings_of_prefect()
    show_pendulums()
    log_as_prefect()


def install_on_import() -> None:
    """Install; where that is an error, let it be raised by `import prefect`.

    So a package named `prefect` keeps nobody from calling `install(replace=True)`.

    Raises:
        PrefectInstalledError: If such a package has been imported already.
    """
    try:
        install()
    except PrefectInstalledError:
        if _imported() is not None:
            raise
        _put_first(_finder)


def restore(name: str) -> ModuleType:
    """Return the alias module of this name in this process: how one is unpickled.

    Raises:
        PrefectInstalledError: As for `install`.
    """
    install()
    return import_module(name)


def _allow() -> None:
    """Let modules be found: the alias is installed."""


def _check_nothing_installed() -> None:
    """Make sure that no package named `prefect` is installed or imported.

    Raises:
        PrefectInstalledError: If one is.
    """
    imported = _imported()
    if imported is not None:
        raise PrefectInstalledError(_where(imported.__spec__), imported=True)
    spec = _find_installed()
    if spec is not None:
        raise PrefectInstalledError(_where(spec), imported=False)


_finder = AliasFinder(restore, _check_nothing_installed)


def _put_first(finder: Any) -> None:
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)


def _imported() -> ModuleType | None:
    """Return the module `prefect` that has been imported, unless it is the alias."""
    module = sys.modules.get("prefect")
    return None if module is None or isinstance(module, AliasModule) else module


def _remove_imported(replace: bool) -> None:
    if replace and _imported() is not None:
        for name in [n for n in sys.modules if n == "prefect" or n.startswith("prefect.")]:
            del sys.modules[name]


def _find_installed() -> ModuleSpec | None:
    """Return where a package named `prefect` would be imported from, if there is one."""
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if finder is _finder or find_spec is None:
            continue
        spec: ModuleSpec | None = find_spec("prefect", None)
        # A folder without an `__init__.py`, full of flow files maybe, is no package.
        if spec is not None and not isinstance(spec.loader, NamespaceLoader | None):
            return spec
    return None


def _where(spec: ModuleSpec | None) -> str:
    return "an unknown place" if spec is None or spec.origin is None else spec.origin

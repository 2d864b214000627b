"""Storages from their descriptions, and the one that a flow gets that names none."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from headrace.config import config
from headrace.core.errors import StorageError
from headrace.storage.base import Storage

#: The kinds that are there, by name, and where each is.
KINDS: Final = {
    "Azure": "headrace.storage.azure",
    "Bitbucket": "headrace.storage.bitbucket",
    "CodeCommit": "headrace.storage.codecommit",
    "Docker": "headrace.storage.docker",
    "GCS": "headrace.storage.gcs",
    "Git": "headrace.storage.git",
    "GitHub": "headrace.storage.github",
    "GitLab": "headrace.storage.gitlab",
    "Local": "headrace.storage.local",
    "Module": "headrace.storage.module",
    "S3": "headrace.storage.s3",
    "Webhook": "headrace.storage.webhook",
}
_OF_ALL_KINDS: Final = ("secrets", "labels", "add_default_labels", "stored_as_script")


def storage_from(description: dict[str, Any]) -> Storage:
    """Rebuild a storage from what its `serialize` gave.

    Args:
        description: The description. The type of a kind that is not Headrace's own is
            `module:class`, and is imported.

    Returns:
        The storage; it serializes to the same description.

    Raises:
        StorageError: If the description is none of a storage, or its kind is not there.
    """
    kind = _kind(description)
    arguments = {
        name: description[name] for name in (*_OF_ALL_KINDS, *kind.described) if name in description
    }
    try:
        storage = kind(**arguments)
    except TypeError as error:
        raise StorageError(
            f"A {kind.__name__} storage cannot be rebuilt from {description!r:.300}: {error}. It was "
            "described by another version; register the flow again."
        ) from error
    storage.restore(description)
    return storage


def get_default_storage_class() -> type[Storage]:
    """Return the class that the setting `flows.defaults.storage.default_class` names.

    Raises:
        StorageError: If there is no such class, or it is no storage.
    """
    path = config.flows.defaults.storage.default_class
    # A settings file that was written for Prefect 1 names its own paths.
    module, _, name = path.replace("prefect.storage.", "headrace.storage.", 1).rpartition(".")
    return _class(module or "headrace.storage", name, "flows.defaults.storage.default_class")


def _kind(description: object) -> type[Storage]:
    kind = description.get("type") if isinstance(description, dict) else None
    if not isinstance(kind, str):
        raise StorageError(f"This is no description of a storage: {description!r:.200}.")
    if kind in KINDS:
        return _class(KINDS[kind], kind, "the description of a storage")
    module, colon, name = kind.partition(":")
    if not colon:
        raise StorageError(
            f"There is no storage {kind!r} in this version of Headrace. There are: "
            f"{', '.join(KINDS)}. Install the version that the flow was registered with, or give "
            "the flow another storage and register it again."
        )
    return _class(module, name, "the description of a storage")


def _class(module: str, name: str, source: str) -> type[Storage]:
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise StorageError(
            f"The storage {module}.{name}, which {source} names, cannot be imported: {error}. Install "
            "its package here, or name one of headrace.storage."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Storage)):
        raise StorageError(f"{module}.{name}, which {source} names, is no storage but {found!r}.")
    return found

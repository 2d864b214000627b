"""`Azure`: flows in Azure Blob Storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from headrace.core.errors import StorageError
from headrace.object_stores import azure
from headrace.storage.objects import ObjectStorage


class Azure(ObjectStorage):
    """Flows in blobs of an Azure container: pickles, or Python files. Needs the extra `azure`.

    The account is named by a connection string: that in the secret named, or else that in the
    environment variable AZURE_STORAGE_CONNECTION_STRING. Both are looked up where the flow is
    registered and where it runs, and never kept. If the string holds neither a key nor a signature,
    who may read and write there is found as Azure's libraries find it (`DefaultAzureCredential`).

    Each blob is named after its flow and what is in it, unless `blob_name` is given. A run loads the
    very bytes that were registered, or fails and says that they are gone.

    Args:
        container: The container's name. It is not made.
        connection_string_secret: The name of a secret that holds the connection string.
        blob_name: The blob's name; leave it out, so that a new version of a flow does not overwrite
            the one before.
        overwrite: Whether a blob named `blob_name` that is there already may be overwritten.
        stored_as_script: Whether the Python file is kept that makes the flow, instead of a pickle.
        local_script_path: The Python file that is uploaded; without it, `blob_name` says where it is
            already. `headrace register --path` fills it in.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If the container has no name.
    """

    described: ClassVar[tuple[str, ...]] = (
        "container",
        "connection_string_secret",
        "blob_name",
        "overwrite",
    )
    _key_argument = "blob_name"
    _bucket_noun = "container"
    _extra = azure.EXTRA
    _package = azure.PACKAGE
    _account = f"connection_string_secret, or else the environment variable {azure.VARIABLE}"

    def __init__(
        self,
        container: str,
        connection_string_secret: str | None = None,
        blob_name: str | None = None,
        overwrite: bool = False,
        stored_as_script: bool = False,
        *,
        local_script_path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.container = container
        self.connection_string_secret = connection_string_secret
        self.blob_name = blob_name
        self.overwrite = overwrite
        super().__init__(stored_as_script, local_script_path, **kwargs)

    @property
    def _key(self) -> str | None:
        return self.blob_name

    def _check_overwriting(self, key: str) -> None:
        if self.blob_name is not None and not self.overwrite:
            raise StorageError(
                f"There is an {self._shown(key)} already, with something else in it. Say overwrite=True "
                "if it may be overwritten, or leave out blob_name, and each version of a flow gets a "
                "blob of its own."
            )

    def _options(self) -> Mapping[str, Any]:
        return azure.options_of(
            None, self.connection_string_secret, "Azure storage", StorageError
        ) | {"version_aware": True}

    def _connect(self, options: Mapping[str, Any]) -> Any:
        return azure.connect(options)

    def _write(self, place: str, data: bytes, mode: str) -> None:
        self._files().pipe_file(place, data, mode=mode)

    def _version(self, place: str) -> str | None:
        version = self._files().info(place).get("version_id")
        return None if version is None else str(version)

    def _read_version(self, place: str, version: str) -> bytes:
        data: bytes = self._files().cat_file(f"{place}?versionid={version}")
        return data

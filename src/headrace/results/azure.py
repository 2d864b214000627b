"""`AzureResult`: values in Azure Blob Storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.errors import ResultError
from headrace.object_stores import azure
from headrace.results.object_store import ObjectStoreResult


class AzureResult(ObjectStoreResult):
    """A value in a blob of an Azure container. Needs the extra `azure`.

    The account is named by a connection string: the one given, or else the secret named, or else
    the environment variable AZURE_STORAGE_CONNECTION_STRING; the last two are looked up where the
    task runs and never kept in the result. If the string holds neither a key nor a signature, who
    may write there is found as Azure's libraries find it (`DefaultAzureCredential`).

    Args:
        container: The container's name.
        connection_string: The connection string. It travels with the result.
        connection_string_secret: The name of a secret that holds it.
        **kwargs: `value`, `location` and `serializer` as of every result.

    Raises:
        ResultError: If the container has no name.
    """

    _extra = azure.EXTRA
    _package = azure.PACKAGE

    def __init__(
        self,
        container: str,
        connection_string: str | None = None,
        connection_string_secret: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not container:
            raise ResultError("AzureResult needs the name of a container.")
        self.container = container
        self.connection_string = connection_string
        self.connection_string_secret = connection_string_secret
        super().__init__(**kwargs)

    def _bucket(self) -> str:
        return self.container

    def _options(self) -> Mapping[str, Any]:
        return azure.options_of(
            self.connection_string, self.connection_string_secret, "AzureResult", ResultError
        )

    def _connect(self, options: Mapping[str, Any]) -> Any:
        return azure.connect(options)

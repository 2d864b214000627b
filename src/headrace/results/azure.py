"""`AzureResult`: values in Azure Blob Storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from headrace.config.secrets import Secret
from headrace.core.errors import ResultError
from headrace.results.object_store import ObjectStoreResult

_VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"


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

    _extra = "azure"
    _package = "adlfs"

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
        text = self.connection_string
        if not text and self.connection_string_secret:
            text = str(Secret(self.connection_string_secret).get())
        text = text or os.environ.get(_VARIABLE)
        if not text:
            raise ResultError(
                "AzureResult has no connection string. Give connection_string_secret, or set the "
                f"environment variable {_VARIABLE}."
            )
        parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        if "AccountKey" in parts or "SharedAccessSignature" in parts:
            return {"connection_string": text}
        if "AccountName" not in parts:
            raise ResultError(
                "AzureResult's connection string names no account: it has no AccountName=..."
            )
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        return {
            "account_name": parts["AccountName"],
            "account_host": f"{parts['AccountName']}.blob.{suffix}",
            "anon": False,
        }

    def _connect(self, options: Mapping[str, Any]) -> Any:
        import adlfs

        return adlfs.AzureBlobFileSystem(
            use_listings_cache=False, skip_instance_cache=True, **options
        )

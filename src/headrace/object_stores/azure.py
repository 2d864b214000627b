"""Azure Blob Storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from headrace.config.secrets import Secret
from headrace.core.errors import HeadraceError

EXTRA: Final = "azure"
PACKAGE: Final = "adlfs"
#: The environment variable that holds a connection string.
VARIABLE: Final = "AZURE_STORAGE_CONNECTION_STRING"


def options_of(
    text: str | None, secret: str | None, feature: str, error: type[HeadraceError]
) -> dict[str, Any]:
    """Return what the file system is made with.

    Args:
        text: A connection string, if one was given.
        secret: The name of a secret that holds one.
        feature: What it is for, as the user wrote it.
        error: What is raised if there is no connection string, or it names no account.
    """
    if not text and secret:
        text = str(Secret(secret).get())
    text = text or os.environ.get(VARIABLE)
    if not text:
        raise error(
            f"{feature} has no connection string. Give connection_string_secret, or set the "
            f"environment variable {VARIABLE}."
        )
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    if "AccountKey" in parts or "SharedAccessSignature" in parts:
        return {"connection_string": text}
    if "AccountName" not in parts:
        raise error(f"{feature}'s connection string names no account: it has no AccountName=...")
    suffix = parts.get("EndpointSuffix", "core.windows.net")
    return {
        "account_name": parts["AccountName"],
        "account_host": f"{parts['AccountName']}.blob.{suffix}",
        "anon": False,
    }


def connect(options: Mapping[str, Any]) -> Any:
    """Return a new file system."""
    import adlfs

    return adlfs.AzureBlobFileSystem(use_listings_cache=False, skip_instance_cache=True, **options)

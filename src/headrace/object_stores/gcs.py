"""Google Cloud Storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from headrace.config.secrets import Secret
from headrace.core.errors import SecretError

EXTRA: Final = "gcp"
PACKAGE: Final = "gcsfs"
#: The name of the secret that holds a service account's key.
SECRET: Final = "GCP_CREDENTIALS"  # noqa: S105 - a name
_BOUNDARY: Final = b"--==0=="


def options_of(feature: str) -> dict[str, Any]:
    """Return what the file system is made with.

    Args:
        feature: What it is for, as the user wrote it.

    Raises:
        SecretError: If the secret GCP_CREDENTIALS is no service account's key.
    """
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator:
        return {"token": "anon", "endpoint_url": emulator}
    secret = Secret(SECRET)
    if not secret.exists():
        return {}
    key = secret.get()
    if not isinstance(key, dict):
        raise SecretError(
            f"{feature} needs the secret {SECRET} to be a service account's key, "
            f"as a JSON object, not a {type(key).__name__}."
        )
    return {"token": key}


def connect(options: Mapping[str, Any]) -> Any:
    """Return a new file system."""
    import gcsfs

    return gcsfs.GCSFileSystem(use_listings_cache=False, skip_instance_cache=True, **options)


def write_options(data: bytes) -> dict[str, Any]:
    """Return what the file system is told along with an object of these bytes."""
    # gcsfs parts the pieces of a small upload with a fixed line. A value that holds this line
    # goes up the way that large ones do, which has no such pieces.
    return {"chunksize": len(data)} if _BOUNDARY in data else {}

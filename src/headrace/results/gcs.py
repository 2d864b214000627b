"""`GCSResult`: values in Google Cloud Storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from headrace.config.secrets import Secret
from headrace.core.errors import ResultError, SecretError
from headrace.results.object_store import ObjectStoreResult

_BOUNDARY = b"--==0=="


class GCSResult(ObjectStoreResult):
    """A value in an object of a Google Cloud Storage bucket. Needs the extra `gcp`.

    Who may write there is found as Google's libraries find it (application default credentials),
    unless the secret GCP_CREDENTIALS holds a service account's key, as JSON. It is looked up where
    the task runs and never kept in the result. With STORAGE_EMULATOR_HOST in the environment, the
    emulator at that address is asked, without credentials.

    Args:
        bucket: The bucket's name.
        **kwargs: `value`, `location` and `serializer` as of every result.
    """

    _extra = "gcp"
    _package = "gcsfs"

    def __init__(self, bucket: str | None = None, **kwargs: Any) -> None:
        self.bucket = bucket
        super().__init__(**kwargs)

    def _bucket(self) -> str:
        if not self.bucket:
            raise ResultError("GCSResult needs the name of a bucket: GCSResult(bucket=...).")
        return self.bucket

    def _options(self) -> Mapping[str, Any]:
        emulator = os.environ.get("STORAGE_EMULATOR_HOST")
        if emulator:
            return {"token": "anon", "endpoint_url": emulator}
        secret = Secret("GCP_CREDENTIALS")
        if not secret.exists():
            return {}
        key = secret.get()
        if not isinstance(key, dict):
            raise SecretError(
                "GCSResult needs the secret GCP_CREDENTIALS to be a service account's key, "
                f"as a JSON object, not a {type(key).__name__}."
            )
        return {"token": key}

    def _connect(self, options: Mapping[str, Any]) -> Any:
        import gcsfs

        return gcsfs.GCSFileSystem(use_listings_cache=False, skip_instance_cache=True, **options)

    def _write_options(self, data: bytes) -> Mapping[str, Any]:
        # gcsfs parts the pieces of a small upload with a fixed line. A value that holds this line
        # goes up the way that large ones do, which has no such pieces.
        return {"chunksize": len(data)} if _BOUNDARY in data else {}

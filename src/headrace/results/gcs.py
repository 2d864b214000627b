"""`GCSResult`: values in Google Cloud Storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.errors import ResultError
from headrace.object_stores import gcs
from headrace.results.object_store import ObjectStoreResult


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

    _extra = gcs.EXTRA
    _package = gcs.PACKAGE

    def __init__(self, bucket: str | None = None, **kwargs: Any) -> None:
        self.bucket = bucket
        super().__init__(**kwargs)

    def _bucket(self) -> str:
        if not self.bucket:
            raise ResultError("GCSResult needs the name of a bucket: GCSResult(bucket=...).")
        return self.bucket

    def _options(self) -> Mapping[str, Any]:
        return gcs.options_of("GCSResult")

    def _connect(self, options: Mapping[str, Any]) -> Any:
        return gcs.connect(options)

    def _write_options(self, data: bytes) -> Mapping[str, Any]:
        return gcs.write_options(data)

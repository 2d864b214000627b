"""`GCS`: flows in Google Cloud Storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from headrace.object_stores import gcs
from headrace.storage.objects import ObjectStorage


class GCS(ObjectStorage):
    """Flows in objects of a Google Cloud Storage bucket: pickles, or Python files. Needs the extra `gcp`.

    Who may read and write there is found as Google's libraries find it (application default
    credentials), unless the secret GCP_CREDENTIALS holds a service account's key, as JSON. It is
    looked up where the flow is registered and where it runs, and is never kept. With
    STORAGE_EMULATOR_HOST in the environment, the emulator at that address is asked.

    Each object is named after its flow and what is in it, unless `key` is given. A run loads the very
    bytes that were registered, or fails and says that they are gone.

    Args:
        bucket: The bucket's name. It is not made.
        key: The object's key; leave it out, so that a new version of a flow does not overwrite the
            one before.
        project: The project that pays; by default that of the credentials.
        stored_as_script: Whether the Python file is kept that makes the flow, instead of a pickle.
        local_script_path: The Python file that is uploaded; without it, `key` says where it is
            already. `headrace register --path` fills it in.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If the bucket has no name.
    """

    described: ClassVar[tuple[str, ...]] = ("bucket", "key", "project")
    _extra = gcs.EXTRA
    _package = gcs.PACKAGE
    _account = f"the secret {gcs.SECRET}, or else the application default credentials"

    def __init__(
        self,
        bucket: str,
        key: str | None = None,
        project: str | None = None,
        stored_as_script: bool = False,
        local_script_path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.project = project
        super().__init__(stored_as_script, local_script_path, **kwargs)

    @property
    def _key(self) -> str | None:
        return self.key

    def _options(self) -> Mapping[str, Any]:
        options = gcs.options_of("GCS storage")
        return options if self.project is None else options | {"project": self.project}

    def _connect(self, options: Mapping[str, Any]) -> Any:
        return gcs.connect(options)

    def _write(self, place: str, data: bytes, mode: str) -> None:
        self._files().pipe_file(place, data, mode=mode, **gcs.write_options(data))

    def _version(self, place: str) -> str | None:
        generation = self._files().info(place).get("generation")
        return None if generation is None else str(generation)

    def _read_version(self, place: str, version: str) -> bytes:
        data: bytes = self._files().cat_file(place, generation=version)
        return data

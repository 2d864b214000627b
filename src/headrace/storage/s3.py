"""`S3`: flows in Amazon S3, or whatever speaks its protocol."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from headrace.core.errors import StorageError
from headrace.object_stores import s3
from headrace.storage.objects import ObjectStorage

#: How many seconds pass before each further try to write what somebody else is writing.
_PAUSES: Final = (0.1, 0.3, 1.0, 3.0)
_SECRET: Final = ("aws_secret_access_key", "aws_session_token", "credentials")
_SECRET_OF_UPLOADS: Final = ("SSECustomerKey", "CopySourceSSECustomerKey")


class S3(ObjectStorage):
    """Flows in objects of an S3 bucket: pickles, or Python files. Needs the extra `aws`.

    Who may read and write there is found as boto3 finds it (environment, profile, role), unless the
    secret AWS_CREDENTIALS says so: `{"ACCESS_KEY": ..., "SECRET_ACCESS_KEY": ..., "SESSION_TOKEN":
    ...}`, the last one optional. It is looked up where the flow is registered and where it runs, and
    is never kept.

    Each object is named after its flow and what is in it, unless `key` is given. A run loads the very
    bytes that were registered, or fails and says that they are gone.

    Args:
        bucket: The bucket's name. It is not made.
        key: The object's key; leave it out, so that a new version of a flow does not overwrite the
            one before.
        stored_as_script: Whether the Python file is kept that makes the flow, instead of a pickle.
        local_script_path: The Python file that is uploaded; without it, `key` says where it is
            already. `headrace register --path` fills it in.
        client_options: Arguments for the client, as boto3's: `endpoint_url`, `region_name`,
            `profile_name`, `use_ssl`, `verify`, `api_version`. The server is told of them, so secrets
            are refused.
        upload_options: What is said of each object that is written, such as
            `{"ServerSideEncryption": "AES256"}`.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If the bucket has no name, or `client_options` holds anything else.
    """

    described: ClassVar[tuple[str, ...]] = ("bucket", "key", "client_options", "upload_options")
    _extra = s3.EXTRA
    _package = s3.PACKAGE
    _account = f"the secret {s3.SECRET}, or else the environment, a profile or a role"

    def __init__(
        self,
        bucket: str,
        key: str | None = None,
        stored_as_script: bool = False,
        local_script_path: str | os.PathLike[str] | None = None,
        client_options: Mapping[str, Any] | None = None,
        upload_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.client_options = dict(client_options or {})
        self.upload_options = dict(upload_options or {})
        unknown = s3.unknown_in(self.client_options)
        if unknown:
            raise StorageError(
                f"S3 storage does not know {', '.join(map(repr, unknown))} in client_options; it knows: "
                f"{', '.join(sorted(s3.KNOWN.difference(_SECRET)))}."
            )
        super().__init__(stored_as_script, local_script_path, **kwargs)

    @property
    def _key(self) -> str | None:
        return self.key

    def _check_secrets(self) -> None:
        held: list[str] = [name for name in _SECRET if name in self.client_options]
        if "@" in urlsplit(str(self.client_options.get("endpoint_url") or "")).netloc:
            held.append("an endpoint_url with an account")
        if held:
            raise StorageError(
                f"The client_options of S3 storage hold {' and '.join(held)}, which the server would "
                f"be told. Put it into the secret {s3.SECRET} where flows are registered and run: "
                '{"ACCESS_KEY": ..., "SECRET_ACCESS_KEY": ...}.'
            )
        held_too = [name for name in _SECRET_OF_UPLOADS if name in self.upload_options]
        if held_too:
            raise StorageError(
                f"The upload_options of S3 storage hold {' and '.join(held_too)}, a secret that the server "
                "would be told and that no run would have. Let S3 or its KMS keep the key: "
                'upload_options={"ServerSideEncryption": "aws:kms"}.'
            )

    def _options(self) -> Mapping[str, Any]:
        self._check_secrets()
        return s3.options_of(self.client_options, "S3 storage", "client_options")

    def _connect(self, options: Mapping[str, Any]) -> Any:
        return s3.connect(options)

    def _write(self, place: str, data: bytes, mode: str) -> None:
        for pause in (*_PAUSES, None):
            try:
                self._files().pipe_file(place, data, mode=mode, **self.upload_options)
            except OSError as error:
                # s3fs tells why in its own words only where the store says so in Amazon's.
                answer = getattr(error.__cause__, "response", None) or {}
                code = (answer.get("Error") or {}).get("Code")
                if mode == "create" and code == "PreconditionFailed":
                    raise FileExistsError(place) from error
                # Somebody else is writing it: soon it is there, or it can be written.
                if pause is None or code != "ConditionalRequestConflict":
                    raise
                time.sleep(pause)
            else:
                return

    def _version(self, place: str) -> str | None:
        version = self._files().info(place).get("VersionId")
        return None if version in {None, "", "null"} else str(version)

    def _read_version(self, place: str, version: str) -> bytes:
        # With more than one request at once it would first ask for the current version's size.
        data: bytes = self._files().cat_file(place, version_id=version, max_concurrency=1)
        return data

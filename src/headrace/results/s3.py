"""`S3Result`: values in Amazon S3, or whatever speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.errors import ResultError
from headrace.object_stores import s3
from headrace.results.object_store import ObjectStoreResult


class S3Result(ObjectStoreResult):
    """A value in an object of an S3 bucket. Needs the extra `aws`.

    Who may write there is found as boto3 finds it (environment, profile, role), unless
    `boto3_kwargs` or the secret AWS_CREDENTIALS (`{"ACCESS_KEY": ..., "SECRET_ACCESS_KEY": ...,
    "SESSION_TOKEN": ...}`, the last one optional) says so. The secret is looked up where the task
    runs and never kept in the result; what is in `boto3_kwargs` travels with it.

    Args:
        bucket: The bucket's name.
        boto3_kwargs: Arguments for the client, as boto3's: `endpoint_url`, `region_name`,
            `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`, `profile_name`,
            `use_ssl`, `verify`, `api_version`; and `credentials`, a dict like the secret.
        upload_options: What is said of each object that is written, such as
            `{"ServerSideEncryption": "AES256"}`.
        **kwargs: `value`, `location` and `serializer` as of every result.

    Raises:
        ResultError: If the bucket has no name, or `boto3_kwargs` holds anything else.
    """

    _extra = s3.EXTRA
    _package = s3.PACKAGE

    def __init__(
        self,
        bucket: str,
        boto3_kwargs: Mapping[str, Any] | None = None,
        upload_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not bucket:
            raise ResultError("S3Result needs the name of a bucket.")
        self.bucket = bucket
        self.boto3_kwargs = dict(boto3_kwargs or {})
        self.upload_options = dict(upload_options or {})
        unknown = s3.unknown_in(self.boto3_kwargs)
        if unknown:
            raise ResultError(
                f"S3Result does not know {', '.join(map(repr, unknown))} in boto3_kwargs; "
                f"it knows: {', '.join(sorted(s3.KNOWN))}."
            )
        super().__init__(**kwargs)

    def _bucket(self) -> str:
        return self.bucket

    def _options(self) -> Mapping[str, Any]:
        return s3.options_of(self.boto3_kwargs, "S3Result", "boto3_kwargs")

    def _connect(self, options: Mapping[str, Any]) -> Any:
        return s3.connect(options)

    def _write_options(self, data: bytes) -> Mapping[str, Any]:
        return self.upload_options

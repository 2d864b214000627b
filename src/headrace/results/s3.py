"""`S3Result`: values in Amazon S3, or whatever speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.config.secrets import Secret
from headrace.core.errors import ResultError, SecretError
from headrace.results.object_store import ObjectStoreResult

#: What boto3 takes for a client, and what the file system calls it; None: below `client_kwargs`.
_BOTO3 = {
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "aws_session_token": "token",
    "endpoint_url": "endpoint_url",
    "use_ssl": "use_ssl",
    "profile_name": "profile",
    "region_name": None,
    "api_version": None,
    "verify": None,
}


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

    _extra = "aws"
    _package = "s3fs"

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
        unknown = sorted(self.boto3_kwargs.keys() - _BOTO3.keys() - {"credentials"})
        if unknown:
            raise ResultError(
                f"S3Result does not know {', '.join(map(repr, unknown))} in boto3_kwargs; "
                f"it knows: {', '.join(sorted([*_BOTO3, 'credentials']))}."
            )
        super().__init__(**kwargs)

    def _bucket(self) -> str:
        return self.bucket

    def _options(self) -> Mapping[str, Any]:
        options: dict[str, Any] = {}
        client: dict[str, Any] = {}
        for name, value in (self._credentials() | self.boto3_kwargs).items():
            if name == "credentials":
                continue
            option = _BOTO3[name]
            if option is None:
                client[name] = value
            else:
                options[option] = value
        return options | {"client_kwargs": client}

    def _credentials(self) -> dict[str, Any]:
        given = self.boto3_kwargs.get("credentials")
        where = "boto3_kwargs['credentials']"
        if given is None and not {"aws_access_key_id", "profile_name"} & self.boto3_kwargs.keys():
            secret = Secret("AWS_CREDENTIALS")
            given, where = (secret.get() if secret.exists() else None), "the secret AWS_CREDENTIALS"
        if given is None:
            return {}
        try:
            return {
                "aws_access_key_id": given["ACCESS_KEY"],
                "aws_secret_access_key": given["SECRET_ACCESS_KEY"],
                "aws_session_token": given.get("SESSION_TOKEN"),
            }
        except (KeyError, TypeError, AttributeError):
            raise SecretError(
                f"S3Result needs {where} to be a JSON object with ACCESS_KEY and "
                "SECRET_ACCESS_KEY (and SESSION_TOKEN, if there is one)."
            ) from None

    def _connect(self, options: Mapping[str, Any]) -> Any:
        import s3fs

        return s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True, **options)

    def _write_options(self, data: bytes) -> Mapping[str, Any]:
        return self.upload_options

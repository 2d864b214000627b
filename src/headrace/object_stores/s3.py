"""Amazon S3, and whatever speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from headrace.config.secrets import Secret
from headrace.core.errors import SecretError

EXTRA: Final = "aws"
PACKAGE: Final = "s3fs"
#: The name of the secret that holds who may write, if the environment or a profile does not say it.
SECRET: Final = "AWS_CREDENTIALS"  # noqa: S105 - a name
#: What boto3 takes for a client, and what the file system calls it; None: below `client_kwargs`.
_BOTO3: Final = {
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
#: The arguments that are known.
KNOWN: Final = frozenset([*_BOTO3, "credentials"])


def unknown_in(arguments: Iterable[str]) -> list[str]:
    """Return the arguments that no client takes, sorted."""
    return sorted(set(arguments) - KNOWN)


def options_of(arguments: Mapping[str, Any], feature: str, where: str) -> dict[str, Any]:
    """Return what the file system is made with.

    Args:
        arguments: A client's, as boto3's; and `credentials`, a dict like the secret AWS_CREDENTIALS.
        feature: What it is for, as the user wrote it.
        where: The name of the user's argument that holds them.

    Raises:
        SecretError: If the credentials are no object with the keys that they need.
    """
    options: dict[str, Any] = {}
    client: dict[str, Any] = {}
    for name, value in (_credentials(arguments, feature, where) | dict(arguments)).items():
        if name == "credentials":
            continue
        option = _BOTO3[name]
        if option is None:
            client[name] = value
        else:
            options[option] = value
    return options | {"client_kwargs": client}


def _credentials(arguments: Mapping[str, Any], feature: str, where: str) -> dict[str, Any]:
    given = arguments.get("credentials")
    place = f"{where}['credentials']"
    if given is None and not {"aws_access_key_id", "profile_name"} & arguments.keys():
        secret = Secret(SECRET)
        given, place = (secret.get() if secret.exists() else None), f"the secret {SECRET}"
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
            f"{feature} needs {place} to be a JSON object with ACCESS_KEY and "
            "SECRET_ACCESS_KEY (and SESSION_TOKEN, if there is one)."
        ) from None


def connect(options: Mapping[str, Any]) -> Any:
    """Return a new file system."""
    import s3fs

    return s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True, **options)

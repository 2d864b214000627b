"""What Docker storage is told: looked at before anything is built of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from logging import Logger
from typing import TYPE_CHECKING, Any, Final

from headrace.core.errors import StorageError
from headrace.core.secret_names import looks_secret
from headrace.storage.contents import digest_of, slug_of

if TYPE_CHECKING:
    from headrace.storage.docker import Docker

_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def check(storage: Docker) -> None:
    """Make sure that the arguments of a storage make an image.

    Raises:
        StorageError: If one is of a wrong form, or two contradict each other.
    """
    if storage.base_image and storage.dockerfile:
        raise StorageError(
            "Docker storage has base_image and dockerfile, of which only one can be given: the "
            "Dockerfile's FROM names its base image."
        )
    for name in ("prefect_directory", "path"):
        value = getattr(storage, name)
        if value is not None and not str(value).startswith("/"):
            raise StorageError(
                f"The {name} of Docker storage is an absolute path in the image, not {value!r}."
            )
    if storage.image_name and not _NAME.fullmatch(storage.image_name):
        raise StorageError(
            f"The image_name {storage.image_name!r} of Docker storage is no name of an image: it has "
            "small letters, digits, hyphens, dots and slashes, and no tag (that is image_tag)."
        )
    if storage.image_tag and not _TAG.fullmatch(storage.image_tag):
        raise StorageError(
            f"The image_tag {storage.image_tag!r} of Docker storage is no tag of an image: it has at "
            "most 128 letters, digits, hyphens, dots and underscores."
        )


def warn_of_secrets(storage: Docker, logger: Logger) -> None:
    """Warn of variables of an image, and of its build, that look like secrets."""
    for argument, names in (
        ("env_vars", storage.env_vars),
        # The image's history shows them beside each command of its build.
        ("buildargs in build_kwargs", storage.build_kwargs.get("buildargs") or ()),
    ):
        for name in names:
            if looks_secret(name):
                logger.warning(
                    "%s: %s will be readable by everybody who has the image. Name secrets of flows "
                    "with secrets=[...], and give them to the agent.",
                    *(argument, name),
                )


def registry_of(address: str | None) -> str | None:
    """Return a registry's address as it begins the names of its images; None for none.

    Raises:
        StorageError: If it holds an account.
    """
    if not address:
        return None
    plain = re.sub(r"^https?://", "", str(address)).rstrip("/")
    if "@" in plain:
        raise StorageError(
            "The registry_url of Docker storage holds an account, which the server would be told. Leave "
            "it out, and let `docker login` keep it."
        )
    return plain


def lines_of(argument: str, values: Iterable[str] | None) -> list[str]:
    """Return a list of strings.

    Raises:
        StorageError: If it is none.
    """
    listed: list[Any] = list(values or ())
    if isinstance(values, str) or not all(isinstance(value, str) for value in listed):
        raise StorageError(
            f"The {argument} of Docker storage are a list of strings, not {values!r:.80}."
        )
    return listed


def file_of(flow_name: str) -> str:
    """Return the name of the file of a flow's pickle: no two flows have the same."""
    slug = slug_of(flow_name)
    if slug == flow_name:
        return f"{slug}.pickle"
    return f"{slug}-{digest_of(flow_name.encode('utf-8', 'surrogatepass'))[:8]}.pickle"

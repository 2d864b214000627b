"""A Docker engine that builds, pushes and reads images."""

from __future__ import annotations

import io
import os
import re
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from headrace.core.errors import MissingExtraError, StorageError

if TYPE_CHECKING:
    from typing import Self

    from headrace.storage.image_context import ImageContext

#: The label that an image has of what it was built from.
_LABEL: Final = "io.headrace.content"
#: A variable of the image, as a build repeats it: its value is not for logs.
_VARIABLE: Final = re.compile(r"( : ENV \w+=).*")
#: Colours, which programs of a build give to their lines.
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
#: How many of a failed build's last lines are shown.
_LAST_LINES: Final = 20
#: How many seconds an engine may be silent; it is while a command of a build says nothing.
_PATIENCE: Final = 3600


class ImageEngine:
    """An engine; use it in a `with` statement.

    Args:
        base_url: Its address; by default what the environment says (DOCKER_HOST), or this machine's.
        tls: Whether, and how, the connection is encrypted: what docker-py's `tls` takes.

    Raises:
        MissingExtraError: If the extra `docker` is not installed.
        StorageError: If it does not answer.
    """

    def __init__(self, base_url: str | None = None, tls: Any = False) -> None:
        try:
            import docker
        except ImportError as error:
            raise MissingExtraError("Docker storage", "docker", "docker") from error
        from urllib3.exceptions import HTTPError

        self._errors = docker.errors
        # What is streamed comes past docker-py, and so do its errors.
        self._failures = (docker.errors.DockerException, HTTPError, OSError)
        try:
            if base_url is None and not tls:
                self._client = docker.from_env(timeout=_PATIENCE)
            else:
                self._client = docker.DockerClient(base_url=base_url, tls=tls, timeout=_PATIENCE)
            self._client.ping()
        except (docker.errors.DockerException, OSError) as error:
            where = base_url or os.environ.get("DOCKER_HOST") or "this machine's own socket"
            raise StorageError(
                f"Docker storage: no Docker engine answers at {where}: {_innermost(error)}. Start it, or "
                "say where it is: base_url, or the environment variable DOCKER_HOST."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def identity_of(self, image: str) -> str | None:
        """Return what an image is known by, here or in its registry; None if it is nowhere."""
        try:
            found = self._client.images.get(image)
        except self._errors.DockerException:
            return self.digest_of(image)
        digests = [each.partition("@")[2] for each in found.attrs.get("RepoDigests") or ()]
        return digests[0] if digests else str(found.id)

    def digest_of(self, reference: str) -> str | None:
        """Return the digest that a tag has in its registry; None if it has none that can be had."""
        try:
            return str(self._client.images.get_registry_data(reference).id)
        except self._errors.DockerException:
            return None

    def content_of(self, reference: str) -> str | None:
        """Return what an image here was built from; None if it is not here or not ours."""
        try:
            content = self._client.images.get(reference).labels.get(_LABEL)
        except self._errors.DockerException:
            return None
        return None if content is None else str(content)

    def digests_of(self, reference: str) -> list[str]:
        """Return the digests that an image here has in registries."""
        try:
            found = self._client.images.get(reference)
        except self._errors.DockerException:
            return []
        return [each.partition("@")[2] for each in found.attrs.get("RepoDigests") or ()]

    def build(
        self,
        context: ImageContext,
        reference: str,
        content: str,
        options: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:
        """Build an image.

        Args:
            context: What it is built from.
            reference: What it is called then.
            content: What tells it from others.
            options: What docker-py's `build` takes besides.
            say: Takes what the build says, line by line.

        Raises:
            StorageError: If that fails, with the build's last lines.
        """
        last: deque[str] = deque(maxlen=_LAST_LINES)
        failed = None
        with tempfile.TemporaryFile() as archive:
            context.write(archive)
            archive.seek(0)
            arguments = {
                "rm": True,
                "forcerm": True,
                **options,
                "labels": {**(options.get("labels") or {}), _LABEL: content},
            }
            try:
                messages = self._client.api.build(
                    fileobj=archive,
                    custom_context=True,
                    dockerfile=context.dockerfile_name,
                    tag=reference,
                    decode=True,
                    **arguments,
                )
                for message in messages:
                    said = str(message.get("stream") or message.get("status") or "")
                    for line in filter(str.strip, _COLOUR.sub("", said).splitlines()):
                        last.append(_VARIABLE.sub(r"\1…", line.rstrip()))
                        say(last[-1])
                    failed = failed or message.get("error")
            except (*self._failures, TypeError) as error:
                self._build_failed(reference, _text(error), last)
        # Not before all is read: a connection that has something left to say stays open.
        if failed:
            self._build_failed(reference, str(failed), last)

    def push(self, repository: str, tag: str) -> str:
        """Push an image, with the account that `docker login` has kept; return its digest.

        Raises:
            StorageError: If the registry refuses, or does not answer.
        """
        digest, failed = "", None
        try:
            for message in self._client.api.push(repository, tag=tag, stream=True, decode=True):
                failed = failed or message.get("error")
                digest = (message.get("aux") or {}).get("Digest") or digest
        except self._failures as error:
            self._push_failed(repository, tag, _text(error))
        if failed or not digest:
            self._push_failed(repository, tag, str(failed or "the registry names no digest"))
        return digest

    def read(self, reference: str, path: str) -> bytes:
        """Return a file of an image, which is pulled if it is not here.

        Raises:
            StorageError: If the image cannot be had.
            FileNotFoundError: If it has no such file.
        """
        with self._container(reference) as container:
            try:
                chunks, _ = container.get_archive(path)
                archive = io.BytesIO(b"".join(chunks))
            except self._errors.NotFound as error:
                raise FileNotFoundError(path) from error
        with tarfile.open(fileobj=archive) as files:
            found = next((files.extractfile(entry) for entry in files if entry.isfile()), None)
            if found is None:
                raise FileNotFoundError(path)
            return found.read()

    @contextmanager
    def _container(self, reference: str) -> Iterator[Any]:
        """Make a container that is never started."""
        try:
            try:
                self._client.images.get(reference)
            except self._errors.ImageNotFound:
                self._client.images.pull(reference)
            # The command is never run: an image that has none could not be made a container of.
            container = self._client.containers.create(
                reference, command=["true"], network_mode="none"
            )
        except self._failures as error:
            raise StorageError(
                f"Docker storage: the image {reference} cannot be had: {_text(error)}. Register the flow "
                "again, or look at the registry and at who asks it (docker login)."
            ) from None
        try:
            yield container
        finally:
            container.remove(force=True, v=True)

    def _build_failed(self, reference: str, why: str, last: Iterable[str]) -> NoReturn:
        said = "\n".join(f"  {line}" for line in last)
        text = f"Docker storage: the image {reference} cannot be built: {why.strip().rstrip('.')}."
        if "pull access denied" in why or "manifest unknown" in why or "no such host" in why:
            text += (
                " Look at base_image, or the setting agents.default_image: the engine has no such image "
                "and cannot get it."
            )
        raise StorageError(text + (f" Its last lines:\n{said}" if said else "")) from None

    def _push_failed(self, repository: str, tag: str, why: str) -> NoReturn:
        registry = repository.partition("/")[0]
        raise StorageError(
            f"Docker storage: the registry {registry} does not take the image {repository}:{tag}: "
            f"{why.strip().rstrip('.')}. Look at registry_url, and whether `docker login {registry}` was "
            "done by who registers the flow and may push there."
        ) from None


def files_below(root: str, ignored: Iterable[str]) -> list[str]:
    """Return the files of a folder that fit none of the patterns of a `.dockerignore`, sorted."""
    try:
        from docker.utils import exclude_paths
    except ImportError as error:
        raise MissingExtraError("Docker storage", "docker", "docker") from error
    names = exclude_paths(root, [*ignored, ".dockerignore"])
    return sorted(name for name in names if os.path.isfile(os.path.join(root, name)))


def _text(error: BaseException) -> str:
    text = getattr(error, "explanation", None) or str(error)
    return " ".join(str(text).split()).rstrip(".")


def _innermost(error: BaseException) -> str:
    """Return what the system said, which docker-py wraps in the words of three libraries."""
    left: list[object] = [error]
    while left:
        each = left.pop()
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
        if isinstance(each, BaseException):
            left += [each.__cause__, *each.args]
    return _text(error)

"""What is asked of a Docker engine, by the package `docker`; its errors become two kinds."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.core.errors import ConfigError, HeadraceError, MissingExtraError

#: How many calls may be under way at once: those of the deployments, and some for the rest.
_CONNECTIONS = 60
#: What an engine, or what stands before it, answers while it has too much to do, or is not up. Its 500
#: says that of it as well, and that a request makes no sense to it: there is no telling.
_LATER = (429, 502, 503, 504)
#: The most that a run's directory is taken out of a container with, in bytes.
_LARGEST_ARCHIVE = 1 << 30


class EngineAway(HeadraceError, RuntimeError):
    """The engine does not answer."""


class EngineRefusal(HeadraceError, RuntimeError):
    """The engine has answered that it does not do what was asked.

    Args:
        message: Why, in its own words.
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


class DockerApi:
    """A Docker engine. May be used from many threads.

    Nothing is asked of it here and now: it may be away, and come later.

    Args:
        base_url: Its address, such as `unix:///var/run/docker.sock`; by default what the variables
            DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say.
        timeout: For how many seconds it may take to answer.

    Attributes:
        address: Its address, for people.

    Raises:
        ConfigError: If that is no address.
        MissingExtraError: If the package `docker` is not installed.
    """

    def __init__(self, base_url: str | None = None, timeout: float = 60.0) -> None:
        try:
            import docker
            import docker.errors
            import docker.utils
        except ImportError as error:
            raise MissingExtraError("The Docker agent", "docker", "docker") from error
        self._docker = docker
        self._lock = threading.Lock()
        self._made: Any = None
        given = base_url or os.environ.get("DOCKER_HOST")
        try:
            settings = docker.utils.kwargs_from_env()
            if base_url:
                settings["base_url"] = base_url
            self.address = docker.utils.parse_host(
                settings.get("base_url"), tls=bool(settings.get("tls"))
            ).replace("http+unix://", "unix://")
        except (docker.errors.DockerException, ValueError) as error:
            raise ConfigError(
                f"There can be no Docker engine at {given!r}: {error}. Write it like "
                "unix:///var/run/docker.sock or tcp://builder:2376, as --base-url or DOCKER_HOST."
            ) from error
        if self.address.startswith("unix://"):
            settings.pop("tls", None)
        self._settings = {**settings, "timeout": timeout, "max_pool_size": _CONNECTIONS}

    # -- containers -----------------------------------------------------------------------------

    def create(self, name: str, config: Mapping[str, Any]) -> str:
        """Make a container, as the engine's own API describes it; return its id.

        Raises:
            EngineRefusal: With status 404 if its image is not there, 409 if its name is taken.
        """
        with self._asking() as api:
            return str(api.create_container_from_config(dict(config), name)["Id"])

    def host_config(self, **settings: Any) -> dict[str, Any]:
        """Return the engine's own form of docker-py's settings of a container's host side.

        Raises:
            EngineRefusal: If one is unknown, or has a wrong value.
        """
        with self._asking() as api:
            try:
                return dict(api.create_host_config(**settings))
            except (
                self._docker.errors.DockerException,
                *(AttributeError, KeyError, TypeError, ValueError),
            ) as error:
                # It checks nothing by itself: what is wrong comes out wherever it is used first.
                said = str(error).split("() got an ")[-1]
                raise EngineRefusal(f"its host_config is not right: {said}", 400) from error

    def start(self, name: str) -> None:
        """Start a container's process."""
        with self._asking() as api:
            api.start(name)

    def connect(self, name: str, network: str) -> None:
        """Connect a container to one more network."""
        with self._asking() as api:
            api.connect_container_to_network(name, network)

    def inspect(self, name: str) -> dict[str, Any]:
        """Describe a container; empty if there is none."""
        found: dict[str, Any] = self._or_nothing(lambda api: api.inspect_container(name), {})
        return found

    def containers(self, label: str) -> list[dict[str, Any]]:
        """Return all containers that have a label, those that have ended too."""
        with self._asking() as api:
            return list(api.containers(all=True, filters={"label": label}))

    def stop(self, name: str, seconds: int) -> None:
        """Send SIGTERM to a container's process, and SIGKILL after this time."""
        self._or_nothing(lambda api: api.stop(name, timeout=seconds), None)

    def remove(self, name: str) -> None:
        """Remove a container, even if its process runs; no harm if there is none."""
        self._or_nothing(lambda api: api.remove_container(name, v=True, force=True), None)

    def rename(self, name: str, new: str) -> None:
        """Give a container another name; no harm if there is none."""
        self._or_nothing(lambda api: api.rename(name, new), None)

    def logs(self, name: str, lines: int) -> bytes:
        """Return the last lines that a container's process has written."""
        found: bytes = self._or_nothing(lambda api: api.logs(name, tail=lines), b"")
        return found

    def follow(self, name: str) -> Iterator[bytes]:
        """Yield what a container's process writes, from its start to its end."""
        with self._asking() as api:
            yield from api.logs(name, stream=True, follow=True)

    def copy_out(self, name: str, path: str, target: Path) -> bool:
        """Copy the files of a folder out of a container; return whether it was there.

        Args:
            name: The container.
            path: The folder in it. What is no file there, such as a link, is left out.
            target: Where the files go, and nothing besides.

        Raises:
            EngineRefusal: If they are too large.
            OSError: If they cannot be written.
        """
        with tempfile.TemporaryFile() as archive:
            with self._asking() as api:
                try:
                    parts, _ = api.get_archive(name, path)
                except self._docker.errors.NotFound:
                    return False
                for part in parts:
                    archive.write(part)
                    if archive.tell() > _LARGEST_ARCHIVE:
                        raise EngineRefusal(f"{path} holds more than 1 GiB")
            archive.seek(0)
            with tarfile.open(fileobj=archive) as opened:
                for member in opened:
                    file = opened.extractfile(member) if member.isreg() else None
                    if file is not None:
                        # The program in there may have written any name.
                        with (target / Path(member.name).name).open("wb") as copy:
                            shutil.copyfileobj(file, copy)
        return True

    # -- images ---------------------------------------------------------------------------------

    def has_to_be_pulled(self, image: str) -> bool:
        """Tell whether an image is not there, or may be another one by now where it came from."""
        found: dict[str, Any] | None = self._or_nothing(lambda api: api.inspect_image(image), None)
        if found is None:
            return True
        # A digest names one image for ever; what was never in a registry is in none.
        return "@" not in image and bool(found.get("RepoDigests"))

    def pull(self, image: str) -> None:
        """Fetch an image from its registry, with the credentials of `docker login`.

        Raises:
            EngineRefusal: If the registry does not give it.
        """
        with self._asking() as api:
            api.reload_config()  # somebody may have logged in meanwhile
            for said in api.pull(image, stream=True, decode=True):
                if "error" in said:
                    raise EngineRefusal(str(said["error"]))

    # -- networks -------------------------------------------------------------------------------

    def lacks_network(self, name: str) -> bool:
        """Tell whether it is certain that the engine has no such network."""
        with self._asking() as api:
            try:
                api.inspect_network(name)
            except self._docker.errors.NotFound:
                # In a swarm one may show up only once a container asks for it.
                state = (api.info().get("Swarm") or {}).get("LocalNodeState", "inactive")
                return bool(state == "inactive")
            return False

    # -- events ---------------------------------------------------------------------------------

    def events(self, label: str, since: str, opened: Callable[[Any], None]) -> Iterator[Any]:
        """Yield the ends and removals of containers that have a label, as they happen.

        Args:
            label: The label, as `name=value`.
            since: From when on, in seconds since 1970; of what is past, those that the engine
                still knows.
            opened: Called once the engine has taken the question, with what has a method `close`
                that ends this from another thread.

        Raises:
            EngineRefusal: If the engine, or what stands before it, tells of no events.
        """
        wanted = {"type": ["container"], "event": ["die", "destroy"], "label": [label]}
        with self._asking() as api:
            stream = api.events(since=since, filters=wanted)
            # The package itself takes a refusal for a stream without events.
            api._raise_for_status(stream._response)
            opened(stream)
            rest = b""
            for chunk in stream:
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in whole if line.strip())

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    # -- within ---------------------------------------------------------------------------------

    def _api(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._docker.APIClient(version="auto", **self._settings)
            return self._made

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        errors = self._docker.errors
        try:
            yield self._api()
        except errors.APIError as error:
            message = str(error.explanation or error)
            if error.status_code in _LATER:
                away = f"the Docker engine at {self.address} is not to be had now: {message}"
                raise EngineAway(away) from error
            raise EngineRefusal(message, error.status_code or 500) from error
        except (errors.DockerException, RequestException, HTTPError, OSError) as error:
            if isinstance(error, errors.DockerException) and not isinstance(
                error.__cause__, RequestException | HTTPError | OSError
            ):
                # The package itself objects: to an argument, to the settings of `docker login`.
                raise EngineRefusal(str(error)) from error
            away = f"the Docker engine at {self.address} does not answer: {_why(error)}"
            raise EngineAway(away) from error

    def _or_nothing(self, ask: Callable[[Any], Any], nothing: Any) -> Any:
        try:
            with self._asking() as api:
                return ask(api)
        except EngineRefusal as refusal:
            # 304: it has ended already; 409: it is being removed, or its process does not run.
            if refusal.status not in (304, 404, 409):
                raise
            return nothing


def _why(error: BaseException) -> str:
    """Say in a few words what lies below the errors of three libraries."""
    seen: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        if isinstance(each, OSError) and each.strerror:
            return each.strerror.lower()
        inner = [part for part in each.args if isinstance(part, BaseException)]
        left += [each.__cause__, each.__context__, *inner]
    return str(error)

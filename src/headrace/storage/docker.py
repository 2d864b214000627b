"""`Docker`: flows in images, with all that they need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.core.errors import StorageError
from headrace.storage.base import Storage
from headrace.storage.contents import digest_of, pickled, script_at
from headrace.storage.fingerprint import fingerprint
from headrace.storage.image_arguments import (
    check,
    file_of,
    lines_of,
    registry_of,
    warn_of_secrets,
)
from headrace.storage.image_flow import flow_of

if TYPE_CHECKING:
    from typing import Self

    from headrace.flow import Flow


class Docker(Storage):
    """Flows inside an image, which is built and pushed when they are registered. Needs the extra `docker`.

    The image has the flows, their Python packages, files and variables. As the last step of its
    build every flow is loaded inside it: what fails there ends the registration, and nothing is
    pushed. Agents that start containers run the flows in this very image, known by its digest.

    Where nothing has changed nothing is built: unless `image_tag` is given, the tag is named after
    all that is in the image. What is built first is what changes seldom, so that other flows need no
    new installation.

    Everybody who has the image can read all that is in it: variables and files are no place for
    secrets.

    Args:
        registry_url: The registry, such as `registry.example.com/team`, that `docker login` was done
            for if it asks who one is. Without it the image stays in the engine that built it.
        base_image: The image to build on, which has Headrace in it; by default
            `config.agents.default_image`.
        dockerfile: A Dockerfile to begin with, instead of a base image. It may copy files of the
            current folder.
        dockerignore: The file that says which of these it does not see; by default `.dockerignore`.
        python_dependencies: What pip installs, as in a requirements file.
        image_name: The image's name; by default the flow's, in letters that an image can have.
        image_tag: The image's tag; by default named after what is in it.
        env_vars: Environment variables of the image.
        files: Files and folders to copy: by their path here, their absolute path in the image.
        prefect_version: Taken as Prefect 1 has it, and not looked at: the base image has Headrace.
        local_image: Whether the base image has to be in the engine already.
        ignore_healthchecks: Whether the flows are not loaded in the image before it is pushed.
        base_url: The engine's address; by default that in DOCKER_HOST, or this machine's.
        tls_config: How the connection to it is encrypted: what docker-py's `tls` takes.
        build_kwargs: More arguments of docker-py's `build`, such as `{"network_mode": "host"}`.
        prefect_directory: The folder in the image for what is added.
        path: Where in the image the flow's code is. With `stored_as_script` and without
            `local_script_path` the base image or `files` have it there already.
        stored_as_script: Whether the Python file is kept that makes the flow, instead of a pickle.
        extra_dockerfile_commands: Lines of a Dockerfile that come after files and before flows.
        local_script_path: The Python file that is copied into the image; `headrace register --path`
            fills it in where `path` is not given.
        **kwargs: Arguments of every storage.

    Attributes:
        image: The image's full name, with its digest if it is in a registry; None before `build`.
        hashes: By the name of each flow, what its code is known by.

    Raises:
        StorageError: If an argument has a wrong type, or two contradict each other.
    """

    described: ClassVar[tuple[str, ...]] = (
        "registry_url",
        "base_image",
        "image_name",
        "image_tag",
        "local_image",
        "ignore_healthchecks",
        "prefect_directory",
        "path",
    )
    by_flow: ClassVar[tuple[str, ...]] = ("flows", "hashes")
    is_elsewhere: ClassVar[bool] = True

    def __init__(
        self,
        registry_url: str | None = None,
        base_image: str | None = None,
        dockerfile: str | os.PathLike[str] | None = None,
        dockerignore: str | os.PathLike[str] | None = None,
        python_dependencies: Iterable[str] | None = None,
        image_name: str | None = None,
        image_tag: str | None = None,
        env_vars: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
        prefect_version: str | None = None,
        local_image: bool = False,
        ignore_healthchecks: bool = False,
        base_url: str | None = None,
        tls_config: Any = False,
        build_kwargs: Mapping[str, Any] | None = None,
        prefect_directory: str = "/opt/prefect",
        path: str | None = None,
        stored_as_script: bool = False,
        extra_dockerfile_commands: Iterable[str] | None = None,
        *,
        local_script_path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(stored_as_script=stored_as_script, **kwargs)
        self.registry_url = registry_of(registry_url)
        self.base_image = base_image
        self.dockerfile = None if dockerfile is None else os.fspath(dockerfile)
        self.dockerignore = None if dockerignore is None else os.fspath(dockerignore)
        self.python_dependencies = lines_of("python_dependencies", python_dependencies)
        self.image_name = image_name
        self.image_tag = image_tag
        self.env_vars = dict(env_vars or {})
        self.files = {os.fspath(here): there for here, there in (files or {}).items()}
        self.prefect_version = prefect_version
        self.local_image = local_image
        self.ignore_healthchecks = ignore_healthchecks
        self.base_url = base_url
        self.tls_config = tls_config
        self.build_kwargs = dict(build_kwargs or {})
        self.prefect_directory = prefect_directory
        self.path = path
        self.extra_dockerfile_commands = lines_of(
            "extra_dockerfile_commands", extra_dockerfile_commands
        )
        self.local_script_path = None if local_script_path is None else os.fspath(local_script_path)
        self.image: str | None = None
        self.hashes: dict[str, str] = {}
        self._code: dict[str, bytes] = {}
        check(self)
        warn_of_secrets(self, self.logger)

    def __getstate__(self) -> dict[str, Any]:
        # What only building needs stays out of pickles, where everybody could read it.
        return {
            **super().__getstate__(),
            "_code": {},
            "build_kwargs": {},
            "env_vars": {},
            "tls_config": False,
        }

    @property
    def default_labels(self) -> list[str]:
        """The machine's name, if the image stays on this machine."""
        import socket

        return [] if self.registry_url else [socket.gethostname()]

    @property
    def is_tried(self) -> bool:
        """Whether `build` loads the flows where they will run."""
        return not self.ignore_healthchecks

    @property
    def script_here(self) -> str | None:
        """The Python file that is kept: the one named, or else the one that is being registered."""
        from headrace.core.context import context

        return self.local_script_path or context.get("local_script_path")

    # -- keeping and loading --------------------------------------------------------------------

    def add_flow(self, flow: Flow) -> str:
        """Take a flow in; return its path in the image that `build` makes.

        Raises:
            StorageError: If another flow of this name was added, `path` is taken by another flow, or
                the Python file cannot be read.
            SerializationError: If the flow cannot be pickled.
        """
        self.check_name(flow)
        location = self.path or f"{self.prefect_directory.rstrip('/')}/flows/{file_of(flow.name)}"
        if self.stored_as_script:
            location = self._add_script(flow, location)
        else:
            if location in {where for name, where in self.flows.items() if name != flow.name}:
                raise StorageError(
                    f"{location} holds one flow already, and a pickle holds one only. Leave out `path`, "
                    f"or give the flow {flow.name!r} a storage of its own."
                )
            mark = fingerprint(flow)
            self._code[flow.name] = pickled(flow, mark)
            self.hashes[flow.name] = mark
        self.image = None
        return self.keep(flow, location)

    def build(self, push: bool = True) -> Self:
        """Build the image with all flows that were added, try it, and push it.

        Nothing is done if the engine or the registry has the very same already.

        Args:
            push: Whether the image is pushed, if there is a registry.

        Raises:
            StorageError: If the engine does not answer, the build fails (with its last lines), or the
                registry refuses.
            MissingExtraError: If the extra `docker` is not installed.
        """
        from headrace.storage.image_building import image_with

        if not self.flows:
            raise StorageError("Docker storage has no flow: call add_flow() before build().")
        self.image = image_with(self, self._code, push=push)
        return self

    def pinned(self) -> Self:
        """Return this storage, which is bound to its image.

        Raises:
            StorageError: If flows were added since the image was built.
        """
        if self.image is None:
            raise StorageError(
                "This Docker storage has no image yet that has all of its flows. Call its build() before "
                "registering with build=False."
            )
        return self

    def get_flow(self, flow_name: str) -> Flow:
        """Load a flow: from its path inside the image, elsewhere by asking the engine for that file.

        Errors are those of every storage.
        """
        return flow_of(self, flow_name)

    def serialize(self) -> dict[str, Any]:
        """Describe the storage; see `Storage.serialize`."""
        return {
            **super().serialize(),
            "image": self.image,
            "hashes": dict(sorted(self.hashes.items())),
        }

    def restore(self, description: dict[str, Any]) -> None:
        """Take over flows, hashes and the image; see `Storage.restore`."""
        super().restore(description)
        self.image = description.get("image")
        self.hashes = dict(description.get("hashes") or {})

    # -- parts --------------------------------------------------------------------------------

    def _add_script(self, flow: Flow, location: str) -> str:
        # With a `path` the file is there already, unless it is said that it is to be copied there.
        script = self.local_script_path if self.path is not None else self.script_here
        if script is None:
            # It is in the base image, or comes with `files`; or this storage was rebuilt.
            known = self.path or self.flows.get(flow.name)
            if known is None:
                raise StorageError(
                    "Docker storage with stored_as_script=True needs local_script_path, the Python file "
                    "that is copied into the image (local_script_path=__file__), or path, where it is "
                    "in the image already."
                )
            return known
        data = script_at(script)
        self._code[flow.name] = data
        self.hashes[flow.name] = digest_of(data)
        if self.path is None:
            location = f"{os.path.dirname(location)}/{Path(script).name}"
        return location

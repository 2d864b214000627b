"""Builds the image of a Docker storage, unless there is one already that has the same in it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headrace.config import config
from headrace.core.errors import StorageError
from headrace.core.version import __version__
from headrace.storage.contents import file_at, slug_of
from headrace.storage.image_context import ImageContext

if TYPE_CHECKING:
    from headrace.storage.docker import Docker
    from headrace.storage.image_engine import ImageEngine

#: How long a tag is that Headrace gives.
_TAG_LENGTH: Final = 20
#: With these of `build_kwargs` the user asks for a new image though nothing has changed.
_ANEW: Final = ("nocache", "pull")


def image_with(storage: Docker, code: Mapping[str, bytes], *, push: bool) -> str:
    """Have an image with the flows of a storage; return its full name, with the digest if it has one.

    Args:
        storage: The storage.
        code: By the name of each flow whose code is copied into the image: that code.
        push: Whether it is pushed, if there is a registry.

    Raises:
        StorageError: If the engine does not answer, the build fails, or the registry refuses.
        MissingExtraError: If the extra `docker` is not installed.
    """
    from headrace.storage.image_engine import ImageEngine

    context = _context(storage, code)
    name = storage.image_name or slug_of(min(storage.flows))
    repository = f"{storage.registry_url}/{name}" if storage.registry_url else name
    logger = storage.logger
    with ImageEngine(storage.base_url, storage.tls_config) as engine:
        content = context.digest(_beside(storage, context, engine))
        tag = storage.image_tag or content[:_TAG_LENGTH]
        reference = f"{repository}:{tag}"
        digest = None
        if not any(storage.build_kwargs.get(name) for name in _ANEW):
            digest = _found(storage, engine, reference, content)
        if digest is None:
            logger.info("Building the image %s.", reference)
            engine.build(
                context,
                reference,
                content,
                storage.build_kwargs,
                lambda line: logger.debug("%s", line),
            )
            digest = ""
            if storage.registry_url and push:
                logger.info("Pushing the image %s.", reference)
                digest = engine.push(repository, tag)
    return f"{reference}@{digest}" if digest else reference


def _context(storage: Docker, code: Mapping[str, bytes]) -> ImageContext:
    if storage.dockerfile is None:
        base = storage.base_image or config.agents.default_image
        context = ImageContext(f"FROM {base}", storage.prefect_directory)
    else:
        begin = file_at(storage.dockerfile, "dockerfile").decode("utf-8", "replace")
        context = ImageContext(begin, storage.prefect_directory, root=os.getcwd())
        ignore = storage.dockerignore or ".dockerignore"
        if storage.dockerignore is not None or os.path.exists(ignore):
            patterns = file_at(ignore, "dockerignore").decode("utf-8", "replace")
            context.ignore(patterns.splitlines())
    context.set_variables(storage.env_vars)
    context.install(storage.python_dependencies)
    context.copy_files(storage.files)
    context.add_commands(storage.extra_dockerfile_commands)
    copied = set()
    for name, data in sorted(code.items()):
        path = storage.flows[name]
        if path not in copied:  # several flows may be in one script
            copied.add(path)
            context.copy_code(path, data, storage.hashes[name])
    if not storage.ignore_healthchecks:
        _add_check(storage, context)
    return context


def _add_check(storage: Docker, context: ImageContext) -> None:
    program = Path(__file__).with_name("image_check.py").read_text(encoding="utf-8")
    asked = {
        "storage": {**storage.serialize(), "image": None},
        "python": "" if storage.stored_as_script else ".".join(map(str, sys.version_info[:2])),
        "version": __version__,
    }
    context.check(program, json.dumps(asked, sort_keys=True).encode())


def _beside(storage: Docker, context: ImageContext, engine: ImageEngine) -> list[str]:
    """Return what the image depends on besides its context; look whether it can be had at all."""
    identities = {image: engine.identity_of(image) for image in context.bases}
    for image, identity in identities.items():
        if storage.local_image and identity is None:
            raise StorageError(
                f"Docker storage: the engine has no image {image}, and local_image=True says that it "
                "is there already. Build it there, or let it be pulled."
            )
    return [repr(sorted(identities.items())), repr(sorted(storage.build_kwargs.items()))]


def _found(storage: Docker, engine: ImageEngine, reference: str, content: str) -> str | None:
    """Return the digest of an image that has just this in it; empty if it is no registry's."""
    is_here = engine.content_of(reference) == content
    if not storage.registry_url:
        return "" if is_here else None
    digest = engine.digest_of(reference)
    if digest is None:
        return None
    # A tag that is named after what is in the image tells it by itself.
    if storage.image_tag is None or (is_here and digest in engine.digests_of(reference)):
        return digest
    return None

"""How a flow is loaded from an image: inside it, or by the engine that has it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from headrace.core.errors import StorageError
from headrace.storage.contents import digest_of, flow_in, mark_in, script_at

if TYPE_CHECKING:
    from headrace.flow import Flow
    from headrace.storage.docker import Docker


def flow_of(storage: Docker, flow_name: str) -> Flow:
    """Load a flow of Docker storage; see `Docker.get_flow`."""
    path = storage.location_of(flow_name)
    place = f"{path} in the image {storage.image}"
    data = _read(storage, flow_name, path)
    known = storage.hashes.get(flow_name)
    found = digest_of(data) if storage.stored_as_script else mark_in(data)
    if known is not None and found != known:
        raise StorageError(
            f"{place} is not what was registered for the flow {flow_name!r}: the image is another "
            "one. Register the flow again; a run config's image is taken in the place of its "
            "storage's, so leave that out, too."
        )
    if storage.stored_as_script and os.path.isfile(path):
        from headrace.loading import extract_flow_from_file

        return extract_flow_from_file(path, flow_name=flow_name)
    return flow_in(data, flow_name, place, is_script=storage.stored_as_script)


def _read(storage: Docker, flow_name: str, path: str) -> bytes:
    if os.path.isfile(path):
        return script_at(path)
    from headrace.storage.image_engine import ImageEngine

    if storage.image is None:
        raise StorageError(
            f"The flow {flow_name!r} is to be loaded from {path} of an image that is not built yet."
        )
    storage.logger.info("Reading %s from the image %s.", path, storage.image)
    with ImageEngine(storage.base_url, storage.tls_config) as engine:
        try:
            return engine.read(storage.image, path)
        except FileNotFoundError:
            raise StorageError(
                f"There is no {path} in the image {storage.image}, which the flow {flow_name!r} is to "
                "be loaded from. Mend `path`, or put the file there: files={...}."
            ) from None

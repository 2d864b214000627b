"""Whether a flow's storage suits where the flow is deployed to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.registration.finding import Finding
from headrace.registration.preflight.containers import container_of

if TYPE_CHECKING:
    from headrace.flow import Flow


def check_storage(flow: Flow) -> Iterator[Finding]:
    """Yield what is wrong with a flow's storage, seen from here."""
    from headrace.run_configs import LocalRun
    from headrace.storage import Docker, Local

    storage = flow.storage
    if isinstance(storage, Docker) and isinstance(flow.run_config, LocalRun):
        yield Finding(
            level="warning",
            subject="storage",
            message="Its code is in an image, with all that it needs, and LocalRun runs it outside of "
            "that image.",
            remedy="Use DockerRun, KubernetesRun, ECSRun or VertexRun, or leave the run config out.",
        )
    image = getattr(flow.run_config, "image", None)
    if isinstance(storage, Docker) and image is not None:
        yield Finding(
            level="warning",
            subject="storage",
            message=f"Its code is in an image of its own, and it runs in {image}, which its run config "
            "names.",
            remedy="Leave out the run config's image, unless it is built on that of the storage.",
        )
    if not isinstance(storage, Local):
        return
    container = container_of(flow)
    path = storage.flows.get(flow.name) or storage.path
    if container is not None:
        yield Finding(
            level="warning",
            subject="storage",
            message=f"Its code is in {path or 'a file'} of this machine, and {container} runs it in "
            "a container, which has files of its own.",
            remedy="Use a storage that is reached from there, such as Docker, Git or S3, or make sure "
            "that the file is at the same path in the container.",
        )
    elif storage.stored_as_script and path and os.sep in path and not os.path.isfile(path):
        yield Finding(
            level="error",
            subject="storage",
            message=f"Its code is to be loaded from {path}, and there is no such file.",
            remedy="Mend the path of its Local storage; path=__file__ is the file itself.",
        )

"""How a kubelet comes by the images of containers."""

import asyncio
import hashlib
from dataclasses import dataclass

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.images import Images, name_error
from tests.integration.components.kubernetes.pod_report import PodReport


@dataclass
class Pace:
    """How long the kubelet waits before it tries again, in seconds; each try doubles the wait.

    A real one waits 10 s, and at most 300 s: too long for tests.
    """

    pull: float = 2.0
    crash: float = 2.0
    config: float = 0.3
    #: How long a pull's own error stands before the pod says that it is in back-off.
    sync: float = 0.3


class Pulls:
    """Pulls the images of one pod."""

    def __init__(self, report: PodReport, images: Images, pace: Pace, node: str) -> None:
        self._report = report
        self._images = images
        self._pace = pace
        self._node = node

    async def pulled(self, container: Object, status: Object) -> None:
        """Wait until the image is there."""
        image, policy = container["image"], container["imagePullPolicy"]
        wait = self._pace.pull
        while True:
            wrong = name_error(image)
            present = wrong is None and self._images.is_present(self._node, image)
            if wrong is not None:
                self._fail_image(container, status, "InvalidImageName", wrong, "InspectFailed")
                await asyncio.sleep(wait)
            elif policy == "Never" and not present:
                said = f'Container image "{image}" is not present with pull policy of Never'
                self._fail_image(container, status, "ErrImageNeverPull", said, "ErrImageNeverPull")
                await asyncio.sleep(wait)
            elif present and policy != "Always":
                said = f'Container image "{image}" already present on machine'
                self._report.tell("Normal", "Pulled", said, container)
                break
            elif await self._pull(container):
                break
            else:
                why = self._images.pull_error(image)
                self._fail_image(
                    container,
                    status,
                    "ErrImagePull",
                    why,
                    "Failed",
                    f'Failed to pull image "{image}": {why}',
                )
                await asyncio.sleep(self._pace.sync)
                said = f'Back-off pulling image "{image}"'
                self._report.tell("Normal", "BackOff", said, container)
                self._report.tell("Warning", "Failed", "Error: ImagePullBackOff", container)
                self._report.wait(status, "ImagePullBackOff", f"{said}: ErrImagePull: {why}")
                await asyncio.sleep(wait)
                wait *= 2
        digest = hashlib.sha256(image.encode()).hexdigest()
        status["imageID"] = f"{image.partition('@')[0].rpartition(':')[0] or image}@sha256:{digest}"

    async def _pull(self, container: Object) -> bool:
        name = container["image"]
        self._report.tell("Normal", "Pulling", f'Pulling image "{name}"', container)
        image = self._images.get(name)
        if image is None:
            return False
        await asyncio.sleep(image.pull_seconds)
        self._images.keep(self._node, name)
        took = f"{max(int(image.pull_seconds * 1000), 1)}ms"
        said = f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: 52428800 bytes.'
        self._report.tell("Normal", "Pulled", said, container)
        return True

    def _fail_image(
        self,
        container: Object,
        status: Object,
        reason: str,
        message: str,
        event: str,
        said: str = "",
    ) -> None:
        self._report.tell("Warning", event, said or message, container)
        self._report.tell("Warning", "Failed", f"Error: {reason}", container)
        self._report.wait(status, reason, message)

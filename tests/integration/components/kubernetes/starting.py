"""How a kubelet starts containers: what they refer to, and their programs."""

import asyncio
import hashlib
import shutil
import uuid
from pathlib import Path

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.containers import (
    CannotStart,
    Container,
    ProcessContainer,
    StandIn,
)
from tests.integration.components.kubernetes.environment import ConfigError, expanded, variables
from tests.integration.components.kubernetes.images import Images
from tests.integration.components.kubernetes.logs import ContainerLog
from tests.integration.components.kubernetes.names import quantity
from tests.integration.components.kubernetes.pod_report import PodReport
from tests.integration.components.kubernetes.pulling import Pace
from tests.integration.components.kubernetes.resources import CONFIG_MAPS, SECRETS
from tests.integration.components.kubernetes.store import Store


class Starts:
    """Starts the containers of one pod."""

    def __init__(
        self, report: PodReport, store: Store, images: Images, pace: Pace, folder: Path,
        base: dict[str, str],
    ) -> None:  # fmt: skip
        self._report = report
        self._store = store
        self._images = images
        self._pace = pace
        self._folder = folder
        self._base = base
        #: By container and by how often it was started again.
        self.logs: dict[tuple[str, int], ContainerLog] = {}

    async def mounted(self) -> None:
        """Wait until all secrets and config maps that volumes name are there."""
        meta, spec = self._report.pod["metadata"], self._report.pod["spec"]
        while True:
            missing = [
                (volume["name"], what, source)
                for volume in spec.get("volumes", [])
                for kind, key, what in (
                    ("secret", "secretName", "secret"),
                    ("configMap", "name", "configmap"),
                )
                if kind in volume and not volume[kind].get("optional")
                for source in [volume[kind].get(key, "")]
                if self._store.find(
                    SECRETS if kind == "secret" else CONFIG_MAPS, meta["namespace"], source
                )
                is None
            ]
            if not missing:
                return
            for volume, what, source in missing:
                said = (
                    f'MountVolume.SetUp failed for volume "{volume}" : {what} "{source}" not found'
                )
                self._report.tell("Warning", "FailedMount", said)
            await asyncio.sleep(self._pace.config)

    async def begin(self, container: Object, status: Object) -> Container | str:
        """Start a container; return why it cannot be, if so."""
        image = self._images.get(container["image"])
        name = container["name"]
        assert image is not None or container["imagePullPolicy"] != "Always"
        if image is None:
            return "the image is gone"
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        base = self._base | image.env | {
            "HOME": str(folder), "HEADRACE_HOME": str(folder),
            "HOSTNAME": self._report.pod["metadata"]["name"][:63],
        }  # fmt: skip
        while True:
            try:
                env = variables(self._store, self._report.pod, container, base)
                break
            except ConfigError as error:
                if status["state"].get("waiting", {}).get("reason") != "CreateContainerConfigError":
                    self._report.wait(status, "CreateContainerConfigError", str(error))
                self._report.tell("Warning", "Failed", f"Error: {error}", container)
                await asyncio.sleep(self._pace.config)
        self._report.tell("Normal", "Created", f"Created container: {name}", container)
        status["containerID"] = f"containerd://{hashlib.sha256(uuid.uuid4().bytes).hexdigest()}"
        log = self.logs[name, status["restartCount"]] = ContainerLog(
            self._folder / f"{name}-{status['restartCount']}.log"
        )
        if image.stands_in:
            return StandIn(image.stands_for)
        command = [expanded(one, env) for one in container.get("command", [])] or list(
            image.entrypoint
        )
        arguments = [expanded(one, env) for one in container.get("args", [])]
        if not container.get("command") and not arguments:
            arguments = list(image.arguments)
        limit = quantity(container["resources"].get("limits", {}).get("memory", ""))
        argv = command + arguments
        if not argv:
            return "no command specified"
        if shutil.which(argv[0], path=env.get("PATH")) is not None and "/" not in argv[0]:
            argv[0] = str(shutil.which(argv[0], path=env.get("PATH")))
        try:
            return ProcessContainer(argv, env, folder, log, int(limit) if limit else None)
        except CannotStart as error:
            log.end()
            return str(error)

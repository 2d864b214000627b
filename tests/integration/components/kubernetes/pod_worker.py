"""The life of one pod on its node: images, containers, restarts, and its end."""

import asyncio
import contextlib
import hashlib
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.components.kubernetes.answers import Object, Refused
from tests.integration.components.kubernetes.containers import (
    CannotStart,
    Container,
    ProcessContainer,
    StandIn,
)
from tests.integration.components.kubernetes.deletion import delete
from tests.integration.components.kubernetes.environment import ConfigError, expanded, variables
from tests.integration.components.kubernetes.images import Images, name_error
from tests.integration.components.kubernetes.logs import ContainerLog
from tests.integration.components.kubernetes.names import quantity
from tests.integration.components.kubernetes.pod_status import (
    phase_of,
    with_condition,
    with_containers,
)
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.resources import CONFIG_MAPS, PODS, SECRETS
from tests.integration.components.kubernetes.store import Store, now

_NEVER = "1970-01-01T00:00:00Z"
_LOST = "The container could not be located when the pod was terminated"


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


@dataclass(frozen=True)
class End:
    """Why a pod is ended before its containers end by themselves."""

    grace: float
    reason: str = ""
    message: str = ""
    condition: tuple[str, str] | None = None


class PodWorker:
    """Runs one pod."""

    def __init__(
        self, pod: Object, store: Store, images: Images, pace: Pace, recorder: Recorder,
        folder: Path, node: str, base: dict[str, str],
    ) -> None:  # fmt: skip
        self._pod = pod
        self._store, self._images, self._pace, self._recorder = store, images, pace, recorder
        self._folder, self._node, self._base = folder, node, base
        #: Whether the node no longer reaches the API server.
        self.cut_off = False
        self.logs: dict[tuple[str, int], ContainerLog] = {}
        self.running: dict[str, tuple[Container, asyncio.Future[int]]] = {}
        self._started: dict[str, str] = {}
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self.deleted = False
        spec = pod["spec"]
        waiting = "PodInitializing" if spec.get("initContainers") else "ContainerCreating"
        self._inits = {
            one["name"]: _status(one, "PodInitializing") for one in spec.get("initContainers", [])
        }
        self._regulars = {one["name"]: _status(one, waiting) for one in spec["containers"]}
        self.task = asyncio.ensure_future(self._run())

    def end(self, end: End) -> None:
        """End the pod, if it is not ended already."""
        if not self._end.done():
            self._end.set_result(end)
        elif end.grace < self._end.result().grace:
            for container, _ in self.running.values():
                container.kill()

    def forget(self) -> None:
        """End all at once: the pod is gone from the API server."""
        self.deleted = True
        self.end(End(0))
        for container, _ in self.running.values():
            container.kill()

    async def _run(self) -> None:
        self._folder.mkdir(parents=True)
        self._publish(starting=True)
        living = asyncio.ensure_future(self._live())
        deadline = self._pod["spec"].get("activeDeadlineSeconds")
        try:
            await asyncio.wait(
                (living, self._end), timeout=deadline, return_when=asyncio.FIRST_COMPLETED
            )
            if not living.done() and not self._end.done():
                said = "Pod was active on the node longer than the specified deadline"
                self._recorder.record(self._pod, "Normal", "DeadlineExceeded", said)
                grace = self._pod["spec"]["terminationGracePeriodSeconds"]
                self.end(End(grace, "DeadlineExceeded", said))
            if self._end.done() and not living.done():
                await self._stop(living, self._end.result())
            living.result() if living.done() and not living.cancelled() else None
            self._publish(final=True)
            # Its containers are over; what is left is to be deleted.
            await self._end
            self._gone()
        finally:
            living.cancel()
            for container, _ in self.running.values():
                container.kill()
            for log in self.logs.values():
                log.end()
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _live(self) -> None:
        spec = self._pod["spec"]
        await self._mounted()
        sidecars = []
        for one in spec.get("initContainers", []):
            if one.get("restartPolicy") == "Always":
                begun = asyncio.Event()
                sidecars.append(
                    asyncio.ensure_future(self._container(one, self._inits, "Always", begun))
                )
                await begun.wait()
            else:
                policy = "Never" if spec["restartPolicy"] == "Never" else "OnFailure"
                if await self._container(one, self._inits, policy) != 0:
                    return
        for status in self._regulars.values():
            if "waiting" in status["state"]:
                status["state"] = {"waiting": {"reason": "ContainerCreating"}}
                if spec.get("initContainers"):
                    status["state"]["waiting"]["reason"] = "PodInitializing"
        await asyncio.gather(
            *(
                self._container(one, self._regulars, spec["restartPolicy"])
                for one in spec["containers"]
            )
        )
        for sidecar in sidecars:
            sidecar.cancel()
        if sidecars:
            await self._finish_running(spec["terminationGracePeriodSeconds"])

    async def _container(
        self,
        container: Object,
        group: dict[str, Object],
        policy: str,
        begun: asyncio.Event | None = None,
    ) -> int:
        """Run a container until it is over for good; return its exit code."""
        name = container["name"]
        status = group[name]
        wait = self._pace.crash
        while True:
            await self._pulled(container, status)
            code = await self._once(container, status, begun)
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                return code
            status["lastState"] = status["state"]
            meta = self._pod["metadata"]
            where = f"pod {meta['name']}_{meta['namespace']}({meta['uid']})"
            message = f"back-off {int(wait) or 1}s restarting failed container={name} {where.replace(' ', '=', 1)}"
            self._wait(status, "CrashLoopBackOff", message)
            said = f"Back-off restarting failed container {name} in {where}"
            self._tell("Warning", "BackOff", said, container)
            await asyncio.sleep(wait)
            wait *= 2
            status["restartCount"] += 1

    async def _once(self, container: Object, status: Object, begun: asyncio.Event | None) -> int:
        name = container["name"]
        started = await self._begin(container, status)
        if isinstance(started, str):
            status["state"] = {"terminated": _ended(128, "StartError", _NEVER, status, started)}
            self._tell("Warning", "Failed", f"Error: {started}", container)
            self._publish()
            return 128
        at = now()
        waiting = asyncio.ensure_future(started.wait())
        self.running[name] = (started, waiting)
        self._started[name] = at
        status |= {"state": {"running": {"startedAt": at}}, "ready": True, "started": True}
        self._tell("Normal", "Started", f"Started container {name}", container)
        self._publish()
        if begun is not None:
            begun.set()
        await asyncio.shield(waiting)
        code = self._over(name, container, status)
        self._publish()
        return code

    def _over(self, name: str, container: Object, status: Object) -> int:
        ended, waiting = self.running.pop(name)
        code = waiting.result()
        reason = "OOMKilled" if ended.out_of_memory else "Error" if code else "Completed"
        message = self._last_words(container, status) if code else ""
        status["state"] = {"terminated": _ended(code, reason, self._started[name], status, message)}
        init_done = name in self._inits and code == 0
        status |= {"ready": init_done, "started": False}
        return code

    async def _begin(self, container: Object, status: Object) -> Container | str:
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
            "HOSTNAME": self._pod["metadata"]["name"][:63],
        }  # fmt: skip
        while True:
            try:
                env = variables(self._store, self._pod, container, base)
                break
            except ConfigError as error:
                if status["state"].get("waiting", {}).get("reason") != "CreateContainerConfigError":
                    self._wait(status, "CreateContainerConfigError", str(error))
                self._tell("Warning", "Failed", f"Error: {error}", container)
                await asyncio.sleep(self._pace.config)
        self._tell("Normal", "Created", f"Created container: {name}", container)
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

    async def _pulled(self, container: Object, status: Object) -> None:
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
                self._tell("Normal", "Pulled", said, container)
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
                self._tell("Normal", "BackOff", said, container)
                self._tell("Warning", "Failed", "Error: ImagePullBackOff", container)
                self._wait(status, "ImagePullBackOff", f"{said}: ErrImagePull: {why}")
                await asyncio.sleep(wait)
                wait *= 2
        digest = hashlib.sha256(image.encode()).hexdigest()
        status["imageID"] = f"{image.partition('@')[0].rpartition(':')[0] or image}@sha256:{digest}"

    async def _pull(self, container: Object) -> bool:
        name = container["image"]
        self._tell("Normal", "Pulling", f'Pulling image "{name}"', container)
        image = self._images.get(name)
        if image is None:
            return False
        await asyncio.sleep(image.pull_seconds)
        self._images.keep(self._node, name)
        took = f"{max(int(image.pull_seconds * 1000), 1)}ms"
        said = f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: 52428800 bytes.'
        self._tell("Normal", "Pulled", said, container)
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
        self._tell("Warning", event, said or message, container)
        self._tell("Warning", "Failed", f"Error: {reason}", container)
        self._wait(status, reason, message)

    async def _mounted(self) -> None:
        """Wait until all secrets and config maps that volumes name are there."""
        meta, spec = self._pod["metadata"], self._pod["spec"]
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
                self._recorder.record(self._pod, "Warning", "FailedMount", said)
            await asyncio.sleep(self._pace.config)

    async def _stop(self, living: "asyncio.Future[None]", end: End) -> None:
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living
        for container in self._pod["spec"]["containers"] + self._pod["spec"].get(
            "initContainers", []
        ):
            if container["name"] in self.running:
                self._tell(
                    "Normal", "Killing", f"Stopping container {container['name']}", container
                )
        await self._finish_running(end.grace)
        for status in self._regulars.values():
            if "terminated" not in status["state"] and "terminated" not in status["lastState"]:
                lost = _ended(137, "ContainerStatusUnknown", _NEVER, status, _LOST)
                status["state"] = {
                    "terminated": {key: lost[key] for key in lost if key != "containerID"}
                }
                status |= {"ready": False, "started": False}

    async def _finish_running(self, grace: float) -> None:
        waits = [waiting for _, waiting in self.running.values()]
        if not waits:
            return
        for container, _ in self.running.values():
            container.terminate()
        await asyncio.wait(waits, timeout=max(grace, 0.001))
        for container, waiting in self.running.values():
            if not waiting.done():
                container.kill()
        await asyncio.gather(*waits)
        for group, key in ((self._regulars, "containers"), (self._inits, "initContainers")):
            for one in self._pod["spec"].get(key, []):
                if one["name"] in self.running:
                    self._over(one["name"], one, group[one["name"]])

    def _wait(self, status: Object, reason: str, message: str) -> None:
        status |= {
            "state": {"waiting": {"reason": reason, "message": message}},
            "ready": False,
            "started": False,
        }
        self._publish()

    def _tell(self, type_: str, reason: str, message: str, container: Object) -> None:
        if self.cut_off:
            return
        group = "spec.initContainers" if container["name"] in self._inits else "spec.containers"
        path = f"{group}{{{container['name']}}}"
        self._recorder.record(self._pod, type_, reason, message, field_path=path)

    def _last_words(self, container: Object, status: Object) -> str:
        log = self.logs.get((container["name"], status["restartCount"]))
        if container.get("terminationMessagePolicy") != "FallbackToLogsOnError" or log is None:
            return ""
        text = b"".join(line for _, line in log.lines()[-80:])
        return text[-2048:].decode(errors="replace")

    def _publish(self, *, starting: bool = False, final: bool = False) -> None:
        """Write the pod's status."""
        if self.cut_off or self.deleted:
            return
        inits = [dict(one) for one in self._inits.values()]
        regulars = [dict(one) for one in self._regulars.values()]

        def written(newest: Object) -> Object:
            if starting:
                fixed = {
                    "startTime": now(), "hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}],
                }  # fmt: skip
                newest = newest | {"status": newest["status"] | fixed}
            else:
                fixed = {"podIP": "10.244.0.5", "podIPs": [{"ip": "10.244.0.5"}]}
                newest = newest | {"status": newest["status"] | fixed}
            phase = phase_of(newest["spec"], inits, regulars)
            if self._end.done():
                end = self._end.result()
                if final:
                    over = [one["state"].get("terminated", {"exitCode": 137}) for one in regulars]
                    phase = (
                        "Failed"
                        if end.reason or any(one["exitCode"] for one in over)
                        else "Succeeded"
                    )
                else:
                    phase = str(newest["status"]["phase"])
                if end.reason:
                    said = {"reason": end.reason, "message": end.message}
                    newest = newest | {"status": newest["status"] | said}
                if end.condition:
                    newest = with_condition(
                        newest, end.condition[0], "True", end.condition[1], end.message
                    )
            return with_containers(
                newest, inits, regulars, phase=phase, ready_to_start=not starting
            )

        with contextlib.suppress(Refused):
            self._store.change(PODS, self._pod, written)

    def _gone(self) -> None:
        """Tell the API server that nothing of a deleted pod is left."""
        meta = self._pod["metadata"]
        if self.deleted or self.cut_off:
            return
        newest = self._store.find(PODS, meta["namespace"], meta["name"])
        if (
            newest is not None
            and newest["metadata"]["uid"] == meta["uid"]
            and "deletionTimestamp" in newest["metadata"]
        ):
            delete(self._store, PODS, newest, {"gracePeriodSeconds": 0})


def _status(container: Object, reason: str) -> Object:
    return {
        "name": container["name"],
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": False,
    }


def _ended(
    code: int, reason: str, started: str, status: Object, message: str = ""
) -> dict[str, Any]:
    ended: dict[str, Any] = {
        "exitCode": code,
        "reason": reason,
        "startedAt": started,
        "finishedAt": now() if reason != "ContainerStatusUnknown" else _NEVER,
        "containerID": status.get("containerID", ""),
    }
    if message:
        ended["message"] = message
    return ended

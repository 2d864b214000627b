"""The life of one pod on its node: its containers, their restarts, and its end."""

import asyncio
import contextlib
import shutil
from pathlib import Path

from tests.integration.components.kubernetes import container_status
from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.containers import Container
from tests.integration.components.kubernetes.images import Images
from tests.integration.components.kubernetes.pod_report import End, PodReport
from tests.integration.components.kubernetes.pulling import Pace, Pulls
from tests.integration.components.kubernetes.recorder import Recorder
from tests.integration.components.kubernetes.starting import Starts
from tests.integration.components.kubernetes.store import Store, now


class PodWorker:
    """Runs one pod."""

    def __init__(
        self, pod: Object, store: Store, images: Images, pace: Pace, recorder: Recorder,
        folder: Path, node: str, base: dict[str, str],
    ) -> None:  # fmt: skip
        self.pod = pod
        self._pace = pace
        self._folder = folder
        self.report = PodReport(pod, store, recorder)
        self._pulls = Pulls(self.report, images, pace, node)
        self._starts = Starts(self.report, store, images, pace, folder, base)
        self.logs = self._starts.logs
        self.running: dict[str, tuple[Container, asyncio.Future[int]]] = {}
        self._started: dict[str, str] = {}
        self._ending = asyncio.Event()
        self._deletion = asyncio.Event()
        self.task = asyncio.ensure_future(self._run())

    def end(self, end: End) -> None:
        """End the pod, if it is not ended already; a shorter time of grace takes effect."""
        before = self.report.end
        if before is None:
            self.report.end = end
            self._ending.set()
        elif end.grace < before.grace:
            self._kill()

    def delete(self, grace: float) -> None:
        """End the pod, as it is deleted, and tell when nothing is left of it."""
        self._deletion.set()
        self.end(End(grace))

    def forget(self) -> None:
        """End all at once: the pod is gone from the API server."""
        self.report.deleted = True
        self.delete(0)
        self._kill()

    async def _run(self) -> None:
        self._folder.mkdir(parents=True)
        self.report.publish(starting=True)
        living = asyncio.ensure_future(self._live())
        ending = asyncio.ensure_future(self._ending.wait())
        spec = self.pod["spec"]
        try:
            await asyncio.wait(
                (living, ending),
                timeout=spec.get("activeDeadlineSeconds"),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not living.done():
                if self.report.end is None:
                    said = "Pod was active on the node longer than the specified deadline"
                    self.report.tell("Normal", "DeadlineExceeded", said)
                    grace = spec["terminationGracePeriodSeconds"]
                    self.end(End(grace, "DeadlineExceeded", said))
                await self._stop(living)
            else:
                living.result()
            self.report.publish(final=True)
            # What it has written can be read until it is deleted.
            await self._deletion.wait()
            self.report.gone()
        finally:
            living.cancel()
            ending.cancel()
            self._kill()
            for log in self.logs.values():
                log.end()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        for container, _ in self.running.values():
            container.kill()

    async def _live(self) -> None:
        await self._starts.mounted()
        sidecars: list[asyncio.Future[int]] = []
        try:
            if await self._initialised(sidecars):
                spec = self.pod["spec"]
                policy = spec["restartPolicy"]
                regulars = self.report.regulars
                await asyncio.gather(
                    *(self._container(one, regulars, policy) for one in spec["containers"])
                )
        finally:
            for sidecar in sidecars:
                sidecar.cancel()
        if sidecars:
            await self._finish_running(self.pod["spec"]["terminationGracePeriodSeconds"])

    async def _initialised(self, sidecars: "list[asyncio.Future[int]]") -> bool:
        """Run the init containers; tell whether all that end have succeeded."""
        spec, inits = self.pod["spec"], self.report.inits
        for one in spec.get("initContainers", []):
            if one.get("restartPolicy") == "Always":
                begun = asyncio.Event()
                running = self._container(one, inits, "Always", begun)
                sidecars.append(asyncio.ensure_future(running))
                await begun.wait()
            else:
                policy = "Never" if spec["restartPolicy"] == "Never" else "OnFailure"
                if await self._container(one, inits, policy) != 0:
                    return False
        return True

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
            await self._pulls.pulled(container, status)
            code = await self._once(container, status, begun)
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                return code
            status["lastState"] = status["state"]
            meta = self.pod["metadata"]
            where = f"pod {meta['name']}_{meta['namespace']}({meta['uid']})"
            message = f"back-off {int(wait) or 1}s restarting failed container={name} {where.replace(' ', '=', 1)}"
            self.report.wait(status, "CrashLoopBackOff", message)
            said = f"Back-off restarting failed container {name} in {where}"
            self.report.tell("Warning", "BackOff", said, container)
            await asyncio.sleep(wait)
            wait *= 2
            status["restartCount"] += 1

    async def _once(self, container: Object, status: Object, begun: asyncio.Event | None) -> int:
        name = container["name"]
        started = await self._starts.begin(container, status)
        if isinstance(started, str):
            status["state"] = {
                "terminated": container_status.ended(
                    128, "StartError", container_status.NEVER, status, started
                )
            }
            self.report.tell("Warning", "Failed", f"Error: {started}", container)
            self.report.publish()
            return 128
        at = now()
        waiting = asyncio.ensure_future(started.wait())
        self.running[name] = (started, waiting)
        self._started[name] = at
        status |= {"state": {"running": {"startedAt": at}}, "ready": True, "started": True}
        self.report.tell("Normal", "Started", f"Started container {name}", container)
        self.report.publish()
        if begun is not None:
            begun.set()
        await asyncio.shield(waiting)
        code = self._over(name, container, status)
        self.report.publish()
        return code

    def _over(self, name: str, container: Object, status: Object) -> int:
        ended, waiting = self.running.pop(name)
        code = waiting.result()
        reason = "OOMKilled" if ended.out_of_memory else "Error" if code else "Completed"
        message = self._last_words(container, status) if code else ""
        status["state"] = {
            "terminated": container_status.ended(code, reason, self._started[name], status, message)
        }
        init_done = name in self.report.inits and code == 0
        status |= {"ready": init_done, "started": False}
        return code

    async def _stop(self, living: "asyncio.Future[None]") -> None:
        end = self.report.end
        assert end is not None
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living
        spec = self.pod["spec"]
        for container in spec["containers"] + spec.get("initContainers", []):
            if container["name"] in self.running:
                said = f"Stopping container {container['name']}"
                self.report.tell("Normal", "Killing", said, container)
        await self._finish_running(end.grace)
        self.report.give_up()

    async def _finish_running(self, grace: float) -> None:
        waits = [waiting for _, waiting in self.running.values()]
        if not waits:
            return
        if grace > 0:  # without any, the runtime kills at once
            for container, _ in self.running.values():
                container.terminate()
            await asyncio.wait(waits, timeout=grace)
        for container, waiting in self.running.values():
            if not waiting.done():
                container.kill()
        # Whoever ends this meanwhile ends no wait: each process is waited for.
        await asyncio.wait(waits)
        for group, key in (
            (self.report.regulars, "containers"),
            (self.report.inits, "initContainers"),
        ):
            for one in self.pod["spec"].get(key, []):
                if one["name"] in self.running:
                    self._over(one["name"], one, group[one["name"]])

    def _last_words(self, container: Object, status: Object) -> str:
        log = self.logs.get((container["name"], status["restartCount"]))
        if container.get("terminationMessagePolicy") != "FallbackToLogsOnError" or log is None:
            return ""
        text = b"".join(line for _, line in log.lines()[-80:])
        return text[-2048:].decode(errors="replace")

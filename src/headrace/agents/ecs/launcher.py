"""Deploys flow runs as tasks of Amazon's ECS."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headrace.agents.ecs.api import PAGE
from headrace.agents.ecs.definition import Defaults, definition_of, flow_container
from headrace.agents.ecs.definitions import Definitions
from headrace.agents.ecs.ends import ended, is_over
from headrace.agents.ecs.errors import failure
from headrace.agents.ecs.logs import log_of
from headrace.agents.ecs.notes import Notes
from headrace.agents.ecs.run_task import (
    AGENT_TAG,
    ATTEMPT_TAG,
    RESERVED,
    RUN_TAG,
    arguments_of,
    launch_type_of,
    merged,
    started_by,
)
from headrace.agents.ecs.tasks import Failure
from headrace.agents.ecs.watched import WatchedTasks
from headrace.agents.environment import run_environment
from headrace.agents.images import image_of
from headrace.agents.launcher import Deployment, Launcher, News
from headrace.config.logging import get_logger
from headrace.core.errors import DeploymentError

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.agents.ecs.api import EcsApi
    from headrace.agents.ecs.tasks import EcsTask
    from headrace.wire.claims import ClaimedRun

#: How many seconds pass between two looks at a task that is being started, and at one that runs.
_SOON = 2.0
_LATER = 5.0
#: How many seconds pass at most if AWS does not answer, or is asked too often.
_LATEST = 60.0


class ECSLauncher(Launcher):
    """Starts a task for each flow run, and asks ECS how all of them are, a hundred at once.

    Args:
        api: What speaks to AWS.
        api_url: The server's address, as tasks see it.
        defaults: What runs get that do not ask for anything else.
        folder: The agent's own directory, where a few notes are kept.
        look: How many seconds pass between two looks at tasks that are being started; those that
            run are looked at less often.
    """

    kind = "ecs"

    def __init__(
        self,
        api: EcsApi,
        *,
        api_url: str,
        defaults: Defaults,
        folder: Path,
        look: float = _SOON,
    ) -> None:
        self._api = api
        self._api_url = api_url
        self._defaults = defaults
        self._definitions = Definitions(api)
        self._notes = Notes(folder)
        self._soon = look
        self._tasks = WatchedTasks(look, look * _LATER / _SOON)
        self._lock = threading.Lock()
        self._agent = ""
        #: What is to be told at the next look.
        self._news: list[News] = []
        self._pause = 0.0
        self._network: dict[str, Any] | None = None
        self._changed = threading.Event()
        self._log = get_logger("agent")

    def recover(self, agent: str) -> Iterable[Deployment]:
        """Find the tasks that an earlier process of this agent has started.

        Raises:
            DeploymentError: If AWS does not tell.
        """
        self._agent = agent
        released = self._notes.released()
        own = self._defaults.own_cluster
        for cluster in dict.fromkeys([own, *self._notes.clusters()]):
            try:
                listed = self._api.list_tasks(cluster, started_by(agent))
                arns = [arn for arn in listed if arn not in released]
            except DeploymentError as error:
                if cluster == own:
                    raise
                self._log.warning("Tasks in the cluster %s are not found: %s", cluster, error)
                continue
            for start in range(0, len(arns), PAGE):
                found = self._api.describe(cluster, arns[start : start + PAGE], tags=True)
                yield from self._recovered(found.tasks)

    def deploy(self, run: ClaimedRun) -> Deployment:
        """Start a task for a flow run, from a task definition that is registered if it has to be.

        Raises:
            DeploymentError: If it cannot be started.
        """
        asked = run.run_config or {}
        own = asked.get("run_task_kwargs") or {}
        if taken := [name for name in RESERVED if name in own]:
            raise DeploymentError(
                f"its run_task_kwargs say {' and '.join(taken)}, which is the agent's to say",
                is_final=True,
            )
        under = {**self._defaults.run_task, "cluster": self._defaults.own_cluster}
        arguments = merged(under, own)
        launch_type = launch_type_of(arguments, self._defaults.launch_type)
        if launch_type == "FARGATE" and not arguments.get("networkConfiguration"):
            arguments["networkConfiguration"] = self.network()
        environment = run_environment(run, self._api_url, agent=self._defaults.env)
        registered = None
        if name := asked.get("task_definition_arn"):
            registered = self._definitions.named(str(name))
            _check_registered(run, str(name), registered)
        arguments = arguments_of(
            run, self._defaults, arguments, environment, self._agent, registered=registered
        )
        if arguments["cluster"] != self._defaults.own_cluster:
            self._notes.note_cluster(str(arguments["cluster"]))
        if registered is not None:
            arn = str(asked["task_definition_arn"])
            task = self._start(arguments | {"taskDefinition": arn})
        else:
            task = self._start_from(self._made(run, launch_type), arguments)
        deployment = Deployment(flow_run_id=run.id, attempt=run.attempt, handle=task.task_arn)
        self._watch(deployment, soon=True)
        return deployment

    def watch(self, seconds: float) -> list[News]:
        """Wait until it is time to look at tasks, and return what is new of them."""
        self._changed.wait(max(0.0, min(seconds, self._next_due() - time.monotonic())))
        self._changed.clear()
        with self._lock:
            news, self._news = self._news, []
        for cluster, arns in self._due(time.monotonic()):
            for start in range(0, len(arns), PAGE):
                try:
                    news += self._look(cluster, arns[start : start + PAGE])
                except DeploymentError as error:
                    self._put_off(arns[start:], error)
                    break
        return news

    def early_logs(self, deployment: Deployment) -> str:
        """Return the end of what a container has said to CloudWatch, or why that is out of reach.

        ECS itself keeps nothing of it.
        """
        task = self._tasks.over(deployment.handle)
        if task is None or not task.task_definition_arn:
            return ""
        return log_of(task, self._definitions.named(task.task_definition_arn), self._api)

    def release(self, deployment: Deployment) -> None:
        """Forget a task that is over, and remember so; ECS itself forgets it within hours."""
        self._tasks.forget(deployment.handle)
        self._notes.note_released(deployment.handle)

    def cancel(self, deployment: Deployment) -> None:
        """Stop a task; does nothing if it is over."""
        cluster = _cluster_of(deployment.handle, self._defaults.own_cluster)
        self._api.stop_task(cluster, deployment.handle, "Headrace: the flow run was cancelled")

    def close(self) -> None:
        """Let go of connections; tasks go on."""
        self._api.close()

    def network(self) -> dict[str, Any]:
        """Return the network configuration of tasks on Fargate that are given none.

        Raises:
            DeploymentError: If there is no default VPC, or AWS does not tell.
        """
        with self._lock:
            found = self._network
        if found is None:
            found = self._api.default_network()
            with self._lock:
                self._network = found
        return found

    # -- task definitions -------------------------------------------------------------------------

    def _made(self, run: ClaimedRun, launch_type: str | None) -> dict[str, Any]:
        asked = run.run_config or {}
        given: Mapping[str, Any] | None = asked.get("task_definition")
        if path := asked.get("task_definition_path"):
            given = self._definitions.template(str(path))
        return definition_of(run, given or None, self._defaults, launch_type)

    def _start_from(self, definition: dict[str, Any], arguments: dict[str, Any]) -> EcsTask:
        try:
            return self._start(arguments | {"taskDefinition": self._definitions.arn_of(definition)})
        except DeploymentError as error:
            if "inactive" not in str(error).lower():
                raise
        # Somebody has deregistered it since.
        self._definitions.forget(definition)
        return self._start(arguments | {"taskDefinition": self._definitions.arn_of(definition)})

    # -- tasks ------------------------------------------------------------------------------------

    def _start(self, arguments: dict[str, Any]) -> EcsTask:
        answer = self._api.run_task(arguments)
        if not answer.tasks:
            told = answer.failures[0] if answer.failures else Failure()
            raise failure(told.reason, told.detail)
        return answer.tasks[0]

    def _watch(self, deployment: Deployment, *, soon: bool) -> None:
        self._tasks.add(deployment, soon=soon)
        self._changed.set()

    def _recovered(self, tasks: Iterable[EcsTask]) -> Iterator[Deployment]:
        for task in tasks:
            run_id, attempt = task.tag(RUN_TAG), task.tag(ATTEMPT_TAG)
            if not run_id or not attempt or not attempt.isdecimal():
                continue
            if task.tag(AGENT_TAG) != self._agent:
                continue
            deployment = Deployment(flow_run_id=run_id, attempt=int(attempt), handle=task.task_arn)
            if is_over(task):
                if self._tasks.add_over(task):  # else it was found before AWS failed
                    with self._lock:
                        self._news.append(ended(deployment, task))
            else:
                self._watch(deployment, soon=False)
                yield deployment

    def _next_due(self) -> float:
        with self._lock:
            if self._news:
                return 0.0
        return self._tasks.next_due()

    def _due(self, now: float) -> list[tuple[str, list[str]]]:
        """Return the tasks to look at, by cluster."""
        found: dict[str, list[str]] = {}
        for arn in self._tasks.due(now):
            found.setdefault(_cluster_of(arn, self._defaults.own_cluster), []).append(arn)
        return list(found.items())

    def _look(self, cluster: str, arns: list[str]) -> list[News]:
        """Ask ECS how some tasks are, and return what is new of them."""
        answer = self._api.describe(cluster, arns)
        self._pause = 0.0
        known = {task.task_arn: task for task in answer.tasks}
        return [each for arn in arns if (each := self._tasks.seen(arn, known.get(arn))) is not None]

    def _put_off(self, arns: Iterable[str], error: DeploymentError) -> None:
        """Look at tasks again later: each time AWS does not tell, twice as late."""
        self._pause = min(max(self._pause * 2, self._soon), _LATEST)
        seconds = self._pause * random.uniform(0.5, 1.0)
        self._log.warning("ECS is asked again in %.0f s how tasks are: %s", seconds, error)
        self._tasks.put_off(arns, seconds)


def _cluster_of(arn: str, default: str) -> str:
    """Return the cluster of a task: its ARN names it, but for accounts with ARNs of the old form."""
    parts = arn.split(":", 5)[-1].split("/")
    return parts[1] if len(parts) == 3 else default


def _check_registered(run: ClaimedRun, name: str, definition: Mapping[str, Any]) -> None:
    """Make sure that a flow can run in a definition that is registered already."""
    flow = flow_container(definition)
    if flow is None:
        there = ", ".join(str(each.get("name")) for each in definition["containerDefinitions"])
        raise DeploymentError(
            f"the task definition {name!r} has no container named 'flow', only {there}",
            is_final=True,
        )
    image = image_of(run, "")
    if image and image != flow.get("image"):
        raise DeploymentError(
            f"the task definition {name!r} has the image {flow.get('image')!r}, and the flow is in "
            f"{image!r}: give the run config a task_definition in place of its ARN",
            is_final=True,
        )

"""The calls that an ECS agent makes to AWS."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.agents.ecs.aws import AlreadyThere, Aws, Passing
from headrace.agents.ecs.definition import DEFINITION_TAG
from headrace.agents.ecs.tasks import EcsTask, Tasks, decode_tasks
from headrace.core.errors import ConfigError, DeploymentError

#: How many tasks one call describes, and how many one page lists, at most.
PAGE = 100
#: How many earlier revisions of a family are looked at for one that is the same.
_REVISIONS = 10
#: How much of a container's log is fetched: a line is rarely shorter than 16 bytes.
_LOG_EVENTS = 4096
#: Where an answer that was read in one go is kept beside what botocore makes of the rest.
_TASKS = "headrace"


class EcsApi:
    """What an agent asks of AWS, in Headrace's words and errors.

    Its methods may be called from several threads.

    Args:
        aws: Whom it speaks to; closed with it.

    Attributes:
        region: The region.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._ecs = aws.client("ecs")
        self.region = aws.region
        for operation in ("DescribeTasks", "RunTask"):
            self._ecs.meta.events.register(f"before-parse.ecs.{operation}", _read_at_once)

    # -- at the agent's start ---------------------------------------------------------------------

    def check(self, cluster: str) -> None:
        """Make sure that AWS lets this agent in, and that there is such a cluster.

        Raises:
            ConfigError: If not, in AWS's words.
        """
        try:
            answer = self._aws.once(
                "DescribeClusters", lambda: self._ecs.describe_clusters(clusters=[cluster])
            )
        except Passing as error:
            raise ConfigError(
                f"ECS does not answer in the region {self.region!r}: {error}. Is the region's name "
                "right?"
            ) from error
        except DeploymentError as error:
            raise ConfigError(
                "The agent's AWS credentials were refused, or what it asked with them in the region "
                f"{self.region}: {error}."
            ) from error
        for found in answer.get("clusters", ()):
            if found.get("status", "ACTIVE") == "ACTIVE":
                return
        raise ConfigError(
            f"There is no active ECS cluster {cluster!r} in the region {self.region}: give --cluster, "
            "or --region-name."
        )

    def default_network(self) -> dict[str, Any]:
        """Return a network configuration: all subnets of the default VPC, with public addresses.

        Raises:
            DeploymentError: If there is no default VPC, or AWS does not tell.
        """
        ec2 = self._aws.client("ec2")
        default = [{"Name": "is-default", "Values": ["true"]}]
        vpcs = self._aws.patiently("DescribeVpcs", lambda: ec2.describe_vpcs(Filters=default))[
            "Vpcs"
        ]
        subnets: list[str] = []
        if vpcs:
            within = [{"Name": "vpc-id", "Values": [vpcs[0]["VpcId"]]}]
            answer = self._aws.patiently(
                "DescribeSubnets", lambda: ec2.describe_subnets(Filters=within)
            )
            subnets = [each["SubnetId"] for each in answer["Subnets"]]
        self._aws.forget("ec2")
        if not subnets:
            raise DeploymentError(
                f"the region {self.region} has no default VPC with subnets: say by "
                "networkConfiguration in --run-task-kwargs, or in the run config's "
                "run_task_kwargs, which subnets tasks are in",
                is_final=True,
            )
        return {"awsvpcConfiguration": {"subnets": subnets, "assignPublicIp": "ENABLED"}}

    # -- task definitions ---------------------------------------------------------------------------

    def find_definition(self, family: str, told_hash: str) -> str | None:
        """Return the ARN of the family's revision with this hash in its tag, if there is one.

        Raises:
            DeploymentError: If AWS does not tell.
        """
        latest = self._describe_definition(family)
        if latest is None:
            return None
        if _has_hash(latest, told_hash):
            return str(latest["taskDefinition"]["taskDefinitionArn"])
        listed = self._aws.patiently(
            "ListTaskDefinitions",
            lambda: self._ecs.list_task_definitions(
                familyPrefix=family, sort="DESC", maxResults=_REVISIONS
            ),
        )
        for arn in listed["taskDefinitionArns"]:
            # A prefix lists longer families, too.
            if arn.rpartition("/")[2].rpartition(":")[0] != family:
                continue
            earlier = self._describe_definition(arn)
            if earlier is not None and _has_hash(earlier, told_hash):
                return str(arn)
        return None

    def register(self, definition: Mapping[str, Any]) -> str:
        """Register a task definition and return its ARN.

        Raises:
            DeploymentError: If AWS does not take it.
        """
        answer = self._aws.patiently(
            "RegisterTaskDefinition", lambda: self._ecs.register_task_definition(**definition)
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def definition(self, name: str) -> dict[str, Any]:
        """Return a task definition that is registered.

        Raises:
            DeploymentError: If there is none of this name.
        """
        found = self._describe_definition(name)
        if found is None:
            raise DeploymentError(
                f"ECS has no active task definition {name!r} in the region {self.region}",
                is_final=True,
            )
        return dict(found["taskDefinition"])

    def _describe_definition(self, name: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self._aws.patiently(
                "DescribeTaskDefinition",
                lambda: self._ecs.describe_task_definition(taskDefinition=name, include=["TAGS"]),
            )
        except DeploymentError as error:
            if "Unable to describe task definition" in str(error):
                return None
            raise
        return answer if answer["taskDefinition"].get("status", "ACTIVE") == "ACTIVE" else None

    # -- tasks --------------------------------------------------------------------------------------

    def run_task(self, arguments: Mapping[str, Any]) -> Tasks:
        """Start a task.

        Returns:
            The task, or why there is none. If ECS has one with another environment by the same
            token, as after an agent's restart, that one.

        Raises:
            DeploymentError: If AWS refuses it.
        """
        try:
            answer: Tasks = self._aws.patiently(
                "RunTask", lambda: self._ecs.run_task(**arguments)[_TASKS]
            )
        except AlreadyThere as found:
            return Tasks(tasks=[EcsTask(task_arn=found.arn, last_status="PROVISIONING")])
        return answer

    def describe(self, cluster: str, arns: Sequence[str], *, tags: bool = False) -> Tasks:
        """Describe tasks of a cluster, at most `PAGE`. It is tried once.

        Raises:
            DeploymentError: If AWS does not tell.
        """
        include = {"include": ["TAGS"]} if tags else {}
        answer: Tasks = self._aws.once(
            "DescribeTasks",
            lambda: self._ecs.describe_tasks(cluster=cluster, tasks=list(arns), **include)[_TASKS],
        )
        return answer

    def list_tasks(self, cluster: str, started_by: str) -> Iterator[str]:
        """Yield the ARNs of tasks that were started by somebody: those that run, then those stopped.

        Among those that are stopped may be others' tasks.

        Raises:
            DeploymentError: If AWS does not tell.
        """
        yield from self._listed({"cluster": cluster, "startedBy": started_by})
        stopped = {"cluster": cluster, "desiredStatus": "STOPPED"}
        try:
            yield from self._listed(stopped | {"startedBy": started_by})
        except Passing:
            raise
        except DeploymentError:
            # The reference says that startedBy has to be the only filter, and ECS takes both.
            yield from self._listed(stopped)

    def _listed(self, wanted: dict[str, str]) -> Iterator[str]:
        while True:
            answer = self._aws.patiently(
                "ListTasks", functools.partial(self._ecs.list_tasks, **wanted)
            )
            yield from answer["taskArns"]
            if not answer.get("nextToken"):
                break
            wanted = wanted | {"nextToken": answer["nextToken"]}

    def stop_task(self, cluster: str, arn: str, reason: str) -> None:
        """Stop a task; does nothing if it is over, or gone.

        Raises:
            DeploymentError: If AWS refuses it.
        """
        try:
            self._aws.patiently(
                "StopTask",
                lambda: self._ecs.stop_task(cluster=cluster, task=arn, reason=reason[:255]),
            )
        except DeploymentError as error:
            if "not found" not in str(error):
                raise

    def log_tail(self, group: str, stream: str, region: str | None) -> str:
        """Return the last lines of a log stream of CloudWatch; empty if there is none.

        Raises:
            DeploymentError: If AWS does not tell.
        """
        logs = self._aws.client("logs", region)
        try:
            answer = self._aws.once(
                "GetLogEvents",
                lambda: logs.get_log_events(
                    logGroupName=group,
                    logStreamName=stream,
                    limit=_LOG_EVENTS,
                    startFromHead=False,
                ),
            )
        except DeploymentError as error:
            if "ResourceNotFoundException" in str(error):
                return ""
            raise
        return "".join(f"{event.get('message', '')}\n" for event in answer["events"])

    def close(self) -> None:
        """Give up what is tried again, and let go of connections."""
        self._aws.close()


def _read_at_once(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Read an answer with tasks in one go, before botocore parses it field by field."""
    if response_dict["status_code"] == 200:
        customized_response_dict[_TASKS] = decode_tasks(response_dict["body"])
        response_dict["body"] = b"{}"


def _has_hash(answer: Mapping[str, Any], told_hash: str) -> bool:
    tags = answer.get("tags") or ()
    return any(tag.get("key") == DEFINITION_TAG and tag.get("value") == told_hash for tag in tags)

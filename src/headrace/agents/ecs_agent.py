"""The agent that runs flows as tasks of Amazon's ECS, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.agents.ecs.api import EcsApi
from headrace.agents.ecs.aws import Aws
from headrace.agents.ecs.definition import Defaults
from headrace.agents.ecs.launcher import ECSLauncher
from headrace.agents.ecs.run_task import RESERVED, launch_type_of
from headrace.agents.loopback import warn_of_loopback
from headrace.agents.named_agent import NamedAgent
from headrace.agents.templates import own_template
from headrace.config import config
from headrace.core.errors import ConfigError, DeploymentError

if TYPE_CHECKING:
    from headrace.agents.identity import AgentDirectory
    from headrace.client.client import Client

_LAUNCH_TYPES = ("FARGATE", "EC2", "EXTERNAL")


class ECSAgent(NamedAgent):
    """An agent that runs each flow run as a task of ECS.

    Args:
        cluster: The cluster, by its name or ARN; by default the one named `default`.
        launch_type: `FARGATE`, as by default, `EC2` or `EXTERNAL`; or a capacity provider's
            strategy stands in the arguments of `run_task`.
        task_definition_path: Where the task definition is of runs that bring none along: a path, or
            an address (`s3://`, `gs://`, `https://`). By default it is one core and 2 GiB.
        run_task_kwargs_path: Where arguments of `run_task` are, for all runs.
        task_role_arn: The role that flows run in that name none.
        execution_role_arn: The role that ECS starts their tasks in.
        region_name: The region; by default as boto3 finds it.
        image: The image of runs that name none; by default `config.agents.default_image`.
        name: Its name, for people. An agent that is started again under its name finds the tasks
            that it had started.
        labels: Its labels: it takes runs whose labels are among them.
        env_vars: Environment variables for all its runs.
        limit: How many runs it has at once; None for as many as come.
        hostname_label: Whether this machine's name is one of its labels.
        aws_access_key_id: Who to be; by default as boto3 finds it.
        aws_secret_access_key: The key's secret.
        aws_session_token: The token of credentials that pass.
        botocore_config: Arguments of botocore's `Config`.
        api_url: The server's address, as the agent and its tasks see it; by default
            `config.api_url`.
        api_key: The key to identify with; by default `config.api_key`.

    Raises:
        ConfigError: If there are no credentials, or they are refused, or there is no region, cluster
            or network; or if a file, an address, its name or a label is none.
        MissingExtraError: If boto3 is not installed.
        OSError: If its directory, below `config.home_dir`, cannot be made.
    """

    def __init__(
        self,
        cluster: str | None = None,
        launch_type: str | None = None,
        task_definition_path: str | None = None,
        run_task_kwargs_path: str | None = None,
        task_role_arn: str | None = None,
        execution_role_arn: str | None = None,
        region_name: str | None = None,
        image: str | None = None,
        name: str = "ecs",
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        limit: int | None = None,
        hostname_label: bool = True,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        botocore_config: Mapping[str, Any] | None = None,
        api_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        kind = (launch_type or "FARGATE").upper()
        if kind not in _LAUNCH_TYPES:
            raise ConfigError(
                f"{launch_type!r} is no launch type: it is one of {', '.join(_LAUNCH_TYPES)}."
            )

        def launcher(client: Client, directory: AgentDirectory) -> ECSLauncher:
            run_task = own_template(run_task_kwargs_path, "The agent's arguments of RunTask") or {}
            if taken := [each for each in RESERVED if each in run_task]:
                raise ConfigError(
                    f"{run_task_kwargs_path} says {' and '.join(taken)}, which is the agent's to "
                    "say: leave it out."
                )
            defaults = Defaults(
                image=image or config.agents.default_image,
                launch_type=kind,
                cluster=cluster,
                definition=own_template(task_definition_path, "The agent's task definition") or {},
                run_task=run_task,
                task_role_arn=task_role_arn,
                execution_role_arn=execution_role_arn,
                env=dict(env_vars or {}),
            )
            credentials = {
                "aws_access_key_id": aws_access_key_id,
                "aws_secret_access_key": aws_secret_access_key,
                "aws_session_token": aws_session_token,
            }
            api = EcsApi(Aws(region_name, credentials, botocore_config))
            api.check(defaults.own_cluster)
            found = ECSLauncher(
                api, api_url=client.api_url, defaults=defaults, folder=directory.path
            )
            if launch_type_of(run_task, kind) == "FARGATE" and not run_task.get(
                "networkConfiguration"
            ):
                try:
                    found.network()
                except DeploymentError as error:
                    raise ConfigError(f"Tasks on Fargate need a network: {error}.") from error
            warn_of_loopback(client.api_url, "a task")
            return found

        super().__init__(
            launcher,
            name=name,
            labels=labels,
            limit=limit,
            hostname_label=hostname_label,
            api_url=api_url,
            api_key=api_key,
        )

"""`prefect.agent.ecs.ECSAgent`, with Headrace's ECS agent behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headrace.agents.ecs_agent import ECSAgent as OwnAgent
from headrace.compat.prefect.agent_variables import variables


class ECSAgent(OwnAgent):
    """Runs flow runs as tasks of ECS.

    Args:
        agent_config_id: Accepted, and not looked at.
        name: Its name.
        labels: Its labels, beside this machine's name.
        env_vars: Environment variables for all its runs.
        max_polls: Accepted, and not looked at: work is handed to the agent, not polled for.
        agent_address: Accepted, and not looked at: the server knows whether the agent is there.
        no_cloud_logs: Whether runs keep their log lines from the server.
        task_definition_path: Where the task definition is of runs that bring none along.
        run_task_kwargs_path: Where arguments of `run_task` are, for all runs.
        aws_access_key_id: Who to be; by default as boto3 finds it.
        aws_secret_access_key: The key's secret.
        aws_session_token: The token of credentials that pass.
        region_name: The region; by default as boto3 finds it.
        cluster: The cluster; by default the one named `default`.
        launch_type: `FARGATE`, as by default, `EC2` or `EXTERNAL`.
        task_role_arn: The role that flows run in that name none.
        execution_role_arn: The role that ECS starts their tasks in.
        botocore_config: Arguments of botocore's `Config`.
    """

    def __init__(
        self,
        agent_config_id: str | None = None,
        name: str | None = None,
        labels: Iterable[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        max_polls: int | None = None,
        agent_address: str | None = None,
        no_cloud_logs: bool | None = None,
        task_definition_path: str | None = None,
        run_task_kwargs_path: str | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        region_name: str | None = None,
        cluster: str | None = None,
        launch_type: str | None = None,
        task_role_arn: str | None = None,
        execution_role_arn: str | None = None,
        botocore_config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            name=name or "ecs",
            labels=labels,
            env_vars=variables(env_vars, no_cloud_logs),
            task_definition_path=task_definition_path,
            run_task_kwargs_path=run_task_kwargs_path,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            region_name=region_name,
            cluster=cluster,
            launch_type=launch_type,
            task_role_arn=task_role_arn,
            execution_role_arn=execution_role_arn,
            botocore_config=botocore_config,
        )

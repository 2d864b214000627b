"""`headrace agent ecs`: the agent that runs flows as tasks of Amazon's ECS."""

from __future__ import annotations

import click

from headrace.cli.agent_options import agent_options
from headrace.cli.groups import LazyGroup

_COMMANDS = {"start": "headrace.cli.commands.agent_ecs:start"}

command = click.group(
    "ecs",
    cls=LazyGroup,
    commands=_COMMANDS,
    help="The agent that runs flows as tasks of Amazon's ECS.",
)(lambda: None)

_HELP = """\
Run each flow run as a task of Amazon's ECS: on Fargate, on your EC2 instances, or on machines of
your own.

AWS credentials are found as boto3 finds them: environment, profile, role. The end of the agent ends
no run; when it is started again under the same name, it finds its tasks.

\b
Examples:
  headrace agent ecs start --cluster flows --api-url https://headrace.example.com
  headrace agent ecs start --launch-type EC2 --task-definition task.yaml --label gpu
  headrace agent ecs start --run-task-kwargs network.yaml --execution-role-arn arn:aws:iam::...
"""


@click.command("start", help=_HELP)
@click.option("--cluster", help="The cluster: its name or ARN; by default the one named default.")
@click.option(
    "--launch-type",
    type=click.Choice(["FARGATE", "EC2", "EXTERNAL"], case_sensitive=False),
    default="FARGATE",
    show_default=True,
    help="What tasks are launched on.",
)
@click.option(
    "--task-definition",
    "task_definition_path",
    metavar="PATH",
    help="A task definition, in YAML or JSON, for runs that bring none; a path, s3:// or https://.",
)
@click.option(
    "--run-task-kwargs",
    "run_task_kwargs_path",
    metavar="PATH",
    help="Arguments of ECS's RunTask, in YAML or JSON, for all its runs; likewise.",
)
@click.option("--task-role-arn", metavar="ARN", help="The role that flows run in.")
@click.option("--execution-role-arn", metavar="ARN", help="The role that ECS starts tasks in.")
@click.option("--region-name", metavar="REGION", help="The AWS region.")
@agent_options("ecs")
def start(
    cluster: str | None,
    launch_type: str,
    task_definition_path: str | None,
    run_task_kwargs_path: str | None,
    task_role_arn: str | None,
    execution_role_arn: str | None,
    region_name: str | None,
    name: str,
    labels: tuple[str, ...],
    env: dict[str, str],
    limit: int | None,
    hostname_label: bool,
    api_url: str | None,
    image: str | None,
) -> None:
    """Run flows as tasks of ECS."""
    from headrace.agents.ecs_agent import ECSAgent

    agent = ECSAgent(
        cluster=cluster,
        launch_type=launch_type,
        task_definition_path=task_definition_path,
        run_task_kwargs_path=run_task_kwargs_path,
        task_role_arn=task_role_arn,
        execution_role_arn=execution_role_arn,
        region_name=region_name,
        image=image,
        name=name,
        labels=labels,
        env_vars=env,
        limit=limit,
        hostname_label=hostname_label,
        api_url=api_url,
    )
    agent.start()

"""`headrace agent ecs`: the agent that runs flows as tasks of Amazon's ECS."""

from __future__ import annotations

from typing import Any

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
def start(**options: Any) -> None:
    """Run flows as tasks of ECS."""
    from headrace.agents.ecs_agent import ECSAgent

    ECSAgent(**options).start()

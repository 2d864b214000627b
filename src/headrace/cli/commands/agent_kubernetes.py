"""`headrace agent kubernetes`: the agent that runs flows as jobs of a Kubernetes cluster."""

from __future__ import annotations

import re
from typing import Any

import click

from headrace.cli.agent_options import agent_options
from headrace.cli.groups import LazyGroup

_COMMANDS = {
    "start": "headrace.cli.commands.agent_kubernetes:start",
    "install": "headrace.cli.commands.agent_kubernetes_install",
}

command = click.group(
    "kubernetes",
    cls=LazyGroup,
    commands=_COMMANDS,
    help="The agent that runs flows as jobs of a Kubernetes cluster.",
)(lambda: None)

_HELP = """\
Run each flow run as a job of Kubernetes.

In a pod with a service account the agent deploys to its own cluster; elsewhere to that of the
kubeconfig. Its end ends no run; when it is started again under the same name, it finds its jobs.

\b
Examples:
  headrace agent kubernetes start --namespace flows --api-url https://headrace.example.com
  headrace agent kubernetes start --context staging --job-template job.yaml --label gpu
  headrace agent kubernetes install --api-url https://headrace.example.com | kubectl apply -f -
"""


_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def object_name(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Return the name of something in a cluster, if Kubernetes has such names."""
    if given is not None and not _NAME.fullmatch(given):
        raise click.BadParameter(
            f"{given!r} is none of Kubernetes' names, which are lower-case letters, digits and hyphens."
        )
    return given


def _names(
    context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """Return names that were given one by one, or with commas between them."""
    names = tuple(name for each in given for part in each.split(",") if (name := part.strip()))
    for name in names:
        object_name(context, option, name)
    return names


#: What is said of the pods of runs whose run config does not say it, by both commands.
POD_OPTIONS = (
    click.option(
        "--service-account-name",
        metavar="NAME",
        callback=object_name,
        help="The service account of flow runs' pods.",
    ),
    click.option(
        "--image-pull-secrets",
        metavar="NAMES",
        multiple=True,
        callback=_names,
        help="Secrets by which images are pulled, with commas between them.",
    ),
    click.option(
        "--image-pull-policy",
        type=click.Choice(["Always", "IfNotPresent", "Never"]),
        help="When images are pulled.",
    ),
)


def pod_options(given: Any) -> Any:
    """Give a command the options of flow runs' pods."""
    for option in reversed(POD_OPTIONS):
        given = option(given)
    return given


@click.command("start", help=_HELP)
@click.option(
    "--namespace",
    callback=object_name,
    help="The namespace; by default the pod's own, or the context's.",
)
@click.option(
    "--job-template",
    "job_template_path",
    metavar="PATH",
    help="A job's description, in YAML, for runs that bring none; a path, s3:// or https://.",
)
@pod_options
@click.option("--context", help="Which context of the kubeconfig to use.")
@click.option("--kubeconfig", metavar="PATH", help="Where the kubeconfig is.")
@click.option(
    "--pending-timeout",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="How long a run may wait for its pod to start; by default a day.",
)
@click.option(
    "--keep", is_flag=True, help="Leave jobs that are over, rather than deleting them: for a year."
)
@agent_options("kubernetes")
def start(**options: Any) -> None:
    """Run flows as jobs of Kubernetes."""
    from headrace.agents.kubernetes_agent import KubernetesAgent

    KubernetesAgent(**options).start()

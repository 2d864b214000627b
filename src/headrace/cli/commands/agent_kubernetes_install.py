"""`headrace agent kubernetes install`: what has an agent run in a cluster, as YAML."""

from __future__ import annotations

import uuid

import click

from headrace.cli.agent_options import agent_options
from headrace.cli.commands.agent_kubernetes import object_name, pod_options

_HELP = """\
Print the manifests of an agent that runs in the cluster: a Deployment, its ServiceAccount, and a
Role with a RoleBinding that hold just the rights that it needs.

\b
Examples:
  headrace agent kubernetes install --namespace flows --api-url https://headrace.example.com
  headrace agent kubernetes install --api-key-secret headrace --label gpu | kubectl apply -f -

With --api-key-secret the agent's API key is read from a Secret of that name. Make it once:

\b
  kubectl create secret generic headrace --namespace flows --from-file=api-key=key.txt
"""


def _check_amount(
    _context: click.Context, _option: click.Parameter, given: str | None
) -> str | None:
    from headrace.run_configs.quantities import objection_to_quantity

    if given is not None and (objection := objection_to_quantity(given)) is not None:
        raise click.BadParameter(f"It {objection}.")
    return given


@click.command("install", help=_HELP, short_help="Print what has an agent run in a cluster.")
@click.option(
    "--namespace",
    default="default",
    show_default=True,
    callback=object_name,
    help="Where agent and jobs are.",
)
@pod_options
@click.option(
    "--agent-image", metavar="IMAGE", help="The agent's own image; by default that of its runs."
)
@click.option(
    "--api-key-secret",
    metavar="NAME",
    callback=object_name,
    help="The Secret that holds the agent's API key.",
)
@click.option(
    "--api-key-key",
    metavar="KEY",
    default="api-key",
    show_default=True,
    help="Under which key the Secret holds it.",
)
@click.option(
    "--agent-id",
    metavar="ID",
    help="What the server knows the agent by; by default it follows from name, namespace and server.",
)
@click.option("--cpu", default="100m", show_default=True, callback=_check_amount, help="Its share.")
@click.option(
    "--memory", default="128Mi", show_default=True, callback=_check_amount, help="What it gets."
)
@click.option(
    "--memory-limit",
    default="256Mi",
    show_default=True,
    callback=_check_amount,
    help="The most memory that it may take.",
)
@click.option(
    "--rbac/--no-rbac", default=True, help="Whether to print Role and RoleBinding, as by default."
)
@agent_options("kubernetes", hostname_label=False)  # a pod's name says nothing
def command(
    namespace: str,
    service_account_name: str | None,
    image_pull_secrets: tuple[str, ...],
    image_pull_policy: str | None,
    agent_image: str | None,
    api_key_secret: str | None,
    api_key_key: str,
    agent_id: str | None,
    cpu: str,
    memory: str,
    memory_limit: str,
    rbac: bool,
    name: str,
    labels: tuple[str, ...],
    env_vars: dict[str, str],
    limit: int | None,
    api_url: str | None,
    image: str | None,
) -> None:
    """Print the manifests of an agent."""
    from headrace.agents.kubernetes.manifests import Installation, manifests
    from headrace.agents.loopback import objection_to_loopback
    from headrace.client.client import Client
    from headrace.config import config
    from headrace.run_configs.templates import as_yaml

    server = Client(api_url).api_url
    if (objection := objection_to_loopback(server, "a pod")) is not None:
        # Not as a log line: what is printed goes to kubectl.
        click.echo(objection, err=True)
    known_by = uuid.uuid5(uuid.NAMESPACE_URL, f"{server}#{namespace}/{name}")
    installation = Installation(
        agent_id=agent_id or str(known_by),
        name=name,
        namespace=namespace,
        image=agent_image or image or config.agents.default_image,
        api_url=server,
        labels=list(labels),
        env=env_vars,
        limit=limit,
        run_image=image,
        service_account_name=service_account_name,
        image_pull_secrets=list(image_pull_secrets),
        image_pull_policy=image_pull_policy,
        api_key_secret=api_key_secret,
        api_key_key=api_key_key,
        cpu=cpu,
        memory_request=memory,
        memory_limit=memory_limit,
        rbac=rbac,
    )
    click.echo(as_yaml(manifests(installation)), nl=False)

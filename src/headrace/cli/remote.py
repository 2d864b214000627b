"""What commands that ask the server have in common: the client, and finding what is meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from headrace.core.errors import NotFound

if TYPE_CHECKING:
    from headrace.client import Client
    from headrace.wire.agents import Agent
    from headrace.wire.flow_runs import FlowRun
    from headrace.wire.flows import Flow

#: Among so many of the newest flow runs the name is looked for that may have been meant.
_LOOKED_AT = 200
#: So many ids are named of flow runs that are called the same.
_MOST_NAMED = 5
#: An id, with dashes or without, whole or its beginning.
_ID = re.compile(r"[0-9a-f][0-9a-f-]{5,35}")

project_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--project", metavar="NAME", help="Only of this project."
)
yes_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "-y", "--yes", is_flag=True, help="Do not ask."
)


def the_client() -> Client:
    """Return a client of the server that the settings name."""
    from headrace.client import Client

    return Client()


def find_flow_run(client: Client, text: str) -> FlowRun:
    """Return the flow run that an id, the beginning of one, or a name means.

    Raises:
        ClickException: If there is none, or several.
    """
    if _ID.fullmatch(text):
        try:
            return client.get_flow_run(text)
        except NotFound:
            if len(text.replace("-", "")) >= 32:
                raise
    found = client.flow_runs(name=text, limit=_MOST_NAMED + 1)
    if not found and _ID.fullmatch(text):
        found = client.flow_runs(id_begins=text, limit=_MOST_NAMED + 1)
    if len(found) > 1:
        ids = ", ".join(run.id for run in found[:_MOST_NAMED])
        more = ", …" if len(found) > _MOST_NAMED else ""
        raise click.ClickException(
            f"Several flow runs are called {text!r}. Name one by its id: {ids}{more}."
        )
    if not found:
        known = [run.name for run in client.flow_runs(limit=_LOOKED_AT)]
        raise click.ClickException(
            f"There is no flow run {text!r}.{close_to(text, known)} "
            "List them: headrace flow-run list"
        )
    return found[0]


def find_flow_version(client: Client, text: str, project: str | None) -> Flow:
    """Return the flow that a name means, in its current version, or the version of an id.

    Raises:
        ClickException: If there is none, or several.
    """
    if len(text) >= 32 and _ID.fullmatch(text):
        return client.get_flow(text)
    found = client.flows(project, text)
    if len(found) > 1:
        raise click.ClickException(
            f"There are flows {text!r} in {len(found)} projects. Choose one with --project: "
            f"{', '.join(repr(flow.project_name) for flow in found)}."
        )
    if found:
        return client.get_flow(found[0].id)
    raise _no_flow(client, text, project)


def require_flow(client: Client, name: str, project: str | None) -> None:
    """Check that there is a flow of a name, if only in versions that are archived.

    Raises:
        ClickException: If there is none.
    """
    if not client.flows(project, name) and not client.flows(project, name, archived=True):
        raise _no_flow(client, name, project)


def find_agent(client: Client, text: str) -> Agent:
    """Return the agent that an id or a name means.

    Raises:
        ClickException: If there is none, or several.
    """
    agents = client.agents()
    found = [each for each in agents if text in (each.id, each.name)]
    if len(found) > 1:
        ids = ", ".join(each.id for each in found[:_MOST_NAMED])
        raise click.ClickException(
            f"Several agents are called {text!r}. Name one by its id: {ids}."
        )
    if not found:
        hint = close_to(text, [each.name for each in agents])
        raise click.ClickException(
            f"There is no agent {text!r}.{hint} List them: headrace agent list"
        )
    return found[0]


def _no_flow(client: Client, text: str, project: str | None) -> click.ClickException:
    where = f" in the project {project!r}" if project else ""
    hint = close_to(text, {flow.name for flow in client.flows(project)})
    if not hint and client.flows(project, text, archived=True):
        hint = " All its versions are archived."
    return click.ClickException(
        f"There is no flow {text!r}{where}.{hint} List them: headrace flow list"
    )


def close_to(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" or, if nothing is alike, an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def agreed(question: str, yes: bool) -> None:
    """Ask before something that cannot be undone, unless it was agreed to already.

    Raises:
        ClickException: If nobody can be asked.
        Abort: If the answer is no.
    """
    if yes:
        return
    import sys

    if not sys.stdin.isatty():
        raise click.ClickException(f"{question} Say so with --yes.")
    click.confirm(question, abort=True, err=True)

"""`headrace register`: tells the server about flows."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.exit_codes import FAILED, NOTHING_RAN, SUCCESS
from headrace.cli.failures import hint_at, text_of
from headrace.cli.output import json_option, print_json
from headrace.config import config
from headrace.core.errors import HeadraceError, LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.client import Client
    from headrace.flow import Flow
    from headrace.registration.sources import Source

_HELP = """\
Register flows with the server: all that are found, or those that are named.

A folder means the Python files in it. A flow that names no storage is loaded from its file, or its
module, when it runs. Flows that have not changed get no new version.

\b
Examples:
  headrace register --project etl -p nightly.py
  headrace register --project etl -p flows/ --watch
  headrace register --project etl -p 'flows/**/*.py' --label gpu
  headrace register --project etl -m company.flows --name nightly --no-schedule

\b
Exit codes:
  0    all flows are registered
  1    some are not; the others are
  2    none was: wrong usage, or the server cannot be reached
"""


@click.command("register", help=_HELP)
@click.option("--project", required=True, metavar="NAME", help="The project to register them in.")
@click.option(
    "-p", "--path", "paths", multiple=True, metavar="PATH", help="A file, folder or pattern."
)
@click.option("-m", "--module", "modules", multiple=True, metavar="MODULE", help="A module.")
@click.option(
    "-n", "--name", "names", multiple=True, metavar="NAME", help="Only flows of this name."
)
@click.option("-l", "--label", "labels", multiple=True, help="A label that their agent must have.")
@click.option("-f", "--force", is_flag=True, help="Make new versions though nothing has changed.")
@click.option("--watch", is_flag=True, help="Register again whenever a file changes, until Ctrl-C.")
@click.option(
    "--schedule/--no-schedule",
    default=None,
    help="Switch their schedules on, or off. By default those of new flows are on, and those of "
    "others stay as they are.",
)
@click.option("--create-project", is_flag=True, help="Make the project if there is none.")
@click.option("--no-preflight", is_flag=True, help="Do not look for what would fail.")
@click.option(
    "--prefect1",
    is_flag=True,
    help="The files were written for Prefect 1: `import prefect` gives them Headrace.",
)
@json_option
def command(
    project: str,
    paths: tuple[str, ...],
    modules: tuple[str, ...],
    names: tuple[str, ...],
    labels: tuple[str, ...],
    force: bool,
    watch: bool,
    schedule: bool | None,
    create_project: bool,
    no_preflight: bool,
    prefect1: bool,
    as_json: bool,
) -> int:
    """Register flows with the server."""
    if not paths and not modules:
        raise click.UsageError("Say what to register: files with --path, or modules with --module.")
    if watch and as_json:
        raise click.UsageError("--watch and --json do not go together.")
    from headrace.cli.remote import the_client
    from headrace.registration.sources import sources_of

    config.home_dir  # noqa: B018 - a setting that is wrong is said to be so before files are run
    if watch:
        return _watch(paths, modules)
    if prefect1:
        from headrace.compat.prefect import install

        install()
    sources = sources_of(paths, modules)
    options: dict[str, Any] = {
        "labels": labels,
        "force": force,
        "set_schedule_active": schedule,
        "preflight": not no_preflight,
    }
    with the_client() as client:
        _require_project(client, project, create_project)
        registration = _Registration(client, project, options, set(names), as_json)
        # What flows' files print, and the log, must not stand in the middle of JSON.
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            for source in sources:
                registration.add(source)
        return registration.end(", ".join((*paths, *modules)))


class _Registration:
    """Registers flows one by one, and goes on after one that fails."""

    def __init__(
        self, client: Client, project: str, options: dict[str, Any], names: set[str], as_json: bool
    ) -> None:
        self._client = client
        self._project = project
        self._options = options
        self._names = names
        self._as_json = as_json
        self._results: list[dict[str, Any]] = []
        self._homes: dict[str, str] = {}

    def add(self, source: Source) -> None:
        """Register the flows of a file or module."""
        from headrace.registration.sources import add_together, flows_of

        arguments = sys.argv
        # A file that reads its arguments while it is loaded must not find ours.
        sys.argv = [source.location]
        try:
            with flows_of(source) as flows:
                asked = [flow for flow in flows if not self._names or flow.name in self._names]
                add_together(asked)
                for flow in asked:
                    self._register(flow, source.location)
        except HeadraceError as error:
            self._failed(None, source.location, str(error))
        except Exception as error:  # noqa: BLE001 - a user's file may raise anything
            if not self._as_json:
                click.secho(text_of(error), err=True)
            what = f"{source.location} raised {type(error).__name__} while it was loaded: {error}"
            hint = hint_at(error)
            self._failed(None, source.location, f"{what}.{hint}" if hint else what)
        finally:
            sys.argv = arguments

    def end(self, where: str) -> int:
        """Say what is left to be said; return the exit code."""
        known = {result["flow"] for result in self._results}
        for name in sorted(self._names - known):
            self._failed(name, where, f"There is no flow {name!r} in {where}.")
        if self._as_json:
            print_json(self._results)
        elif not self._results:
            click.echo(f"There are no flows in {where}.", err=True)
        if not self._results:
            return NOTHING_RAN
        return FAILED if any("error" in result for result in self._results) else SUCCESS

    def _register(self, flow: Flow, location: str) -> None:
        from headrace.registration import register

        if (home := self._homes.setdefault(flow.name, location)) != location:
            self._failed(
                flow.name,
                location,
                f"There are two flows named {flow.name!r}, in {home} and in {location}; in one project "
                "they would be versions of one flow. Give one of them another name.",
            )
            return
        try:
            registered = register(flow, self._project, client=self._client, **self._options)
        except HeadraceError as error:
            self._failed(flow.name, location, str(error))
            return
        self._results.append(
            {
                "flow": flow.name,
                "source": location,
                "id": registered.id,
                "version": registered.version,
                "is_new": registered.is_new,
                "warnings": registered.warnings,
            }
        )

    def _failed(self, name: str | None, location: str, error: str) -> None:
        self._results.append({"flow": name, "source": location, "error": error})
        if not self._as_json:
            what = f"The flow {name!r}" if name else location
            click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
            click.echo(f"{what} is not registered. {error}", err=True)


def _require_project(client: Client, project: str, create: bool) -> None:
    from headrace.core.errors import NotFound

    if create:
        client.create_project(project, exists_ok=True)
        return
    try:
        client.get_project(project)
    except NotFound as error:
        raise click.ClickException(
            f"There is no project {project!r}. Make it with `headrace project create {project}`, or "
            "add --create-project."
        ) from error


def _watch(paths: Sequence[str], modules: Sequence[str]) -> int:
    """Register what changes, each time in a fresh process, which imports everything anew."""
    from headrace.registration.sources import sources_of
    from headrace.registration.watching import changes

    files = {module: _file_of(module) for module in modules}

    def watched() -> Iterator[str]:
        # What is being written anew is away for a moment.
        with suppress(LoadError):
            yield from (source.location for source in sources_of(paths))
        yield from files.values()

    sources_of(paths)
    rest = _without_sources(sys.argv[1:])
    for changed in changes(watched):
        which = [
            part
            for file in changed
            for part in (
                ("-m", next(name for name in files if files[name] == file))
                if file in files.values()
                else ("-p", file)
            )
        ]
        code = "import sys; from headrace.cli import main; sys.exit(main())"
        subprocess.run([sys.executable, "-c", code, *rest, *which], check=False)
    return SUCCESS


def _file_of(module: str) -> str:
    from importlib.util import find_spec

    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    name = module.partition(":")[0]
    try:
        spec = find_spec(name)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        raise LoadError(
            f"There is no module {name!r} to watch. Modules are looked for in the current folder and "
            "where Python's packages are."
        )
    return spec.origin


def _without_sources(arguments: Sequence[str]) -> list[str]:
    """Return a command line without what it is to watch, and that it is to."""
    rest: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in ("-p", "--path", "-m", "--module"):
            skip = True
        elif argument != "--watch" and not argument.startswith(
            ("--path=", "--module=", "-p", "-m")
        ):
            rest.append(argument)
    return rest

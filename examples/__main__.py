"""The demo: the flow of `examples/flights.py`, on each executor, then tracked by a server.

`make demo` runs it, and `make demo ARGS=--keep` leaves the server running.

python -m examples
python -m examples --executor threads --months 1 2 3 --no-server
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from examples import flights, tracked_demo
from headrace import config
from headrace.core.errors import ClientError
from headrace.executors import DaskExecutor, Executor, LocalDaskExecutor, LocalExecutor
from headrace.states import State

# A pipe takes the report unbroken; a terminal has its own width.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


class Place(NamedTuple):
    """Somewhere to run the flow."""

    code: str
    what: str
    make: Callable[[], Executor]


def temporary_cluster() -> Executor:
    """Return an executor that starts a cluster of two worker processes for one run."""
    return DaskExecutor(cluster_kwargs={"n_workers": 2, "threads_per_worker": 1})


PLACES = {
    "local": Place("LocalExecutor()", "one task after another, in this thread", LocalExecutor),
    "threads": Place(
        'LocalDaskExecutor("threads")',
        "threads of this process",
        lambda: LocalDaskExecutor("threads"),
    ),
    "processes": Place(
        'LocalDaskExecutor("processes")',
        "processes on this machine, started for the run",
        lambda: LocalDaskExecutor("processes"),
    ),
    "dask": Place(
        "DaskExecutor(...)",
        "a Dask cluster of two workers, started for the run",
        temporary_cluster,
    ),
}


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("--executor", nargs="*", choices=PLACES, default=list(PLACES))
    parser.add_argument("--months", nargs="+", type=int, default=list(range(1, 13)))
    parser.add_argument("--folder", type=Path, default=Path("demo-output"))
    parser.add_argument("--no-server", action="store_true", help="run it on executors only")
    parser.add_argument("--keep", action="store_true", help="leave server and agent running")
    arguments = parser.parse_args()
    config.logging.level = "WARNING"

    console.print("[bold]The flow[/] examples/flights.py, with a year of flights from New York:\n")
    console.print("  read_flights -> split_by_month -> split_by_carrier, for each month")
    console.print("    -> summarise, for each month and airline -> tabulate")
    console.print("       -> write_table, write_report, draw\n")
    prepare()

    tables: set[str] = set()
    if arguments.executor:
        console.print("[bold]The same flow on each executor[/]\n")
        for name in arguments.executor:
            state = run(PLACES[name], arguments.months, arguments.folder)
            if not state.is_successful():
                console.print(f"The flow run ended as {state!r}; the lines above say why.")
                return 1
            tables.add((arguments.folder / "flights.csv").read_text(encoding="utf-8"))
        console.print()
    if len(arguments.executor) > 1 and len(tables) == 1:
        console.print(
            "Each gave the same numbers, down to the last digit. The times include starting"
        )
        console.print("the workers, which a job as small as this one does not make up for.\n")
    if not arguments.no_server:
        console.print("[bold]The same flow, registered with a server and run by an agent[/]\n")
        if not run_tracked(arguments.months, arguments.folder, keep=arguments.keep):
            return 1
        tables.add((arguments.folder / "flights.csv").read_text(encoding="utf-8"))
    if len(tables) > 1:
        console.print("[red]Not all runs gave the same numbers.[/]")
        return 1
    show(arguments.folder)
    return 0


def prepare() -> None:
    """Do what only the first run on a machine would have to do, so that the times compare."""
    import matplotlib as mpl

    mpl.set_loglevel("ERROR")  # it says that it makes a list of the fonts, once
    import matplotlib.figure  # noqa: F401 - which takes a while


def run(place: Place, months: list[int], folder: Path) -> State:
    """Run the flow there, and say how long it took, with the start of the workers."""
    console.print(f"  {place.code:32}{place.what:52}", end="")
    begun = time.perf_counter()
    state = flights.flow.run(
        months=months, folder=str(folder), executor=place.make(), run_on_schedule=False
    )
    console.print(f"{time.perf_counter() - begun:6.1f} s")
    return state


def run_tracked(months: list[int], folder: Path, *, keep: bool) -> bool:
    """Run the flow through a server and an agent, and tell whether it succeeded."""
    begun = time.perf_counter()
    # What is drawn from is what this run has written, and no other.
    (folder / "flights.csv").unlink(missing_ok=True)
    # The agent starts the run in a directory of its own.
    parameters = {"months": months, "folder": str(folder.resolve())}
    try:
        done = tracked_demo.run(console, Path(flights.__file__), parameters, keep=keep)
    except (tracked_demo.DemoError, ClientError) as error:
        console.print(f"[red]{escape(str(error))}[/]", soft_wrap=True)
        return False
    if done.state != "Success":
        console.print(f"The flow run ended as {done.state}: {escape(done.message)}")
        return False
    after = "" if keep else ", and everything was taken down again"
    console.print(f"\nIt took {time.perf_counter() - begun:.1f} s in all{after}.\n")
    return True


def show(folder: Path) -> None:
    """Show the report, where things are, and what to try next."""
    report = (folder / "flights.md").read_text(encoding="utf-8")
    console.print(Padding(Markdown(report), (0, 2)))
    console.print("\n[bold]Where things are[/]\n")
    places = Table.grid(padding=(0, 2, 0, 0))
    places.add_row("", "report", str(folder / "flights.md"))
    places.add_row("", "table", str(folder / "flights.csv"))
    places.add_row("", "picture", str(folder / "flights.png"))
    if shutil.which("dot"):
        graph = folder / "flights-graph.svg"
        flights.flow.visualize(filename=graph)
        places.add_row("", "graph", str(graph))
    console.print(places)
    console.print("\n[bold]What to try next[/]\n")
    program = Path(sys.executable).with_name("headrace")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    headrace = shlex.quote(str(program))
    for command, what in {
        "run examples/flights.py --param 'months=[6, 7]'": "two months of it, with its progress",
        "run examples/weather.py": "retries, a resource, a branch on the data's quality",
        "run examples/life_expectancy.py --executor threads": "142 countries, and where lives became shorter",
        "dev examples/weather.py": "a server, an agent and the flow, run anew at each change",
        "visualize examples/weather.py --output weather.svg": "what a flow looks like",
    }.items():
        console.print(f"  {headrace} {command}", soft_wrap=True)
        console.print(f"      [dim]{what}[/]")
    console.print("\n  docs/index.md explains the rest.")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        console.print("\nInterrupted; what had been started was taken down.")
        sys.exit(130)

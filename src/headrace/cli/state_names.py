"""The names of states, as they are given on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from headrace.cli.remote import close_to

#: The types of states that flow runs have, as people are shown them.
FLOW_RUN_STATES = (
    "Scheduled",
    "Submitted",
    "Running",
    "Cancelling",
    "Pausing",
    "Paused",
    "Success",
    "Failed",
    "Cancelled",
)


def task_run_states() -> list[str]:
    """Return the types of states that task runs have."""
    from headrace.core import states

    return [
        name
        for name, value in vars(states).items()
        if isinstance(value, type) and issubclass(value, states.State) and name[0].isupper()
    ]


def parse_states(text: str | None, known: Callable[[], Iterable[str]]) -> str | None:
    """Return names of states, with commas between them, as the server knows them.

    Args:
        text: What was given, in any case; None for no states in particular.
        known: Gives the names that there are.

    Raises:
        ClickException: If there is no such state.
    """
    if text is None:
        return None
    by_fold = {name.lower(): name for name in known()}
    found = []
    for word in text.split(","):
        name = by_fold.get(word.strip().lower())
        if name is None:
            hint = close_to(word.strip().title(), by_fold.values())
            there = f" There are: {', '.join(by_fold.values())}."
            raise click.ClickException(f"There is no state {word.strip()!r}.{hint or there}")
        found.append(name)
    return ",".join(found)

"""Write the pages of the reference: one line for each public name, which the site's builder fills in.

Usage: ``python tools/reference.py``, as ``make docs`` does. What is public is what a module lists in
``__all__``, or else what it defines or re-exports by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


class Page(NamedTuple):
    """A page of the reference."""

    title: str
    #: The page of the guide that explains what the reference lists.
    guide: str
    modules: list[str]


PAGES = {
    "flows-and-tasks": Page(
        "Flows and tasks", "flows", ["headrace", "headrace.loading", "headrace.debug"]
    ),
    "tasks": Page("Task library", "control-flow", ["headrace.tasks", "headrace.notifications"]),
    "states": Page(
        "States, signals, triggers",
        "states",
        [
            "headrace.states",
            "headrace.signals",
            "headrace.triggers",
            "headrace.cache_validators",
        ],
    ),
    "results": Page("Results and secrets", "results", ["headrace.results", "headrace.secrets"]),
    "executors": Page("Executors", "executors", ["headrace.executors"]),
    "storage": Page(
        "Storage and registration", "registering", ["headrace.storage", "headrace.registration"]
    ),
    "agents": Page(
        "Agents",
        "agents",
        [
            "headrace.agents.local_agent",
            "headrace.agents.docker_agent",
            "headrace.agents.kubernetes_agent",
            "headrace.agents.ecs_agent",
            "headrace.agents.vertex_agent",
            "headrace.agents.named_agent",
            "headrace.agents.launcher",
            "headrace.agents.environment",
            "headrace.agents.exit_codes",
            "headrace.agents.images",
        ],
    ),
    "schedules": Page(
        "Schedules",
        "schedules",
        [
            "headrace.schedules",
            "headrace.schedules.clocks",
            "headrace.schedules.filters",
            "headrace.schedules.adjustments",
        ],
    ),
    "configuration": Page(
        "Configuration and run configs",
        "configuration",
        ["headrace.config", "headrace.run_configs"],
    ),
    "client": Page("Client", "client", ["headrace.client"]),
    "testing": Page("Testing", "testing-flows", ["headrace.testing"]),
    "errors": Page("Errors", "index", ["headrace.errors"]),
}


def public_names(module: ModuleType) -> list[str]:
    """Return what a module offers: classes, functions and other objects, not modules."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        names = list(listed)
    else:
        # What is written in a folder's own files is the folder's; what a file imports to use is not.
        thin = module.__doc__ is not None and not any(
            (inspect.isfunction(value) or inspect.isclass(value))
            and value.__module__ == module.__name__
            for value in vars(module).values()
        )
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and name != "annotations"
            and getattr(value, "__module__", "").startswith(
                "headrace." if thin else module.__name__
            )
        ]
    return [name for name in names if not inspect.ismodule(getattr(module, name))]


def is_described_by_source(value: object) -> bool:
    """Tell whether the builder finds the docstring in the source: it reads files, and runs nothing."""
    return inspect.isclass(value) or inspect.isroutine(value)


def public_classes() -> frozenset[type]:
    """Return the classes that have a place of their own in the reference."""
    modules = [import_module(name) for page in PAGES.values() for name in page.modules]
    values = [getattr(module, name) for module in modules for name in public_names(module)]
    return frozenset(value for value in values if inspect.isclass(value))


def inherited_names(kind: type, shown: Collection[type]) -> list[str]:
    """Return the members that a class has of ancestors that are shown nowhere else, sorted.

    Args:
        kind: The class.
        shown: The classes that have one.
    """
    ancestors = kind.__mro__[1:]
    elsewhere = {each for other in ancestors if other in shown for each in other.__mro__}
    return sorted(
        {
            name
            for ancestor in ancestors
            if ancestor.__module__.startswith("headrace.") and ancestor not in elsewhere
            for name, member in vars(ancestor).items()
            # The tests of a contract are run, not called.
            if not name.startswith(("_", "test_")) and inspect.getdoc(member)
            if name not in vars(kind)
        }
    )


def entry(path: str, value: object, shown: Collection[type]) -> list[str]:
    """Return the lines that have a class or a function described.

    Args:
        path: Where it is found.
        value: The class or function.
        shown: The classes that have a place of their own.
    """
    names = inherited_names(value, shown) if inspect.isclass(value) else []
    members = f"    options: {{inherited_members: [{', '.join(names)}]}}"
    return [f"::: {path}", *([members] if names else []), ""]


def render(page: Page) -> str:
    """Return a page's text."""
    shown = public_classes()
    guide = "../index.md" if page.guide == "index" else f"../guide/{page.guide}.md"
    lines = [f"# {page.title}", "", f"What it is for, and how to use it: [the guide]({guide})."]
    for name in page.modules:
        module = import_module(name)
        lines += ["", f"## `{name}`", ""]
        lines += [" ".join((module.__doc__ or "").split("\n\n")[0].split()), ""]
        others = []
        for public in public_names(module):
            value = getattr(module, public)
            if is_described_by_source(value):
                lines += entry(f"{name}.{public}", value, shown)
            else:
                words = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
                others.append(f"- `{public}`: {words}")
        lines += ["", *others] if others else []
    text = "\n".join(lines).strip("\n") + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def index() -> str:
    """Return the text of the reference's front page."""
    lines = [
        "# Reference",
        "",
        "Every public name, with its docstring. `from headrace import ...` gives the names of the",
        "authoring API; the others are in the modules named here.",
        "",
        "| page | modules |",
        "|---|---|",
    ]
    for file, page in PAGES.items():
        modules = ", ".join(f"`{module}`" for module in page.modules)
        lines.append(f"| [{page.title}]({file}.md) | {modules} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Return the text of each page."""
    texts = {FOLDER / f"{file}.md": render(page) for file, page in PAGES.items()}
    return {FOLDER / "index.md": index(), **texts}


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

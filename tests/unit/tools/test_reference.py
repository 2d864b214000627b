"""Every public name is in the reference, and says what it is."""

import inspect
import re
from importlib import import_module

import pytest

from tools import reference

MODULES = [module for page in reference.PAGES.values() for module in page.modules]


def own_methods(cls: type) -> list[tuple[str, object]]:
    """The public methods and properties that Headrace itself defines on a class."""
    return [
        (name, value)
        for base in cls.__mro__
        if base.__module__.startswith("headrace.")
        for name, value in vars(base).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod))
    ]


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_has_a_docstring(name: str) -> None:
    module = import_module(name)
    assert module.__doc__
    without = []
    for public in reference.public_names(module):
        value = getattr(module, public)
        if not (value.__doc__ or "").strip():
            without.append(public)
        if inspect.isclass(value) and issubclass(value, object):
            without += [
                f"{public}.{method}" for method, it in own_methods(value) if not inspect.getdoc(it)
            ]
    assert not without


def test_the_pages_name_what_users_import() -> None:
    text = "\n".join(reference.pages().values())
    for name in (
        "headrace.Flow",
        "headrace.case",
        "headrace.states.Retrying",
        "headrace.signals.LOOP",
        "headrace.results.LocalResult",
        "headrace.executors.DaskExecutor",
        "headrace.schedules.clocks.CronClock",
        "headrace.errors.ParameterError",
        "headrace.loading.extract_flow_from_file",
        "headrace.debug.raise_on_exception",
    ):
        assert f"::: {name}\n" in text
    assert "- `all_successful`: Run if" in text
    assert "subprocess" not in text


def test_each_page_is_in_the_site() -> None:
    site = (reference.FOLDER.parents[1] / "mkdocs.yml").read_text()
    for page in reference.PAGES:
        assert f"- reference/{page}.md\n" in site


def test_the_site_leads_to_every_page_of_the_guide() -> None:
    docs = reference.FOLDER.parent
    site = (docs.parent / "mkdocs.yml").read_text()
    front = (docs / "index.md").read_text()
    for page in sorted((docs / "guide").glob("*.md")):
        assert f"- guide/{page.name}\n" in site
        assert f"(guide/{page.name})" in front


def test_what_a_class_has_of_unlisted_ancestors_is_listed_with_it() -> None:
    text = reference.render(reference.PAGES["client"])
    (members,) = re.findall(
        r"^::: headrace\.client\.Client\n    options: \{inherited_members: \[(.*)\]\}$",
        text,
        re.MULTILINE,
    )
    assert {"create_flow_run", "register", "logs", "claim"} <= set(members.split(", "))
    flows = reference.render(reference.PAGES["flows-and-tasks"])
    assert re.search(
        r"^::: headrace\.Flow\n    options: .*add_edge.*sorted_tasks", flows, re.MULTILINE
    )
    # What a listed ancestor has stands there.
    agents = reference.render(reference.PAGES["agents"])
    assert "::: headrace.agents.local_agent.LocalAgent\n\n" in agents

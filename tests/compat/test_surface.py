"""Each name of Prefect 1.4.1 that Headrace offers resolves, and takes the arguments it took."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compat import surface

HERE = Path(__file__).parent
PAGE = surface.read()
PATHS = {path: name for name in PAGE.names for path in name.paths}

#: Arguments that Prefect 1 had and nobody gave: they were swallowed.
SWALLOWED = {
    "prefect.engine.serializers.DateTimeSerializer",
    "prefect.engine.serializers.JSONSerializer",
    "prefect.engine.serializers.PickleSerializer",
    # A tuple takes one sequence, and a collection task what each task does: under their own names.
    "prefect.tasks.core.collections.Dict",
    "prefect.tasks.core.collections.List",
    "prefect.tasks.core.collections.Set",
    "prefect.tasks.core.collections.Tuple",
    "prefect.utilities.collections.CompoundKey",
}
#: Listed by name alone; `client` needs a server.
WITHOUT = {"prefect.client.secrets.Secret": {"client"}}


@pytest.fixture(scope="module")
def found():
    """What a process that has installed the alias finds."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "inspect_surface.py"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def complaints(listed, offered, path):
    """Say which calls that were right with the arguments listed are wrong with those offered."""
    by_name = {name: (default, kind) for name, default, kind in offered}
    by_position = [name for name, _, kind in offered if kind.startswith("POSITIONAL")]
    takes_any = any(kind == "VAR_KEYWORD" for _, _, kind in offered)
    for place, (name, default) in enumerate(listed):
        if name.startswith("*"):
            taken = name[:2] in {n[:2] for n in by_name if n.startswith("*")}
            if not taken and path not in SWALLOWED:
                yield f"{name} is not taken"
            continue
        if name not in by_name:
            if not takes_any:
                yield f"{name} is not taken"
            continue
        own_default, kind = by_name[name]
        if default != surface.REQUIRED and own_default == surface.REQUIRED:
            yield f"{name} has to be given"
        both_known = {default, own_default}.isdisjoint({surface.SOME, surface.REQUIRED})
        if both_known and default != own_default:
            yield f"{name} is {own_default!r} by default, not {default!r}"
        if kind == "POSITIONAL_OR_KEYWORD" and by_position.index(name) != place:
            yield f"{name} has another place"
    known = {name for name, _ in listed}
    for name, default, kind in offered:
        # What is given by position may be called anything.
        may_be_new = default != surface.REQUIRED or kind.startswith("VAR")
        if name not in known and not may_be_new and kind != "POSITIONAL_ONLY":
            yield f"{name} is new and has to be given"


def test_the_page_is_read():
    assert len(PAGE.names) > 170
    assert len(PATHS) > 170
    assert PATHS["prefect.schedules.CronSchedule"].arguments == [
        ("cron", surface.REQUIRED),
        ("start_date", None),
        ("end_date", None),
        ("day_or", None),
    ]


@pytest.mark.parametrize("path", PATHS)
def test_a_name_is_offered(path, found):
    answer = found["paths"][path]
    assert "missing" not in answer, answer
    assert answer.get("same", True), "import and attribute give two objects"
    name = PATHS[path]
    assert answer["is_class"] or not name.is_class or path == "prefect.task"
    if "arguments" in answer:
        offered = answer["arguments"]
        if name.paths[0] == "prefect.task":
            assert offered[0][0] == "fn"  # always given by position: it is what is decorated
            offered = offered[1:]
            assert list(complaints(name.arguments[1:], offered, path)) == []
        else:
            assert list(complaints(name.arguments, offered, path)) == []


@pytest.mark.parametrize("path", PAGE.members)
def test_instances_have_what_they_had(path, found):
    members = found["members"][path]
    for name, called in PAGE.members[path]:
        if name in WITHOUT.get(path, ()):
            continue
        answer = members[name]
        if called is None:
            assert answer, f"{name} is missing"
            continue
        # A classmethod is listed with its class, and a method without `self`.
        listed = [argument for argument in called if argument[0] != "cls"]
        assert list(complaints(listed, answer, path)) == [], name


@pytest.mark.parametrize("key", PAGE.context_keys)
def test_a_task_finds_its_context(key, found):
    if key == "_nodash":
        assert {f"{day}_nodash" for day in ("today", "yesterday", "tomorrow")} <= {
            *found["context"]
        }
    else:
        assert key in found["context"]


@pytest.mark.parametrize("key", PAGE.config_keys)
def test_a_setting_has_its_name(key, found):
    assert key in found["config"]

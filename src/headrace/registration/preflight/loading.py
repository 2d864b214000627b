"""Whether a flow can be loaded back from its storage, in a process that knows nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from headrace.core.errors import HeadraceError
from headrace.registration.finding import Finding

if TYPE_CHECKING:
    from headrace.flow import Flow

#: How many seconds a flow's file may take to be loaded.
_PATIENCE = 300.0
_PROGRAM = "from headrace.registration.preflight.fresh_process import main; main()"


def check_loading(flow: Flow) -> list[Finding]:
    """Return why a flow cannot be loaded back, or that another one is."""
    if _is_tried_elsewhere(flow):
        return []
    try:
        with tempfile.TemporaryDirectory(prefix="headrace-preflight-") as folder:
            asked = {"storage": _described(flow, folder), "flow": flow.name}
            answer = _ask(json.dumps(asked))
    except HeadraceError as error:
        return [_cannot(str(error), "")]
    except subprocess.TimeoutExpired:
        return [
            _cannot(
                f"it is not loaded after {_PATIENCE:.0f} seconds.",
                "Put what takes long into tasks: loading a flow only builds it.",
            )
        ]
    if "error" in answer:
        return [_cannot(answer["error"], _remedy(flow, answer))]
    here, there = sorted(flow.slugs.values()), answer["slugs"]
    if here == there:
        return []
    differing = sorted(set(here) ^ set(there))
    return [
        Finding(
            level="warning",
            subject="storage",
            message="The flow that it gives back has other tasks than this one: "
            f"{', '.join(differing[:5])}{' …' if len(differing) > 5 else ''}.",
            remedy="Push or install what has changed, so that runs get the flow that is registered.",
        )
    ]


def _is_tried_elsewhere(flow: Flow) -> bool:
    """Tell whether a flow was loaded where it will run, or will be, which says more."""
    storage = flow.storage
    # What a script needs may be there alone; that a pickle can be made is seen here as well.
    return getattr(storage, "is_tried", False) and (
        flow.name in storage or storage.stored_as_script
    )


def _described(flow: Flow, folder: str) -> dict[str, Any]:
    """Describe a flow's storage with the flow in it, and leave the storage itself alone.

    In the place of one that others would see a folder is taken, which keeps the flow in the same way.
    """
    from headrace.storage import Local, get_default_storage_class, storage_from

    storage = flow.storage if flow.storage is not None else get_default_storage_class()()
    if flow.name not in storage:
        if storage.is_elsewhere:
            script = storage.script_here
            storage = (
                Local(path=_copied(script, folder), stored_as_script=True)
                if storage.stored_as_script and script is not None
                else Local(directory=folder)
            )
        else:
            storage = storage_from(storage.serialize())
        storage.add_flow(flow)
        storage.build()
    described: dict[str, Any] = storage.serialize_for(flow.name)
    return described


def _copied(script: str, folder: str) -> str:
    """Copy a Python file to a folder, where nothing stands beside it; return its path there."""
    from headrace.storage.contents import script_at

    path = os.path.join(folder, os.path.basename(script))
    with open(path, "wb") as file:
        file.write(script_at(script))
    return path


def _ask(asked: str) -> dict[str, Any]:
    # In an empty folder, so that what is found is what a deployed run would find, too.
    with tempfile.TemporaryDirectory(prefix="headrace-preflight-") as folder:
        answer = os.path.join(folder, "answer")
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM, answer],
            input=asked,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        try:
            with open(answer, encoding="utf-8") as file:
                given: dict[str, Any] = json.load(file)
                return given
        except (FileNotFoundError, ValueError):
            last = done.stdout.strip().splitlines()[-1:] or ["it said nothing"]
            return {"error": f"its process ended with exit code {done.returncode}: {last[0]}"}


def _remedy(flow: Flow, answer: dict[str, Any]) -> str:
    from headrace.storage.hosted import Hosted

    module = answer.get("module")
    if module is None:
        return ""
    if isinstance(flow.storage, Hosted):
        return (
            f"Install {module!r} where the flow runs, or tell the agent where it is (--import-path); if "
            "it is in the flow's repository, use Git storage, which checks all of it out."
        )
    if getattr(flow.storage, "is_elsewhere", False):
        return (
            f"Install {module!r} where the flow runs, or tell the agent where it is (--import-path); if "
            "it stands beside the flow's file, use Git or Docker storage, which take it along."
        )
    if getattr(flow.storage, "stored_as_script", False) or type(flow.storage).__name__ == "Git":
        return (
            f"Install {module!r} where the flow runs, or put it beside the flow's file, or tell the "
            "agent where it is: --import-path."
        )
    return f"Install {module!r} where the flow runs, or tell the agent where it is: --import-path."


def _cannot(why: str, remedy: str) -> Finding:
    return Finding(
        level="error",
        subject="storage",
        message=f"The flow cannot be loaded back from it in a fresh process: {why}",
        remedy=remedy,
    )

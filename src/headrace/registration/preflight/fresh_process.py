"""The fresh process that loads a flow back: what it is asked comes by its standard input."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any


def main() -> None:
    """Load a flow and write what came of it, as JSON, to the file that is the only argument."""
    asked = json.load(sys.stdin)
    answer: dict[str, Any]
    try:
        answer = _load(asked)
    except BaseException as error:  # noqa: BLE001 - a flow's file may raise anything, and end the process
        answer = {"error": _text(error)}
        missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__
        if isinstance(missing, ModuleNotFoundError):
            answer["module"] = missing.name
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(answer, file)


def _load(asked: dict[str, Any]) -> dict[str, Any]:
    from headrace.storage import storage_from

    storage = storage_from(asked["storage"])
    try:
        flow = storage.get_flow(asked["flow"])
        flow.validate()
        return {"slugs": sorted(flow.slugs.values())}
    finally:
        storage.close()


def _text(error: BaseException) -> str:
    from headrace.core.errors import HeadraceError

    if isinstance(error, HeadraceError):
        return str(error)
    text = f"{type(error).__name__}: {error}"
    # The innermost line that is not Headrace's own is the user's.
    ours = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")) + os.sep
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((ours, "<frozen")):
            return f"{text} ({frame.filename}, line {frame.lineno})"
    return text

"""Loads flows inside an image, as runs will; a copy of this file is run there when the image is built.

It says what is wrong in one line of its own, for whoever builds the image.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    """Load the flows that the file beside this one names; end with what is wrong, if anything is."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image_check.json")
    with open(path, encoding="utf-8") as file:
        asked: dict[str, Any] = json.load(file)
    here = ".".join(map(str, sys.version_info[:2]))
    if asked["python"] and here != asked["python"]:
        sys.exit(
            f"Health check: the image has Python {here}, and the flows are pickled by Python "
            f"{asked['python']}, which {here} does not read. Take a base image with Python "
            f"{asked['python']}, or keep the flows as scripts (stored_as_script=True)."
        )
    try:
        from headrace.storage import storage_from
    except ImportError as error:
        sys.exit(
            f"Health check: Headrace cannot be imported in the image: {error}. Take a base image that "
            f"has it, or put 'headrace=={asked['version']}' into python_dependencies."
        )
    for name in asked["storage"]["flows"]:
        try:
            storage_from(asked["storage"]).get_flow(name).validate()
        except Exception as error:  # noqa: BLE001 - loading a flow runs its code, which raises anything
            said = " ".join(str(error).split())
            sys.exit(
                f"Health check: the flow {name!r} cannot be loaded inside the image: "
                f"{type(error).__name__}: {said} What it imports has to be there: python_dependencies "
                "installs packages, files copies files."
            )
        sys.stdout.write(f"Health check: the flow {name!r} is loaded.\n")


if __name__ == "__main__":
    main()

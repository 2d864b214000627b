"""Say what the image is made of: `wanted.py PYPROJECT LOCK EXTRAS` writes what pip is to install.

`wanted.txt` has the dependencies, with those of the extras, `build.txt` what builds Headrace itself,
and `locked.txt` the versions of both.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def main(pyproject: str, lock: str, extras: str) -> None:
    """Write the three files into the working directory."""
    project = tomllib.loads(Path(pyproject).read_text())
    offered = project["project"]["optional-dependencies"]
    wanted = list(project["project"]["dependencies"])
    for extra in filter(None, extras.replace(" ", "").split(",")):
        if extra not in offered:
            sys.exit(f"There is no extra {extra!r}. There are: {', '.join(sorted(offered))}.")
        wanted += offered[extra]
    Path("wanted.txt").write_text("\n".join(wanted) + "\n")
    Path("build.txt").write_text("\n".join(project["build-system"]["requires"]) + "\n")
    # With hashes pip would ask for those of every wheel, also of one that was built elsewhere.
    versions = re.sub(r"\s*\\\n(\s*--hash=\S+\s*\\?\n?)+", "\n", Path(lock).read_text())
    Path("locked.txt").write_text(versions)


if __name__ == "__main__":
    main(*sys.argv[1:])

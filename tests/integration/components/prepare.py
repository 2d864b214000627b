"""Makes what tests of containers need, before the first of them waits for it.

`python -m tests.integration.components.prepare 3` prepares Docker engines for three test processes: the
first builds the images, the others get a copy of its data. With everything there it takes a few
seconds; what cannot be made is said, and the tests that need it say so again.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys

import pytest

from tests.integration.components.base_image import build_headrace_image
from tests.integration.components.docker_engine import CACHE, running_docker_engine


def main(count: int) -> None:
    """Prepare engines for `count` test processes."""
    if (CACHE / "prepared").exists() and all(
        (CACHE / f"engine-{number}" / "data").exists() for number in range(count)
    ):
        return  # a change of what is in the images is soon made by the tests themselves
    try:
        with running_docker_engine() as engine:
            print("making the images that tests of containers run: a few minutes, once")
            build_headrace_image(engine)
        for number in range(1, count):
            _copy(number)
        (CACHE / "prepared").touch()
    except pytest.skip.Exception as error:
        print(f"going on without containers: {error}", file=sys.stderr)


def _copy(number: int) -> None:
    """Give an engine that was never used the data of the first one."""
    first, other = CACHE / "engine-0", CACHE / f"engine-{number}"
    other.mkdir(parents=True, exist_ok=True)
    with (first / "lock").open("w") as read, (other / "lock").open("w") as written:
        for held in (read, written):
            fcntl.flock(held, fcntl.LOCK_EX)
        if not (other / "data").exists():
            subprocess.run(["cp", "-a", first / "data", other / "copying"], check=True)
            (other / "copying").rename(other / "data")


if __name__ == "__main__":
    main(int(sys.argv[1]))

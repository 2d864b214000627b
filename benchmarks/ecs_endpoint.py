"""The ECS of the benchmarks, in a process of its own: ``python -m benchmarks.ecs_endpoint``.

It says where it is on its first line, and goes on until its standard input is closed.
"""

from __future__ import annotations

import argparse
import sys

from tests.integration.components.ecs_fake import running_fake_ecs


def main() -> None:
    """Play an ECS whose tasks run at once, and for good."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    with running_fake_ecs() as fake:
        fake.checks = False
        fake.starts_at_once = True
        container = {"name": "flow", "image": "headrace:1"}
        definition = {"family": "bench", "containerDefinitions": [container]}
        fake.answer("RegisterTaskDefinition", definition)
        fake.slow["RunTask"] = given.seconds
        print(fake.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

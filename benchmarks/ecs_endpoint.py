"""The ECS of the benchmarks, in a process of its own: ``python -m benchmarks.ecs_endpoint``.

It says where it is on its first line, and goes on until its standard input is closed.
"""

from __future__ import annotations

import argparse
import sys

from tests.integration.components.ecs_fake import CLUSTER, running_fake_ecs


def main() -> None:
    """Play ECS with tasks that run already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", default="bench")
    parser.add_argument("--live", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    with running_fake_ecs() as fake:
        fake.checks = False
        container = {"name": "flow", "image": "headrace:1"}
        definition = {"family": "bench", "containerDefinitions": [container]}
        fake.answer("RegisterTaskDefinition", definition)
        for number in range(given.live):
            tags = {
                "headrace.io/flow-run-id": f"00000000-0000-0000-0000-{number:012}",
                "headrace.io/attempt": "1",
                "headrace.io/agent-id": given.agent,
            }
            answer = fake.answer(
                "RunTask",
                {
                    "cluster": CLUSTER,
                    "taskDefinition": "bench",
                    "startedBy": f"headrace/{given.agent}",
                    "tags": [{"key": key, "value": value} for key, value in tags.items()],
                },
            )
            running = {"lastStatus": "RUNNING"}
            fake.change(answer["tasks"][0]["taskArn"], running, lastStatus="RUNNING")
        fake.slow["RunTask"] = given.seconds
        print(fake.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

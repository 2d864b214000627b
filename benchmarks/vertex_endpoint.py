"""A Vertex AI for benchmarks: ``python -m benchmarks.vertex_endpoint``; prints its URL and its key.

It is the one that tests have, and its jobs run for good without a process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from tests.integration.components.vertex import NUMBER, REGION, FakeVertex

_JOB = {
    "displayName": "bench",
    "jobSpec": {
        "workerPoolSpecs": [
            {
                "machineSpec": {"machineType": "e2-standard-4"},
                "replicaCount": 1,
                "containerSpec": {"imageUri": "headrace:test", "command": ["headrace", "execute"]},
            }
        ]
    },
}


def main() -> None:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--live", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a creation takes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fake = FakeVertex(Path(folder))
        machines: Any = fake.machines
        machines._step = lambda _job: None
        parent = f"projects/{NUMBER}/locations/{REGION}"
        for _ in range(given.live):
            labels = {
                "headrace_run": str(uuid.uuid4()),
                "headrace_attempt": "1",
                "headrace_agent": given.agent,
            }
            made = fake.create(parent, json.dumps({**_JOB, "labels": labels}).encode())
            fake.machines.jobs[made["name"]].become("RUNNING")
        if given.seconds:
            fake.fail("create", None, seconds=given.seconds, times=sys.maxsize)
        print(fake.url, fake.key_file, flush=True)
        sys.stdin.read()
        fake.close()


if __name__ == "__main__":
    main()

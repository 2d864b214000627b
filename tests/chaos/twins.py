"""A deployment whose program is started several times at once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from headrace.client import Client
from headrace.wire.claims import Claim
from tests.support.servers import PROGRAM

#: The label of runs that no agent but these tests may take.
LABEL = "twins"


def run_twins(
    client: Client, env: Mapping[str, str], folder: Path, count: int
) -> list[tuple[int, str]]:
    """Claim the run with the label `twins`, and start its program so many times.

    Args:
        client: What claims it.
        env: Where the server is.
        folder: The processes' folder.
        count: How many there are.

    Returns:
        The exit code of each, and what it has printed; in the order of exit codes.
    """
    claim = Claim(agent="by hand", name="by hand", kind="local", labels=[LABEL], wait=10)
    (claimed,) = client.claim(claim).runs
    deployed = {
        "HEADRACE_RUN_ID": claimed.id,
        "HEADRACE_RUN_ATTEMPT": str(claimed.attempt),
        "HEADRACE_RUN_TOKEN": claimed.token,
    }
    twins = [
        subprocess.Popen(
            [PROGRAM, "execute"],
            env={**os.environ, **env, **deployed},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for _ in range(count)
    ]
    said = [twin.communicate(timeout=60)[0] for twin in twins]
    return sorted((twin.returncode, text) for twin, text in zip(twins, said, strict=True))

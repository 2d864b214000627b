"""A deployment that is started twice: by a Job controller, an agent that was restarted, a user."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from headrace.wire.claims import Claim
from tests.chaos.quick import QuickPlace
from tests.chaos.story import check
from tests.support.servers import PROGRAM


def test_of_two_processes_of_one_attempt_one_runs(place: QuickPlace, tmp_path: Path):
    with place.client() as client:
        run = client.create_flow_run("held", "etl", labels=["twins"]).id
        claim = Claim(agent="by hand", name="by hand", kind="local", labels=["twins"], wait=10)
        (claimed,) = client.claim(claim).runs
    deployed = {
        "HEADRACE_RUN_ID": claimed.id,
        "HEADRACE_RUN_ATTEMPT": str(claimed.attempt),
        "HEADRACE_RUN_TOKEN": claimed.token,
    }
    twins = [
        subprocess.Popen(
            [PROGRAM, "execute"],
            env={**os.environ, **place.server.env, **deployed},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    said = [twin.communicate(timeout=60)[0] for twin in twins]
    codes = sorted(twin.returncode for twin in twins)
    assert codes == [0, 11, 11], said
    place.wait(run, "Success", "Failed")
    shown = check(place, run)
    assert (shown["attempt"], shown["recoveries"]) == (1, 0)
    for name in ("numbers", "double-0", "hold", "total"):
        assert place.calls(name) == 1

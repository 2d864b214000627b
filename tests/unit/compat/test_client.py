"""`prefect.Client` and `prefect.agent.local.LocalAgent`, in a process of their own.

Importing them installs the alias, which changes a process for good: the cases stand in a file that
only that process collects.
"""

import subprocess
import sys
from pathlib import Path


def test_prefects_client_and_agent_without_a_server():
    cases = Path(__file__).with_name("client_cases.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout

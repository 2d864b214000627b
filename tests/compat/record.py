"""Records what the real Prefect 1.4.1 makes of the flow files in `flows`, as data for the tests.

    python -m tests.compat.record [--check] [NAME ...]

It makes an environment of its own for Prefect, in `.cache`, from the package index. With `--check`
nothing is written: differences from what is recorded are shown, and end it with 1.
"""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.environments import environment_variables, peer

HERE = Path(__file__).parent
FLOWS = HERE / "flows"
EXPECTED = HERE / "expected"


def observe(python: Path, name: str, *mode: str) -> str:
    """Run a flow file in a fresh process with an empty home; return what became of it, as JSON.

    Raises:
        RuntimeError: If the process fails, with what it printed.
    """
    with tempfile.TemporaryDirectory() as home:
        output = Path(home) / "seen.json"
        run = subprocess.run(
            [
                python,
                *("-W", "ignore::DeprecationWarning"),
                HERE / "observe.py",
                FLOWS / f"{name}.py",
                output,
                *mode,
            ],
            cwd=home,
            env=environment_variables(Path(home)) | {"PREFECT__LOGGING__LEVEL": "INFO"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if run.returncode != 0:
            raise RuntimeError(f"{name} failed:\n{run.stdout}\n{run.stderr}")
        return output.read_text()


def main() -> int:
    """Record, or check, the flow files named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", default=sorted(f.stem for f in FLOWS.glob("*.py")))
    options = parser.parse_args()
    python = peer("prefect1", HERE / "prefect1.txt")
    different = 0
    for name in options.names:
        recorded = EXPECTED / f"{name}.json"
        before = recorded.read_text() if recorded.exists() else ""
        seen = observe(python, name)
        if seen == before:
            continue
        different += 1
        if options.check:
            sys.stdout.writelines(
                difflib.unified_diff(
                    before.splitlines(True), seen.splitlines(True), str(recorded), "Prefect 1.4.1"
                )
            )
        else:
            recorded.write_text(seen)
            print(f"recorded {recorded.relative_to(HERE)}")
    print(f"{len(options.names)} flow files, {different} different from what was recorded")
    return 1 if options.check and different else 0


if __name__ == "__main__":
    sys.exit(main())

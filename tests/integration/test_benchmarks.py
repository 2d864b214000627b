import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def test_quick_cases_run_and_are_reported(tmp_path):
    done = bench(
        "--quick", "W3-local", "W3-threads", "W3x-memory", "--json", f"{tmp_path}/all.json"
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "all.json").read_text())["rows"]
    assert [row["contender"] for row in rows] == [
        "Headrace",
        "graphlib loop",
        "Headrace",
        "Headrace",
        "thread pool",
        "dask.threaded",
    ]
    assert all(row["figure"] > 0 for row in rows)
    assert "6 rows" in done.stdout


def test_a_whole_tracked_run_is_measured():
    done = bench("--quick", "tracked")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "a tracked run of W3, 200 mapped children, checkpointing on, SQLite" in done.stdout
    assert "1 rows" in done.stdout


def test_a_case_that_is_not_there_is_named_with_those_that_are():
    done = bench("W9")
    assert done.returncode == 1
    assert "no case is named 'W9'; there are: W1-local, W2-local" in done.stderr


def test_events_that_were_acknowledged_are_there_after_a_kill():
    done = bench("--quick", "ingest")
    assert done.returncode == 0, done.stderr
    assert "after kill -9 the counts of 100 runs match" in done.stdout


def test_what_an_agent_adds_to_its_platforms_call_is_measured():
    done = bench("--quick", "agent-overhead", "agent-watch")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "an agent's overhead for a deployment, 50 in flight" in done.stdout
    assert "watching 500 live deployments" in done.stdout

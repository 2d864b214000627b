"""Takes samples: fresh processes, contenders in turn, medians."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.child import Job, Sample
from benchmarks.environments import environment_variables, peer

#: A sample that takes longer than this many seconds is an error, not a wait.
PATIENCE = 900

#: What a spawned process prints goes nowhere.
_SILENT = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)]


def sample(job: Job) -> Sample:
    """Run one job in a fresh process and return what it measured.

    Raises:
        SystemExit: The process failed or printed no sample; the message holds its output.
    """
    python = peer(job.contender) if job.contender.startswith("prefect") else Path(sys.executable)
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [python, "-m", "benchmarks.child", json.dumps(asdict(job))],
            cwd=home,
            env=environment_variables(Path(home)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    if done.returncode != 0:
        raise SystemExit(
            f"{job} failed with exit code {done.returncode}:\n{done.stderr}{done.stdout}"
        )
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def alternate(jobs: Mapping[str, Job], repeats: int) -> dict[str, Sample]:
    """Sample each job `repeats` times, in turn, and return each one's medians by its label."""
    samples: dict[str, list[Sample]] = {label: [] for label in jobs}
    for _ in range(repeats):
        for label, job in jobs.items():
            samples[label].append(sample(job))
    return {label: _middle(taken) for label, taken in samples.items()}


def _middle(samples: Sequence[Sample]) -> Sample:
    return Sample(
        seconds=median(one.seconds for one in samples),
        first=median(one.first for one in samples),
        tasks=samples[0].tasks,
        extra={name: median(one.extra[name] for one in samples) for name in samples[0].extra},
    )


def processes(commands: Mapping[str, Sequence[str | Path]], repeats: int) -> dict[str, float]:
    """Run each command as a whole process `repeats` times, in turn; return median seconds by label.

    The processes are spawned as directly as the system allows, so that little of this process's own
    doing is counted.
    """
    taken: dict[str, list[float]] = {label: [] for label in commands}
    with tempfile.TemporaryDirectory() as home:
        variables = environment_variables(Path(home))
        # These run what is installed, not this tree.
        del variables["PYTHONPATH"]
        for turn in range(repeats + 1):
            for label, command in commands.items():
                words = [os.fspath(word) for word in command]
                started = perf_counter()
                process = os.posix_spawn(words[0], words, variables, file_actions=_SILENT)
                _, status = os.waitpid(process, 0)
                seconds = perf_counter() - started
                if status != 0:
                    raise SystemExit(f"{words} ended with status {status}")
                # The first turn fills the system's cache of files.
                if turn > 0:
                    taken[label].append(seconds)
    return {label: median(seconds) for label, seconds in taken.items()}

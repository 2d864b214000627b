"""`headrace execute`: what a deployed process runs."""

from __future__ import annotations

import os
import sys

import click

_HELP = """\
Run the flow run that this process was deployed for.

Agents start it in the process, container or pod of a flow run; it reads HEADRACE_RUN_ID,
HEADRACE_RUN_ATTEMPT and HEADRACE_RUN_TOKEN from its environment, and the server's address from
HEADRACE_API_URL. To run a flow by hand, use `headrace run`.

\b
Exit codes:
  0   the run ended, or is parked, and the server knows
  10  its process died without an end of the run; the server knows
  11  the server did not let it begin: nothing was run
  12  no server answered: nothing was run
  13  the run was given to another process
  14  the server does not know everything yet: see `headrace flush`
  15  it was asked to end, by SIGTERM or Ctrl-C
"""


@click.command("execute", help=_HELP)
def command() -> int:
    """Run the flow run that this process was deployed for."""
    from headrace.config import config
    from headrace.engine.run_directory import RUN_DIRECTORY, RunDirectory, RunSpec
    from headrace.engine.runner_start import fork_runner, preload, spawn_runner
    from headrace.engine.supervisor import supervise

    spec = RunSpec.from_environment(os.environ, config.api_url)
    if path := os.environ.get(RUN_DIRECTORY):
        directory = RunDirectory(path)
    else:
        directory = RunDirectory.create(config.home_dir, spec.flow_run_id, spec.attempt)
    # An agent beside this process has written it; one that has not sees what a container prints.
    alone = directory.read(RunSpec) is None
    if alone:
        directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.write(spec)
    if sys.platform != "linux":
        return supervise(spec, directory, spawn_runner, alone=alone)
    # The runner is a copy of this process: it shares its memory, and need not import anything.
    preload()
    return supervise(spec, directory, fork_runner, alone=alone)

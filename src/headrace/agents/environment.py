"""The one place that builds a flow run's environment, whatever it is deployed to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.agents.identity import AGENT_ID
from headrace.engine.run_directory import RUN_ATTEMPT, RUN_DIRECTORY, RUN_ID, RUN_TOKEN

if TYPE_CHECKING:
    from headrace.wire.claims import ClaimedRun

API_URL = "HEADRACE_API_URL"
#: What flow files of Prefect 1 look for.
_OLD_RUN_ID = "PREFECT__CONTEXT__FLOW_RUN_ID"

FLUSH_TIMEOUT = "HEADRACE__RUNS__FLUSH_TIMEOUT"
#: What goes away with its container cannot be delivered by anybody else: it waits an hour.
_PATIENT_SECONDS = "3600"

#: What runs do not inherit: an agent's key may claim any run, theirs is for one run only; and where
#: the server's database is, with its password, is no business of a flow's.
_OWN = frozenset(
    {
        "HEADRACE_API_KEY",
        "HEADRACE_DATABASE_URL",
        "HEADRACE__API_KEY",
        "HEADRACE__CLOUD__API_KEY",
        "PREFECT__CLOUD__API_KEY",
        RUN_ID,
        RUN_ATTEMPT,
        RUN_TOKEN,
        RUN_DIRECTORY,
        AGENT_ID,
        _OLD_RUN_ID,
    }
)

#: What an interpreter, the C library or numerical libraries read when they start, so that it
#: cannot be changed in a process that runs already.
_AT_START = ("TZ", "LANG", "LANGUAGE", "GLIBC_TUNABLES")
_AT_START_PREFIXES = (
    "PYTHON",
    "LD_",
    "DYLD_",
    "LC_",
    "MALLOC_",
    "OMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "GOTO_",
    "BLIS_",
    "VECLIB_",
    "NUMEXPR_",
)


def run_environment(
    run: ClaimedRun,
    api_url: str,
    *,
    base: Mapping[str, str] | None = None,
    agent: Mapping[str, str] | None = None,
    import_paths: Sequence[str] = (),
) -> dict[str, str]:
    """Build the environment of a flow run's process.

    Each of these is laid over the one before: what the process inherits, the agent's `--env`, the
    run config's `env`, and what tells the process which run it is.

    Args:
        run: The run.
        api_url: The server's address, as the process sees it.
        base: What it inherits. None by default, for a process in a container, which inherits nothing
            and whose files go away with it: it waits longer for a server that is away at its end.
        agent: What the agent was told to give to all runs.
        import_paths: Folders that modules are looked for in, before all others.

    Returns:
        The environment. It holds secrets: it is not for logs.
    """
    if base is None:
        base = {FLUSH_TIMEOUT: _PATIENT_SECONDS}
    found = {name: value for name, value in base.items() if name not in _OWN}
    found |= agent or {}
    found |= run_config_environment(run.run_config)
    if import_paths:
        paths = [*import_paths, *filter(None, [found.get("PYTHONPATH")])]
        found["PYTHONPATH"] = os.pathsep.join(paths)
    found |= {
        API_URL: api_url,
        RUN_ID: run.id,
        RUN_ATTEMPT: str(run.attempt),
        RUN_TOKEN: run.token,
        _OLD_RUN_ID: run.id,
    }
    return found


def run_config_environment(run_config: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the variables that a run config, as it was serialised, asks for."""
    variables = (run_config or {}).get("env") or {}
    return {str(name): str(value) for name, value in variables.items()}


def read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that have to be there before an interpreter starts."""
    return {
        name: value
        for name, value in environment.items()
        if name in _AT_START or name.startswith(_AT_START_PREFIXES)
    }

"""What to do about a name that Prefect 1.4 had and Headrace does not offer."""

from __future__ import annotations

from typing import Final

from headrace.compat.prefect.table import MODULES
from headrace.core.errors import (
    AttributeNotOfferedError,
    CallNotOfferedError,
    CompatError,
    NotOfferedError,
)

_NO_SERVER: Final = (
    "What there is of the server is in prefect.Client (headrace.client.Client is the whole of it) and "
    "in prefect.backend: FlowView, FlowRunView, TaskRunView, set_key_value, get_key_value."
)
_NO_CLIENT: Final = "prefect.Client and prefect.client.Secret are what there is; headrace.client.Client can do more."
_NO_GRAPHQL: Final = (
    "The server has a REST API and no GraphQL: headrace.client.Client has a method for each call."
)
_NO_STORAGE: Final = (
    "The storages that there are stand in prefect.storage, and in headrace.storage. flow.run() does not "
    "look at flow.storage: to run the flow here, leave it out."
)
_NO_AGENT: Final = (
    "There are prefect.agent.local.LocalAgent, prefect.agent.docker.DockerAgent, "
    "prefect.agent.kubernetes.KubernetesAgent, prefect.agent.ecs.ECSAgent and "
    "prefect.agent.vertex.VertexAgent; `headrace agent` has them on the command line."
)
_NO_CLI: Final = "The command line is `headrace`; see `headrace --help`."
_NO_VENDOR: Final = (
    "Headrace has a small task library, and none for single products. Call the product's own Python "
    "package in a function with @task."
)
_LATER: Final = (
    "That is of Prefect 2 or later, which is written in another way; flow files of Prefect 1 begin "
    "with: from prefect import Flow, task"
)
_OWN_CODE: Final = (
    "It was an inner part of Prefect. Flows do not need it; use the Python package behind it, or "
    "code of your own."
)

#: The way out, by the start of a path; the longest start that fits counts.
_REMEDIES: Final[dict[str, str]] = {
    "prefect.agent": _NO_AGENT,
    "prefect.api": _NO_SERVER,
    "prefect.artifacts": (
        "Headrace keeps no artifacts. Write what people are to see to the log: context.logger."
    ),
    "prefect.backend": _NO_SERVER,
    "prefect.cli": _NO_CLI,
    "prefect.client": _NO_CLIENT,
    "prefect.engine.cloud": _NO_SERVER,
    "prefect.engine.result_handlers": (
        "Result handlers became results before Prefect 1.0: use prefect.engine.results."
    ),
    "prefect.environments": (
        "Environments left Prefect before 1.0: give the flow an executor, and a run config from "
        "prefect.run_configs."
    ),
    "prefect.exceptions": (
        "Headrace's own errors are in headrace.errors; prefect.exceptions.PrefectException catches "
        "all of them."
    ),
    "prefect.models": _NO_SERVER,
    "prefect.plugins": _NO_SERVER,
    "prefect.serialization": (
        "Flows, tasks, states, schedules and run configs have a method serialize(), which gives "
        "plain data."
    ),
    "prefect.storage": _NO_STORAGE,
    "prefect.tasks": _NO_VENDOR,
    "prefect.tasks.prefect": _NO_SERVER,
    "prefect.utilities": _OWN_CODE,
    "prefect.utilities.agent": _NO_AGENT,
    "prefect.utilities.backend": _NO_SERVER,
    "prefect.utilities.cli": _NO_CLI,
    "prefect.utilities.graphql": _NO_GRAPHQL,
    "prefect.utilities.storage": _NO_STORAGE,
    **dict.fromkeys(
        (
            "prefect.blocks",
            "prefect.deployments",
            "prefect.filesystems",
            "prefect.flow",
            "prefect.flows",
            "prefect.futures",
            "prefect.get_run_logger",
            "prefect.logging",
            "prefect.orion",
            "prefect.serve",
            "prefect.settings",
            "prefect.states",
            "prefect.task_runners",
            "prefect.variables",
        ),
        _LATER,
    ),
}


def no_module(path: str) -> NotOfferedError:
    """Return the error for an import of a path that is not in the table."""
    return NotOfferedError(f"Headrace does not offer {path!r}. {_remedy(path)}", name=path)


def missing_name(path: str) -> AttributeNotOfferedError:
    """Return the error for a name, asked of an alias module, that is not in the table."""
    return AttributeNotOfferedError(f"Headrace does not offer {path!r}. {_remedy(path)}")


def not_in_rest(what: str, remedy: str, attribute: bool = False) -> CompatError:
    """Return the error for a call of Prefect's client that the server has nothing for.

    Args:
        what: The call.
        remedy: What to do instead.
        attribute: Whether it was asked for as an attribute.
    """
    kind = AttributeNotOfferedError if attribute else CallNotOfferedError
    return kind(f"Headrace does not offer {what}. {remedy}")


def _remedy(path: str) -> str:
    module, _, name = path.rpartition(".")
    meant = _alike(module, name)
    if meant is not None:
        return f"Did you mean {meant!r}?"
    start = path
    while start and start not in _REMEDIES:
        start = start.rpartition(".")[0]
    if start:
        return _REMEDIES[start]
    while module not in MODULES:
        module = module.rpartition(".")[0]
    names = ", ".join(sorted(MODULES[module])) or "no names, only further modules"
    return f"What there is in {module!r}: {names}."


def _alike(module: str, name: str) -> str | None:
    """Return the path that was probably meant, if it is a misspelling of one that is offered."""
    import difflib

    start = f"{module}."
    known = {path[len(start) :] for path in MODULES if path.startswith(start)}
    known = {path for path in known if "." not in path} | set(MODULES.get(module, ()))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    # `prefect.Client` and `prefect.client` are two different things.
    if not close or close[0].lower() == name.lower():
        return None
    return start + close[0]

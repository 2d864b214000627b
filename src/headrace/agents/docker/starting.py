"""Makes and starts containers, each attempt of a flow run in one."""

from __future__ import annotations

from contextlib import suppress

from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal
from headrace.agents.docker.container import AGENT, Container


def make(api: DockerApi, container: Container, agent: str, *, pulls: bool) -> str:
    """Make a container, or find the one of this attempt that is there already.

    Args:
        api: The engine.
        container: What to make.
        agent: The agent's id.
        pulls: Whether an image that is not there would have been pulled.

    Returns:
        The container's state, in the engine's words: `created` for one that is to be started.

    Raises:
        EngineRefusal: If it cannot be made, or if the one that is there is another agent's.
        EngineAway: If the engine does not answer, or is just about to remove the one that is there.
    """
    name = container.deployment.handle
    config = {**container.config, "HostConfig": api.host_config(**container.host)}
    try:
        api.create(name, config)
        return "created"
    except EngineRefusal as refusal:
        if refusal.status == 404 and not pulls:
            raise EngineRefusal(f"{refusal}; the agent pulls none (--no-pull)", 404) from None
        if refusal.status != 409:
            raise
        found = api.inspect(name)
        if not found:
            raise EngineAway(str(refusal)) from refusal
        if found["Config"]["Labels"].get(AGENT) != agent:
            raise
        return str(found["State"]["Status"])


def start(api: DockerApi, container: Container) -> None:
    """Start a container that was made; remove it if it cannot be.

    Raises:
        EngineRefusal: If it cannot be started.
        EngineAway: If the engine does not answer.
    """
    name = container.deployment.handle
    try:
        for network in container.networks:
            api.connect(name, network)
        api.start(name)
    except EngineRefusal as refusal:
        with suppress(EngineRefusal):  # the first is what matters; the next look at all finds it
            api.remove(name)
        if '"headrace": executable file not found' in str(refusal):
            raise EngineRefusal(
                f"the image {container.image} has no program headrace on its PATH: Headrace has to be "
                f"installed in it ({refusal})",
                refusal.status,
            ) from refusal
        raise


def is_final(refusal: EngineRefusal) -> bool:
    """Tell whether another try would be refused, too."""
    return refusal.status in (400, 404) or str(refusal).startswith("invalid ")

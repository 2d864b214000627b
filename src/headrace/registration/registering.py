"""`register`: puts a flow into its storage and tells a server about it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headrace.config.logging import get_logger
from headrace.core.errors import RegistrationError
from headrace.registration.message import message_of

if TYPE_CHECKING:
    from headrace.client import Client
    from headrace.flow import Flow
    from headrace.registration.finding import Finding
    from headrace.storage import Storage
    from headrace.wire.flows import Registered


_SEVERITIES = {"error": logging.ERROR, "warning": logging.WARNING, "note": logging.DEBUG}


def register(
    flow: Flow,
    project_name: str | None,
    *,
    client: Client | None = None,
    build: bool = True,
    labels: Iterable[str] | None = None,
    set_schedule_active: bool | None = None,
    version_group_id: str | None = None,
    no_url: bool = False,
    idempotency_key: str | None = None,
    force: bool = False,
    preflight: bool = True,
    **storage_arguments: Any,
) -> Registered:
    """Put a flow into its storage and register it. It gets a storage and a run config if it has none.

    Args:
        flow: The flow.
        project_name: The project, which must exist.
        client: What speaks to the server; by default one for the server that is configured.
        build: Whether the flow is put into its storage first.
        labels: Labels that an agent must have besides those of run config and storage.
        set_schedule_active: Whether its schedule is on; None leaves it as it is, and on for a new
            flow.
        version_group_id: The group of versions that it belongs to.
        no_url: Whether to leave out the flow's address when saying that it is registered.
        idempotency_key: Taken in the place of the flow's hash to tell whether it has changed.
        force: Whether a new version is made though nothing has changed.
        preflight: Whether what would fail in deployment is looked for. A new version is loaded back
            from its storage for that, in a fresh process; that this fails is a warning, as its
            agents may be given import paths that this machine does not have.
        **storage_arguments: Arguments of the default storage, for a flow that has none.

    Returns:
        What came of it: the flow's id, its version, and whether that is new.

    Raises:
        FlowError: If the flow has a cycle.
        RegistrationError: If it cannot be registered as it is.
        StorageError: If its storage cannot take it.
        ClientError: If the server cannot be reached, or refuses.
    """
    if not project_name or not isinstance(project_name, str):
        raise RegistrationError(
            f"The flow {flow.name!r} is registered in a project: flow.register('my-project'). "
            "`headrace project create my-project` makes one."
        )
    flow.validate()
    storage = _storage_of(flow, storage_arguments, build)
    if flow.run_config is None:
        from headrace.run_configs import UniversalRun

        flow.run_config = UniversalRun()
    speaking = _client() if client is None else client
    try:
        found = _findings(flow, labels) if preflight else []
        message = message_of(flow, project_name, storage.pinned(), labels)
        message.version_group_id = version_group_id
        message.idempotency_key = idempotency_key
        message.schedule_active = set_schedule_active
        message.force = force
        message.notes = [str(finding) for finding in found]
        registered = speaking.register_flow(message)
        if preflight and registered.is_new:
            # It takes a process of its own, which flows that have not changed are spared.
            registered = _with_loading(flow, registered)
    finally:
        if speaking is not client:
            speaking.close()
    logger = get_logger("registration")
    for finding in found:
        logger.log(_SEVERITIES[finding.level], "Flow %r: %s", flow.name, finding)
    _say(flow, project_name, registered, None if no_url else speaking.api_url)
    return registered


def _client() -> Client:
    from headrace.client import Client

    return Client()


def _storage_of(flow: Flow, arguments: dict[str, Any], build: bool) -> Storage:
    """Return a flow's storage, with the flow in it."""
    from headrace.storage import Storage, get_default_storage_class

    if flow.storage is None:
        kind = get_default_storage_class()
        try:
            flow.storage = kind(**arguments)
        except TypeError as error:
            raise RegistrationError(
                f"The flow {flow.name!r} has no storage, and the default one, {kind.__name__}, cannot "
                f"be made of what register() was given: {error}. Give the flow a storage: "
                "Flow(..., storage=...)."
            ) from error
    elif arguments:
        raise RegistrationError(
            f"register() does not take {', '.join(map(repr, arguments))}: that is an argument of the "
            f"default storage, and the flow {flow.name!r} has a {flow.storage.name} storage already."
        )
    storage: Storage = flow.storage
    if not isinstance(storage, Storage):
        raise RegistrationError(
            f"The storage of flow {flow.name!r} is {storage!r:.80}; give one of headrace.storage, such "
            "as Local(path=__file__, stored_as_script=True)."
        )
    if build:
        storage.add_flow(flow)
        storage = storage.build()
    elif flow.name not in storage:
        raise RegistrationError(
            f"The flow {flow.name!r} is not in its {storage.name} storage, and build=False says not "
            "to put it there. Call flow.storage.add_flow(flow) first, or leave build=False out."
        )
    return storage


def _findings(flow: Flow, labels: Iterable[str] | None) -> list[Finding]:
    """Look for what can be found quickly; the errors in it end the registration."""
    from headrace.registration.preflight import preflight

    # Of the agents that are missing the server says itself, as of now.
    found = preflight(flow, labels=labels, load=False)
    errors = [str(finding) for finding in found if finding.level == "error"]
    if errors:
        raise RegistrationError(
            f"The flow {flow.name!r} was not registered, because its runs would fail:\n"
            + "\n".join(f"  {error}" for error in errors)
            + "\nMend that, or register it all the same with preflight=False (--no-preflight)."
        )
    return found


def _with_loading(flow: Flow, registered: Registered) -> Registered:
    """Return the same with a warning, if the flow cannot be loaded back from its storage."""
    from msgspec.structs import replace

    from headrace.registration.preflight import check_loading

    warnings = [str(finding) for finding in check_loading(flow)]
    return replace(registered, warnings=[*registered.warnings, *warnings])


def _say(flow: Flow, project_name: str, registered: Registered, api_url: str | None) -> None:
    logger = get_logger("registration")
    for warning in registered.warnings:
        logger.warning("%s", warning)
    logger.info(
        "Flow %r %s project %r as version %d%s",
        flow.name,
        "is registered in" if registered.is_new else "has not changed in",
        project_name,
        registered.version,
        f": {api_url}/api/flows/{registered.id}" if api_url else ".",
    )

"""Flow runs: made, ordered about, waited for."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from headrace.core.now import now, timestamp
from headrace.server.callers import Caller
from headrace.server.db import flow_runs, run_orders
from headrace.server.db.new_runs import NewRun, create_batches, moment_of
from headrace.server.problems import Refusal
from headrace.server.rules.kinds import KINDS, kind_of
from headrace.server.rules.naming import check_labels, check_name
from headrace.server.rules.run_names import made_up
from headrace.server.rules.waiting import sentence
from headrace.wire.flow_runs import CreatedFlowRun, CreateFlowRun, FlowRun, Resume

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headrace.server.parts import Parts

#: How many flow runs may be made by one request.
MOST_AT_ONCE = 1_000
#: How many bytes of JSON the parameters, the context and the run config of a run may be, each.
LARGEST_VALUE = 512 * 1024
#: The greatest priority; its negative is the least.
_GREATEST_PRIORITY = 1_000_000


async def create(
    parts: Parts, requests: Sequence[CreateFlowRun], caller: Caller
) -> list[CreatedFlowRun]:
    """Make flow runs: all of them, or none.

    Args:
        parts: The server's parts.
        requests: What is asked for.
        caller: Who asks.

    Returns:
        For each request the run that there is now.

    Raises:
        Refusal: If one of them is not right; the message says which one.
    """
    if len(requests) > MOST_AT_ONCE:
        raise Refusal(
            422,
            "too_many",
            f"{len(requests):,} flow runs were asked for at once; {MOST_AT_ONCE:,} are the most. "
            f"Ask for them in several requests.",
        )
    items = [_new_run(request, caller) for request in requests]
    created = await parts.database.write_grouped(create_batches, items)
    if any(run.is_new for run in created):
        parts.hub.notify("work")
    return created


async def get(parts: Parts, run_id: str) -> FlowRun:
    """Return a flow run.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    return await parts.database.read(lambda connection: flow_runs.get(connection, run_id, now()))


async def wait(parts: Parts, run_id: str, state: str | None, seconds: float) -> FlowRun:
    """Return a flow run as soon as its state is no longer the one that is known, or time is up.

    Args:
        parts: The server's parts.
        run_id: The flow run's id.
        state: The type of the state that is known; None for the one that it has now.
        seconds: For how long to wait at most.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + min(parts.settings.longest_wait.total_seconds(), seconds)
    with parts.hub.listen(f"run:{run_id}") as changed:
        known = state
        while True:
            found = await parts.database.read(lambda c: flow_runs.state_of(c, run_id))
            known = found if known is None else known
            left = until - loop.time()
            if found != known or left <= 0 or not await changed.wait(left):
                return await get(parts, run_id)


async def cancel(parts: Parts, run_id: str, reason: str | None, caller: Caller) -> FlowRun:
    """Cancel a flow run: at once if nobody has it, else by an order to whoever has it.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    message = _told("Cancelled", caller, reason)
    return await _order(
        parts,
        run_id,
        lambda connection: run_orders.cancel(
            connection, run_id, message=message, who=caller.name, policy=parts.policy, now=now()
        ),
    )


async def rename(parts: Parts, run_id: str, name: str) -> FlowRun:
    """Give a flow run another name.

    Raises:
        Refusal: If there is none of this id (404), or it cannot be called so (422).
    """
    check_name("A flow run's name", name)
    return await _order(
        parts, run_id, lambda connection: run_orders.rename(connection, run_id, name)
    )


async def pause(parts: Parts, run_id: str, reason: str | None, caller: Caller) -> FlowRun:
    """Pause a flow run.

    Raises:
        Refusal: If there is none of this id (404), or it is over or about to be (409).
    """
    message = _told("Paused", caller, reason)
    return await _order(
        parts,
        run_id,
        lambda connection: run_orders.pause(
            connection, run_id, message=message, who=caller.name, policy=parts.policy, now=now()
        ),
    )


async def resume(parts: Parts, run_id: str, request: Resume, caller: Caller) -> FlowRun:
    """Let a paused flow run, and its paused tasks, go on.

    Raises:
        Refusal: If there is none of this id (404), it is not paused (409), or a task is named that
            is not (422).
    """
    message = _told("Resumed", caller, request.reason)
    return await _order(
        parts,
        run_id,
        lambda connection: run_orders.resume(
            connection,
            run_id,
            tasks=request.tasks,
            message=message,
            who=caller.name,
            policy=parts.policy,
            now=now(),
        ),
    )


async def restart(parts: Parts, run_id: str, reason: str | None, caller: Caller) -> FlowRun:
    """Start a flow run that is over again.

    Raises:
        Refusal: If there is none of this id (404), or it is not over (409).
    """
    message = _told("Restarted", caller, reason)
    return await _order(
        parts,
        run_id,
        lambda connection: run_orders.restart(
            connection, run_id, message=message, who=caller.name, policy=parts.policy, now=now()
        ),
    )


async def remove(parts: Parts, run_id: str) -> None:
    """Delete a flow run with all that is known of it.

    Raises:
        Refusal: If there is none of this id (404), or it cannot be deleted yet (409).
    """
    await parts.database.write(
        lambda connection: run_orders.remove(connection, run_id, policy=parts.policy, now=now())
    )
    parts.hub.notify(f"run:{run_id}")
    parts.hub.notify(f"orders:{run_id}")


def check_run_config(run_config: dict[str, object] | None) -> None:
    """Make sure that a run config is of a kind that some agent deploys.

    Raises:
        Refusal: If it is not, or it is too large; 422.
    """
    if run_config is None:
        return
    if kind_of(run_config) is None:
        raise Refusal(
            422,
            "bad_run_config",
            f"A run config has one of the types {', '.join(KINDS)}, not {run_config.get('type')!r}.",
        )
    check_size("The run config", run_config)


def check_size(what: str, value: object, most: int = LARGEST_VALUE) -> None:
    """Make sure that a value is not too large to be kept.

    Args:
        what: What it is, for the message.
        value: A JSON value.
        most: How many bytes its JSON may have.

    Raises:
        Refusal: If it has more; 422.
    """
    size = len(msgspec.json.encode(value))
    if size > most:
        raise Refusal(
            422,
            "too_large",
            f"{what} may have {most:,} bytes as JSON, and has {size:,}. Store the value elsewhere, "
            f"and give where it is.",
        )


async def _order(parts: Parts, run_id: str, write: Callable[[Connection], None]) -> FlowRun:
    await parts.database.write(write)
    parts.hub.notify(f"run:{run_id}")
    parts.hub.notify(f"orders:{run_id}")
    # A run that goes on, or again, may be claimed.
    parts.hub.notify("work")
    return await get(parts, run_id)


def _told(what: str, caller: Caller, reason: str | None) -> str:
    """Return what the history is to say: who it was, and why."""
    if reason is None or not reason.strip():
        return f"{what} by {caller.name}."
    text = reason.strip()
    if len(text) > 1_000:
        raise Refusal(422, "bad_reason", "A reason may have 1,000 characters.")
    return f"{what} by {caller.name}: {sentence(text)}"


def _new_run(request: CreateFlowRun, caller: Caller) -> NewRun:
    if request.name is not None:
        check_name("A flow run's name", request.name)
    if request.idempotency_key is not None:
        check_name("An idempotency key", request.idempotency_key)
        if request.idempotency_key.startswith("scheduled:"):
            raise Refusal(
                422,
                "bad_idempotency_key",
                "An idempotency key that begins with 'scheduled:' is a schedule's. Use another.",
            )
    if abs(request.priority) > _GREATEST_PRIORITY:
        raise Refusal(
            422,
            "bad_priority",
            f"A priority lies between {-_GREATEST_PRIORITY:,} and {_GREATEST_PRIORITY:,}.",
        )
    check_run_config(request.run_config)
    if request.parameters:
        check_size("The parameters", request.parameters)
    if request.context:
        check_size("The context", request.context)
    return NewRun(
        id=str(uuid.uuid4()),
        name=request.name or made_up(),
        request=request,
        labels=None if request.labels is None else check_labels(request.labels),
        start_time=moment_of(request.start_time),
        created_by=caller.name,
        now=timestamp(),
    )

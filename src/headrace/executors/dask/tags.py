"""What Dask is told of a task: a name that can be read, and the resources that its tags ask for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX = "dask-resource:"


def resources(tags: Iterable[str]) -> dict[str, float]:
    """Return the worker resources that tags of the form `dask-resource:KEY=NUM` ask for.

    Raises:
        ExecutorError: If such a tag has no name, or no number.
    """
    wanted: dict[str, float] = {}
    for tag in tags:
        if not tag.lower().startswith(_PREFIX):
            continue
        name, _, amount = tag[len(_PREFIX) :].partition("=")
        try:
            wanted[name] = float(amount)
        except ValueError:
            name = ""
        if not name:
            raise ExecutorError(
                f"The tag {tag!r} does not ask for a resource of a Dask worker; write it as in "
                "'dask-resource:GPU=1'."
            )
    return wanted


def key(context: Mapping[str, Any], client: str, number: int) -> str:
    """Return a key for a submission.

    Dask takes the words before the first number as the kind of task, by which it measures how long
    such tasks take and draws its dashboard.

    Args:
        context: What the submission is for: `task_name`, `task_slug`, `task_index`.
        client: The Dask client's id, which no other run shares.
        number: A number that is unique in the run.
    """
    name = str(context.get("task_name") or "call")
    kind = re.sub(r"[^A-Za-z_]+", "_", name).strip("_") or "task"
    slug = str(context.get("task_slug") or name)
    index = context.get("task_index")
    place = slug if index is None else f"{slug}[{index}]"
    # The whole of the id: its last part is the same for all clients of one machine.
    return f"{kind}-0-{place}-{number}-{client.partition('-')[2] or client}"

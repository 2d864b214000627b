"""The name of the flow run that this process performs: a new one goes the way of its events.

So it needs neither a key nor a server that is there just now, and is in order with the states.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.core.now import timestamp
from headrace.wire.events import Renamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.wire.events import Event

_lock = threading.Lock()
#: What takes the events of each tracked run that is performed in this process, by its id.
_emits: dict[str, Callable[[Event], None]] = {}


@contextmanager
def renameable(flow_run_id: str, emit: Callable[[Event], None]) -> Iterator[None]:
    """Let a flow run be renamed in this block, and not after it.

    Args:
        flow_run_id: The flow run's id.
        emit: Takes its events.
    """
    with _lock:
        _emits[flow_run_id] = emit
    try:
        yield
    finally:
        with _lock:
            del _emits[flow_run_id]


def rename_own_run(flow_run_id: str, name: str) -> bool:
    """Give a flow run another name, if it is performed in this process.

    Args:
        flow_run_id: The flow run's id.
        name: The name; whoever calls has looked whether it is one.

    Returns:
        Whether it is; if it is not, nothing is done.
    """
    with _lock:
        emit = _emits.get(flow_run_id)
        if emit is None:
            return False
        # Under the lock, so that none follows when the block has ended.
        emit(Renamed(at=timestamp(), name=name))
    return True

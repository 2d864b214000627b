"""What helps to find out what is wrong with a flow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headrace.core.context import context
from headrace.core.preparation import preparation

_LOADS = "import sys, cloudpickle; cloudpickle.load(sys.stdin.buffer)"


@contextmanager
def raise_on_exception() -> Iterator[None]:
    """Let exceptions in tasks, triggers and state handlers come out of `flow.run()`.

    Without it they become states. For use while a flow is being written.

    Example:
        ```python
        with raise_on_exception():
            flow.run()  # stops where the first task fails
        ```
    """
    with context(raise_on_exception=True):
        yield


def is_serializable(obj: Any, raise_on_error: bool = False) -> bool:
    """Tell whether an object can be pickled here and unpickled in a fresh process.

    Args:
        obj: The object.
        raise_on_error: Whether the error is raised, if it cannot.

    Raises:
        Exception: If asked for, what pickling raises.
        CalledProcessError: If asked for and unpickling fails; `output` has what was printed.
    """
    import cloudpickle

    try:
        data = cloudpickle.dumps((preparation(), obj))
        subprocess.run(
            [sys.executable, "-c", _LOADS],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
        )
    except Exception:  # pickling runs code of every object in it, which raises anything
        if raise_on_error:
            raise
        return False
    return True

"""Loaded by each worker process of a temporary local cluster, before its first task."""

from __future__ import annotations

import signal
import threading
from typing import Any

import headrace.executors.dask.worker  # noqa: F401 - loaded now, the first task need not wait for it


def dask_setup(worker: Any) -> None:
    """Let Ctrl-C in the terminal not end the worker; see `cluster._interrupts_held`.

    It is caught, not ignored or blocked: what a task starts inherits these, and would not hear of
    Ctrl-C either.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGINT, _pass)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _pass(signum: int, frame: Any) -> None:
    """The runner says what becomes of the tasks."""

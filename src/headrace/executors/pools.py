"""The two pools of `LocalDaskExecutor`, over `concurrent.futures`."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import cloudpickle

from headrace.core.errors import ExecutionLost, SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable


class Pool(Protocol):
    """What both pools offer."""

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn` in the pool, and return a future of its value."""

    def cancel(self) -> None:
        """Drop what has not begun, and interrupt what runs."""

    def close(self) -> None:
        """End the pool's workers."""


class ThreadPool:
    """Threads of this process.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="headrace")
        self._busy: set[int] = set()

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn` in a thread, and return a future of its value."""
        return self._executor.submit(self._call, fn, args, kwargs)

    def _call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        ident = threading.get_ident()
        self._busy.add(ident)
        try:
            return fn(*args, **kwargs)
        finally:
            self._busy.discard(ident)

    def cancel(self) -> None:
        """Drop what has not begun, and raise `KeyboardInterrupt` in the threads that are busy."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for ident in list(self._busy):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt)
            )

    def close(self) -> None:
        """End the threads; one that cannot be interrupted is left to end by itself."""
        self._executor.shutdown(wait=not self._busy, cancel_futures=True)


class ProcessPool:
    """Processes of their own. A worker that dies costs what it ran, not the pool.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._executor = self._new()
        self._cancelled = False

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, mp_context=_Context(), initializer=_begin_worker)

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn` in a process, and return a future of its value.

        Raises:
            SerializationError: If the call cannot be pickled.
        """
        try:
            call = cloudpickle.dumps((fn, args, kwargs))
        except Exception as error:
            raise SerializationError(
                f"It cannot be sent to another process, as it cannot be pickled: {error}. Take what "
                "cannot be pickled (a connection, a lock, an open file) into the task, or use "
                "LocalDaskExecutor(scheduler='threads')."
            ) from error
        outer: Future[Any] = Future()
        outer.set_running_or_notify_cancel()
        try:
            inner = self._executor.submit(_call, call)
        except BrokenProcessPool:
            # A worker has died since: its calls have been told, the next ones get a new pool.
            self._executor = self._new()
            inner = self._executor.submit(_call, call)
        inner.add_done_callback(lambda done: _pass_on(done, outer))
        return outer

    def cancel(self) -> None:
        """Drop what has not begun, and interrupt the processes."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._signal(signal.SIGINT)

    def close(self) -> None:
        """End the processes, the stubborn ones by force."""
        processes = self._processes()
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.join(timeout=1.0)
        self._signal(signal.SIGKILL, processes)

    def _processes(self) -> list[Any]:
        return list((self._executor._processes or {}).values())

    def _signal(self, number: int, processes: list[Any] | None = None) -> None:
        for process in self._processes() if processes is None else processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)


class _Process(SpawnProcess):
    """A process that does not run the user's script again to begin with.

    Spawning imports the main module anew, for functions that are pickled by name from it. Ours
    are pickled by value, and a script that ends in `flow.run()` would run without end.
    """

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    Process = _Process


def _begin_worker() -> None:
    # Ctrl-C in a terminal reaches every process: the runner says what becomes of it.
    signal.signal(signal.SIGINT, _interrupt_call)


_calling = False


def _interrupt_call(signum: int, frame: Any) -> None:
    if _calling:
        raise KeyboardInterrupt


def _call(call: bytes) -> bytes:
    """Make a pickled call in a worker, and pickle what came of it."""
    global _calling
    fn, args, kwargs = cloudpickle.loads(call)
    _calling = True
    try:
        value = fn(*args, **kwargs)
    finally:
        _calling = False
    return cloudpickle.dumps(value)  # type: ignore[no-any-return]


def _pass_on(inner: Future[bytes], outer: Future[Any]) -> None:
    try:
        outer.set_result(pickle.loads(inner.result()))
    except BrokenProcessPool:
        outer.set_exception(ExecutionLost("process"))
    except BaseException as error:  # noqa: BLE001 - whatever it was, it is the caller's
        outer.set_exception(error)

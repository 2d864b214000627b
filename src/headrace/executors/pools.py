"""The two pools of `LocalDaskExecutor`, over `concurrent.futures`."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from ctypes import c_bool, c_long
from itertools import count
from multiprocessing import current_process, parent_process, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.sharedctypes import RawValue
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Protocol

import cloudpickle

from headrace.core.errors import ExecutionLost, SerializationError
from headrace.core.wording import repr_of

_ThreadCall = tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Pool(Protocol):
    """What both pools offer."""

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn` in the pool, and return a future of its value."""

    def take_back(self) -> None:
        """Drop what has not begun: its futures are cancelled. Nothing is submitted after this."""

    def cancel(self) -> None:
        """Drop what has not begun, and interrupt what runs."""

    def close(self) -> None:
        """End the pool's workers."""


class ThreadPool:
    """Threads of this process.

    They are daemons: a call that cannot be interrupted does not keep the process from ending.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self._calls: SimpleQueue[_ThreadCall | None] = SimpleQueue()
        self._busy: dict[int, Future[Any]] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"headrace-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `fn` in a thread, and return a future of its value."""
        future: Future[Any] = Future()
        self._calls.put((future, fn, args, kwargs))
        return future

    def _work(self) -> None:
        ident = threading.get_ident()
        while (call := self._calls.get()) is not None:
            future, fn, args, kwargs = call
            if not future.set_running_or_notify_cancel():
                continue
            self._busy[ident] = future
            try:
                value = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whatever it was, it is the caller's
                self._busy.pop(ident, None)
                future.set_exception(error)
            else:
                self._busy.pop(ident, None)
                future.set_result(value)
            # What a call returned must not live until the next call comes.
            del call, future, fn, args, kwargs
            value = None

    def take_back(self) -> None:
        """Drop what has not begun."""
        self._drop()

    def cancel(self) -> None:
        """Drop what has not begun, and raise `KeyboardInterrupt` in the threads that are busy."""
        self._drop()
        for ident in list(self._busy):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt)
            )

    def _drop(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            if call is not None:
                call[0].cancel()
                call[0].set_running_or_notify_cancel()

    def close(self) -> None:
        """End the threads; one that cannot be interrupted is left to end by itself."""
        self._drop()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            if thread.ident not in self._busy:
                thread.join(timeout=1.0)


class ProcessPool:
    """Processes of their own. A worker that dies costs what it ran, not the pool.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        #: Set once nothing more is to begin. The workers see it, so it reaches what they hold.
        self._over = RawValue(c_bool, False)
        self._executor = self._new()
        self._known: list[Any] = []
        self._calls = count(1)

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, mp_context=_Context(), initializer=_begin_worker, initargs=(self._over,)
        )

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
        number = next(self._calls)
        try:
            inner = _submit(self._executor, number, call)
        except BrokenProcessPool:
            # A worker has died since: its calls have been told, the next ones get a new pool.
            self._executor = self._new()
            inner = _submit(self._executor, number, call)
        executor = self._executor
        inner.add_done_callback(lambda done: _pass_on(done, outer, number, executor))
        return outer

    def take_back(self) -> None:
        """Let the workers begin nothing more. They say so when they come to it."""
        self._over.value = True

    def cancel(self) -> None:
        """Drop what has not begun, and interrupt the processes."""
        processes = self._processes()
        self._executor.shutdown(wait=False, cancel_futures=True)
        _signal(processes, signal.SIGINT)

    def close(self) -> None:
        """End the processes, the stubborn ones by force."""
        processes = self._processes()
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.join(timeout=1.0)
        _signal(processes, signal.SIGKILL)

    def _processes(self) -> list[Any]:
        # There is no public way to reach the workers, nor any to interrupt them.
        known = list((self._executor._processes or {}).values())
        self._known = known or self._known
        return self._known


def _submit(executor: ProcessPoolExecutor, number: int, call: bytes) -> Future[bytes]:
    known = len(executor._processes or ())
    inner = executor.submit(_call, number, call)
    if len(executor._processes or ()) > known:
        # The thread that watches the processes was woken before there was this one, and may wait by
        # now without it: its death would not be noticed until something else happens.
        with executor._shutdown_lock:
            if (thread := executor._executor_manager_thread_wakeup) is not None:
                thread.wakeup()
    return inner


def _signal(processes: list[Any], number: int) -> None:
    for process in processes:
        if process.is_alive() and process.pid is not None:
            # It may end, and the pool's own thread wait for it, between the two.
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


class _Process(SpawnProcess):
    """A process that does not run the user's script again to begin with.

    Spawning imports the main module anew, for functions that are pickled by name from it. Ours
    are pickled by value, and a script that ends in `flow.run()` would run without end.

    Attributes:
        calling: The number of the call that it makes; 0 for none. Both sides see it.
    """

    calling: Any = None

    def start(self) -> None:
        self.calling = RawValue(c_long, 0)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            with _deaf_to_interrupts():
                super().start()
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are started in this block hear of no Ctrl-C until they have begun.

    While it imports what it needs, an interrupt would end a worker with a traceback of its own.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Starting the tracker, which the first worker does, would end the block's effect.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process


def _begin_worker(over: Any) -> None:
    global _over, _number
    _over = over
    _number = current_process().calling  # type: ignore[attr-defined]  # it is a `_Process`
    # Ctrl-C in a terminal reaches every process: the runner says what becomes of it.
    signal.signal(signal.SIGINT, _interrupt_call)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, name="headrace-parent", daemon=True).start()


def _end_with_parent() -> None:
    """End this worker once its pool's process is gone, even killed: nobody wants its calls then."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


_calling = False
_stopped = False
_over: Any = None  #: the pool's, once this is a worker
_number: Any = None  #: what this worker says of itself: which call it makes


def _interrupt_call(signum: int, frame: Any) -> None:
    # Calls that have come to this process already, and wait for their turn, are not begun either.
    global _stopped
    _stopped = True
    if _calling:
        raise KeyboardInterrupt


def _call(number: int, call: bytes) -> bytes:
    """Make a pickled call in a worker, and pickle what came of it; say meanwhile which one it is."""
    _number.value = number
    try:
        return _make(call)
    finally:
        _number.value = 0


def _make(call: bytes) -> bytes:
    global _calling
    if _stopped:
        raise KeyboardInterrupt
    if _over.value:
        raise CancelledError
    try:
        fn, args, kwargs = cloudpickle.loads(call)
    except Exception as error:  # noqa: BLE001 - an object's own unpickling may raise anything
        raise SerializationError(
            f"It was sent to another process, which cannot unpickle it: {repr_of(error)}. Take what "
            "cannot be unpickled into the task, or use LocalDaskExecutor(scheduler='threads')."
        ) from None
    _calling = True
    try:
        # Asked once more: unpickling imports what the call needs, and an interrupt that came
        # meanwhile found nothing to interrupt. From here on it does.
        if _stopped:
            raise KeyboardInterrupt
        value = fn(*args, **kwargs)
    finally:
        _calling = False
    return cloudpickle.dumps(value)  # type: ignore[no-any-return]


def _pass_on(
    inner: Future[bytes], outer: Future[Any], number: int, executor: ProcessPoolExecutor
) -> None:
    try:
        outer.set_result(pickle.loads(inner.result()))
    except BrokenProcessPool:
        outer.set_exception(ExecutionLost("process", _may_be_why(number, executor)))
    except BaseException as error:  # noqa: BLE001 - whatever it was, it is the caller's
        outer.set_exception(error)


def _may_be_why(number: int, executor: ProcessPoolExecutor) -> bool:
    """Tell whether a call may have broken a pool: one worker has died, and all others are ended."""
    workers: dict[Any, Any] = {
        process.sentinel: process for process in (executor._processes or {}).values()
    }
    # The calls are told before the others are ended. One that died between two calls made none.
    dead = {workers[sentinel].calling.value for sentinel in wait(list(workers), timeout=0)} - {0}
    return number in dead or not dead

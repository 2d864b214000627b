"""The cluster of one run: found at its address, or started for the run and torn down after it."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ExecutorError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

CONNECT_SECONDS = 5.0  #: how long a scheduler gets to answer if `client_kwargs` does not say
CLOSE_SECONDS = 10.0  #: how long a temporary cluster gets to end by itself


def find_cluster_class(cluster_class: str | Callable[..., Any] | None) -> Callable[..., Any]:
    """Return what makes a temporary cluster.

    Args:
        cluster_class: A class or another callable, or its dotted name; None for `LocalCluster`.

    Raises:
        ExecutorError: If there is nothing callable of this name.
    """
    if cluster_class is None:
        from distributed import LocalCluster

        return LocalCluster
    if not isinstance(cluster_class, str):
        return cluster_class
    module, _, name = cluster_class.rpartition(".")
    try:
        found: Any = getattr(import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise ExecutorError(
            f"DaskExecutor's cluster_class {cluster_class!r} cannot be imported here: {error}. "
            "Give a class, or its dotted name such as 'distributed.LocalCluster', and install its "
            "package where the flow runs."
        ) from error
    if not callable(found):
        raise ExecutorError(
            f"DaskExecutor's cluster_class {cluster_class!r} is no class: {found!r}."
        )
    return found  # type: ignore[no-any-return]


@contextmanager
def temporary_cluster(
    cluster_class: str | Callable[..., Any] | None,
    cluster_kwargs: Mapping[str, Any],
    adapt_kwargs: Mapping[str, Any],
    debug: bool,
    logger: logging.Logger,
) -> Iterator[Any]:
    """Start a cluster, yield it, and end it, however the block ends.

    Args:
        cluster_class: What makes it, see `find_cluster_class`.
        cluster_kwargs: Its arguments.
        adapt_kwargs: Arguments of its `adapt`; none to leave its size alone.
        debug: Whether a local cluster says more, and has a dashboard.
        logger: Where to say what happens.

    Raises:
        ExecutorError: If it cannot be started.
    """
    make = find_cluster_class(cluster_class)
    kwargs = dict(cluster_kwargs)
    name = f"{make.__module__}.{make.__qualname__}" if isinstance(make, type) else repr(make)
    is_local = _is_local(make)
    if is_local:
        _set_local_defaults(kwargs, debug)
    logger.info("Creating a new Dask cluster with `%s`...", name)
    with _workers_apart(is_local), _workers_kept(is_local):
        try:
            with _interrupts_held():
                cluster = make(**kwargs)
        except Exception as error:
            raise ExecutorError(
                f"The Dask cluster cannot be started with {name}: {error!r}. Check cluster_kwargs."
            ) from error
        try:
            if adapt_kwargs:
                cluster.adapt(**adapt_kwargs)
            link = getattr(cluster, "dashboard_link", None)
            if link and (debug or not is_local):
                logger.info("The Dask dashboard is available at %s", link)
            yield cluster
        finally:
            _close(cluster, logger)


def _is_local(make: Callable[..., Any]) -> bool:
    from distributed import LocalCluster

    return isinstance(make, type) and issubclass(make, LocalCluster)


def _set_local_defaults(kwargs: dict[str, Any], debug: bool) -> None:
    """Make a local cluster quiet, and reachable from this machine alone."""
    import logging

    kwargs.setdefault("host", "127.0.0.1")
    if "dashboard_address" not in kwargs:
        kwargs["dashboard_address"] = "127.0.0.1:0"
        if not debug:
            kwargs["scheduler_kwargs"] = {"dashboard": False, **kwargs.get("scheduler_kwargs", {})}
    kwargs.setdefault("silence_logs", logging.WARNING if debug else logging.CRITICAL)
    if kwargs.get("processes", True):
        preload = kwargs.get("preload") or []
        preload = [preload] if isinstance(preload, str) else list(preload)
        kwargs["preload"] = ["headrace.executors.dask.preload", *preload]


def _close(cluster: Any, logger: logging.Logger) -> None:
    """End a cluster; by force if it does not end, or the user does not want to wait."""
    try:
        cluster.close(timeout=CLOSE_SECONDS)
    except KeyboardInterrupt:
        _kill(cluster)
        raise
    except Exception as error:  # noqa: BLE001 - the run is over, only its workers must not stay
        logger.warning("The Dask cluster did not end in order: %r", error)
        _kill(cluster)


def _kill(cluster: Any) -> None:
    """Kill the worker processes of a cluster that runs on this machine."""
    workers = getattr(cluster, "workers", None)
    for worker in list(workers.values()) if isinstance(workers, dict) else ():
        pid = getattr(worker, "pid", None)
        if isinstance(pid, int) and pid != os.getpid():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting until the block ends, and from the processes that it starts.

    A terminal sends Ctrl-C to every process. The workers must not die of it: it is the runner that
    asks their tasks to stop, and ends them. Threads and processes inherit the mask from the thread
    that starts them; `preload` takes it from the workers, once they know what to do instead.
    """
    if (
        not hasattr(signal, "pthread_sigmask")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    # Starting the tracker, which the first process does, would take the mask away again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_apart = 0
_apart_lock = threading.Lock()


@contextmanager
def _workers_apart(is_local: bool) -> Iterator[None]:
    """Let the workers of a local cluster not begin by running the user's script again.

    `multiprocessing` imports the main module into each process that it spawns, for functions that
    are pickled by name from it. Ours are pickled by value, and a script that ends in `flow.run()`
    would start clusters without end.
    """
    from multiprocessing import spawn

    global _apart
    if not is_local:
        yield
        return
    with _apart_lock:
        _apart += 1
        if _apart == 1:
            original = spawn.get_preparation_data
            setattr(spawn, "get_preparation_data", _without_main(original))  # noqa: B010 - a patch
            _originals.append(original)
    try:
        yield
    finally:
        with _apart_lock:
            _apart -= 1
            if not _apart:
                setattr(spawn, "get_preparation_data", _originals.pop())  # noqa: B010 - undone


@contextmanager
def _workers_kept(is_local: bool) -> Iterator[None]:
    """Let a local cluster not give up a worker that dies twice within 15 s: it is started again.

    It would look once, 15 s after the first death, and find the worker just about to come back.
    """
    import dask.config

    if not is_local:
        yield
        return
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1 day"}):
        yield


_originals: list[Callable[[str], dict[str, Any]]] = []


def _without_main(
    original: Callable[[str], dict[str, Any]],
) -> Callable[[str], dict[str, Any]]:
    def get_preparation_data(name: str) -> dict[str, Any]:
        data = original(name)
        if name.startswith("Dask Worker process"):
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data

    return get_preparation_data


@contextmanager
def connected(cluster: Any, client_kwargs: Mapping[str, Any]) -> Iterator[Any]:
    """Connect to a cluster, yield the client, and close it.

    Args:
        cluster: A scheduler's address, or a cluster object.
        client_kwargs: Arguments of `distributed.Client`.

    Raises:
        ExecutorError: If it does not answer in time.
    """
    from distributed import Client

    kwargs = {"set_as_default": False, "timeout": CONNECT_SECONDS, **client_kwargs}
    try:
        client: Any = Client(cluster, **kwargs)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        where = cluster if isinstance(cluster, str) else repr(cluster)
        raise ExecutorError(
            f"No Dask scheduler answers at {where} within {kwargs['timeout']} s: {error}. Check the "
            "address, that `dask scheduler` runs there and can be reached from here, and its TLS "
            "settings (client_kwargs={'security': ...}); for a slow network give "
            "client_kwargs={'timeout': ...}."
        ) from error
    try:
        yield client
    finally:
        # Bounded: a scheduler that is gone has nothing to say about it.
        with suppress(OSError, TimeoutError):
            client.close(timeout=CLOSE_SECONDS)

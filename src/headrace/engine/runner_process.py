"""A runner's process: gets a flow run over its channel, loads the flow, runs it, reports it."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final

from headrace.config.logging import get_logger
from headrace.core.errors import HeadraceError, StorageError
from headrace.core.now import timestamp
from headrace.core.wording import repr_of
from headrace.engine.channel import read_frames, receive_run
from headrace.engine.cloud_flow_runner import CloudFlowRunner
from headrace.engine.reporting import Reporting
from headrace.engine.run_log import RunLog
from headrace.wire.events import FlowState

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from headrace.flow import Flow
    from headrace.storage import Storage
    from headrace.wire.claims import RunDetails

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

EXIT_REPORTED: Final = 0  #: the run's end, or that it is parked, was reported
EXIT_SUPERSEDED: Final = 71  #: the run is another process's; nothing was reported
EXIT_DESERTED: Final = 72  #: the supervisor is gone
EXIT_TERMINATED: Final = 143  #: asked to end by SIGTERM with no order to cancel: not the run's end

#: What a fork server imports before it forks runners. None of it starts a thread.
PRELOAD: Final = (
    "cloudpickle",
    "headrace",
    "hashlib",
    "headrace.config.logging",
    "headrace.core.hashing",
    "headrace.engine.cloud_flow_runner",
    "headrace.engine.dispatcher",
    "headrace.engine.runner_process",
    "headrace.executors",
    "headrace.executors.local_dask",
    "headrace.loading",
    "headrace.results",
    "headrace.results.local",
    "headrace.storage",
    "headrace.storage.git",
    "headrace.storage.local",
    "headrace.storage.module",
    "headrace.tasks",
)


def main(sock: socket.socket) -> int:
    """Run the flow run that arrives over a channel.

    Whoever calls it leaves the process with `os._exit` of what it returns: threads that a user's
    code has left behind do not hold up the end of a run.

    Args:
        sock: The runner's end of the channel.

    Returns:
        The exit code, one of the `EXIT_` constants.

    Raises:
        ChannelError: If the channel does not begin with what to run.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # They are files: what is printed is to be there at once, and after a sudden end.
            stream.reconfigure(line_buffering=True)
    frames = read_frames(sock)
    details = receive_run(frames)
    reporting = Reporting(sock)
    with RunLog(reporting.emit) as log:
        runner: CloudFlowRunner | None = None
        storage: Storage | None = None
        ending: FlowState | None
        try:
            storage = _storage_of(details)
            flow = _load(details, storage)
            runner = CloudFlowRunner(flow, details, reporting.emit)
            if runner.checkpoints is not None:
                reporting.before_send = runner.checkpoints.flush
            reporting.listen(frames, runner.orders.obey, _deserted)
            ending = runner.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is how this run ends
            ending = _failed(details, error)
        log.flush()
    if ending is not None:
        reporting.emit(ending)
    reporting.close()
    if runner is not None:
        runner.close()
    if storage is not None:
        storage.close()
    if ending is not None:
        return EXIT_REPORTED
    return EXIT_SUPERSEDED if runner and runner.orders.superseded else EXIT_TERMINATED


def _deserted() -> None:
    # Another attempt will follow this one: what it has not recorded is as good as not done.
    os._exit(EXIT_DESERTED)


def _storage_of(details: RunDetails) -> Storage:
    """Return the storage that the flow was registered with.

    Raises:
        StorageError: If there is none, or it cannot be rebuilt here.
    """
    from headrace.storage import storage_from

    if details.storage is None:
        raise StorageError(
            f"Flow {details.flow_name!r} was registered without a storage, so its code cannot be "
            "found. Register it again from a file, or with a storage."
        )
    return storage_from(details.storage)


def _load(details: RunDetails, storage: Storage) -> Flow:
    """Load the flow from its storage.

    Raises:
        StorageError: If it cannot be loaded, with the reason.
    """
    assert details.storage is not None
    try:
        flow = storage.get_flow(details.flow_name)
    except HeadraceError:
        raise
    except BaseException as error:  # whatever the user's file raises, sys.exit() included
        error.__traceback__ = _own_frames(error.__traceback__)
        get_logger().error("Flow %r could not be loaded:", details.flow_name, exc_info=error)
        raise StorageError(
            f"The code of flow {details.flow_name!r} raised {repr_of(error)} when it was loaded "
            f"from its storage ({details.storage.get('type', 'unknown')})."
        ) from error
    if flow.result is None:
        # A storage may say where the results of its flows go.
        flow.result = getattr(flow.storage, "result", None)
    return flow


def _failed(details: RunDetails, error: Exception) -> FlowState:
    """Return the state of a run that ended before, or beside, its tasks."""
    logger = get_logger("CloudFlowRunner")
    if isinstance(error, HeadraceError):
        message = str(error)  # it says itself what is wrong, and what to do
        logger.error("%s", message)
    else:
        message = f"Unexpected error while running flow {details.flow_name!r}: {repr_of(error)}"
        logger.error("%s", message, exc_info=error)
    return FlowState(at=timestamp(), type="Failed", message=message)


def _own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Cut a traceback to what comes after Headrace's own loading."""
    first = traceback
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not file.startswith((_PACKAGE, "<frozen importlib")):
            return traceback
        traceback = traceback.tb_next
    return first


if __name__ == "__main__":
    import socket as sockets

    # `python -m headrace.engine.runner_process FD`: for interpreters that cannot be forked into.
    exit_code = main(sockets.socket(fileno=int(sys.argv[1])))
    for output in (sys.stdout, sys.stderr):
        output.flush()
    os._exit(exit_code)

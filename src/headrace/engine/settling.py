"""What is left to do for a run whose supervisor is gone: deliver its events, say how it ended."""

from __future__ import annotations

import signal
import time

from headrace.core.errors import Conflict, NotFound, Refused
from headrace.engine.backlog import Backlog
from headrace.engine.process_identity import boot_id
from headrace.engine.refusals import Refusals
from headrace.engine.run_directory import (
    ExitRecord,
    Reaped,
    RunDirectory,
    RunSpec,
    SupervisorRecord,
)
from headrace.engine.run_reports import RunReports
from headrace.engine.spool import Spool

#: For how many seconds a supervisor may take to write itself down.
BEGIN_SECONDS = 60.0
#: The same, if whoever was starting it has ended.
BEGIN_SECONDS_ALONE = 10.0


def is_over(directory: RunDirectory, begins_within: float = BEGIN_SECONDS) -> bool:
    """Tell whether a run's supervisor has ended; of one on another machine, nobody here knows.

    Args:
        directory: The run's directory.
        begins_within: After how many seconds one that has not written itself down never began.
    """
    record = directory.read(SupervisorRecord)
    if record is not None:
        return record.process.is_here() and not record.process.is_alive()
    if directory.read(Reaped) is not None:
        return True
    try:
        begun = (directory.path / "run.json").stat().st_mtime
    except OSError:
        return False
    return time.time() - begun > begins_within


def settle(directory: RunDirectory) -> ExitRecord | None:
    """Tell the server what it does not know yet of a run whose supervisor has ended.

    Args:
        directory: The run's directory.

    Returns:
        How the run's process ended, `reported` being true; None if the directory holds no run.

    Raises:
        ClientError: If the server is away, or does not listen; what is left stays.
        OSError: If the directory cannot be read or written.
    """
    spec = directory.read(RunSpec)
    if spec is None:
        return None
    ended = directory.read(ExitRecord)
    if ended is not None and ended.reported:
        return ended
    supervisor = directory.read(SupervisorRecord)
    if supervisor is not None and supervisor.runner is not None:
        # It dies with its supervisor, where the system can arrange that; what it started does not.
        supervisor.runner.signal_group(signal.SIGKILL, session=supervisor.process.pid)
    if ended is None:
        ended = ExitRecord(how="lost", reason=_reason(directory, supervisor), at=time.time())
        directory.write(ended)
    reports = RunReports(spec, supervisor.nonce if supervisor is not None else "")
    try:
        if supervisor is not None:
            _deliver(directory, reports)
        if ended.how in ("lost", "unreachable", "stopped"):
            reports.exited(ended.reason, by_agent=True)
    except NotFound:
        pass  # the run was deleted: nobody wants to know
    finally:
        reports.close()
    ended.reported = True
    ended.undelivered = 0
    directory.write(ended)
    return ended


def _deliver(directory: RunDirectory, reports: RunReports) -> None:
    if not directory.spool.exists():
        return
    backlog = Backlog(Spool(directory.spool))
    refusals = Refusals(backlog)
    try:
        while len(backlog):
            first, count, array = backlog.batch()
            try:
                answer = reports.events(first, array)
            except (Refused, Conflict) as error:
                # What is wrong with it stays wrong: nobody could ever deliver the rest.
                if not refusals.heed(error):
                    raise
                continue
            if answer.refused is not None:
                # It belongs to another process: what was sent is kept in the run's history.
                backlog.stored(first + count - 1)
            elif answer.stored < first - 1:
                backlog.number_from(answer.stored + 1)
            else:
                backlog.stored(answer.stored)
    finally:
        backlog.close()


def _reason(directory: RunDirectory, supervisor: SupervisorRecord | None) -> str:
    """Say how a run's process ended that has not said so itself."""
    if supervisor is not None and supervisor.process.boot != boot_id():
        return "the machine was restarted"
    reaped = directory.read(Reaped)
    how = reaped.reason if reaped is not None else "gone, and nobody saw how"
    said = directory.last_lines(directory.log, 1)
    last = f" ({said[-1][:500]})" if said else ""
    return f"the run's supervisor ended: {how}{last}"

"""What tasks of other flow runs have given, read from where this process can reach it."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

from headrace.core.errors import Refused, ResultNotFound
from headrace.tasks.flow_runs.asking import the_client

if TYPE_CHECKING:
    from headrace.engine.checkpoints import Store
    from headrace.engine.segments import Record
    from headrace.wire.task_runs import TaskRun


def value_of(run: TaskRun) -> Any:
    """Return the value that a task run has given; of a mapped task, the list of its children's.

    Raises:
        Refused: If the task run has given none: it is not over, or did not succeed.
        ResultNotFound: If the value is not stored, or not where this process can read it.
    """
    if run.state == "Mapped":
        children = [
            child
            for child in the_client().task_runs(run.flow_run_id, slug=run.slug)
            if child.map_index >= 0
        ]
    else:
        children = [run]
    kept = _Kept(run.flow_run_id)
    values = [_one(child, kept) for child in children]
    return values if run.state == "Mapped" else values[0]


def _one(run: TaskRun, kept: _Kept) -> Any:
    if run.state not in ("Success", "Cached", "Skipped"):
        raise Refused(
            f"The task run {run.name!r} of the flow run {run.flow_run_id} is {run.state}, so there "
            f"is no value. {run.message or ''}".rstrip()
        )
    if run.state == "Skipped":
        return None
    if run.location is not None and os.path.isfile(run.location):
        from headrace.results.local import LocalResult

        folder, name = os.path.split(os.path.abspath(run.location))
        return LocalResult(dir=folder).read(name).value
    return kept.value(run)


class _Kept:
    """The checkpoints of a flow run that are in Headrace's home directory on this machine."""

    def __init__(self, flow_run_id: str) -> None:
        self._id = flow_run_id
        self._records: dict[tuple[str, int], Record] | None = None
        self._store: Store | None = None

    def value(self, run: TaskRun) -> Any:
        from headrace.engine import segments

        record = self._read().get((run.slug, run.map_index))
        if record is not None:
            if record.form == segments.VALUE and record.value is not None:
                return pickle.loads(record.value)
            if record.form == segments.STATE and record.value is not None:
                return pickle.loads(record.value).result
            if record.form == segments.BESIDE and record.location and self._store:
                return pickle.loads(self._store.read_value(record.location))
        where = f" It is stored at {run.location}." if run.location else ""
        raise ResultNotFound(
            f"The value of the task run {run.name!r} of the flow run {self._id} cannot be read "
            f"here.{where} Give the task a result or a target on a disk, or in an object store, "
            "that both flows can read, and read it from there."
        )

    def _read(self) -> dict[tuple[str, int], Record]:
        if self._records is None:
            from headrace.engine.checkpoints import store_for
            from headrace.engine.segments import decode

            self._store = store_for(None, self._id, 0)
            self._records = {}
            for _attempt, data in self._store.segments():
                for record in decode(data):
                    self._records[record.slug, record.child] = record
        return self._records

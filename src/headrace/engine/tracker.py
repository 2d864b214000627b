"""What looks on while a flow is run, remembers it for later attempts, and may hold it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.core.result import Result
    from headrace.core.state import Place
    from headrace.core.states import State
    from headrace.core.task import Task
    from headrace.engine.outcome import Outcome
    from headrace.engine.plan import Node
    from headrace.engine.run import Run
    from headrace.engine.turns import Turn
    from headrace.engine.worker_checkpoints import Place as CheckpointPlace
    from headrace.executors.base import Executor


class Tracker(Protocol):
    """Stands beside one flow run. All methods are called by the thread that runs the flow."""

    @property
    def guarded(self) -> bool:
        """Whether `known` is to be asked before a task of this run is started."""

    @property
    def is_lost(self) -> bool:
        """Whether the run is another process's: no user's function is called any more."""

    @property
    def stops(self) -> bool:
        """Whether nothing new starts, for good."""

    def given(
        self, nodes: Mapping[Task[Any], Node], parameters: Mapping[str, Any]
    ) -> Mapping[Task[Any], State]:
        """Return the states that an earlier attempt has left."""

    def flow_result(self, result: Result | None, executor: Executor) -> Result | None:
        """Return where the flow's results go: as the flow says, or marked as `in_checkpoints`."""

    def attach(self, run: Run) -> None:
        """Look on at this run."""

    def changed(self, node: Node, child: int, state: State) -> None:
        """Take note of a task run's new state."""

    def may_start(self) -> bool:
        """Tell whether a task may start now."""

    def begin(self, node: Node, child: int) -> bool:
        """Take note that a task starts here and now; tell whether it may. Waits if it may later."""

    def known(self, node: Node, child: int, inputs: Mapping[str, Any]) -> State | None:
        """Return the state that an earlier attempt has left of a task with the same inputs."""

    def reported(self, node: Node, outcome: Outcome) -> None:
        """Take note of what a worker says of a run, before `changed` is told of its state."""

    def turned(self, turn: Turn) -> None:
        """Take note of where a loop stands."""

    def show(self, item: tuple[Node, int], since: float, place: Place | None = None) -> None:
        """Take note that a run is under way on a worker, and has been for a while."""

    def open_worker_checkpoints(self) -> CheckpointPlace | None:
        """Return where workers write checkpoints of values that stay with them; None for nowhere."""

"""What an attempt takes over from those before it, and what has to be done again.

A task run is taken over if it is over, its value can be read, and nothing it was made from has been
made anew since: each of its upstreams is taken over too, and was not made in a later attempt. Where
an upstream's value was never kept, a run that succeeded is a *candidate*: it is taken over if its
inputs turn out to have the hash that was recorded, which shows when its turn comes.

What is given is not run by the flow machine, and not even looked at; values are read only where
something that will run needs them.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from headrace.core.constant import Constant
from headrace.core.parameter import Parameter
from headrace.core.state import Place
from headrace.core.states import (
    Mapped,
    Paused,
    Resume,
    Retrying,
    Scheduled,
    State,
    succeeded,
)
from headrace.engine.plan import CHILD, NO_MEASURE, NOT_A_CHILD
from headrace.engine.segments import (
    BEGUN,
    BESIDE,
    NOTHING,
    STATE,
    STORED,
    VALUE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from headrace.core.task import Task
    from headrace.engine.checkpoints import Store
    from headrace.engine.plan import Node
    from headrace.engine.segments import Record

Item = tuple["Node", int]

#: Types of states that are not over: a run in one of them begins with it again.
WAITING = frozenset({"Retrying", "Paused", "Scheduled", "Resume", "Queued"})
WELL = frozenset({"Success", "Cached", "Skipped", "Mapped"})


class Past:
    """What earlier attempts have recorded.

    Args:
        records: All records, each with its attempt, in order.
        restarted_after: The last attempt before a person restarted the run, or 0: what failed until
            then is run again. What failed in an attempt that was lost stays as it is.

    Attributes:
        runs: The last record of each task run, with its attempt, by slug and map index.
        parameters: The hash of the run's parameters, by attempt.
    """

    def __init__(self, records: Iterable[tuple[int, Record]], restarted_after: int = 0) -> None:
        self.runs: dict[tuple[str, int], tuple[int, Record]] = {}
        self.parameters: dict[int, str | None] = {}
        for attempt, record in records:
            if record.form == BEGUN:
                self.parameters[attempt] = record.inputs
            else:
                self.runs[record.slug, record.child] = attempt, record
        self.runs = {
            key: (attempt, record)
            for key, (attempt, record) in self.runs.items()
            if attempt > restarted_after or record.type in WELL
        }


class Resumption:
    """Decides what one attempt takes over.

    Args:
        past: What earlier attempts have recorded.
        nodes: The plan, upstream before downstream.
        store: Where values of their own files are read.
        parameters: The hash of this attempt's parameters.
        resumed: Which paused tasks a person lets go on.

    Attributes:
        given: The states that tasks begin with, for the flow machine.
        taken: What is taken over, with the state of each.
        candidates: What may be taken over when its inputs are known, by slug and map index.
    """

    def __init__(
        self,
        past: Past,
        nodes: Mapping[Task[Any], Node],
        store: Store,
        parameters: str | None,
        resumed: Iterable[tuple[str, int]] = (),
    ) -> None:
        self._past = past
        self._nodes = nodes
        self._store = store
        self._parameters = parameters
        self._resumed = {(slug, child) for slug, child in resumed}
        #: In which attempt the value of a run was made, where it is as it was.
        self._made: dict[Item, int] = {}
        self._unreadable: set[tuple[str, int]] = set()
        self._loaded: dict[tuple[str, int], State] = {}
        self.candidates: dict[tuple[str, int], tuple[int, Record]] = {}
        self.given: dict[Task[Any], State] = {}
        self.taken: list[tuple[Node, int, State, Record]] = []
        if past.runs or self._resumed:
            self._decide()
            while self._load_what_is_needed():
                self._decide()  # something cannot be read after all
        self._give()

    # -- deciding -------------------------------------------------------------------------

    def _decide(self) -> None:
        self._made.clear()
        self.candidates.clear()
        for node in self._nodes.values():
            task = node.task
            if is_made_anew(task):
                continue  # run again, and as good as they were: see `_made_in`
            for child in self._children(node):
                known = self._past.runs.get((node.slug, child))
                if known is None or not self._is_over(known[1], child):
                    continue
                attempt, record = known
                if record.inputs is None and self.is_as_it_was(node, child, attempt):
                    self._made[node, child] = attempt
                elif record.type != "Mapped" and record.form != NOTHING:
                    self.candidates[node.slug, child] = known

    def _children(self, node: Node) -> Iterator[int]:
        yield NOT_A_CHILD
        if node.mapped:
            yield from range(self._width(node))

    def _width(self, node: Node) -> int:
        """Return how many children a mapped task had; 0 if it never got any."""
        return self._width_or_none(node) or 0

    def _width_or_none(self, node: Node) -> int | None:
        """Return how many children a task was mapped into; None if it was not."""
        known = self._past.runs.get((node.slug, NOT_A_CHILD))
        return known[1].run_count if known is not None and known[1].type == "Mapped" else None

    def _is_over(self, record: Record, child: int) -> bool:
        if record.type in WAITING or record.form == NOTHING:
            return False
        return (record.slug, child) not in self._unreadable

    def is_as_it_was(self, node: Node, child: int, attempt: int) -> bool:
        """Tell whether all that a run was made from in an attempt is as it was then."""
        for upstream in (*node.whole, *node.flat):
            if not self._whole_is(upstream, attempt):
                return False
        for upstream in node.by_child:
            if child < 0:
                # The number of children hangs on that of the upstream's, not on their values.
                if not self._is(upstream, NOT_A_CHILD, attempt):
                    return False
            elif not self._is(upstream, child if self._width(upstream) else NOT_A_CHILD, attempt):
                return False
        return True

    def _is(self, node: Node, child: int, attempt: int) -> bool:
        """Tell whether a run's value is the one that it had in an attempt."""
        task = node.task
        if task.always_runs:
            # A connection, a secret: not what it was made into counts, but what it is made from.
            return self.is_as_it_was(node, child, attempt)
        if isinstance(task, Constant):
            return True
        if isinstance(task, Parameter):
            return self._past.parameters.get(attempt) == self._parameters
        if child < 0 and node.children is not None:
            return node.width == self._width_or_none(node)  # the values are its children's
        made = self._made.get((node, child))
        return made is not None and made <= attempt

    def _whole_is(self, node: Node, attempt: int) -> bool:
        if not self._is(node, NOT_A_CHILD, attempt):
            return False
        return all(self._is(node, child, attempt) for child in range(self._width(node)))

    # -- reading --------------------------------------------------------------------------

    def _load_what_is_needed(self) -> bool:
        """Read the values that something needs that will run; tell whether any cannot be read."""
        failed = False
        for item in self._needed():
            key = (item[0].slug, item[1])
            if key not in self._loaded and key not in self._unreadable:
                state = self.load(*item, self._past.runs[key][1])
                if state is None:
                    self._unreadable.add(key)
                    failed = True
                else:
                    self._loaded[key] = state
        return failed

    def _needed(self) -> list[Item]:
        """Return the runs that are taken over and whose values something else takes."""
        needed: dict[Item, None] = {}
        made = self._made
        for node in self._nodes.values():
            if node.measure != NO_MEASURE:
                needed.update(dict.fromkeys(self._items(node)))
            children = range(self._width(node))
            is_done = (node, NOT_A_CHILD) in made
            all_done = is_done and all((node, child) in made for child in children)
            if all_done:
                continue
            for each in node.inputs:
                upstream = each.upstream
                if each.how == CHILD and is_done:
                    for child in children:
                        if (node, child) not in made and (upstream, child) in made:
                            needed[upstream, child] = None
                else:
                    needed.update(dict.fromkeys(self._items(upstream)))
        return [
            item for item in needed if self._past.runs[item[0].slug, item[1]][1].type != "Mapped"
        ]

    def _items(self, node: Node) -> Iterator[Item]:
        for child in self._children(node):
            if (node, child) in self._made:
                yield node, child

    def load(self, node: Node, child: int, record: Record) -> State | None:
        """Return the state that a record holds, with its value; None if it cannot be read."""
        try:
            if record.form == VALUE:
                assert record.value is not None
                return _success(pickle.loads(record.value), record)
            if record.form == BESIDE:
                assert record.location is not None
                return _success(pickle.loads(self._store.read_value(record.location)), record)
            state = self._state(record)
            if record.form == STORED and state is not None:
                state.load_result()
            return state
        except Exception as error:  # noqa: BLE001 - any store, and a user's own unpickling
            node.task.logger.warning(
                "Task '%s': what an earlier attempt has left of it cannot be read, so it is run "
                "again: %r",
                node.name_of(child),
                error,
            )
            return None

    def _state(self, record: Record) -> State | None:
        if record.form not in (STATE, STORED) or record.value is None:
            return None
        state: State = pickle.loads(record.value)
        return state

    # -- giving ---------------------------------------------------------------------------

    def _give(self) -> None:
        for task, node in self._nodes.items():
            if is_made_anew(task):
                continue
            if self._width(node):
                children = [self._begin(node, child) for child in range(self._width(node))]
                if any(child is not None for child in children):
                    self.given[task] = Mapped(
                        "Ready to proceed with mapping.",
                        map_states=children,
                        n_map_states=len(children),
                    )
                continue
            state = self._begin(node, NOT_A_CHILD)
            if state is not None and not isinstance(state, Mapped):
                self.given[task] = state

    def _begin(self, node: Node, child: int) -> State | None:
        """Return the state that a run begins with, or ended in."""
        key = (node.slug, child)
        known = self._past.runs.get(key)
        if known is not None and (node, child) in self._made:
            record = known[1]
            state = self._loaded.get(key)
            if state is None:
                state = _success(None, record) if record.form in (VALUE, BESIDE) else None
            if state is None:
                state = self._readable(record)
            if state is not None and record.type != "Mapped":
                self.taken.append((node, child, state, record))
            return state
        if key in self._resumed or (node.slug, NOT_A_CHILD) in self._resumed:
            return Resume("A person has let it go on.")
        if known is not None and known[1].type in WAITING:
            waiting = self._readable(known[1])
            return waiting if isinstance(waiting, Retrying | Paused | Scheduled) else None
        return None

    def _readable(self, record: Record) -> State | None:
        try:
            return self._state(record)
        except Exception:  # noqa: BLE001 - a user's own unpickling: of what a state has failed with
            return None

    def has_taken_map(self, node: Node, width: int) -> bool:
        """Tell whether a mapped task is taken over with this number of children."""
        return (node, NOT_A_CHILD) in self._made and self._width(node) == width

    def confirms(self, node: Node, child: int, kind: str) -> bool:
        """Tell whether a run whose function is not called has ended now as it did then.

        It is as it was, so what hangs on it may be taken over too.
        """
        known = self.candidates.get((node.slug, child))
        if known is None or known[1].place is not None or known[1].type != kind:
            return False
        del self.candidates[node.slug, child]
        self._made[node, child] = known[0]
        return True

    # -- while it runs --------------------------------------------------------------------

    def take(self, node: Node, child: int, inputs: str | None) -> tuple[State, Record] | None:
        """Return what a candidate has left, if its inputs are as they were.

        Args:
            node: The task's node.
            child: The map index.
            inputs: The hash of its inputs now.
        """
        known = self.candidates.pop((node.slug, child), None)
        if known is None:
            return None
        attempt, record = known
        if record.inputs is not None:
            same = record.inputs == inputs
        else:
            same = self.is_as_it_was(node, child, attempt)
        state = self.load(node, child, record) if same else None
        if state is None:
            return None
        self._made[node, child] = attempt
        return state, record


def is_made_anew(task: Task[Any]) -> bool:
    """Tell whether a task is run again by every attempt, and has no checkpoint of its own."""
    return task.always_runs or isinstance(task, Parameter | Constant)


def _success(value: Any, record: Record) -> State:
    host, _, pid = (record.place or ":0").rpartition(":")
    return succeeded(value, Place(host, int(pid)), record.at)

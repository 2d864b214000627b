"""What a dispatcher has done so far, in numbers."""

from __future__ import annotations


class Statistics:
    """Counts of what went out to an executor, and of what came back undone. For reading only.

    Attributes:
        submissions: Calls that were handed over.
        together: Task runs that shared a call with others.
        fused: Those of them that were put in behind the one that they wait for.
        handed_back: Task runs that came back without having begun, as their call's time was up or
            as one of them could not travel.
        lost: Task runs that were out on a worker which died.
        values_lost: Calls that could not run, as a value that they needed had died with its worker.
    """

    __slots__ = ("fused", "handed_back", "lost", "submissions", "together", "values_lost")

    def __init__(self) -> None:
        self.submissions = 0
        self.together = 0
        self.fused = 0
        self.handed_back = 0
        self.lost = 0
        self.values_lost = 0

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={getattr(self, name)}" for name in self.__slots__)
        return f"<Statistics: {counts}>"

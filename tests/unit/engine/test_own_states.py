"""States whose class is the user's own are reported as what a server knows them by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from headrace import Flow, task
from headrace.server.services.ingest import decode
from headrace.states import Failed, Finished, Retrying, Skipped, State, Success
from headrace.wire.events import EventBatch
from tests.support.tracked import Attempt


class TooMuch(Failed):
    pass


class NothingNew(Skipped):
    pass


class Odd(Finished):
    pass


def sent(attempt: Attempt) -> dict[tuple[str, int], str]:
    """The types of the last states, as a server takes them in."""
    batch = decode(msgspec.json.encode(EventBatch(attempt=1, nonce="n", events=attempt.events)))
    assert batch.events == attempt.events
    return attempt.types()


def test_tasks_and_flows_may_end_in_states_of_their_own(tmp_path: Path) -> None:
    calls: list[str] = []

    def to(kind: type[State]) -> Any:
        def handler(_: Any, old: State, new: State) -> State:
            return kind("as it is") if new.is_finished() else new

        return handler

    @task(state_handlers=[to(NothingNew)])
    def skips() -> int:
        calls.append("skips")
        return 1

    @task(state_handlers=[to(TooMuch)])
    def fails() -> int:
        calls.append("fails")
        return 1

    with Flow("f", state_handlers=[to(TooMuch)]) as flow:
        skips()
        fails()
    for number in (1, 2):
        attempt = Attempt(flow, tmp_path, number)
        end = attempt.run()
        assert end is not None
        assert (end.type, end.message) == ("Failed", "as it is")
        assert sent(attempt) == {("skips-1", -1): "Skipped", ("fails-1", -1): "Failed"}
    assert sorted(calls) == ["fails", "skips"]  # and are taken over as what they are


def test_a_flow_that_ends_in_nothing_known_has_failed(tmp_path: Path) -> None:
    @task
    def nothing() -> None:
        pass

    with Flow("f", terminal_state_handler=lambda *_: Odd("odd")) as flow:
        nothing()
    end = Attempt(flow, tmp_path).run()
    assert end is not None
    assert (end.type, end.message) == ("Failed", "odd")


def test_each_state_of_ones_own_is_known_by_the_nearest() -> None:
    from headrace.core.states import known_name

    class Later(Retrying):
        pass

    class MuchLater(Later):
        pass

    assert [known_name(kind) for kind in (MuchLater, TooMuch, Odd, Success, State)] == [
        *("Retrying", "Failed", "Finished", "Success", "State")
    ]

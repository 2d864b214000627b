"""Claims that never got to their agent are found out; a question that comes again is known."""

import asyncio
import datetime
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from headrace.server.services.handed import HandedOut, Question
from headrace.wire.claims import ClaimedRun

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def run(id: str) -> ClaimedRun:
    return ClaimedRun(
        id=id,
        name=f"run {id}",
        attempt=1,
        token=f"token of {id}",
        start_time=NOW,
        lease=60.0,
        flow_name="flow",
        project_name="project",
    )


ONE, TWO = run("1"), run("2")


def lost_in(scenario: Callable[[HandedOut], None]) -> list[tuple[str, list]]:
    """Return what is taken back in a scenario, and in a while after it."""
    lost: list[tuple[str, list]] = []

    async def play() -> None:
        out = HandedOut(lambda agent, claims: lost.append((agent, claims)), grace=0.01)
        scenario(out)
        await asyncio.sleep(0.03)
        out.close()

    asyncio.run(play())
    return lost


def play(*steps: tuple[str, list, bool]) -> list[tuple[str, list]]:
    """Give `box` the runs 1 and 2, let it ask as the steps say, and return what is taken back."""

    def scenario(out: HandedOut) -> None:
        out.given(Question("box", "", 0), [ONE, TWO])
        for agent, deploying, asks in steps:
            out.heard(agent, deploying, asks=asks)

    return lost_in(scenario)


def test_a_run_that_the_agent_names_has_got_to_it():
    assert play(("box", ["1", "2"], True)) == []


def test_a_run_that_it_does_not_name_is_taken_back_after_a_while():
    assert play(("box", ["1"], True)) == [("box", [("2", 1)])]


def test_a_word_in_time_keeps_it():
    assert play(("box", [], True), ("box", ["2", "1"], False)) == []


def test_only_a_request_for_more_shows_that_an_answer_got_lost():
    assert play(("box", [], False)) == []
    assert play(("box", ["1"], False), ("box", [], True)) == [("box", [("2", 1)])]


def test_other_agents_say_nothing_about_it():
    assert play(("other", [], True)) == []


def test_a_question_that_comes_again_is_answered_as_before():
    def scenario(out: HandedOut) -> None:
        question = Question("box", "session", 3)
        assert out.asked(question) is None
        out.given(question, [ONE, TWO])
        assert out.asked(question) == [ONE, TWO]
        assert out.asked(question) == [ONE, TWO]
        assert out.asked(Question("box", "session", 4)) is None
        out.heard("box", ["1", "2"], asks=True)

    assert lost_in(scenario) == []


def test_one_that_was_answered_with_nothing_is_asked_anew():
    def scenario(out: HandedOut) -> None:
        question = Question("box", "session", 3)
        assert out.asked(question) is None
        out.given(question, [])
        assert out.asked(question) is None

    assert lost_in(scenario) == []


def test_a_question_that_was_overtaken_gets_nothing():
    def scenario(out: HandedOut) -> None:
        assert out.asked(Question("box", "session", 4)) is None
        assert out.asked(Question("box", "session", 3)) == []
        # Of another session, or another agent, nothing is known.
        assert out.asked(Question("box", "another", 0)) is None
        assert out.asked(Question("other", "session", 0)) is None

    assert lost_in(scenario) == []


def test_what_nobody_waited_for_is_kept_for_a_while():
    question = Question("box", "session", 3)

    def comes_again(out: HandedOut) -> None:
        assert out.asked(question) is None
        out.given(question, [ONE], is_read=False)
        assert out.asked(question) == [ONE]
        out.heard("box", ["1"], asks=True)

    def never_comes(out: HandedOut) -> None:
        assert out.asked(question) is None
        out.given(question, [ONE], is_read=False)

    assert lost_in(comes_again) == []
    assert lost_in(never_comes) == [("box", [("1", 1)])]


def test_what_was_taken_back_is_not_answered_again():
    async def scenario() -> None:
        taken = []
        out = HandedOut(lambda _agent, claims: taken.extend(claims), grace=0.01)
        question = Question("box", "session", 3)
        out.asked(question)
        out.given(question, [ONE, TWO], is_read=False)
        out.heard("box", ["2"], asks=False)
        await asyncio.sleep(0.03)
        assert taken == [("1", 1)]
        assert out.asked(question) == [TWO]
        out.close()

    asyncio.run(scenario())


@given(st.lists(st.sampled_from(["answer", "lose", "repeat"]), max_size=12))
def test_an_agent_that_goes_on_asking_loses_nothing_on_a_bad_network(steps):
    """Whatever happens to answers, each run gets to the agent, and none is taken back."""
    got: set[str] = set()
    handed: list[ClaimedRun] = []

    def scenario(out: HandedOut) -> None:
        number = 0

        def ask() -> list[ClaimedRun]:
            question = Question("box", "session", number)
            answer = out.asked(question)
            if answer is not None:
                return answer
            out.heard("box", sorted(got), asks=True)
            runs = [run(str(len(handed)))]
            handed.extend(runs)
            out.given(question, runs)
            return runs

        for step in [*steps, "answer"]:
            answer = ask()
            if step == "repeat":
                answer = ask()
            if step != "lose":
                got.update(each.id for each in answer)
                number += 1
        out.heard("box", sorted(got), asks=True)

    assert lost_in(scenario) == []
    assert got == {each.id for each in handed}

"""Claims that never got to their agent are found out."""

import asyncio

from headrace.server.services.handed import HandedOut


def play(*steps: tuple[str, list, bool]) -> list[tuple[str, list]]:
    """Give `box` the runs 1 and 2, let it ask as the steps say, and return what is taken back."""
    lost: list[tuple[str, list]] = []

    async def scenario() -> None:
        out = HandedOut(lambda agent, claims: lost.append((agent, claims)), grace=0.01)
        out.given("box", [("1", 1), ("2", 1)])
        for agent, deploying, asks in steps:
            out.heard(agent, deploying, asks=asks)
        await asyncio.sleep(0.03)
        out.close()

    asyncio.run(scenario())
    return lost


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

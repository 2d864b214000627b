"""Names that are made up."""

import random
import re

from headrace.server.rules.naming import check_name
from headrace.server.rules.run_names import _HOW, _WHAT, made_up


def test_a_name_is_two_words():
    chance = random.Random(7)
    for _ in range(200):
        assert re.fullmatch(r"[a-z]+-[a-z]+", check_name("A name", made_up(chance)))


def test_the_same_chance_gives_the_same_name():
    assert made_up(random.Random(3)) == made_up(random.Random(3))


def test_no_word_is_there_twice():
    assert len(set(_HOW)) == len(_HOW)
    assert len(set(_WHAT)) == len(_WHAT)
    assert len(_HOW) * len(_WHAT) > 10_000

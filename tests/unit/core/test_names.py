"""What a name may be."""

import re

import pytest

from headrace.core.names import objection_to


@pytest.mark.parametrize("name", ["a", "Übung 3", "名前", "a" * 200, "naïve-otter"])
def test_names_that_people_give(name):
    assert objection_to(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (" a", "spaces"),
        ("a" * 201, "200 characters, and has 201"),
        ("a\0", r"U\+0000"),
        ("a\u2028b", r"U\+2028"),
        ("a\u200bb", r"U\+200B"),
    ],
)
def test_names_that_cannot_be_used(name, why):
    assert re.search(why, objection_to(name) or "")

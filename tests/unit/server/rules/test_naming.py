"""Names that people can read, and what they may have meant."""

import pytest

from headrace.server.problems import Refusal
from headrace.server.rules.naming import check_labels, check_name, did_you_mean, nearest


@pytest.mark.parametrize("name", ["etl", "Tägliche Läufe", "a/b c", "日次", "x" * 200])
def test_a_name_that_people_can_read_is_taken(name: str):
    assert check_name("A name", name) == name


@pytest.mark.parametrize(
    "name", ["", " etl", "etl ", "e\ntl", "e\x00tl", "e\u202etl", "x" * 201, "\u2028"]
)
def test_other_names_are_not(name: str):
    with pytest.raises(Refusal) as refused:
        check_name("A project's name", name)
    assert refused.value.status == 422
    assert refused.value.message.startswith("A project's name")


def test_labels_are_sorted_and_each_is_there_once():
    assert check_labels(["gpu", "etl", "gpu"]) == ["etl", "gpu"]


def test_too_many_labels_are_refused():
    with pytest.raises(Refusal, match="50"):
        check_labels(map(str, range(51)))


def test_names_that_are_alike_are_found():
    known = ["Nightly_Loads", "nightly-load", "weekly"]
    assert nearest("nightly loads", known)[0] == "Nightly_Loads"
    assert did_you_mean("nightly-lods", known) == (
        " Did you mean 'Nightly_Loads' or 'nightly-load'?"
    )
    assert did_you_mean("something else", known) == ""

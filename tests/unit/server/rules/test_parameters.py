"""A run's parameters are those of its flow."""

import pytest

from headrace.server.problems import Refusal
from headrace.server.rules.parameters import check_parameters, what_is_wrong

DECLARED = [
    {"name": "day", "required": True, "default": None},
    {"name": "pages", "required": False, "default": 3},
]


@pytest.mark.parametrize("given", [{"day": "2026-03-01"}, {"day": None, "pages": 4}])
def test_what_suits_is_taken(given):
    assert what_is_wrong(DECLARED, given, "etl") is None


def test_a_parameter_that_is_unknown_is_named():
    with pytest.raises(Refusal) as refused:
        check_parameters(DECLARED, {"day": 1, "page": 4}, "etl")
    assert refused.value.status == 422
    assert refused.value.message == (
        "The flow 'etl' has no parameter 'page'. Did you mean 'pages'? Its parameters: day, pages."
    )


def test_a_parameter_that_is_missing_is_named():
    with pytest.raises(Refusal, match="needs a value for 'day'"):
        check_parameters(DECLARED, {"pages": 4}, "etl")

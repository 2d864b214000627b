"""Addresses that mean the machine itself."""

import pytest

from headrace.agents.loopback import is_loopback, objection_to_loopback


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://127.0.0.1:4200", True),
        ("http://localhost:1", True),
        ("http://a.localhost", True),
        ("http://[::1]", True),
        ("https://headrace.example.com", False),
        ("http://192.168.0.1", False),
    ],
)
def test_what_is_loopback(url, answer):
    assert is_loopback(url) is answer


def test_what_is_said_of_it():
    said = objection_to_loopback("http://headrace.localhost:4200", "a pod")
    assert said is not None
    assert "http://headrace.localhost:4200, means nothing inside a pod" in said
    assert objection_to_loopback("https://headrace.example.com", "a pod") is None

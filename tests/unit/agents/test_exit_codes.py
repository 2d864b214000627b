"""What exit codes of containers say."""

import pytest

from headrace.agents.exit_codes import end_of


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (1, "exit code 1"),
        (12, "no server answered (exit code 12)"),
        (14, "not all of its events reached the server (exit code 14)"),
        (127, "the command was not found (exit code 127)"),
        (137, "killed by SIGKILL (exit code 137)"),
        (143, "killed by SIGTERM (exit code 143)"),
        (255, "exit code 255"),
    ],
)
def test_what_the_server_may_not_know_is_told(code, how):
    assert end_of(code) == (how, True)


@pytest.mark.parametrize("code", [0, 11, 13])
def test_what_the_server_knows_is_not_told(code):
    how, to_report = end_of(code)
    assert not to_report
    assert f"exit code {code}" in how


def test_the_platforms_own_words_come_first():
    assert end_of(137, "OOMKilled") == ("OOMKilled (exit code 137)", True)

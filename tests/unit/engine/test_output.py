"""What a runner prints, as log lines: whole lines, in order, bounded, the rest counted."""

import os
import random

import pytest

from headrace.engine import output as module
from headrace.engine.output import Output


def _followed(tmp_path, pieces, bound=10**9):
    lines = []
    output = Output(tmp_path / "stdout", "stdout", 20, bound, lines.append)
    for piece in pieces:
        os.write(output.fd, piece)
        output.follow()
    output.follow(final=True)
    output.close()
    return [line.message for line in lines]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_however_it_comes(tmp_path, seed):
    chance = random.Random(seed)
    lines = ["x" * chance.choice([0, 1, 5, 300, 70_000]) + str(number) for number in range(40)]
    data = "\n".join(lines).encode() + b"\n" * chance.randint(0, 1)
    pieces = []
    while data:
        size = chance.choice([1, 10, 1000, 100_000])
        pieces.append(data[:size])
        data = data[size:]
    found = _followed(tmp_path, pieces)
    # One line may be too long for one log line, and is then several.
    assert "".join(found).replace("\n", "") == "".join(lines)


def test_half_lines_wait_for_their_end(tmp_path):
    assert _followed(tmp_path, [b"a", b"b\nc", b"d\n", b"e"]) == ["ab", "cd", "e"]


def test_what_is_no_text_is_shown_as_far_as_it_is(tmp_path):
    assert _followed(tmp_path, [b"\xff\xfe ok\n"]) == ["\ufffd\ufffd ok"]


@pytest.mark.parametrize("bound", [0, 1, 5, 12, 13, 25])
def test_beyond_the_bound_lines_are_counted(tmp_path, bound):
    found = _followed(tmp_path, [b"12345\n67890\n", b"abc\ndef\n", b"end"], bound)
    *kept, last = found
    lines = "\n".join(kept).splitlines()
    assert lines == ["12345", "67890", "abc", "def", "end"][: len(lines)]
    if bound == 25:
        assert len(found) == 3
    else:
        assert last.startswith(f"{5 - len(lines)} lines omitted: the run wrote more than {bound} ")


def test_each_omitted_line_is_counted_once_however_often_it_ends(tmp_path):
    lines = []
    output = Output(tmp_path / "stdout", "stdout", 20, 3, lines.append)
    for piece in (b"ab\ncdef\ngh", b"ij\n"):
        os.write(output.fd, piece)
        output.follow(final=True)
    output.follow(final=True)
    output.close()
    found = [line.message.partition(":")[0] for line in lines]
    assert found == ["ab", "2 lines omitted", "1 lines omitted"]


def test_what_nobody_will_read_takes_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_HOLE", 1 << 20)
    lines = []
    output = Output(tmp_path / "stdout", "stdout", 20, 100, lines.append)
    for _ in range(40):
        os.write(output.fd, b"x" * 99_999 + b"\n")
        output.follow()
    found = os.fstat(output.fd)
    os.write(output.fd, b"last\n")
    output.follow(final=True)
    output.close()
    assert found.st_size == 4_000_000
    if found.st_blocks * 512 > 2_500_000:
        pytest.skip("this file system gives no room back")
    assert lines[-1].message.startswith("41 lines omitted")

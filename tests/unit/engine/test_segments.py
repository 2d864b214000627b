"""A segment is read up to the first record that is not whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engine.segments import MAGIC, VALUE, Record, decode, encode

RECORDS = [Record("one", child, "Success", VALUE, value=b"x" * child) for child in range(5)]


def test_what_is_written_is_read() -> None:
    assert list(decode(MAGIC + encode(RECORDS))) == RECORDS


@given(st.integers(min_value=0))
def test_a_torn_tail_is_left_out(cut: int) -> None:
    whole = MAGIC + encode(RECORDS)
    cut %= len(whole)
    ends = [len(MAGIC + encode(RECORDS[:count])) for count in range(len(RECORDS) + 1)]
    assert list(decode(whole[:cut])) == RECORDS[: sum(end <= cut for end in ends[1:])]


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_flipped_bit_ends_the_reading_there(place: int, flip: int) -> None:
    whole = bytearray(MAGIC + encode(RECORDS))
    place %= len(whole)
    whole[place] ^= flip
    read = list(decode(bytes(whole)))
    assert read == RECORDS[: len(read)]
    assert len(read) < len(RECORDS)


@pytest.mark.parametrize("data", [b"", b"something else", MAGIC[:-1] + b"\x02"])
def test_what_is_no_segment_of_this_version_is_not_read(data: bytes) -> None:
    assert list(decode(data)) == []

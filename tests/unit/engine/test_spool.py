"""Events on disk: whole records come back, in order, whatever a crash has cut off."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engine.spool import Spool


def _read(path):
    spool = Spool(path)
    found = [(r.first, r.count, spool.read(r.offset, r.size)) for r in spool.records()]
    spool.close()
    return found


@given(
    texts=st.lists(st.binary(max_size=200), max_size=8), cut=st.integers(0, 400), flip=st.booleans()
)
def test_what_a_crash_leaves_is_a_beginning_of_what_was_appended(
    tmp_path_factory, texts, cut, flip
):
    path = tmp_path_factory.mktemp("spool") / "spool"
    spool = Spool(path)
    written = []
    for number, text in enumerate(texts, start=1):
        spool.append(number, 1, text)
        written.append((number, 1, text))
    if not written:
        assert _read(path) == []
        return
    spool.sync()
    size = os.path.getsize(path)
    kept = max(0, size - cut)
    os.truncate(path, kept)
    if flip and kept:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    found = _read(path)
    assert found == written[: len(found)]
    if not cut and not flip:
        assert found == written


def test_a_later_process_appends_after_what_is_whole(tmp_path):
    path = tmp_path / "spool"
    first = Spool(path)
    first.append(1, 2, b"one")
    first.append(3, 1, b"two")
    os.truncate(path, os.path.getsize(path) - 1)
    second = Spool(path)
    assert [record.first for record in second.records()] == [1]
    second.append(3, 1, b"three")
    assert _read(path) == [(1, 2, b"one"), (3, 1, b"three")]


def test_an_empty_file_goes_and_nobody_else_may_read_one(tmp_path):
    path = tmp_path / "spool"
    spool = Spool(path)
    spool.append(1, 1, b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
    spool.clear()
    spool.close()
    assert not path.exists()


def test_reading_what_was_cut_off_is_an_error(tmp_path):
    path = tmp_path / "spool"
    spool = Spool(path)
    offset = spool.append(1, 1, b"text")
    os.truncate(path, 3)
    with pytest.raises(OSError, match="cut off"):
        spool.read(offset, 4)

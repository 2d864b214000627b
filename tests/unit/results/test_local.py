import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from headrace.config import set_temporary_config
from headrace.core.errors import LocationError, ResultError
from headrace.results import LocalResult, PickleSerializer


def test_the_default_directory_is_in_the_home(tmp_path):
    with set_temporary_config({"home_dir": str(tmp_path / "home")}):
        result = LocalResult()
        assert result.dir == str(tmp_path / "home" / "results")
        assert os.path.isdir(result.dir)
        assert isinstance(result.serializer, PickleSerializer)


def test_the_directory_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert LocalResult(dir="a").dir == str(tmp_path / "a")
    assert LocalResult(dir="~/b").dir == str(tmp_path / "b")
    assert LocalResult(dir="c", validate_dir=False).dir == "c"
    assert not (tmp_path / "c").exists()


def test_a_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match=r"file/x cannot be made a directory.*: Not a directory"):
        LocalResult(dir=tmp_path / "file" / "x")
    with pytest.raises(ResultError, match="file cannot be made a directory for results: File exi"):
        LocalResult(dir=tmp_path / "file")


def test_the_written_location_is_the_whole_path(tmp_path):
    written = LocalResult(dir=tmp_path, location="a/b.pkl").write(1)
    assert written.location == str(tmp_path / "a" / "b.pkl")


def test_a_location_may_be_a_path_object(tmp_path):
    written = LocalResult(dir=tmp_path, location=tmp_path / "a.pkl").write(1)
    assert written.location == str(tmp_path / "a.pkl")
    with pytest.raises(LocationError, match=r"a string, or a function .*, not 3 \(int\)"):
        LocalResult(dir=tmp_path, location=3)


def test_a_template_may_be_absolute_but_an_input_may_not_make_it_so(tmp_path):
    result = LocalResult(dir=tmp_path / "place")
    outside = str(tmp_path / "outside")
    assert result.at(f"{tmp_path}/{{n}}").write(1, n="x").location == str(tmp_path / "x")
    assert result.at(lambda n: n).write(1, n=outside).location == outside
    with pytest.raises(LocationError, match="became the absolute path"):
        result.at("{n}").write(1, n=outside)
    with pytest.raises(LocationError, match="became the absolute path"):
        result.exists("{n}", n=outside)


def test_a_place_that_is_taken(tmp_path):
    result = LocalResult(dir=tmp_path)
    result.at("a/b").write(1)
    with pytest.raises(ResultError, match=r"/a cannot be written: Is a directory"):
        result.at("a").write(1)
    with pytest.raises(
        ResultError, match=r"/a/b/c cannot be written: (Not a directory|File exists)"
    ):
        result.at("a/b/c").write(1)
    with pytest.raises(ResultError, match=r"/a cannot be read: Is a directory"):
        result.read("a")
    with pytest.raises(ResultError, match=r"cannot be written: File name too long"):
        result.at("x" * 300).write(1)
    assert sorted(os.listdir(tmp_path)) == ["a"]


def test_nothing_is_left_behind(tmp_path):
    result = LocalResult(dir=tmp_path)
    for _ in range(3):
        result.at("a").write(1)
    assert os.listdir(tmp_path) == ["a"]


def test_files_have_the_users_usual_mode(tmp_path):
    old = os.umask(0o027)
    try:
        path = LocalResult(dir=tmp_path, location="a").write(1).location
    finally:
        os.umask(old)
    assert os.stat(path).st_mode & 0o777 == 0o640


def test_a_writer_that_is_killed_leaves_the_old_value(tmp_path):
    """Killed again and again in the middle of writing, it never leaves half a value."""
    code = textwrap.dedent(f"""
        from headrace.results import LocalResult
        place = LocalResult(dir={str(tmp_path)!r}, location="value")
        small, large = b"s" * 10, b"l" * 30_000_000
        place.write(small)
        print("ready", flush=True)
        while True:
            place.write(large)
            place.write(small)
    """)
    result = LocalResult(dir=tmp_path)
    for pause in (0.0, 0.013, 0.04):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(pause)
            writer.send_signal(signal.SIGKILL)
        value = result.read("value").value
        assert value in (b"s" * 10, b"l" * 30_000_000)


def test_equality_and_words():
    a, b = (LocalResult(dir="d", validate_dir=False, location="l") for _ in range(2))
    assert a == b
    assert a != LocalResult(dir="e", validate_dir=False, location="l")
    assert repr(a) == "<LocalResult: l>"
    assert a.logger.name == "headrace.LocalResult"


def test_a_pickle_holds_the_directory_and_no_file(tmp_path):
    written = LocalResult(dir=tmp_path, location="a").write(1)
    assert set(written.__dict__) == {"value", "location", "_template", "serializer", "dir"}
    assert pickle.loads(pickle.dumps(written)).dir == str(tmp_path)

"""What is below the home directory is for its user only."""

import os
import stat
from pathlib import Path

import pytest

from headrace.config.private import make_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_that_is_made_is_private_and_what_was_there_stays_as_it_is(tmp_path: Path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    before = os.umask(0)
    try:
        make_private(tmp_path / "open" / "home" / "server")
        make_private(tmp_path / "open" / "home" / "server")
        make_private(tmp_path / "open")
    finally:
        os.umask(before)
    assert mode(tmp_path / "open") == 0o755
    assert mode(tmp_path / "open" / "home") == mode(tmp_path / "open" / "home" / "server") == 0o700


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make_private(tmp_path / "file" / "folder")

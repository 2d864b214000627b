from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.config import config


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home directory of one's own, which `headrace.config` is read from anew."""
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    config.reload()
    yield tmp_path
    monkeypatch.undo()
    config.reload()

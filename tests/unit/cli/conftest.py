import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.cli.app import run
from headrace.config import config, set_temporary_config

ETL = """
from headrace import Flow, Parameter, task

@task
def add(x, y):
    return x + y

with Flow("etl") as flow:
    add(Parameter("x"), Parameter("limit", default=3))
"""


@pytest.fixture(autouse=True)
def _as_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Undo what a command does to the process, which as a rule ends with it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.chdir(tmp_path)
    with set_temporary_config({"logging.level": config.logging.level}):
        yield


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a file into the current folder, and returns its name."""

    def _write(name: str, text: str = ETL) -> str:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
        return name

    return _write


@pytest.fixture
def headrace(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command; returns its exit code, and what it printed and complained of."""

    def _headrace(*args: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(args)
        out, err = capfd.readouterr()
        return code, out, err

    return _headrace

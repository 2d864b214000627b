"""Each page of the docs does what it says: its Python blocks run, top to bottom, as one program."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.agents import running_agent
from tests.support.servers import running_server

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "headrace"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: What a page says, unseen, whose program speaks to a server and has its flows run by a local agent.
SERVED = "<!-- with a server and a local agent -->"
PAGES = [
    page
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    if BLOCK.search(page.read_text())
]


def program(text: str) -> str:
    """The page with all but its Python blank, so that a traceback's lines are the page's."""
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        for number, line in enumerate(block[1].splitlines(), start=first):
            lines[number] = line
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page: Path, tmp_path: Path) -> None:
    source = program(page.read_text())
    # Not the page's own name, which may be that of a module: `logging`.
    script = tmp_path / f"page_{page.stem}.py"
    script.write_text(source)
    compile(source, str(page), "exec")
    env = os.environ | {"HEADRACE_HOME": str(tmp_path / "home"), "MPLBACKEND": "agg"}
    with ExitStack() as stack:
        if SERVED in page.read_text():
            (tmp_path / "home").mkdir()
            server = stack.enter_context(running_server(home=tmp_path / "home"))
            stack.enter_context(running_agent(server))
            env |= server.env
        run = subprocess.run(
            [sys.executable, "-W", "error", script.name],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert run.returncode == 0, f"{page.relative_to(ROOT)}:\n{run.stdout}\n{run.stderr}"


@pytest.mark.parametrize(
    ("page", "name", "arguments"),
    [
        ("README.md", "pages.py", ["--param", "pages=[4, 5]", "--executor", "threads:8"]),
        ("docs/guide/getting-started.md", "wordcount.py", ["--param", "text=the quick brown fox"]),
    ],
)
def test_the_first_flow_of_a_page_runs_by_the_command(
    page: str,
    name: str,
    arguments: list[str],
    tmp_path: Path,
    headrace: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    first = BLOCK.search((ROOT / page).read_text())
    assert first is not None
    (tmp_path / name).write_text(first[1])
    run = headrace("run", name, *arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not run.stderr


PATH = re.compile(
    r"`((?:core|engine|executors|config|results|cli|tasks|server|compat)/[\w./]+|"
    r"(?:src|tests|tools|examples|benchmarks|docs)/[\w./-]+)`"
)


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = {path.rstrip("/.") for path in PATH.findall(page.read_text())}
    missing = {path for path in named if not any((base / path).exists() for base in (ROOT, SOURCE))}
    assert not missing

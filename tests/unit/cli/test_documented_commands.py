"""Every command that pages, docstrings and messages show is one that the command line has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from headrace.cli.app import headrace

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("src/headrace/**/*.py")),
]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: What follows a command in a shell's line.
_END = re.compile(r"\s#|\s\||\s&&|\s>|\)")


def commands(text: str) -> Iterator[str]:
    """Yield what a text shows of commands: in blocks, in backticks, and in the examples of help."""
    text = re.sub(r"\\\n\s*", " ", text)
    for language, block in _BLOCK.findall(text):
        if language == "python":
            continue
        for line in block.splitlines():
            if shown := re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(headrace .*)", line):
                yield shown[1]
    yield from re.findall(r"`(headrace [^`\n]+)`", text)
    yield from re.findall(r"^ {4,}(headrace [^`\n]+)$", text, re.MULTILINE)


def wrong(command: str) -> str | None:
    """Say what of a command there is not; None if there is all of it."""
    words = shlex.split(_END.split(command)[0])
    there: click.Command = headrace
    at = 1
    while isinstance(there, click.Group) and at < len(words) and not words[at].startswith("-"):
        # What stands for any of several: `agent KIND start`, `create|list|show`.
        if words[at].isupper() or "|" in words[at]:
            return None
        inner = there.get_command(click.Context(there), words[at])
        if inner is None:
            return f"no command {words[at]}"
        there, at = inner, at + 1
    known = {each for option in there.params for each in (*option.opts, *option.secondary_opts)}
    for word in words[at:]:
        if word == "--":
            break
        option = word.partition("=")[0]
        if re.fullmatch(r"--[a-z0-9-]+|-[a-z]", option) and option not in known | {"--help", "-h"}:
            return f"no option {option}"
    return None


def test_commands_that_are_shown_are_there() -> None:
    shown = [(page, command) for page in PAGES for command in commands(page.read_text())]
    assert len(shown) > 200
    found = [
        f"{page.relative_to(ROOT)}: {command}: {why}"
        for page, command in shown
        if (why := wrong(command)) is not None
    ]
    assert not found


def test_what_is_not_there_is_found() -> None:
    text = "```bash\nheadrace agent locl start\nheadrace run --exector x\n```\n`headrace auth list`"
    assert [wrong(command) for command in commands(text)] == [
        "no command locl",
        "no option --exector",
        "no command list",
    ]
    assert wrong("headrace agent docker start --keep --limit 8  # and so on") is None
    assert len([*commands((ROOT / "README.md").read_text())]) > 5

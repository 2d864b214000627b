"""Check the documentation: each relative link resolves, each Python block parses.

Usage: ``python tools/docs_check.py [ROOT]``; exits 1 and names file and line of what is wrong.
"""

from __future__ import annotations

import ast
import doctest
import re
import runpy
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)


def pages(root: Path) -> list[Path]:
    """Return the Markdown files that are part of the documentation, sorted."""
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("examples/**/*.md")])


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as the common renderers spell them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_BLOCK.sub("", text)):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


@cache
def _reference() -> frozenset[str]:
    described = runpy.run_path(str(Path(__file__).with_name("reference.py")))
    return frozenset(f"docs/reference/{name}.md" for name in (*described["PAGES"], "index"))


def is_written_later(page: Path) -> bool:
    """Tell whether a page is one of the reference, which is there once the site was built."""
    return "/".join(page.parts[-3:]) in _reference()


def broken_links(page: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield line and message for each relative link of `page` that leads nowhere."""
    prose = _BLOCK.sub(lambda block: "\n" * block.group(0).count("\n"), text)
    for link in _LINK.finditer(prose):
        target, _, anchor = link.group(1).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        line = prose.count("\n", 0, link.start()) + 1
        there = (page.parent / target).resolve() if target else page
        if not there.exists():
            if not is_written_later(there):
                yield line, f"the link {link.group(1)!r} leads to no file"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text("utf-8")):
            yield line, f"the link {link.group(1)!r} leads to no heading"


def broken_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and message for each Python block that does not parse."""
    for block in _BLOCK.finditer(text):
        indent, language, body = block.groups()
        if language not in {"python", "pycon"}:
            continue
        source = "\n".join(line.removeprefix(indent) for line in body.splitlines())
        if source.lstrip().startswith(">>>"):
            examples = doctest.DocTestParser().get_examples(source)
            source = "".join(example.source for example in examples)
        start = text.count("\n", 0, block.start()) + 1
        try:
            ast.parse(source)
        except SyntaxError as error:
            yield start + (error.lineno or 1), f"the Python block does not parse: {error.msg}"


def main(root: Path) -> int:
    """Check every page under `root`, print what is wrong, and return the exit code."""
    wrong = 0
    for page in pages(root):
        text = page.read_text("utf-8")
        for line, message in sorted([*broken_links(page, text), *broken_blocks(text)]):
            print(f"{page.relative_to(root)}:{line}: {message}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))

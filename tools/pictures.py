"""Make the pictures of the documentation from the real thing: what a terminal shows, and what flows draw.

Usage: ``python tools/pictures.py``; it runs the example flows and writes `docs/images`. It needs
what the examples need, and Graphviz's `dot`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import tempfile
import termios
from html import escape
from pathlib import Path
from typing import NamedTuple

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
COLUMNS, ROWS = 92, 24

THEME = TerminalTheme(
    (30, 33, 39),
    (214, 218, 226),
    [
        (30, 33, 39),
        (224, 108, 117),
        (137, 202, 120),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 192, 206),
        (214, 218, 226),
    ],
    [
        (110, 118, 132),
        (224, 108, 117),
        (137, 202, 120),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 192, 206),
        (255, 255, 255),
    ],
)
FONT = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
SIZE, WIDTH, HEIGHT, MARGIN = 14, 8.43, 19, 18
_MOVE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Frame(NamedTuple):
    """What a terminal showed at one moment: lines with their colours, as ANSI text."""

    lines: list[str]


def record(command: list[str]) -> list[Frame]:
    """Run a command on a terminal, and return what it showed after each update."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execv(command[0], command)  # noqa: S606 - the commands are those below
    written = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # nobody has the terminal open any more
            break
        if not data:
            break
        written += data
    os.waitpid(child, 0)
    return list(frames(written.decode()))


def frames(written: str) -> list[Frame]:
    """Split what was written into what was to be seen after each update.

    Headrace marks each update, goes up to the first of its lines, and writes them all anew; so
    moving up is forgetting the last lines, and styles can stay as they were written.
    """
    seen: list[Frame] = []
    lines = [""]
    position = 0
    while position < len(written):
        match = _MOVE.match(written, position)
        if match is None:
            char = written[position]
            position += 1
            if char == "\n":
                lines.append("")
            elif char != "\r":
                lines[-1] += char
            continue
        position = match.end()
        private, number, command = match.groups()
        if command == "A":
            del lines[len(lines) - int(number or 1) :]
            lines[-1] = ""
        elif command == "m":
            lines[-1] += match.group(0)
        elif private and number == "2026" and command == "l":
            seen.append(Frame(list(lines)))
    return [*seen, Frame(lines)]


def svg(prompt: str, frame: Frame) -> str:
    """Draw a terminal that shows a prompt, and below it a frame."""
    lines = [Text.from_ansi(line) for line in [f"\x1b[32m$\x1b[0m {prompt}", *frame.lines]]
    while not lines[-1].plain.strip():
        lines.pop()
    width = round(COLUMNS * WIDTH + 2 * MARGIN)
    height = len(lines) * HEIGHT + 2 * MARGIN + 22
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" font-size="{SIZE}">',
        f'<rect width="{width}" height="{height}" rx="8" fill="{THEME.background_color.hex}"/>',
    ]
    for place, fill in enumerate(["#ff5f57", "#febc2e", "#28c840"]):
        parts.append(f'<circle cx="{MARGIN + 2 + 18 * place}" cy="18" r="5.5" fill="{fill}"/>')
    for row, line in enumerate(lines):
        y = MARGIN + 22 + row * HEIGHT + SIZE
        column = 0
        for segment in line.render(Console(width=COLUMNS)):
            text = segment.text.rstrip("\n")
            if text.strip():
                x = MARGIN + column * WIDTH
                parts.append(
                    f'<text x="{x:.1f}" y="{y}" textLength="{len(text) * WIDTH:.1f}" '
                    f'xml:space="preserve"{_attributes(segment.style)}>{escape(text)}</text>'
                )
            column += len(text)
    return "\n".join([*parts, "</svg>\n"])


def _attributes(style: Style | None) -> str:
    color = (style.color if style is not None else None) or Color.default()
    red, green, blue = color.get_truecolor(THEME)
    bold = ' font-weight="bold"' if style is not None and style.bold else ""
    dim = ' opacity="0.6"' if style is not None and style.dim else ""
    return f' fill="#{red:02x}{green:02x}{blue:02x}"{bold}{dim}'


def draw_terminal() -> None:
    """Draw `headrace run` at work."""
    command = "run examples/weather.py --executor threads --param drop_every=0"
    seen = record([str(Path(sys.executable).with_name("headrace")), *command.split()])
    # When two mapped tasks are under way, each has a bar.
    with_bars = [frame for frame in seen if any("  stage" in line for line in frame.lines)]
    frame = with_bars[len(with_bars) * 2 // 3]
    (IMAGES / "terminal.svg").write_text(svg(f"headrace {command}", frame), encoding="utf-8")


def draw_flows() -> None:
    """Draw a flow with the states of a run, and copy the picture that a flow has made."""
    from examples import flights, weather

    with tempfile.TemporaryDirectory() as folder:
        state = weather.flow.run(months=[2], drop_every=0, folder=folder)
        weather.flow.visualize(state, filename=IMAGES / "weather.svg")
        state = flights.flow.run(folder=folder)
        plot = Path(state.result[flights.plot].result)
        (IMAGES / "flights.png").write_bytes(plot.read_bytes())


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    IMAGES.mkdir(parents=True, exist_ok=True)
    draw_terminal()
    draw_flows()
    for image in sorted(IMAGES.iterdir()):
        print(f"{image.relative_to(ROOT)}: {image.stat().st_size:,} bytes")

"""What the live display and the final summary look like."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headrace.cli.display.screen import Line
from headrace.cli.summary import MOST_SHOWN, FailedRuns, Summary, duration, sentence_of_not_run

if TYPE_CHECKING:
    from headrace.engine.progress import Counts, OpenMap

#: How many mapped tasks get a bar of their own.
_MOST_MAPS = 4
_BAR_WIDTH, _LEAST_BAR, _LEAST_NAME, _GAP = 32, 6, 8, 2
#: A mapped task that makes up more of the run than this gets no bar of its own.
_NEARLY_ALL = 0.8
_STYLES = {
    "success": "green",
    "cached": "green",
    "skipped": "dim",
    "failed": "bold red",
    "timed out": "bold red",
    "trigger failed": "red",
    "cancelled": "yellow",
    "cancelling": "yellow",
    "retrying": "yellow",
    "waiting": "yellow",
    "paused": "yellow",
    "scheduled": "yellow",
    "running": "cyan",
    "not run": "dim",
}


class View:
    """Draws the region of a live display.

    Args:
        flow: The flow's name.
        color_system: The colours that the terminal knows, as rich names them; None for none.
    """

    def __init__(self, flow: str, color_system: str | None) -> None:
        self._flow = flow
        self._file = io.StringIO()
        self._console = Console(
            file=self._file,
            force_terminal=True,
            color_system=color_system,  # type: ignore[arg-type] # one of the names, or None
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def region(
        self,
        width: int,
        counts: Counts,
        seconds: float,
        maps: Sequence[OpenMap] = (),
        running: int = 0,
        cancelling: bool = False,
    ) -> list[Line]:
        """Return the lines of the region.

        Args:
            width: How many columns they may take.
            counts: The task runs.
            seconds: How long the run has been on.
            maps: The mapped tasks that are under way.
            running: How many task runs are being executed.
            cancelling: Whether the run was asked to end.
        """
        words = {
            "success": counts.successful,
            "skipped": counts.skipped,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
            "waiting": counts.waiting,
            "running": max(0, min(running, counts.total - counts.done - counts.waiting)),
        }
        about = _counts({word: count for word, count in words.items() if count})
        if cancelling:
            about = Text.assemble(("cancelling: what runs is asked to end   ", "yellow"), about)
        shown = maps[:_MOST_MAPS] if _says_more(maps, counts.total) else ()
        rows = [
            _Row(Text(self._flow, style="bold"), counts.done, counts.total, "cyan", seconds),
            *(
                _Row(Text(f"  {each.name}", style="dim"), each.done, each.total, "bright_black")
                for each in shown
            ),
        ]
        grid = _grid(rows, width)
        if len(maps) > len(shown) > 0:
            about = Text.assemble((f"and {len(maps) - len(shown)} more mapped   ", "dim"), about)
        about.no_wrap, about.overflow = True, "ellipsis"
        # The empty line keeps the region apart from what is printed above it.
        return [Line("", 0), *self._lines(Group(grid, about), width)]

    def _lines(self, renderable: RenderableType, width: int) -> list[Line]:
        console = self._console
        console.width = width
        self._file.seek(0)
        self._file.truncate()
        console.print(renderable, end="", soft_wrap=False)
        text = self._file.getvalue().rstrip("\n")
        return [Line(line, cell_len(Text.from_ansi(line).plain)) for line in text.split("\n")]


class _Row(NamedTuple):
    """One line with a bar."""

    name: Text
    done: int
    total: int
    style: str
    seconds: float | None = None


def _grid(rows: Sequence[_Row], width: int) -> Table:
    """Return the rows in columns; where there is little room, the bar goes first."""
    digits = max(len(f"{row.total:,}") for row in rows)
    about = [f"{row.done:>{digits},} of {row.total:,}" for row in rows]
    about_width = max(map(len, about))
    name_width = min(max(row.name.cell_len for row in rows), max(_LEAST_NAME, width // 4))
    bar_width = min(_BAR_WIDTH, width - name_width - about_width - len(_clock(0)) - 3 * _GAP)
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", width=name_width)
    if bar_width >= _LEAST_BAR:
        grid.add_column(no_wrap=True, width=bar_width)
    grid.add_column(no_wrap=True, width=about_width)
    grid.add_column(no_wrap=True)
    for row, text in zip(rows, about, strict=True):
        style = "dim" if row.seconds is None else ""
        cells: list[RenderableType] = [row.name]
        if bar_width >= _LEAST_BAR:
            cells.append(_bar(row, bar_width))
        cells.append(Text(text, style=style))
        cells.append(Text("" if row.seconds is None else _clock(row.seconds), style="dim"))
        grid.add_row(*cells)
    return grid


def summary(run: Summary) -> RenderableType:
    """Return what sums up a run."""
    parts: list[RenderableType] = ["", _headline(run)]
    if run.counts:
        parts.append(_indented(_counts(run.counts)))
    if run.failed or run.waiting:
        parts.append("")
    if run.failed:
        parts.append(_indented(_table(run.failed, "red")))
    if run.waiting:
        parts.append(_indented(_table(run.waiting, "yellow")))
    if run.not_run:
        parts.append(_indented(Text(sentence_of_not_run(run), style="dim")))
    return Group(*parts)


def _indented(part: RenderableType) -> RenderableType:
    return Padding(part, (0, 0, 0, 2))


def _headline(run: Summary) -> Text:
    state = run.state
    if state is not None and state.is_successful():
        mark, style = "✓", "green"
    elif state is not None and state.is_failed():
        mark, style = "✗", "red"
    else:
        mark, style = "■" if state is None or state.is_finished() else "…", "yellow"
    line = Text.assemble(
        (f"{mark} ", f"bold {style}"),
        (run.flow, "bold"),
        (f" {run.verdict}", f"bold {style}"),
        (f"  {duration(run.seconds)}", "dim"),
    )
    if run.reason:
        line.append(f"\n  {run.reason}")
    return line


def _counts(counts: Mapping[str, int]) -> Text:
    line = Text()
    for word, count in counts.items():
        if line:
            line.append("   ")
        line.append(f"{count:,}", style=_STYLES.get(word, ""))
        line.append(f" {word}", style="dim")
    return line


def _table(runs: Sequence[FailedRuns], style: str) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=40, style=style)
    grid.add_column(overflow="fold")
    for each in runs[:MOST_SHOWN]:
        grid.add_row(Text(each.name), Text(each.error))
    if len(runs) > MOST_SHOWN:
        grid.add_row(Text(f"and {len(runs) - MOST_SHOWN:,} more", style="dim"), "")
    return grid


def _bar(row: _Row, width: int) -> ProgressBar:
    return ProgressBar(
        total=max(row.total, 1),
        completed=row.done,
        width=width,
        style="grey23",
        complete_style=row.style,
        finished_style=row.style,
    )


def _says_more(maps: Sequence[OpenMap], total: int) -> bool:
    """Tell whether the mapped tasks' own bars say more than the one of the whole run."""
    return len(maps) > 1 or (len(maps) == 1 and maps[0].total < total * _NEARLY_ALL)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"

"""Rows of results, and how they are shown: on a terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

HEADRACE = "Headrace"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What Headrace's figure must reach, and what it should."""

    must: float
    aim: float | None = None
    #: The contender whose figure is the unit of both; without one they are in the case's unit.
    relative_to: str | None = None
    #: Whether more is better, as of a rate.
    at_least: bool = False

    def __str__(self) -> str:
        """Spell the target out, for a table."""
        text = f"{'≥' if self.at_least else '≤'} {self.must:,.6g}"
        if self.relative_to is not None:
            text += f" × {self.relative_to}"
        return text if self.aim is None else f"{text} (aim {self.aim:,.6g})"

    def verdict(self, figures: Mapping[str, float]) -> str:
        """Judge figures by contender: ``PASS``, ``PASS, aim met`` or ``MISS``."""
        figure = figures[HEADRACE]
        if self.relative_to is not None:
            figure /= figures[self.relative_to]
        if not self._reaches(figure, self.must):
            return "MISS"
        met = self.aim is not None and self._reaches(figure, self.aim)
        return "PASS, aim met" if met else "PASS"

    def _reaches(self, figure: float, bound: float) -> bool:
        return figure >= bound if self.at_least else figure <= bound


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender's figure in one case."""

    case: str
    contender: str
    figure: float
    unit: str
    #: Headrace's figure divided by this one.
    ratio: float | None = None
    target: str = ""
    verdict: str = ""
    note: str = ""


def rows_of(
    case: str,
    unit: str,
    figures: Mapping[str, float],
    *,
    target: Target | None = None,
    notes: Mapping[str, str] | None = None,
    compare: bool = True,
) -> list[Row]:
    """Make a case's rows from its figures by contender, Headrace's among them.

    Args:
        case: What was measured.
        unit: The unit of the figures.
        figures: The figures by contender.
        target: What Headrace's figure is judged by.
        notes: What else there is to say, by contender.
        compare: Whether the others are there to be compared with, so that ratios mean something.
    """
    rows = []
    for contender, figure in figures.items():
        own = contender == HEADRACE
        rows.append(
            Row(
                case=case,
                contender=contender,
                figure=figure,
                unit=unit,
                ratio=figures[HEADRACE] / figure if compare and not own else None,
                target=str(target) if own and target is not None else "",
                verdict=target.verdict(figures) if own and target is not None else "",
                note=(notes or {}).get(contender, ""),
            )
        )
    return rows


def show(figure: float) -> str:
    """Write a figure with three significant digits and its thousands separated."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


_HEADINGS = ["contender", "median", "Headrace ÷ it", "target", "verdict", "note"]
_WIDTHS = [20, 18, 13, 28, 13, 0]


def _cells(row: Row) -> list[str]:
    return [
        row.contender,
        f"{show(row.figure)} {row.unit}",
        "" if row.ratio is None else f"{show(row.ratio)} ×",
        row.target,
        row.verdict,
        row.note,
    ]


def _columns(cells: Iterable[str]) -> str:
    columns = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)]
    return "  " + "  ".join(columns).rstrip()


def heading() -> str:
    """Return the line above the columns of `as_text`."""
    return _columns(_HEADINGS)


def as_text(rows: Iterable[Row]) -> str:
    """Lay rows out in columns, under a line for each case."""
    lines: list[str] = []
    case = None
    for row in rows:
        if row.case != case:
            case = row.case
            lines.append(case)
        lines.append(_columns(_cells(row)))
    return "\n".join(lines)


def as_markdown(rows: Iterable[Row], machine: Mapping[str, Any]) -> str:
    """Write a Markdown table, each case named once, headed by what it was measured on."""
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    headings = ["case", *_HEADINGS]
    table = [headings, ["---"] * len(headings)]
    case = None
    for row in rows:
        table.append(["" if row.case == case else row.case, *_cells(row)])
        case = row.case
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    return f"Measured on: {about}.\n\n" + "\n".join(lines) + "\n"


def write_json(path: Path, rows: Iterable[Row], machine: Mapping[str, Any]) -> None:
    """Write everything measured to a file."""
    report = {"machine": machine, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def describe_machine() -> dict[str, Any]:
    """Return what figures depend on: the processor, its load before the run, versions."""
    model = platform.machine()
    account = Path("/proc/cpuinfo")
    if account.exists():
        names = [line for line in account.read_text("utf-8").splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "CPU": model,
        "cores": len(os.sched_getaffinity(0)),
        "load average at the start": round(os.getloadavg()[0], 1),
        "Python": platform.python_version(),
        "Headrace": version("headrace"),
        "distributed": version("distributed"),
    }

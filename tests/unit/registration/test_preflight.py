"""What preflight finds. Each flow here runs well where it is written, and not where it is deployed."""

import datetime
import sys
import threading
from collections.abc import Iterator

import pytest

from headrace import Flow, Parameter, task
from headrace.config import set_temporary_config
from headrace.executors import DaskExecutor, LocalDaskExecutor
from headrace.registration import preflight
from headrace.registration.sources import Source, flows_of
from headrace.results import LocalResult, S3Result
from headrace.run_configs import DockerRun, LocalRun, UniversalRun
from headrace.schedules import CronSchedule, Schedule
from headrace.schedules.clocks import CronClock, DatesClock
from headrace.storage import Local, Module


@task
def load(x=1):
    return x


def flow_of(**options):
    with Flow("etl", **options) as flow:
        load()
    return flow


def found(flow, **options):
    return {
        (finding.level, finding.subject): finding
        for finding in preflight(flow, **{"load": False, **options})
    }


def says(flow, level, subject, words):
    finding = found(flow).get((level, subject))
    return finding is not None and words in str(finding)


def test_nothing():
    assert preflight(flow_of(storage=Module("m"), result=LocalResult()), load=False) == []


class TestSchedules:
    def test_no_events(self):
        past = DatesClock([datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)])
        assert says(flow_of(schedule=Schedule([past])), "warning", "schedule", "No run will ever")
        assert not says(flow_of(schedule=CronSchedule("0 0 * * *")), "warning", "schedule", "")

    def test_required_parameters(self):
        flow = flow_of()
        with flow:
            load(Parameter("day"))
        flow.schedule = Schedule(
            [CronClock("0 0 * * *", parameter_defaults={"day": 1}), CronClock("0 6 * * *")]
        )
        assert says(flow, "error", "schedule", "required 'day'")
        flow.schedule = CronSchedule("0 0 * * *")
        assert says(flow, "error", "schedule", "parameter_defaults")
        flow.schedule = Schedule([CronClock("0 0 * * *", parameter_defaults={"day": 1})])
        assert ("error", "schedule") not in found(flow)

    def test_a_filter_of_ones_own(self):
        schedule = Schedule([CronClock("0 0 * * *")], filters=[lambda when: True])
        assert says(flow_of(schedule=schedule), "error", "schedule", "cannot be told")

    def test_a_default_that_is_no_json(self):
        flow = flow_of()
        with flow:
            load(Parameter("day", default=datetime.date(2026, 1, 1)))
        assert says(flow, "note", "parameter 'day'", "a date, is no JSON")


class TestPickling:
    @pytest.mark.parametrize(
        ("executor", "leaves"),
        [
            (None, False),
            (LocalDaskExecutor("threads"), False),
            (LocalDaskExecutor("processes"), True),
            (DaskExecutor("tcp://private:8786"), True),
        ],
    )
    def test_a_task_that_holds_a_lock(self, executor, leaves):
        lock = threading.Lock()

        @task
        def locked():
            with lock:
                return 1

        with Flow("etl", executor=executor) as flow:
            locked()
        assert says(flow, "error", "task 'locked-1'", "cannot be pickled") is leaves

    def test_results_that_cannot_be_kept(self):
        @task
        def lazy() -> Iterator[int]:
            yield 1

        @task
        def written() -> "Generator[int, None, None]":  # noqa: F821
            yield 1

        @task
        def listed() -> list[int]:
            return [1]

        with Flow("etl") as flow:
            lazy(), written(), listed()
        subjects = {subject for level, subject in found(flow) if level == "warning"}
        assert subjects == {"task 'lazy-1'", "task 'written-1'"}
        assert says(flow, "warning", "task 'lazy-1'", "Return a list")


class TestResults:
    def test_in_a_container(self):
        for result in (None, LocalResult()):
            flow = flow_of(run_config=DockerRun(), result=result, storage=Module("m"))
            assert says(flow, "warning", "results", "a resume will redo all")
        kept = flow_of(run_config=DockerRun(), result=S3Result("bucket"), storage=Module("m"))
        assert found(kept) == {}

    def test_on_a_machine(self):
        for run_config in (None, LocalRun(), UniversalRun()):
            assert says(flow_of(run_config=run_config), "note", "results", "another machine")

    def test_the_storages_result_counts(self):
        flow = flow_of(storage=Module("m", result=S3Result("bucket")), run_config=DockerRun())
        assert found(flow) == {}

    def test_tasks_that_keep_nothing(self):
        flow = flow_of(result=LocalResult())
        with flow:
            load(Parameter("p", default=1), task_args={"checkpoint": False, "name": "again"})
        assert says(flow, "note", "results", "redo them: again-1")


class TestStorages:
    def test_a_file_in_a_container(self, tmp_path):
        flow = flow_of(storage=Local(tmp_path), run_config=DockerRun())
        assert says(flow, "warning", "storage", "DockerRun runs it in a container")

    def test_a_file_that_is_not_there(self, tmp_path):
        flow = flow_of(storage=Local(path=tmp_path / "no.py", stored_as_script=True))
        assert says(flow, "error", "storage", "there is no such file")


class TestLoading:
    @pytest.fixture(autouse=True)
    def path(self, monkeypatch):
        monkeypatch.setattr(sys, "path", list(sys.path))

    def loaded(self, path, text, name="etl"):
        path.write_text("from headrace import Flow, task\nwith Flow('etl') as flow: pass\n")
        with flows_of(Source(location=str(path))) as (flow,):
            path.write_text(text)
            return [f for f in preflight(flow) if f.subject == "storage"]

    def test_a_flow_that_comes_back(self, tmp_path):
        same = "from headrace import Flow\nprint('hello')\nwith Flow('etl') as flow: pass\n"
        assert self.loaded(tmp_path / "etl.py", same) == []

    @pytest.mark.parametrize(
        ("text", "level", "words"),
        [
            ("import no_such_package\n", "error", "Install 'no_such_package'"),
            ("1 / 0\n", "error", "ZeroDivisionError: division by zero ("),
            ("import os\nos._exit(3)\n", "error", "exit code 3"),
            ("x = 1\n", "error", "no flow in"),
            (
                "from headrace import Flow, task\nwith Flow('etl') as f: task(lambda: 1, name='i')()\n",
                "warning",
                "other tasks than this one: i-1",
            ),
        ],
    )
    def test_one_that_does_not(self, tmp_path, text, level, words):
        (finding,) = self.loaded(tmp_path / "etl.py", text)
        assert finding.level == level
        assert words in str(finding)

    def test_a_pickle_that_needs_what_is_only_here(self, tmp_path):
        (tmp_path / "only_here_of_preflight.py").write_text("def helper(): return 1\n")
        sys.path.insert(0, str(tmp_path))
        from only_here_of_preflight import helper

        @task
        def f():
            return helper()

        with Flow("etl", storage=Local(tmp_path / "flows")) as flow:
            f()
        (finding,) = (f for f in preflight(flow) if f.subject == "storage")
        assert "only_here_of_preflight" in finding.message
        assert flow.name not in flow.storage

    def test_a_flow_without_storage(self, tmp_path):
        with set_temporary_config({"home_dir": str(tmp_path)}):
            assert not [f for f in preflight(flow_of()) if f.subject == "storage"]


class TestRunConfig:
    def test_variables_that_look_like_secrets(self):
        flow = flow_of(run_config=DockerRun(env={"DB_PASSWORD": "hunter2", "STAGE": "test"}))
        finding = found(flow)["warning", "run config"]
        assert "DB_PASSWORD" in finding.message
        assert "STAGE" not in finding.message
        assert "hunter2" not in str(finding)

    def test_others(self):
        flow = flow_of(run_config=UniversalRun(env={"STAGE": "test"}))
        assert ("warning", "run config") not in found(flow)

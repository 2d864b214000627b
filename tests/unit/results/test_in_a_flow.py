"""Results as a flow uses them: templates, targets, checkpointing."""

import json
from pathlib import Path

import pytest

from headrace import Flow, Parameter, task
from headrace.config import set_temporary_config
from headrace.results import JSONSerializer, LocalResult, PrefectResult


@pytest.fixture(autouse=True)
def _checkpointing():
    with set_temporary_config({"flows.checkpointing": True}):
        yield


def test_nothing_is_written_unless_checkpointing_is_on(tmp_path):
    @task
    def one():
        return 1

    with Flow("f", result=LocalResult(dir=tmp_path, location="{task_name}")) as flow:
        one()
    with set_temporary_config({"flows.checkpointing": False}):
        assert flow.run().is_successful()
    assert list(tmp_path.iterdir()) == []
    assert flow.run().is_successful()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_templates_know_the_context_the_parameters_and_the_inputs(tmp_path):
    @task(result=LocalResult(dir=tmp_path, location="{flow_name}/{task_name}/{day}-{x}.json"))
    def store(x):
        return x

    with Flow("f") as flow:
        flow.add_task(Parameter("day", default="monday"))
        stored = store(3)
    state = flow.run(parameters={"day": "friday"})
    assert state.result[stored].stored.location == str(tmp_path / "f" / "store" / "friday-3.json")


def test_a_template_that_cannot_be_filled_in_fails_the_task(tmp_path):
    @task(result=LocalResult(dir=tmp_path, location="{nope}"))
    def store():
        return 1

    with Flow("f") as flow:
        stored = store()
    state = flow.run()
    assert state.result[stored].is_failed()
    assert (
        "names 'nope', which is neither in the context nor an input" in state.result[stored].message
    )


@pytest.mark.parametrize("word", ["location", "value", "template", "kwargs", "serializer"])
def test_an_input_may_have_any_name(tmp_path, word):
    calls = []
    template = f"{{{word}}}.json"

    def run(**inputs):
        calls.append(inputs)
        return list(inputs)

    namespace = {"run": run}
    exec(f"def fetch({word}): return run({word}={word})", namespace)
    fetch = task(
        namespace["fetch"],
        target=template,
        result=LocalResult(dir=tmp_path, serializer=JSONSerializer()),
    )
    with Flow("f") as flow:
        fetched = fetch("here")
    assert flow.run().result[fetched].result == [word]
    assert json.loads((tmp_path / "here.json").read_text()) == [word]


def test_a_target_that_is_there_is_read_in_place_of_a_run(tmp_path):
    calls = []

    @task(target="{n}.pkl", result=LocalResult(dir=tmp_path))
    def slow(n):
        calls.append(n)
        return n * 2

    with Flow("f") as flow:
        doubled = slow.map([1, 2, 1])
    first, second = flow.run(), flow.run()
    assert first.result[doubled].result == second.result[doubled].result == [2, 4, 2]
    assert sorted(calls) == [1, 2]
    assert all(state.is_cached() for state in second.result[doubled].map_states)


def test_values_inside_the_state():
    @task(result=PrefectResult())
    def small():
        return {"n": 1}

    with Flow("f") as flow:
        value = small()
    assert flow.run().result[value].stored.location == '{"n": 1}'


def test_a_value_that_cannot_be_stored_fails_the_task_with_a_clear_word(tmp_path):
    @task(result=LocalResult(dir=tmp_path, serializer=JSONSerializer()))
    def wrong():
        return {1, 2}

    with Flow("f") as flow:
        value = wrong()
    state = flow.run().result[value]
    assert state.is_failed()
    assert "JSONSerializer cannot take this set" in state.message
    assert [path for path in Path(tmp_path).rglob("*") if path.is_file()] == []

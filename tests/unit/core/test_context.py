"""The context: layers that are read from the top, and never changed from above."""

import pickle
import threading
from contextvars import copy_context

import pytest

from headrace import context, task
from headrace.core.context import FlowRunContext, TaskRunContext, current


@pytest.fixture
def in_a_run():
    flow_run = FlowRunContext("my flow", "id", "name", {"x": 1}, extras={"mine": "flow's"})
    child = TaskRunContext(flow_run, task(lambda: 1, name="t"), "t-1", 2, 3)
    token = current.set(child)
    yield child
    current.reset(token)


def test_a_key_is_read_by_attribute_and_by_item(in_a_run):
    assert context.flow_name == context["flow_name"] == context.get("flow_name") == "my flow"
    assert context.task_full_name == "t[2]"
    assert (context.map_index, context.task_run_count, context.parameters) == (2, 3, {"x": 1})
    assert "flow_name" in context


def test_a_key_that_is_not_there():
    assert context.get("absent") is None
    assert context.get("absent", 4) == 4
    assert "absent" not in context
    with pytest.raises(KeyError):
        context["absent"]
    with pytest.raises(AttributeError, match="no 'absent' here"):
        context.absent
    with pytest.raises(KeyError):
        del context["absent"]


def test_a_block_sets_keys_and_takes_them_back(in_a_run):
    with context({"a": 1}, mine="block's") as inside:
        assert (inside.a, context.mine) == (1, "block's")
        with context(a=2):
            assert context.a == 2
        assert context.a == 1
    assert context.mine == "flow's"
    assert "a" not in context


def test_a_block_that_raises_takes_its_keys_back():
    with pytest.raises(ValueError), context(a=1):
        raise ValueError
    assert "a" not in context


def test_writing_puts_a_layer_on_top_and_changes_nothing_below(in_a_run):
    def write():
        context["mine"] = "written"
        context.other = 5
        context.update(more=6)
        del context.flow_name
        assert (context.mine, context.other, context.more) == ("written", 5, 6)
        assert "flow_name" not in context
        assert "flow_name" not in context.to_dict()

    copy_context().run(write)
    assert context.mine == "flow's"
    assert context.flow_name == "my flow"
    assert "other" not in context


def test_a_thread_has_a_context_of_its_own(in_a_run):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(context.get("flow_name")))
    thread.start()
    thread.join()
    assert seen == [None]


def test_all_there_is_can_be_listed(in_a_run):
    everything = context.to_dict()
    assert everything["mine"] == "flow's"
    assert everything["task_slug"] == "t-1"
    assert set(everything) == set(context)
    assert len(context) == len(everything)
    assert context.copy() == everything


def test_a_loop_has_keys_only_inside_one(in_a_run):
    assert "task_loop_count" not in context
    turn = TaskRunContext(in_a_run.parent, in_a_run.task, "t-1", None, 1, task_loop_count=2)
    token = current.set(turn)
    assert (context.task_loop_count, context.task_loop_result) == (2, None)
    current.reset(token)


def test_a_run_s_context_travels_without_what_is_below():
    lower = FlowRunContext("lower", "id", "name", {})
    upper = FlowRunContext("upper", "id2", "name2", {"x": 1}, extras={"a": 1}, parent=lower)
    arrived = pickle.loads(pickle.dumps(upper))
    assert (arrived.flow_name, arrived.parameters, arrived.extras) == ("upper", {"x": 1}, {"a": 1})
    assert arrived.date == upper.date
    assert arrived.parent is not lower


def test_the_id_of_a_task_run_is_the_same_over_its_runs():
    flow_run = FlowRunContext("f", "run-id", "n", {})
    t = task(lambda: 1, name="t")
    first, second = (TaskRunContext(flow_run, t, "t-1", 4, count) for count in (1, 2))
    assert first.task_run_id == second.task_run_id == "run-id/t-1[4]"
    assert TaskRunContext(flow_run, t, "t-1", None, 1).task_run_id == "run-id/t-1"

import asyncio
import threading

import pytest

from headrace.core.context import context
from headrace.core.function_task import task
from headrace.core.graph import Graph, current_graph


@task
def value():
    return 1


def test_the_innermost_block_counts():
    assert current_graph() is None
    with Graph("outer") as outer:
        with Graph("inner") as inner:
            assert current_graph() is inner
            value()
        assert current_graph() is outer
    assert current_graph() is None
    assert (len(outer.tasks), len(inner.tasks)) == (0, 1)


def test_a_block_may_be_opened_again_even_inside_itself():
    graph = Graph("g")
    with graph:
        with graph:
            value()
        assert graph.is_open
        value()
    assert not graph.is_open
    assert len(graph.tasks) == 2


def test_a_block_ends_with_an_error():
    with pytest.raises(KeyError), Graph("g"):
        raise KeyError
    assert current_graph() is None


def test_threads_and_asynchronous_tasks_have_blocks_of_their_own():
    seen = []

    async def look():
        with Graph("inside") as graph:
            await asyncio.sleep(0)
            return current_graph() is graph

    async def both():
        return await asyncio.gather(look(), look())

    with Graph("g"):
        thread = threading.Thread(target=lambda: seen.append(current_graph()))
        thread.start()
        thread.join()
    assert seen == [None]
    assert asyncio.run(both()) == [True, True]


def test_the_context_knows_the_open_flow():
    with Graph("g") as graph:
        assert context.flow is graph
    assert context.get("flow") is None

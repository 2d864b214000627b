import threading

import pytest

from headrace.core.context import context
from headrace.core.tags import current_tags, tags
from headrace.core.task import Task


def test_blocks_nest_and_end():
    with tags("a", "b"):
        with tags("c"):
            assert Task().tags == {"a", "b", "c"}
        assert Task(tags=["x"]).tags == {"a", "b", "x"}
    assert Task().tags == set()


def test_a_block_ends_with_an_error():
    with pytest.raises(KeyError), tags("a"):
        raise KeyError
    assert current_tags() == frozenset()


def test_the_context_knows_the_tags():
    from headrace.core import graph  # noqa: F401 - says what the context can be asked for

    with tags("a"):
        assert context.tags == {"a"}
    assert context.tags == set()


def test_another_thread_has_tags_of_its_own():
    seen = []
    with tags("a"):
        thread = threading.Thread(target=lambda: seen.append(current_tags()))
        thread.start()
        thread.join()
    assert seen == [frozenset()]

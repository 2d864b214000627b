import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config import Settings, config, set_temporary_config
from headrace.core.errors import ConfigError


@pytest.fixture(autouse=True)
def _home(home):
    return home


def test_values_hold_for_the_block_alone():
    with set_temporary_config({"flows.checkpointing": True, "mine.deep": 1}) as inside:
        assert inside is config
        assert config.flows.checkpointing is True
        assert config.mine.deep == 1
    assert config.flows.checkpointing is False
    assert "mine" not in config


def test_values_may_be_nested():
    with set_temporary_config(
        {"flows": {"checkpointing": True}, "context": {"secrets": {"a.b": 1}}}
    ):
        assert config.flows.checkpointing is True
        assert config.context.secrets["a.b"] == 1
    assert dict(config.context.secrets) == {}


def test_an_error_in_the_block_puts_values_back():
    with pytest.raises(RuntimeError), set_temporary_config({"flows.checkpointing": True}):
        raise RuntimeError
    assert config.flows.checkpointing is False


def test_a_wrong_value_changes_nothing():
    with pytest.raises(ConfigError, match="logging.level"):
        with set_temporary_config({"flows.checkpointing": True, "logging.level": "LOUD"}):
            pytest.fail("entered")
    assert config.flows.checkpointing is False


def test_blocks_nest():
    with set_temporary_config({"logging.level": "DEBUG"}):
        with set_temporary_config({"logging.level": "ERROR"}):
            assert config.logging.level == "ERROR"
        assert config.logging.level == "DEBUG"
        source = {name: source for name, _, source in config.describe()}["logging.level"]
        assert source == "set temporarily"
    assert config.logging.level == "INFO"


def test_a_thread_that_is_running_sees_the_change():
    asked, answered, seen = threading.Event(), threading.Event(), []

    def look():
        asked.wait(10)
        seen.append(config.flows.checkpointing)
        answered.set()

    thread = threading.Thread(target=look)
    thread.start()
    with set_temporary_config({"flows.checkpointing": True}):
        asked.set()
        assert answered.wait(10)
    thread.join()
    assert seen == [True]


def test_a_section_that_is_held_sees_the_change():
    flows = config.flows
    with set_temporary_config({"flows.checkpointing": True}):
        assert flows.checkpointing is True
    assert flows.checkpointing is False


names = st.sampled_from(["a", "b", "c", "d.e", "d.f", "g.h.i"])
changes = st.dictionaries(names, st.integers(), max_size=5)


@given(first=changes, blocks=st.lists(changes, max_size=4))
def test_any_blocks_leave_the_settings_as_they_were(first, blocks):
    for name, value in first.items():
        node = config
        *parents, last = name.split(".")
        for parent in parents:
            node = node.setdefault(parent, {}) if parent in node else _new(node, parent)
        node[last] = value
    before, rows = config.to_dict(), config.describe()

    def nest(rest):
        if rest:
            with set_temporary_config(rest[0]):
                for name, value in rest[0].items():
                    node = config
                    for part in name.split("."):
                        node = node[part]
                    assert node == value
                nest(rest[1:])

    nest(blocks)
    assert config.to_dict() == before
    assert config.describe() == rows
    config.reload()


def _new(node, name):
    node[name] = {}
    return node[name]


def test_many_threads_read_once(home, monkeypatch):
    settings, started, sections = Settings(), threading.Barrier(8), []

    def read():
        started.wait(10)
        sections.append(settings.flows)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(section) for section in sections}) == 1

import datetime

import pytest

from headrace.core.context import context
from headrace.core.errors import EdgeError, NotInFlowError, ParameterError, TaskDefinitionError
from headrace.core.function_task import task
from headrace.core.graph import Graph
from headrace.core.parameter import DateTimeParameter, Parameter
from headrace.core.signals import FAIL
from headrace.core.tags import tags

UTC = datetime.UTC


@task
def show(x):
    return x


def test_a_parameter_is_required_unless_it_has_a_default():
    assert Parameter("p").required
    assert Parameter("p").default is None
    assert not Parameter("p", default=None).required
    assert Parameter("p", default=3).default == 3
    assert Parameter("p", default=3, required=True).required
    assert not Parameter("p", required=False).required


def test_name_slug_and_tags():
    with tags("b"):
        parameter = Parameter("p", tags=["a"])
    assert (parameter.name, parameter.slug, parameter.tags) == ("p", "p", {"a", "b"})
    assert repr(parameter) == "<Parameter: p>"


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_parameter_needs_a_name(name):
    with pytest.raises(TaskDefinitionError, match="string"):
        Parameter(name)


def test_a_parameter_is_added_by_use_or_by_a_call():
    with Graph("g") as graph:
        used, called = Parameter("used"), Parameter("called")
        show(used)
        assert called() is called
        called()
    assert graph.parameters() == {used, called}


def test_a_call_outside_a_flow_says_so():
    with pytest.raises(NotInFlowError, match="outside a flow"):
        Parameter("p")()
    graph = Graph("g")
    assert Parameter("p")(flow=graph) in graph.tasks


def test_two_parameters_of_one_name_are_an_error():
    with pytest.raises(ParameterError, match="two different parameters named 'p'"), Graph("g"):
        show(Parameter("p"))
        show(Parameter("p"))


def test_parameters_have_nothing_upstream():
    graph = Graph("g")
    with pytest.raises(EdgeError, match="cannot wait"):
        graph.add_edge(show.copy(), Parameter("p"))
    with pytest.raises(EdgeError, match="cannot wait"), graph:
        Parameter("p").set_upstream(show.copy())


def test_a_copy_needs_a_name_of_its_own():
    copy = Parameter("p", default=1).copy("q")
    assert (copy.name, copy.slug, copy.default) == ("q", "q", 1)
    assert Parameter("p").copy("q", default=5).default == 5


def test_run_gives_the_value_or_the_default():
    with context(parameters={"p": None, "q": 2}):
        assert Parameter("p", default=1).run() is None
        assert Parameter("q").run() == 2
        assert Parameter("r", default=3).run() == 3
        with pytest.raises(FAIL, match="'s' is required"):
            Parameter("s").run()
    assert Parameter("p", default=1).run() == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2030-01-31T08:00:00+02:00", "2030-01-31T08:00:00+02:00"),
        ("2030-01-31T08:00:00", "2030-01-31T08:00:00+00:00"),
        ("2030-01-31T08:00:00Z", "2030-01-31T08:00:00+00:00"),
        (" 2030-01-31 ", "2030-01-31T00:00:00+00:00"),
        ("20300131", "2030-01-31T00:00:00+00:00"),
        (datetime.date(2030, 1, 31), "2030-01-31T00:00:00+00:00"),
        (datetime.datetime(2030, 1, 31, 8), "2030-01-31T08:00:00+00:00"),
        (datetime.datetime(2030, 1, 31, 8, tzinfo=UTC), "2030-01-31T08:00:00+00:00"),
    ],
)
def test_a_datetime_parameter_gives_aware_times(given, expected):
    with context(parameters={"when": given}):
        value = DateTimeParameter("when").run()
    assert value == datetime.datetime.fromisoformat(expected)
    assert value.tzinfo is not None


def test_a_datetime_parameter_may_be_left_out():
    assert DateTimeParameter("when").required
    assert DateTimeParameter("when", required=False).run() is None


@pytest.mark.parametrize("given", ["yesterday", 5, "2030-13-01"])
def test_what_is_no_time_is_an_error(given):
    with context(parameters={"when": given}), pytest.raises(ParameterError, match="'when'"):
        DateTimeParameter("when").run()


def test_serialize_has_default_and_required():
    described = Parameter("p", default=[1]).serialize()
    assert (described["default"], described["required"]) == ([1], False)

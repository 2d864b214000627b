import functools
import inspect
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError, TaskDefinitionError
from headrace.core.signature import announced_outputs, signature_of


def read(function):
    return signature_of(function, "t")


def test_a_plain_function_is_read_without_inspect():
    def f(a, b=1, *, c, d=2, **rest): ...

    signature = read(f)
    assert signature.positional == ("a", "b")
    assert signature.names == ("a", "b", "c", "d")
    assert signature.required == ("a", "c")
    assert signature.any_keyword
    assert str(signature) == "(a, b=..., c, d=..., **)"


def test_self_is_no_parameter():
    class Thing:
        def method(self, x, y=0): ...

        @staticmethod
        def static(x): ...

        @classmethod
        def cls_method(cls, x): ...

        def __call__(self, x, *, z=1): ...

    assert read(Thing().method).required == ("x",)
    assert read(Thing().method).names == ("x", "y")
    assert read(Thing().static).names == ("x",)
    assert read(Thing().cls_method).names == ("x",)
    assert read(Thing()).names == ("x", "z")


def test_the_function_inside_a_wrapper_counts():
    def f(a, b=1): ...

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    assert read(wrapper).names == ("a", "b")


def test_partials_classes_and_given_signatures_are_read():
    def f(a, b, c=3): ...

    assert read(functools.partial(f, 1)).required == ("b",)
    assert read(functools.partial(f, b=1)).required == ("a",)

    class Resource:
        def __init__(self, size, shape="box"): ...

    assert read(Resource).names == ("size", "shape")

    def stated(*args): ...

    stated.__signature__ = inspect.signature(f)
    assert read(stated).names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda *args: None, r"takes \*args"),
        (lambda x, *args, **kwargs: None, r"takes \*args"),
        (functools.partial(lambda *args: None), r"takes \*args"),
        (lambda x, /, y: None, r"positional-only parameters \(x\)"),
        (functools.partial(lambda x, /: None), r"positional-only parameters \(x\)"),
        (sum, "positional-only"),
        (min, "cannot be read|args"),
        (lambda mapped: None, "named 'mapped'"),
        (lambda x, *, flow=None: None, "named 'flow'"),
        (lambda upstream_tasks=(): None, "named 'upstream_tasks'"),
        (lambda task_args: None, "named 'task_args'"),
    ],
)
def test_a_run_that_cannot_be_called_by_name_is_refused(function, message):
    with pytest.raises(TaskDefinitionError, match=message) as caught:
        read(function)
    assert "'t'" in str(caught.value)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "without 'a'"),
        ((), {"b": 1}, "without 'a'"),
        ((1, 2, 3), {}, "3 positional arguments"),
        ((1,), {"a": 2}, "'a' twice"),
        ((1,), {"z": 2}, "no argument 'z'"),
    ],
)
def test_arguments_that_do_not_fit_name_the_task_and_the_parameter(args, kwargs, message):
    def f(a, b=1): ...

    with pytest.raises(ArgumentError, match=message) as caught:
        read(f).bind("load", args, kwargs)
    assert "'load'" in str(caught.value)
    assert isinstance(caught.value, TypeError)


@given(st.data())
def test_binding_agrees_with_inspect(data):
    names = ["a", "b", "c", "d"]
    n_positional = data.draw(st.integers(0, 4))
    n_defaults = data.draw(st.integers(0, n_positional))
    parts = [
        name if i < n_positional - n_defaults else f"{name}=0"
        for i, name in enumerate(names[:n_positional])
    ]
    keyword_only = names[n_positional:]
    if keyword_only:
        parts.append("*")
        parts += [f"{n}{data.draw(st.sampled_from(['', '=0']))}" for n in keyword_only]
    if data.draw(st.booleans()):
        parts.append("**rest")
    scope: dict[str, Any] = {}
    exec(f"def f({', '.join(parts)}): ...", scope)
    f = scope["f"]
    args = tuple(data.draw(st.lists(st.integers(), max_size=5)))
    kwargs = data.draw(st.dictionaries(st.sampled_from([*names, "other"]), st.integers()))
    try:
        arguments = dict(inspect.signature(f).bind(*args, **kwargs).arguments)
        arguments.update(arguments.pop("rest", {}))
        expected = arguments
    except TypeError:
        expected = None
    try:
        bound = read(f).bind("t", args, kwargs)
    except ArgumentError:
        bound = None
    assert bound == expected


@pytest.mark.parametrize(
    ("annotation", "outputs"),
    [
        (None, None),
        (int, None),
        (tuple, None),
        (typing.Tuple, None),  # noqa: UP006
        (tuple[int, str], 2),
        (typing.Tuple[int, str, float], 3),  # noqa: UP006
        (tuple[int], 1),
        (tuple[int, ...], None),
        (tuple[()], 0),
        (typing.Tuple[()], 0),  # noqa: UP006
        (list[int], None),
        (tuple[int, str] | None, None),
        ("tuple[int, str]", 2),
        ("typing.Tuple[int, dict[str, int], Unknown]", 3),
        ("Tuple[int, ...]", None),
        ("tuple[()]", 0),
        ("tuple[int,]", 1),
        ("tuple[Callable[[int, int], str], tuple[int, int]]", 2),
        ("tuple", None),
        ("list[tuple[int, int]]", None),
        ("tuple[int, str] | None", None),
    ],
)
def test_outputs_are_taken_from_tuples_of_fixed_length(annotation, outputs):
    assert announced_outputs(annotation) == outputs

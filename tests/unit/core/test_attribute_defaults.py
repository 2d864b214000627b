import pytest

from headrace.core.attribute_defaults import defaults_from_attrs
from headrace.core.errors import ArgumentError
from headrace.core.graph import Graph
from headrace.core.task import Task


class Greet(Task):
    def __init__(self, whom=None, greeting="Hello", **kwargs):
        self.whom = whom
        self.greeting = greeting
        super().__init__(**kwargs)

    @defaults_from_attrs("whom", "greeting")
    def run(self, punctuation, whom=None, greeting=None):
        """Greet someone."""
        return f"{greeting} {whom}{punctuation}"


def test_arguments_default_to_attributes():
    greet = Greet("Marvin")
    assert greet.run("!") == "Hello Marvin!"
    assert greet.run("!", whom="Ford") == "Hello Ford!"
    assert greet.run("!", "Zaphod") == "Hello Zaphod!"
    assert greet.run("!", "Zaphod", "Bye") == "Bye Zaphod!"
    assert greet.run(punctuation="?", greeting=None) == "None Marvin?"


def test_a_call_is_checked_against_the_function_itself():
    with Graph("g") as graph:
        called = Greet("Marvin")("!", greeting="Bye")
        with pytest.raises(ArgumentError, match="'punctuation'"):
            Greet("Marvin")()
    assert graph.constants[called] == {"punctuation": "!", "greeting": "Bye"}


def test_the_function_keeps_its_name_and_text():
    assert Greet.run.__name__ == "run"
    assert Greet.run.__doc__ == "Greet someone."


def test_a_missing_attribute_is_an_error():
    class Broken(Task):
        @defaults_from_attrs("nope")
        def run(self, nope=None): ...

    with pytest.raises(AttributeError, match="nope"):
        Broken().run()

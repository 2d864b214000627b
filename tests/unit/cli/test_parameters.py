import datetime
import json

import click
import pytest

from headrace import Flow, Parameter
from headrace.cli.parameters import (
    check_parameters,
    parse_parameter,
    parse_parameters,
    read_parameter_file,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=3", 3),
        ("x=-2.5e3", -2500.0),
        ("x=true", True),
        ("x=null", None),
        ("x=[1, 2]", [1, 2]),
        ('x={"a": [1]}', {"a": [1]}),
        ('x="3"', "3"),
        ("x=word", "word"),
        ("x=2024-01-31", "2024-01-31"),
        ("x=007", "007"),
        ("x=True", "True"),
        ("x=NaN", "NaN"),
        ("x=Infinity", "Infinity"),
        ("x=a=b", "a=b"),
        ("x=", ""),
        ("x= spaced ", " spaced "),
        ("x=http://host/?q=[1]", "http://host/?q=[1]"),
    ],
)
def test_a_value_is_json_or_else_a_string(text, value):
    name, parsed = parse_parameter(text)
    assert name == "x"
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["x", "=3", " =3", ""])
def test_without_a_name_or_an_equals_sign(text):
    with pytest.raises(click.ClickException, match=r"--param .* is not of the form NAME=VALUE"):
        parse_parameter(text)


@pytest.mark.parametrize("value", ["[1, 2", '{"a": }', "{a: 1}", '"open', "['a']"])
def test_what_begins_like_json_has_to_be_json(value):
    with pytest.raises(click.ClickException, match="The value of --param rows begins like JSON"):
        parse_parameter(f"rows={value}")


def test_one_name_twice():
    with pytest.raises(click.ClickException, match="'x' is given twice"):
        parse_parameters(["x=1", "y=2", "x=3"])


def test_files(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"x": [1], "y": None}))
    (tmp_path / "p.toml").write_text("x = 3\nday = 2024-01-31\n[y]\na = 'b'\n")
    assert read_parameter_file(str(tmp_path / "p.json")) == {"x": [1], "y": None}
    assert read_parameter_file(str(tmp_path / "p.toml")) == {
        "x": 3,
        "day": datetime.date(2024, 1, 31),
        "y": {"a": "b"},
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{'x': 1}", "'.*p.json' is no JSON: Expecting property name"),
        ("p.toml", "x = ", "'.*p.toml' is no TOML"),
        ("p.json", "[1]", "holds a list, but has to hold one object"),
        ("p.json", "3", "holds the value 3, but"),
        ("p.json", "\x80", "is no JSON"),
        ("p.yaml", "x: 1", "'.*p.yaml' is neither .json nor .toml"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, text, message):
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(click.ClickException, match=message):
        read_parameter_file(str(tmp_path / name))


def test_no_such_file(tmp_path):
    with pytest.raises(click.ClickException, match=r"'.*gone.json' cannot be read: No such file"):
        read_parameter_file(str(tmp_path / "gone.json"))


@pytest.fixture
def flow():
    with Flow("f") as flow:
        Parameter("day")()
        Parameter("limit", default=3)()
    return flow


def test_names_that_fit(flow):
    check_parameters(flow, {"day": 1})
    check_parameters(flow, {}, scheduled=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"day": 1, "limt": 2}, "'f' has no parameter 'limt'. Did you mean 'limit'?"),
        ({"day": 1, "zzz": 2}, "'f' has no parameter 'zzz'. It has: day, limit."),
        ({}, r"needs a value for: day. Give it with --param day=\.\.\."),
    ],
)
def test_names_that_do_not_fit(flow, values, message):
    with pytest.raises(click.ClickException, match=message):
        check_parameters(flow, values)


def test_a_flow_without_parameters():
    with pytest.raises(click.ClickException, match="has no parameter 'x'. It has: none."):
        check_parameters(Flow("empty"), {"x": 1})

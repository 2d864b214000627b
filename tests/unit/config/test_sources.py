import ast
import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config import Config, Settings, load_configuration
from headrace.config.keys import KEYS, Unfit
from headrace.config.sources import flat, from_environment, guess, interpolate
from headrace.core.errors import ConfigError


@pytest.fixture(autouse=True)
def _home(home):
    return home


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("1", 1),
        ("-1.5", -1.5),
        ("[1, 'a']", [1, "a"]),
        ("{'a': 1}", {"a": 1}),
        ("None", None),
        ("", ""),
        ("  ", "  "),
        ("plain text", "plain text"),
        ("1 and 2", "1 and 2"),
        ("(" * 500, "(" * 500),
        ("[broken", "[broken"),
    ],
)
def test_guess(text, value):
    assert guess(text) == value


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_guess_reads_what_python_writes(value):
    assert guess(repr(value)) == ast.literal_eval(repr(value))


@given(st.text())
def test_guess_never_fails(text):
    guess(text)


@given(st.text(), st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_interpolation_never_fails(value, lookup, environ):
    interpolate(value, lookup, environ)


segments = st.text(string.ascii_letters + string.digits, min_size=1, max_size=5)


@given(st.lists(segments, min_size=1, max_size=4).filter(lambda p: p[0].lower() != "context"))
def test_a_variable_names_a_path(parts):
    name = "__".join(["APP", *parts])
    ((found, path, text),) = from_environment({name: "x", "APPLE__A": "y", "APP": "z"}, "APP")
    assert (found, path, text) == (name, tuple(part.lower() for part in parts), "x")


@given(st.text(string.ascii_letters + string.digits + "_.-", min_size=1))
def test_a_secret_keeps_its_name(name):
    ((_, path, _),) = from_environment({f"HEADRACE__CONTEXT__SECRETS__{name}": "x"}, "HEADRACE")
    assert path == ("context", "secrets", name)


keys = st.text(string.ascii_lowercase, min_size=1, max_size=3)
trees = st.recursive(st.integers(), lambda inner: st.dictionaries(keys, inner), max_leaves=8)


@given(st.dictionaries(keys, trees))
def test_flat_loses_nothing(tree):
    rebuilt = {}
    for path, value in flat(tree):
        node = rebuilt
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = value
    assert rebuilt == tree


values = st.sampled_from([None, True, False])


@given(file=values, variable=values, code=values)
def test_precedence(tmp_path_factory, file, variable, code):
    home = tmp_path_factory.mktemp("home")
    if file is not None:
        (home / "config.toml").write_text(f"[flows]\nrun_on_schedule = {str(file).lower()}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", str(home))
        if variable is not None:
            patch.setenv("HEADRACE__FLOWS__RUN_ON_SCHEDULE", str(variable))
        settings = Settings()
        if code is not None:
            settings.flows.run_on_schedule = code
        given_values = [value for value in (code, variable, file) if value is not None]
        assert settings.flows.run_on_schedule is (given_values or [True])[0]


anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.text() | st.integers())
    | st.dates()
)


@given(st.sampled_from(sorted(KEYS)), anything, st.booleans())
def test_each_kind_takes_a_value_or_says_no(name, value, text):
    kind = KEYS[name].kind
    try:
        taken = kind.convert(str(value) if text else value, text)
    except Unfit:
        return
    # What was taken once is what it is: taking it again changes nothing.
    assert kind.convert(taken, False) == taken


def test_load_configuration_lays_sources_over_each_other(tmp_path, monkeypatch):
    first, second, third = (tmp_path / f"{name}.toml" for name in "abc")
    first.write_text("[a]\nx = 1\ny = 2\nz = '${a.x}0'\nt = 'true'\n[b]\nhome = '$BASE/${a.y}'\n")
    second.write_text("[a]\ny = 3\n")
    third.write_text("[c]\nd = {}\n")
    monkeypatch.setenv("BASE", "/base")
    monkeypatch.setenv("APP__A__X", "4")
    loaded = load_configuration(str(first), str(second), str(third), env_var_prefix="APP")
    assert type(loaded) is Config
    assert loaded == {
        "a": {"x": 4, "y": 3, "z": 40, "t": True},
        "b": {"home": "/base/3"},
        "c": {"d": {}},
    }
    assert loaded.b.home == "/base/3"
    assert load_configuration(first, tmp_path / "none.toml").a.x == 1


def test_load_configuration_finds_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.toml").write_text("x = '~/y'\n")
    assert load_configuration("~/a.toml").x == os.path.join(tmp_path, "y")


def test_load_configuration_names_what_is_wrong(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="There is no configuration file .*none.toml"):
        load_configuration(str(tmp_path / "none.toml"))
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[a]\nx = 1\n")
    second.write_text("a = 1\n")
    with pytest.raises(ConfigError, match="a is a section in one place and a value in another"):
        load_configuration(str(first), str(second))
    second.write_text("a =")
    with pytest.raises(ConfigError, match="b.toml is not valid TOML"):
        load_configuration(str(first), str(second))


def test_a_config_of_ones_own():
    own = Config({"a": {"b": 1}}, c=2)
    assert (own.a.b, own.c, own["a"]["b"]) == (1, 2, 1)
    own.a.d = {"e": 3}
    assert own.to_dict() == {"a": {"b": 1, "d": {"e": 3}}, "c": 2}
    twin = own.copy()
    twin.a.b = 5
    assert own.a.b == 1
    with pytest.raises(AttributeError, match="no 'x' here, only: 'a', 'c'"):
        own.x
    with pytest.raises(AttributeError, match="no 'x' here"):
        del own.x
    del own.c
    assert repr(own) == "<Config: 'a'>"
    assert own.pop("a").b == 1
    assert repr(own) == "<Config: empty>"
    assert own.setdefault("s", {"t": 1})["t"] == 1

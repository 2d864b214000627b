import os
import pickle
import subprocess
import sys
import typing
import warnings
from datetime import timedelta
from pathlib import Path

import pytest

from headrace.config import Config, Section, Settings, config, sections, set_temporary_config
from headrace.config.keys import KEYS, SECTIONS
from headrace.config.spelling import ConfigWarning
from headrace.core.context import context
from headrace.core.errors import ConfigError, SettingNotFound
from headrace.core.settings import authoring_settings


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text)
    config.reload()


def test_defaults_need_no_file(home):
    assert config.flows.checkpointing is False
    assert config.flows.run_on_schedule is True
    assert config.tasks.defaults.max_retries == 0
    assert config.tasks.defaults.retry_delay is None
    assert config.flows.defaults.storage.add_default_labels is True
    assert config.logging.extra_loggers == []
    assert config.home_dir == str(home)
    assert list(home.iterdir()) == []


def test_the_home_directory_is_below_the_users_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("HEADRACE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().home_dir == str(tmp_path / ".headrace")


def test_file_then_environment_then_code(home, monkeypatch):
    write(home, "[logging]\nlevel = 'warning'\n[flows]\ncheckpointing = true\n")
    monkeypatch.setenv("HEADRACE__LOGGING__LEVEL", "error")
    config.reload()
    assert (config.logging.level, config.flows.checkpointing) == ("ERROR", True)
    config.logging.level = "debug"
    assert config.logging.level == "DEBUG"
    config.reload()
    assert config.logging.level == "ERROR"


def test_the_long_name_of_a_variable_beats_the_short_one(home, monkeypatch, tmp_path):
    monkeypatch.setenv("HEADRACE__HOME_DIR", str(tmp_path / "long"))
    config.reload()
    assert config.home_dir == str(tmp_path / "long")


def test_the_file_is_found_in_the_home_that_the_environment_names(home, monkeypatch):
    other = home / "other"
    other.mkdir()
    (other / "config.toml").write_text("[flows]\ncheckpointing = true\n")
    monkeypatch.setenv("HEADRACE__HOME_DIR", str(other))
    assert Settings().flows.checkpointing is True


def test_a_file_may_move_the_home_but_not_itself(home):
    write(home, 'home_dir = "/elsewhere"\n')
    # The environment beats the file here, as everywhere.
    assert config.home_dir == str(home)


def test_users_keep_their_own_keys(home, monkeypatch):
    write(home, "mine = 1\n[team.paths]\nraw = '/data'\n[[team.people]]\nname = 'x'\n")
    monkeypatch.setenv("HEADRACE__TEAM__LIMIT", "2.5")
    monkeypatch.setenv("HEADRACE__TEAM__FLAGS", "['a', 'b']")
    monkeypatch.setenv("HEADRACE__TEAM__ON", "TRUE")
    monkeypatch.setenv("HEADRACE__TEAM__NOTE", "1 apple")
    monkeypatch.setenv("HEADRACE__TEAM__NONE", "None")
    config.reload()
    assert config.mine == 1
    assert config.team.paths.raw == "/data"
    assert config.team.people == [{"name": "x"}]
    assert (config.team.limit, config.team.flags, config.team.on) == (2.5, ["a", "b"], True)
    assert (config.team.note, config.team.none) == ("1 apple", None)


def test_values_refer_to_the_environment_and_to_each_other(home, monkeypatch):
    monkeypatch.setenv("DATA", "/data")
    write(
        home,
        "[a]\nx = '$DATA/x'\ny = '${a.x}/y'\nn = '${a.size}'\nsize = 3\nkeep = '${nothing} $5'\n"
        "home = '~/z'\nloop = '${a.loop}'\n[context.secrets]\nS = '$DATA'\n",
    )
    assert (config.a.x, config.a.y, config.a.n) == ("/data/x", "/data/x/y", 3)
    assert config.a["keep"] == "${nothing} $5"
    assert config.a.home == os.path.expanduser("~/z")
    assert config.a.loop == "${a.loop}"
    assert config.context.secrets.S == "$DATA"


@pytest.mark.parametrize(
    ("text", "value"),
    [("30", timedelta(seconds=30)), ("false", None), ("0.5", timedelta(milliseconds=500))],
)
def test_a_retry_delay_is_a_number_of_seconds(home, monkeypatch, text, value):
    write(home, f"[tasks.defaults]\nretry_delay = {text}\n")
    assert config.tasks.defaults.retry_delay == value
    monkeypatch.setenv("HEADRACE__TASKS__DEFAULTS__RETRY_DELAY", text)
    config.reload()
    assert config.tasks.defaults.retry_delay == value


@pytest.mark.parametrize("text", ["a, b", "['a', 'b']", '["a","b"]'])
def test_a_list_in_the_environment(home, monkeypatch, text):
    monkeypatch.setenv("HEADRACE__LOGGING__EXTRA_LOGGERS", text)
    config.reload()
    assert config.logging.extra_loggers == ["a", "b"]


def test_a_list_in_a_string_of_the_file(home):
    write(home, "[logging]\nlog_attributes = \"['a']\"\n")
    assert config.logging.log_attributes == ["a"]


def test_a_key_that_is_digits_stays_text(home, monkeypatch):
    monkeypatch.setenv("HEADRACE__CLOUD__API_KEY", "007")
    config.reload()
    assert config.cloud.api_key == "007"


@pytest.mark.parametrize(
    ("toml", "key", "expected", "shown"),
    [
        ("[flows]\ncheckpointing = 'yes'", "flows.checkpointing", "true or false", "'yes' (str)"),
        ("[flows]\ncheckpointing = 1", "flows.checkpointing", "true or false", "1 (int)"),
        ("home_dir = 3", "home_dir", "the path of a directory", "3 (int)"),
        ("home_dir = ''", "home_dir", "the path of a directory", "'' (str)"),
        ("backend = 'moon'", "backend", "one of 'server', 'cloud'", "'moon' (str)"),
        ("[logging]\nlevel = 'LOUD'", "logging.level", "DEBUG, INFO", "'LOUD' (str)"),
        ("[logging]\nlevel = true", "logging.level", "DEBUG, INFO", "True (bool)"),
        ("[logging]\nlevel = 1.5", "logging.level", "DEBUG, INFO", "1.5 (float)"),
        ("[logging]\nformat = 5", "logging.format", "a string", "5 (int)"),
        ("[logging]\nextra_loggers = [1]", "logging.extra_loggers", "a list of", "[1] (list)"),
        ("[logging]\nextra_loggers = 'a'", "logging.extra_loggers", "a list of", "'a' (str)"),
        ("[logging]\nextra_loggers = '[a'", "logging.extra_loggers", "a list of", "'[a' (str)"),
        ("[tasks.defaults]\nmax_retries = -1", "tasks.defaults.max_retries", "whole", "-1 (int)"),
        ("[tasks.defaults]\nmax_retries = true", "tasks.defaults.max_retries", "whole", "True"),
        ("[tasks.defaults]\nmax_retries = 1.5", "tasks.defaults.max_retries", "whole", "1.5"),
        ("[tasks.defaults]\nretry_delay = '3'", "tasks.defaults.retry_delay", "seconds", "'3'"),
        ("[tasks.defaults]\nretry_delay = nan", "tasks.defaults.retry_delay", "seconds", "nan"),
        (
            "[tasks.defaults]\nretry_delay = 1e300",
            "tasks.defaults.retry_delay",
            "seconds",
            "1e+300",
        ),
        ("[tasks.defaults]\ntimeout = 0", "tasks.defaults.timeout", "above 0", "0 (int)"),
        ("[cloud]\nlogging_heartbeat = 0", "cloud.logging_heartbeat", "above 0", "0 (int)"),
        ("flows = true", "flows", "is a section", "True (bool)"),
        ("[logging.level]\nx = 1", "logging.level", "DEBUG", "cannot be a section"),
        ("[context]\nsecrets = 'x'", "context.secrets", "is a section", "'x' (str)"),
    ],
)
def test_a_wrong_type_names_file_key_expectation_and_value(home, toml, key, expected, shown):
    (home / "config.toml").write_text(toml)
    with pytest.raises(ConfigError) as raised:
        config.reload()
    message = str(raised.value)
    assert str(home / "config.toml") in message
    assert all(part in message for part in (key, expected, shown)), message


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("HEADRACE__FLOWS__CHECKPOINTING", "maybe", "flows.checkpointing"),
        ("HEADRACE__FLOWS__CHECKPOINTING", "", "flows.checkpointing"),
        ("HEADRACE__TASKS__DEFAULTS__MAX_RETRIES", "few", "tasks.defaults.max_retries"),
        ("HEADRACE__FLOWS", "1", "flows"),
        ("HEADRACE__LOGGING__LEVEL__X", "1", "logging.level"),
        ("HEADRACE__", "1", "SECTION__KEY"),
        ("HEADRACE__FLOWS__", "1", "SECTION__KEY"),
        ("HEADRACE__A____B", "1", "SECTION__KEY"),
    ],
)
def test_a_bad_variable_is_named(home, monkeypatch, name, text, key):
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError) as raised:
        Settings().reload()
    assert name in str(raised.value)
    assert key in str(raised.value)


def test_a_key_is_not_shown_when_it_is_wrong(home):
    (home / "config.toml").write_text("[cloud]\napi_key = 12345\n")
    with pytest.raises(ConfigError, match="cloud.api_key must be a string") as raised:
        Settings().reload()
    assert "12345" not in str(raised.value)


def test_a_file_that_is_not_toml(home):
    (home / "config.toml").write_text("flows = = 1")
    with pytest.raises(ConfigError, match=r"config\.toml is not valid TOML: .*line 1"):
        Settings().reload()
    (home / "config.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match=r"config\.toml is not valid TOML"):
        Settings().reload()


def test_a_file_that_cannot_be_read(home):
    (home / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read: Is a directory"):
        Settings().reload()


def test_a_failed_reading_is_tried_again(home):
    settings = Settings()
    (home / "config.toml").write_text("flows = 1")
    for _ in range(2):
        with pytest.raises(ConfigError):
            settings.flows
    (home / "config.toml").unlink()
    assert settings.flows.checkpointing is False


@pytest.mark.parametrize(
    ("toml", "written", "meant"),
    [
        ("[flows]\nchekpointing = true", "flows.chekpointing", "flows.checkpointing"),
        ("[flow]\ncheckpointing = true", "flow.checkpointing", "flows.checkpointing"),
        ("checkpointing = true", "checkpointing", "flows.checkpointing"),
        ("[tasks.default]\nmax_retries = 1", "tasks.default.max_retries", "tasks.defaults.max_r"),
        ("[flows.defaults.other]\nx = 1", "", ""),
        ("[context.secret]\nA = 1", "context.secret.A", "context.secrets"),
        ("[context]\nteam = 1", "", ""),
        ("homedir = '/x'", "homedir", "home_dir"),
        ("[team]\nlevels = 1", "", ""),
        ("[logging]\ncolour = 1", "", ""),
    ],
)
def test_a_likely_misspelling_is_warned_of(home, toml, written, meant):
    (home / "config.toml").write_text(toml)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Settings().reload()
    said = [str(warning.message) for warning in caught if warning.category is ConfigWarning]
    if not written:
        assert said == []
    else:
        (message,) = said
        assert f"config.toml: {written} is no setting" in message
        assert f"Did you mean {meant}" in message


def test_a_misspelt_variable_is_warned_of(home, monkeypatch):
    monkeypatch.setenv("HEADRACE__LOGING__LEVEL", "DEBUG")
    with pytest.warns(ConfigWarning, match="HEADRACE__LOGING__LEVEL.*logging.level"):
        Settings().reload()


def test_a_setting_that_is_not_there(home):
    with pytest.raises(SettingNotFound, match="'flows.checkpoint'. Did you mean 'flows.checkpoin"):
        config.flows.checkpoint
    with pytest.raises(AttributeError, match="no setting 'nothing'.$"):
        config.nothing
    with pytest.raises(KeyError):
        config["nothing"]
    assert not hasattr(config, "nothing")
    assert config.get("nothing", 3) == 3
    assert "nothing" not in config
    assert "flows" in config


def test_code_may_set_what_fits(home):
    config.flows.checkpointing = True
    config.tasks["defaults"]["retry_delay"] = 3
    config.mine = {"deep": {"er": 1}}
    config.flows = {"run_on_schedule": False}
    config.update(backend="cloud")
    assert config.flows.checkpointing is True
    assert config.flows.run_on_schedule is False
    assert config.tasks.defaults.retry_delay == timedelta(seconds=3)
    assert config.mine.deep.er == 1
    assert config.backend == "cloud"
    with pytest.raises(ConfigError, match="flows.checkpointing must be true or false, not 'true'"):
        config.flows.checkpointing = "true"
    with pytest.raises(ConfigError, match="flows is a section"):
        config.flows = 3
    with pytest.raises(ConfigError, match="cannot be set as an attribute"):
        config.flows.items = 3
    with pytest.raises(ConfigError, match="cannot be set as an attribute"):
        config._items = {}
    assert config.flows.checkpointing is True


def test_only_users_own_keys_can_be_removed(home):
    config.mine = {"a": 1, "b": 2}
    del config.mine.a
    assert config.mine == {"b": 2}
    del config["mine"]
    assert "mine" not in config
    assert not [name for name, *_ in config.describe() if name.startswith("mine")]
    for name in ("flows", "home_dir"):
        with pytest.raises(ConfigError, match="always has a value"):
            del config[name]
    with pytest.raises(ConfigError, match="always has a value"):
        del config.flows.checkpointing
    with pytest.raises(SettingNotFound):
        del config.mine


def test_describe_says_where_each_value_comes_from(home, monkeypatch):
    write(home, "[logging]\nlevel = 'ERROR'\n[context.secrets]\nTOKEN = 'hush'\n")
    monkeypatch.setenv("HEADRACE__CLOUD__API_KEY", "hush")
    config.reload()
    config.flows.checkpointing = True
    with set_temporary_config({"tasks.defaults.max_retries": 1}):
        rows = {name: (value, source) for name, value, source in config.describe()}
    assert rows["logging.level"] == ("ERROR", f"file {home / 'config.toml'}")
    assert rows["flows.checkpointing"] == (True, "set in code")
    assert rows["backend"] == ("server", "default")
    assert rows["tasks.defaults.max_retries"] == (1, "set temporarily")
    assert rows["cloud.api_key"] == ("********", "environment variable HEADRACE__CLOUD__API_KEY")
    assert rows["context.secrets.TOKEN"][0] == "********"
    assert "hush" not in repr(config) + repr(config.context.secrets) + repr(rows)
    assert set(KEYS) <= set(rows)
    assert config.describe() == sorted(config.describe(), key=lambda row: row[0])


def test_sections_can_be_used_as_mappings(home):
    assert dict(config.tasks.defaults) == {"max_retries": 0, "retry_delay": None, "timeout": None}
    assert config.tasks.to_dict() == {"defaults": dict(config.tasks.defaults)}
    copy = config.flows.copy()
    copy.checkpointing = "anything goes in a copy"
    assert config.flows.checkpointing is False
    assert isinstance(config.flows, Section)
    assert "checkpointing" in dir(config.flows)


def test_pickling(home):
    # Another process has its own settings; a section is a picture of what it was.
    assert pickle.loads(pickle.dumps(config)) is config
    section = pickle.loads(pickle.dumps(config.flows))
    assert type(section) is Config
    assert section == config.flows


def test_context_gives_settings_secrets_and_a_logger(home):
    write(home, "[context.secrets]\nTOKEN = 'hush'\n")
    assert context.config is config
    assert context.secrets["TOKEN"] == "hush"
    assert context.logger.name == "headrace"


def test_context_begins_with_what_the_file_says(home):
    write(home, "[context]\nteam = 'ocean'\n[context.limits]\nrows = 3\n")
    assert context.team == "ocean"
    assert context.limits.rows == 3
    assert "team" in context
    assert "team" in list(context)
    with context(team="air"):
        assert context.team == "air"
    assert context.get("nothing") is None


def test_authoring_takes_its_defaults_from_here(home):
    assert authoring_settings().max_retries == 0
    with set_temporary_config(
        {
            "tasks.defaults.max_retries": 2,
            "tasks.defaults.retry_delay": 1,
            "tasks.defaults.timeout": 9,
        }
    ):
        assert authoring_settings()[:3] == (2, timedelta(seconds=1), 9)
    assert authoring_settings().max_retries == 0


def test_listeners_hear_of_changes(home):
    settings, heard = Settings(), []
    settings.subscribe(heard.append)
    settings.flows.checkpointing = True
    settings.reload()
    assert heard == ["", "flows.checkpointing", ""]


def test_types_for_editors_agree_with_the_table():
    def leaves(owner: type, prefix: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, kind in typing.get_type_hints(owner).items():
            if name.startswith("_"):
                continue
            if isinstance(kind, type) and issubclass(kind, Section) and kind is not Section:
                found |= leaves(kind, f"{prefix}{name}.")
            else:
                found[prefix + name] = kind
        return found

    typed: dict[str, object] = {}
    for section in ("agents", "cloud", "flows", "logging", "runs", "tasks"):
        typed |= leaves(getattr(sections, f"{section.title()}Section"), f"{section}.")
    assert set(typed) | {"home_dir", "api_url", "api_key", "backend"} == set(KEYS)
    assert {name.rpartition(".")[0] for name in KEYS} - {""} <= SECTIONS
    for name, kind in typed.items():
        default = Settings().to_dict()
        for part in name.split("."):
            default = default[part]
        # A list's items are beyond isinstance, and an int will do where a float is meant.
        runtime = list if typing.get_origin(kind) is list else kind
        assert isinstance(default, int if runtime is float else runtime), name


def test_importing_reads_nothing_and_imports_little(home):
    (home / "config.toml").write_text("not toml at all")
    code = (
        "import sys; from headrace.config import config\n"
        "print(sorted({'tomllib', 'ast', 'difflib'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert run.stdout == "[]\n"


def test_no_file_no_parser(home):
    code = (
        "import sys; from headrace.config import config\n"
        "config.flows; print('tomllib' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert run.stdout == "False\n"


def test_a_further_source_gives_way_to_all_but_the_defaults(home, monkeypatch):
    def elsewhere(environ):
        yield ("logging", "level"), "ERROR", "file elsewhere", False
        yield ("flows", "checkpointing"), environ["ELSEWHERE"], "variable ELSEWHERE", True
        yield ("theirs", "key"), 1, "file elsewhere", False

    monkeypatch.setenv("ELSEWHERE", "true")
    write(home, "[logging]\nlevel = 'DEBUG'\n")
    for read_before in (True, False):
        settings = Settings()
        if read_before:
            assert settings.flows.checkpointing is False
        settings.add_source(elsewhere)
        settings.add_source(elsewhere)
        assert settings.logging.level == "DEBUG"
        assert settings.flows.checkpointing is True
        assert settings.theirs.key == 1
        sources = {name: source for name, _, source in settings.describe()}
        assert sources["flows.checkpointing"] == "variable ELSEWHERE"
    monkeypatch.setenv("ELSEWHERE", "perhaps")
    with pytest.raises(ConfigError, match="variable ELSEWHERE: flows.checkpointing must be true"):
        settings.reload()

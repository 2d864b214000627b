"""Settings of Prefect 1 count wherever Headrace's own do not say otherwise."""

SHOW = """
import headrace.compat.prefect
import prefect
from prefect.client import Secret
config = prefect.config
"""


def write(run_python, text, name="config.toml", folder=".prefect"):
    home = run_python.home / folder
    home.mkdir(exist_ok=True)
    (home / name).write_text(text)


def test_environment_variables_count(run_python):
    shown = run_python(
        SHOW + "show([config.flows.checkpointing, config.logging.level, config.own.key,"
        " config.tasks.defaults.max_retries, prefect.context.team, Secret('Token').get()])",
        PREFECT__FLOWS__CHECKPOINTING="true",
        PREFECT__LOGGING__LEVEL="DEBUG",
        PREFECT__OWN__KEY="5",
        PREFECT__TASKS__DEFAULTS__MAX_RETRIES="2",
        PREFECT__CONTEXT__TEAM="ocean",
        PREFECT__CONTEXT__SECRETS__Token="s-1",
    )
    assert shown == [[True, "DEBUG", 5, 2, "ocean", "s-1"]]


def test_the_file_counts_with_its_references_and_loose_types(run_python):
    write(
        run_python,
        """
        home_dir = "~/.prefect"
        backend = "server"
        [server]
        host = "http://localhost"
        port = "4200"
        endpoint = "${server.host}:${server.port}"
        [flows]
        checkpointing = "true"
        [tasks.defaults]
        max_retries = false
        retry_delay = 10
        [logging]
        log_attributes = "['team']"
        [context]
        team = "ocean"
        [context.secrets]
        TOKEN = "from $FILE"
        """,
    )
    shown = run_python(
        SHOW + "show([config.server.endpoint, config.server.port, config.flows.checkpointing,"
        " config.tasks.defaults.max_retries, config.tasks.defaults.retry_delay.total_seconds(),"
        " config.logging.log_attributes, prefect.context.team, Secret('TOKEN').get(),"
        " config.home_dir])"
    )
    home = str(run_python.home / ".prefect")
    assert shown == [
        ["http://localhost:4200", 4200, True, 0, 10, ["team"], "ocean", "from $FILE", home]
    ]


def test_the_variables_that_name_the_files_are_followed(run_python, tmp_path):
    (tmp_path / "mine.toml").write_text("[own]\nkey = 1\nother = 1\n")
    (tmp_path / "backend.toml").write_text("backend = 'cloud'\n[own]\nkey = 2\n")
    shown = run_python(
        SHOW
        + "show([config.own.key, config.own.other, config.backend, 'user_config_path' in config])",
        PREFECT__USER_CONFIG_PATH=str(tmp_path / "mine.toml"),
        PREFECT__BACKEND_CONFIG_PATH=str(tmp_path / "backend.toml"),
    )
    assert shown == [[2, 1, "cloud", False]]


def test_headraces_own_settings_go_before(run_python):
    write(
        run_python, "[flows]\ncheckpointing = true\nrun_on_schedule = false\n[own]\na = 1\nb = 1\n"
    )
    write(run_python, "[flows]\ncheckpointing = false\n[own]\na = 2\n", folder=".headrace")
    shown = run_python(
        SHOW + "show([config.flows.checkpointing, config.flows.run_on_schedule, config.own.a,"
        " config.own.b, config.logging.level, config.backend])",
        PREFECT__LOGGING__LEVEL="DEBUG",
        HEADRACE__LOGGING__LEVEL="ERROR",
        PREFECT__BACKEND="cloud",
    )
    assert shown == [[False, False, 2, 1, "ERROR", "cloud"]]


def test_settings_that_were_read_before_are_changed_but_not_those_set_in_code(run_python):
    shown = run_python(
        """
        from headrace import config
        config.logging.level = "WARNING"
        before = [config.flows.checkpointing, config.backend]
        import headrace.compat.prefect
        show([before, config.flows.checkpointing, config.backend, config.logging.level])
        config.reload()
        show([config.flows.checkpointing, config.logging.level])
        """,
        PREFECT__FLOWS__CHECKPOINTING="true",
        PREFECT__LOGGING__LEVEL="DEBUG",
        PREFECT__BACKEND="cloud",
    )
    assert shown == [[[False, "server"], True, "cloud", "WARNING"], [True, "DEBUG"]]


def test_a_wrong_value_is_an_error_that_says_where_it_stands(run_python):
    run_python(SHOW + "config.flows", check=False, PREFECT__FLOWS__CHECKPOINTING="maybe")
    assert "ConfigError: In the environment variable PREFECT__FLOWS__CHECKPOINTING" in (
        run_python.output
    )
    write(run_python, "[flows\n")
    run_python(SHOW + "config.flows", check=False)
    assert ".prefect/config.toml is not valid TOML" in run_python.output


def test_without_the_alias_they_do_not_count(run_python):
    write(run_python, "[flows]\ncheckpointing = true\n")
    shown = run_python(
        "from headrace import config\nshow([config.flows.checkpointing, config.backend])",
        PREFECT__BACKEND="cloud",
    )
    assert shown == [[False, "server"]]


def test_settings_tell_where_they_come_from(run_python):
    (described,) = run_python(
        SHOW + "show({name: source for name, _, source in config.describe()})",
        PREFECT__BACKEND="cloud",
    )
    assert described["backend"] == "environment variable PREFECT__BACKEND"

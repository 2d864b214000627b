"""Each door of the command line, and what it says of wrong input."""

import os
import sys

import pytest

from headrace import __version__
from headrace.config import set_temporary_config
from headrace.core.building import current_graph

BROKEN = "x = 1\n\n\ndef f():\n    return 1 / 0\n\nf()\n"
TWO = """
from headrace import Flow
first = Flow("first")
second = Flow("second")
"""
MISUSED = """
from headrace import Flow, task

@task
def one():
    return 1

one()
"""


def test_version(headrace):
    python = ".".join(map(str, sys.version_info[:3]))
    line = f"headrace {__version__} (Python {python})\n"
    assert headrace("version") == (0, line, "")
    assert headrace("--version") == (0, line, "")


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",)])
def test_help(headrace, args):
    code, out, err = headrace(*args)
    assert (code, err) == (0, "")
    assert "headrace run etl.py" in out
    for command in ("run", "visualize", "config", "version"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", ["run", "visualize", "config", "config list", "config get"])
def test_help_of_commands(headrace, command):
    code, out, err = headrace(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: headrace {command} ")
    if " " not in command:
        assert "\n  Examples:\n    headrace " in out


def test_run(headrace, write):
    code, out, err = headrace("run", write("etl.py"), "-p", "x=4")
    assert (code, err) == (0, "")
    assert "Flow run of 'etl' succeeded after" in out
    assert out.endswith("  3 task runs: 3 success\n")


@pytest.mark.parametrize("executor", ["local", "threads:2", "processes:1"])
def test_run_on_an_executor(headrace, write, executor):
    code, out, err = headrace("run", write("etl.py"), "-p", "x=4", "-e", executor)
    assert (code, err) == (0, "")
    assert "3 task runs: 3 success" in out


def test_quiet_says_nothing_of_a_success(headrace, write):
    assert headrace("run", write("etl.py"), "-p", "x=1", "-q") == (0, "", "")


def test_quiet_says_what_failed(headrace, write):
    code, out, err = headrace("run", write("etl.py"), "-p", "x=word", "--quiet")
    assert (code, err) == (1, "")
    assert "Beginning" not in out
    assert "Traceback (most recent call last):\n" in out
    assert "    add  TypeError: can only concatenate str" in out


def test_log_level(headrace, write):
    code, out, _ = headrace("run", write("etl.py"), "-p", "x=1", "--log-level", "error")
    assert code == 0
    assert "INFO" not in out
    assert "succeeded" in out


def test_parameters_of_a_file_and_of_the_line(headrace, write):
    code = """
    from headrace import Flow, Parameter, task

    @task
    def show(x, y, z):
        print("values", x, y, z)

    with Flow("etl") as flow:
        show(Parameter("x"), Parameter("y"), Parameter("z", default="z"))
    """
    write("p.toml", "x = 1\ny = 'file'\n")
    code, out, _ = headrace("run", write("etl.py", code), "--param-file", "p.toml", "-p", "y=[2]")
    assert code == 0
    assert "values 1 [2] z\n" in out


def test_the_file_sees_itself_as_the_program(headrace, write):
    write("etl.py", "import sys\nassert sys.argv == ['etl.py'], sys.argv\n" + TWO)
    assert headrace("run", "etl.py", "-n", "second")[0] == 0
    assert sys.argv != ["etl.py"]


def test_a_module(headrace, write):
    write("company_flows/__init__.py", "")
    write("company_flows/nightly.py", TWO)
    code, out, err = headrace("run", "-m", "company_flows.nightly:second")
    assert (code, err) == (0, "")
    assert "Flow run of 'second' succeeded" in out
    code, out, err = headrace("run", "-m", "company_flows.nightly", "--name", "first")
    assert (code, err) == (0, "")
    assert "Flow run of 'first' succeeded" in out
    for name in ("company_flows", "company_flows.nightly"):
        del sys.modules[name]


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["rnu"], "There is no command 'rnu'. Did you mean 'run'?"),
        (["xyz"], "There is no command 'xyz'. There are: run, "),
        (["--fast"], "No such option '--fast'."),
        (["run"], "Name the FILE that the flow is in, or a module with -m."),
        (["run", "etl.py", "-m", "etl"], "Give either the file 'etl.py' or the module 'etl'"),
        (["run", "etl.py", "more.py"], "Got unexpected extra argument (more.py)"),
        (["run", "gone.py"], "There is no file gone.py."),
        (["run", "etl"], "There is no file etl. Did you mean etl.py?"),
        (["run", "company.flows"], "no file company.flows. Is it a module? Then: -m company.flows"),
        (["run", "folder"], "The file folder cannot be read: Is a directory."),
        (["run", "-m", "gone"], "There is no module 'gone'."),
        (["run", "-m", "etl.py"], "Is it a file? Then leave out -m."),
        (["run", "empty.py"], "There is no flow in empty.py. A flow has to stand at its top level"),
        (["run", "two.py"], "There are 2 flows in two.py. Choose one with --name: 'first', 's"),
        (["run", "two.py", "-n", "third"], "no flow 'third' in two.py. Flows there: 'first', 's"),
        (["run", "ends.py"], "ends.py ended the process while it was loaded: sys.exit(4)."),
        (["run", "etl.py"], "The flow 'etl' needs a value for: x. Give it with --param x=..."),
        (["run", "etl.py", "-p", "y=1"], "The flow 'etl' has no parameter 'y'. It has: limit, x."),
        (["run", "etl.py", "-p", "x"], "--param 'x' is not of the form NAME=VALUE."),
        (["run", "etl.py", "-p", "x=[1"], "The value of --param x begins like JSON, but is none"),
        (["run", "etl.py", "--param-file", "p.json"], "The parameter file 'p.json' cannot be read"),
        (["run", "etl.py", "-e", "ray"], "There is no executor 'ray'. Use one of: local, threads"),
        (["run", "etl.py", "-e", "threads:x"], "'threads:x' needs a whole number of workers"),
        (
            ["run", "etl.py", "--log-level", "loud"],
            "Invalid value for '--log-level': 'loud' is not",
        ),
        (["run", "etl.py", "-p", "x=1", "--schedule"], "The flow 'etl' has no schedule to follow."),
        (["run", "etl.py", "--parm", "x=1"], "No such option '--parm'."),
        (["run", "cycle.py"], "cycle"),
        (["visualize"], "Name the FILE that the flow is in"),
        (["visualize", "etl.py", "-o", "etl"], "The output 'etl' has no suffix that names a form"),
        (
            ["visualize", "etl.py", "-o", "no/etl.svg"],
            "'no/etl.svg' cannot be written: there is no",
        ),
        (["visualize", "etl.py", "-o", "no/etl.dot"], "'no/etl.dot' cannot be written: No such"),
        (["config", "get", "flows.checkpoint"], "Did you mean 'flows.checkpointing'?"),
        (["config", "get", "zzz"], "There is no setting 'zzz'. List them all: headrace config"),
        (["config", "get", "logging"], "'logging' is a section, not one setting."),
        (["config", "list", "zzz"], "There is no setting 'zzz'."),
    ],
)
def test_wrong_input_gives_one_line(headrace, write, tmp_path, args, complaint):
    write("etl.py")
    write("two.py", TWO)
    write("empty.py", "x = 1\n")
    write("ends.py", "import sys\nsys.exit(4)\n")
    write(
        "cycle.py",
        """
        from headrace import Flow, task
        @task
        def f(x=None): ...
        with Flow("cycle") as flow:
            a, b = f.copy(), f.copy()
            b.set_upstream(a, key="x")
            a.set_upstream(b, key="x")
        """,
    )
    (tmp_path / "folder").mkdir()
    code, out, err = headrace(*args)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_a_file_that_raises_shows_the_users_own_frames(headrace, write, tmp_path):
    code, out, err = headrace("run", write("broken.py", BROKEN))
    assert (code, out) == (2, "")
    # Python 3.13 underlines the whole of a call, too.
    assert err.replace("    f()\n    ~^^\n", "    f()\n") == (
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/broken.py", line 7, in <module>\n'
        "    f()\n"
        f'  File "{tmp_path}/broken.py", line 5, in f\n'
        "    return 1 / 0\n"
        "           ~~^~~\n"
        "ZeroDivisionError: division by zero\n"
        "Error: broken.py raised ZeroDivisionError while it was loaded, so nothing was run.\n"
    )


def test_a_file_that_uses_headrace_wrongly_shows_no_frames_of_libraries(headrace, write, tmp_path):
    wrong = "from headrace.schedules import CronSchedule\nCronSchedule('61 * * * *')\n"
    code, _, err = headrace("run", write("wrong.py", wrong))
    assert code == 2
    assert err.count("File ") == 1
    assert f'File "{tmp_path}/wrong.py", line 2' in err
    assert "croniter" not in err


def test_a_syntax_error_shows_the_line_and_no_frames(headrace, write, tmp_path):
    code, _, err = headrace("run", write("broken.py", "def f(:\n    pass\n"))
    assert code == 2
    assert err.startswith(f'  File "{tmp_path}/broken.py", line 1\n    def f(:\n')
    assert "Traceback" not in err


def test_an_api_that_is_misused_shows_where_it_was_called(headrace, write, tmp_path):
    code, _, err = headrace("run", write("misused.py", MISUSED))
    assert code == 2
    assert f'  File "{tmp_path}/misused.py", line 8, in <module>\n    one()\n' in err
    assert err.count("  File ") == 1
    assert "NotInFlowError: " in err


def test_a_module_that_raises(headrace, write, tmp_path):
    write("broken_module.py", BROKEN)
    code, _, err = headrace("run", "-m", "broken_module")
    assert code == 2
    assert err.startswith(
        f'Traceback (most recent call last):\n  File "{tmp_path}/broken_module.py", line 7'
    )


@pytest.mark.filterwarnings("default")
def test_a_stray_run_is_one_line_of_warning(headrace, write):
    text = TWO + "first.run()\n"
    code, out, err = headrace("run", write("stray.py", text), "-n", "first")
    assert code == 0
    assert err.startswith("Warning: ")
    assert "stray.py:5: flow.run() of 'first' is ignored while its file is loaded" in err
    assert err.count("\n") == 1
    assert out.count("Beginning Flow run") == 1


def test_a_flow_whose_block_is_open_is_refused(headrace, write):
    text = "from headrace import Flow\nflow = Flow('open')\nflow.__enter__()\n"
    code, _, err = headrace("run", write("open.py", text))
    open_flow = current_graph()
    assert open_flow is not None
    open_flow.__exit__(None, None, None)
    assert code == 2
    assert "inside the `with` block" in err


# -- visualize -------------------------------------------------------------------------------


def test_visualize_writes_graphvizs_language_without_graphviz(headrace, write, tmp_path):
    code, out, err = headrace("visualize", write("etl.py"), "-o", "etl.dot")
    assert (code, out, err) == (0, "'etl' is drawn in etl.dot\n", "")
    assert (tmp_path / "etl.dot").read_text().startswith("digraph {")


def test_visualize_prints(headrace, write):
    code, out, err = headrace("visualize", write("etl.py"), "-o", "-")
    assert (code, err) == (0, "")
    assert out.startswith("digraph {")


@pytest.mark.needs("dot")
def test_visualize_draws_an_svg_by_default(headrace, write, tmp_path):
    code, out, _ = headrace("visualize", write("etl.py"))
    assert (code, out) == (0, "'etl' is drawn in etl.svg\n")
    assert "<svg" in (tmp_path / "etl.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etl.py", "etl.svg"]


@pytest.mark.needs("dot")
def test_visualize_a_png(headrace, write, tmp_path):
    assert headrace("visualize", write("etl.py"), "-o", "x.png", "--horizontal")[0] == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


# -- config ----------------------------------------------------------------------------------


def test_config_lists_values_and_where_they_come_from(headrace):
    code, out, err = headrace("config")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line.split() for line in out.splitlines()}
    assert rows["flows.checkpointing"] == ["flows.checkpointing", "false", "default"]
    assert rows["tasks.defaults.max_retries"][1] == "0"
    assert rows["cloud.api_key"][1] == "********"
    assert headrace("config", "list") == (code, out, err)


def test_config_of_a_section(headrace):
    code, out, _ = headrace("config", "list", "tasks")
    assert code == 0
    assert all(line.startswith("tasks.") for line in out.splitlines())


def test_config_get(headrace):
    assert headrace("config", "get", "flows.run_on_schedule") == (0, "true\n", "")
    assert headrace("config", "get", "cloud.api_key") == (0, "********\n", "")


def test_the_scopes_that_a_key_may_have_are_those_of_the_server():
    from headrace.cli.commands.auth_keys import _SCOPES
    from headrace.wire.auth import SCOPES

    assert _SCOPES == SCOPES


@pytest.mark.parametrize(
    "command", [("server", "start", "--port", "0"), ("agent", "local", "start")]
)
def test_a_home_that_cannot_be_written_is_one_line(headrace, write, command):
    home = f"{write('file', 'no folder')}/home"
    with set_temporary_config({"home_dir": os.path.abspath(home)}):
        code, out, err = headrace(*command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "HEADRACE_HOME" in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line(headrace, write, tmp_path):
    agent = tmp_path / "home" / "agents" / "local"
    agent.mkdir(parents=True)
    (agent / "agent.new").symlink_to("/dev/full")
    with set_temporary_config({"home_dir": str(tmp_path / "home")}):
        code, out, err = headrace("agent", "local", "start")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "No space left on device" in err
    assert str(tmp_path / "home") in err


def test_a_file_that_is_no_database_is_one_line(headrace, write):
    url = f"sqlite:///{os.path.abspath(write('notes.db', 'these are my notes'))}"
    code, out, err = headrace("server", "start", "--port", "0", "--database-url", url)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "notes.db cannot be used: file is not a database" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--name", ""), "An agent's name must not be empty"),
        (("--name", "x" * 201), "An agent's name may have 200 characters"),
        (("--label", ""), "A label must not be empty"),
        (("--label", "a\nb"), "A label must not hold the character U+000A"),
        (("--import-path", "nowhere"), "Directory 'nowhere' does not exist"),
    ],
)
def test_what_an_agent_may_not_be_told(headrace, tmp_path, options, said):
    with set_temporary_config({"home_dir": str(tmp_path)}):
        code, out, err = headrace("agent", "local", "start", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_other_terminals_are_to_know_the_port_of_dev(headrace, write):
    code, out, err = headrace("dev", write("etl.py"), "--port", "0")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "0 is not in the range 1<=x<=65535" in err

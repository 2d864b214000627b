import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from headrace import Flow, task
from headrace.core.errors import ArgumentError, CommandError, TaskTypeError
from headrace.engine.timeouts import call_with_timeout
from headrace.signals import FAIL, TaskTimeoutSignal
from headrace.states import Cancelled, Failed, Retrying, Success, TimedOut
from headrace.tasks import ShellTask, processes


def run(*args, call=None, **kwargs):
    """Run a flow of one ShellTask; return the task's state."""
    with Flow("f") as flow:
        one = ShellTask(*args, **kwargs)(**(call or {}))
    return flow.run().result[one]


def alive(pid):
    """Tell whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids, seconds=10.0):
    """Wait until none of these processes is alive."""
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids_in(path, count=3, seconds=20.0):
    """Wait until a command has written the ids of its processes into a file."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = path.read_text().split() if path.exists() else []
        if len(found) == count:
            return [int(pid) for pid in found]
        time.sleep(0.02)
    raise AssertionError("the command did not start")


#: A command with children: one in the background, one that does not heed SIGTERM.
FAMILY = """
sleep 300 & echo $! >> {file}
(trap '' TERM; sleep 300; sleep 300) & echo $! >> {file}
echo $$ >> {file}
sleep 300
"""


class TestOutput:
    @pytest.mark.parametrize(
        ("command", "last", "everything"),
        [
            ("echo hi", "hi", ["hi"]),
            ("echo one; echo two", "two", ["one", "two"]),
            ("echo one; echo two >&2", "two", ["one", "two"]),
            ("true", None, []),
            ("echo one; echo", "", ["one", ""]),
            ("printf 'a\\nb'", "b", ["a", "b"]),
            ("printf 'a\\r\\nb \\t\\r\\n'", "b", ["a", "b"]),
            ("printf '  a\\n'", "  a", ["  a"]),
            ("echo ünï", "ünï", ["ünï"]),
            ("printf 'a\\377b\\n'", "a\N{REPLACEMENT CHARACTER}b", ["a\N{REPLACEMENT CHARACTER}b"]),
        ],
    )
    def test_the_result_is_the_last_line_or_all(self, command, last, everything):
        assert run(command).result == last
        assert run(command, return_all=True).result == everything

    def test_a_long_line_comes_whole(self):
        assert len(run("head -c 300000 /dev/zero | tr '\\0' x").result) == 300_000

    def test_many_lines_come_in_order(self):
        lines = run("seq 20000", return_all=True).result
        assert lines == [str(number) for number in range(1, 20001)]

    def test_it_is_waited_for_even_if_its_output_is_closed_early(self, tmp_path):
        run(f"exec >&- 2>&-; sleep 0.3; touch {tmp_path}/done")
        assert (tmp_path / "done").exists()

    def test_it_has_no_input_to_wait_for(self):
        assert run("cat; echo end").result == "end"


class TestSettings:
    def test_the_command_may_come_with_the_call(self):
        @task
        def name():
            return "World"

        with Flow("f") as flow:
            command = name()
            one = ShellTask()(command=command)
            both = ShellTask("echo no")(command="echo yes")
        state = flow.run()
        assert isinstance(state.result[one], Failed)
        assert state.result[both].result == "yes"

    def test_variables_are_added_to_those_of_the_process(self, monkeypatch):
        monkeypatch.setenv("HR_ONE", "1")
        command = "echo $HR_ONE-$HR_TWO"
        assert run(command, env={"HR_TWO": "2"}).result == "1-2"
        assert run(command, env={"HR_TWO": "2"}, call={"env": {"HR_ONE": "3"}}).result == "3-"

    def test_the_helper_script_comes_first_in_the_same_shell(self):
        script = "greet() { echo hello $1; }\ncd /"
        assert run("greet $PWD", helper_script=script).result == "hello /"
        assert run("false; echo on", helper_script="set -e").is_failed()
        assert run("pwd", call={"helper_script": "cd /"}).result == "/"

    @pytest.mark.parametrize(("shell", "command"), [("sh", "echo 2"), (sys.executable, "print(2)")])
    def test_the_shell_may_be_another_program(self, shell, command):
        assert run(command, shell=shell).result == "2"

    def test_nothing_of_it_is_left_in_the_temporary_directory(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        assert run("echo $0").result.startswith(str(tmp_path))
        run("exit 3")
        assert list(tmp_path.iterdir()) == []


class TestFailure:
    def test_the_exit_code_fails_the_task_with_its_output(self):
        state = run("echo one; echo bad; exit 3")
        assert type(state) is Failed
        assert state.message == "Command failed with exit code 3"
        assert state.result == "bad"
        assert run("echo one; echo bad; exit 3", return_all=True).result == ["one", "bad"]

    def test_a_signal_is_named(self):
        state = run("kill -9 $$")
        assert state.message == "Command failed with exit code -9 (killed by SIGKILL)"

    def test_it_is_retried(self, tmp_path):
        import datetime

        state = run(
            f"echo x >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) = 2",
            max_retries=1,
            retry_delay=datetime.timedelta(0),
        )
        assert type(state) is Success

    def test_its_output_is_logged_if_wanted(self, caplog):
        def lines(**settings):
            caplog.clear()
            with caplog.at_level(logging.ERROR, logger="headrace.ShellTask"):
                run("echo one; echo 100%s; exit 1", **settings)
            return [r.getMessage() for r in caplog.records if r.name == "headrace.ShellTask"]

        message = "Command failed with exit code 1"
        assert message in lines()
        assert "100%s" not in lines()
        assert "100%s" in lines(log_stderr=True)
        assert "one\n100%s" in lines(log_stderr=True, return_all=True)
        assert "100%s" not in lines(log_stderr=True, stream_output="DEBUG")

    def test_no_command_is_an_error(self):
        state = run()
        assert isinstance(state.result, ArgumentError)
        assert "has no command" in str(state.result)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"command": ["ls", "-l"]}, "command of task 'ShellTask' is"),
            ({"command": "ls", "helper_script": 5}, "helper_script of task"),
            ({"command": "ls", "env": ["A=1"]}, "is a list; give a dict"),
            ({"command": "ls", "env": {"A": 5}}, "variable 'A' of task 'ShellTask' is no text"),
        ],
    )
    def test_what_is_no_text_is_an_error(self, arguments, message):
        with pytest.raises(ArgumentError, match=message):
            ShellTask().run(**arguments)

    def test_a_secret_among_the_variables_is_not_shown(self):
        with pytest.raises(ArgumentError) as caught:
            ShellTask().run(command="ls", env={"PIN": 123456})
        assert "123456" not in str(caught.value)

    def test_a_shell_that_is_not_there_is_named(self):
        with pytest.raises(CommandError, match="'no-such-shell' cannot be started: No such file"):
            ShellTask(shell="no-such-shell").run(command="ls")


class TestStreaming:
    @pytest.mark.parametrize(
        ("stream_output", "level"),
        [(True, logging.INFO), ("DEBUG", logging.DEBUG), ("warning", logging.WARNING), (15, 15)],
    )
    def test_lines_are_logged_as_they_come(self, caplog, stream_output, level):
        with caplog.at_level(logging.DEBUG, logger="headrace.ShellTask"):
            run("echo one; echo 100%s", stream_output=stream_output)
        logged = [
            r for r in caplog.records if r.levelno == level and r.name == "headrace.ShellTask"
        ]
        assert [r.getMessage() for r in logged][:2] == ["one", "100%s"]

    def test_before_the_command_ends(self, caplog):
        seen = []

        class Seen(logging.Handler):
            def emit(self, record):
                seen.append((record.getMessage(), time.monotonic()))

        handler = Seen()
        logger = logging.getLogger("headrace.ShellTask")
        logger.addHandler(handler)
        try:
            run("echo one; sleep 0.5; echo two", stream_output=True)
        finally:
            logger.removeHandler(handler)
        times = dict(seen)
        assert times["two"] - times["one"] > 0.3

    @pytest.mark.parametrize("level", ["LOUD", 1.5, [1]])
    def test_what_is_no_level_is_refused(self, level):
        with pytest.raises(TaskTypeError, match="no log level"):
            ShellTask(stream_output=level)


class TestCutShort:
    def test_a_timeout_ends_all_its_processes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(processes, "GRACE", 0.3)
        state = run(FAMILY.format(file=tmp_path / "pids"), timeout=1)
        assert type(state) is TimedOut
        assert gone(pids_in(tmp_path / "pids"), 0)

    def test_processes_may_end_by_themselves_first(self, tmp_path):
        run(f"trap 'touch {tmp_path}/tidy; exit' TERM; sleep 300 & wait", timeout=0.5)
        assert (tmp_path / "tidy").exists()

    def test_a_timeout_reaches_it_in_a_workers_thread_too(self, tmp_path, monkeypatch):
        monkeypatch.setattr(processes, "GRACE", 0.3)
        raised = []

        def work():
            try:
                call_with_timeout(
                    ShellTask().run, {"command": FAMILY.format(file=tmp_path / "pids")}, 1.0
                )
            except TaskTimeoutSignal as timeout:
                raised.append(timeout)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert raised
        assert gone(pids_in(tmp_path / "pids"))

    def test_a_cancelled_run_ends_all_its_processes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(processes, "GRACE", 0.3)
        file = tmp_path / "pids"
        with Flow("f") as flow:
            one = ShellTask()(command=FAMILY.format(file=file))

        def interrupt():
            pids_in(file)
            os.kill(os.getpid(), signal.SIGINT)

        watcher = threading.Thread(target=interrupt)
        watcher.start()
        state = flow.run()
        watcher.join()
        assert isinstance(state, Cancelled)
        assert isinstance(state.result[one], Cancelled)
        assert gone(pids_in(file), 0)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_a_killed_process_leaves_nothing_behind(self, tmp_path, number):
        file, temporary = tmp_path / "pids", tmp_path / "tmp"
        temporary.mkdir()
        program = (
            "from headrace.tasks import ShellTask\n"
            f"ShellTask().run(command={FAMILY.format(file=file)!r})\n"
        )
        runner = subprocess.Popen(
            [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(temporary)}
        )
        try:
            pids = pids_in(file)
            assert all(map(alive, pids))
        finally:
            runner.send_signal(number)
            runner.wait()
        assert gone(pids)
        deadline = time.monotonic() + 5
        while list(temporary.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(temporary.iterdir()) == []

    def test_an_interrupt_while_it_starts_ends_it(self, monkeypatch):
        def late(session, script, start=processes._start_watchdog):
            started.append(session)
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            time.sleep(1)
            return start(session, script)

        def interrupt(signum, frame):
            raise KeyboardInterrupt

        started = []
        monkeypatch.setattr(processes, "_start_watchdog", late)
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                ShellTask().run(command="sleep 300")
        finally:
            signal.signal(signal.SIGALRM, before)
        assert gone(started, 0)

    def test_what_a_command_leaves_in_the_background_stays(self, tmp_path):
        pid = int(run("sleep 300 > /dev/null 2>&1 & echo $!").result)
        try:
            assert alive(pid)
        finally:
            os.kill(pid, signal.SIGKILL)

    def test_no_watchdog_is_left(self):
        before = children()
        for _ in range(3):
            run("true")
            run("false")
        assert children() == before


def children():
    """The ids of this process's children, ended ones that nobody has waited for included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == os.getpid():
            found.add(int(stat.parent.name))
    return found


def test_a_failure_is_a_signal_with_the_output():
    with pytest.raises(FAIL) as caught:
        ShellTask(return_all=True).run(command="echo a; exit 1")
    assert caught.value.state.result == ["a"]


def test_retrying_keeps_what_it_failed_with(caplog):
    import datetime

    states = []
    run(
        "echo bad; exit 1",
        max_retries=1,
        retry_delay=datetime.timedelta(0),
        state_handlers=[lambda t, old, new: states.append(new)],
    )
    (retrying,) = [state for state in states if isinstance(state, Retrying)]
    assert retrying.result == "bad"

import contextlib
import io
import logging
import os
import subprocess
import sys
import threading

import pytest

from headrace.config import config, set_temporary_config
from headrace.config.logging import ContextFilter, RedirectToLog, get_logger, log_stdout_to
from headrace.core.context import context


@pytest.fixture(autouse=True)
def _home(home):
    return home


def in_new_process(code: str, **env: str) -> str:
    """The output of code in a process of its own, where logging has not been set up yet."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | env,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


def test_names():
    assert get_logger().name == "headrace"
    assert get_logger("x").name == "headrace.x"
    assert get_logger("headrace.x") is get_logger("x")
    assert get_logger("headrace") is get_logger()


def test_lines_go_to_stdout_as_the_settings_say(capsys):
    get_logger("x").info("hello")
    get_logger("x").debug("unseen")
    out, err = capsys.readouterr()
    assert out.endswith("] INFO - headrace.x | hello\n")
    assert out.startswith("[20")
    assert err == ""


def test_changes_are_seen_at_once(capsys):
    logger = get_logger("x")
    with set_temporary_config({"logging.level": "DEBUG", "logging.format": "%(message)s!"}):
        logger.debug("one")
    logger.debug("two")
    config.logging.level = "ERROR"
    logger.info("three")
    assert capsys.readouterr().out == "one!\n"


def test_one_handler_however_often_it_is_asked_for():
    threads = [threading.Thread(target=get_logger) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    config.logging.format = "%(message)s"
    config.logging.level = "DEBUG"
    assert len(get_logger().handlers) == 1


def test_the_root_logger_is_left_alone():
    code = (
        "import logging; from headrace.config.logging import get_logger; get_logger('x').info('hi')\n"
        "r = logging.getLogger(); print(r.handlers, r.level, logging.getLogRecordFactory())"
    )
    out = in_new_process(code)
    assert out.endswith("INFO - headrace.x | hi\n[] 30 <class 'logging.LogRecord'>\n")


def test_importing_sets_nothing_up():
    code = (
        "import logging, headrace.config.logging\n"
        "print(logging.getLogger('headrace').handlers, logging.getLogger('headrace').level)"
    )
    assert in_new_process(code) == "[] 0\n"


def test_a_users_own_handler_takes_the_place_of_ours():
    code = (
        "import logging; from headrace.config.logging import get_logger\n"
        "logging.getLogger('headrace').addHandler(logging.NullHandler())\n"
        "get_logger('x').warning('silent')\n"
        "print(len(logging.getLogger('headrace').handlers))"
    )
    assert in_new_process(code) == "1\n"


def test_the_level_from_the_environment():
    code = "from headrace.config.logging import get_logger as g; g().debug('seen')"
    assert "DEBUG - headrace | seen" in in_new_process(code, HEADRACE__LOGGING__LEVEL="debug")


def test_a_level_by_its_number(capsys):
    with set_temporary_config({"logging.level": 25}):
        get_logger("x").log(24, "no")
        get_logger("x").log(25, "yes")
    assert capsys.readouterr().out.count("\n") == 1


def test_extra_loggers_are_shown_too():
    code = (
        "import logging; from headrace.config.logging import get_logger; get_logger()\n"
        "logging.getLogger('lib').info('one'); logging.getLogger('lib.part').info('two')\n"
        "logging.getLogger('other').info('unseen')"
    )
    env = {
        "HEADRACE__LOGGING__EXTRA_LOGGERS": "lib,lib.part,headrace.x",
        "HEADRACE__LOGGING__FORMAT": "%(name)s %(message)s",
    }
    assert in_new_process(code, **env) == "lib one\nlib.part two\n"


def test_lines_carry_the_context(capsys):
    settings = {
        "logging.format": "%(task_name)s %(flow_name)s %(mine)s %(message)s",
        "logging.log_attributes": ["mine"],
    }
    with set_temporary_config(settings):
        with context(task_name="t", mine=5):
            get_logger().info("in")
        get_logger().info("out")
    assert capsys.readouterr().out == "t None 5 in\nNone None None out\n"


def test_another_handler_may_have_the_context_too():
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logging.Formatter("%(task_name)s"))
    handler.addFilter(ContextFilter())
    get_logger().addHandler(handler)
    try:
        with context(task_name="t"):
            get_logger().info("in", extra={"flow_name": "kept"})
    finally:
        get_logger().removeHandler(handler)
    assert lines.getvalue() == "t\n"


def test_redirected_stdout_takes_the_lines():
    lines = io.StringIO()
    with contextlib.redirect_stdout(lines):
        get_logger("x").info("hello")
    assert "hello" in lines.getvalue()


class Lines(logging.Handler):
    def __init__(self, logger):
        super().__init__()
        self.lines = []
        self.logger = logger

    def emit(self, record):
        self.lines.append((record.levelname, record.name, record.getMessage()))

    def __enter__(self):
        self.logger.addHandler(self)
        return self.lines

    def __exit__(self, *_):
        self.logger.removeHandler(self)


def test_redirect_to_log():
    with Lines(get_logger("stdout")) as lines:
        stream = RedirectToLog()
        stream.write("one\n\n  \ntwo %s")
        assert [line[2] for line in lines] == ["one"]
        stream.flush()
        stream.flush()
    assert lines == [
        ("INFO", "headrace.stdout", "one"),
        ("INFO", "headrace.stdout", "two %s"),
    ]
    assert stream.writable()
    assert not stream.isatty()
    with pytest.raises(TypeError, match="takes strings, not bytes"):
        stream.write(b"x")


def test_a_plain_redirection_into_the_log_does_not_go_round_in_circles(capsys):
    with set_temporary_config({"logging.format": "%(name)s %(message)s"}):
        with contextlib.redirect_stdout(RedirectToLog(get_logger("t"))):
            print("a", "b")
    assert capsys.readouterr().out == "headrace.t a b\n"


def test_log_stdout_is_of_this_context_alone(capsys):
    before = sys.stdout
    entered, printed = threading.Barrier(2), threading.Barrier(2)

    def work(name):
        with log_stdout_to(get_logger(name)):
            entered.wait(10)
            print("from", name)
            printed.wait(10)

    with Lines(get_logger()) as lines:
        threads = [threading.Thread(target=work, args=(name,)) for name in ("p", "q")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(lines) == [("INFO", "headrace.p", "from p"), ("INFO", "headrace.q", "from q")]
    assert sys.stdout is before


def test_other_threads_print_where_they_always_did(capsys):
    with Lines(get_logger()) as lines, log_stdout_to(get_logger("t")):
        print("begun", end="")
        thread = threading.Thread(target=print, args=("elsewhere",))
        thread.start()
        thread.join()
    assert capsys.readouterr().out.splitlines()[0] == "elsewhere"
    assert lines == [("INFO", "headrace.t", "begun")]


def test_stdout_is_put_back_after_an_error():
    before = sys.stdout
    with pytest.raises(ValueError), log_stdout_to(get_logger("t")):
        with log_stdout_to(get_logger("u")):
            raise ValueError
    assert sys.stdout is before

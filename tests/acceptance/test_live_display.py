"""The live display, as a person at a terminal sees it."""

import re
import time

import pytest

LOAD = """
import time
from headrace import Flow, Parameter, task

@task
def numbers(n):
    return list(range(n))

@task
def fetch(x):
    if x == 3:
        print("a line from a task")
        fetch.logger.info("a log line")
    time.sleep(0.02)
    return x

@task
def load(x):
    if x == 7:
        raise ValueError("bad row 7\\nsecond line")
    return x

@task
def total(xs):
    return sum(xs)

with Flow("nightly") as flow:
    total(load.map(fetch.map(numbers(Parameter("n", default=90)))))
"""
SUMMARY = [
    "  181 success   1 failed   1 trigger failed",
    "",
    "  load[7]  ValueError: bad row 7",
    "  1 did not run, because of that: total",
]


@pytest.fixture
def load(write):
    return write("load.py", LOAD)


@pytest.mark.parametrize("executor", ["local", "threads:2", "processes:2"])
def test_a_run(on_terminal, load, executor):
    run = on_terminal("run", load, "-e", executor, columns=160)
    assert run.end() == 1
    terminal = run.terminal

    # While it ran: bars that grow, counts, and the time.
    text = "\n".join("\n".join(frame) for frame in terminal.frames)
    done = [
        int(n) for n in re.findall(r"^nightly +[━╸╺]+ +(\d+) of 183  0:00:0\d$", text, re.MULTILINE)
    ]
    assert len(set(done)) >= 4
    assert done == sorted(done)
    assert re.search(r"^  fetch +[━╸╺]+ +\d+ of 90$", text, re.MULTILINE)
    assert re.search(r"^\d+ success   1 failed   [12] running$", text, re.MULTILINE)

    # What was printed and logged stands above it, in order, whole, and once.
    shown = terminal.text.split("\n")
    assert shown.count("a line from a task") == 1
    assert (
        sum(bool(re.fullmatch(r"\d\d:\d\d:\d\d fetch\[3\]  a log line", line)) for line in shown)
        == 1
    )
    failed = next(n for n, line in enumerate(shown) if "✗ load[7]" in line)
    assert shown[failed].endswith("✗ load[7]  ValueError: bad row 7")
    assert re.fullmatch(r' {11}File ".*load.py", line 20, in load', shown[failed + 1])
    assert shown[failed + 2 : failed + 4] == [
        '             raise ValueError("bad row 7\\nsecond line")',
        "           second line",
    ]

    # At the end the summary, and nothing of the bars.
    assert re.fullmatch(r"✗ nightly failed  \S+ m?s", shown[-5])
    assert shown[-4:] == SUMMARY
    assert "━" not in terminal.text
    assert terminal.cursor_is_visible


def test_the_region_does_not_flicker(on_terminal, load):
    begun = time.monotonic()
    run = on_terminal("run", load)
    run.end()
    took = time.monotonic() - begun
    frames = run.terminal.frames
    with_bar = [n for n, frame in enumerate(frames) if any("━" in line for line in frame)]
    # Once it is there it stays, until it goes for good.
    assert with_bar == list(range(with_bar[0], with_bar[-1] + 1))
    # It is drawn about ten times a second, not for each of 183 task runs.
    assert len(frames) < 15 * took
    # An empty line keeps it apart from what is above it.
    for number in with_bar:
        frame = frames[number]
        top = next(n for n, line in enumerate(frame) if line.startswith("nightly "))
        assert frame[top - 1] == ""


def test_a_short_run_shows_no_bar_at_all(on_terminal, load):
    for _ in range(20):
        run = on_terminal("run", load, "-p", "n=2")
        assert run.end() == 0
        said = re.fullmatch(r"\n✓ nightly succeeded  (\S+ m?s)\n  7 success", run.terminal.text)
        assert said, run.terminal.text
        number, unit = said[1].split()
        if unit == "ms" and int(number) < 150:  # what takes longer may be too long for none
            break
    else:
        pytest.fail(f"it is never short on this machine: the last took {said[1]}")
    assert "━" not in "\n".join("\n".join(frame) for frame in run.terminal.frames)


def test_ctrl_c(on_terminal, write):
    code = """
    import time
    from headrace import Flow, task

    @task
    def numbers():
        return list(range(9))

    @task
    def nap(x):
        time.sleep(0 if x == 0 else 30)

    with Flow("sleepy") as flow:
        nap.map(numbers())
    """
    run = on_terminal("run", write("sleepy.py", code))
    run.until(lambda: any("1 running" in line for line in run.terminal.lines))
    run.type("\x03")
    assert run.end() == 130
    shown = run.terminal.text.split("\n")
    assert re.fullmatch(r"\d\d:\d\d:\d\d ! The run was interrupted\. The .* cancelled\.", shown[-5])
    assert re.fullmatch(r"■ sleepy was cancelled  \S+ m?s", shown[-3])
    assert shown[-2:] == ["  The run was interrupted.", "  2 success   8 cancelled"]
    assert "Traceback" not in run.terminal.text
    assert run.terminal.cursor_is_visible


def test_a_task_can_ask_the_person(on_terminal, write):
    code = """
    import time
    from headrace import Flow, task

    @task
    def ask():
        time.sleep(0.5)
        name = input("name? ")
        time.sleep(0.5)
        print("hello", name)

    with Flow("asks") as flow:
        ask()
    """
    run = on_terminal("run", write("asks.py", code))
    run.until(lambda: any("━" in line for line in run.terminal.lines))
    run.until(lambda: run.terminal.lines[-1:] == ["name?"])
    assert run.terminal.cursor_is_visible
    run.type("Ada\n")
    assert run.end() == 0
    assert run.terminal.text.startswith("name? Ada\nhello Ada\n")


def test_other_processes_write_above_the_bar(on_terminal, write):
    code = """
    import subprocess, sys, time
    from headrace import Flow, task

    @task
    def child():
        time.sleep(0.5)
        subprocess.run(["sh", "-c", "echo out; sleep 0.3; echo err >&2; sleep 0.3"], check=True)

    with Flow("parents") as flow:
        child()
    """
    run = on_terminal("run", write("parents.py", code))
    assert run.end() == 0
    assert run.terminal.text.startswith("out\nerr\n\n✓ parents succeeded")
    assert "\nparents  " in "\n".join("\n".join(frame) for frame in run.terminal.frames)


def test_a_paused_task_is_asked_about(on_terminal, write):
    code = """
    from headrace import Flow, task
    from headrace.triggers import manual_only

    @task
    def one():
        return 1

    @task(trigger=manual_only)
    def release(x):
        print("released")

    with Flow("release") as flow:
        release(one())
    """
    run = on_terminal("run", write("release.py", code))
    run.until(lambda: "enter 'y' to resume" in run.terminal.text)
    assert "… release is not finished" in run.terminal.text
    run.type("y\n")
    assert run.end() == 0
    assert "released\n" in run.terminal.text
    assert "✓ release succeeded" in run.terminal.text


@pytest.mark.parametrize("args", [["--no-progress"], ["-q"]])
def test_a_terminal_without_the_display(on_terminal, load, args):
    run = on_terminal("run", load, "-p", "n=2", *args)
    assert run.end() == 0
    assert b"\x1b" not in run.raw
    assert ("succeeded" in run.terminal.text) is (args == ["--no-progress"])


def test_a_narrow_terminal(on_terminal, load):
    run = on_terminal("run", load, columns=30, rows=8)
    assert run.end() == 1
    assert any("of 183" in line for frame in run.terminal.frames for line in frame)
    # Where its last line is broken depends on how long the run took.
    assert "".join(run.terminal.lines).replace(" ", "").endswith("that:total")


def test_a_users_own_format_of_log_lines_stands(on_terminal, load, monkeypatch):
    monkeypatch.setenv("HEADRACE__LOGGING__FORMAT", "mine %(message)s")
    run = on_terminal("run", load, "-p", "n=4")
    assert run.end() == 0
    assert "mine a log line\n" in run.terminal.text


def test_no_color(on_terminal, load, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    run = on_terminal("run", load)
    assert run.end() == 1
    assert b"[31m" not in run.raw
    assert b"[1;31m" not in run.raw
    assert any("of 183" in line for frame in run.terminal.frames for line in frame)

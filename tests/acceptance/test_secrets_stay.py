"""No key and no token gets into a log, a record or a database, however much is logged."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import textwrap
from pathlib import Path
from typing import Any

from tests.support.agents import running_agent
from tests.support.servers import PROGRAM, running_server

LOUD = {"HEADRACE__LOGGING__LEVEL": "DEBUG"}
FLOW = """
    import os
    from headrace import Flow, context, task

    @task(log_stdout=True)
    def look():
        print("a token of", len(os.environ["HEADRACE_RUN_TOKEN"]), "characters")
        assert "HEADRACE_API_KEY" not in os.environ

    @task
    def fails(x):
        raise ValueError("on purpose")

    with Flow("looks") as flow:
        fails(look())
"""


def test_keys_and_tokens_are_in_no_log_and_no_database(tmp_path: Path) -> None:
    (tmp_path / "looks.py").write_text(textwrap.dedent(FLOW))
    with running_server(env=LOUD) as server:

        def call(*arguments: str, key: str = "", code: int = 0) -> str:
            done = subprocess.run(
                [PROGRAM, *arguments],
                env={**os.environ, **server.env, "HEADRACE_API_KEY": key},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            said = done.stdout + done.stderr
            assert done.returncode == code, said
            return said

        def made(*arguments: str, key: str = "") -> Any:
            return json.loads(call("auth", "create-key", *arguments, "--json", key=key))["secret"]

        secrets = {
            "the wrong key": "hr_not-a-key-of-this-server-at-all",
            "the admin's key": made("--local", "--scope", "admin"),
        }
        key = secrets["the admin's key"]
        secrets["the agent's key"] = made("--scope", "agent", key=key)
        secrets["a variable of the agent"] = "only-for-the-eyes-of-runs"
        env = {"HEADRACE_API_KEY": secrets["the agent's key"], **LOUD}
        given = ["--env", "MINE=only-for-the-eyes-of-runs"]
        with running_agent(server, "here", options=given, env=env):
            call("project", "create", "etl", key=key)
            call("register", "-p", "looks.py", "--project", "etl", "--label", "here", key=key)
            watch = ("run", "--project", "etl", "--name", "looks", "--watch")
            said = call(*watch, key=key, code=1)
            assert "on purpose" in said and "characters" in said
            said += call(*watch, key=secrets["the wrong key"], code=2)
        files = {file: file.read_bytes() for file in server.home.rglob("*") if file.is_file()}
        for file, data in files.items():
            if file.name == "run.json":  # what the run's own process is told, and nobody else
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
                secrets["the run's token"] = json.loads(data)["token"]
        assert "the run's token" in secrets
        for what, secret in secrets.items():
            assert secret not in said, f"{what} is shown"
            for file, data in files.items():
                found = secret.encode() in data
                assert not found or file.name == "run.json", f"{what} is in {file}"


SECRETS = """
    import datetime
    from headrace import Flow, context, task, unmapped
    from headrace.results import LocalResult
    from headrace.secrets import Secret
    from headrace.tasks.secrets import EnvVarSecret, PrefectSecret

    @task(max_retries=1, retry_delay=datetime.timedelta(0))
    def uses(password, token):
        own = Secret("OWN").get()
        if context.task_run_count == 1:
            raise ValueError(f"tried with {len(password)}, {len(token)} and {len(own)} characters")
        return len(password)

    @task
    def each(x, password):
        return x + len(password)

    with Flow("keeps", result=LocalResult()) as flow:
        password = PrefectSecret("PASSWORD")
        token = EnvVarSecret("MY_TOKEN", raise_if_missing=True)
        uses(password, token)
        each.map([1, 2], unmapped(password))
"""


def test_values_of_secrets_are_nowhere_and_files_are_private(tmp_path: Path) -> None:
    (tmp_path / "keeps.py").write_text(textwrap.dedent(SECRETS))
    values = {
        "HEADRACE__CONTEXT__SECRETS__PASSWORD": "swordfish-and-nothing-but",
        "HEADRACE__CONTEXT__SECRETS__OWN": "own-of-the-task-and-nobody",
        "MY_TOKEN": "token-that-is-a-variable",
    }
    home = tmp_path / "home"
    with running_server(home=None, env={**LOUD, "HEADRACE_HOME": str(home)}) as server:

        def call(*arguments: str) -> str:
            # Whoever registers has the secrets too, as far as the environment goes.
            done = subprocess.run(
                [PROGRAM, *arguments],
                env={**os.environ, **server.env, **values},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout + done.stderr

        given = [part for name, value in values.items() for part in ("--env", f"{name}={value}")]
        with running_agent(server, "here", options=given, env=LOUD):
            said = call("project", "create", "etl")
            said += call("register", "-p", "keeps.py", "--project", "etl", "--label", "here")
            said += call("run", "--project", "etl", "--name", "keeps", "--watch")
            assert "tried with 25, 24 and 26 characters" in said
        kept = [*home.rglob("*"), *server.home.rglob("*")]
        files = {file: file.read_bytes() for file in kept if file.is_file()}
        assert any("runs" in file.parts for file in files)
        assert any("checkpoints" in file.parts for file in files)
        for value in values.values():
            assert value not in said
            assert [file for file, data in files.items() if value.encode() in data] == []
        # Others do not get as far as to any of them.
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        for file in home.rglob("*"):
            if file.name in ("run.json", "headrace.db", "headrace.db-wal", "stdout", "stderr"):
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            if file.suffix == ".sock":
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

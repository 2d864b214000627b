"""Installing the alias changes a process for good, so each test runs its code in a fresh one."""

import json
import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def run_python(tmp_path):
    """Return a function that runs code in a fresh process, in an empty home.

    Lines that the code prints by `show(value)` are returned, as values.
    """
    home = tmp_path / "home"
    home.mkdir()

    def run(code, *, path=(), check=True, **variables):
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HEADRACE", "PREFECT", "PYTHON"))
        }
        environment |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, path))}
        head = "import json\ndef show(value): print('>>>', json.dumps(value))\n"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", head + textwrap.dedent(code)],
            cwd=tmp_path,
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        run.output = done.stdout + done.stderr
        return [
            json.loads(line.removeprefix(">>> "))
            for line in done.stdout.splitlines()
            if line.startswith(">>> ")
        ]

    run.home = home
    return run


@pytest.fixture
def real_prefect(tmp_path):
    """Return a folder with a package named `prefect`, as if the real one were installed."""
    package = tmp_path / "site" / "prefect"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '3.0.0'\n")
    (package / "flows.py").write_text("")
    return package.parent


@pytest.fixture
def flow_module(tmp_path):
    """Return a folder with a module `etl` of Prefect 1, whose flow's task refers to it by name."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "etl.py").write_text(
        textwrap.dedent(
            """
            from prefect import Flow, task


            def where():
                return Flow.__module__


            @task
            def find():
                return where()


            with Flow("etl") as flow:
                found = find()
            """
        )
    )
    return folder

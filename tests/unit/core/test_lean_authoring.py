"""Importing Headrace and building a flow must stay cheap, so heavy modules are left alone."""

import subprocess
import sys

PROGRAM = """
import sys
before = set(sys.modules)
from headrace import Flow, Parameter, Task, flatten, tags, task, unmapped

@task
def inc(x, y=1, *, z=2, **rest):
    return x + y

@task(tags=["a"])
def pair(x) -> "tuple[int, int]":
    return x, x

class Add(Task[int]):
    def run(self, x, y):
        return x + y

with Flow("lean") as flow:
    with tags("b"):
        one = inc(Parameter("p", default=1), other=5)
    first, second = pair([one, {"k": one}])
    Add()(first + 1, second[0:2])
    inc.map(flatten([[1], [2]]), unmapped(one))
flow.validate()
print(*sorted(set(sys.modules) - before))
"""

HEAVY = {
    "asyncio",
    "cloudpickle",
    "concurrent.futures",
    "croniter",
    "dask",
    "dataclasses",
    "dateutil",
    "graphviz",
    "inspect",
    "json",
    "msgspec",
    "multiprocessing",
    "pathlib",
    "tempfile",
    "uuid",
}


def test_building_a_flow_imports_nothing_heavy():
    # Isolated (-I) and without site (-S), so that nothing but the program itself imports.
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{PROGRAM}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    imported = set(ran.stdout.split())
    assert "headrace.core.graph" in imported
    assert imported & HEAVY == set()

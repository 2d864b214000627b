"""Flow files of Prefect 1 on workers that were started without knowing of the alias."""

import json
import os
import subprocess
import sys
import textwrap

CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
MODULE = """
import prefect
from prefect import Flow, Task, task
from prefect.engine.signals import SKIP


class OfAClass(Task):
    def run(self, x):
        return [x, prefect.context.map_index]


@task
def of_a_function(x):
    import prefect.engine.signals as signals_over_there

    if x == 2:
        raise signals_over_there.SKIP("two")
    return [x, prefect.context.task_name]


with Flow("far away") as flow:
    by_class = OfAClass(name="of a class").map([1, 2])
    by_function = of_a_function.map([1, 2])
"""
RUN = """
import json, sys
import headrace.compat.prefect
import module_of_flows
from prefect.executors import DaskExecutor

flow = module_of_flows.flow
flow.executor = DaskExecutor(address=sys.argv[1])
state = flow.run()
found = {
    task.name: [
        [type(child).__name__, None if child.is_skipped() else child.result]
        for child in task_state.map_states
    ]
    for task, task_state in state.result.items()
    if task_state.is_mapped()
}
print("\\n" + json.dumps(found))
"""


def test_a_cluster_that_knows_nothing_runs_them(tmp_path):
    (tmp_path / "module_of_flows.py").write_text(MODULE)
    (tmp_path / "cluster.py").write_text(CLUSTER)
    (tmp_path / "run.py").write_text(textwrap.dedent(RUN))
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HEADRACE", "PREFECT"))
    }
    cluster = subprocess.Popen(
        [sys.executable, "cluster.py"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    try:
        run = subprocess.run(
            [sys.executable, "run.py", cluster.stdout.readline().strip()],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        cluster.stdin.close()
        cluster.wait(30)
        cluster.stdout.close()
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {
        "of a class": [["Success", [1, 0]], ["Success", [2, 1]]],
        "of_a_function": [["Success", [1, "of_a_function"]], ["Skipped", None]],
    }

"""Asks the alias for all that `api-surface.md` lists, and prints what it finds as JSON.

Run in a process of its own: what installs the alias stays installed.
"""

import datetime
import inspect
import json
from importlib import import_module

import surface

import headrace.compat.prefect  # noqa: F401 - the import is what installs it


def by_attributes(path):
    """Follow a dotted path from `import prefect` alone."""
    first, *rest = path.split(".")
    found = import_module(first)
    for name in rest:
        found = getattr(found, name)
    return found


def by_import(path):
    """Do `from module import name`."""
    module, _, name = path.rpartition(".")
    namespace = {}
    exec(f"from {module} import {name}", namespace)
    return namespace[name]


def arguments(found):
    """Return the arguments of what is called, as `surface.arguments` does."""
    shown = []
    for parameter in inspect.signature(found).parameters.values():
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = parameter.default
        if default is parameter.empty:
            default = surface.REQUIRED
        elif not isinstance(default, bool | int | float | str | None):
            default = surface.SOME
        shown.append([star + parameter.name, default, parameter.kind.name])
    return shown


def look_up(name, path):
    try:
        found = by_attributes(path)
    except AttributeError as error:
        return {
            "missing": str(error),
            "kind": type(error).__name__,
            "imported": _import_error(path),
        }
    module = getattr(found, "__module__", "") or ""
    answer = {"module": module, "is_class": isinstance(found, type)}
    if path.rpartition(".")[0].rpartition(".")[2].islower():
        answer["same"] = by_import(path) is found
    if name.arguments is not None and not issubclass(
        found if isinstance(found, type) else object, BaseException
    ):
        answer["arguments"] = arguments(found)
    return answer


def _import_error(path):
    try:
        by_import(path)
    except ImportError as error:
        return [type(error).__name__, str(error)]
    return None


def instances():
    """Make one of each class whose members the page lists."""
    import prefect
    from prefect.core import Edge, Flow, Parameter, Task
    from prefect.engine import FlowRunner, TaskRunner, results, signals, state
    from prefect.schedules import clocks

    flow = Flow("a flow")
    task, other = Task(name="a task"), Task(name="another")
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    return {
        "prefect.core.flow.Flow": flow,
        "prefect.core.task.Task": task,
        "prefect.core.parameter.Parameter": Parameter("p"),
        "prefect.core.edge.Edge": Edge(task, other),
        "prefect.engine.state.State": state.State(),
        "prefect.engine.state.Mapped": state.Mapped(),
        "prefect.engine.state.Retrying": state.Retrying(),
        "prefect.engine.state.Scheduled": state.Scheduled(),
        "prefect.engine.state.Looped": state.Looped(),
        "prefect.engine.state.Queued": state.Queued(),
        "prefect.engine.result.base.Result": prefect.engine.result.Result(),
        "prefect.engine.results.local_result.LocalResult": results.LocalResult(),
        "prefect.engine.flow_runner.FlowRunner": FlowRunner(flow),
        "prefect.engine.task_runner.TaskRunner": TaskRunner(task),
        "prefect.engine.signals.FAIL": signals.FAIL(),
        "prefect.engine.serializers.Serializer": prefect.engine.serializers.JSONSerializer(),
        "prefect.schedules.schedules.Schedule": prefect.schedules.Schedule([]),
        "prefect.schedules.clocks.ClockEvent": clocks.ClockEvent(now),
        "prefect.schedules.clocks.IntervalClock": clocks.IntervalClock(day),
        "prefect.schedules.clocks.CronClock": clocks.CronClock("0 0 * * *"),
        "prefect.schedules.clocks.DatesClock": clocks.DatesClock([now]),
        "prefect.executors.base.Executor": prefect.executors.Executor(),
        "prefect.executors.dask.DaskExecutor": prefect.executors.DaskExecutor(),
        "prefect.executors.dask.LocalDaskExecutor": prefect.executors.LocalDaskExecutor(),
        "prefect.utilities.context.Context": prefect.context,
        "prefect.utilities.collections.DotDict": prefect.utilities.collections.DotDict(),
        "prefect.client.secrets.Secret": prefect.client.Secret("s"),
        "prefect.run_configs.local.LocalRun": prefect.run_configs.LocalRun(),
        "prefect.run_configs.docker.DockerRun": prefect.run_configs.DockerRun(),
        "prefect.run_configs.kubernetes.KubernetesRun": prefect.run_configs.KubernetesRun(),
        "prefect.run_configs.ecs.ECSRun": prefect.run_configs.ECSRun(),
        "prefect.storage.base.Storage": prefect.storage.Local(),
        "prefect.storage.docker.Docker": prefect.storage.Docker(),
        "prefect.tasks.shell.ShellTask": prefect.tasks.shell.ShellTask(),
    }


def members(page):
    made = instances()
    found = {}
    for path, listed in page.members.items():
        if path in made:
            found[path] = {
                name: arguments(getattr(made[path], name))
                if called is not None
                else hasattr(made[path], name)
                for name, called in listed
            }
    return found


def context_keys():
    """Return the keys that a task finds in the context."""
    import prefect
    from prefect import Flow, task

    @task
    def look():
        if prefect.context.get("task_loop_count") is None:
            raise prefect.engine.signals.LOOP(result=1)
        return list(prefect.context)

    with Flow("looks") as flow:
        looked = look()
    return flow.run().result[looked].result


def setting(key):
    import prefect

    found = prefect.config
    for part in key.split("."):
        found = getattr(found, part)
    return type(found).__name__


if __name__ == "__main__":
    page = surface.read()
    print(
        json.dumps(
            {
                "paths": {path: look_up(name, path) for name in page.names for path in name.paths},
                "members": members(page),
                "context": context_keys(),
                "config": {key: setting(key) for key in page.config_keys},
            }
        )
    )

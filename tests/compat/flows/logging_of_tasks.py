"""Log lines, printed lines that become log lines, and names of task runs."""

import logging

import prefect
from prefect import Flow, Parameter, Task, task
from prefect.utilities.logging import get_logger

record = []


class Keep(logging.Handler):
    def emit(self, line):
        text = line.getMessage().strip()
        if text.split(" ", 1)[0] in ("printed", "an", "a", "from"):
            record.append([line.levelname, text])


@task(log_stdout=True, name="printer")
def prints(x):
    print(f"printed {x}")
    print()
    return x


@task(name="quiet")
def logs():
    logger = prefect.context["logger"]
    logger.info("an info of a %s", "task")
    logger.warning("a warning")


class Talker(Task):
    def run(self):
        self.logger.error("an error")
        get_logger("mine").info("from %s", prefect.context.task_name)


@task(task_run_name="run of {x}")
def named(x):
    return prefect.context.task_run_name


@task(task_run_name=lambda **kwargs: f"number {kwargs['x']} at {kwargs['map_index']}")
def named_by_function(x):
    return prefect.context.get("task_run_name")


with Flow("logging") as flow:
    x = Parameter("x", default=5)
    printed = prints(x)
    talked = Talker()(upstream_tasks=[printed])
    logged = logs(upstream_tasks=[talked])
    a = named(x)
    b = named_by_function.map([x, 7])

if __name__ == "__main__":
    # The root logger of this library, whatever its name is.
    root = get_logger()
    keep = Keep()
    root.addHandler(keep)
    state = flow.run()
    root.removeHandler(keep)

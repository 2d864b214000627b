"""Every trigger, over successes, failures and skips, mapped ones too."""

from prefect import Flow, task, triggers
from prefect.engine.signals import SKIP, TRIGGERFAIL
from prefect.triggers import some_failed, some_successful


@task
def good():
    return 1


@task
def bad():
    raise ValueError("bad")


@task
def skip():
    raise SKIP


@task
def ids():
    return [0, 1, 2, 3]


@task
def odd_fails(n):
    if n % 2:
        raise ValueError(n)
    return n


def more_than_half(upstream_states):
    states = list(upstream_states.values())
    return sum(s.is_successful() for s in states) > len(states) / 2


def refuses(upstream_states):
    raise TRIGGERFAIL("I never agree")


def broken(upstream_states):
    raise ZeroDivisionError("a fault in the trigger")


def names_only(upstream_states):
    return {edge.upstream_task.name for edge in upstream_states} == {"good", "bad"}


ALL = {
    "all_successful": triggers.all_successful,
    "all_failed": triggers.all_failed,
    "all_finished": triggers.all_finished,
    "always_run": triggers.always_run,
    "any_successful": triggers.any_successful,
    "any_failed": triggers.any_failed,
    "not_all_skipped": triggers.not_all_skipped,
    "some_failed": some_failed(at_least=1),
    "some_failed_at_most": some_failed(at_most=1),
    "some_successful_half": some_successful(at_least=0.5),
    "some_successful_both": some_successful(at_least=1, at_most=2),
    "more_than_half": more_than_half,
    "refuses": refuses,
    "broken": broken,
    "names_only": names_only,
}


@task
def done():
    return "ran"


with Flow("triggers") as flow:
    g, b, s = good(), bad(), skip()
    mapped = odd_fails.map(ids())
    for name, trigger in ALL.items():
        patient = {"trigger": trigger, "skip_on_upstream_skip": False}
        done(task_args={"name": f"{name} of good", **patient}, upstream_tasks=[g])
        done(task_args={"name": f"{name} of bad", **patient}, upstream_tasks=[b])
        done(task_args={"name": f"{name} of skip", **patient}, upstream_tasks=[s])
        done(task_args={"name": f"{name} of both", **patient}, upstream_tasks=[g, b])
        done(task_args={"name": f"{name} of three", **patient}, upstream_tasks=[g, b, s])
        done(task_args={"name": f"{name} of mapped", **patient}, upstream_tasks=[mapped])
        done(task_args={"name": f"{name} of nothing", "trigger": trigger})
    impatient = done(
        task_args={"name": "skipped first", "trigger": triggers.all_finished}, upstream_tasks=[s, b]
    )

if __name__ == "__main__":
    state = flow.run()

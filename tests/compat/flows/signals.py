"""States by signal: skip, fail, succeed, retry, and what that does downstream."""

import pendulum
from prefect import Flow, task
from prefect.engine import signals
from prefect.engine.signals import FAIL, SKIP, SUCCESS
from prefect.engine.state import Failed, Success
from prefect.triggers import all_failed, all_finished

record = []


@task
def skipper():
    raise SKIP("nothing to do today")


@task
def after(x):
    return f"after {x}"


@task(skip_on_upstream_skip=False)
def undeterred(x):
    return f"x was {x}"


@task
def early():
    raise SUCCESS("done early", result=42)


@task
def failing():
    raise FAIL(message="not good enough", result={"score": 3})


@task
def invalid():
    raise signals.VALIDATIONFAIL("out of range")


@task
def untriggered():
    raise signals.TRIGGERFAIL("no")


@task
def retry_once():
    import prefect

    if prefect.context.task_run_count == 1:
        raise signals.RETRY("once more", start_time=pendulum.now("utc"))
    return prefect.context.task_run_count


@task
def caught():
    try:
        raise SKIP("not an Exception")
    except Exception:
        return "swallowed"


@task(trigger=all_failed)
def alarm(x):
    return "alarm"


@task(trigger=all_finished)
def close(x, y):
    return [x is None, y]


@task
def classes():
    record.append(signals.signal_from_state(Failed()).__name__)
    record.append(signals.signal_from_state(Success()).__name__)
    try:
        raise FAIL("why")
    except FAIL as signal:
        record.append([type(signal.state).__name__, signal.state.message, list(signal.args)])
    return issubclass(FAIL, BaseException) and not issubclass(FAIL, Exception)


with Flow("signals") as flow:
    s = skipper()
    skipped = after(s)
    ran = undeterred(s)
    e = early()
    after_early = after(e)
    f = failing()
    not_run = after(f)
    warned = alarm(f)
    v = invalid()
    t = untriggered()
    r = retry_once()
    c = caught()
    closed = close(s, e)
    checked = classes()

if __name__ == "__main__":
    state = flow.run()
    record.append(state.result[f].message)
    record.append(state.result[s].message)
    record.append(state.result[v].is_failed())

"""States as values: their classes, questions, equality, messages and stored forms."""

import pendulum
from prefect import Flow, task
from prefect.engine import signals
from prefect.engine.result import NoResultType, Result
from prefect.engine.state import (
    Cached,
    Cancelled,
    Failed,
    Finished,
    Looped,
    Mapped,
    Paused,
    Pending,
    Queued,
    Resume,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    State,
    Success,
    TimedOut,
    TriggerFailed,
    ValidationFailed,
)

record = []
ALL = [
    Cached,
    Cancelled,
    Failed,
    Finished,
    Looped,
    Mapped,
    Paused,
    Pending,
    Resume,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    Success,
    TimedOut,
    TriggerFailed,
    ValidationFailed,
]
QUESTIONS = [
    "is_cached",
    "is_failed",
    "is_finished",
    "is_looped",
    "is_mapped",
    "is_meta_state",
    "is_pending",
    "is_queued",
    "is_retrying",
    "is_running",
    "is_scheduled",
    "is_skipped",
    "is_submitted",
    "is_successful",
]

for cls in ALL:
    state_of_cls = cls("a message")
    answers = [question for question in QUESTIONS if getattr(state_of_cls, question)()]
    parents = sorted(parent.__name__ for parent in cls.parents())
    record.append([cls.__name__, answers, parents, state_of_cls.message, cls.color[0]])

record.append(sorted(set(State.children(names_only=True)) & {cls.__name__ for cls in ALL}))
record.append(sorted(cls.__name__ for cls in Success.children(include_self=True)))
record.append([Failed.color != Success.color, len(set(State.children())) == len(State.children())])
record.append([Success(result=1) == Success(result=1), Success(result=1) == Success(result=2)])
record.append([Success("a") == Success("b"), Success() == Finished(), Failed() == Success()])
record.append([Success(result=1).result, Failed("why", result=ValueError("x")).result.args[0]])
record.append([Success().message, Success().result, Success().context, repr(Success("fine"))])
record.append([Mapped(map_states=[Success(result=1), Failed()]).n_map_states, Mapped().map_states])
record.append([Mapped(n_map_states=5).n_map_states, Looped(loop_count=3).loop_count])
record.append([Retrying(run_count=4).run_count, Paused().start_time])
start = pendulum.datetime(2024, 1, 2, tz="UTC")
record.append([Scheduled(start_time=start).start_time == start, Resume().start_time is not None])
record.append(Cached(cached_result_expiration=start, cached_parameters={"x": 1}).cached_parameters)

wrapped = Queued(state=Running("was running"))
record.append([type(wrapped.state).__name__, wrapped.is_scheduled()])

for made in (Success("stored"), Retrying(start_time=start, run_count=2), Failed("bad"), Looped()):
    blob = made.serialize()
    again = State.deserialize(blob)
    record.append([type(again).__name__, again.message, blob["type"], blob["message"]])
    if hasattr(made, "run_count"):
        record.append([again.run_count, again.start_time == start])

with_result = Success(result=Result(value=3, location="somewhere"))
record.append([with_result.result, with_result._result.location])
record.append([isinstance(Success()._result, (Result, NoResultType)), Result(5).value])

signal = signals.SUCCESS("over", result=7)
record.append([signal.state.result, signal.state.message, str(signal)])
record.append([signals.RETRY().state.is_retrying(), signals.PAUSE("wait").state.message])


@task
def messages():
    return 1


@task
def fails():
    raise KeyError("missing")


with Flow("messages") as flow:
    ok, bad = messages(), fails()

if __name__ == "__main__":
    state = flow.run()
    record.append([state.result[ok].message, state.result[bad].message, state.message])
    record.append([state.result[bad].result.args[0], bool(state.result[bad].result.__traceback__)])
    state.result[ok].result = "changed"
    record.append(state.result[ok].result)

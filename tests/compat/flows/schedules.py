"""Schedules: clocks, filters, adjustments, and a flow that follows one."""

from datetime import time, timedelta

import pendulum
import prefect
from prefect import Flow, Parameter, task
from prefect.schedules import CronSchedule, IntervalSchedule, Schedule, adjustments, clocks, filters
from prefect.schedules.clocks import CronClock, DatesClock, IntervalClock

record = []
start = pendulum.datetime(2024, 3, 29, 9, tz="Europe/Berlin")


def note(name, schedule, n=4, after=start):
    found = schedule.next(n, after=after)
    record.append([name, [when.in_timezone("UTC").isoformat() for when in found]])


note("hours", IntervalSchedule(start_date=start, interval=timedelta(hours=12)), n=3)
note("days, the clocks are changed", IntervalSchedule(start_date=start, interval=timedelta(days=1)))
note("cron", CronSchedule("30 8 * * 1-5", start_date=start))
note(
    "weekdays at nine, moved",
    Schedule(
        clocks=[IntervalClock(timedelta(hours=1), start_date=start)],
        filters=[filters.between_times(time(9), time(10))],
        or_filters=[filters.is_weekday, filters.on_date(month=3, day=30)],
        not_filters=[filters.between_dates(4, 1, 4, 1)],
        adjustments=[adjustments.add(timedelta(minutes=5)), adjustments.next_weekday],
    ),
    n=6,
    after=start.add(minutes=10),
)
note(
    "two clocks",
    Schedule(
        clocks=[
            CronClock("0 0 * * *", start_date=start, end_date=start.add(days=3)),
            DatesClock([start.add(hours=1), start.add(days=1)]),
        ]
    ),
    n=10,
)
note(
    "month ends",
    Schedule(
        clocks=[IntervalClock(timedelta(days=1), start_date=pendulum.datetime(2024, 1, 1))],
        filters=[filters.is_month_end],
    ),
    n=3,
    after=pendulum.datetime(2024, 1, 1),
)

events = Schedule(
    clocks=[
        IntervalClock(
            timedelta(days=1), start_date=start, parameter_defaults={"x": 1}, labels=["day"]
        ),
        CronClock("0 12 * * *", start_date=start, parameter_defaults={"x": 2}),
    ]
).next(3, after=start, return_events=True)
record.append([[event.start_time.hour, event.parameter_defaults, event.labels] for event in events])
record.append(isinstance(events[0], clocks.ClockEvent))


@task
def due(x):
    when = prefect.context.scheduled_start_time
    # The context's date is pendulum's: it knows how to add and to format.
    record.append(["run", x, when.add(days=1).to_date_string() > when.to_date_string()])
    return x


soon = pendulum.now("utc").add(seconds=1)
twice = Schedule(
    clocks=[
        DatesClock([soon], parameter_defaults={"x": 10}),
        DatesClock([soon.add(seconds=1)], parameter_defaults={"x": 20}),
    ]
)
with Flow("on schedule", schedule=twice) as flow:
    due(Parameter("x", default=0))

with Flow("past", schedule=Schedule(clocks=[DatesClock([pendulum.datetime(2020, 1, 1)])])) as past:
    due(5)

if __name__ == "__main__":
    now = flow.run(run_on_schedule=False)
    last = flow.run()
    try:
        past.run()
    except ValueError as error:
        record.append(["no more", isinstance(error, ValueError)])

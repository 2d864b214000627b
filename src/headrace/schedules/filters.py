"""Filters: which of its clocks' times a schedule lets pass."""

from headrace.core.schedules.filters import at_time as at_time
from headrace.core.schedules.filters import between_dates as between_dates
from headrace.core.schedules.filters import between_datetimes as between_datetimes
from headrace.core.schedules.filters import between_times as between_times
from headrace.core.schedules.filters import is_day_of_week as is_day_of_week
from headrace.core.schedules.filters import is_month_end as is_month_end
from headrace.core.schedules.filters import is_month_start as is_month_start
from headrace.core.schedules.filters import is_weekday as is_weekday
from headrace.core.schedules.filters import is_weekend as is_weekend
from headrace.core.schedules.filters import on_date as on_date
from headrace.core.schedules.filters import on_datetime as on_datetime

__all__ = [
    "at_time",
    "between_dates",
    "between_datetimes",
    "between_times",
    "is_day_of_week",
    "is_month_end",
    "is_month_start",
    "is_weekday",
    "is_weekend",
    "on_date",
    "on_datetime",
]

"""Schedules: when a flow's runs start. See the guide page on schedules."""

from headrace.core.schedules import CronSchedule as CronSchedule
from headrace.core.schedules import IntervalSchedule as IntervalSchedule
from headrace.core.schedules import RRuleSchedule as RRuleSchedule
from headrace.core.schedules import Schedule as Schedule
from headrace.schedules import adjustments as adjustments
from headrace.schedules import clocks as clocks
from headrace.schedules import filters as filters
from headrace.schedules import schedules as schedules

__all__ = [
    "Schedule",
    "IntervalSchedule",
    "CronSchedule",
    "RRuleSchedule",
    "clocks",
    "filters",
    "adjustments",
    "schedules",
]

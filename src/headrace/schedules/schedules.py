"""Schedules themselves, at the path that Prefect 1 had for them."""

from headrace.core.schedules.schedule import CronSchedule as CronSchedule
from headrace.core.schedules.schedule import IntervalSchedule as IntervalSchedule
from headrace.core.schedules.schedule import RRuleSchedule as RRuleSchedule
from headrace.core.schedules.schedule import Schedule as Schedule

__all__ = ["Schedule", "IntervalSchedule", "CronSchedule", "RRuleSchedule"]

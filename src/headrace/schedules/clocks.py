"""Clocks: what gives a schedule its times."""

from headrace.core.schedules.clocks import Clock as Clock
from headrace.core.schedules.clocks import ClockEvent as ClockEvent
from headrace.core.schedules.clocks import CronClock as CronClock
from headrace.core.schedules.clocks import DatesClock as DatesClock
from headrace.core.schedules.clocks import IntervalClock as IntervalClock
from headrace.core.schedules.clocks import RRuleClock as RRuleClock

__all__ = ["Clock", "ClockEvent", "CronClock", "DatesClock", "IntervalClock", "RRuleClock"]

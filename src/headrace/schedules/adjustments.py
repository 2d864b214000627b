"""Adjustments: how a schedule moves the times that its filters let pass."""

from headrace.core.schedules.adjustments import add as add
from headrace.core.schedules.adjustments import next_weekday as next_weekday

__all__ = ["add", "next_weekday"]

"""Tasks that decide which tasks run: conditions, branches, and uniting them again."""

from headrace.tasks.control_flow.case import case as case
from headrace.tasks.control_flow.compare import CompareValue as CompareValue
from headrace.tasks.control_flow.filter import FilterTask as FilterTask
from headrace.tasks.control_flow.merge import Merge as Merge
from headrace.tasks.control_flow.merge import merge as merge
from headrace.tasks.control_flow.switch import ifelse as ifelse
from headrace.tasks.control_flow.switch import switch as switch

__all__ = ["case", "switch", "ifelse", "merge", "FilterTask", "CompareValue", "Merge"]

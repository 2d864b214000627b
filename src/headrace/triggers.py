"""Triggers: whether a task runs, given the states of its upstream tasks."""

from headrace.core.triggers import BuiltinTrigger as BuiltinTrigger
from headrace.core.triggers import all_failed as all_failed
from headrace.core.triggers import all_finished as all_finished
from headrace.core.triggers import all_successful as all_successful
from headrace.core.triggers import always_run as always_run
from headrace.core.triggers import any_failed as any_failed
from headrace.core.triggers import any_successful as any_successful
from headrace.core.triggers import manual_only as manual_only
from headrace.core.triggers import not_all_skipped as not_all_skipped
from headrace.core.triggers import some_failed as some_failed
from headrace.core.triggers import some_successful as some_successful

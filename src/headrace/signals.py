"""Signals: raised in a task or a trigger, they become its state."""

from headrace.core.signals import FAIL as FAIL
from headrace.core.signals import LOOP as LOOP
from headrace.core.signals import PAUSE as PAUSE
from headrace.core.signals import RETRY as RETRY
from headrace.core.signals import SKIP as SKIP
from headrace.core.signals import SUCCESS as SUCCESS
from headrace.core.signals import TRIGGERFAIL as TRIGGERFAIL
from headrace.core.signals import VALIDATIONFAIL as VALIDATIONFAIL
from headrace.core.signals import Signal as Signal
from headrace.core.signals import StateSignal as StateSignal
from headrace.core.signals import TaskTimeoutSignal as TaskTimeoutSignal
from headrace.core.signals import signal_from_state as signal_from_state

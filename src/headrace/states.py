"""The states of flow runs and task runs."""

from headrace.core.states import Cached as Cached
from headrace.core.states import Cancelled as Cancelled
from headrace.core.states import ClientFailed as ClientFailed
from headrace.core.states import Failed as Failed
from headrace.core.states import Finished as Finished
from headrace.core.states import Looped as Looped
from headrace.core.states import Mapped as Mapped
from headrace.core.states import Paused as Paused
from headrace.core.states import Pending as Pending
from headrace.core.states import Place as Place
from headrace.core.states import Queued as Queued
from headrace.core.states import Resume as Resume
from headrace.core.states import Retrying as Retrying
from headrace.core.states import Running as Running
from headrace.core.states import Scheduled as Scheduled
from headrace.core.states import Skipped as Skipped
from headrace.core.states import State as State
from headrace.core.states import Submitted as Submitted
from headrace.core.states import Success as Success
from headrace.core.states import TimedOut as TimedOut
from headrace.core.states import TriggerFailed as TriggerFailed
from headrace.core.states import ValidationFailed as ValidationFailed

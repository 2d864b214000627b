"""State handlers that tell people what became of a task or a flow."""

from headrace.core.handlers import callback_factory as callback_factory
from headrace.tasks.notifications.notifier import slack_notifier as slack_notifier

__all__ = ["callback_factory", "slack_notifier"]

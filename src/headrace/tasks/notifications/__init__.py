"""Telling people: tasks that send messages, and state handlers that do."""

from headrace.core.handlers import callback_factory as callback_factory
from headrace.tasks.notifications.mail import EmailTask as EmailTask
from headrace.tasks.notifications.notifier import slack_notifier as slack_notifier
from headrace.tasks.notifications.slack import SlackTask as SlackTask

__all__ = ["SlackTask", "EmailTask", "callback_factory", "slack_notifier"]

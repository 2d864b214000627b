"""`SlackTask`: sends a message to a Slack channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.config.secrets import Secret
from headrace.core.attribute_defaults import defaults_from_attrs
from headrace.core.errors import ArgumentError
from headrace.core.task import Task
from headrace.tasks.notifications.webhook import post_json


class SlackTask(Task[None]):
    """Sends a message to a Slack channel, by the channel's incoming webhook.

    Args:
        message: The message: text, or a dict as the webhook takes it; it may be given when the
            task is called, instead.
        webhook_secret: The name of the secret that holds the webhook's URL.
        **kwargs: As for `Task`.
    """

    def __init__(
        self,
        message: str | Mapping[str, Any] | None = None,
        webhook_secret: str = "SLACK_WEBHOOK_URL",  # noqa: S107 - a secret's name
        **kwargs: Any,
    ) -> None:
        self.message = message
        self.webhook_secret = webhook_secret
        super().__init__(**kwargs)

    @defaults_from_attrs("message", "webhook_secret")
    def run(
        self,
        message: str | Mapping[str, Any] | None = None,
        webhook_secret: str | None = None,
        webhook_url: str | None = None,
    ) -> None:
        """Send the message.

        Args:
            message: As for the task.
            webhook_secret: As for the task.
            webhook_url: The URL itself, as a secret task gives it; goes before the secret's name.

        Raises:
            ArgumentError: If there is no message.
            NotificationError: If it cannot be sent.
            SecretError: If the secret is not there.
        """
        if not isinstance(message, str | Mapping):
            raise ArgumentError(
                f"The message of task {self.name!r} is {message!r:.60}; give text, or a dict as "
                "Slack's webhooks take it."
            )
        post_json(
            webhook_url or Secret(webhook_secret or "").get(),
            message if isinstance(message, Mapping) else {"text": message},
            f"The Slack message of task {self.name!r}",
        )

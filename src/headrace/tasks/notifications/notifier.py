"""`slack_notifier`: a state handler that reports changes of state to a Slack channel."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.config.secrets import Secret
from headrace.core.context import context
from headrace.core.errors import TaskTypeError
from headrace.core.states import State
from headrace.tasks.notifications.webhook import post_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LATER: Any = object()


def slack_notifier(
    tracked_obj: Any = _LATER,
    old_state: State = _LATER,
    new_state: State = _LATER,
    ignore_states: Iterable[type[State]] | None = None,
    only_states: Iterable[type[State]] | None = None,
    webhook_secret: str | None = None,
    backend_info: bool = True,
    proxies: Mapping[str, str] | None = None,
) -> Any:
    """Report a change of state to a Slack channel, by the channel's incoming webhook.

    It is a state handler by itself; called with settings alone, it returns one that has them.

    Args:
        tracked_obj: The task or flow.
        old_state: The state before.
        new_state: The state now.
        ignore_states: Classes of states that are not reported.
        only_states: If given, the only classes of states that are.
        webhook_secret: The name of the secret that holds the webhook's URL; `SLACK_WEBHOOK_URL` by
            default.
        backend_info: Whether the report names the flow run.
        proxies: The URL of the proxy for each scheme (`http`, `https`); by default what the
            environment says.

    Returns:
        The new state; or a state handler, if something is still missing.

    Raises:
        TaskTypeError: If something among the classes of states is none.
        NotificationError: If the report cannot be sent.
        SecretError: If the secret is not there.

    Example:
        ```python
        @task(state_handlers=[slack_notifier(only_states=[Failed])])
        def load(): ...
        ```
    """
    ignored = _state_classes("ignore_states", ignore_states)
    only = _state_classes("only_states", only_states)
    given = {"tracked_obj": tracked_obj, "old_state": old_state, "new_state": new_state}
    known = {name: value for name, value in given.items() if value is not _LATER}
    if len(known) < len(given):
        settings: dict[str, Any] = {
            "ignore_states": ignored,
            "only_states": only,
            "webhook_secret": webhook_secret,
            "backend_info": backend_info,
            "proxies": proxies,
        }
        return partial(slack_notifier, **settings, **known)
    if isinstance(new_state, ignored) or (only and not isinstance(new_state, only)):
        return new_state
    post_json(
        Secret(webhook_secret or "SLACK_WEBHOOK_URL").get(),
        {"attachments": [report(tracked_obj, new_state, backend_info)]},
        f"The Slack report on {tracked_obj.name!r}",
        proxies,
    )
    return new_state


def report(tracked_obj: Any, state: State, backend_info: bool = True) -> dict[str, Any]:
    """Put a report on a state together, as an attachment of a Slack message.

    Args:
        tracked_obj: The task or flow.
        state: Its state.
        backend_info: Whether the report names the flow run.
    """
    kind = type(state).__name__
    result = state.result
    text = f"```{result!r}```" if isinstance(result, Exception) else state.message
    attachment: dict[str, Any] = {
        "fallback": f"{tracked_obj.name}: {kind}",
        "color": state.color,
        "author_name": "Headrace",
        "title": kind,
        "text": f"{tracked_obj.name} is now in a {kind} state",
        "fields": [] if text is None else [{"title": "Message", "value": text, "short": False}],
    }
    flow_run = context.get("flow_run_name")
    if backend_info and flow_run:
        attachment["footer"] = f"{context.get('flow_name')}, flow run {flow_run}"
    return attachment


def _state_classes(argument: str, states: Any) -> tuple[type[State], ...]:
    classes = (states,) if isinstance(states, type) else tuple(states or ())
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, State)):
            raise TaskTypeError(
                f"The {argument} of slack_notifier has {each!r}, which is no class of states; give "
                "classes, such as [Failed, Retrying]."
            )
    return classes

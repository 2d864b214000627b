"""Posting JSON to a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.errors import NotificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds to wait for each answer of the other side.
TIMEOUT = 30.0


def post_json(
    url: object, data: Mapping[str, Any], what: str, proxies: Mapping[str, str] | None = None
) -> None:
    """Post data to a webhook.

    Args:
        url: The webhook's URL, which is a secret: no message shows it.
        data: What is posted; JSON-able.
        what: What is sent, for messages.
        proxies: The URL of the proxy for each scheme (`http`, `https`); by default what the
            environment says.

    Raises:
        NotificationError: If the URL is none, or the other side does not answer, or does not take
            it.
    """
    import json
    import urllib.error
    import urllib.request

    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise NotificationError(
            f"{what} cannot be sent: its webhook is no URL that begins with https:// or http://. "
            "It is not shown, since it is a secret."
        )
    try:
        body = json.dumps(data).encode()
    except (TypeError, ValueError) as error:
        raise NotificationError(f"{what} cannot be written as JSON: {error}.") from error
    request = urllib.request.Request(  # noqa: S310 - the scheme has been looked at
        url, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        # A redirected POST would go on as a GET, and the message would be lost without a word.
        def redirect_request(self, *args: Any) -> None:
            return None

    opener = urllib.request.build_opener(
        NoRedirect(), urllib.request.ProxyHandler(None if proxies is None else dict(proxies))
    )
    try:
        with opener.open(request, timeout=TIMEOUT):
            return
    except urllib.error.HTTPError as error:
        with error:
            answer = error.read(200).decode("utf-8", errors="replace").strip()
        raise NotificationError(
            f"{what} was refused: HTTP status {error.code}{f' ({answer})' if answer else ''}."
        ) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise NotificationError(f"{what} was not sent: {reason}.") from None

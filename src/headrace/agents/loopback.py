"""A warning about addresses that mean another machine to whoever is given them."""

from __future__ import annotations

import ipaddress
import urllib.parse

from headrace.config.logging import get_logger


def warn_of_loopback(api_url: str, inside: str) -> None:
    """Warn that a server's address means nothing to what is deployed, if that is so.

    Args:
        api_url: The server's address, as flow runs are given it.
        inside: What they run in, such as "a pod".
    """
    host = urllib.parse.urlsplit(api_url).hostname or ""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if is_loopback:
        get_logger("agent").warning(
            "The server's address, %s, means nothing inside %s: give one that is reached from there "
            "by --api-url.",
            api_url,
            inside,
        )

"""Addresses that mean another machine to whoever is given them."""

from __future__ import annotations

import ipaddress
import urllib.parse

from headrace.config.logging import get_logger


def is_loopback(url: str) -> bool:
    """Tell whether an address means the machine itself, whoever asks."""
    host = urllib.parse.urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def warn_of_loopback(api_url: str, inside: str) -> None:
    """Warn in the agent's log that a server's address means nothing to what is deployed, if so.

    Args:
        api_url: The server's address, as flow runs are given it.
        inside: What they run in, such as "a pod".
    """
    if (objection := objection_to_loopback(api_url, inside)) is not None:
        get_logger("agent").warning("%s", objection)


def objection_to_loopback(api_url: str, inside: str) -> str | None:
    """Say that a server's address means nothing to what is deployed; None if it is not so.

    Args:
        api_url: The server's address, as flow runs are given it.
        inside: What they run in, such as "a pod".
    """
    if not is_loopback(api_url):
        return None
    return (
        f"The server's address, {api_url}, means nothing inside {inside}: give one that is reached "
        "from there by --api-url."
    )

"""What the parts of the client have in common."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from headrace.client.transport import Transport
from headrace.core.errors import NotFound


class Resource:
    """A part of the client: what can be asked about one kind of thing."""

    _transport: Transport


def path(*parts: Any) -> str:
    """Return the path of these parts, quoted: names may hold slashes and blanks.

    Raises:
        NotFound: If one of them is empty: the path would be that of something else.
    """
    if "" in parts:
        raise NotFound(f"A name or an id is empty, where one of the {parts[0]} is meant.")
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)

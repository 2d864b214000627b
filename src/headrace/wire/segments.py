"""Names that are one segment of a path, though they may hold slashes.

A server is given paths whose `%2F` has become a slash already. So the slash, and the sign that stands
for it, go through in another form.
"""

from __future__ import annotations


def segment(name: str) -> str:
    """Return a name with no slash in it, which `plain` makes the name again."""
    return name.replace("%", "%25").replace("/", "%2F")


def plain(segment: str) -> str:
    """Return the name that a segment stands for."""
    return segment.replace("%2F", "/").replace("%25", "%")

"""The one exception by which anything of the server says that it cannot serve a request."""

from __future__ import annotations


class Refusal(Exception):
    """A request cannot be served; raised by handlers, services and queries alike.

    Args:
        status: The HTTP status, 4xx or 5xx.
        code: What is wrong, for programs: lower case, words joined by underscores.
        message: What is wrong, naming the bad input, and the way out, for people.
        headers: Further headers of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


def not_found(what: str, name: str, remedy: str) -> Refusal:
    """Return the refusal that says that there is no such thing.

    Args:
        what: What kind of thing: `project`, `flow run`.
        name: The name or id that was asked for.
        remedy: How to find out what there is.
    """
    code = what.replace(" ", "_") + "_not_found"
    return Refusal(404, code, f"There is no {what} {name!r}. {remedy}")

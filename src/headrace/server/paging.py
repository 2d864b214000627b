"""What the routes of all pages have in common."""

from __future__ import annotations

from headrace.server.problems import Refusal

#: How many items a page has if nobody says otherwise, and at most.
DEFAULT_LIMIT = 100
MOST = 1_000


def check_limit(limit: int, most: int = MOST) -> int:
    """Return how many items a page is to have.

    Args:
        limit: How many were asked for.
        most: How many there may be.

    Raises:
        Refusal: If that is not between 1 and `most`; 422.
    """
    if not 1 <= limit <= most:
        raise Refusal(
            422,
            "bad_limit",
            f"limit lies between 1 and {most:,}, and is {limit:,}. Ask for the pages that follow "
            f"with what each gives as its `next`.",
        )
    return limit


def several(text: str | None) -> list[str]:
    """Return the parts of a query parameter in which commas stand between several values."""
    return [part for part in (text or "").split(",") if part]

"""What the routes of all pages have in common."""

from __future__ import annotations

from headrace.server.problems import Refusal

#: How many items a page has if nobody says otherwise, and at most.
DEFAULT_LIMIT = 100
#: The largest number in the databases' columns of whole numbers.
LARGEST_WHOLE = 2**31 - 1
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


def check_whole(number: int, what: str) -> int:
    """Return a whole number that both databases can look for.

    Args:
        number: The number.
        what: What it is, for the message.

    Raises:
        Refusal: If it is too large; 422.
    """
    if abs(number) > LARGEST_WHOLE:
        raise Refusal(422, "bad_number", f"{what} is too large: {number}.")
    return number


def several(text: str | None) -> list[str]:
    """Return the parts, each once, of a query parameter in which commas stand between several values."""
    return list(dict.fromkeys(part for part in (text or "").split(",") if part))

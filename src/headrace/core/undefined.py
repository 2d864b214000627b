"""What is said of a method that the class of somebody's own should have and has not."""

from __future__ import annotations


def undefined(whose: object, method: str, what: str) -> NotImplementedError:
    """Return the error of a base class's method that a class of its own kind leaves out.

    Base classes are not abstract where Prefect 1's were not: a class that never comes to the method
    does without it.

    Args:
        whose: The object whose class leaves it out.
        method: The method's name.
        what: What to give the class: `a method that returns ...`.
    """
    kind = type(whose).__name__
    return NotImplementedError(f"{kind} does not define `{method}`. Give the class {what}.")

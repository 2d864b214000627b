"""Turns a location's template into a location, and refuses what leads astray."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from headrace.core.errors import LocationError

Template = str | Callable[..., str]


def fill(template: Template, values: Mapping[str, Any]) -> str:
    """Return the location that a template gives with these values.

    Args:
        template: A string for `str.format`, or a function that takes the values as keywords.
        values: The run's context and the task's inputs.

    Raises:
        LocationError: If the string names a value that is not there, formats one in a way that it
            cannot be, or what comes out is no location. An error that the function itself raises
            is the user's, and goes through as it is.
    """
    if not isinstance(template, str):
        location = template(**values)
        if not isinstance(location, str):
            raise LocationError(
                f"The function {_name(template)} that gives a result's location returned "
                f"{location!r} ({type(location).__name__}); it must return a string."
            )
        return checked(location)
    try:
        location = template.format(**values)
    except KeyError as error:
        raise LocationError(
            f"The location {template!r} names {error.args[0]!r}, which is neither in the context "
            f"nor an input of the task. There are: {', '.join(sorted(values)) or 'none'}."
        ) from None
    except IndexError:
        raise LocationError(
            f"The location {template!r} has a placeholder with no name. "
            "Name what stands there, such as {task_name}; a brace itself is written twice."
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise LocationError(f"The location {template!r} cannot be filled in: {error}.") from error
    return checked(location, template)


def checked(location: str, template: str | None = None) -> str:
    """Return `location` if it may be used.

    Args:
        location: The location, filled in.
        template: What it was made from, for the message.

    Raises:
        LocationError: If it is empty, goes up with "..", or holds a NUL character.
    """
    made = "" if template in (None, location) else f", made from {template!r},"
    if not location.strip():
        raise LocationError(f"The location {location!r}{made} of a result is empty.")
    if "\0" in location:
        raise LocationError(f"The location {location!r}{made} holds a NUL character.")
    if ".." in location.replace(os.sep, "/").split("/"):
        raise LocationError(
            f'The location {location!r}{made} goes up with "..". A location stays below the '
            "result's own place; give the result another place instead."
        )
    return location


def _name(function: Callable[..., str]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)

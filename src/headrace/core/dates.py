"""What kind of datetime flows are given: plain ones, unless another layer says otherwise.

Inside, Headrace reckons with plain aware datetimes; only what is handed to a user's own code goes
through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable

_convert: Callable[[datetime.datetime], datetime.datetime] | None = None


def shown(moment: datetime.datetime) -> datetime.datetime:
    """Return a datetime as flows are given it."""
    return moment if _convert is None else _convert(moment)


def show_dates_as(convert: Callable[[datetime.datetime], datetime.datetime] | None) -> None:
    """Give flows what `convert` makes of each aware datetime; None for plain datetimes."""
    global _convert
    _convert = convert

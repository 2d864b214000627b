"""Dates that know pendulum's methods, as flows of Prefect 1 expect of those that they are given."""

from __future__ import annotations

import datetime
from typing import NoReturn

from headrace.core.dates import show_dates_as


def show_pendulums() -> None:
    """Give flows pendulum's datetimes; without pendulum, ones that say how to get it."""
    show_dates_as(_with_pendulum)


def _with_pendulum(moment: datetime.datetime) -> datetime.datetime:
    # Asked for the first time: from now on it is known whether there is a pendulum.
    try:
        from pendulum import instance
    except ImportError:
        show_dates_as(WithoutPendulum.of)
        return WithoutPendulum.of(moment)
    show_dates_as(instance)
    return instance(moment)


class WithoutPendulum(datetime.datetime):
    """A datetime that says how to get the methods that it does not have."""

    @classmethod
    def of(cls, moment: datetime.datetime) -> WithoutPendulum:
        """Return the same moment."""
        return cls(
            moment.year,
            moment.month,
            moment.day,
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond,
            moment.tzinfo,
            fold=moment.fold,
        )

    def __getattr__(self, name: str) -> NoReturn:
        way_out = (
            ""
            if name.startswith("__")
            else " If it is one of pendulum's, install it: pip install 'headrace[prefect1]'."
        )
        raise AttributeError(f"A datetime has no attribute {name!r}.{way_out}")

"""The executor that `--executor` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headrace.executors.base import Executor

FORMS = "local, threads, threads:N, processes, processes:N, dask, dask:ADDRESS"


def parse_executor(text: str) -> Executor:
    """Return the executor that a text names, one of `FORMS`.

    Raises:
        ClickException: If it names none.
        HeadraceError: If the executor cannot be made, as its package is missing.
    """
    kind, colon, rest = text.partition(":")
    if kind == "local" and not colon:
        from headrace.executors.local import LocalExecutor

        return LocalExecutor()
    if kind in ("threads", "processes"):
        from headrace.executors.local_dask import LocalDaskExecutor

        return LocalDaskExecutor(kind, num_workers=_workers(text, rest) if colon else None)
    if kind == "dask" and bool(colon) == bool(rest):
        address = _address(text, rest) if colon else None
        from headrace.executors import DaskExecutor

        return DaskExecutor(address=address)
    raise click.ClickException(f"There is no executor {text!r}. Use one of: {FORMS}.")


def _workers(text: str, number: str) -> int:
    if not number.isdecimal() or int(number) < 1:
        raise click.ClickException(
            f"The executor {text!r} needs a whole number of workers from 1 on, such as "
            f"{text.partition(':')[0]}:4."
        )
    return int(number)


def _address(text: str, address: str) -> str:
    # Dask knows an address without a scheme, but not one without a port.
    if not address.rpartition(":")[2].isdecimal() and "://" not in address:
        raise click.ClickException(
            f"The executor {text!r} needs the address of a Dask scheduler, such as "
            "dask:tcp://127.0.0.1:8786."
        )
    return address

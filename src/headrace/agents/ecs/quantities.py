"""Amounts of processor time and memory, as people write them and as ECS takes them."""

from __future__ import annotations

import re
from decimal import Decimal

from headrace.core.errors import DeploymentError

_AMOUNT = re.compile(r"\s*(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>[A-Za-z]*)\s*")
#: ECS's own unit is 1024 to a core: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/
#: task_definition_parameters.html, "Task size".
_CPU = {"": 1, "vcpu": 1024, "vcpus": 1024}
#: ECS says MB and GB, and means 2^20 and 2^30 bytes.
_MEMORY = {"": 1, "mb": 1, "mib": 1, "gb": 1024, "gib": 1024}


def cpu_units(amount: float | str) -> str:
    """Return an amount of processor time in ECS's units, of which 1024 are one core.

    Args:
        amount: A number of these units, or text such as "1 vcpu" or "512".

    Raises:
        DeploymentError: If it is no such amount; it is final.
    """
    return _units(amount, _CPU, f"its cpu, {amount!r}, is no amount of processor time", "0.5 vcpu")


def mebibytes(amount: float | str) -> str:
    """Return an amount of memory in MiB.

    Args:
        amount: A number of MiB, or text such as "2 GB" or "512".

    Raises:
        DeploymentError: If it is no such amount; it is final.
    """
    return _units(amount, _MEMORY, f"its memory, {amount!r}, is no amount of memory", "2 GB")


def _units(amount: float | str, units: dict[str, int], objection: str, example: str) -> str:
    found = _AMOUNT.fullmatch(str(amount))
    factor = units.get(found["unit"].lower()) if found else None
    if found is None or factor is None:
        raise DeploymentError(
            f"{objection}: write a whole number of ECS's units, or text such as {example!r}",
            is_final=True,
        )
    number = Decimal(found["number"]) * factor
    if number != int(number) or number <= 0:
        raise DeploymentError(
            f"{objection}: it is {number.normalize():f} of ECS's units, which have to be a whole "
            f"number above 0; with a unit it is text such as {example!r}",
            is_final=True,
        )
    return str(int(number))

"""Whether the parameters of a run are those that its flow takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headrace.server.problems import Refusal
from headrace.server.rules.naming import did_you_mean


def what_is_wrong(
    declared: Iterable[Mapping[str, Any]], given: Mapping[str, Any], flow: str
) -> str | None:
    """Say what is wrong with parameters; None if they can be run with.

    Args:
        declared: The flow's parameters, as its graph describes them.
        given: Values by name.
        flow: The flow's name.
    """
    required = {str(parameter["name"]): bool(parameter.get("required")) for parameter in declared}
    if unknown := sorted(given.keys() - required.keys()):
        takes = ", ".join(sorted(required)) if required else "none"
        return (
            f"The flow {flow!r} has no parameter {', '.join(map(repr, unknown))}."
            f"{did_you_mean(unknown[0], required)} Its parameters: {takes}."
        )
    missing = sorted(name for name, is_required in required.items() if is_required)
    if missing := [name for name in missing if name not in given]:
        names = ", ".join(map(repr, missing))
        return f"The flow {flow!r} needs a value for {names}: give it as a parameter of the run."
    return None


def check_parameters(
    declared: Iterable[Mapping[str, Any]], given: Mapping[str, Any], flow: str
) -> None:
    """Make sure that a flow can be run with these parameters; see `what_is_wrong`.

    Raises:
        Refusal: If it cannot; 422.
    """
    wrong = what_is_wrong(declared, given, flow)
    if wrong is not None:
        raise Refusal(422, "bad_parameters", wrong)

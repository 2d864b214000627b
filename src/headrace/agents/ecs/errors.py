"""What AWS's errors mean to a flow run: in AWS's own words, and whether another attempt may help."""

from __future__ import annotations

import re

from headrace.core.errors import DeploymentError

#: Codes of errors that pass: the same request may be granted a moment later.
_PASSING = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
#: ECS says these as ClientException, which is otherwise about a wrong request.
_PASSING_WORDS = re.compile(r"rate exceeded|too many concurrent|try again", re.IGNORECASE)

#: The agent's own credentials, or a limit of the account: no fault of the run, and it may pass.
_NOT_FINAL = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "LimitExceededException",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)
#: No room for a task, which ECS says as an error if a cluster has no machine at all.
_NO_ROOM = re.compile(
    r"no container instances were found|capacity is unavailable|reached the limit|limit exceeded",
    re.IGNORECASE,
)

#: How ECS, registries and engines say that a task cannot be started however often it is tried.
_NEVER_STARTS = re.compile(
    r"""
    not\ found:\ (?:manifest|name)\ unknown | manifest\ (?:for\ \S+\ )?(?:not\ found|unknown)
    | name\ unknown | repository\ (?:with\ name\ \S+\ )?(?:does\ not\ exist|name\ not\ known)
    | failed\ to\ resolve\ ref\b.*:\ not\ found | no\ such\ image | image\ not\ found
    | image\ .*\ (?:does\ not\ exist|not\ found) | requested\ image\ not\ found
    | pull\ access\ denied | invalid\ reference\ format
    | does\ not\ contain\ descriptor\ matching\ platform | no\ match(?:ing\ manifest)?\ for\ platform
    | no\ matching\ manifest\ for | is\ not\ authorized\ to\ perform | AccessDenied
    | log\ group\ does\ not\ exist | ResourceNotFoundException
    | executable\ file\ not\ found | no\ such\ file\ or\ directory
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: The same words about what passes: a registry that is out of reach, or asked too often.
_PASSES = re.compile(
    r"toomanyrequests|rate limit|timeout|timed out|connection refused|no space left|no such host",
    re.IGNORECASE,
)

#: What the reasons of `RunTask`'s failures mean.
_FAILURES = {
    "AGENT": "the ECS agents of the machines that could take it are not connected",
    "ATTRIBUTE": "no machine of the cluster has an attribute that its task definition asks for",
    "EMPTY CAPACITY PROVIDER": "the capacity provider has no machine",
    "INACTIVE": "the machine is not active",
    "LOCATION": "no machine is in an availability zone that the task can be in",
    "MISSING": "it is missing",
    "RESOURCE": "no machine has the room",
    "RESOURCE:CPU": "no machine of the cluster has as much processor time free",
    "RESOURCE:ENI": "no machine of the cluster has a network interface free",
    "RESOURCE:GPU": "no machine of the cluster has a GPU free",
    "RESOURCE:MEMORY": "no machine of the cluster has as much memory free",
    "RESOURCE:PORTS": "no machine of the cluster has the port free",
}


def passes(code: str, message: str, status: int) -> bool:
    """Tell whether an error passes, so that the same request is worth another try.

    Args:
        code: The error's code, such as `ThrottlingException`.
        message: What AWS says.
        status: The answer's HTTP status.
    """
    if code in _PASSING or status >= 500 or status == 429:
        return True
    return code == "ClientException" and bool(_PASSING_WORDS.search(message))


def refusal(action: str, code: str, message: str) -> DeploymentError:
    """Return the error of a run whose request AWS has refused, in AWS's words.

    Args:
        action: What was asked for: `RunTask`.
        code: The error's code.
        message: What AWS says.
    """
    is_final = code not in _NOT_FINAL and code not in _PASSING and not _NO_ROOM.search(message)
    return DeploymentError(f"AWS refused {action}: {message} ({code})", is_final=is_final)


def failure(reason: str | None, detail: str | None) -> DeploymentError:
    """Return the error of a run that ECS has found no place for."""
    reason = reason or "no reason given"
    meaning = _FAILURES.get(reason)
    words = f"{meaning} ({reason})" if meaning else reason
    return DeploymentError(f"ECS did not start its task: {words}{f': {detail}' if detail else ''}")


def never_starts(words: str) -> bool:
    """Tell whether a task that did not start never will, by what ECS says of it."""
    return bool(_NEVER_STARTS.search(words)) and not _PASSES.search(words)

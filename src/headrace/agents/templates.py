"""Templates that an agent reads: on its own machine, or wherever an address leads."""

from __future__ import annotations

import re
from typing import Any

from headrace.core.errors import ConfigError, DeploymentError, MissingExtraError, RunConfigError
from headrace.run_configs.templates import LARGEST, local_template, parse

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
#: The extra that brings what reads addresses of a scheme.
_EXTRAS = {
    "s3": ("aws", "s3fs"),
    "s3a": ("aws", "s3fs"),
    "gs": ("gcp", "gcsfs"),
    "gcs": ("gcp", "gcsfs"),
    "az": ("azure", "adlfs"),
    "abfs": ("azure", "adlfs"),
    "abfss": ("azure", "adlfs"),
}


def template_at(address: str) -> dict[str, Any]:
    """Read a template.

    Args:
        address: A path on this machine, which `agent://` may stand before, or an address that fsspec
            reads, such as `s3://bucket/job.yaml`.

    Returns:
        What stands in it.

    Raises:
        DeploymentError: If there is no such template, it is no YAML mapping, or nothing here reads
            such addresses.
    """
    match = _SCHEME.fullmatch(address)
    scheme, rest = match.groups() if match else ("agent", address)
    try:
        if scheme in ("agent", "file", "local"):
            return local_template(f"file://{rest}") or {}
        return parse(_fetched(address, scheme), address)
    except (MissingExtraError, RunConfigError) as error:
        # The way out that a run config's author is given, agent://, is where we are already.
        message = str(error).partition(" For a path on the agent's machine")[0].rstrip(".")
        message = f"{message[:1].lower()}{message[1:]}"
        if rest not in message:
            message = f"the template {address}: {message}"
        raise DeploymentError(message, is_final=True) from error


def own_template(address: str | None, what: str) -> dict[str, Any] | None:
    """Read a template that an agent is started with.

    Args:
        address: See `template_at`; None if there is none.
        what: What it is, as an error says it.

    Raises:
        ConfigError: If it cannot be read, or is no YAML mapping.
    """
    if address is None:
        return None
    try:
        return template_at(address)
    except DeploymentError as error:
        raise ConfigError(f"{what} cannot be used: {error}.") from error


def _fetched(address: str, scheme: str) -> bytes:
    extra, package = _EXTRAS.get(scheme, ("aws", "fsspec"))
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"A template at {address}", extra, package) from error
    try:
        with fsspec.open(address, "rb") as file:
            return bytes(file.read(LARGEST + 1))
    except ImportError as error:
        raise MissingExtraError(f"A template at {address}", extra, package) from error
    except FileNotFoundError as error:
        raise DeploymentError(f"there is no template {address}", is_final=True) from error
    except ValueError as error:
        raise DeploymentError(f"nothing reads {address}: {error}", is_final=True) from error
    except Exception as error:  # the services behind the addresses have errors of their own
        raise DeploymentError(f"the template {address} cannot be read now: {error}") from error

"""Calls of AWS: whose they are, how they fail, and how long they are tried; knows boto3 alone."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from headrace.agents.ecs.errors import passes, refusal
from headrace.core.errors import ConfigError, DeploymentError, MissingExtraError

T = TypeVar("T")

#: How many seconds a call that may pass is tried again, and how long the pauses are, at first and
#: at most; each is somewhere between none and that.
_PATIENCE = 120.0
_PAUSE = 1.0
_LONGEST_PAUSE = 20.0
#: How many connections are kept: one for each deployment in flight, and a few for the rest.
_CONNECTIONS = 56
#: What botocore says of a variable that is none, with its value, which may be a secret.
_VALUE = re.compile(
    r"(parameter \S*[eE]nvironment\S*, value: ).*?(?=, (?:type: <|valid (?:types|min|max)))"
)


class Aws:
    """Clients of AWS's services, with one set of credentials.

    Its methods may be called from several threads.

    Args:
        region_name: The region; by default as boto3 finds it.
        credentials: `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`; by default as
            boto3 finds them: environment, profile, role.
        botocore_config: Arguments of botocore's `Config` that go before ours.

    Attributes:
        region: The region.

    Raises:
        MissingExtraError: If boto3 is not installed.
        ConfigError: If there is no region, or no credentials.
    """

    def __init__(
        self,
        region_name: str | None = None,
        credentials: Mapping[str, str | None] | None = None,
        botocore_config: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            import boto3
            from botocore import exceptions
            from botocore.config import Config
        except ImportError as error:
            raise MissingExtraError("The ECS agent", "aws", "boto3") from error
        self._errors = exceptions
        self._closing = threading.Event()
        #: boto3's session must not make two clients at once.
        self._making = threading.Lock()
        self._clients: dict[tuple[str, str | None], Any] = {}
        settings: dict[str, Any] = {
            "max_pool_connections": _CONNECTIONS,
            "connect_timeout": 10,
            "read_timeout": 30,
            "user_agent_extra": "headrace",
        }
        if not os.environ.get("AWS_RETRY_MODE"):
            settings["retries"] = {"mode": "standard", "total_max_attempts": 3}
        try:
            self._config = Config(**settings | dict(botocore_config or {}))
        except (TypeError, exceptions.BotoCoreError) as error:
            raise ConfigError(f"The botocore_config of an ECS agent is none: {error}") from error
        try:
            self._session = boto3.session.Session(
                region_name=region_name, **dict(credentials or {})
            )
            self.region: str = self.client("ecs").meta.region_name
            found = self._session.get_credentials()
        except exceptions.NoRegionError as error:
            raise ConfigError(
                "The ECS agent was not told a region: give --region-name, or set "
                "AWS_DEFAULT_REGION."
            ) from error
        except (exceptions.BotoCoreError, ValueError) as error:
            raise ConfigError(f"AWS cannot be spoken to: {error}") from error
        if found is None:
            raise ConfigError(
                "There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "name a profile by AWS_PROFILE, or give the agent's machine or task a role."
            )

    def client(self, service: str, region: str | None = None) -> Any:
        """Return boto3's client of a service, made once."""
        with self._making:
            found = self._clients.get((service, region))
            if found is None:
                found = self._session.client(service, region_name=region, config=self._config)
                self._clients[service, region] = found
            return found

    def forget(self, service: str) -> None:
        """Let go of a client that is not needed again: what it knows of its service is large."""
        with self._making:
            client = self._clients.pop((service, None), None)
        if client is not None:
            client.close()

    def once(self, action: str, call: Callable[[], T]) -> T:
        """Make a call, and turn its error into ours.

        Raises:
            Passing: If what hinders it may pass.
            AlreadyThere: If ECS has the task already.
            DeploymentError: If it is refused.
        """
        try:
            return call()
        except self._errors.ClientError as error:
            told = error.response["Error"]
            code, message = told.get("Code", ""), told.get("Message", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code == "ConflictException" and (there := error.response.get("resourceIds")):
                raise AlreadyThere(there[0]) from error
            if passes(code, message, status):
                raise Passing(f"AWS refused {action}: {message} ({code})") from error
            raise refusal(action, code, message) from error
        except self._errors.ParamValidationError as error:
            words = _VALUE.sub(r"\1…", " ".join(str(error).split()))
            raise DeploymentError(f"{action} cannot be called: {words}", is_final=True) from error
        except self._errors.BotoCoreError as error:
            raise Passing(f"AWS cannot be reached for {action}: {error}") from error

    def patiently(self, action: str, call: Callable[[], T]) -> T:
        """Make a call, again and again while what hinders it may pass; raises as `once` does."""
        until = time.monotonic() + _PATIENCE
        pause = _PAUSE
        while True:
            try:
                return self.once(action, call)
            except Passing:
                if time.monotonic() + pause > until:
                    raise
            if self._closing.wait(random.uniform(0, pause)):
                raise Passing(f"the agent was ended before AWS took {action}")
            pause = min(pause * 2, _LONGEST_PAUSE)

    def close(self) -> None:
        """Give up what is tried again, and let go of connections."""
        self._closing.set()
        with self._making:
            clients = list(self._clients.values())
        for client in clients:
            client.close()


class Passing(DeploymentError):
    """A call was refused for a while: throttled, out of reach, broken at AWS's side."""


class AlreadyThere(Exception):
    """ECS has a task by this token already."""

    def __init__(self, arn: str) -> None:
        super().__init__(arn)
        self.arn = arn

"""The cluster's API. The one module that knows the official client, which finds and proves who we are.

Only its configuration, credentials and connections are used: answers are read as they come. Turning
them into its models would cost an agent of 500 jobs its processor.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3

from headrace.agents.kubernetes.objects import Status
from headrace.config.logging import get_logger
from headrace.core.errors import ConfigError, DeploymentError, MissingExtraError

#: Where a pod finds its service account.
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
#: As many connections are kept as there are deployments under way, and what is watched.
_CONNECTIONS = 56
#: Within how many seconds a connection has to be there.
_CONNECT = 10.0
#: How many seconds pass until a request is tried again, at first and at most.
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
#: What another try may bring: too many requests, and a server that is not well.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
#: What the same request would be answered with again.
_FINAL = frozenset({400, 403, 404, 405, 413, 415, 422})
_NO_ROOM = "exceeded quota"


class ApiRefusal(DeploymentError):
    """The cluster has not done what it was asked to.

    Args:
        message: Why, in its own words.
        status: The HTTP status; 0 if there was no answer.
        reason: The same in one word, such as `AlreadyExists`; empty without an answer.

    Attributes:
        status: See above.
        reason: See above.
    """

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message, is_final=status in _FINAL and _NO_ROOM not in message)
        self.status = status
        self.reason = reason


class KubernetesApi:
    """One namespace of a cluster.

    Args:
        namespace: The namespace; by default the pod's own, or that of the context, or `default`.
        context: Which context of the kubeconfig to use; by default its current one.
        kubeconfig: Where the kubeconfig is; by default where `KUBECONFIG` says, or `~/.kube/config`.
        service_account: Where a pod's service account is. In a pod that has one, and if neither
            context nor kubeconfig was given, it is used.

    Attributes:
        namespace: The namespace.
        where: Which cluster it is, for people.

    Raises:
        MissingExtraError: If the official client is not installed.
        ConfigError: If there is no cluster to be found, with what was looked for.
    """

    def __init__(
        self,
        *,
        namespace: str | None = None,
        context: str | None = None,
        kubeconfig: str | None = None,
        service_account: str = SERVICE_ACCOUNT,
    ) -> None:
        try:
            from kubernetes import client
        except ImportError as error:
            raise MissingExtraError("The Kubernetes agent", "kubernetes", "kubernetes") from error
        self._configuration: Any = client.Configuration()
        inside = (
            context is None
            and kubeconfig is None
            and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
            and Path(service_account, "token").is_file()
        )
        if inside:
            found = self._from_service_account(service_account)
        else:
            found = self._from_kubeconfig(kubeconfig, context)
        self.namespace = namespace or found or "default"
        self._configuration.connection_pool_maxsize = _CONNECTIONS
        self._configuration.socket_options = _keep_alive()
        self._configuration.retries = False
        self._client: Any = client.ApiClient(self._configuration)
        self._pool: urllib3.PoolManager = self._client.rest_client.pool_manager
        self._host = str(self._configuration.host).rstrip("/")
        self.where = f"{self._host}, namespace {self.namespace}"
        self._log = get_logger("agent")

    def path(self, kind: str, name: str | None = None, more: str = "") -> str:
        """Return the path of jobs, pods or events of the namespace, or of one of them."""
        group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        one = "" if name is None else f"/{name}"
        return f"{group}/namespaces/{self.namespace}/{kind}{one}{more}"

    def check(self) -> None:
        """See whether we are let in and may look at jobs and pods; a cluster that is away is no harm.

        Raises:
            ConfigError: If not, in the cluster's own words.
        """
        for kind in ("jobs", "pods"):
            try:
                self.call("GET", self.path(kind), query={"limit": "1"}, seconds=10.0)
            except ApiRefusal as refusal:
                if refusal.status not in (401, 403, 404):
                    self._log.warning("It is not known yet who we are: %s", refusal)
                    return
                raise ConfigError(
                    f"An agent cannot work in {self.where}: {refusal}. Which rights it needs is "
                    "shown by: headrace agent kubernetes install"
                ) from refusal

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        patience: float = 0.0,
        seconds: float = 30.0,
        content_type: str = "application/json",
        on_wait: Callable[[ApiRefusal], None] | None = None,
    ) -> bytes:
        """Ask for something, and return the answer.

        Args:
            method: The HTTP method.
            path: The path.
            query: What follows it.
            body: What to send, as JSON.
            patience: For how many seconds to try again while the cluster is busy, or away.
            seconds: How long one answer may take.
            content_type: What the body is.
            on_wait: Called before each further try with what the one before was answered.

        Raises:
            ApiRefusal: If it says no, or has not answered in time.
        """
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type} if data is not None else {}
        until = time.monotonic() + patience
        pause = _FIRST_PAUSE
        while True:
            try:
                with self._asked(method, path, query, data, headers, seconds) as answer:
                    return answer.read()
            except _Passing as passing:
                wait = max(passing.after, random.uniform(pause / 2, pause))
                if time.monotonic() + wait > until:
                    raise passing.refusal from None
                self._log.debug("Asked again in %.1f s: %s", wait, passing.refusal)
                if on_wait is not None:
                    on_wait(passing.refusal)
            time.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    @contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], seconds: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Ask for something that comes in parts.

        Args:
            path: The path.
            query: What follows it.
            seconds: For how long it may be silent.

        Raises:
            ApiRefusal: If the cluster says no, or does not answer.
        """
        try:
            with self._asked("GET", path, query, None, {}, seconds) as answer:
                try:
                    yield answer
                finally:
                    answer.close()  # whoever left it early has not read all of it
        except _Passing as passing:
            raise passing.refusal from passing

    def close(self) -> None:
        """Let go of the connections."""
        pools = self._pool.pools
        for pool in [pools.get(key) for key in pools.keys()]:  # noqa: SIM118 - it is no mapping
            if pool is not None:
                pool.close()
        self._pool.clear()
        self._client.close()

    # -- asking ---------------------------------------------------------------------------------

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        url = f"{self._host}{path}{'?' + urlencode(query) if query else ''}"
        try:
            answer = self._pool.urlopen(
                method,
                url,
                body=data,
                headers={**headers, **self._credentials(), "Accept": "application/json, */*"},
                preload_content=False,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=_CONNECT, read=seconds),
            )
            try:
                if answer.status >= 300:
                    raise _refusal(answer)
                yield answer
            except BaseException:
                answer.close()  # what is left of it is of no use to whoever gets the connection next
                raise
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the cluster at {self._host} does not answer: {_words(error)}"
            raise _Passing(ApiRefusal(message), 0.0) from error

    def _credentials(self) -> dict[str, str]:
        """Return who we are; short-lived tokens are renewed by the client's own configuration."""
        try:
            found = self._configuration.auth_settings().get("BearerToken")
        except Exception as error:  # plug-ins of any kind are asked for a new token
            message = f"there are no credentials for {self._host}: {error}"
            raise _Passing(ApiRefusal(message, 401, "Unauthorized"), 0.0) from error
        headers = {"User-Agent": "headrace-agent"}
        if found and found.get("value"):
            headers["Authorization"] = str(found["value"])
        return headers

    # -- finding the cluster --------------------------------------------------------------------

    def _from_service_account(self, folder: str) -> str | None:
        from kubernetes.config import ConfigException, incluster_config

        # Its functions have no types.
        library: Any = incluster_config
        try:
            library.InClusterConfigLoader(
                token_filename=os.path.join(folder, "token"),
                cert_filename=os.path.join(folder, "ca.crt"),
            ).load_and_set(self._configuration)
        except (ConfigException, OSError) as error:
            raise ConfigError(f"The service account in {folder} cannot be used: {error}") from error
        try:
            return Path(folder, "namespace").read_text(encoding="utf-8").strip()
        except OSError:
            return None

    def _from_kubeconfig(self, file: str | None, context: str | None) -> str | None:
        from kubernetes import config

        library: Any = config
        file = file or os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
        if not any(os.path.isfile(each) for each in file.split(os.pathsep)):
            raise ConfigError(
                f"There is no cluster to deploy to: this is no pod with a service account, and there "
                f"is no kubeconfig {file}. Name one by KUBECONFIG."
            )
        try:
            contexts, active = library.list_kube_config_contexts(file)
            names = [each["name"] for each in contexts]
            if context is not None and context not in names:
                there = ", ".join(names) or "none"
                raise ConfigError(f"There is no context {context!r} in {file}; there are: {there}.")
            library.load_kube_config(
                file,
                context=context,
                client_configuration=self._configuration,
                persist_config=False,
            )
        except ConfigError:
            raise
        except Exception as error:  # of YAML, base64, TLS: whatever the client reads it with
            raise ConfigError(f"The kubeconfig {file} cannot be used: {error}") from error
        chosen = next((each for each in contexts if each["name"] == context), active)
        namespace = (chosen.get("context") or {}).get("namespace")
        return None if namespace is None else str(namespace)


class _Passing(Exception):
    """What another try may bring, and after how many seconds at the earliest."""

    def __init__(self, refusal: ApiRefusal, after: float) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.after = after


def _refusal(answer: urllib3.BaseHTTPResponse) -> Exception:
    data = answer.read()
    try:
        said = msgspec.json.decode(data, type=Status)
    except msgspec.DecodeError:
        # Something between us and the cluster: it speaks for itself.
        text = data.decode("utf-8", "replace").strip()[:500]
        said = Status(message=text or str(answer.reason), reason="", code=answer.status)
    refusal = ApiRefusal(
        f"the cluster says: {said.message or answer.reason} ({answer.status})",
        answer.status,
        said.reason or "",
    )
    # A quota has room again when something else ends.
    if answer.status not in _PASSING and _NO_ROOM not in str(refusal):
        return refusal
    try:
        after = float(answer.headers.get("Retry-After") or 0.0)
    except ValueError:
        after = 0.0
    return _Passing(refusal, after)


def _words(error: BaseException) -> str:
    return str(error.args[-1] if error.args else error) or type(error).__name__


def _keep_alive() -> list[tuple[int, int, int]]:
    """Have the system notice within a minute that a connection is gone with no word."""
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options

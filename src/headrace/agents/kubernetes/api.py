"""The cluster's API: what is asked, how often it is tried, and what a refusal says."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3

from headrace.agents.kubernetes.cluster import SERVICE_ACCOUNT, Cluster
from headrace.agents.kubernetes.objects import Status
from headrace.config.logging import get_logger
from headrace.core.errors import ConfigError, DeploymentError

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
#: Whom the cluster takes us for when we come with nothing: a plug-in that was asked had no answer.
_NOBODY = '"system:anonymous"'


class ApiRefusal(DeploymentError):
    """The cluster has not done what it was asked to.

    Args:
        message: Why, in its own words.
        status: The HTTP status; 0 if there was no answer.
        reason: The same in one word, such as `AlreadyExists`; empty without an answer.
        after: In how many seconds it wants to be asked again at the earliest.

    Attributes:
        status: See above.
        reason: See above.
        after: See above.
        is_unknown: Whether the cluster does not know who we are.
    """

    def __init__(self, message: str, status: int = 0, reason: str = "", after: float = 0.0) -> None:
        passes = _NO_ROOM in message or _NOBODY in message
        super().__init__(message, is_final=status in _FINAL and not passes)
        self.status = status
        self.reason = reason
        self.after = after
        self.is_unknown = status == 401 or _NOBODY in message


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
        self._cluster = Cluster(context, kubeconfig, service_account)
        self._host = self._cluster.host
        self.namespace = namespace or self._cluster.namespace or "default"
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
                    self._log.warning(
                        "It is not known yet what this agent may do there: %s", refusal
                    )
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
                wait = max(passing.refusal.after, random.uniform(pause / 2, pause))
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
        self._cluster.close()

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
        asked = time.monotonic()
        try:
            headers = {**headers, **self._cluster.credentials(), "Accept": "application/json, */*"}
        except ConfigError as error:
            raise _Passing(ApiRefusal(str(error), 401, "Unauthorized")) from error
        url = f"{self._host}{path}{'?' + urlencode(query) if query else ''}"
        try:
            answer = self._cluster.pool.urlopen(
                method,
                url,
                body=data,
                headers=headers,
                preload_content=False,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=_CONNECT, read=seconds),
            )
            try:
                if answer.status >= 300:
                    refusal = _refusal(answer)
                    if isinstance(refusal, ApiRefusal) and refusal.is_unknown:
                        # As kubectl does: a token, a certificate or a plug-in's word has run out.
                        raise _Passing(refusal) if self._cluster.renew(asked) else refusal
                    raise refusal
                yield answer
            except BaseException:
                answer.close()  # what is left of it is of no use to whoever gets the connection next
                raise
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"the cluster at {self._host} does not answer: {_words(error)}"
            raise _Passing(ApiRefusal(message)) from error


class _Passing(Exception):
    """A refusal after which another try may bring more."""

    def __init__(self, refusal: ApiRefusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def _refusal(answer: urllib3.BaseHTTPResponse) -> Exception:
    data = answer.read()
    try:
        said = msgspec.json.decode(data, type=Status)
    except msgspec.DecodeError:
        # Something between us and the cluster: it speaks for itself.
        text = data.decode("utf-8", "replace").strip()[:500]
        said = Status(message=text or str(answer.reason), reason="", code=answer.status)
    try:
        after = float(answer.headers.get("Retry-After") or 0.0)
    except ValueError:
        after = 0.0
    refusal = ApiRefusal(
        f"the cluster says: {said.message or answer.reason} ({answer.status})",
        answer.status,
        said.reason or "",
        after,
    )
    # A quota has room again when something else ends; when it counts two at once, one is to ask again.
    is_passing = (
        answer.status in _PASSING or _NO_ROOM in str(refusal) or refusal.reason == "Conflict"
    )
    return _Passing(refusal) if is_passing else refusal


def _words(error: BaseException) -> str:
    said = str(error.args[-1] if error.args else error) or type(error).__name__
    # urllib3 begins with its own object, whose host and port are known already.
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", said)

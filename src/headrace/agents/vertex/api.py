"""What is asked of Google's Vertex AI and Cloud Logging, as their REST interfaces have it.

Google's own package takes 140 MiB and seconds to import, more than an agent may: see the decision
record. Its authentication is used, by all the ways in which credentials can be found.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.core.errors import ConfigError, MissingExtraError

#: How long one answer may take, in seconds: to connect, and then.
_TIMEOUT = (10.0, 60.0)
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
#: What is read of a job: its environment, which is most of it, is not.
_FIELDS = "name,state,error,labels,createTime,startTime"
_PAGE = 100

#: What another try would be told again, by the names that Google's interfaces have for it.
_FINAL = frozenset(
    {
        "FAILED_PRECONDITION",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "OUT_OF_RANGE",
        "PERMISSION_DENIED",
        "UNIMPLEMENTED",
    }
)
#: After these nobody knows whether it was done.
_UNCLEAR = frozenset({408, 409, 500, 502, 503, 504})


class GoogleRefusal(Exception):
    """Google has refused something, or has not answered.

    Args:
        status: Which kind of error, as Google calls it, such as `RESOURCE_EXHAUSTED`; or what went
            wrong on the way.
        message: What it said.
        code: The HTTP status; None without an answer.

    Attributes:
        status: See above.
        is_final: Whether it would say the same again.
        is_unclear: Whether what was asked may have been done all the same.
        is_quota: Whether there was too much of it.
    """

    def __init__(self, status: str, message: str, code: int | None) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.is_final = status in _FINAL
        self.is_unclear = code is None or code in _UNCLEAR
        self.is_quota = code == 429


class VertexApi:
    """Custom jobs of one project in one region.

    Args:
        project: The project's id; None for that of the credentials.
        region: The region, such as `europe-west4`.
        endpoint: Where Vertex AI is; by default the region's own address.
        logging_endpoint: Where Cloud Logging is.

    Attributes:
        project: The project's id.

    Raises:
        MissingExtraError: If Google's package for credentials is not installed.
        ConfigError: If there are no credentials, or no project.
    """

    def __init__(
        self,
        project: str | None,
        region: str,
        *,
        endpoint: str | None = None,
        logging_endpoint: str | None = None,
    ) -> None:
        try:
            import google.auth
            from google.auth.exceptions import GoogleAuthError
            from google.auth.transport.requests import AuthorizedSession
            from requests import RequestException
            from requests.adapters import HTTPAdapter
        except ImportError as error:
            raise MissingExtraError("The Vertex AI agent", "gcp", "google-auth") from error
        self._auth_error: type[Exception] = GoogleAuthError
        self._no_answer: type[Exception] = RequestException
        try:
            credentials, own = google.auth.default(scopes=[_SCOPE])
        except GoogleAuthError as error:
            raise ConfigError(
                f"There are no credentials for Google Cloud: {str(error.args[0]).rstrip('.')}. "
                "Set GOOGLE_APPLICATION_CREDENTIALS to a key's file, or run: "
                "gcloud auth application-default login"
            ) from error
        if not (project or own):
            raise ConfigError(
                "Google Cloud needs a project, and the credentials name none. Give it by --project."
            )
        self.project: str = project or str(own)
        self._region = region
        where = (endpoint or f"https://{region}-aiplatform.googleapis.com").rstrip("/")
        self._base = f"{where}/v1/"
        self._jobs = f"{self._base}projects/{self.project}/locations/{region}/customJobs"
        self._logging = (logging_endpoint or "https://logging.googleapis.com").rstrip("/")
        # Its methods have no types.
        make_session: Any = AuthorizedSession
        self._session: Any = make_session(credentials)
        # As many connections as deployments at once; requests' own ten would be opened anew.
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=50)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._credentials: Any = credentials
        self._renewing = threading.Lock()

    def check(self) -> None:
        """See that the credentials are taken, and that the project and the region are there.

        Raises:
            ConfigError: If not, with the reason.
        """
        try:
            self._call("GET", self._jobs, params={"pageSize": "1", "fields": "nextPageToken"})
        except GoogleRefusal as refusal:
            raise ConfigError(
                f"Vertex AI does not take jobs for project {self.project!r} in region "
                f"{self._region!r}: {refusal}"
            ) from refusal

    def create(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Make a job; return it.

        Raises:
            GoogleRefusal: If it is refused, or there is no answer: it may have been made then.
        """
        return self._call("POST", self._jobs, body=job, params={"fields": _FIELDS})

    def jobs(self, which: str) -> Iterator[dict[str, Any]]:
        """Yield the jobs that a filter lets through, of all pages.

        Args:
            which: The filter, as Vertex AI's `customJobs.list` has it.

        Raises:
            GoogleRefusal: If it is refused, or there is no answer.
        """
        params = {
            "filter": which,
            "pageSize": str(_PAGE),
            "fields": f"customJobs({_FIELDS}),nextPageToken",
        }
        while True:
            page = self._call("GET", self._jobs, params=params)
            yield from page.get("customJobs", [])
            token = page.get("nextPageToken")
            if not token:
                return
            params["pageToken"] = token

    def job(self, name: str) -> dict[str, Any] | None:
        """Return a job by its full name; None if there is none.

        Raises:
            GoogleRefusal: If it is refused, or there is no answer.
        """
        try:
            return self._call("GET", self._base + name, params={"fields": _FIELDS})
        except GoogleRefusal as refusal:
            if refusal.status == "NOT_FOUND":
                return None
            raise

    def cancel(self, name: str) -> None:
        """Ask for a job's end.

        Raises:
            GoogleRefusal: If it is refused, or there is no answer.
        """
        self._call("POST", f"{self._base}{name}:cancel", body={})

    def delete(self, name: str) -> None:
        """Remove a job that is over.

        Raises:
            GoogleRefusal: If it is refused, or there is no answer.
        """
        self._call("DELETE", self._base + name)

    def output(self, name: str, most: int) -> list[str]:
        """Return the last lines that a job has printed, so far as Cloud Logging has them by now.

        Raises:
            GoogleRefusal: If it is refused, or there is no answer.
        """
        job = name.rsplit("/", 1)[-1]
        body = {
            "resourceNames": [f"projects/{self.project}"],
            "filter": f'resource.type="ml_job" AND resource.labels.job_id="{job}"',
            "orderBy": "timestamp desc",
            "pageSize": most,
        }
        found = self._call("POST", f"{self._logging}/v2/entries:list", body=body)
        entries = reversed(found.get("entries", []))
        return [line for entry in entries if (line := _line(entry))]

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def _call(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        try:
            # Fifty at once would else each fetch a token of their own.
            with self._renewing:
                if not self._credentials.valid:
                    self._credentials.refresh(self._session._auth_request)
            answer = self._session.request(
                method, url, params=params, json=body, timeout=_TIMEOUT, allow_redirects=False
            )
        except self._auth_error as error:
            # Nothing was asked yet: without a token there is no request.
            raise GoogleRefusal("the credentials were refused", _first(error), 401) from error
        except self._no_answer as error:
            raise GoogleRefusal("no answer", _first(error), None) from error
        if answer.status_code == 200:
            try:
                found: dict[str, Any] = json.loads(answer.content or b"{}")
            except ValueError as error:
                raise GoogleRefusal("no JSON", answer.text[:200], None) from error
            return found
        raise _refusal(answer.status_code, answer.content)


def _refusal(code: int, content: bytes) -> GoogleRefusal:
    """Return what an answer says that is no success: a `google.rpc.Status`, or a proxy's page."""
    try:
        error = json.loads(content)["error"]
        message = str(error.get("message", ""))
        for detail in error.get("details", []):
            for each in detail.get("fieldViolations", []):
                message += f" ({each.get('field', '')}: {each.get('description', '')})"
        return GoogleRefusal(str(error.get("status") or f"HTTP {code}"), message, code)
    except (ValueError, KeyError, TypeError, AttributeError):
        text = content[:200].decode(errors="replace").strip()
        return GoogleRefusal(f"HTTP {code}", text or "without a word", code)


def _line(entry: Mapping[str, Any]) -> str:
    payload = entry.get("jsonPayload") or {}
    return str(entry.get("textPayload") or payload.get("message") or "").rstrip("\n")


def _first(error: Exception) -> str:
    return str(error.args[0] if error.args else error)[:500]

"""`Webhook`: flows in a service that takes and gives them over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from headrace.core.errors import StorageError
from headrace.storage.base import Storage
from headrace.storage.contents import digest_of, flow_in, mark_in, pickled, script_at
from headrace.storage.fingerprint import fingerprint
from headrace.storage.web_request import WebRequest

if TYPE_CHECKING:
    from typing import Self

    from headrace.flow import Flow

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class Webhook(Storage):
    """Flows in whatever service takes and gives them over HTTP: pickles, or Python files.

    Each text in the two requests may hold `${NAME}`: that is filled in when the request is made, from
    the environment variable NAME, or else from the secret NAME. What is filled in is never stored or
    logged; the requests themselves, with `${NAME}` in them, are told to the server.

    A run notices if it gets other code than was registered, and fails: a pickle is known by its
    fingerprint, a Python file by its SHA-256.

    Args:
        build_request_kwargs: The request that stores a flow: `url`, and if needed `params`, `headers`,
            `auth` (name and password), `cookies`, `timeout` (seconds), `verify`, `cert`,
            `allow_redirects`. The flow's bytes are its body.
        build_request_http_method: Its method, such as `"POST"`.
        get_flow_request_kwargs: The request that gets a flow, likewise; the answer's body is the flow.
            It may have `json` or `data`.
        get_flow_request_http_method: Its method, such as `"GET"`.
        stored_as_script: Whether the Python file is kept that makes the flow, instead of a pickle.
        flow_script_path: The Python file that is sent then. `headrace register --path` fills it in.
        **kwargs: Arguments of every storage.

    Attributes:
        hashes: By the name of each flow, what its code is known by.

    Raises:
        StorageError: If a method is none, or a request has no address or arguments that are unknown.

    Example:
        ```python
        flow.storage = Webhook(
            build_request_kwargs={
                "url": "https://flows.example.com/upload",
                "headers": {"Authorization": "Bearer ${FLOWS_TOKEN}"},
            },
            build_request_http_method="POST",
            get_flow_request_kwargs={
                "url": "https://flows.example.com/download",
                "headers": {"Authorization": "Bearer ${FLOWS_TOKEN}"},
            },
            get_flow_request_http_method="GET",
        )
        ```
    """

    described: ClassVar[tuple[str, ...]] = (
        "build_request_kwargs",
        "build_request_http_method",
        "get_flow_request_kwargs",
        "get_flow_request_http_method",
    )
    by_flow: ClassVar[tuple[str, ...]] = ("flows", "hashes")
    is_elsewhere: ClassVar[bool] = True

    def __init__(
        self,
        build_request_kwargs: Mapping[str, Any],
        build_request_http_method: str,
        get_flow_request_kwargs: Mapping[str, Any],
        get_flow_request_http_method: str,
        stored_as_script: bool = False,
        flow_script_path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(stored_as_script=stored_as_script, **kwargs)
        self.build_request_kwargs = _mapping("build_request_kwargs", build_request_kwargs)
        self.build_request_http_method = _method(build_request_http_method)
        self.get_flow_request_kwargs = _mapping("get_flow_request_kwargs", get_flow_request_kwargs)
        self.get_flow_request_http_method = _method(get_flow_request_http_method)
        self.flow_script_path = None if flow_script_path is None else os.fspath(flow_script_path)
        self.hashes: dict[str, str] = {}
        self._pending: dict[str, bytes] = {}
        # What is wrong with a request is known before anything is sent.
        self._building()
        self._getting()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_pending": {}}

    @property
    def script_here(self) -> str | None:
        """The Python file that is kept: the one named, or else the one that is being registered."""
        from headrace.core.context import context

        return self.flow_script_path or context.get("local_script_path")

    def add_flow(self, flow: Flow) -> str:
        """Take a flow in; return the address that `build` sends it to.

        Raises:
            StorageError: If another flow of this name was added, this storage has another flow
                already, a request holds a secret, or the Python file cannot be read.
            SerializationError: If the flow cannot be pickled.
        """
        self.check_name(flow)
        self._check_secrets()
        others = [name for name in self.flows if name != flow.name]
        if others and not self.stored_as_script:
            raise StorageError(
                f"A Webhook storage gets one pickle, and it has the flow {others[0]!r} already. Give the "
                f"flow {flow.name!r} a storage of its own, with an address of its own."
            )
        if self.stored_as_script:
            data = self._script()
            if data is not None:
                self._pending[flow.name] = data
                self.hashes[flow.name] = digest_of(data)
        else:
            mark = fingerprint(flow)
            self._pending[flow.name] = pickled(flow, mark)
            self.hashes[flow.name] = mark
        return self.keep(flow, self._building().address)

    def build(self) -> Self:
        """Send what was added.

        Raises:
            StorageError: If the service cannot be reached, or refuses.
            SecretError: If neither the environment nor a secret has what is to be filled in.
        """
        for name, data in list(self._pending.items()):
            self._building().send(data)
            self.logger.info("The flow %r is stored at %s.", name, self.flows[name])
            del self._pending[name]
        return self

    def get_flow(self, flow_name: str) -> Flow:
        """Load a flow; errors are those of every storage, and those of `build`."""
        self.location_of(flow_name)
        request = self._getting()
        data = request.send(None)
        known = self.hashes.get(flow_name)
        found = digest_of(data) if self.stored_as_script else mark_in(data)
        if known is not None and found != known:
            raise StorageError(
                f"What {request.address} answers is not what was registered for the flow {flow_name!r}: "
                f"{_looks_like(data)}. Look whether the address gives back the very bytes that were sent, "
                "and register the flow again if something else has been stored there since."
            )
        self.logger.info("Loading the flow %r from %s.", flow_name, request.address)
        return flow_in(data, flow_name, request.address, is_script=self.stored_as_script)

    def serialize(self) -> dict[str, Any]:
        """Describe the storage; see `Storage.serialize`.

        Raises:
            StorageError: If a request is no JSON, or holds a secret.
        """
        self._check_secrets()
        return {**super().serialize(), "hashes": dict(sorted(self.hashes.items()))}

    def restore(self, description: dict[str, Any]) -> None:
        """Take over flows and hashes; see `Storage.restore`."""
        super().restore(description)
        self.hashes = dict(description.get("hashes") or {})

    # -- parts --------------------------------------------------------------------------------

    def _building(self) -> WebRequest:
        return WebRequest(
            "build_request_kwargs", self.build_request_http_method, self.build_request_kwargs
        )

    def _getting(self) -> WebRequest:
        return WebRequest(
            "get_flow_request_kwargs",
            self.get_flow_request_http_method,
            self.get_flow_request_kwargs,
        )

    def _check_secrets(self) -> None:
        self._building().check_secrets()
        self._getting().check_secrets()

    def _script(self) -> bytes | None:
        if self.script_here is not None:
            return script_at(self.script_here)
        if self.flows:
            return None  # a storage that was rebuilt: its script was sent by whoever made it
        raise StorageError(
            "A Webhook storage with stored_as_script=True needs flow_script_path, the Python file that "
            "is to be sent: flow_script_path=__file__."
        )


def _mapping(argument: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise StorageError(f"The {argument} of a Webhook storage are a dict, not {value!r:.80}.")
    return dict(value)


def _method(value: object) -> str:
    if not isinstance(value, str) or value.upper() not in _METHODS:
        raise StorageError(
            f"The HTTP method of a Webhook storage is one of {', '.join(_METHODS)}, not {value!r}."
        )
    return value.upper()


def _looks_like(data: bytes) -> str:
    if not data:
        return "it is empty"
    return f"it is {len(data)} bytes that are " + (
        "another version of it" if mark_in(data) else "no pickle of Headrace's, or another file"
    )

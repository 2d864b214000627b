"""A request over HTTP that is described in data, with places to be filled in when it is made."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

from headrace.config.secrets import Secret
from headrace.core.errors import SecretError, StorageError

_PLACE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KNOWN: Final = frozenset(
    [
        "url",
        "params",
        "headers",
        "auth",
        "cookies",
        "timeout",
        "verify",
        "cert",
        "allow_redirects",
        "json",
        "data",
    ]
)
#: What is in headers and parameters with such names is a secret.
_SECRET: Final = re.compile(
    r"auth|cookie|token|secret|passw|credential|signature|api.?key|access.?key", re.IGNORECASE
)
_OK: Final = range(200, 300)
#: How many seconds a service may take, if the request does not say.
_PATIENCE: Final = 60.0
_LINE: Final = 300


class WebRequest:
    """One request, as data.

    Args:
        argument: What the user calls it, for messages.
        method: The HTTP method.
        described: The arguments, in which each text may hold `${NAME}`.

    Raises:
        StorageError: If it has no address, or arguments that are unknown.
    """

    def __init__(self, argument: str, method: str, described: Mapping[str, Any]) -> None:
        self._argument = argument
        self._method = method
        self._described = described
        unknown = sorted(map(str, described.keys() - _KNOWN))
        if unknown:
            raise StorageError(
                f"{argument} of a Webhook storage: {', '.join(unknown)} is not known. Known are "
                f"{', '.join(sorted(_KNOWN))}."
            )
        if not isinstance(described.get("url"), str) or not described["url"]:
            raise StorageError(
                f"{argument} of a Webhook storage needs the address: "
                f"{argument}={{'url': 'https://…'}}."
            )

    @property
    def address(self) -> str:
        """The address, with `${NAME}` where something is filled in."""
        return str(self._described["url"])

    def check_secrets(self) -> None:
        """Make sure that nothing in it is a secret: the server is told of it as it is.

        Raises:
            StorageError: If something in it is.
        """
        held = []
        if _is_bare(self._described.get("auth")):
            held.append("auth")
        plain = urlsplit(_PLACE.sub("", self.address))
        if plain.password:
            held.append("the password in url")
        held += [
            f"{name} in url"
            for name, value in parse_qsl(plain.query)
            if _SECRET.search(name) and value
        ]
        for part in ("headers", "params", "cookies"):
            values = self._described.get(part)
            if isinstance(values, Mapping):
                held += [
                    f"{part}[{name!r}]"
                    for name, value in values.items()
                    if (part == "cookies" or _SECRET.search(str(name))) and _is_bare(value)
                ]
        if held:
            raise StorageError(
                f"{self._argument} of a Webhook storage: {', '.join(held)} looks like a secret, and the "
                "server would be told of it. Write ${NAME} in its place, and put it into the environment "
                "variable or the secret NAME where flows are registered and run."
            )

    def send(self, body: bytes | None) -> bytes:
        """Make the request and return the body of the answer.

        Args:
            body: What is sent; None for what the description says.

        Raises:
            StorageError: If the service cannot be reached, or refuses.
            SecretError: If neither the environment nor a secret has what is to be filled in.
        """
        import urllib3

        filled = _Filled(self._argument)
        given = {name: filled.fill(value) for name, value in self._described.items()}
        headers = {str(name): str(value) for name, value in (given.get("headers") or {}).items()}
        if body is None:
            body = _body(given, headers)
        _authorize(given, headers)
        url = str(given["url"])
        if given.get("params"):
            url += ("&" if "?" in url else "?") + urlencode(given["params"], doseq=True)
        try:
            with _pool(url, given) as pool:
                answer = pool.request(
                    self._method,
                    url,
                    body=body,
                    headers=headers,
                    timeout=_timeout(given.get("timeout")),
                    redirect=given.get("allow_redirects", True),
                    retries=urllib3.Retry(
                        total=None,
                        connect=0,
                        read=0,
                        redirect=5,
                        status=0,
                        # Another host that the service points to is not told its secrets.
                        remove_headers_on_redirect={
                            *urllib3.Retry.DEFAULT_REMOVE_HEADERS_ON_REDIRECT,
                            *(name for name, text in headers.items() if filled.hide(text) != text),
                        },
                    ),
                )
                data: bytes = answer.data
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise self._failed(f"cannot be made: {_reason(error)}", filled) from None
        if answer.status not in _OK:
            line = next(iter(data.decode("utf-8", "replace").strip().splitlines()), "")
            text = f"{answer.status} {answer.reason or ''}".strip()
            raise self._failed(
                f"is answered with {text}{': ' + line[:_LINE] if line else ''}", filled
            )
        return data

    def _failed(self, what: str, filled: _Filled) -> StorageError:
        return StorageError(
            f"The request {self._method} {self.address} of a Webhook storage {filled.hide(what)}. Look at "
            f"{self._argument}, and at what is filled in: {', '.join(filled.names) or 'nothing'}."
        )


class _Filled:
    """Fills in `${NAME}`, and knows afterwards what must not be shown."""

    def __init__(self, argument: str) -> None:
        self._argument = argument
        self._values: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._values)

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return _PLACE.sub(self._value, value)
        if isinstance(value, Mapping):
            return {self.fill(name): self.fill(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.fill(part) for part in value]
        return value

    def hide(self, text: str) -> str:
        """Put the names back in the place of what was filled in."""
        for name, value in sorted(self._values.items(), key=lambda item: -len(item[1])):
            for shape in {value, quote(value), quote_plus(value)} - {""}:
                text = text.replace(shape, f"${{{name}}}")
        return text

    def _value(self, found: re.Match[str]) -> str:
        name = found[1]
        if name not in self._values:
            given = os.environ.get(name)
            if given is None:
                secret = Secret(name)
                if not secret.exists():
                    raise SecretError(
                        f"{self._argument} of a Webhook storage has ${{{name}}} in it, and there is "
                        f"neither an environment variable {name} nor a secret of this name here."
                    )
                given = str(secret.get())
            self._values[name] = given
        return self._values[name]


def _is_bare(value: object) -> bool:
    """Tell whether some value has nothing that is filled in."""
    if isinstance(value, Mapping):
        return any(_is_bare(part) for part in value.values())
    if isinstance(value, list | tuple):
        return bool(value) and _is_bare(value[-1])
    return value is not None and not _PLACE.search(str(value))


def _body(given: Mapping[str, Any], headers: dict[str, str]) -> bytes | None:
    import json

    if given.get("json") is not None:
        headers.setdefault("Content-Type", "application/json")
        return json.dumps(given["json"]).encode()
    data = given.get("data")
    if isinstance(data, Mapping):
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return urlencode(data, doseq=True).encode()
    return data.encode() if isinstance(data, str) else data


def _authorize(given: Mapping[str, Any], headers: dict[str, str]) -> None:
    from base64 import b64encode

    auth = given.get("auth")
    if auth:
        headers["Authorization"] = "Basic " + b64encode(":".join(map(str, auth)).encode()).decode()
    if given.get("cookies"):
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in given["cookies"].items())


def _pool(url: str, given: Mapping[str, Any]) -> Any:
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    options: dict[str, Any] = {}
    verify, cert = given.get("verify", True), given.get("cert")
    if verify is False:
        options["cert_reqs"] = "CERT_NONE"
    elif isinstance(verify, str):
        options["ca_certs"] = verify
    if cert is not None:
        pair = [cert] if isinstance(cert, str) else list(cert)
        options.update(zip(("cert_file", "key_file"), pair, strict=False))
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and parts.hostname and not proxy_bypass(parts.hostname):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


def _timeout(given: Any) -> Any:
    import urllib3

    if isinstance(given, list | tuple):
        return urllib3.Timeout(*given)
    return urllib3.Timeout(_PATIENCE if given is None else float(given))


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}".rstrip(".")

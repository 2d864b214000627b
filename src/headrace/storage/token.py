"""Tokens and passwords for hosts, which come from secrets and are never shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from headrace.config.secrets import Secret
from headrace.core.errors import SecretError


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token, password or name, and where it is from.

    Attributes:
        value: What is sent to the host.
        source: Where it was found, in words.
    """

    value: str = field(repr=False)
    source: str

    def hide(self, text: str) -> str:
        """Return a text with the token in it blotted out."""
        return text.replace(self.value, "***")


def token_of(secret: str | None, default: str) -> Token | None:
    """Return a token.

    Args:
        secret: The name of the secret that holds it.
        default: If no secret is named: the name of a secret, or else of an environment variable, that
            holds it if it is there, as for Prefect 1.

    Returns:
        The token; None if no secret is named and there is none by the default name.

    Raises:
        SecretError: If the secret that is named is not there, or holds no token.
    """
    if secret is not None:
        return _token(Secret(secret).get(), f"the secret {secret!r}")
    found = Secret(default)
    if found.exists():
        return _token(found.get(), f"the secret {default!r}")
    value = os.environ.get(default, "").strip()
    return _token(value, f"the environment variable {default}") if value else None


def _token(value: object, source: str) -> Token:
    # A token of digits alone is taken for a number when it is looked up, and is the same as text.
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    text = str(value).strip() if is_text else ""
    # Of what cannot be sent in a header, `requests` would show the whole value.
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise SecretError(
            f"{source[0].upper()}{source[1:]} holds no token, password or name for a host: that is "
            "text of letters, digits and signs, without spaces. If it looks like JSON, as a number "
            "or true do, put it within quotes."
        )
    return Token(value=text, source=source)

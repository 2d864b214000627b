"""What all messages have in common, and which version of them this is."""

from __future__ import annotations

import msgspec

#: The version of the messages. It grows when an old reader would misunderstand a new message.
WIRE_VERSION = 1
#: The header in which each side says its `WIRE_VERSION`.
WIRE_HEADER = "headrace-wire"


class Request(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a client sends. A field that the server does not know is an error: it may be a typo."""


class Answer(msgspec.Struct, kw_only=True):
    """What a server answers. A client ignores fields that it does not know."""


class Problem(Answer):
    """What a server answers when it cannot do what it was asked to, with a 4xx or 5xx status.

    Attributes:
        code: What is wrong, for programs: lower case, words joined by underscores.
        message: What is wrong, and the way out, for people.
    """

    code: str
    message: str

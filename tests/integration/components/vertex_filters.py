"""Filters of Google's list calls, as AIP-160 has them: what `customJobs.list` documents of it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

Job = dict[str, Any]
Test = Callable[[Job], bool]

_TOKEN = re.compile(
    r'\s*(?:(?P<sign>\(|\)|<=|>=|!=|=|<|>|:)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[\w.*]+))'
)
#: What each field may be compared by, as the reference of `customJobs.list` says.
_SIGNS = {
    "display_name": ("=", "!=", ":"),
    "state": ("=", "!="),
    "create_time": ("=", "!=", "<", "<=", ">", ">="),
}


class BadFilter(ValueError):
    """A filter that Vertex AI would not take."""


def parse(text: str) -> Test:
    """Return what a filter lets through; everything, if it is empty."""
    if not text.strip():
        return lambda job: True
    tokens = _tokens(text)
    test = _either(tokens)
    if tokens:
        raise BadFilter(f"unexpected {tokens[0][1]!r}")
    return test


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadFilter(f"syntax error at {text[at:]!r}")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return found


# AIP-160: OR binds closer than AND.
def _either(tokens: list[tuple[str, str]]) -> Test:
    return _row(tokens, "AND", lambda some: lambda job: all(test(job) for test in some), _any)


def _any(tokens: list[tuple[str, str]]) -> Test:
    return _row(tokens, "OR", lambda some: lambda job: any(test(job) for test in some), _term)


def _row(
    tokens: list[tuple[str, str]],
    word: str,
    join: Callable[[list[Test]], Test],
    part: Callable[[list[tuple[str, str]]], Test],
) -> Test:
    some = [part(tokens)]
    while tokens and tokens[0] == ("word", word):
        tokens.pop(0)
        some.append(part(tokens))
    return join(some)


def _term(tokens: list[tuple[str, str]]) -> Test:
    if not tokens:
        raise BadFilter("unexpected end")
    kind, text = tokens.pop(0)
    if (kind, text) == ("word", "NOT"):
        inner = _term(tokens)
        return lambda job: not inner(job)
    if (kind, text) == ("sign", "("):
        inner = _either(tokens)
        if not tokens or tokens.pop(0) != ("sign", ")"):
            raise BadFilter("missing )")
        return inner
    if kind != "word" or len(tokens) < 2 or tokens[0][0] != "sign":
        raise BadFilter(f"unexpected {text!r}")
    sign, value = tokens.pop(0)[1], tokens.pop(0)[1]
    return _comparison(text, sign, value)


def _comparison(field: str, sign: str, value: str) -> Test:
    if field.startswith("labels."):
        key = field.removeprefix("labels.")
        if sign == ":" and value == "*":
            return lambda job: key in job.get("labels", {})
        if sign not in ("=", ":"):
            raise BadFilter(f"labels do not support {sign}")
        return lambda job: job.get("labels", {}).get(key) == value
    name = {"displayName": "display_name", "createTime": "create_time"}.get(field, field)
    if sign not in _SIGNS.get(name, ()):
        raise BadFilter(f"{field!r} does not support {sign}")
    if name == "create_time":
        at = _time(value)
        return lambda job: _ordered(_time(job["createTime"]), sign, at)
    json_name = "displayName" if name == "display_name" else name
    if sign == ":":
        pattern = re.compile(".*".join(map(re.escape, value.split("*"))))
        return lambda job: pattern.fullmatch(job[json_name]) is not None
    return lambda job: (job[json_name] == value) is (sign == "=")


def _time(text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise BadFilter(f"{text!r} is no time as RFC 3339 has it") from None
    if found.tzinfo is None:
        raise BadFilter(f"{text!r} has no zone")
    return found


def _ordered(left: datetime.datetime, sign: str, right: datetime.datetime) -> bool:
    return {
        "=": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[sign]

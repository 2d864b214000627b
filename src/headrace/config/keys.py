"""Headrace's own settings: what each is called, what it may be, and what it is by default."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from headrace.core.version import __version__

LEVELS = ("NOTSET", "DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


class Unfit(Exception):
    """A value is not what its setting takes. Caught by whoever knows where it came from."""


class Kind:
    """What a setting may be.

    Args:
        expects: The words that finish the sentence "must be ...".
        convert: Takes a value and whether it is text from an environment variable; returns the
            value as the program sees it, or raises `Unfit`.
    """

    __slots__ = ("convert", "expects")

    def __init__(self, expects: str, convert: Callable[[object, bool], object]) -> None:
        self.expects = expects
        self.convert = convert


class Key:
    """One setting.

    Args:
        kind: What it may be.
        default: What it is if neither a file, nor the environment, nor code says otherwise.
        doc: What it does, in one sentence.
        private: Whether its value is never shown.
    """

    __slots__ = ("default", "doc", "kind", "private")

    def __init__(self, kind: Kind, default: object, doc: str, private: bool = False) -> None:
        self.kind = kind
        self.default = default
        self.doc = doc
        self.private = private


def _boolean(value: object, text: bool) -> bool:
    if isinstance(value, bool):
        return value
    if text and isinstance(value, str):
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
    raise Unfit


def _string(value: object, _text: bool) -> str:
    if not isinstance(value, str):
        raise Unfit
    return value


def _directory(value: object, _text: bool) -> str:
    import os.path

    if not (isinstance(value, str) and value):
        raise Unfit
    return os.path.expanduser(value)


def _number(value: object, text: bool) -> float:
    if text and isinstance(value, str):
        try:
            value = float(value) if not value.isdecimal() else int(value)
        except ValueError:
            raise Unfit from None
    # `False < inf` holds, and so would NaN slip through a test for "not negative".
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit
    if not 0 <= value < float("inf"):
        raise Unfit
    return value


def _positive(value: object, text: bool) -> float:
    number = _number(value, text)
    if number == 0:
        raise Unfit
    return number


def _is_false(value: object, text: bool) -> bool:
    # TOML has no null, so `false` stands for "none" where a number is expected.
    return value is False or (text and isinstance(value, str) and value.lower() == "false")


def _count(value: object, text: bool) -> int:
    number = 0 if _is_false(value, text) else _number(value, text)
    if not isinstance(number, int):
        raise Unfit
    return number


def _timeout(value: object, text: bool) -> float | None:
    return None if value is None or _is_false(value, text) else _positive(value, text)


def _delay(value: object, text: bool) -> timedelta | None:
    if value is None or _is_false(value, text):
        return None
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise Unfit
        return value
    try:
        return timedelta(seconds=_number(value, text))
    except OverflowError:
        raise Unfit from None


def _level(value: object, text: bool) -> str | int:
    if isinstance(value, str) and value.upper() in LEVELS:
        return value.upper()
    number = _number(value, text)
    if not isinstance(number, int):
        raise Unfit
    return number


def _strings(value: object, text: bool) -> list[str]:
    if isinstance(value, str):
        # A list inside a string is how configuration files for Prefect 1 were written.
        value = _list_in_text(value, bare=text)
    if not isinstance(value, list | tuple):
        raise Unfit
    items = list(value)
    if not all(isinstance(item, str) for item in items):
        raise Unfit
    return items


def _list_in_text(value: str, bare: bool) -> object:
    if value.lstrip().startswith("["):
        import ast

        try:
            return ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            raise Unfit from None
    if not bare:
        raise Unfit
    return [item.strip() for item in value.split(",") if item.strip()]


def _choice(*names: str) -> Kind:
    def convert(value: object, _text: bool) -> str:
        if not (isinstance(value, str) and value in names):
            raise Unfit
        return value

    return Kind("one of " + ", ".join(map(repr, names)), convert)


BOOLEAN = Kind("true or false", _boolean)
STRING = Kind("a string", _string)
DIRECTORY = Kind("the path of a directory", _directory)
NUMBER = Kind("a number of seconds, 0 or more", _number)
POSITIVE = Kind("a number of seconds above 0", _positive)
COUNT = Kind("a whole number, 0 or more (or false for 0)", _count)
TIMEOUT = Kind("a number of seconds above 0 (or false for none)", _timeout)
DELAY = Kind("a number of seconds, 0 or more (or false for none)", _delay)
LEVEL = Kind("DEBUG, INFO, WARNING, ERROR, CRITICAL or a level's number", _level)
STRINGS = Kind("a list of strings", _strings)

#: Every setting of Headrace, by its dotted name. A user may add any other.
KEYS: dict[str, Key] = {
    "home_dir": Key(
        DIRECTORY, "~/.headrace", "Where Headrace keeps config.toml and, by default, results."
    ),
    "api_url": Key(STRING, "http://127.0.0.1:4200", "Where the server of tracked runs is."),
    "api_key": Key(STRING, "", "The key to identify with at the server.", private=True),
    "backend": Key(
        _choice("server", "cloud"),
        "server",
        "Taken as Prefect 1 has it; there is one kind of server.",
    ),
    "cloud.api_key": Key(STRING, "", "The key that is taken if `api_key` is empty.", private=True),
    "cloud.logging_heartbeat": Key(
        POSITIVE, 5, "Taken as Prefect 1 has it; log lines are delivered at once."
    ),
    "cloud.send_flow_run_logs": Key(BOOLEAN, True, "Whether tracked runs deliver their logs."),
    "cloud.use_local_secrets": Key(
        BOOLEAN, True, "Taken as Prefect 1 has it; a server keeps no secrets."
    ),
    "flows.checkpointing": Key(
        BOOLEAN, False, "Whether `flow.run()` writes the tasks' results to their places."
    ),
    "flows.run_on_schedule": Key(
        BOOLEAN, True, "Whether `flow.run()` waits for, and follows, the flow's schedule."
    ),
    "flows.eager_edge_validation": Key(
        BOOLEAN, False, "Whether each new edge is checked for a cycle at once."
    ),
    "flows.park_after": Key(
        POSITIVE,
        600,
        "How many seconds a tracked run waits at most before it lets go of its process meanwhile.",
    ),
    "flows.defaults.storage.add_default_labels": Key(
        BOOLEAN, True, "Whether a storage adds its own labels to the flow's."
    ),
    "flows.defaults.storage.default_class": Key(
        STRING, "headrace.storage.Local", "The storage of a flow that names none."
    ),
    "logging.level": Key(LEVEL, "INFO", "The least severe log lines that are shown."),
    "logging.format": Key(
        STRING,
        "[%(asctime)s] %(levelname)s - %(name)s | %(message)s",
        "What a log line looks like.",
    ),
    "logging.datefmt": Key(
        STRING, "%Y-%m-%d %H:%M:%S%z", "What the time in a log line looks like."
    ),
    "logging.log_attributes": Key(
        STRINGS, (), "Names in `headrace.context` that log lines carry as attributes."
    ),
    "logging.extra_loggers": Key(
        STRINGS, (), "Names of other loggers that are shown like Headrace's own."
    ),
    "agents.default_image": Key(
        STRING,
        f"headrace:{__version__}",
        "The image of flow runs that neither name one nor have a storage that is one.",
    ),
    "runs.activation_timeout": Key(
        POSITIVE,
        120,
        "How many seconds the process of a tracked run tries to reach the server before it gives up.",
    ),
    "runs.cancel_grace": Key(
        NUMBER,
        30,
        "How many seconds a cancelled run has to end by itself before its process gets SIGTERM.",
    ),
    "runs.term_grace": Key(
        NUMBER, 10, "How many seconds after SIGTERM a run's processes are killed."
    ),
    "runs.flush_timeout": Key(
        NUMBER,
        60,
        "How many seconds the process of a tracked run waits at its end for a server that is away.",
    ),
    "runs.output_limit": Key(
        COUNT, 5_000_000, "How many bytes of a tracked run's stdout, and of its stderr, are kept."
    ),
    "runs.memory_limit": Key(
        COUNT,
        32_000_000,
        "How many bytes of undelivered events a tracked run keeps in memory, and not just on disk.",
    ),
    "tasks.defaults.max_retries": Key(
        COUNT, 0, "How often a task that does not say is run again after a failure."
    ),
    "tasks.defaults.retry_delay": Key(
        DELAY, None, "How many seconds a task that does not say waits before a retry."
    ),
    "tasks.defaults.timeout": Key(
        TIMEOUT, None, "How many seconds a task that does not say may run."
    ),
}

#: The sections that always exist. What stands in `context.secrets` is the users'.
SECTIONS: frozenset[str] = frozenset(
    ["context", "context.secrets"]
    + [name.rsplit(".", depth)[0] for name in KEYS for depth in range(1, name.count(".") + 1)]
)


def is_private(path: str) -> bool:
    """Tell whether the value of the setting with this dotted name is never shown."""
    known = KEYS.get(path)
    return known.private if known else path.startswith("context.secrets.")

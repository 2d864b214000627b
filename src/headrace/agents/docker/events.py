"""Follows an engine's event stream: one connection, made again whenever it is lost."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal
from headrace.config.logging import get_logger

#: How many seconds pass until the stream is asked for again: the first time, and at most.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
#: For how many seconds before its start what has ended is asked for. An engine tells of an end up to
#: some 100 ms before its list says so: who looks at the list in between, and asks for what is to come
#: only, hears of that end never. As long as this, as the engine's clock may be another one.
_BEFORE = 3600


class EventStream:
    """Hears of the ends and removals of an agent's containers.

    Args:
        api: The engine.
        label: The label that they have, as `name=value`.
        opened: Called when the stream is open, before any event of it is heard: now is the time to
            look at all containers, as the engine may have forgotten what happened before.
        heard: Called with each event. An event may come twice, and long after what it tells of.
    """

    def __init__(
        self,
        api: DockerApi,
        label: str,
        opened: Callable[[], None],
        heard: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._api = api
        self._label = label
        self._opened = opened
        self._heard = heard
        self._since = str(int(time.time()) - _BEFORE)
        self._log = get_logger("agent")
        self._lock = threading.Lock()
        self._stream: Any = None
        self._closing = threading.Event()
        self._is_away = False
        self._pause = _FIRST_PAUSE
        self._thread = threading.Thread(target=self._follow, name="docker-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the stream."""
        with self._lock:
            self._closing.set()
            if self._stream is not None:
                self._shut(self._stream)
        self._thread.join(5)

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                for event in self._api.events(self._label, self._since, self._take):
                    self._since = _moment(event) or self._since
                    self._heard(event)
                self._lost(f"the Docker engine at {self._api.address} has ended its event stream")
            except EngineAway as away:
                self._lost(str(away))
            except EngineRefusal as refusal:
                self._lost(f"the Docker engine at {self._api.address} tells nothing: {refusal}")
            except Exception:  # noqa: BLE001 - a fault in one event must not hide all ends to come
                self._log.exception("Following the Docker engine's events went wrong.")
            finally:
                with self._lock:
                    self._stream = None
            self._closing.wait(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _take(self, stream: Any) -> None:
        with self._lock:
            self._stream = stream
            if self._closing.is_set():
                self._shut(stream)
                return
        self._opened()
        if self._is_away:
            self._log.info("The Docker engine at %s is there again.", self._api.address)
        self._is_away, self._pause = False, _FIRST_PAUSE

    def _lost(self, why: str) -> None:
        if not self._is_away and not self._closing.is_set():
            self._log.warning("%s%s; it is waited for.", why[:1].upper(), why[1:])
        self._is_away = True

    @staticmethod
    def _shut(stream: Any) -> None:
        # It may end by itself at this very moment, which is all that is wanted.
        with contextlib.suppress(OSError, AttributeError, ValueError):
            stream.close()


def _moment(event: Mapping[str, Any]) -> str | None:
    """Return when an event happened, as the engine takes it in a question."""
    nanoseconds = event.get("timeNano")
    if not isinstance(nanoseconds, int):
        return None
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"

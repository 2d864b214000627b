"""Fetches images: once for all the runs that wait for the same one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from headrace.agents.docker.api import DockerApi, EngineRefusal

#: What registries and engines say where another try would end the same way.
_FINAL = (
    "not found",
    "manifest unknown",
    "does not exist",
    "denied",
    "unauthorized",
    "authentication required",
    "no basic auth credentials",
    "invalid reference",
    "no matching manifest",
)


class Pulls:
    """Sees to it that images are there.

    Args:
        api: The engine.
    """

    def __init__(self, api: DockerApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._pulling: dict[str, Future[None]] = {}

    def see_to(self, image: str, waits: Callable[[], None]) -> None:
        """Pull an image, unless it is there under its digest, or was never in a registry.

        Args:
            image: The image's name.
            waits: Called if it is to be waited for.

        Raises:
            EngineRefusal: If it is not to be had; with status 404 if it never will be.
            EngineAway: If the engine does not answer.
        """
        if not self._api.has_to_be_pulled(image):
            return
        waits()
        with self._lock:
            pulling = self._pulling.get(image)
            is_mine = pulling is None
            if pulling is None:
                pulling = self._pulling[image] = Future()
        if is_mine:
            try:
                self._pull(image)
                pulling.set_result(None)
            except BaseException as error:  # noqa: BLE001 - whatever it is, all who wait get it
                pulling.set_exception(error)
            finally:
                with self._lock:
                    del self._pulling[image]
        pulling.result()

    def _pull(self, image: str) -> None:
        try:
            self._api.pull(image)
        except EngineRefusal as refusal:
            said = str(refusal)
            is_final = refusal.status in (400, 404) or any(
                words in said.lower() for words in _FINAL
            )
            raise EngineRefusal(
                f"the image {image} cannot be pulled: {said}", 404 if is_final else 500
            ) from refusal

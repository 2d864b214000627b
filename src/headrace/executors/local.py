"""The executor that is none: calls in this thread, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.executors.base import Executor

if TYPE_CHECKING:
    from collections.abc import Callable


class LocalExecutor(Executor):
    """Runs each task as a plain function call in the thread that runs the flow."""

    inline = True

    def submit(
        self,
        fn: Callable[..., Any],
        *args: Any,
        extra_context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `fn(*args, **kwargs)` now and return its value."""
        return fn(*args, **kwargs)

    def wait(self, futures: Any) -> Any:
        """Return `futures`: values already."""
        return futures

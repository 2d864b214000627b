"""`FilterTask`: leaves out results that are not wanted, such as those of failed mapped children."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ArgumentError, TaskTypeError
from headrace.core.result import NoResultType
from headrace.core.task import Task
from headrace.core.triggers import all_finished

if TYPE_CHECKING:
    from collections.abc import Callable


def is_result(value: Any) -> bool:
    """Tell whether a value is a result: neither None nor what a failed task leaves."""
    return not isinstance(value, BaseException | NoResultType | None)


class FilterTask(Task[list[Any]]):
    """Keeps some of the items of a list.

    It runs however its upstream tasks ended, so that it can leave out what failed or was skipped.

    Args:
        filter_func: Called with each item; those for which the answer is true are kept. By
            default these are all but None and exceptions, which are the results of mapped
            children that were skipped or failed.
        log_func: Called with the list of the items kept; what it returns is logged at INFO.
        **kwargs: As for `Task`.

    Raises:
        TaskTypeError: If one of the functions cannot be called, or is a task.

    Example:
        ```python
        only_results = FilterTask()
        with Flow("fetch") as flow:
            pages = only_results(fetch.map(urls))
        ```
    """

    def __init__(
        self,
        filter_func: Callable[[Any], Any] | None = None,
        log_func: Callable[[list[Any]], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for argument, function in (("filter_func", filter_func), ("log_func", log_func)):
            if function is not None and (isinstance(function, Task) or not callable(function)):
                raise TaskTypeError(
                    f"The {argument} of a FilterTask is {function!r:.60}, which is no function. The "
                    "list to filter is given when the task is called: FilterTask()(results)."
                )
        kwargs.setdefault("skip_on_upstream_skip", False)
        kwargs.setdefault("trigger", all_finished)
        self.filter_func = filter_func or is_result
        self.log_func = log_func
        super().__init__(**kwargs)

    def run(self, task_results: Iterable[Any]) -> list[Any]:
        """Return the items that are kept.

        Raises:
            ArgumentError: If there is no list to filter.
        """
        if not isinstance(task_results, Iterable):
            raise ArgumentError(
                f"Task {self.name!r} filters a list of results, but was given "
                f"{task_results!r:.60}, a {type(task_results).__name__}."
            )
        kept = [result for result in task_results if self.filter_func(result)]
        if self.log_func is not None:
            self.logger.info("%s", self.log_func(kept))
        return kept

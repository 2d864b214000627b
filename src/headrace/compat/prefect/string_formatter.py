"""`prefect.tasks.templates.StringFormatter`."""

from __future__ import annotations

from typing import Any

from headrace.core.context import context
from headrace.core.task import Task


class StringFormatter(Task[str]):
    """Fills a template with its inputs, and with what is in the context.

    Args:
        template: The template, as for `str.format`; one that is given to `run` goes before it.
        **kwargs: Those of every task.
    """

    def __init__(self, template: str | None = None, **kwargs: Any) -> None:
        self.template = template or ""
        super().__init__(**kwargs)

    def run(self, template: str | None = None, **format_kwargs: Any) -> str:
        """Return the template with everything filled in.

        Args:
            template: The template; by default that of the task.
            **format_kwargs: Values for its fields, over those of the context.
        """
        with context(**format_kwargs) as known:
            return (self.template if template is None else template).format(**known)

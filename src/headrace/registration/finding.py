"""What preflight finds."""

from __future__ import annotations

from dataclasses import dataclass

#: From bad to good to know: runs will fail; runs may not do what is expected; nothing is wrong.
LEVELS = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about a flow that its author should know before it is deployed.

    Attributes:
        level: One of `LEVELS`.
        subject: What it is about: `storage`, `schedule`, `task 'load'`.
        message: What is the matter.
        remedy: The way out.
    """

    level: str
    subject: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message} {self.remedy}".rstrip()

"""What a user's own code raised, shown from the user's own first frame on."""

from __future__ import annotations

import contextlib
import os
import traceback
from types import TracebackType

from headrace.core.errors import HeadraceError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class UserCodeFailed(Exception):
    """A user's file or module raised an exception while it was loaded.

    Args:
        where: The file or module, as the user named it.
        error: The exception.

    Attributes:
        text: The exception and its traceback, without the frames of Headrace.
    """

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__(
            f"{where} raised {type(error).__name__} while it was loaded, so nothing was run."
            f"{hint_at(error)}"
        )
        self.text = text_of(error)


def hint_at(error: BaseException) -> str:
    """Return a word, with a blank before it, on what an option of the command would mend."""
    if isinstance(error, ModuleNotFoundError) and error.name == "prefect":
        return " If it was written for Prefect 1, add --prefect1."
    return ""


def text_of(error: BaseException) -> str:
    """Return an exception with its traceback, from the user's own first frame to the last."""
    stack = traceback.TracebackException.from_exception(error)
    stack.stack = traceback.StackSummary.from_list(_own_frames(error.__traceback__))
    if isinstance(error, HeadraceError):
        # It says what is wrong and what to do; how a library put that is for developers.
        stack.__cause__ = stack.__context__ = None
    if not stack.stack:
        return "".join(stack.format_exception_only()).rstrip()
    return "".join(stack.format()).rstrip()


def _own_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """Return the frames between the first and the last that are not Headrace's.

    Before them is what loads the file; after them, what the user's code has called wrongly.
    """
    frames = list(traceback.extract_tb(trace))
    # A context manager may be what loads the file.
    while frames and (_is_ours(frames[0]) or frames[0].filename == contextlib.__file__):
        frames.pop(0)
    while frames and _is_ours(frames[-1]):
        frames.pop()
    return frames


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return (
        frame.filename.startswith((_PACKAGE, "<frozen importlib"))
        or os.sep + "importlib" + os.sep in frame.filename
    )

"""Folders that only this user may look into: what is below the home directory is nobody else's."""

from __future__ import annotations

import os


def make_private(path: str | os.PathLike[str]) -> None:
    """Make a folder, and those above it that are missing, for this user only.

    Folders that are there already stay as they are: who made them has said who may look.

    Args:
        path: The folder.

    Raises:
        OSError: If it cannot be made.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        above = os.path.dirname(os.path.abspath(path))
        if above == os.path.abspath(path):
            raise
        make_private(above)
        make_private(path)

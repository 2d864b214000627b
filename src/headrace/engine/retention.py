"""How long checkpoints in directories are kept: as long as their run may need them, and no longer.

A run that has not ended may go on at any time, parked for months or not, so what it has left stays.
One that succeeded is only run again from its beginning; one that failed is worth resuming for a
while. Whoever ends a run cleans up after others, now and then.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

#: For how many seconds what a run has left is kept after its end, by how it ended.
KEPT_SECONDS: Final = {"Success": 24 * 3600.0}
KEPT_OTHERWISE_SECONDS: Final = 30 * 24 * 3600.0
#: How many seconds pass at least between two looks at one directory.
LOOK_SECONDS: Final = 3600.0

_ENDED = "ended-"
_LOOKED = ".looked-through"


def mark_ended(folder: str | os.PathLike[str], kind: str) -> None:
    """Note that the run of a folder has ended, in a state of this type."""
    for old in Path(folder).glob(f"{_ENDED}*"):
        old.unlink(missing_ok=True)
    (Path(folder) / f"{_ENDED}{kind}").touch()


def mark_begun(folder: str | os.PathLike[str]) -> None:
    """Note that the run of a folder goes on, if it had ended."""
    for old in Path(folder).glob(f"{_ENDED}*"):
        old.unlink(missing_ok=True)


def prune(root: str | os.PathLike[str]) -> int:
    """Delete the folders of runs that ended long ago; return how many.

    Does nothing if somebody has done so within `LOOK_SECONDS`. What cannot be deleted stays.
    """
    looked = Path(root) / _LOOKED
    now = time.time()
    try:
        if now - looked.stat().st_mtime < LOOK_SECONDS:
            return 0
    except FileNotFoundError:
        pass
    looked.touch()
    deleted = 0
    for mark in Path(root).glob(f"*/{_ENDED}*"):
        kept = KEPT_SECONDS.get(mark.name.removeprefix(_ENDED), KEPT_OTHERWISE_SECONDS)
        if now - mark.stat().st_mtime > kept:
            shutil.rmtree(mark.parent, ignore_errors=True)
            deleted += 1
    return deleted

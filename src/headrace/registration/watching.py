"""Which files have changed: their times are looked at again and again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator

#: How many seconds pass between two looks.
PERIOD = 0.5


def changes(
    files: Callable[[], Iterable[str]],
    period: float = PERIOD,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[str]]:
    """Yield the files that are new or have changed, at once and then whenever there are some.

    Args:
        files: Gives the files to look at; asked at each look.
        period: Seconds between two looks.
        sleep: What waits.
    """
    seen: dict[str, tuple[int, int]] = {}
    while True:
        changed = []
        for file in files():
            try:
                about = os.stat(file)
            except OSError:
                # It is being written anew, or is gone; when it is there again, it has changed.
                seen.pop(file, None)
                continue
            stamp = (about.st_mtime_ns, about.st_size)
            if seen.get(file) != stamp:
                seen[file] = stamp
                changed.append(file)
        if changed:
            yield changed
        sleep(period)

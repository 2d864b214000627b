"""Checkpoints are kept as long as their run may need them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from headrace.engine.retention import mark_begun, mark_ended, prune

DAY = 24 * 3600.0


def run(root: Path, name: str, kind: str | None, days: float) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "00001-abc.seg").write_bytes(b"x")
    if kind is not None:
        mark_ended(folder, kind)
        moment = time.time() - days * DAY
        os.utime(folder / f"ended-{kind}", (moment, moment))
    return folder


def test_what_ended_long_ago_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    old = [run(tmp_path, "a", "Success", 2), run(tmp_path, "b", "Failed", 40)]
    kept = [
        run(tmp_path, "c", "Success", 0.5),
        run(tmp_path, "d", "Failed", 20),
        run(tmp_path, "parked", None, 400),
    ]
    assert prune(tmp_path) == 2
    assert not any(folder.exists() for folder in old)
    assert all(folder.exists() for folder in kept)


def test_a_run_that_goes_on_again_is_kept(tmp_path: Path) -> None:
    folder = run(tmp_path, "a", "Failed", 40)
    mark_begun(folder)
    assert prune(tmp_path) == 0
    assert folder.exists()


def test_nobody_looks_all_the_time(tmp_path: Path) -> None:
    assert prune(tmp_path) == 0
    run(tmp_path, "a", "Success", 2)
    assert prune(tmp_path) == 0

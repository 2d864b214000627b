"""What an ECS agent keeps on its own disk, and what becomes of it."""

from __future__ import annotations

import time

from headrace.agents.ecs.notes import Notes


def test_notes_are_there_after_a_restart(tmp_path):
    notes = Notes(tmp_path)
    notes.note_released("arn:1")
    notes.note_released("arn:1")
    notes.note_cluster("nightly")
    notes.note_cluster("nightly")

    again = Notes(tmp_path)

    assert again.released() == {"arn:1"}
    assert again.clusters() == ["nightly"]


def test_old_and_broken_notes_are_left_out(tmp_path):
    old, new = time.time() - 4 * 3600, time.time()
    (tmp_path / "ecs-released").write_text(f"{old} arn:old\n{new} arn:new\nbroken\n{new}")

    assert Notes(tmp_path).released() == {"arn:new"}
    assert "arn:old" not in (tmp_path / "ecs-released").read_text()


def test_many_notes_do_not_fill_the_disk(tmp_path):
    (tmp_path / "ecs-released").write_text("1000 arn:old\n")
    notes = Notes(tmp_path)
    for number in range(1000):
        notes.note_released(f"arn:{number}")

    assert "arn:old" not in (tmp_path / "ecs-released").read_text()
    assert len(notes.released()) == 1000


def test_a_disk_that_takes_nothing_is_no_error(tmp_path):
    notes = Notes(tmp_path / "missing")
    notes.note_released("arn:1")
    notes.note_cluster("nightly")

    assert notes.released() == set()

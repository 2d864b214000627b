"""Flow files in the style of Prefect 1 end, task by task, as they end under Prefect 1.4.1.

What that is has been recorded by `record.py`; here each file runs in a fresh process that has
nothing of Prefect but the alias.
"""

import datetime
import json
import sys
from pathlib import Path

import pytest

from tests.compat.record import EXPECTED, FLOWS, observe

#: The day on which Prefect's ends were recorded.
RECORDED = "2026-11-22"
NAMES = sorted(file.stem for file in FLOWS.glob("*.py"))


def test_there_are_flows_and_each_is_recorded():
    assert len(NAMES) >= 20
    assert sorted(file.stem for file in EXPECTED.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_flow_file_ends_as_it_does_under_prefect(name):
    text = observe(Path(sys.executable), name, "--prefect1")
    # A file that is named after the day was recorded on another day than this.
    seen = json.loads(
        text.replace(datetime.datetime.now(datetime.UTC).date().isoformat(), RECORDED)
    )
    expected = json.loads((EXPECTED / f"{name}.json").read_text())
    assert seen["record"] == expected["record"]
    assert seen["runs"].keys() == expected["runs"].keys()
    for run, recorded in expected["runs"].items():
        assert seen["runs"][run]["tasks"] == recorded["tasks"], run
        assert seen["runs"][run]["type"] == recorded["type"], run

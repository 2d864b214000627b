from __future__ import annotations

import re
from pathlib import Path

import fsspec
import pytest

from headrace.agents.templates import template_at
from headrace.core.errors import DeploymentError


def test_a_path_on_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("kind: Job\n")
    for address in (str(file), f"agent://{file}", f"file://{file}"):
        assert template_at(address) == {"kind": "Job"}


def test_an_address_that_fsspec_reads() -> None:
    with fsspec.open("memory://templates/job.yaml", "wt") as file:
        file.write("kind: Job\nspec: {}\n")
    assert template_at("memory://templates/job.yaml") == {"kind": "Job", "spec": {}}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/no/such/job.yaml", "/no/such/job.yaml"),
        ("agent:///no/such/job.yaml", "cannot be read: No such file or directory"),
        ("memory://templates/missing.yaml", "there is no template memory://templates/missing.yaml"),
        ("nothing://reads/this.yaml", "nothing reads nothing://reads/this.yaml"),
    ],
)
def test_templates_that_are_not_there(address: str, words: str) -> None:
    with pytest.raises(DeploymentError, match=re.escape(words)) as caught:
        template_at(address)
    assert caught.value.is_final
    assert "write agent://" not in str(caught.value)


def test_what_is_no_template(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    for text in ("- a list", "a: [1", "just a word", ""):
        file.write_text(text)
        with pytest.raises(DeploymentError, match="no YAML"):
            template_at(f"agent://{file}")

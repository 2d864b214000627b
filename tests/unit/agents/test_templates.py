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


@pytest.mark.parametrize(
    "text",
    [
        b"[client]\napi_key = 's3cr3t'\n",
        b"key: *s3cr3t\n",
        b"key: !s3cr3t 1\n",
        b"s3cr3t: \xff\xfe\n",
        b"s3cr3t: 2024-13-41\n",
        b"s3cr3t:\n" + b"[" * 5000,
    ],
)
def test_nothing_is_told_of_a_file_that_is_no_template(tmp_path: Path, text: bytes) -> None:
    # Whoever registers a flow may name any file of the agent's machine.
    file = tmp_path / "config.toml"
    file.write_bytes(text)
    with pytest.raises(DeploymentError, match="config.toml is no YAML") as caught:
        template_at(f"agent://{file}")
    assert caught.value.is_final
    assert "s3cr3t" not in str(caught.value)


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_text("a: " + "x" * (1 << 20))
    repeated = "a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 20)
    )
    (tmp_path / "repeated").write_text(repeated)
    (tmp_path / "endless").write_text("a: &a [*a]\n")
    for address, words in (
        ("agent:///dev/zero", "/dev/zero is no file"),
        (f"agent://{tmp_path}", "is no file"),
        ("agent:///a\0b", "cannot be read"),
        (f"agent://{tmp_path}/large", "larger than 1 MiB"),
        (f"agent://{tmp_path}/repeated", "more than 100,000 values"),
        (f"agent://{tmp_path}/endless", "more than 100,000 values"),
    ):
        with pytest.raises(DeploymentError, match=words) as caught:
            template_at(address)
        assert caught.value.is_final

import importlib.util
from pathlib import Path

import pytest

_TOOL = Path(__file__).parents[3] / "tools" / "docs_check.py"


@pytest.fixture(scope="module")
def docs_check():
    spec = importlib.util.spec_from_file_location("docs_check", _TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# Top\n\nSee [the guide](docs/guide.md#second-part).\n")
    (tmp_path / "docs" / "guide.md").write_text("# Guide\n\n## Second part\n\n[up](../README.md)\n")
    return tmp_path


def test_a_sound_site_is_silent(docs_check, site, capsys):
    assert docs_check.main(site) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[x](missing.md)\n", "docs/guide.md:1: the link 'missing.md' leads to no file"),
        (
            "\n[x](../README.md#no)\n",
            "docs/guide.md:2: the link '../README.md#no' leads to no head",
        ),
        ("# A\n[x](#b)\n", "docs/guide.md:2: the link '#b' leads to no heading"),
        ("a\n\n```python\nx = 1\nif x\n```\n", "docs/guide.md:5: the Python block does not parse"),
        ("```pycon\n>>> f(\n1\n```\n", "docs/guide.md:2: the Python block does not parse"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(docs_check, site, capsys, text, message):
    (site / "docs" / "guide.md").write_text(text)
    (site / "README.md").write_text("# Top\n")
    assert docs_check.main(site) == 1
    assert capsys.readouterr().out.startswith(message)


def test_pages_of_the_reference_are_written_when_the_site_is_built(docs_check, site, capsys):
    (site / "docs" / "guide").mkdir()
    page = site / "docs" / "guide" / "agents.md"
    page.write_text("[x](../reference/testing.md#launchers) [y](../reference/index.md)\n")
    assert docs_check.main(site) == 0
    page.write_text("[x](../reference/nothing.md)\n")
    assert docs_check.main(site) == 1
    assert "'../reference/nothing.md' leads to no file" in capsys.readouterr().out


def test_what_a_block_quotes_is_no_link(docs_check, site):
    (site / "docs" / "guide.md").write_text("## Second part\n\n```text\n[x](missing.md)\n```\n")
    assert docs_check.main(site) == 0


def test_a_session_shown_in_a_block_parses_without_its_output(docs_check, site):
    block = "## Second part\n\n```python\n>>> 1 + 1\n2\n>>> for n in []:\n...     n\n```\n"
    (site / "docs" / "guide.md").write_text(block)
    assert docs_check.main(site) == 0

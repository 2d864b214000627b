import json

import pytest

from benchmarks.report import HEADRACE, Target, as_markdown, rows_of, show, write_json


@pytest.mark.parametrize(
    ("target", "figures", "verdict"),
    [
        (Target(must=15), {HEADRACE: 15.0}, "PASS"),
        (Target(must=15), {HEADRACE: 15.1}, "MISS"),
        (Target(must=15, aim=8), {HEADRACE: 8.0}, "PASS, aim met"),
        (Target(must=15, aim=8), {HEADRACE: 8.1}, "PASS"),
        (Target(must=1, relative_to="bare"), {HEADRACE: 9.0, "bare": 10.0}, "PASS"),
        (Target(must=1, relative_to="bare"), {HEADRACE: 11.0, "bare": 10.0}, "MISS"),
        (Target(must=50_000, at_least=True), {HEADRACE: 50_000}, "PASS"),
        (Target(must=50_000, at_least=True), {HEADRACE: 49_999}, "MISS"),
        (Target(must=1, aim=0.2, relative_to="bare"), {HEADRACE: 2, "bare": 10}, "PASS, aim met"),
    ],
)
def test_a_target_judges_the_figure_or_its_ratio(target, figures, verdict):
    assert target.verdict(figures) == verdict


def test_targets_spell_themselves():
    assert str(Target(must=15, aim=8)) == "≤ 15 (aim 8)"
    assert str(Target(must=50_000, at_least=True)) == "≥ 50,000"
    assert str(Target(must=1.1, relative_to="ideal")) == "≤ 1.1 × ideal"


def test_rows_hold_ratios_and_only_headrace_is_judged():
    own, bare = rows_of("W1", "µs", {HEADRACE: 10.0, "bare": 4.0}, target=Target(must=15))
    assert (own.ratio, own.verdict) == (None, "PASS")
    assert (bare.ratio, bare.verdict, bare.target) == (2.5, "", "")


def test_figures_are_shown_with_three_digits():
    assert [show(x) for x in (0.012345, 7.129, 55.51, 1234.5)] == [
        "0.0123",
        "7.13",
        "55.5",
        "1,234",
    ]


def test_reports_carry_every_row_and_the_machine(tmp_path):
    rows = rows_of("W1", "µs", {HEADRACE: 10.0, "bare": 4.0})
    write_json(tmp_path / "report.json", rows, {"cores": 2})
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["machine"] == {"cores": 2}
    assert [row["figure"] for row in report["rows"]] == [10.0, 4.0]
    table = as_markdown(rows, {"cores": 2})
    assert "cores 2" in table
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 4

"""`table` prints what is recorded in each format, to the screen or a file, and trains nothing."""

import json

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.records import Results
from tests.support.commands import run_main
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain


@pytest.fixture
def typed(tmp_path, capsys):
    """The exit status and output of `table ablation` on a finished ablation."""
    results = Results(tmp_path / "results", complain)
    record_all([resolve(Request("ablation"))], results)

    def type_(*words):
        status = run_main("table", "ablation", "--results", str(results.root), *words)
        return status, capsys.readouterr().out

    return type_


def test_a_file_gets_what_the_screen_would(typed, tmp_path):
    status, printed = typed()
    assert status == 0
    assert "\n| + hierarchical fusion (PI-VL)" in printed
    assert typed("--output", str(tmp_path / "table.md")) == (0, f"{tmp_path}/table.md: written\n")
    assert r"\usepackage{booktabs}" in typed("--format", "latex", "--output", str(tmp_path / "table.tex"))[1]
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == printed


def test_programs_get_the_rows_that_people_read(typed):
    rows = json.loads(typed("--format", "json")[1])["rows"]
    assert [row["row"] for row in rows] == ["clip-reid", "part-labels", "identity-parts", "pi-vl"]
    assert typed("--format", "csv")[1].count("\n") == 1 + len(rows)


def test_seeds_that_are_not_recorded_are_missing_in_their_place(typed):
    status, printed = typed("--seeds", "7", "--rows", "clip-reid,pi-vl")
    assert status == 0
    assert "**CLIP-ReID**: missing" in printed

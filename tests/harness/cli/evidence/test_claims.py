"""`claims` prints what tables can support: the paper's without files, any others with them."""

import json
import re
import shlex
from pathlib import Path

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.records import Results
from tests.support.commands import parse, run_code, run_main
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain

PAGE = (Path(__file__).parents[4] / "docs" / "claims.md").read_text(encoding="utf-8")


@pytest.fixture
def typed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def type_(*words):
        status = run_main("claims", *words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return type_


def test_the_paper_s_tables_are_read_without_a_file(typed, tmp_path):
    status, printed, _ = typed()
    assert status == 0
    assert (
        "3 to 6 of 2,228 queries; significant by McNemar's exact test (p < .05) only if all of at" in printed
    )
    assert typed("--output", "claims.md") == (0, "", "")
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") == printed


def test_programs_get_what_people_read(typed):
    document = json.loads(typed("--format", "json", "--dataset", "market1501")[1])
    assert {one["dataset"] for one in document["contrasts"]} == {"Market-1501"}
    assert all(one["sentence"] and "p" not in one for one in document["contrasts"])
    assert document["sensitivity"] is None


def test_a_table_of_one_s_own_is_read_with_its_counts(typed, tmp_path):
    (tmp_path / "mine.csv").write_text("method,R1\nA,80.0\nB,82.0\n", encoding="utf-8")
    status, printed, _ = typed("mine.csv", "--dataset", "street", "--queries", "street=500/100")
    assert status == 0
    assert "B over A on street, +2.0 Rank-1: 10 of 500 queries" in printed
    status, printed, told = typed("mine.csv", "--dataset", "street")
    assert (status, printed) == (2, "")
    assert "unknown data set 'street'" in told
    assert told.count("\n") == 1


def test_recorded_runs_add_a_sensitivity_analysis(typed, tmp_path):
    record_all([resolve(Request("ablation"))], Results(tmp_path / "results", complain))
    printed = typed()[1]
    assert "Carried over from the study ablation on synthped" in printed


def test_it_loads_neither_torch_nor_mlflow_and_answers_at_once(tmp_path):
    code = (
        "import sys; from harness.cli.main import main\n"
        "try: main(['claims', '--results', 'nowhere', '--output', '/dev/null'])\n"
        "except SystemExit: print([name for name in ('torch', 'mlflow', 'optuna') if name in sys.modules])"
    )
    done, seconds = run_code(code)
    assert done.stdout.splitlines()[-1] == "[]"
    assert seconds < 10  # one or two


def test_the_page_shows_commands_that_exist_and_the_report_s_own_words(typed):
    commands = re.findall(r"^pivl-bench (.*)$", PAGE, flags=re.M)
    assert len(commands) >= 5
    for line in commands:
        parse(shlex.split(line))
    quoted = " ".join(line.strip("> ") for line in PAGE.splitlines() if line.startswith(">"))
    assert f"- {quoted}\n" in typed()[1]

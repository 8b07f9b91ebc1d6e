"""`power` says what seeds and people a gain needs, from runs or under assumptions."""

import json

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.records import Results
from tests.support.commands import run_main
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain, write_finished


@pytest.fixture
def typed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def type_(*words):
        status = run_main("power", *words)
        return status, capsys.readouterr().out

    return type_


def test_runs_are_split_into_components_and_drawn(typed, tmp_path):
    results = Results(tmp_path / "results", complain)
    experiment = resolve(Request("ablation"))
    for number, cell in enumerate(record_all([experiment], results)):
        write_finished(results, cell.run, number)
    status, printed = typed("ablation", "--gain", "0.5", "--figure", "power.png")
    assert status == 0
    assert "retraining noise is" in printed
    assert "+0.5 is found with 80 % power by" in printed
    assert (tmp_path / "power.png").read_bytes().startswith(b"\x89PNG")
    (study,) = json.loads(typed("ablation", "--format", "json")[1])["studies"]
    assert {one["seeds"] for one in study["contrasts"]} == {len(experiment.seeds)}


def test_without_a_study_assumptions_are_stated(typed):
    status, printed = typed("--dataset", "market1501", "--seeds", "5")
    assert status == 0
    assert "### Power on Market-1501, 5 seeds, assumed" in printed
    assert typed("--dataset", "market1501", "--seeds", "0-4")[1] == printed
    assert (
        typed("--dataset", "mine", "--seeds", "5", "--queries", "mine=3368/750")[1].splitlines()[4:]
        == (printed.splitlines()[4:])
    )

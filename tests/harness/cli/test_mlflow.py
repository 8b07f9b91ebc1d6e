"""`mlflow sync` shows MLflow what is recorded and it lacks; twice changes nothing."""

import shutil

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.plan.preparation import note_asked
from harness.store.records import Results
from tests.support.commands import run_main
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain


def test_what_is_recorded_is_shown_once_and_figures_and_report_when_they_are_made(
    tmp_path, capsys, monkeypatch, empty_mlflow
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    results = Results(tmp_path, complain)
    experiment = resolve(Request("ablation", rows="clip-reid", seeds="0,1"))
    note_asked(experiment, record_all([experiment], results), results)
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    sync = ("mlflow", "sync", "--results", str(tmp_path))
    assert run_main(*sync) == 0
    assert "2 runs added" in capsys.readouterr().out
    drawn = ("ablation", "--rows", "clip-reid", "--seeds", "0,1", "--results", str(tmp_path))
    assert run_main("figure", "cmc", *drawn) == 0
    assert run_main("report", *drawn, "--output", str(tmp_path / "page.html")) == 0
    assert run_main(*sync) == 0
    assert "0 runs added" in capsys.readouterr().out
    made = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert sorted(name.rpartition("-")[2] for name in made) == [
        "cmc.csv", "cmc.png", "cmc.svg", "cmc.txt", "report.html",
    ]  # fmt: skip
    for name, content in made.items():
        (artifact,) = tmp_path.glob(f"mlartifacts/**/{name}")
        assert artifact.read_bytes() == content

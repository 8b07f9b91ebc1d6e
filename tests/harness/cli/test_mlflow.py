"""`mlflow sync` shows MLflow what is recorded and it lacks; twice changes nothing."""

import shutil

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.plan.preparation import note_asked
from harness.store.records import Results
from tests.support.commands import run_main
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain


def test_what_is_recorded_is_shown_once(tmp_path, capsys, monkeypatch, empty_mlflow):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    results = Results(tmp_path, complain)
    experiment = resolve(Request("ablation", rows="clip-reid", seeds="0,1"))
    note_asked(experiment, record_all([experiment], results), results)
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    for added in ("2 runs added", "0 runs added"):
        assert run_main("mlflow", "sync", "--results", str(tmp_path)) == 0
        assert added in capsys.readouterr().out

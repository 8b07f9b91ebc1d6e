"""MLflow shows what is recorded, no more and no less, however often it is told; and no result depends on it."""

import os
import sqlite3
import subprocess
import sys

import pytest

from harness import conduct
from harness.progress import Progress
from harness.question import Asked, ask
from harness.records import Failed, Results
from harness.tracking import LOGGED_STEPS, TrackedRow, sync, thin
from tests.recorded import SIGNATURE, complain, draw_run, write_finished


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Results(tmp_path / "results", complain)


def tracked_rows(results, seeds=(0, 1)):
    """Two rows with finished runs, of which PI-VL's seed 1 failed."""
    rows = []
    for name in ("clip-reid", "pi-vl"):
        found = {}
        for seed in seeds:
            run = draw_run(name, seed)
            if (name, seed) == ("pi-vl", 1):
                found[seed] = Failed(run.id, seed, "it broke", ("last", "words"))
            else:
                write_finished(results, run, seed)
                found[seed] = results.read_run(run.id)
        rows.append(TrackedRow(name, name.upper(), {"epochs": 8, "image_size": (128, 64)}, found))
    return rows


def read_database(results):
    """Everything that a person can see in the database, as sorted lists of rows."""
    tables = ("experiments", "runs", "params", "metrics", "latest_metrics", "tags")
    with sqlite3.connect(results.root / "mlflow.db") as database:
        rows = {table: sorted(database.execute(f"select * from {table}"), key=repr) for table in tables}
    database.close()
    return rows


def test_parents_children_curves_and_artifacts_are_there_and_twice_changes_nothing(results):
    from mlflow import MlflowClient

    rows = tracked_rows(results)
    assert sync("ablation on drawn", rows, "the table", results) == 4
    once = read_database(results)
    assert sync("ablation on drawn", rows, "the table", results) == 0
    assert read_database(results) == once

    client = MlflowClient(f"sqlite:///{results.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ablation on drawn")
    runs = client.search_runs([experiment.experiment_id])
    parents = {run.info.run_name: run for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert sorted(parents) == ["CLIP-REID", "PI-VL"]
    assert parents["PI-VL"].data.params == {"epochs": "8", "image_size": "(128, 64)"}
    child = next(run for run in runs if run.info.run_name == "CLIP-REID, seed 1")
    run = draw_run("clip-reid", 1)
    assert child.data.tags["mlflow.parentRunId"] == parents["CLIP-REID"].info.run_id
    assert child.data.tags["pivl.id"] == run.id
    assert child.data.tags["signature"] == SIGNATURE
    assert child.data.params["part_text"] == "none"
    assert child.inputs.dataset_inputs[0].dataset.digest == run.fingerprint
    curve = client.get_metric_history(child.info.run_id, "image-tower/identity")
    assert [(point.step, point.value) for point in curve] == [
        (1, 1 / 2), (2, 1 / 3), (3, 1 / 4), (4, 1 / 3), (5, 1 / 4), (6, 1 / 5),
    ]  # fmt: skip
    assert {item.path for item in client.list_artifacts(child.info.run_id)} == {
        "queries.parquet",
        "record.json",
    }
    both = [rows[0].seeds[seed].metrics["mAP"] for seed in (0, 1)]
    assert parents["CLIP-REID"].data.metrics["mAP"] == pytest.approx(sum(both) / 2)
    assert {item.path for item in client.list_artifacts(parents["PI-VL"].info.run_id)} == {"table.md"}
    failed = next(run for run in runs if run.info.run_name == "PI-VL, seed 1")
    assert (failed.info.status, failed.data.tags["error"]) == ("FAILED", "it broke")

    write_finished(results, draw_run("pi-vl", 1))  # the failed run, done again, replaces what was shown of it
    again = TrackedRow("pi-vl", "PI-VL", {}, {1: results.read_run(draw_run("pi-vl", 1).id)})
    assert sync("ablation on drawn", [again], "after", results) == 1
    runs = client.search_runs([experiment.experiment_id])
    shown = [run.info.status for run in runs if run.data.tags.get("pivl.id") == draw_run("pi-vl", 1).id]
    assert shown == ["FINISHED"]


def test_a_long_curve_is_logged_by_epoch_means():
    steps = [
        {"epoch": 1 + n // 300, "step": 1 + n % 300, "terms": {"loss": float(n // 300)}} for n in range(900)
    ]
    assert len(steps) > LOGGED_STEPS
    assert [(point["step"], point["terms"]["loss"]) for point in thin(steps)] == [
        (300, 0),
        (600, 1),
        (900, 2),
    ]


def test_a_tracking_server_that_is_down_costs_one_line(results, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    question = ask(Asked("ablation", rows="clip-reid", seeds="0"))
    conduct.track(
        question, {"clip-reid": tracked_rows(results)[0].seeds}, "table", results, Progress.on_stderr(False)
    )
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "MLflow was not brought up to date" in said


def test_mlflow_is_told_not_to_report_before_it_is_imported():
    """In a process of its own, since the switch is read when mlflow is imported."""
    code = "import harness.tracking; from mlflow.telemetry.utils import is_telemetry_disabled as off; print(off())"
    without = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "CI")
    }
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=without, check=True
    )
    assert said.stdout.strip() == "True"

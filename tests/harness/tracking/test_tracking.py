"""MLflow shows what is recorded, no more and no less, however often it is told; and no result depends on it."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.display.progress import Progress
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.plan import preparation
from harness.store.records import Results
from harness.store.row_index import AskedRow, asked_rows, note_rows
from harness.tracking import refresh
from harness.tracking.mlflow_client import sync
from harness.tracking.view import LOGGED_STEPS, show_rows, thin
from tests.support.foreign_claims import named, put_down
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import (
    SIGNATURE,
    complain,
    draw_run,
    write_failed,
    write_finished,
    write_stage,
)


@pytest.fixture
def results(tmp_path, monkeypatch, empty_mlflow):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "results").mkdir()
    shutil.copy(empty_mlflow, tmp_path / "results")
    return Results(tmp_path / "results", complain)


def asked_row(name, seeds=(0, 1), **changed):
    """A row of a table about drawn data, as a experiment notes it."""
    runs = {seed: draw_run(name, seed, **changed) for seed in seeds}
    recipe = runs[seeds[0]].recipe
    ids = {seed: run.id for seed, run in runs.items()}
    return AskedRow("ablation", "drawn", "0" * 12, name, name.upper(), changed, recipe.choices(), ids)


@pytest.fixture
def rows(results):
    """Two rows whose runs are recorded, but for PI-VL's seed 1, which failed; they have a table."""
    for name, seed in (("clip-reid", 0), ("clip-reid", 1), ("pi-vl", 0)):
        health = {"skill": 0.1 * seed, "skill_beyond_parts": None}
        write_finished(results, draw_run(name, seed), seed, health=health)
        write_stage(results, draw_run(name, seed), "identity-prompts")
    write_failed(results, draw_run("pi-vl", 1))
    (results.root / "tables").mkdir()
    (results.root / "tables" / "ablation.md").write_text("the table")
    return [asked_row("clip-reid"), asked_row("pi-vl")]


def show(rows, results):
    """Tell MLflow of `rows`; how many runs were added."""
    return sync(show_rows(rows, results), results)


def read_database(results):
    """Everything that a person can see in the database, as sorted lists of rows."""
    tables = ("experiments", "runs", "params", "metrics", "latest_metrics", "tags", "datasets", "inputs")
    with sqlite3.connect(results.root / "mlflow.db") as database:
        rows = {table: sorted(database.execute(f"select * from {table}"), key=repr) for table in tables}
    database.close()
    return rows


def seen(client, name="ablation on drawn"):
    """The runs of an experiment by name."""
    experiment = client.get_experiment_by_name(name)
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def local_client(results):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{results.root / 'mlflow.db'}")


def test_parents_children_curves_and_artifacts_are_there_and_twice_changes_nothing(results, rows):
    assert show(rows, results) == 4
    once = read_database(results)
    assert show(rows, results) == 0
    assert read_database(results) == once

    client = local_client(results)
    runs = seen(client)
    parents = {name: run for name, run in runs.items() if "mlflow.parentRunId" not in run.data.tags}
    assert sorted(parents) == ["CLIP-REID", "PI-VL"]
    assert parents["PI-VL"].data.params["part_text"] == "identity+label"
    child = runs["CLIP-REID, seed 1"]
    run = draw_run("clip-reid", 1)
    assert child.data.tags["mlflow.parentRunId"] == parents["CLIP-REID"].info.run_id
    assert child.data.tags["pivl.id"] == run.id
    assert child.data.tags["signature"] == SIGNATURE
    assert child.data.tags["commit"] == "0123456789ab"
    assert child.data.params["part_text"] == "none"
    for one in (child, parents["CLIP-REID"]):
        assert [found.dataset.digest for found in one.inputs.dataset_inputs] == [run.fingerprint]
    curve = client.get_metric_history(child.info.run_id, "image-tower/identity")
    assert [(point.step, point.value) for point in curve] == [
        (1, 1 / 2), (2, 1 / 3), (3, 1 / 4), (4, 1 / 3), (5, 1 / 4), (6, 1 / 5),
    ]  # fmt: skip
    assert child.data.metrics["health/skill"] == 0.1
    assert parents["CLIP-REID"].data.metrics["health/skill"] == pytest.approx(0.05)
    assert "health/skill_beyond_parts" not in child.data.metrics  # null: not defined
    files = {item.path for item in client.list_artifacts(child.info.run_id)}
    assert files == {"queries.parquet", "record.json"}
    both = [results.read_run(draw_run("clip-reid", seed).id).metrics["mAP"] for seed in (0, 1)]
    assert parents["CLIP-REID"].data.metrics["mAP"] == pytest.approx(sum(both) / 2)
    assert {item.path for item in client.list_artifacts(parents["PI-VL"].info.run_id)} == {"ablation.md"}
    failed = runs["PI-VL, seed 1"]
    assert (failed.info.status, failed.data.tags["error"]) == ("FAILED", "it broke")


def test_what_has_changed_since_takes_the_place_of_what_was_shown(results, rows):
    show(rows, results)
    write_finished(results, draw_run("pi-vl", 1))  # the failed run, done again
    (results.root / "tables" / "ablation.md").write_text("another table")
    assert show(rows, results) == 1
    client = local_client(results)
    experiment = client.get_experiment_by_name("ablation on drawn").experiment_id
    runs = client.search_runs([experiment], f"tags.`pivl.id` = '{draw_run('pi-vl', 1).id}'")
    assert [run.info.status for run in runs] == ["FINISHED"]
    folder = seen(client)["CLIP-REID"].info.artifact_uri.removeprefix("file://")
    assert (Path(folder) / "ablation.md").read_text() == "another table"


def test_a_run_that_was_left_half_written_is_made_anew(results, rows):
    show(rows, results)
    client = local_client(results)
    before = seen(client)["CLIP-REID, seed 0"]
    client.update_run(before.info.run_id, "RUNNING")
    client.update_run(seen(client)["PI-VL"].info.run_id, "RUNNING")
    assert show(rows, results) == 1
    after = seen(client)
    assert after["CLIP-REID, seed 0"].info.run_id != before.info.run_id
    assert {run.info.status for run in after.values()} == {"FINISHED", "FAILED"}


def test_rows_of_a_changed_recipe_stand_beside_the_others(results, rows):
    changed = asked_row("clip-reid", seeds=(0,), epochs=3)
    write_finished(results, draw_run("clip-reid", 0, epochs=3))
    assert show([*rows, changed], results) == 5
    assert {"CLIP-REID", "CLIP-REID (epochs=3)", "CLIP-REID (epochs=3), seed 0"} < set(
        seen(local_client(results))
    )


def test_a_long_curve_is_logged_by_epoch_means():
    steps = [
        {"epoch": 1 + n // 300, "step": 1 + n % 300, "terms": {"loss": float(n // 300)}} for n in range(900)
    ]
    steps[300]["gradients"] = {"loss": 7.0}  # measured at the first step of the second epoch
    assert len(steps) > LOGGED_STEPS
    assert [point.get("gradients") for point in thin(steps)] == [None, {"loss": 7.0}, None]
    assert [(point["step"], point["terms"]["loss"]) for point in thin(steps)] == [
        (300, 0),
        (600, 1),
        (900, 2),
    ]


def test_a_lost_database_is_made_again_from_records_alone(results, empty_mlflow):
    experiment = resolve(Request("ablation", rows="clip-reid,pi-vl"))
    cells = record_all([experiment], results)
    preparation.note_asked(experiment, cells, results)
    refresh.show({experiment.name}, results, Progress.on_stderr(True))
    before = what_is_seen(results)
    shutil.copy(empty_mlflow, results.root)
    shutil.rmtree(results.root / "mlartifacts")
    assert f": {len(cells)} runs added" in refresh.show_all(results)
    assert what_is_seen(results) == before
    once = read_database(results)
    assert refresh.show_all(results).endswith(": 0 runs added")
    assert read_database(results) == once
    write_finished(results, draw_run("part-labels"))
    assert "1 runs are of no study that was asked for here" in refresh.show_all(results)


def what_is_seen(results):
    """What the runs show, without the names that MLflow gives them itself."""
    client = local_client(results)
    own = ("mlflow.parentRunId",)
    return {
        name: (
            run.data.params,
            run.data.metrics,
            {key: value for key, value in run.data.tags.items() if key not in own},
            [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs],
            sorted(item.path for item in client.list_artifacts(run.info.run_id)),
        )
        for name, run in seen(client, "ablation on synthped").items()
    }


def test_what_was_asked_is_kept_by_row_whoever_asks_and_half_a_line_is_passed_over(results):
    first, more = asked_row("clip-reid", (0, 1)), asked_row("clip-reid", (1, 2))
    note_rows([first, asked_row("pi-vl", (0,))], results)
    note_rows([first], results)
    path = results.root / "asked.jsonl"
    assert path.read_text().count("\n") == 2
    with path.open("a") as file:
        file.write('{"row": "clip')
    note_rows([more, asked_row("clip-reid", (0,), epochs=3)], results)
    path.write_text(path.read_text() + path.read_text().splitlines()[0].replace("CLIP-REID", "CLIP-RAID"))
    said = []
    kept = asked_rows(Results(results.root, said.append))
    assert [line.removeprefix(f"{path}: ") for line in said] == [
        f"line {number} is not as it was written; run STUDY writes it again" for number in (3, 6)
    ]
    assert [(row.row, sorted(row.runs)) for row in kept] == [
        ("clip-reid", [0, 1, 2]),
        ("pi-vl", [0]),
        ("clip-reid", [0]),
    ]
    assert kept[0].runs == {**first.runs, **more.runs}
    assert replace(kept[1], choices={}) == replace(asked_row("pi-vl", (0,)), choices={})


def test_whoever_comes_while_another_command_writes_waits_for_it_or_says_so(results, monkeypatch, capsys):
    experiment = resolve(Request("ablation", rows="clip-reid", seeds="0"))
    preparation.note_asked(experiment, record_all([experiment], results), results)
    monkeypatch.setattr(refresh, "POLL", 0.05)
    with subprocess.Popen(["sleep", "60"]) as other:
        put_down(results.claims, named(other), "mlflow")
        monkeypatch.setattr(refresh, "PATIENCE", 0.1)
        refresh.show({experiment.name}, results, Progress.on_stderr(False))
        assert f"(process {other.pid} on " in capsys.readouterr().err
        monkeypatch.setattr(refresh, "PATIENCE", 60)
        threading.Timer(0.3, other.kill).start()
        refresh.show({experiment.name}, results, Progress.on_stderr(False))
    assert "1 runs added" in capsys.readouterr().err


def test_a_tracking_server_that_is_down_costs_one_line_and_no_wait(results, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    experiment = resolve(Request("ablation", rows="clip-reid", seeds="0"))
    began = time.monotonic()
    refresh.show({experiment.name}, results, Progress.on_stderr(False))
    assert time.monotonic() - began < 60  # MLflow's own patience is minutes
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "MLflow was not synced (http://127.0.0.1:9 does not answer: " in said
    assert "pivl-bench mlflow sync catches up" in said


def test_mlflow_is_told_not_to_report_before_it_is_imported():
    """In a process of its own, since the switch is read when mlflow is imported."""
    code = (
        "import harness.tracking.mlflow_client; from mlflow.telemetry.utils import is_telemetry_disabled as off\n"
        "print(off())"
    )
    without = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "CI")
    }
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=without, check=True
    )
    assert said.stdout.strip() == "True"

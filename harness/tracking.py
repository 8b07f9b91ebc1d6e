"""MLflow's view of what is recorded: an experiment per study and data set, a parent run per row, a child per seed.

The only file that imports mlflow. Nothing here is the truth: everything is made from records, so it can be lost and
made again, and doing it twice changes nothing. One process writes: the one that owns the study.
"""

import hashlib
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.records import Failed, Finished, Record, Results

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param
from mlflow.entities import Run as TrackedRun

if TYPE_CHECKING:
    from collections.abc import Iterable

LOGGED_STEPS = 500  # curves with more steps are logged as the mean of each epoch
BATCH = 1000  # metrics that MLflow takes at once
ID, ROW, TABLE = "pivl.id", "pivl.row", "pivl.table"
SOURCE = {"mlflow.source.name": "pivl-bench", "mlflow.source.type": "LOCAL"}


@dataclass(frozen=True)
class TrackedRow:
    """A row of the study: its choices, and what is recorded for each seed (None: nothing)."""

    name: str
    title: str
    choices: Mapping[str, Any]
    seeds: Mapping[int, Finished | Failed | None]


def tracking_uri(results: Results) -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file in the results folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{results.root.resolve() / 'mlflow.db'}"


def sync(experiment: str, rows: Sequence[TrackedRow], table: str, results: Results) -> int:
    """Bring MLflow up to date with `rows` and the rendered `table`; how many runs were added.

    Raises whatever mlflow raises; no record depends on it.
    """
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a new database tells of every migration
    client = MlflowClient(tracking_uri(results))
    view = _View(client, _experiment(client, experiment, results), results)
    return sum(view.sync_row(row, table) for row in reversed(rows))  # MLflow lists what came last first


def _experiment(client: MlflowClient, name: str, results: Results) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is not None:
        return str(found.experiment_id)
    local = (results.root.resolve() / "mlartifacts").as_uri()
    artifacts = None if os.environ.get("MLFLOW_TRACKING_URI") else local
    return str(
        client.create_experiment(name, artifacts, {"mlflow.experimentKind": "custom_model_development"})
    )


class _View:
    """One experiment, with the runs that it holds already."""

    def __init__(self, client: MlflowClient, experiment: str, results: Results) -> None:
        self.client, self.experiment, self.results = client, experiment, results
        self.parents: dict[str, TrackedRun] = {}
        self.children: dict[tuple[str, str], TrackedRun] = {}
        for run in _all_runs(client, experiment):
            tags = run.data.tags
            if ID in tags:
                self.children[tags.get("mlflow.parentRunId", ""), tags[ID]] = run
            elif ROW in tags:
                self.parents[tags[ROW]] = run

    def sync_row(self, row: TrackedRow, table: str) -> int:
        """The parent of `row` and its children; how many children were added."""
        recorded = [found for found in row.seeds.values() if found is not None]
        if not recorded:
            return 0
        parent = self.parents.get(row.name) or self._create_parent(row)
        added = sum(self._sync_child(row, parent.info.run_id, found) for found in recorded)
        digest = hashlib.sha256(table.encode()).hexdigest()
        if added or parent.info.status != "FINISHED" or parent.data.tags.get(TABLE) != digest:
            self._update_parent(parent, [found for found in recorded if isinstance(found, Finished)])
            self.client.log_text(parent.info.run_id, table, "table.md")
            self.client.set_tag(parent.info.run_id, TABLE, digest)
            self.client.set_terminated(parent.info.run_id)
        return added

    def _create_parent(self, row: TrackedRow) -> TrackedRun:
        run = self.client.create_run(self.experiment, run_name=row.title, tags={ROW: row.name, **SOURCE})
        self.client.log_batch(run.info.run_id, params=_params(row.choices))
        return run

    def _update_parent(self, parent: TrackedRun, finished: Sequence[Finished]) -> None:
        names = dict.fromkeys(name for found in finished for name in found.metrics)
        for name in names:
            values = [found.metrics[name] for found in finished if name in found.metrics]
            mean = sum(values) / len(values)
            if math.isfinite(mean) and parent.data.metrics.get(name) != mean:
                self.client.log_metric(parent.info.run_id, name, mean)
        self.client.set_tag(parent.info.run_id, "seeds", str(len(finished)))

    def _sync_child(self, row: TrackedRow, parent: str, found: Finished | Failed) -> bool:
        """Add the run unless it is there in the state that it has; a half-written one is made anew."""
        status = "FINISHED" if isinstance(found, Finished) else "FAILED"
        known = self.children.get((parent, found.id))
        if known is not None and known.info.status == status:
            return False
        if known is not None:
            self.client.delete_run(known.info.run_id)
        tags = {ID: found.id, "mlflow.parentRunId": parent, "seed": str(found.seed), **SOURCE}
        name = f"{row.title}, seed {found.seed}"
        if isinstance(found, Failed):
            run = self.client.create_run(self.experiment, run_name=name, tags={**tags, "error": found.error})
            self.client.log_text(run.info.run_id, "\n".join([found.error, *found.lines]), "error.txt")
            self.client.set_terminated(run.info.run_id, status)
            return True
        ended = int(datetime.fromisoformat(found.record["date"]).timestamp() * 1000)
        began = ended - int(found.record["cost"]["seconds"] * 1000)
        tags |= {"commit": found.commit, "signature": found.signature, "device": found.device}
        tags["mlflow.source.git.commit"] = found.record["commit"]
        run = self.client.create_run(self.experiment, began, tags, name)
        self._fill(run.info.run_id, found, began, ended)
        self.client.set_terminated(run.info.run_id, status, ended)
        return True

    def _fill(self, run_id: str, found: Finished, began: int, ended: int) -> None:
        record = found.record
        params = {**record["recipe"], "seed": found.seed, "weights": record["weights"][:12]}
        self.client.log_batch(run_id, params=_params(params))
        dataset = Dataset(record["dataset"], record["fingerprint"], "local", record["dataset"])
        self.client.log_inputs(run_id, [DatasetInput(dataset, [])])
        cost = {f"cost/{name}": value for name, value in record["cost"].items()}
        values = {**found.metrics, **cost}
        final = [Metric(name, value, ended, 0) for name, value in values.items() if math.isfinite(value)]
        points = [*self._curves(record, began), *final]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(run_id, metrics=points[start : start + BATCH])
        folder = self.results.run_folder(found.id)
        for name in ("queries.parquet", "record.json"):
            self.client.log_artifact(run_id, str(folder / name))

    def _curves(self, record: Record, began: int) -> "Iterable[Metric]":
        """The loss terms of the run and of the stages it started from, by step within the stage."""
        folders = [self.results.stage_folder(stage_id) for stage_id in record["stages"].values()]
        for folder in [*folders, self.results.run_folder(record["id"])]:
            for point in thin(self.results.read_history(folder)):
                for name, value in point["terms"].items():
                    yield Metric(f"{point['stage']}/{name}", value, began, point["step"])


def thin(history: Sequence[Record]) -> list[Record]:
    """Steps counted through the epochs; for a long history the mean terms of each epoch at its last step."""
    counted = [{**point, "step": number} for number, point in enumerate(history, 1)]
    if len(counted) <= LOGGED_STEPS:
        return counted
    epochs: dict[int, list[Record]] = {}
    for point in counted:
        epochs.setdefault(point["epoch"], []).append(point)
    return [{**points[-1], "terms": _mean_terms(points)} for points in epochs.values()]


def _mean_terms(points: Sequence[Record]) -> dict[str, float]:
    return {name: sum(point["terms"][name] for point in points) / len(points) for name in points[0]["terms"]}


def _params(choices: Mapping[str, Any]) -> list[Param]:
    return [Param(name, str(value)) for name, value in choices.items()]


def _all_runs(client: MlflowClient, experiment: str) -> "Iterable[TrackedRun]":
    token: str | None = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return

"""MLflow, told what harness.views has: an experiment per study and data set, a parent per row, a child per seed.

The only file that imports mlflow. Nothing here is the truth: everything is made from records, so it can be lost and
made again, and doing it twice changes nothing. One process at a time writes.
"""

import hashlib
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.records import Results
from harness.views import Child, Content, Experiment, Parent

# Before mlflow is imported, which reads them. A server that is down shall cost seconds: with mlflow's own retries a
# single request takes minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.entities import Run as TrackedRun

BATCH = 1000  # metrics that MLflow takes at once
FEW = 100  # parameters that it takes at once
PATIENCE = 5.0  # seconds for a server to say that it is there
ID, KEY, VERSION = "pivl.id", "pivl.row", "pivl.version"
SOURCE = {"mlflow.source.name": "pivl-bench", "mlflow.source.type": "LOCAL"}


def tracking_uri(results: Results) -> str:
    """MLFLOW_TRACKING_URI, or the SQLite file in the results folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{results.root.resolve() / 'mlflow.db'}"


def connect(results: Results) -> MlflowClient:
    """A client of the server or database, which is made where there is none yet. OSError for a server that is down."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a new database tells of every migration
    uri = tracking_uri(results)
    if uri.startswith(("http://", "https://")):
        _knock(uri)
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)  # a new database gets its tables now
    return client


def sync(experiments: Sequence[Experiment], results: Results) -> int:
    """Bring MLflow up to date; how many runs were added. Raises whatever mlflow raises; no record depends on it."""
    client = connect(results)
    added = 0
    for experiment in experiments:
        view = _View(client, _experiment(client, experiment.name, results))
        added += sum(
            view.sync(parent) for parent in reversed(experiment.parents)
        )  # what came last is listed first
    return added


def _knock(uri: str) -> None:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE):
            pass
    except urllib.error.HTTPError:
        pass  # it answers; that is enough
    except OSError as error:
        raise OSError(f"{uri} does not answer: {getattr(error, 'reason', error)}") from error


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

    def __init__(self, client: MlflowClient, experiment: str) -> None:
        self.client, self.experiment = client, experiment
        self.parents: dict[str, TrackedRun] = {}
        self.children: dict[tuple[str, str], TrackedRun] = {}
        for run in _all_runs(client, experiment):
            tags = run.data.tags
            if ID in tags:
                self.children[tags.get("mlflow.parentRunId", ""), tags[ID]] = run
            elif KEY in tags:
                self.parents[tags[KEY]] = run

    def sync(self, parent: Parent) -> int:
        """The parent and its children; how many children were added."""
        known = self.parents.get(parent.key)
        if known is None:
            tags = {KEY: parent.key, **SOURCE}
            known = self.client.create_run(self.experiment, run_name=parent.name, tags=tags)
        run_id, version = known.info.run_id, _version(parent)
        added = sum(self._sync_child(run_id, child) for child in parent.children)
        if known.info.status != "FINISHED" or known.data.tags.get(VERSION) != version:
            self._log_params(run_id, parent.params)
            self._log_dataset(run_id, *parent.dataset)
            for name, value in parent.metrics.items():
                if known.data.metrics.get(name) != value:
                    self.client.log_metric(run_id, name, value)
            for path in parent.files:
                self.client.log_artifact(run_id, str(path))
            finished = sum(child.status == "FINISHED" for child in parent.children)
            self.client.log_batch(run_id, tags=[RunTag("seeds", str(finished)), RunTag(VERSION, version)])
            self.client.set_terminated(run_id)
        return added

    def _sync_child(self, parent: str, child: Child) -> bool:
        """Add the run unless it is there just so; an older one, or one half written, is made anew."""
        known = self.children.get((parent, child.id))
        if known is not None:
            if known.info.status == child.status and known.data.tags.get(VERSION) == child.version:
                return False
            self.client.delete_run(known.info.run_id)
        content = child.read()
        tags = {ID: child.id, VERSION: child.version, "mlflow.parentRunId": parent, **SOURCE, **content.tags}
        run = self.client.create_run(self.experiment, content.began, tags, child.name)
        self._fill(run.info.run_id, content)
        self.client.set_terminated(run.info.run_id, child.status, content.ended)
        return True

    def _fill(self, run_id: str, content: Content) -> None:
        self._log_params(run_id, content.params)
        if content.dataset is not None:
            self._log_dataset(run_id, *content.dataset)
        metrics = [Metric(one.name, one.value, one.time, one.step) for one in content.points]
        for start in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + BATCH])
        for path in content.files:
            self.client.log_artifact(run_id, str(path))
        for name, text in content.texts.items():
            self.client.log_text(run_id, text, name)

    def _log_dataset(self, run_id: str, name: str, fingerprint: str) -> None:
        self.client.log_inputs(run_id, [DatasetInput(Dataset(name, fingerprint, "local", name), [])])

    def _log_params(self, run_id: str, choices: Mapping[str, Any]) -> None:
        params = [Param(name, str(value)) for name, value in choices.items()]
        for start in range(0, len(params), FEW):
            self.client.log_batch(run_id, params=params[start : start + FEW])


def _version(parent: Parent) -> str:
    """Another whenever the parent itself shows something else."""
    children = [(child.id, child.version) for child in parent.children]
    digest = hashlib.sha256(repr((parent.params, parent.metrics, children)).encode())
    for path in parent.files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _all_runs(client: MlflowClient, experiment: str) -> Iterator[TrackedRun]:
    token: str | None = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return

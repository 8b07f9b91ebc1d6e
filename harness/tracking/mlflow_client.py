"""Writes harness.tracking.view to MLflow: an experiment per study and data set, a parent per row, a child per seed.

The only file that imports mlflow. Nothing here is the truth: everything is made from records, so it can be lost and
made again, and doing it twice changes nothing. One process at a time writes.
"""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.store.records import Results
from harness.system.addresses import within
from harness.tracking.advice import advice, foreign, newer, no_answer
from harness.tracking.place import LOGIN, Place, place_of
from harness.tracking.view import Content, ShownExperiment, ShownRow, ShownRun
from pivl.errors import UserError

# Before mlflow is imported, which reads them. A server that is down shall cost seconds: with mlflow's own retries a
# single request takes minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.entities import Run as TrackedRun
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy import text as sql
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

BATCH = 1000  # metrics that MLflow takes at once
FEW = 100  # parameters that it takes at once
PATIENCE = 6.0  # seconds for a server or database to say that it is there
ID, KEY, VERSION = "pivl.id", "pivl.row", "pivl.version"
NOTE = "mlflow.note.content"  # that MLflow shows as a run's description
SOURCE = {"mlflow.source.name": "pivl-bench", "mlflow.source.type": "LOCAL"}
REVISIONS = (
    Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
)  # of the schema, a file for each
OURS = re.compile(r"(?P<folder>file://.*/mlartifacts)(?P<rest>)")
OURS_AND_DEFAULT = re.compile(r"(?P<folder>file://.*/mlartifacts)(?P<rest>(/0)?)")
RELOCATE = sql("update experiments set artifact_location = :location where experiment_id = :number")
FOLLOW = sql(
    "update runs set artifact_uri = :here || substr(artifact_uri, :length + 1) "
    "where experiment_id = :number and substr(artifact_uri, 1, :length) = :before"
)


def connect(results: Results) -> MlflowClient:
    """A client of the server or database, which is made where there is none yet. UserError, one line, if it cannot be."""
    place = place_of(results)
    with _in_one_line(place):
        return _open(place)


def sync(experiments: Sequence[ShownExperiment], results: Results) -> int:
    """Syncs MLflow; returns the number of added runs. Raises UserError; no record depends on it."""
    place = place_of(results)
    added = 0
    with _in_one_line(place):
        client = _open(place)
        for experiment in experiments:
            view = _View(client, _experiment(client, experiment.name, place))
            added += sum(
                view.sync(parent) for parent in reversed(experiment.parents)
            )  # what came last is listed first
    return added


@contextmanager
def _in_one_line(place: Place) -> Iterator[None]:
    """Reduces all logs and errors of MLflow and its libraries in the block to a line without a password."""
    for name in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with place.signed_in():
            yield
    except Exception as error:
        raise UserError(advice(error, place)) from error


def _open(place: Place) -> MlflowClient:
    if place.is_server:
        _knock(place, _ask_server)
    elif place.artifacts is not None:
        _knock(place, _ask_database)
        SqlAlchemyStore(place.uri, place.artifacts.as_uri())  # a new database gets its tables now
        _follow(place, place.artifacts)
    client = MlflowClient(place.uri)
    client.search_experiments(max_results=1)
    return client


def _knock(place: Place, ask: Callable[[Place], None]) -> None:
    """Asks once and briefly: MLflow itself tries for minutes."""
    try:
        within(PATIENCE, lambda: ask(place))
    except (OSError, MlflowException, OperationalError) as error:
        if place.database and not isinstance(error, TimeoutError):
            raise
        raise no_answer(place, error) from error


def _ask_server(place: Place) -> None:
    """Raises UserError unless a tracking server answers, its database and all; else what http_request raises."""
    said = http_request(
        get_default_host_creds(place.uri), "/api/2.0/mlflow/experiments/search", "POST", json={"max_results": 1},
        max_retries=0, timeout=PATIENCE, raise_on_status=False,
    )  # fmt: skip
    if said.status_code in (401, 403):
        raise UserError(
            f"{place.name} refuses this user and password ({said.status_code}); give those of its account "
            f"in {' and '.join(LOGIN)}"
        )
    if said.status_code >= 500:
        raise UserError(f"{place.name} reports an error of its own ({said.status_code}); its log says why")
    if said.status_code != 200 or not said.headers.get("Content-Type", "").startswith("application/json"):
        raise UserError(
            f"{place.name} is no MLflow server (it answers {said.status_code}); check its address"
        )


def _ask_database(place: Place) -> None:
    """Raises UserError if a newer MLflow, or another program, made the database; else what SQLAlchemy raises."""
    if place.database:
        place.database.parent.mkdir(parents=True, exist_ok=True)
        if place.database.exists() and not place.database.is_file():
            raise UserError(f"{place.name} is no file; move it away")
    with _begin(place) as connection:
        tables = inspect(connection).get_table_names()
        if "alembic_version" not in tables:
            return
        found = connection.scalars(sql("select version_num from alembic_version")).first()
    known = {path.name.partition("_")[0] for path in REVISIONS.glob("*.py")}
    if found and found not in known and known:
        raise newer(place) if "experiments" in tables else foreign(place)


@contextmanager
def _begin(place: Place) -> Iterator[Connection]:
    """A transaction of the database."""
    engine = create_engine(place.uri, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def _follow(place: Place, artifacts: Path) -> None:
    """Moves artifact locations to the current folder, since a copied database names the former one."""
    here, ours = artifacts.as_uri(), OURS_AND_DEFAULT if place.is_own else OURS
    with _begin(place) as connection:
        listed = connection.execute(sql("select experiment_id, artifact_location from experiments")).all()
        found = [(number, old) for number, location in listed if (old := ours.fullmatch(location or ""))]
        moved = [(number, old) for number, old in found if old["folder"] != here]
        for number, old in moved:
            values = {"number": number, "location": here + old["rest"]}
            connection.execute(RELOCATE, values)
            if place.database:
                before = old["folder"]
                connection.execute(
                    FOLLOW, {"number": number, "here": here, "before": before, "length": len(before)}
                )
        if moved and place.database and not artifacts.exists():
            connection.execute(
                sql("delete from tags where key = :key"), {"key": VERSION}
            )  # all is shown anew


def _experiment(client: MlflowClient, name: str, place: Place) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is not None:
        return str(found.experiment_id)
    artifacts = place.artifacts.as_uri() if place.artifacts else None
    return str(
        client.create_experiment(name, artifacts, {"mlflow.experimentKind": "custom_model_development"})
    )


class _View:
    """An experiment in MLflow, with its present runs."""

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

    def sync(self, parent: ShownRow) -> int:
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
            self._keep(known, parent.files)
            finished = sum(child.status == "FINISHED" for child in parent.children)
            tags = {"seeds": str(finished), NOTE: parent.description, VERSION: version}
            self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
            self.client.set_terminated(run_id)
        return added

    def _sync_child(self, parent: str, child: ShownRun) -> bool:
        """Adds the run unless it is there; replaces an outdated or incomplete one."""
        known = self.children.get((parent, child.id))
        if known is not None:
            if known.info.status == child.status and known.data.tags.get(VERSION) == child.version:
                return False
            self.client.delete_run(known.info.run_id)
        content = child.read()
        tags = {ID: child.id, VERSION: child.version, "mlflow.parentRunId": parent, **SOURCE, **content.tags}
        run = self.client.create_run(self.experiment, content.began, tags, child.name)
        self._fill(run, content)
        self.client.set_terminated(run.info.run_id, child.status, content.ended)
        return True

    def _fill(self, run: TrackedRun, content: Content) -> None:
        run_id = run.info.run_id
        self._log_params(run_id, content.params)
        if content.dataset is not None:
            self._log_dataset(run_id, *content.dataset)
        metrics = [Metric(one.name, one.value, one.time, one.step) for one in content.points]
        for start in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + BATCH])
        self._keep(run, content.files)
        for name, text in content.texts.items():
            self.client.log_text(run_id, text, name)

    def _keep(self, run: TrackedRun, files: Sequence[Path]) -> None:
        """Logs files where the run has its artifacts now; the client goes on where it first had them."""
        if files:
            artifacts = get_artifact_repository(run.info.artifact_uri, tracking_uri=self.client.tracking_uri)
            for path in files:
                artifacts.log_artifact(str(path))

    def _log_dataset(self, run_id: str, name: str, fingerprint: str) -> None:
        self.client.log_inputs(run_id, [DatasetInput(Dataset(name, fingerprint, "local", name), [])])

    def _log_params(self, run_id: str, choices: Mapping[str, Any]) -> None:
        params = [Param(name, str(value)) for name, value in choices.items()]
        for start in range(0, len(params), FEW):
            self.client.log_batch(run_id, params=params[start : start + FEW])


def _version(parent: ShownRow) -> str:
    """A digest of the parent's own content."""
    children = [(child.id, child.version) for child in parent.children]
    digest = hashlib.sha256(
        repr((parent.name, parent.description, parent.params, parent.metrics, children)).encode()
    )
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

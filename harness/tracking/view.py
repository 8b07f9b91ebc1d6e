"""Presents records to MLflow as plain values: experiments with a parent run per row and a child run per seed.

Made from records alone. What costs much to read of a child is read only where MLflow lacks it.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from harness.display.text import describe_commit
from harness.store.record_file import Record
from harness.store.records import Results
from harness.store.row_index import AskedRow

LOGGED_STEPS = 500  # curves with more steps are shown as the mean of each epoch

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class Point:
    """A value of a metric at a step; `time` in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class Content:
    """The content of a child run. dataset: name and fingerprint; began and ended: milliseconds since 1970."""

    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()
    files: Sequence[Path] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    dataset: tuple[str, str] | None = None
    began: int | None = None
    ended: int | None = None


@dataclass(frozen=True)
class ShownRun:
    """A child run, or a trial with the id of its `run`; `version` changes with its content."""

    id: str
    name: str
    status: Status
    version: str
    read: Callable[[], Content]
    run: str | None = None


@dataclass(frozen=True)
class ShownRow:
    """A parent run; `key` is unique in its experiment. dataset: name and fingerprint."""

    key: str
    name: str
    dataset: tuple[str, str]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    files: Sequence[Path]
    children: Sequence[ShownRun]
    description: str = ""


@dataclass(frozen=True)
class ShownExperiment:
    """A study on a data set."""

    name: str
    parents: Sequence[ShownRow]


def show_rows(rows: Sequence[AskedRow], results: Results) -> list[ShownExperiment]:
    """The experiments of the rows that have records."""
    experiments: dict[str, list[ShownRow]] = {}
    for row in rows:
        if parent := _parent(row, results):
            experiments.setdefault(f"{row.table} on {row.dataset}", []).append(parent)
    return [ShownExperiment(name, parents) for name, parents in experiments.items()]


def _parent(row: AskedRow, results: Results) -> ShownRow | None:
    """The row with the mean of every metric over its finished seeds; None where nothing is recorded."""
    found = {seed: results.find_run(run_id) for seed, run_id in sorted(row.runs.items())}
    records = {seed: record for seed, record in found.items() if record is not None}
    if not records:
        return None
    tables, file = sorted((results.root / "tables").glob("[!.]*")), row.file or row.table
    figures = sorted((results.root / "figures").glob("[!.]*"))  # named FILE-FIGURE
    unusual = {
        name: value for name, value in row.changed.items() if name != "precision" or str(value) in file
    }
    changed = ", ".join(f"{name}={value}" for name, value in unusual.items())
    title = f"{row.title} ({changed})" if changed else row.title
    finished = [_figures(record) for record in records.values() if record["status"] == "finished"]
    names = dict.fromkeys(name for metrics in finished for name in metrics)
    means = {name: _mean([metrics.get(name) for metrics in finished]) for name in names}
    return ShownRow(
        key=hashlib.sha256(row.key.encode()).hexdigest()[:16],
        name=title,
        dataset=(row.dataset, row.fingerprint),
        params={**row.choices, **({"apart": _apart(row)} if row.apart else {})},
        metrics={name: value for name, value in means.items() if value is not None},
        files=[
            *(path for path in tables if path.stem == file),
            *(path for path in figures if path.stem.rpartition("-")[0] == file),
        ],
        children=[_child(f"{title}, seed {seed}", record, results) for seed, record in records.items()],
        description=_describe(row, means, len(finished)),
    )


def _describe(row: AskedRow, means: Mapping[str, float | None], seeds: int) -> str:
    """A sentence on a row: what it is, on which data, and its scores."""
    scores = ", ".join(
        f"{title} {value:.1f} %"
        for name, title in (("mAP", "mAP"), ("rank1", "Rank-1"))
        if (value := means.get(name))
    )
    return f"{row.title}, a row of {row.table} on {row.dataset}: {scores or 'no scores'}, mean over {seeds} seeds."


def _figures(record: Record) -> dict[str, float | None]:
    """The metrics of a run, and the figures of its health if it was measured."""
    return record["metrics"] | {f"health/{name}": value for name, value in record.get("health", {}).items()}


def _apart(row: AskedRow) -> str:
    """A line on the departures of its runs from the study's own."""
    return "; ".join(f"{heading}: {text}" for heading, text in row.apart.items())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else None


def _child(name: str, record: Record, results: Results) -> ShownRun:
    version = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    if record["status"] == "failed":
        return ShownRun(record["id"], name, "FAILED", version, lambda: _failure(record))
    return ShownRun(record["id"], name, "FINISHED", version, lambda: show_result(record, results))


def _failure(record: Record) -> Content:
    text = "\n".join([record["error"], *record["lines"]])
    return Content(tags={"seed": str(record["seed"]), "error": record["error"]}, texts={"error.txt": text})


def show_result(record: Record, results: Results) -> Content:
    """The content of a finished run."""
    ended = int(datetime.fromisoformat(record["date"]).timestamp() * 1000)
    began = ended - int(record["cost"]["seconds"] * 1000)
    values = _figures(record) | {f"cost/{name}": value for name, value in record["cost"].items()}
    values |= {f"inference/{name}": value for name, value in record.get("inference", {}).items()}
    final = [
        Point(name, value, 0, ended)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    ]
    folder = results.run_folder(record["id"])
    return Content(
        params={**record["recipe"], "seed": record["seed"], "weights": record["weights"][:12]},
        tags={
            "seed": str(record["seed"]),
            "commit": describe_commit(record["commit"], record["dirty"]),
            "signature": record["signature"],
            "device": record["device"],
            "mlflow.source.git.commit": record["commit"],
        },
        points=[*curves(record, began, results), *final],
        files=[folder / "queries.parquet", folder / "record.json"],
        dataset=(record["dataset"], record["fingerprint"]),
        began=began,
        ended=ended,
    )


def curves(record: Record, began: int, results: Results) -> Iterator[Point]:
    """The loss terms of the run and of its earlier stages, by step within the stage."""
    folders = [results.stage_folder(stage_id) for stage_id in record["stages"].values()]
    for folder in [*folders, results.run_folder(record["id"])]:
        for point in thin(results.read_history(folder)):
            for name, value in point["terms"].items():
                yield Point(f"{point['stage']}/{name}", value, point["step"], began)
            for name, value in point.get("gradients", {}).items():
                yield Point(f"{point['stage']}/gradient/{name}", value, point["step"], began)


def thin(history: Sequence[Record]) -> list[Record]:
    """Steps counted through the epochs; for a long history the mean terms of each epoch at its last step.

    Gradients, measured at the first step of an epoch, stay with it.
    """
    counted = [{**point, "step": number} for number, point in enumerate(history, 1)]
    if len(counted) <= LOGGED_STEPS:
        return counted
    epochs: dict[int, list[Record]] = {}
    for point in counted:
        epochs.setdefault(point["epoch"], []).append(point)
    return [{**points[0], **points[-1], "terms": _mean_terms(points)} for points in epochs.values()]


def _mean_terms(points: Sequence[Record]) -> dict[str, float]:
    return {name: sum(point["terms"][name] for point in points) / len(points) for name in points[0]["terms"]}

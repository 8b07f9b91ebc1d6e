"""Evaluates checkpoints of any code on data sets, and records what comes of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from harness.analysis import statistics
from harness.analysis.pairs import clusters_of, is_single, scores_of
from harness.analysis.statistics import Estimate
from harness.display.progress import Progress
from harness.external.comparing import further_columns
from harness.external.extraction import describe_dataset
from harness.external.methods import parse_methods
from harness.external.models import describe_model, find_model, find_place
from harness.external.records import record_described
from harness.external.request import TestSet
from harness.store.records import Finished, Results
from harness.system.devices import describe_device
from pivl.errors import UserError
from pivl.evaluation.average_precision import Convention

METRICS = ("Rank-1", "mAP")


@dataclass(frozen=True)
class Evaluation:
    """Runs of checkpoints, by their names and those of data sets; and each checkpoint in a line."""

    models: Mapping[str, str]
    runs: Mapping[str, Mapping[str, Finished]]


def evaluate(
    typed: Sequence[str], datasets: Sequence[str], wanted: TestSet, results: Results, progress: Progress,
    device: torch.device, image_size: tuple[int, int] | None = None, metric: str | None = None,
    convention: Convention = "step", batch: int = 64,
) -> Evaluation:  # fmt: skip
    """Scores every checkpoint on every data set and records it. Raises UserError."""
    models: dict[str, str] = {}
    titles = _titles(datasets)
    runs: dict[str, dict[str, Finished]] = {}
    for name, (seed, path) in _checkpoints(typed).items():
        place = find_place(str(path), results.root)
        model = find_model(str(path), results.root, image_size).to(device)
        models[name] = describe_model(model)
        progress.note(f"{name}: {models[name]}")
        for dataset in datasets:
            described = describe_dataset(model, replace(wanted, dataset=dataset), batch, progress)
            told = {"kind": model.facts.kind, "notes": "; ".join(model.facts.notes)}
            run = record_described(
                described, place, seed, metric, convention, results, told, describe_device(device)
            )
            runs.setdefault(name, {})[titles[dataset]] = run
    return Evaluation(models, runs)


def _checkpoints(typed: Sequence[str]) -> dict[str, tuple[int, Path]]:
    """The seed and file of each checkpoint, by name. Raises UserError for two of one name."""
    methods = parse_methods(typed)
    for name, files in methods.items():
        if len(files) > 1:
            raise UserError(
                f"{name} names {len(files)} checkpoints; give each a name of its own, as {name}-1=FILE"
            )
    return {name: next(iter(files.items())) for name, files in methods.items()}


def _titles(datasets: Sequence[str]) -> dict[str, str]:
    """The names of data sets in the table, by what was typed. Raises UserError for two of one name."""
    titles = {one: Path(one).stem if one.endswith(".csv") else one for one in datasets}
    for title, count in Counter(titles.values()).items():
        if count > 1:
            raise UserError(
                f"two data sets are called {title}; copy one of the csv files to another name, in its folder"
            )
    return titles


def estimate_scores(run: Finished) -> dict[str, Estimate]:
    """The scores of one run by their headings, in percent, with intervals over its people."""
    clusters = clusters_of([run])
    found: dict[str, Estimate] = {}
    for metric in METRICS:
        scores = scores_of([run], metric)
        single = is_single(clusters)
        mean = statistics.unsure(100 * float(scores.mean()))
        found[metric] = mean if single else statistics.estimate(scores, clusters).within(0, 100)
    for column in further_columns({"": {0: run}}, clusters):
        value = column.values[""]
        assert isinstance(value, Estimate)
        found[column.heading] = value
    return found

"""Compares methods of any code on one test set: the table of a study, without training and without a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.analysis import comparison, statistics
from harness.analysis.pairs import clusters_of, is_single
from harness.analysis.statistics import Estimate
from harness.analysis.table import Column, Table
from harness.display.progress import Progress
from harness.external.described import Described
from harness.external.joining import Joined, adopt, read_each
from harness.external.methods import external_row
from harness.external.records import record_described
from harness.external.request import Reading
from harness.external.test_set import check_same
from harness.store.records import Finished, Results
from pivl.errors import UserError
from pivl.evaluation.average_precision import Convention
from studies.study import Study

FIRST = {"rank5": 5, "rank10": 10}  # wrong answers that may stand before the first right one


@dataclass(frozen=True)
class Comparing:
    """Choices of a comparison: a distance, None for what files state; a convention; the name of the baseline row."""

    metric: str | None = None
    ap: Convention = "step"
    baseline: str | None = None


def compare_files(
    typed: Sequence[str], reading: Reading, choices: Comparing, results: Results, progress: Progress
) -> Table:
    """The table of the methods that were typed; each is recorded. Raises UserError."""
    described: dict[str, dict[int, tuple[Path, Described]]] = {}
    for name, seed, path, one in read_each(typed, reading, progress):
        described.setdefault(name, {})[seed] = (path, one)
    check_same([(str(path), one) for files in described.values() for path, one in files.values()])
    every = [one for files in described.values() for _, one in files.values()]
    runs: dict[str, dict[int, Finished]] = {}
    for name, of_seeds in described.items():
        for seed, (path, one) in of_seeds.items():
            progress.update(name, f"scoring {path.name}")
            metric = _metric(one, choices.metric, every)
            recorded = record_described(one, path, seed, metric, choices.ap, results)
            runs.setdefault(name, {})[seed] = recorded
    return build_table(_of_one_test_set(runs, described), choices.baseline)


def _metric(one: Described, typed: str | None, every: Sequence[Described]) -> str | None:
    """The distance that was typed; for descriptors that state none, the one that the other files state."""
    if typed or one.distances is not None or "metric" in one.facts:
        return typed
    stated = {other.facts["metric"] for other in every if "metric" in other.facts}
    return stated.pop() if len(stated) == 1 else None


def _of_one_test_set(runs: Joined, described: Mapping[str, Mapping[int, tuple[Path, Described]]]) -> Joined:
    """The runs with the names of data, people and cameras of one of them, which names its data set if any file does.

    Raises UserError where files name several.
    """
    named: dict[str, tuple[Path, Finished]] = {}
    for row, of_seeds in described.items():
        for seed, (path, one) in of_seeds.items():
            named.setdefault(one.facts.get("dataset", ""), (path, runs[row][seed]))
    stated = {data: one for data, one in named.items() if data}
    if len(stated) > 1:
        listed = ", ".join(f"{path.name} is of {data}" for data, (path, _) in stated.items())
        raise UserError(f"files of several data sets, {listed}; compare those of one")
    _, first = next(iter((stated or named).values()))
    return {
        row: {seed: adopt(run, first, described[row][seed][0]) for seed, run in of_seeds.items()}
        for row, of_seeds in runs.items()
    }


def build_table(runs: Joined, baseline: str | None = None) -> Table:
    """The table of recorded methods by name and seed, the first or `baseline` as what the others are compared with."""
    if baseline is not None and baseline not in runs:
        raise UserError(f"--baseline {baseline}: no method is called so; name one of {', '.join(runs)}")
    rows = tuple(external_row(name) for name in runs)
    study = Study(
        name="compare",
        title="Comparison of methods",
        question="Which of these methods is better on this test set?",
        rows=rows,
        reference=baseline or next(iter(runs)),
        caption="Their descriptors were compared as the protocol below says; nothing was trained here.",
        seeds=(0,),
    )
    every = [run for of_row in runs.values() for run in of_row.values()]
    data = every[0].signature.split("|")[1]
    return comparison.build(study, data, runs, columns=further_columns(runs, clusters_of(every)))


def further_columns(runs: Joined, clusters: np.ndarray) -> tuple[Column, ...]:
    """Rank-5, Rank-10 and mINP of each row, in percent with their intervals."""
    found = {key: {name: _within(of, key, clusters) for name, of in runs.items()} for key in (*FIRST, "minp")}
    headings = {"rank5": "Rank-5", "rank10": "Rank-10", "minp": "mINP"}
    return tuple(Column(key, headings[key], values, 1) for key, values in found.items())


def _within(runs: Mapping[int, Finished], key: str, clusters: np.ndarray) -> Estimate:
    queries = [run.queries for run in runs.values()]
    if key == "minp":
        scores = np.stack([one["inp"].to_numpy(float) for one in queries])
    else:
        scores = np.stack([(one["first_match"].to_numpy() < FIRST[key]).astype(float) for one in queries])
    if is_single(clusters):
        return statistics.unsure(100 * float(scores.mean()))
    return statistics.estimate(scores, clusters).within(0, 100)

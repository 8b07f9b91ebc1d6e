"""Compares any two rows of a table over the seeds that both have and the queries that all share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis import statistics
from harness.analysis.components import Components, decompose
from harness.analysis.statistics import Comparison, Judgement
from harness.analysis.table import MEAN_AP
from harness.store.records import Finished
from studies.study import Contrast

RunsBySeed = Mapping[int, Finished]
Compare = Callable[[Contrast, str], Comparison | None]
"""From a pair of rows and a metric to their comparison; None where they cannot be compared."""
QUERY_SCORES = {MEAN_AP: "average_precision", "mINP": "inp"}  # columns of a run's queries


def judge_pairs(
    pairs: Iterable[Contrast], metric: str, compare: Compare, margin: float | None
) -> dict[Contrast, Judgement]:
    """Verdicts on `pairs` of rows on one metric, a family of comparisons; pairs that are not compared are left out."""
    compared = {pair: compare(pair, metric) for pair in pairs}
    found = {pair: one for pair, one in compared.items() if one is not None}
    return statistics.judge(found, margin)


def compare_rows(
    pair: Contrast, runs: Mapping[str, RunsBySeed], metric: str, clusters: np.ndarray
) -> Comparison | None:
    """The comparison of a row with another, by name in `runs`; None without a seed in common or with a single cluster.

    The flips of its randomisation test are drawn by the names of both, so that the rows beside them do not change its p.
    """
    common = common_runs(pair, runs)
    if not common or is_single(clusters):
        return None
    scores = [scores_of(of_row, metric) for of_row in zip(*common, strict=True)]
    found = statistics.compare(scores[0], scores[1], clusters, drawn_for(pair, metric))
    return replace(found, gain=found.gain.within(-100, 100))


def drawn_for(pair: Contrast, metric: str) -> np.random.Generator:
    """The generator of the flips for a pair, the same whatever rows stand beside it."""
    return np.random.default_rng(list(f"{pair.row}/{pair.against}/{metric}".encode()))


def common_runs(pair: Contrast, runs: Mapping[str, RunsBySeed]) -> list[tuple[Finished, Finished]]:
    """The runs of both rows, a pair for each seed that both have."""
    ours, theirs = runs.get(pair.row, {}), runs.get(pair.against, {})
    return [(ours[seed], theirs[seed]) for seed in ours if seed in theirs]


def components_of(
    pair: Contrast, runs: Mapping[str, RunsBySeed], metric: str, clusters: np.ndarray
) -> Components | None:
    """The variance components of a row less another; None without a seed in common or with a single cluster."""
    common = common_runs(pair, runs)
    if not common or is_single(clusters):
        return None
    ours, theirs = (scores_of(of_row, metric) for of_row in zip(*common, strict=True))
    return decompose(ours - theirs, clusters)


def has_scores(runs: Sequence[Finished], metric: str) -> bool:
    """Whether there are runs and all have the metric of every query; the first ones recorded have no mINP."""
    return bool(runs) and all(metric != "mINP" or "inp" in run.queries for run in runs)


def scores_of(runs: Iterable[Finished], metric: str) -> np.ndarray:
    """[S, Q]: average precision, inverse negative penalty, or whether a right answer is among the first k (Rank-k)."""
    if metric in QUERY_SCORES:
        return np.stack([run.queries[QUERY_SCORES[metric]].to_numpy(float) for run in runs])
    rank = int(metric.removeprefix("Rank-"))
    return np.stack([(run.queries["first_match"].to_numpy() < rank).astype(float) for run in runs])


def clusters_of(runs: Sequence[Finished]) -> np.ndarray:
    """[Q]: the family, or else the person, of each query that all `runs` share; empty without runs.

    Records of before have no families: those of any other run of the same queries serve them too.
    """
    known = next((run for run in runs if "cluster" in run.queries), None)
    if known is not None:
        return known.queries["cluster"].to_numpy()
    return people_of(runs)


def people_of(runs: Sequence[Finished]) -> np.ndarray:
    """[Q]: the person of each query that all `runs` share; empty without runs."""
    return runs[0].queries["person"].to_numpy() if runs else np.empty(0, np.int64)


def is_single(clusters: np.ndarray) -> bool:
    """Whether all queries hang together: nothing can be said of others."""
    return len(np.unique(clusters)) < 2


def codes_of(runs: Iterable[Finished]) -> tuple[str, ...]:
    """The digests of the code that runs trained here, and their stages, come from; empty where a record has none."""
    ours = (run.record.get("codes", [""]) for run in runs if "recipe" in run.record)
    return tuple(sorted({code for codes in ours for code in codes}))

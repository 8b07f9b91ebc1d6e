"""Sensitivity analysis: what records of a measured benchmark say of errors that no printed table shows.

How often two models err on the same queries, how far their average precisions differ and how much a person's queries
move together is carried over to other test sets. It is an assumption, labelled as such, and never a test.
"""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.outcomes import Recorded
from harness.analysis.pairs import clusters_of
from harness.claims.contrasts import Contrast
from harness.claims.significance import clustered, least_detectable_mean
from harness.claims.table import Dataset
from harness.store.records import Finished

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Carried:
    """Means over pairs of runs with the same queries, one seed each.

    source: the study and data set that were measured; pairs: how many. error_correlation: of right and wrong at rank 1
    (phi). deviation: of paired differences in average precision, in points. rank1_within and ap_within: the
    correlation of differences between queries of a person; design effects of other test sets follow from them.
    """

    source: str
    pairs: int
    error_correlation: float
    deviation: float
    rank1_within: float
    ap_within: float


@dataclass(frozen=True)
class Expected:
    """Expected figures of a contrast that is like the measured ones.

    discordant: queries expected discordant; allowed: the most that McNemar's test allows at this design effect; both
    None for a mean. detectable: the minimum detectable gain (80 % power) without retraining noise, in points.
    """

    design_effect: float
    discordant: float | None = None
    allowed: int | None = None
    detectable: float | None = None


def measure(source: str, recorded: Recorded, baseline: str) -> Carried | None:
    """Measures recorded runs, called `source`: every other row beside the baseline at each seed that both have.

    None where there is no such pair, or none with hits and misses in both.
    """
    pairs = [
        (run.queries, other.queries)
        for row, seeds in recorded.items()
        for seed, run in seeds.items()
        if row != baseline
        and isinstance(run, Finished)
        and isinstance(other := recorded.get(baseline, {}).get(seed), Finished)
    ]
    people = clusters_of(
        [run for seeds in recorded.values() for run in seeds.values() if isinstance(run, Finished)]
    )
    found = [figures for one, other in pairs if (figures := _figures(one, other, people)) is not None]
    if not found:
        return None
    return Carried(source, len(found), *(float(mean) for mean in np.mean(found, axis=0)))


def _figures(
    one: "pd.DataFrame", other: "pd.DataFrame", people: np.ndarray
) -> tuple[float, float, float, float] | None:
    """The measured figures of two runs in the order of Carried's fields; None where one is all right or all wrong."""
    hits = [(queries["first_match"].to_numpy() == 0).astype(float) for queries in (one, other)]
    if not all(0 < of_run.mean() < 1 for of_run in hits):
        return None
    precision = one["average_precision"].to_numpy(float) - other["average_precision"].to_numpy(float)
    return (
        float(np.corrcoef(*hits)[0, 1]),
        100 * float(precision.std(ddof=1)),
        within(hits[0] - hits[1], people),
        within(precision, people),
    )


def within(difference: np.ndarray, clusters: np.ndarray) -> float:
    """The intraclass correlation of `difference` [Q] in `clusters` [Q], from one-way mean squares; at least 0."""
    member = np.unique(clusters, return_inverse=True)[1]
    sizes = np.bincount(member)
    groups, queries = len(sizes), len(difference)
    if groups < 2 or queries == groups:
        return 0.0
    means = np.bincount(member, weights=difference) / sizes
    between = float((sizes * (means - difference.mean()) ** 2).sum()) / (groups - 1)
    inside = float(((difference - means[member]) ** 2).sum()) / (queries - groups)
    size = (queries - float((sizes**2).sum()) / queries) / (groups - 1)
    total = between + (size - 1) * inside
    return max(0.0, (between - inside) / total) if total > 0 else 0.0


def design_effect(correlation: float, dataset: Dataset) -> float:
    """1 + (m - 1) x correlation at m queries a person (Kish 1965)."""
    return 1 + ((dataset.per_person or 1.0) - 1) * correlation


def expect(contrast: Contrast, carried: Carried) -> Expected:
    """Expected figures of the contrast if its errors were correlated as the measured ones are."""
    if contrast.discordance is None:
        effect = design_effect(carried.ap_within, contrast.dataset)
        detectable = least_detectable_mean(carried.deviation, contrast.dataset.queries, effect)
        return Expected(effect, detectable=detectable)
    effect = design_effect(carried.rank1_within, contrast.dataset)
    found, queries = contrast.discordance, contrast.dataset.queries
    right = [float(cell.value) / 100 for cell in (contrast.value, contrast.other)]
    shared = carried.error_correlation * sqrt(np.prod([p * (1 - p) for p in right]))
    discordant = max(found.independent - 2 * queries * shared, float(abs(found.printed)))
    deviation = 100 * sqrt(discordant / queries)
    return Expected(
        design_effect=effect,
        discordant=discordant,
        allowed=clustered(found.allowed, found.printed, effect),
        detectable=least_detectable_mean(deviation, queries, effect),
    )

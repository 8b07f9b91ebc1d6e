"""Intervals and comparisons across worlds, each of which draws training identities, test identities and cameras anew.

Clusters are nested in worlds, and so are seeds: seed 0 trains from other pictures in each. Two questions have two
intervals. For these identities, retraining and clusters vary within the worlds that were drawn. For identities like
these, a world is one more draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.components import decompose_worlds
from harness.analysis.significance import FLIPS, randomisation_p
from harness.analysis.statistics import (
    Beyond,
    Comparison,
    Crossed,
    Scores,
    satterthwaite,
    split_variance,
    total_variance,
    unsure,
)


@dataclass(frozen=True)
class Scored:
    """The scores [S, Q] of a row and of its reference in one world, and the clusters [Q] of the queries."""

    world: int
    row: Scores
    reference: Scores
    clusters: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """[S, Q]."""
        return np.asarray(self.row, float) - self.reference


def cross_these(worlds: Sequence[np.ndarray], clusters: Sequence[np.ndarray]) -> Crossed:
    """The mean over worlds of studies [..., S, Q] in each, with its variance and degrees of freedom for these identities.

    The mean of the worlds' variances, over their number. Terms by seeds, clusters and cells are averaged before they are
    put together, and have the degrees of freedom of all worlds (Satterthwaite, as statistics.cross).
    """
    each = [split_variance(one, of) for one, of in zip(worlds, clusters, strict=True)]
    mean = np.mean([one.mean for one in each], axis=0)
    terms = np.mean([one.variances for one in each], axis=0)
    freedom = np.sum([one.freedom for one in each], axis=0)
    return Crossed(mean, total_variance(*terms) / len(each), satterthwaite(terms, freedom))


def cross_alike(worlds: Sequence[np.ndarray]) -> Crossed:
    """The mean over worlds of studies [..., S, Q] in each, with its variance for identities like these: that of means.

    One degree of freedom less than worlds; of two at least.
    """
    means = np.stack([one.mean(axis=(-2, -1)) for one in worlds])
    variance = means.var(axis=0, ddof=1) / len(means)
    return Crossed(means.mean(axis=0), variance, np.full(variance.shape, len(means) - 1.0))


def compare_worlds(
    scored: Sequence[Scored], generator: np.random.Generator, flips: int = FLIPS
) -> Comparison:
    """Compares two rows on the seeds and queries that they share in each world; each world weighs the same.

    Sign flips are over the clusters of all worlds. `seeds` are the fewest of a world, `clusters` those of all together.
    """
    differences, clusters = [one.difference for one in scored], [one.clusters for one in scored]
    weighted = [one.mean(axis=0) / one.shape[1] for one in differences]
    named = [np.unique(of, return_inverse=True)[1] for of in clusters]
    counts = [int(one.max()) + 1 for one in named]
    first = np.cumsum([0, *counts[:-1]])
    apart = np.concatenate([start + one for start, one in zip(first, named, strict=True)])
    gain = cross_these(differences, clusters).estimate()
    alike = cross_alike(differences).estimate() if len(scored) > 1 else unsure(gain.mean)
    by_world = {one.world: 100 * float(one.difference.mean()) for one in scored}
    return Comparison(
        gain=gain,
        p=randomisation_p(np.concatenate(weighted), apart, generator, flips),
        seeds=min(len(one) for one in differences),
        clusters=sum(counts),
        row_alone=sum(int((one > 0).sum()) for one in differences),
        reference_alone=sum(int((one < 0).sum()) for one in differences),
        beyond=Beyond(alike, by_world, decompose_worlds(differences, clusters)),
    )

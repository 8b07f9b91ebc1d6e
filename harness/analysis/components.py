"""Variance components of a gain: how much is due to retraining, to the people, to the queries, and to what they share.

Differences [S, Q] of two rows are a mean, an effect of the seed, one of the cluster (person or family), one of the query,
the seed's in each cluster, and a rest. Mean squares of that layout, crossed and nested, give each its variance
(Searle, Casella and McCulloch 1992, ch. 5; unequal clusters by Henderson's first method).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from harness.analysis.significance import LEVEL

Source = Literal["worlds", "retraining", "clusters", "queries", "retraining in clusters", "rest"]
SOURCES: tuple[Source, ...] = ("retraining", "clusters", "queries", "retraining in clusters", "rest")
"""The sources within a world; `worlds` is a further one where several were drawn."""


@dataclass(frozen=True)
class Component:
    """A variance in squared points, with its 95 % interval; all nan where the layout does not show it."""

    variance: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def known(self) -> float:
        """The variance, 0 where the layout does not show it."""
        return 0.0 if np.isnan(self.variance) else self.variance


@dataclass(frozen=True)
class Components:
    """The components of a gain measured with so many seeds, clusters and queries in each of so many worlds.

    size: mean number of queries of a query's cluster, sum of squared sizes over queries; what a cluster's effect is
    multiplied by in a mean over queries.
    """

    by_source: Mapping[Source, Component]
    seeds: int
    clusters: int
    queries: int
    size: float
    worlds: int = 1

    def terms(self, seeds: int | None = None, people: float = 1.0) -> np.ndarray:
        """Expected variances [3] of a world's mean by seeds, by clusters and by cells, as the interval's are estimated.

        With `seeds` (default: those measured) and `people` times the clusters and queries, of the same sizes. The
        variance of the mean is the first two less the third.
        """
        known = {source: one.known for source, one in self.by_source.items()}
        seeds, queries = seeds or self.seeds, self.queries * people
        cells = (known["retraining in clusters"] * self.size + known["rest"]) / (queries * seeds)
        of_seeds = known["retraining"] / seeds + cells
        return np.array(
            [of_seeds, (known["clusters"] * self.size + known["queries"]) / queries + cells, cells]
        )

    @property
    def retraining_share(self) -> float | None:
        """The part of the mean's variance that further seeds take away; None with one seed, or where nothing varies."""
        return self._share(float(self.terms()[0])) if self.seeds > 1 else None

    @property
    def world_share(self) -> float | None:
        """The part of the mean's variance that only further worlds take away; None with one world, or as above."""
        return self._share(self._by_worlds) if self.worlds > 1 else None

    def _share(self, variance: float) -> float | None:
        """The part of the mean's variance that `variance` is; None where nothing varies."""
        by_seeds, by_clusters, cells = self.terms()
        total = float(by_seeds + by_clusters - cells + self._by_worlds)
        return variance / total if total > 0 else None

    @property
    def _by_worlds(self) -> float:
        return self.by_source["worlds"].known if "worlds" in self.by_source else 0.0


def decompose(difference: np.ndarray, clusters: np.ndarray) -> Components:
    """The components of `difference` [S, Q], scores in [0, 1] of a row less another's; `clusters` [Q] hang together.

    A negative estimate is 0. Raises ValueError for fewer than two clusters.
    """
    found = decompose_worlds([np.atleast_2d(np.asarray(difference, dtype=float))], [clusters])
    assert found is not None
    return found


def decompose_worlds(differences: Sequence[np.ndarray], clusters: Sequence[np.ndarray]) -> Components | None:
    """The components of `differences`, one [S, Q] for each world, in which `clusters`, seeds and queries are nested.

    Mean squares within worlds are pooled. The component of worlds is the variance of their means less what of it comes
    from within. None where worlds differ in seeds, queries or sizes of clusters; errors as for `decompose`.
    """
    members = [np.unique(of, return_inverse=True)[1] for of in clusters]
    sizes = [np.bincount(member) for member in members]
    layouts = {(one.shape, tuple(np.sort(of))) for one, of in zip(differences, sizes, strict=True)}
    if len(layouts) > 1:
        return None
    ((seeds, queries), ordered), worlds = layouts.pop(), len(differences)
    if len(ordered) < 2:
        raise ValueError("components need the queries of at least two clusters")
    points = [100 * one for one in differences]
    parts = [_mean_squares(*one) for one in zip(points, members, sizes, strict=True)]
    squares = np.mean([one for one, _ in parts], axis=0)
    freedom = np.sum([one for _, one in parts], axis=0)
    size = float(np.square(ordered).sum()) / queries
    between = (queries - size) / (
        len(ordered) - 1
    )  # what the mean square between clusters multiplies their variance by
    weights = _weights(seeds, queries, size, between)
    by_source = {source: _component(weights[source], squares, freedom) for source in SOURCES}
    if worlds > 1:
        within = (
            weights["retraining"] / seeds
            + (size * weights["clusters"] + weights["queries"]) / queries
            + (size * weights["retraining in clusters"] + weights["rest"]) / (queries * seeds)
        )  # a world's mean by its mean squares
        spread = np.var([one.mean() for one in points], ddof=1)
        all_squares, all_freedom = np.append(spread, squares), np.append(worlds - 1, freedom)
        by_source = {"worlds": _component(np.append(1, -within), all_squares, all_freedom), **by_source}
    return Components(by_source, seeds, len(ordered), queries, size, worlds)


def _mean_squares(points: np.ndarray, member: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean squares and degrees of freedom [5] in the order of SOURCES; nan where there are no degrees."""
    (seeds, queries), count = points.shape, len(sizes)
    cells = np.stack([np.bincount(member, weights=line, minlength=count) for line in points]) / sizes
    mean, of_seed = points.mean(), points.mean(axis=1, keepdims=True)
    of_cluster, of_query = cells.mean(axis=0), points.mean(axis=0)
    sums = (
        queries * ((of_seed - mean) ** 2).sum(),
        seeds * (sizes * (of_cluster - mean) ** 2).sum(),
        seeds * ((of_query - of_cluster[member]) ** 2).sum(),
        (sizes * (cells - of_seed - of_cluster + mean) ** 2).sum(),
        ((points - of_query - cells[:, member] + of_cluster[member]) ** 2).sum(),
    )
    nested = queries - count
    freedom = np.array([seeds - 1, count - 1, nested, (seeds - 1) * (count - 1), (seeds - 1) * nested], float)
    return np.divide(sums, freedom, out=np.full(5, np.nan), where=freedom > 0), freedom


def _weights(seeds: int, queries: int, size: float, between: float) -> dict[Source, np.ndarray]:
    """The multiples [5] of the mean squares, in the order of SOURCES, that each component is the sum of."""
    ratio = size / between
    return {
        "retraining": np.array([1, 0, 0, -ratio, ratio - 1]) / queries,
        "clusters": np.array([0, 1, -1, -1, 1]) / (between * seeds),
        "queries": np.array([0, 0, 1, 0, -1]) / seeds,
        "retraining in clusters": np.array([0, 0, 0, 1, -1]) / between,
        "rest": np.array([0, 0, 0, 0, 1.0]),
    }


def _component(weights: np.ndarray, squares: np.ndarray, freedom: np.ndarray) -> Component:
    """A sum of mean squares with its interval by modified large samples (Burdick and Graybill 1992).

    One seed shows no effect of seeds, and its other components hold their share of it; one query per cluster has no
    component of queries, which is then the cluster's.
    """
    there = freedom > 0
    if not (weights[there] > 0).any():
        return Component(float("nan"))
    used, sized, half = weights[there], squares[there], freedom[there] / 2
    parts = used * sized
    short = 1 - half / special.gammaincinv(half, 1 - LEVEL / 2)
    long = half / special.gammaincinv(half, LEVEL / 2) - 1
    down = np.sqrt(((np.where(used > 0, short, long) * parts) ** 2).sum())
    up = np.sqrt(((np.where(used > 0, long, short) * parts) ** 2).sum())
    found = parts.sum()
    return Component(*(max(0.0, float(value)) for value in (found, found - down, found + up)))

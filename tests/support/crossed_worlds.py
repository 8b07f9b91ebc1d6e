"""Differences of two rows drawn by known variance components: seeds, clusters, queries and what they share."""

from dataclasses import dataclass

import numpy as np

from harness.analysis.components import SOURCES, Component, Components


@dataclass(frozen=True)
class CrossedWorld:
    """Standard deviations, in points, by component; clusters have these numbers of queries."""

    seed: float
    cluster: float
    query: float
    both: float
    rest: float
    sizes: tuple[int, ...]

    @property
    def clusters(self) -> np.ndarray:
        """[Q]: the cluster of each query."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def components(self, seeds: int = 3) -> Components:
        """The true components, as if measured with so many seeds."""
        variances = [one**2 for one in (self.seed, self.cluster, self.query, self.both, self.rest)]
        by_source = dict(zip(SOURCES, map(Component, variances), strict=True))
        queries = sum(self.sizes)
        size = sum(one**2 for one in self.sizes) / queries
        return Components(by_source, seeds, len(self.sizes), queries, size)

    def draw(self, seeds: int, draw: np.random.Generator, gain: float = 0.0) -> np.ndarray:
        """Differences [seeds, Q] as fractions of 1, with a true mean of `gain` points."""
        member, count = self.clusters, len(self.sizes)
        points = gain + self.seed * draw.standard_normal((seeds, 1))
        points = points + (self.cluster * draw.standard_normal(count))[member]
        points = points + self.query * draw.standard_normal(len(member))
        points = points + (self.both * draw.standard_normal((seeds, count)))[:, member]
        return (points + self.rest * draw.standard_normal((seeds, len(member)))) / 100

"""Tests whether two rows differ: a randomisation test, a two-way clustered interval, verdicts.

Scores are kept per query and per seed. Queries of one person resemble each other, those of look-alikes do, and so do all
queries of one seed, so none counts as a fresh sample. `clusters` [Q] says which queries hang together: the largest units
that do, families where the data have them and else people. Numpy and scipy only, with a generator passed in. Estimates
and comparisons of scores leave this file in percent points.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from scipy import special, stats

from harness.analysis.significance import CONFIDENCE, FLIPS, LEVEL, holm, randomisation_p

if TYPE_CHECKING:
    from harness.analysis.components import Components

Name = TypeVar("Name", bound=Hashable)
Scores = np.ndarray  # [S, Q]: one score in [0, 1] per seed and query: an average precision, or a hit (0 or 1)
Verdict = Literal[
    "better", "worse", "equivalent", "inconclusive", "too few seeds", "too few identities", "too few worlds"
]

POWER = 0.80
LEAST_SEEDS = 3  # with fewer, retraining noise is not known well enough to call a row better or worse
# Fewer clusters give no verdict: an interval over 2 to 9 of them rests on so few degrees of freedom, and sign flips of so
# few on so few patterns (2^9 = 512), that luck alone makes rows equivalent or apart.
LEAST_CLUSTERS = 10
TOO_FEW: Verdict = "too few identities"
LEAST_WORLDS = 3  # the interval over two has one degree of freedom and spans 13 times their difference
COVERAGE = {3: 0.93, 5: 0.94}  # of the interval in simulation, at least, by seeds; the suite holds it to them


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence interval, standard error and degrees of freedom, in percent points."""

    mean: float
    low: float
    high: float
    standard_error: float
    degrees: float

    def within(self, least: float, most: float) -> "Estimate":
        """The estimate with its bounds cut to low..high; an estimate without an interval is returned as it is."""
        if not np.isfinite(self.low):
            return self
        return replace(self, low=max(self.low, least), high=min(self.high, most))

    @property
    def minimum_detectable(self) -> float:
        """The true difference that keeps 0 outside the interval in 80 % of repetitions, in percent points."""
        quantiles = stats.t.ppf([1 - LEVEL / 2, POWER], self.degrees)
        return float(quantiles.sum() * self.standard_error)

    @property
    def p(self) -> float:
        """Two-sided p of a mean of 0: below .05 just where the 95 % interval leaves 0 out."""
        if self.standard_error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.standard_error, self.degrees))


@dataclass(frozen=True)
class Beyond:
    """A gain with its interval for identities like these, worlds being a further random factor, in points; and by world.

    components: of the gain's variance; None where worlds differ in their seeds or clusters.
    """

    gain: Estimate
    by_world: Mapping[int, float]
    components: "Components | None"


@dataclass(frozen=True)
class Comparison:
    """A row against its reference on one metric: same queries, same seeds; p is the randomisation test's.

    `gain` is for these identities; `beyond`, where several worlds were drawn, for identities like these.
    `seeds` and `clusters` count those that both have. `row_alone` and `reference_alone` count, over all seeds and
    queries, where only that one scored higher: McNemar's discordant pairs where the scores are hits.
    """

    gain: Estimate
    p: float
    seeds: int
    clusters: int
    row_alone: int
    reference_alone: int
    beyond: Beyond | None = None

    @property
    def widest(self) -> Estimate:
        """The gain with the wider of its intervals, which the verdict follows."""
        both = (self.gain, self.beyond.gain) if self.beyond else (self.gain,)
        return max(both, key=lambda one: one.high - one.low)

    @property
    def largest_p(self) -> float:
        """The largest p of the randomisation test and of the intervals."""
        return max(self.p, self.gain.p, self.beyond.gain.p if self.beyond else 0.0)


@dataclass(frozen=True)
class Judgement:
    """A comparison with its p value adjusted for the comparisons made with it, and the verdict."""

    comparison: Comparison
    adjusted_p: float
    verdict: Verdict

    @property
    def marked(self) -> bool:
        """Whether a table may stress this gain."""
        return self.verdict in ("better", "worse")


@dataclass(frozen=True)
class Crossed:
    """Means of studies [...] with their variance and its degrees of freedom, arrays of one shape."""

    mean: np.ndarray
    variance: np.ndarray
    degrees: np.ndarray

    def estimate(self, confidence: float = CONFIDENCE) -> Estimate:
        """Student's interval of a single study, in percent points."""
        return _interval(float(self.mean), float(self.variance), float(self.degrees), confidence)


@dataclass(frozen=True)
class Terms:
    """Means of studies [...], their variances [3, ...] by seeds, clusters and cells, and the freedom [3] of these."""

    mean: np.ndarray
    variances: np.ndarray
    freedom: np.ndarray


def compare(
    row: Scores, reference: Scores, clusters: np.ndarray, generator: np.random.Generator, flips: int = FLIPS
) -> Comparison:
    """Compares two rows' scores [S, Q] on the same seeds and queries; `clusters` [Q] says which queries hang together.

    Raises ValueError where shapes differ, a score is not finite, or there are fewer than two clusters.
    """
    if row.shape != reference.shape:
        raise ValueError(f"rows must share seeds and queries, got {row.shape} and {reference.shape}")
    difference = row.astype(float) - reference
    return Comparison(
        gain=estimate(difference, clusters),
        p=randomisation_p(difference.mean(axis=0), clusters, generator, flips),
        seeds=len(row),
        clusters=len(np.unique(clusters)),
        row_alone=int((difference > 0).sum()),
        reference_alone=int((difference < 0).sum()),
    )


def judge(comparisons: Mapping[Name, Comparison], margin: float | None) -> dict[Name, Judgement]:
    """Verdicts on one family of comparisons on one metric; `margin` in percent points, None: none.

    A comparison's p is the largest of the randomisation test's and the intervals', adjusted by Holm over the family.
    Below .05, with three seeds, ten clusters and, if several were drawn, three worlds or more, the row is better or
    worse, so a marked interval never holds 0. equivalent: the wider interval lies within +-margin, and the row is neither
    better nor worse.

    Where rows differ by luck alone, simulated as for `cross`, a row is marked in at most 8 % of studies with 3 seeds and
    6 % with 5, and one of three rows that share a baseline in 9 % and 7 %.
    """
    larger = [comparison.largest_p for comparison in comparisons.values()]
    return {
        name: Judgement(comparison, float(p), _verdict(comparison, float(p), margin))
        for (name, comparison), p in zip(comparisons.items(), holm(larger), strict=True)
    }


def _verdict(comparison: Comparison, adjusted_p: float, margin: float | None) -> Verdict:
    gain = comparison.widest
    if comparison.seeds < LEAST_SEEDS:
        return "too few seeds"
    if comparison.clusters < LEAST_CLUSTERS:
        return TOO_FEW
    if comparison.beyond and len(comparison.beyond.by_world) < LEAST_WORLDS:
        return "too few worlds"
    if adjusted_p < LEVEL:
        return "better" if gain.mean > 0 else "worse"
    if margin is not None and -margin < gain.low and gain.high < margin:
        return "equivalent"
    return "inconclusive"


def estimate(scores: Scores, clusters: np.ndarray, confidence: float = CONFIDENCE) -> Estimate:
    """Mean over seeds and queries of `scores` [S, Q] with Student's interval on the variance and degrees of `cross`."""
    return cross(np.atleast_2d(np.asarray(scores, dtype=float)), clusters).estimate(confidence)


def cross(scores: np.ndarray, clusters: np.ndarray) -> Crossed:
    """The mean over seeds and queries of each study in `scores` [..., S, Q], its variance and degrees of freedom.

    V = V_seeds + V_clusters - V_cells, never below the larger of the first two (Cameron, Gelbach and Miller
    2011), every term with the factor n / (n - 1) of its clusters. V_cells comes from what seeds and clusters
    leave over, which makes V unbiased in a balanced layout; raw cells hold 1/S of the clusters' variance too,
    and cover under 91 % at 3 seeds. One seed leaves the clusters alone. Raises ValueError as `compare` does.

    Degrees of freedom by Satterthwaite on the mean squares: V^2 / (V_seeds^2 / (S-1) + V_clusters^2 / (P-1) +
    V_cells^2 / ((S-1)(P-1))), never below the smaller of S-1 and P-1. Each term enters it times the ratio of a mean
    square's mean to its geometric mean, 1.78 for 3 seeds, 1.31 for 5: few seeds find their variance too small more often
    than too large, and just then the interval would count most degrees. Simulated over all ratios of the seeds' variance
    to the people's (tests/harness/analysis/test_statistics_simulated.py), intervals cover at least 93 % with 3 seeds and
    94 % with 5; without that factor 92.0 % and 94.0 %.
    """
    found = split_variance(scores, clusters)
    return Crossed(
        found.mean, total_variance(*found.variances), satterthwaite(found.variances, found.freedom)
    )


def split_variance(scores: np.ndarray, clusters: np.ndarray) -> Terms:
    """The mean of each study in `scores` [..., S, Q] with the terms of its variance, see `cross`."""
    size = scores.shape[-2]
    mean = scores.mean(axis=(-2, -1), keepdims=True)
    residuals, share = _sums_by_cluster((scores - mean) / (size * scores.shape[-1]), clusters)
    count = len(share)
    by_seed, by_cluster = residuals.sum(axis=-1), residuals.sum(axis=-2)
    many_clusters = count / (count - 1)
    v_clusters = many_clusters * (by_cluster**2).sum(axis=-1)
    v_seeds = v_cells = np.zeros_like(v_clusters)
    if size > 1:
        many_seeds = size / (size - 1)
        left_over = residuals - by_seed[..., None] * share - by_cluster[..., None, :] / size
        v_seeds = many_seeds * (by_seed**2).sum(axis=-1)
        v_cells = many_seeds * many_clusters * (left_over**2).sum(axis=(-2, -1))
    freedom = np.array([size - 1, count - 1, (size - 1) * (count - 1)])
    return Terms(mean[..., 0, 0], np.stack([v_seeds, v_clusters, v_cells]), freedom)


def total_variance(seeds: np.ndarray, clusters: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The variance of a mean from its three terms, as `cross` takes it."""
    return np.maximum(np.maximum(seeds + clusters - cells, seeds), clusters)


def satterthwaite(terms: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Degrees of freedom of `total_variance` of `terms` [3, ...] with `freedom` [3]; infinite where nothing varies."""
    there = freedom > 0  # one seed has no spread
    half = np.where(there, freedom, 1) / 2
    typical = np.exp(
        np.log(half) - special.digamma(half)
    )  # of a mean square: its mean over its geometric mean
    sized = terms * typical.reshape(-1, *[1] * (terms.ndim - 1))
    spread = np.tensordot(1 / (2 * half), sized**2, axes=1)
    found = np.divide(total_variance(*sized) ** 2, spread, out=np.full_like(spread, np.inf), where=spread > 0)
    return np.maximum(found, freedom[:2][there[:2]].min())


def estimate_over_seeds(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean and Student's interval of one number per seed, for a metric that has no score per query.

    In the unit of `values`; one seed has the interval (-inf, inf).
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return unsure(float(sample[0]))
    variance = float(sample.var(ddof=1)) / len(sample)
    return _interval(float(sample.mean()), variance, len(sample) - 1.0, confidence, unit=1)


def unsure(mean: float) -> Estimate:
    """An estimate without a known error: the interval (-inf, inf)."""
    return Estimate(mean, -np.inf, np.inf, np.inf, 0.0)


def _sums_by_cluster(scores: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums `scores` [..., Q] over the queries of each cluster, sorted: [..., P], with the clusters' shares [P]."""
    if scores.shape[-1] != len(clusters):
        raise ValueError(f"{scores.shape[-1]} queries have a score, {len(clusters)} have a cluster")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    names, first, count = np.unique(np.sort(clusters), return_index=True, return_counts=True)
    if len(names) < 2:
        raise ValueError("an interval needs the queries of at least two clusters")
    order = np.argsort(clusters, kind="stable")
    return np.add.reduceat(scores[..., order], first, axis=-1), count / len(clusters)


def _interval(mean: float, variance: float, degrees: float, confidence: float, unit: float = 100) -> Estimate:
    error = float(np.sqrt(variance))
    reach = float(stats.t.ppf((1 + confidence) / 2, degrees)) * error
    return Estimate(unit * mean, unit * (mean - reach), unit * (mean + reach), unit * error, degrees)

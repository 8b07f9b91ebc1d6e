"""Tests whether two rows differ: a randomisation test, a two-way clustered interval, verdicts.

Scores are kept per query and per seed. Queries of one person resemble each other, and so do all queries of
one seed, so neither counts as a fresh sample: people and seeds are the clusters. Numpy and scipy only, with a
generator passed in. Estimates and comparisons of scores leave this file in percent points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

Scores = np.ndarray  # [S, Q]: one score in [0, 1] per seed and query: an average precision, or a hit (0 or 1)
Verdict = Literal["better", "worse", "equivalent", "inconclusive", "too few seeds", "too few identities"]

FLIPS = 9_999
CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
POWER = 0.80
LEAST_SEEDS = 3  # with fewer, retraining noise is not known well enough to call a row better or worse
# Fewer clusters give no verdict: an interval over 2 to 9 people rests on so few degrees of freedom, and sign flips of so
# few on so few patterns (2^9 = 512), that luck alone makes rows equivalent or apart.
LEAST_PEOPLE = 10
TOO_FEW: Verdict = "too few identities"


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
class Comparison:
    """A row against its reference on one metric: same queries, same seeds; p is the randomisation test's.

    `row_alone` and `reference_alone` count, over all seeds and queries, where only that one scored higher:
    McNemar's discordant pairs where the scores are hits.
    """

    gain: Estimate
    p: float
    seeds: int
    row_alone: int
    reference_alone: int


@dataclass(frozen=True)
class Judgement:
    """A comparison with its p value adjusted for the number of rows in the table, and the verdict."""

    comparison: Comparison
    adjusted_p: float
    verdict: Verdict

    @property
    def marked(self) -> bool:
        """Whether a table may stress this gain."""
        return self.verdict in ("better", "worse")


def compare(
    row: Scores, reference: Scores, people: np.ndarray, generator: np.random.Generator, flips: int = FLIPS
) -> Comparison:
    """Compares two rows' scores [S, Q] on the same seeds and queries; `people` [Q] says whose query it is.

    Raises ValueError where shapes differ, a score is not finite, or there are fewer than two people.
    """
    if row.shape != reference.shape:
        raise ValueError(f"rows must share seeds and queries, got {row.shape} and {reference.shape}")
    difference = row.astype(float) - reference
    return Comparison(
        gain=estimate(difference, people),
        p=randomisation_p(difference.mean(axis=0), people, generator, flips),
        seeds=len(row),
        row_alone=int((difference > 0).sum()),
        reference_alone=int((difference < 0).sum()),
    )


def judge(
    comparisons: Mapping[str, Comparison], margin: float | None, people: int = LEAST_PEOPLE
) -> dict[str, Judgement]:
    """Verdicts on the rows of one table and one metric, over so many people; `margin` in percent points, None: none.

    A row's p is the larger of the randomisation test's and the interval's, adjusted by Holm. Below .05, with
    three seeds and ten people or more, the row is better or worse, so a marked interval never holds 0. equivalent: the
    whole interval lies within +-margin, and the row is neither better nor worse.

    Of simulated tables with three rows that differ by luck alone, 4 to 6 % have a mark; 11 % where three seeds
    dominate, 6 % with five. Holm on the randomisation test alone, beside the interval as it stands: up to 19 %.
    """
    larger = [max(comparison.p, comparison.gain.p) for comparison in comparisons.values()]
    return {
        name: Judgement(comparison, float(p), _verdict(comparison, float(p), margin, people))
        for (name, comparison), p in zip(comparisons.items(), holm(larger), strict=True)
    }


def _verdict(comparison: Comparison, adjusted_p: float, margin: float | None, people: int) -> Verdict:
    gain = comparison.gain
    if comparison.seeds < LEAST_SEEDS:
        return "too few seeds"
    if people < LEAST_PEOPLE:
        return TOO_FEW
    if adjusted_p < LEVEL:
        return "better" if gain.mean > 0 else "worse"
    if margin is not None and -margin < gain.low and gain.high < margin:
        return "equivalent"
    return "inconclusive"


def randomisation_p(
    difference: np.ndarray, people: np.ndarray, generator: np.random.Generator, flips: int = FLIPS
) -> float:
    """Two-sided p of the mean of `difference` [Q] when the signs of whole people are flipped at random.

    p = (1 + hits) / (1 + flips). It asks whether these trained models differ on people like these; what
    retraining would change is the interval's business.
    """
    member = np.unique(people, return_inverse=True)[1]
    sums = np.bincount(member, weights=difference)
    threshold = abs(sums.sum()) - 1e-9 * np.abs(sums).sum()  # rounding must not break a tie
    width = -(-len(sums) // 8)  # bytes that hold one bit per person
    hits = 0
    for start in range(0, flips, 1000):
        drawn = generator.integers(0, 256, (min(1000, flips - start), width), dtype=np.uint8)
        kept = np.unpackbits(drawn, axis=1, count=len(sums)).astype(float)  # 0 flips a person's sign
        hits += int((np.abs(2 * kept @ sums - sums.sum()) >= threshold).sum())
    return (1 + hits) / (1 + flips)


def estimate(scores: Scores, people: np.ndarray, confidence: float = CONFIDENCE) -> Estimate:
    """Mean over seeds and queries of `scores` [S, Q] with an interval clustered by seeds and by people.

    V = V_seeds + V_people - V_cells, never below the larger of the first two (Cameron, Gelbach and Miller
    2011), every term with the factor n / (n - 1) of its clusters. V_cells comes from what seeds and people
    leave over, which makes V unbiased in a balanced layout; raw cells hold 1/S of the people's variance too,
    and cover under 91 % at 3 seeds. Degrees of freedom by Satterthwaite: the seeds' share V_seeds - V_cells
    on S - 1, the rest on people - 1. One seed leaves the people alone. Raises ValueError as `compare` does.
    """
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    residuals = _sums_by_person((scores - scores.mean()) / scores.size, people)
    size = residuals.shape  # seeds, people
    by_seed, by_person = residuals.sum(axis=1), residuals.sum(axis=0)
    many_people = size[1] / (size[1] - 1)
    v_people = many_people * float((by_person**2).sum())
    v_seeds = v_cells = 0.0
    if size[0] > 1:
        many_seeds = size[0] / (size[0] - 1)
        share = np.unique(people, return_counts=True)[1] / len(people)  # of the queries, by person
        left_over = residuals - np.outer(by_seed, share) - by_person / size[0]
        v_seeds = many_seeds * float((by_seed**2).sum())
        v_cells = many_seeds * many_people * float((left_over**2).sum())
    variance = max(v_seeds + v_people - v_cells, v_seeds, v_people)
    seeds_part = max(v_seeds - v_cells, 0.0)
    degrees = _satterthwaite((seeds_part, size[0] - 1), (variance - seeds_part, size[1] - 1))
    return _interval(float(scores.mean()), variance, degrees, confidence)


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


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjustment of p values, in their own order."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _sums_by_person(scores: Scores, people: np.ndarray) -> np.ndarray:
    """Sums `scores` [S, Q] over the queries of each person, people in sorted order: [S, people]."""
    if scores.shape[1] != len(people):
        raise ValueError(f"{scores.shape[1]} queries have a score, {len(people)} have a person")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    names, member = np.unique(people, return_inverse=True)
    if len(names) < 2:
        raise ValueError("an interval needs the queries of at least two people")
    return np.stack([np.bincount(member, weights=line, minlength=len(names)) for line in scores])


def _satterthwaite(*parts: tuple[float, int]) -> float:
    """Degrees of freedom of a sum of (variance, degrees) parts; infinite where nothing varies."""
    spread = sum(variance**2 / degrees for variance, degrees in parts if variance > 0)
    return sum(variance for variance, _ in parts) ** 2 / spread if spread else np.inf


def _interval(mean: float, variance: float, degrees: float, confidence: float, unit: float = 100) -> Estimate:
    error = float(np.sqrt(variance))
    reach = float(stats.t.ppf((1 + confidence) / 2, degrees)) * error
    return Estimate(unit * mean, unit * (mean - reach), unit * (mean + reach), unit * error, degrees)

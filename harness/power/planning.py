"""The gain that a number of seeds and people finds with 80 % power, by the interval that verdicts rest on.

The mean squares that a study will find are drawn from their distributions, given the components; each draw has the
variance, the degrees of freedom and so the interval that `harness.analysis.statistics` would give it. With three seeds
these vary so much that a formula with their means would promise too much or too little.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from scipy import special

from harness.analysis.components import SOURCES, Component, Components
from harness.analysis.significance import LEVEL
from harness.analysis.statistics import (
    LEAST_CLUSTERS,
    LEAST_SEEDS,
    POWER,
    satterthwaite,
    total_variance,
)

DRAWS = 2000  # of mean squares; a power is known to .01
MOST_SEEDS = 200  # a plan that needs more is none
MOST_PEOPLE = 64.0  # times those measured


@dataclass(frozen=True)
class Design:
    """A study to come: its seeds, and how many times the measured people and queries it has."""

    seeds: int
    people: float = 1.0


@dataclass(frozen=True)
class Prospect:
    """Reaches [DRAWS] of the interval that a study of this design may have, and its mean's true error, in points."""

    reaches: np.ndarray
    error: float

    @property
    def reach(self) -> float:
        """The expected half width of the interval."""
        return float(self.reaches.mean())

    def power(self, gain: float) -> float:
        """The probability that the interval leaves out 0, on the side of the gain, if that is the true one."""
        if self.error == 0:
            return float(gain > 0)
        return float(special.ndtr((gain - self.reaches) / self.error).mean())

    @property
    def detectable(self) -> float:
        """The smallest true gain that is found with 80 % power, in points."""
        low, high = 0.0, self.reach + 10 * self.error + float(self.reaches.max())
        for _ in range(30):  # to a billionth
            middle = (low + high) / 2
            low, high = (middle, high) if self.power(middle) < POWER else (low, middle)
        return high


def foresee(components: Components, design: Design) -> Prospect:
    """The prospect of a study like the measured one but for its design; the same draws for every design."""
    terms = components.terms(design.seeds, design.people)
    clusters = max(2, round(components.clusters * design.people))
    freedom = np.array([design.seeds - 1, clusters - 1, (design.seeds - 1) * (clusters - 1)])
    squares = np.stack(
        [term * _drawn(n, int(of)) for n, (term, of) in enumerate(zip(terms, freedom, strict=True))]
    )
    reaches = special.stdtrit(satterthwaite(squares, freedom), 1 - LEVEL / 2) * np.sqrt(
        total_variance(*squares)
    )
    return Prospect(reaches, sqrt(max(0.0, float(terms[0] + terms[1] - terms[2]))))


@lru_cache(maxsize=512)
def _drawn(term: int, freedom: int) -> np.ndarray:
    """Mean squares [DRAWS] of expectation 1, the same quantiles for all degrees of freedom; 0 where there are none."""
    if freedom == 0:
        return np.zeros(DRAWS)
    uniform = np.random.default_rng(term).random(DRAWS)
    return special.gammaincinv(freedom / 2, uniform) / (freedom / 2)


def detectable(components: Components, design: Design) -> float:
    """The minimum detectable gain of a study of this design, in points."""
    return foresee(components, design).detectable


def seeds_needed(components: Components, gain: float, people: float = 1.0) -> int | None:
    """The fewest seeds that find a true gain of so many points with 80 % power; None if even MOST_SEEDS do not."""
    choices = range(LEAST_SEEDS, MOST_SEEDS + 1)
    found = bisect_left(
        choices, True, key=lambda seeds: detectable(components, Design(seeds, people)) <= gain
    )
    return choices[found] if found < len(choices) else None


def people_needed(components: Components, gain: float, seeds: int) -> float | None:
    """Times the measured people that find such a gain with these seeds; None if even MOST_PEOPLE do not."""
    if detectable(components, Design(seeds, MOST_PEOPLE)) > gain:
        return None
    low, high = LEAST_CLUSTERS / components.clusters, MOST_PEOPLE
    for _ in range(14):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if detectable(components, Design(seeds, middle)) > gain else (low, middle)
    return high


def assumed(queries: int, people: int, deviation: float, within: float, retraining: float) -> Components:
    """Components that are assumed, not measured, in points.

    deviation: of paired differences of single queries, which correlate by `within` in a person. retraining: the standard
    deviation of the mean difference over seeds. All of a query's difference is taken to be there again at every seed, so
    that further seeds do not lessen it: a cautious choice.
    """
    variances = (retraining**2, within * deviation**2, (1 - within) * deviation**2, 0.0, 0.0)
    by_source = dict(zip(SOURCES, map(Component, variances), strict=True))
    return Components(by_source, LEAST_SEEDS, people, queries, queries / people)

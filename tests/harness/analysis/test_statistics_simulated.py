"""The statistics' promises, kept in simulation: rejections where nothing differs, coverage of the interval.

200 people with 1 to 11 queries each. One simulated difference is a seed effect, a skewed person effect shared
by that person's queries, their interaction, and noise of every query.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from harness.analysis import statistics
from tests.support.naive import crossed_bootstrap

PEOPLE = np.repeat(np.arange(200), np.random.default_rng(0).integers(1, 12, 200))


@dataclass(frozen=True)
class World:
    """Standard deviations of what makes up one difference; the true mean is 0."""

    seed: float
    person: float
    both: float
    query: float

    def draw(self, seeds: int, generator: np.random.Generator) -> np.ndarray:
        """Differences [seeds, Q] of one simulated study."""
        person = generator.exponential(1, 200) - 1
        both = generator.standard_normal((seeds, 200))
        noise = generator.standard_normal((seeds, len(PEOPLE)))
        seed = generator.standard_normal((seeds, 1))
        return self.seed * seed + (self.person * person + self.both * both)[:, PEOPLE] + self.query * noise


SEEDS_DOMINATE = World(seed=0.30, person=0.30, both=0.20, query=0.30)
BOTH_MATTER = World(seed=0.03, person=0.30, both=0.20, query=0.30)
PEOPLE_DOMINATE = World(seed=0.01, person=0.30, both=0.20, query=0.30)
ONLY_PEOPLE = World(seed=0.0, person=0.30, both=0.0, query=0.30)


def test_where_nothing_differs_the_clustered_test_rejects_one_time_in_twenty_and_the_naive_one_more() -> None:
    generator, rounds = np.random.default_rng(1), 1_500
    clustered = naive = 0
    for _ in range(rounds):
        difference = ONLY_PEOPLE.draw(1, generator)
        clustered += statistics.randomisation_p(difference[0], PEOPLE, generator, flips=999) <= 0.05
        naive += stats.ttest_1samp(difference[0], 0).pvalue <= 0.05
    assert 0.03 <= clustered / rounds <= 0.07
    assert naive / rounds > 0.15


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("world", [SEEDS_DOMINATE, BOTH_MATTER, PEOPLE_DOMINATE])
def test_the_interval_covers_the_truth_19_times_in_20(world: World, seeds: int) -> None:
    generator, rounds = np.random.default_rng(seeds), 1_500
    covered = 0
    for _ in range(rounds):
        found = statistics.estimate(world.draw(seeds, generator), PEOPLE)
        covered += found.low <= 0 <= found.high
    assert 0.91 <= covered / rounds <= 0.96


def test_a_plain_bootstrap_over_three_seeds_covers_too_little() -> None:
    generator, rounds = np.random.default_rng(8), 300
    covered = 0
    for _ in range(rounds):
        low, high = crossed_bootstrap(SEEDS_DOMINATE.draw(3, generator), PEOPLE, generator, draws=400)
        covered += low <= 0 <= high
    assert covered / rounds < 0.85


def test_the_interval_covers_hits_too() -> None:
    """Two rows of equal merit whose hits depend on a person's difficulty and on a seed's luck."""
    generator, rounds = np.random.default_rng(9), 800
    covered = 0
    for _ in range(rounds):
        difficulty = generator.normal(0.5, 1, 200)[PEOPLE]
        hits = [difficulty + World(0.1, 0.3, 0.2, 0.5).draw(3, generator) > 0 for _ in range(2)]
        found = statistics.estimate(hits[0].astype(float) - hits[1], PEOPLE)
        covered += found.low <= 0 <= found.high
    assert 0.91 <= covered / rounds <= 0.965


@pytest.mark.parametrize(
    ("world", "seeds", "most"),
    [
        (PEOPLE_DOMINATE, 3, 0.075),
        (BOTH_MATTER, 3, 0.075),
        (SEEDS_DOMINATE, 5, 0.085),
        (SEEDS_DOMINATE, 3, 0.140),  # three seeds do not know their own spread: said where rows are judged
    ],
)
def test_luck_alone_rarely_marks_a_row(world: World, seeds: int, most: float) -> None:
    """Tables of three rows against a reference; the randomisation test alone takes the luck of seeds for a gain."""
    generator, rounds = np.random.default_rng(10), 1_000
    marked = misled = 0
    for _ in range(rounds):
        drawn = [world.draw(seeds, generator) for _ in range(3)]
        compared = {
            str(row): statistics.compare(difference, np.zeros_like(difference), PEOPLE, generator, flips=499)
            for row, difference in enumerate(drawn)
        }
        marked += any(judged.marked for judged in statistics.judge(compared, margin=None).values())
        misled += min(statistics.holm([comparison.p for comparison in compared.values()])) < 0.05
    assert marked / rounds <= most
    assert marked <= misled

"""The statistics' promises, kept in simulation: rejections where nothing differs, coverage of the interval.

One simulated difference is a seed effect, a skewed effect of people shared by a cluster's queries, their interaction, and
noise of every query. Its true mean is 0. What matters is how much of the mean's variance seeds and people each make.
"""

import numpy as np
import pytest
from scipy import stats

from harness.analysis import significance, statistics
from tests.support.drawn_studies import FAMILIES, PEOPLE, RATIOS, World
from tests.support.naive import crossed_bootstrap

WORLDS = (
    *(World(ratio) for ratio in RATIOS),
    *(World(ratio, people=0) for ratio in RATIOS),
    *(World(ratio, both=0, query=0) for ratio in (2, 7, 10)),
    *(World(ratio, both=2) for ratio in (0, 2, 10)),
)
ONLY_PEOPLE = World(0, both=0, query=1)
MARKED = {3: 0.08, 5: 0.06}  # of rows that differ by luck alone, at most, by seeds


def covered(
    world: World, studies: int, seeds: int, clusters: np.ndarray, drawn: np.random.Generator
) -> float:
    """The share of simulated studies whose interval holds 0."""
    return 1 - float(_apart(world.draw(studies, seeds, clusters, drawn), clusters).mean())


def _apart(differences: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Whether the interval of each study leaves 0 out."""
    found = statistics.cross(differences, clusters)
    reach = stats.t.ppf((1 + significance.CONFIDENCE) / 2, found.degrees) * np.sqrt(found.variance)
    return np.abs(found.mean) > reach


def marked(world: World, tables: int, rows: int, seeds: int, drawn: np.random.Generator) -> float:
    """The share of simulated tables of so many rows, compared with one baseline, in which luck alone marks a row."""
    cells = [world.draw(tables, seeds, FAMILIES, drawn) / np.sqrt(2) for _ in range(rows + 1)]
    differences = np.stack(cells[1:], axis=1) - cells[0][:, None] if rows > 1 else cells[1][:, None]
    suspects = _apart(differences, FAMILIES).any(axis=1)  # p is never below the interval's
    return sum(_marks(table, drawn) for table in differences[suspects]) / tables


def _marks(table: np.ndarray, drawn: np.random.Generator) -> bool:
    compared = {
        row: statistics.compare(difference, np.zeros_like(difference), FAMILIES, drawn, flips=999)
        for row, difference in enumerate(table)
    }
    return any(judged.marked for judged in statistics.judge(compared, margin=None).values())


@pytest.mark.parametrize("seeds", statistics.COVERAGE)
def test_the_interval_covers_the_truth_whatever_seeds_and_people_matter(seeds: int) -> None:
    drawn = np.random.default_rng(seeds)
    for world in (*(World(ratio) for ratio in (0, 0.3, 2, 5, 10, 100)), World(1, people=0)):
        assert covered(world, 5_000, seeds, FAMILIES, drawn) >= statistics.COVERAGE[seeds], world


@pytest.mark.slow  # half a minute
@pytest.mark.parametrize("seeds", statistics.COVERAGE)
def test_it_does_so_in_every_world_and_over_people_of_one_to_eleven_queries(seeds: int) -> None:
    drawn = np.random.default_rng(seeds)
    cases = [(world, FAMILIES) for world in WORLDS] + [(World(ratio), PEOPLE) for ratio in (0, 4, 10)]
    for world, clusters in cases:
        found = [covered(world, 2_000, seeds, clusters, drawn) for _ in range(10)]
        assert sum(found) / len(found) >= statistics.COVERAGE[seeds], world


@pytest.mark.parametrize("seeds", MARKED)
def test_luck_alone_rarely_marks_a_row(seeds: int) -> None:
    for world in (World(0.1), World(5)):
        assert marked(world, 1_500, 1, seeds, np.random.default_rng(10)) <= MARKED[seeds], world


@pytest.mark.slow  # a minute
@pytest.mark.parametrize(("rows", "most"), [(1, MARKED), (3, {3: 0.09, 5: 0.07})])
@pytest.mark.parametrize("seeds", MARKED)
def test_nor_a_row_of_three_in_any_world(seeds: int, rows: int, most: dict[int, float]) -> None:
    for world in WORLDS:
        assert marked(world, 2_500, rows, seeds, np.random.default_rng(10)) <= most[seeds], world


def test_where_nothing_differs_the_clustered_test_rejects_one_time_in_twenty_and_the_naive_one_more() -> None:
    drawn, rounds = np.random.default_rng(1), 1_500
    differences = ONLY_PEOPLE.draw(rounds, 1, PEOPLE, drawn)[:, 0]
    clustered = sum(
        significance.randomisation_p(one, PEOPLE, drawn, flips=999) <= 0.05 for one in differences
    )
    naive = (stats.ttest_1samp(differences, 0, axis=1).pvalue <= 0.05).sum()
    assert 0.03 <= clustered / rounds <= 0.07
    assert naive / rounds > 0.15


def test_a_plain_bootstrap_over_three_seeds_covers_too_little() -> None:
    drawn, rounds = np.random.default_rng(8), 300
    covering = 0
    for scores in World(50).draw(rounds, 3, FAMILIES, drawn):
        low, high = crossed_bootstrap(scores, FAMILIES, drawn, draws=400)
        covering += low <= 0 <= high
    assert covering / rounds < 0.85


def test_the_interval_covers_hits_too() -> None:
    """Two rows of equal merit whose hits depend on a person's difficulty and on a seed's luck."""
    drawn, rounds = np.random.default_rng(9), 800
    difficulty = drawn.normal(0.5, 1, (rounds, 1, 200))[..., PEOPLE]
    hits = [difficulty + 0.3 * World(0.3).draw(rounds, 3, PEOPLE, drawn) > 0 for _ in range(2)]
    assert 0.02 <= _apart(hits[0].astype(float) - hits[1], PEOPLE).mean() <= 0.07

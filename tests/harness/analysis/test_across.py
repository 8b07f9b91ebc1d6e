"""Intervals across worlds: equal to cases by hand, true in simulation for both questions, and verdicts by the wider."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.analysis import statistics
from harness.analysis.across import Scored, compare_worlds, cross_alike, cross_these
from harness.analysis.statistics import Crossed
from tests.support.crossed_worlds import CrossedWorld
from tests.support.drawn_studies import FAMILIES, RATIOS, World

SMALL = CrossedWorld(0.5, 4.0, 3.0, 1.0, 2.0, (6,) * 12)
AT_LEAST = 0.93  # of both intervals, with 2 to 5 worlds and 3 or 5 seeds


def scored(means, seeds=3, world=SMALL):
    """Rows whose gain is drawn about these true means of worlds, in points."""
    draw = np.random.default_rng(5)
    each = [world.draw(seeds, draw, mean) for mean in means]
    return [Scored(place, one, np.zeros_like(one), world.clusters) for place, one in enumerate(each)]


def judged(rows, margin=None):
    return statistics.judge({"row": compare_worlds(rows, np.random.default_rng(0), 199)}, margin)["row"]


def misses(found: Crossed, truth) -> np.ndarray:
    reach = stats.t.ppf(0.975, found.degrees) * np.sqrt(found.variance)
    return np.abs(found.mean - truth) > reach


def covered(world: World, worlds: int, seeds: int, studies: int, deviation: float) -> tuple[float, float]:
    """The shares of studies whose interval holds the mean of the worlds drawn, and the mean of all worlds, 0."""
    draw = np.random.default_rng([worlds, seeds])
    effect = deviation * draw.standard_normal((worlds, studies))
    drawn = [world.draw(studies, seeds, FAMILIES, draw) + one[:, None, None] for one in effect]
    these = misses(cross_these(drawn, [FAMILIES] * worlds), effect.mean(axis=0))
    return 1 - float(these.mean()), 1 - float(misses(cross_alike(drawn), 0.0).mean())


def test_one_world_has_the_interval_of_a_table_of_one():
    (one,) = scored([1.0])
    compared = compare_worlds([one], np.random.default_rng(0), 999)
    known = statistics.compare(one.row, one.reference, one.clusters, np.random.default_rng(0), 999)
    assert vars(compared.gain) == pytest.approx(vars(known.gain))
    assert compared.p == known.p
    assert not np.isfinite(compared.beyond.gain.low)


def test_people_like_these_have_students_interval_over_the_means_of_worlds():
    found = cross_alike([np.full((2, 3), mean) for mean in (0.01, 0.02, 0.06)]).estimate()
    assert (found.mean, found.degrees) == (pytest.approx(3.0), 2)
    error = np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((3 - 4.302653 * error, 3 + 4.302653 * error))


def test_these_people_have_the_mean_of_the_worlds_variances_over_their_number():
    rows = scored([0.0, 0.0, 5.0], world=replace(SMALL, seed=2.0))  # so that no variance is cut
    each = [statistics.cross(one.row, one.clusters) for one in rows]
    found = cross_these([one.row for one in rows], [one.clusters for one in rows])
    assert found.variance == pytest.approx(np.mean([one.variance for one in each]) / 3)
    assert float(found.degrees) > max(float(one.degrees) for one in each)


def test_neither_the_order_of_worlds_nor_the_names_of_families_matter():
    rows = scored([0.0, 1.0, 2.0])
    renamed = [Scored(one.world, one.row, one.reference, 7 * one.clusters + 100) for one in rows[::-1]]
    one, other = (compare_worlds(of, np.random.default_rng(0), 999) for of in (rows, renamed))
    assert vars(one.gain) == pytest.approx(vars(other.gain))
    assert vars(one.beyond.gain) == pytest.approx(vars(other.beyond.gain))
    assert one.clusters == other.clusters == 3 * 12
    assert one.beyond.by_world == other.beyond.by_world


def test_the_verdict_follows_the_wider_interval():
    """Worlds that agree and worlds that do not, each with a clear gain for these people."""
    alike, apart = judged(scored([5.0, 5.0, 5.0])), judged(scored([2.0, 2.0, 11.0]))
    assert alike.verdict == "better"
    assert apart.comparison.gain.low > 0
    assert apart.comparison.beyond.gain.low < 0
    assert (apart.verdict, apart.marked) == ("inconclusive", False)
    assert apart.adjusted_p == apart.comparison.beyond.gain.p > 0.05
    close = CrossedWorld(0.05, 0.2, 0.2, 0.1, 0.2, (6,) * 12)
    assert judged(scored([0.05, -0.05, 0.0], world=close), margin=0.5).verdict == "equivalent"
    spread = judged(scored([0.4, -0.4, 0.0], world=close), margin=0.5)
    assert spread.comparison.gain.high < 0.5
    assert spread.verdict == "inconclusive"


@pytest.mark.parametrize("means", [[5.0], [5.0, 5.0]], ids=["one", "two"])
def test_fewer_than_three_worlds_give_no_verdict(means):
    assert judged(scored(means)).verdict == "too few worlds"


def test_worlds_with_other_numbers_of_queries_weigh_the_same():
    small, large = np.full((3, 4), 0.02), np.full((3, 40), 0.04)
    rows = [
        Scored(place, one, np.zeros_like(one), np.arange(one.shape[1]) // 2)
        for place, one in enumerate((small, large))
    ]
    found = compare_worlds(rows, np.random.default_rng(0), 199)
    assert found.gain.mean == pytest.approx(3.0)
    assert found.beyond.components is None


@pytest.mark.parametrize("deviation", [0.0, 0.3])
def test_both_intervals_hold_the_truth_whether_worlds_differ_or_not(deviation):
    for case in (World(0), World(4)):
        assert min(covered(case, 3, 3, 1000, deviation)) >= AT_LEAST, case


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [2, 3, 5])
@pytest.mark.parametrize("seeds", [3, 5])
def test_they_do_so_whatever_seeds_families_and_worlds_matter(worlds, seeds):
    cases = [World(ratio) for ratio in RATIOS] + [
        World(2, people=0),
        World(7, both=0, query=0),
        World(2, both=2),
    ]
    for case in cases:
        for deviation in (0.0, 0.15, 1.0):
            assert min(covered(case, worlds, seeds, 2000, deviation)) >= AT_LEAST, (case, deviation)

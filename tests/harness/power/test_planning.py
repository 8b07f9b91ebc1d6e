"""A planned power is reached: studies are drawn with the planned gain, and tested as a table's contrasts are."""

import numpy as np
import pytest

from harness.analysis import statistics
from harness.analysis.components import decompose
from harness.power.planning import (
    Design,
    assumed,
    detectable,
    foresee,
    people_needed,
    seeds_needed,
)
from tests.support.crossed_worlds import CrossedWorld

SIZES = tuple(np.random.default_rng(0).integers(2, 8, 50))
MIXED = CrossedWorld(0.5, 4.0, 3.0, 3.0, 8.0, SIZES)
SEEDS_DOMINATE = CrossedWorld(2.0, 3.0, 3.0, 3.0, 8.0, SIZES)
PEOPLE_DOMINATE = CrossedWorld(0.05, 6.0, 5.0, 1.0, 8.0, SIZES)
WORLDS = pytest.mark.parametrize("world", [MIXED, SEEDS_DOMINATE, PEOPLE_DOMINATE])


@pytest.mark.parametrize("seeds", [3, 5, 10])
@WORLDS
def test_a_planned_power_of_80_percent_is_reached(world, seeds):
    draw, rounds = np.random.default_rng(seeds), 400
    gain, found = detectable(world.components(), Design(seeds)), 0
    for _ in range(rounds):
        difference = world.draw(seeds, draw, gain)
        compared = statistics.compare(difference, np.zeros_like(difference), world.clusters, draw, flips=199)
        judged = statistics.judge({"row": compared}, margin=None)["row"]
        found += judged.verdict == "better"
    assert 0.75 <= found / rounds <= 0.85


def test_a_planned_power_is_reached_from_components_that_were_measured():
    """A pilot study with 10 seeds; the studies to come have 5, and twice the people."""
    draw = np.random.default_rng(1)
    larger = CrossedWorld(0.5, 4.0, 3.0, 3.0, 8.0, SIZES * 2)
    found = total = 0
    for _ in range(30):
        measured = decompose(MIXED.draw(10, draw), MIXED.clusters)
        gain = detectable(measured, Design(5, 2.0))
        for _ in range(15):
            estimated = statistics.estimate(larger.draw(5, draw, gain), larger.clusters)
            found, total = found + (estimated.low > 0), total + 1
    assert 0.75 <= found / total <= 0.85


@WORLDS
def test_the_expected_interval_is_as_wide_as_drawn_ones(world):
    draw = np.random.default_rng(2)
    drawn = [statistics.estimate(world.draw(3, draw), world.clusters) for _ in range(600)]
    mean = np.mean([(one.high - one.low) / 2 for one in drawn])
    assert foresee(world.components(), Design(3)).reach == pytest.approx(mean, rel=0.06)


@WORLDS
def test_more_seeds_and_more_people_detect_less(world):
    known = world.components()
    by_seeds = [detectable(known, Design(seeds)) for seeds in (3, 4, 6, 10, 30)]
    by_people = [detectable(known, Design(5, people)) for people in (0.5, 1, 2, 8)]
    assert by_seeds == sorted(by_seeds, reverse=True)
    assert by_people == sorted(by_people, reverse=True)


def test_the_fewest_seeds_and_people_that_find_a_gain_are_named_and_what_cannot_be_is_none():
    known = MIXED.components()
    gain = detectable(known, Design(8))
    assert seeds_needed(known, gain + 1e-6) == 8
    assert people_needed(known, detectable(known, Design(5, 3.0)), 5) == pytest.approx(3.0, rel=0.01)
    assert seeds_needed(known, 0.2) is None  # the people's own variance stays
    assert people_needed(SEEDS_DOMINATE.components(), 0.5, 3) is None  # the seeds' does


def test_assumed_components_give_what_a_formula_gives_with_many_seeds():
    """With known variances the minimum detectable gain is 2.80 standard errors."""
    known = assumed(queries=2000, people=500, deviation=10.0, within=0.2, retraining=0.0)
    error = 10 * ((1 + 0.2 * 3) / 2000) ** 0.5
    assert foresee(known, Design(5)).error == pytest.approx(error)
    assert detectable(known, Design(5)) == pytest.approx(2.80 * error, rel=0.03)


def test_rows_that_never_differ_need_nothing():
    still = decompose(np.zeros((3, 40)), np.repeat(np.arange(20), 2))
    assert detectable(still, Design(3)) == 0
    assert seeds_needed(still, 0.1) == 3

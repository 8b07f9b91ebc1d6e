"""Variance components equal a written-out analysis of variance, and their intervals hold the truth."""

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis import statistics
from harness.analysis.components import SOURCES, decompose, decompose_worlds
from tests.support.crossed_worlds import CrossedWorld

UNEQUAL = CrossedWorld(1.0, 4.0, 3.0, 2.0, 6.0, tuple(np.random.default_rng(0).integers(1, 8, 60)))
EQUAL = CrossedWorld(1.0, 4.0, 3.0, 2.0, 6.0, (5,) * 60)


def written_out(scores, clusters):
    """Sums of squares by loops over every score, and the components that solve their expectations."""
    points, names = 100 * scores, list(dict.fromkeys(clusters))
    seeds, queries = points.shape
    groups = {name: [q for q in range(queries) if clusters[q] == name] for name in names}
    mean = points.mean()
    sums = dict.fromkeys(("A", "B", "C", "AB", "E"), 0.0)
    for s in range(seeds):
        for members in groups.values():
            for q in members:
                a, b, c = points[s].mean() - mean, points[:, members].mean() - mean, points[:, q].mean()
                ab = points[s, members].mean() - mean - a - b
                sums["A"] += a**2
                sums["B"] += b**2
                sums["C"] += (c - mean - b) ** 2
                sums["AB"] += ab**2
                sums["E"] += (points[s, q] - c - a - ab) ** 2
    count = len(names)
    freedom = {"A": seeds - 1, "B": count - 1, "C": queries - count, "AB": (seeds - 1) * (count - 1)}
    freedom["E"] = (seeds - 1) * (queries - count)
    ms = {name: sums[name] / freedom[name] for name in sums}
    squared = sum(len(members) ** 2 for members in groups.values())
    n0 = (queries - squared / queries) / (count - 1)
    expected = np.array(  # of A, B, C, AB, E: multiples of the components in the order of SOURCES
        [
            [queries, 0, 0, squared / queries, 1],
            [0, n0 * seeds, seeds, n0, 1],
            [0, 0, seeds, 0, 1],
            [0, 0, 0, n0, 1],
            [0, 0, 0, 0, 1],
        ]
    )
    return np.linalg.solve(expected, [ms[name] for name in ("A", "B", "C", "AB", "E")])


@pytest.mark.parametrize("world", [UNEQUAL, EQUAL])
def test_components_are_those_of_a_written_out_analysis_of_variance(world):
    scores = world.draw(4, np.random.default_rng(3))
    found = decompose(scores, world.clusters)
    by_hand = written_out(scores, world.clusters)
    assert [found.by_source[source].variance for source in SOURCES] == pytest.approx(np.maximum(by_hand, 0))


@pytest.mark.parametrize("world", [UNEQUAL, EQUAL])
def test_components_are_right_on_average_and_their_intervals_hold_the_truth(world):
    draw, rounds = np.random.default_rng(1), 400
    found = [decompose(world.draw(5, draw), world.clusters).by_source for _ in range(rounds)]
    for source, deviation in zip(
        SOURCES, (world.seed, world.cluster, world.query, world.both, world.rest), strict=True
    ):
        truth = deviation**2
        mean = np.mean([one[source].variance for one in found])
        assert mean == pytest.approx(truth, rel=0.15), source
        covered = np.mean([one[source].low <= truth <= one[source].high for one in found])
        assert covered >= 0.93, source


def test_expected_terms_add_up_to_the_variance_of_the_mean():
    """Of drawn studies, and of what `statistics.estimate` takes it for, also with other seeds and people."""
    draw, rounds = np.random.default_rng(2), 2000
    twice = replace(UNEQUAL, sizes=UNEQUAL.sizes * 2)
    for world, seeds, people in ((UNEQUAL, 3, 1.0), (twice, 5, 2.0)):
        by_seeds, by_clusters, cells = UNEQUAL.components().terms(seeds, people)
        studies = [world.draw(seeds, draw) for _ in range(rounds)]
        variance = by_seeds + by_clusters - cells
        assert np.var([100 * study.mean() for study in studies]) == pytest.approx(variance, rel=0.1)
        errors = [statistics.estimate(study, world.clusters).standard_error for study in studies]
        assert np.mean(np.square(errors)) == pytest.approx(variance, rel=0.06)


def test_the_share_of_retraining_is_what_more_seeds_take_away():
    found = decompose(UNEQUAL.draw(4, np.random.default_rng(4)), UNEQUAL.clusters)
    now, never = (sum(found.terms(seeds)[:2]) - found.terms(seeds)[2] for seeds in (4, 10**9))
    assert found.retraining_share == pytest.approx(1 - never / now)


def test_one_seed_says_nothing_of_retraining():
    found = decompose(UNEQUAL.draw(1, np.random.default_rng(5)), UNEQUAL.clusters)
    assert found.retraining_share is None
    assert np.isnan(found.by_source["retraining"].variance)
    assert found.by_source["queries"].variance > 0


def test_a_query_a_cluster_has_no_component_of_queries():
    world = CrossedWorld(0.5, 4.0, 3.0, 2.0, 6.0, (1,) * 80)
    found = decompose(world.draw(3, np.random.default_rng(6)), world.clusters)
    assert np.isnan(found.by_source["queries"].variance)
    assert found.by_source["clusters"].variance == pytest.approx(16 + 9, rel=0.6)
    with pytest.raises(ValueError, match="at least two clusters"):
        decompose(np.zeros((2, 4)), np.zeros(4))


def test_components_of_worlds_are_those_of_a_written_out_nested_analysis_of_variance():
    """Worlds as the top of the layout: sums of squares by loops, and the components that solve their expectations."""
    layout, worlds, seeds = CrossedWorld(1.0, 4.0, 3.0, 2.0, 6.0, (3,) * 8), 3, 4
    draw = np.random.default_rng(9)
    scores = [layout.draw(seeds, draw, gain) for gain in (0.0, 3.0, 10.0)]
    within = np.mean([written_out(one, layout.clusters) for one in scores], axis=0)  # before cutting at 0
    points = [100 * one for one in scores]
    grand = np.mean([one.mean() for one in points])
    queries, size = 24, 3
    mean_square = seeds * queries * sum((one.mean() - grand) ** 2 for one in points) / (worlds - 1)
    seed, cluster, query, both, rest = within
    below = queries * seed + seeds * (size * cluster + query) + size * both + rest
    by_hand = [(mean_square - below) / (seeds * queries), *within]
    found = decompose_worlds(scores, [layout.clusters] * worlds)
    assert [found.by_source[of].variance for of in ("worlds", *SOURCES)] == pytest.approx(
        np.maximum(by_hand, 0)
    )
    assert found.by_source["worlds"].low < by_hand[0] < found.by_source["worlds"].high
    assert found.world_share + found.retraining_share < 1


def test_the_component_of_worlds_is_right_on_average_and_its_interval_holds_the_truth():
    layout, draw = CrossedWorld(0.5, 3.0, 2.0, 1.0, 3.0, (3,) * 20), np.random.default_rng(4)
    found = [
        decompose_worlds(
            [layout.draw(3, draw, 2 * draw.standard_normal()) for _ in range(4)], [layout.clusters] * 4
        ).by_source["worlds"]
        for _ in range(200)
    ]
    assert np.mean([one.variance for one in found]) == pytest.approx(4, rel=0.2)
    assert np.mean([one.low <= 4 <= one.high for one in found]) >= 0.92


def test_worlds_of_other_layouts_have_no_components():
    twelve, ten = CrossedWorld(1, 1, 1, 1, 1, (6,) * 12), CrossedWorld(1, 1, 1, 1, 1, (6,) * 10)
    draw = np.random.default_rng(0)
    assert (
        decompose_worlds([twelve.draw(3, draw), ten.draw(3, draw)], [twelve.clusters, ten.clusters]) is None
    )
    assert decompose_worlds([twelve.draw(3, draw), twelve.draw(2, draw)], [twelve.clusters] * 2) is None

"""Any two rows are compared on what both have: seeds in common, the same queries, and clusters that hang together."""

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis import statistics
from harness.analysis.pairs import clusters_of, compare_rows, is_single, judge_pairs, scores_of
from harness.analysis.table import MEAN_AP, METRICS, RANK1
from studies.study import Contrast
from tests.support.scored_runs import PEOPLE, scored_run

FAMILIES = 1000 + PEOPLE // 4
RUNS = {
    "low": {seed: scored_run(seed, -0.01) for seed in (0, 1, 2, 3)},
    "high": {seed: scored_run(seed, 0.01) for seed in (1, 2, 3, 4)},
    "apart": {7: scored_run(7)},
}


def compare(pair, metric):
    return compare_rows(pair, RUNS, metric, PEOPLE)


@pytest.mark.parametrize("metric", METRICS)
def test_two_rows_are_compared_over_the_seeds_in_common_and_turned_round_with_the_other_sign(
    metric: str,
) -> None:
    forth, back = (
        compare_rows(Contrast(*pair), RUNS, metric, PEOPLE) for pair in (("high", "low"), ("low", "high"))
    )
    assert forth is not None
    assert back is not None
    scores = [scores_of([RUNS[row][seed] for seed in (1, 2, 3)], metric) for row in ("high", "low")]
    assert forth.seeds == 3
    assert forth.gain.mean == pytest.approx(100 * (scores[0] - scores[1]).mean())
    assert (forth.gain.low, forth.gain.high) == pytest.approx((-back.gain.high, -back.gain.low))
    assert (forth.row_alone, forth.reference_alone) == (back.reference_alone, back.row_alone)


def test_hits_are_first_answers_that_are_right() -> None:
    run = scored_run(0)
    assert (scores_of([run], RANK1) == (run.queries["first_match"].to_numpy() == 0)).all()
    assert (scores_of([run], MEAN_AP) == run.queries["average_precision"].to_numpy()).all()


def test_rows_without_a_seed_in_common_or_with_one_cluster_are_not_compared() -> None:
    assert compare_rows(Contrast("high", "apart"), RUNS, MEAN_AP, PEOPLE) is None
    assert compare_rows(Contrast("high", "nowhere"), RUNS, MEAN_AP, PEOPLE) is None
    assert compare_rows(Contrast("high", "low"), RUNS, MEAN_AP, np.zeros(len(PEOPLE))) is None
    assert list(judge_pairs([Contrast("high", "apart")], MEAN_AP, compare, 0.5)) == []


def test_a_family_of_comparisons_is_adjusted_as_one() -> None:
    pairs = [Contrast("high", "low"), Contrast("low", "high")]
    alone = judge_pairs(pairs[:1], MEAN_AP, compare, 0.5)[pairs[0]]
    both = judge_pairs(pairs, MEAN_AP, compare, 0.5)
    assert both[pairs[0]].comparison == alone.comparison
    assert both[pairs[0]].adjusted_p == pytest.approx(2 * alone.adjusted_p)
    assert (both[pairs[0]].verdict, both[pairs[1]].verdict) == ("better", "worse")


def test_queries_hang_together_by_family_where_a_record_says_so_and_else_by_person() -> None:
    before, now = scored_run(0), scored_run(1)
    now = replace(now, queries=now.queries.assign(cluster=FAMILIES))
    assert (clusters_of([before]) == PEOPLE).all()
    assert (clusters_of([before, now]) == FAMILIES).all()  # their queries are the same
    assert len(clusters_of([])) == 0
    assert is_single(np.array([3, 3]))
    assert not is_single(np.array([3, 4]))


def test_families_make_a_difference_less_sure_where_look_alikes_agree() -> None:
    shift = np.random.default_rng(0).normal(0, 0.02, 10)[PEOPLE // 4]
    runs = {"row": {}, "base": {seed: scored_run(seed) for seed in range(3)}}
    for seed, run in runs["base"].items():
        score = (
            run.queries["average_precision"]
            + shift
            + np.random.default_rng(seed).normal(0, 0.01, len(PEOPLE))
        )
        runs["row"][seed] = replace(run, queries=run.queries.assign(average_precision=score))
    found = [compare_rows(Contrast("row", "base"), runs, MEAN_AP, of) for of in (PEOPLE, FAMILIES)]
    people, families = (one for one in found if one is not None)
    assert (people.clusters, families.clusters) == (40, 10)
    assert families.gain.mean == people.gain.mean
    assert families.gain.standard_error > 1.3 * people.gain.standard_error
    assert families.p > people.p
    assert families.clusters == statistics.LEAST_CLUSTERS

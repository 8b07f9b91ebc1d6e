"""Statistics against cases computed by hand, enumeration, and what must not change them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.analysis import significance, statistics
from harness.analysis.statistics import Comparison, Estimate
from tests.support.naive import crossed_bootstrap

PEOPLE = np.array([7, 7, 3, 3, 3, 9])


def _generator() -> np.random.Generator:
    return np.random.default_rng(5)


def _scores(seeds: int = 3, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(11).normal(size=(seeds, len(PEOPLE))) + shift


def _comparison(mean: float, reach: float, p: float, seeds: int = 3, clusters: int = 10) -> Comparison:
    error = reach / stats.t.ppf(0.975, 10)
    return Comparison(Estimate(mean, mean - reach, mean + reach, error, 10.0), p, seeds, clusters, 0, 0)


def test_the_interval_of_two_seeds_and_two_people_is_the_one_computed_by_hand() -> None:
    # Seed means .02 .04, people's means .015 .045, left over +-.005: V_seeds 1, V_people 2.25, V_cells .25 e-4. All three
    # have one degree of freedom, so that what they typically are in place of what came out cancels.
    found = statistics.estimate(np.array([[0.01, 0.03], [0.02, 0.06]]), np.array([0, 1]))
    degrees = 3.0**2 / (1.0**2 / 1 + 2.25**2 / 1 + 0.25**2 / 1)
    assert found.mean == pytest.approx(3.0)
    assert found.standard_error == pytest.approx(np.sqrt(3.0))
    assert found.degrees == pytest.approx(degrees) == pytest.approx(72 / 49)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 72 / 49) * np.sqrt(3.0))
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_the_variance_is_never_below_the_larger_of_its_two_clusterings() -> None:
    # Means of seeds .02 .03 and of people .02 .03; left over +-.0125: V_seeds = V_people = .25, V_cells 1.5625 e-4.
    found = statistics.estimate(np.array([[0.03, 0.01], [0.01, 0.05]]), np.array([0, 1]))
    assert (found.standard_error, found.degrees) == pytest.approx((np.sqrt(0.25), 1))


def test_the_degrees_of_three_seeds_and_four_people_are_those_computed_by_hand() -> None:
    """Mean squares of 2, 3 and 6 degrees, each by its mean over its geometric mean: e^.577, e^.369 and e^.176."""
    scores = (
        np.random.default_rng(7).normal(0, 0.3, (3, 4))
        + np.array([[0.0], [1.0], [2.0]])
        + np.array([0, 2, -1, 1])
    )
    seeds, people = scores.mean(axis=1), scores.mean(axis=0)
    left = scores - seeds[:, None] - people + scores.mean()
    terms = seeds.var(ddof=1) / 3, people.var(ddof=1) / 4, (left**2).sum() / 6 / 12
    sized = [term * np.exp(more) for term, more in zip(terms, (0.577216, 0.368975, 0.175827), strict=True)]
    by_hand = (sized[0] + sized[1] - sized[2]) ** 2 / (
        sized[0] ** 2 / 2 + sized[1] ** 2 / 3 + sized[2] ** 2 / 6
    )
    found = statistics.estimate(scores, np.arange(4))
    assert found.standard_error == pytest.approx(100 * np.sqrt(terms[0] + terms[1] - terms[2]))
    assert found.degrees == pytest.approx(by_hand, rel=1e-5)


def test_degrees_are_never_below_those_of_the_fewer() -> None:
    drawn = np.random.default_rng(0).normal(size=(400, 3, 12))
    for scores, clusters in ((drawn, np.arange(12)), (drawn.swapaxes(1, 2), np.arange(3))):
        found = statistics.cross(scores, clusters)
        assert found.degrees.min() == pytest.approx(2)
        assert np.isinf(statistics.cross(0 * scores, clusters).degrees).all()


def test_many_studies_at_once_are_each_as_alone() -> None:
    studies = np.random.default_rng(6).normal(size=(5, 3, len(PEOPLE)))
    together = statistics.cross(studies, PEOPLE)
    for place, scores in enumerate(studies):
        alone = statistics.estimate(scores, PEOPLE)
        assert alone.mean == pytest.approx(100 * together.mean[place])
        assert alone.standard_error == pytest.approx(100 * np.sqrt(together.variance[place]))
        assert alone.degrees == pytest.approx(together.degrees[place])


def test_one_seed_of_one_query_a_person_is_student_s_interval() -> None:
    sample = np.array([0.1, 0.4, 0.2, 0.9, 0.5])
    found = statistics.estimate(sample[None], np.arange(5))
    low, high = stats.t.interval(0.95, 4, sample.mean(), stats.sem(sample))
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high))


def test_seeds_that_agree_leave_the_interval_of_the_people() -> None:
    line = _scores(1)
    alone, repeated = (
        statistics.estimate(line, PEOPLE),
        statistics.estimate(np.repeat(line, 4, axis=0), PEOPLE),
    )
    assert repeated.standard_error == pytest.approx(alone.standard_error)
    assert repeated.degrees == pytest.approx(2)  # three people


def test_people_that_agree_leave_the_interval_of_the_seeds() -> None:
    by_seed = np.array([0.2, 0.5, 0.3])
    found = statistics.estimate(np.tile(by_seed[:, None], (1, len(PEOPLE))), PEOPLE)
    over_seeds = statistics.estimate_over_seeds(by_seed)
    assert (found.low, found.high) == pytest.approx((100 * over_seeds.low, 100 * over_seeds.high))
    low, high = stats.t.interval(0.95, 2, by_seed.mean(), stats.sem(by_seed))
    assert (over_seeds.low, over_seeds.high) == pytest.approx((low, high))


def test_a_query_repeated_adds_no_certainty() -> None:
    scores, once = _scores(), np.arange(len(PEOPLE))
    repeated = statistics.estimate(np.repeat(scores, 5, axis=1), np.repeat(once, 5))
    assert repeated.standard_error == pytest.approx(statistics.estimate(scores, once).standard_error)


def test_the_order_of_queries_seeds_and_names_is_of_no_matter() -> None:
    scores, first = _scores(), statistics.estimate(_scores(), PEOPLE)
    order = np.array([4, 0, 5, 2, 1, 3])
    for other in (
        statistics.estimate(scores[:, order], PEOPLE[order]),
        statistics.estimate(scores[[2, 0, 1]], PEOPLE),
        statistics.estimate(scores, 100 - PEOPLE),
    ):
        assert (other.mean, other.low, other.high) == pytest.approx((first.mean, first.low, first.high))


def test_the_randomisation_test_is_scipy_s_on_the_people_s_sums() -> None:
    people = np.repeat(np.arange(8), 3)
    difference = np.random.default_rng(2).normal(0.35, 1, 24)
    sums = difference.reshape(8, 3).sum(axis=1)
    signs = np.array(list(itertools.product((-1, 1), repeat=8)))
    enumerated = (np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12).mean()
    exact = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    found = significance.randomisation_p(difference, people, _generator())
    assert enumerated == pytest.approx(exact)
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / significance.FLIPS))


def test_the_randomisation_test_at_its_ends() -> None:
    people = np.arange(200)
    assert significance.randomisation_p(np.zeros(200), people, _generator()) == 1.0
    assert (
        significance.randomisation_p(np.ones(200), people, _generator()) == 1 / 10_000
    )  # no flip is as extreme
    one = significance.randomisation_p(np.ones(6), np.zeros(6), _generator())
    assert one == 1.0  # one person: either sign is as extreme


def test_a_comparison_is_paired_and_changes_sign_with_its_rows() -> None:
    reference, row = _scores(), _scores() + np.array([0.1, 0.1, 0.1, -0.2, 0, 0])
    forth = statistics.compare(row, reference, PEOPLE, _generator())
    back = statistics.compare(reference, row, PEOPLE, _generator())
    assert forth.gain.mean == pytest.approx(100 * 0.1 / 6)
    assert (forth.gain.low, forth.gain.high) == pytest.approx((-back.gain.high, -back.gain.low))
    assert forth.p == back.p
    assert (forth.row_alone, forth.reference_alone) == (9, 3) == (back.reference_alone, back.row_alone)


def test_a_row_equal_to_its_reference_is_equivalent_to_it() -> None:
    scores = _generator().normal(size=(3, 20))
    comparison = statistics.compare(scores, scores, np.arange(20) // 2, _generator())
    assert (comparison.seeds, comparison.clusters) == (3, 10)
    assert (comparison.gain.low, comparison.gain.mean, comparison.gain.high, comparison.p) == (0, 0, 0, 1)
    assert comparison.gain.minimum_detectable == 0
    assert statistics.judge({"same": comparison}, 0.5)["same"].verdict == "equivalent"


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never falling: .02 .03 .06 .06.
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.7, 0.6]) == pytest.approx([1.0, 1.0])
    assert significance.holm([0.03]) == pytest.approx([0.03])
    assert len(significance.holm([])) == 0


@pytest.mark.parametrize(
    ("comparison", "verdict"),
    [
        (_comparison(+1.0, 0.4, 0.001), "better"),
        (_comparison(-1.0, 0.4, 0.001), "worse"),
        (_comparison(+0.3, 0.1, 0.001), "better"),  # inside the margin and marked all the same
        (_comparison(+1.0, 1.4, 0.001), "inconclusive"),  # the interval holds 0
        (_comparison(+1.0, 0.4, 0.060), "inconclusive"),  # the test does not reject
        (_comparison(+0.1, 0.3, 0.400), "equivalent"),
        (_comparison(+0.1, 0.4, 0.400), "inconclusive"),  # the interval touches the margin
        (_comparison(+1.0, 0.4, 0.001, seeds=2), "too few seeds"),
        (_comparison(+0.0, 0.1, 0.900, seeds=1), "too few seeds"),
        (_comparison(+1.0, 0.4, 0.001, clusters=9), "too few identities"),
    ],
)
def test_verdicts(comparison: Comparison, verdict: str) -> None:
    judgement = statistics.judge({"row": comparison}, margin=0.5)["row"]
    assert judgement.verdict == verdict
    assert judgement.marked == (verdict in ("better", "worse"))


def test_a_crowd_of_rows_costs_a_verdict_and_no_margin_no_equivalence() -> None:
    near = _comparison(1.0, 0.1, 0.02)
    alone = statistics.judge({"near": near}, 0.5)["near"]
    crowd = statistics.judge(
        {"near": near, "a": _comparison(0, 0.1, 0.8), "b": _comparison(0, 0.1, 0.9)}, 0.5
    )
    assert (alone.verdict, crowd["near"].verdict) == ("better", "inconclusive")
    assert crowd["near"].adjusted_p == pytest.approx(0.06)
    assert list(crowd) == ["near", "a", "b"]
    assert statistics.judge({"a": crowd["a"].comparison}, None)["a"].verdict == "inconclusive"


def test_a_row_s_p_is_the_larger_of_the_test_s_and_the_interval_s() -> None:
    doubtful = _comparison(1.0, 1.0, 0.0001)  # its interval begins at 0
    assert doubtful.gain.p == pytest.approx(0.05)
    assert statistics.judge({"doubtful": doubtful}, 0.5)["doubtful"].adjusted_p == pytest.approx(0.05)
    assert Estimate(1.0, 1.0, 1.0, 0.0, np.inf).p == 0


def test_the_minimum_detectable_gain_is_found_with_four_in_five() -> None:
    gain = statistics.estimate(np.random.default_rng(0).normal(0, 0.1, (1, 500)), np.arange(500))
    truth = np.random.default_rng(1).normal(gain.minimum_detectable, gain.standard_error, 20_000)
    reach = gain.high - gain.mean
    assert (truth - reach > 0).mean() == pytest.approx(0.80, abs=0.01)
    # With infinite degrees of freedom it is (1.960 + 0.842) standard errors.
    assert replace(gain, degrees=np.inf, standard_error=1.0).minimum_detectable == pytest.approx(
        2.802, abs=1e-3
    )


def test_the_crossed_bootstrap_agrees_where_seeds_are_many() -> None:
    scores = np.random.default_rng(3).normal(size=(12, 80)) + np.random.default_rng(4).normal(size=(12, 1))
    people = np.repeat(np.arange(20), 4)
    interval = statistics.estimate(scores, people)
    low, high = crossed_bootstrap(scores, people, _generator(), draws=4_000)
    assert high - low == pytest.approx(interval.high - interval.low, rel=0.2)
    assert (low + high) / 2 == pytest.approx(interval.mean, abs=0.1 * (high - low))


def test_one_seed_alone_says_nothing_of_seeds() -> None:
    assert statistics.estimate_over_seeds([0.25]) == Estimate(0.25, -np.inf, np.inf, np.inf, 0.0)


@pytest.mark.parametrize(
    ("scores", "people", "message"),
    [
        (np.zeros((2, 3)), np.zeros(3), "at least two clusters"),
        (np.zeros((2, 3)), np.arange(4), "3 queries have a score, 4 have a cluster"),
        (np.full((1, 2), np.nan), np.arange(2), "not finite"),
    ],
)
def test_what_cannot_be_estimated_is_refused(scores: np.ndarray, people: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        statistics.estimate(scores, people)


def test_rows_of_other_seeds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="share seeds and queries"):
        statistics.compare(_scores(3), _scores(2), PEOPLE, _generator())

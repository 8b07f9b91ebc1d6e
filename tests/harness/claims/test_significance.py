"""What a difference takes to be significant equals what counting every outcome says, and known cases by hand."""

from decimal import Decimal
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import stats

from harness.claims import significance
from harness.claims.table import Cell


def exact_p(discordant, difference):
    """McNemar's exact two-sided p with whole numbers: every split at least as uneven, each way."""
    won = (discordant + difference) // 2
    outcomes = sum(comb(discordant, k) for k in range(discordant + 1) if max(k, discordant - k) >= won)
    return Fraction(outcomes, 2**discordant)


@pytest.mark.parametrize("difference", [*range(1, 12), 18, 27])
def test_the_most_discordant_queries_are_found_as_by_trying_every_number(difference):
    tried = [n for n in range(difference, 201, 2) if exact_p(n, difference) < Fraction(1, 20)]
    assert significance.largest_discordant(difference, 200) == (tried[-1] if tried else None)
    assert significance.largest_discordant(-difference, 200) == (tried[-1] if tried else None)


def test_the_bound_never_exceeds_the_queries_and_no_difference_has_none():
    assert significance.largest_discordant(40, 100) == 100
    assert significance.largest_discordant(41, 100) == 99  # of one parity with the difference
    assert significance.largest_discordant(0, 100) is None


def test_six_queries_that_agree_are_the_fewest_that_can_be_significant():
    assert significance.LEAST_DISCORDANT == 6
    assert exact_p(6, 6) < Fraction(1, 20) < exact_p(5, 5)


@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_right_answers_behind_a_figure_are_those_that_print_as_it(decimals):
    queries = 137
    printed = {right: round(Fraction(100 * right, queries), decimals) for right in range(queries + 1)}
    for right, value in printed.items():
        found = significance.hits(Cell(Decimal(f"{float(value):.{decimals}f}")), queries)
        assert right in found
        assert all(abs(printed[one] - value) <= Fraction(1, 10**decimals) for one in found)


def test_power_of_the_attainability_check_is_counted():
    """At one decimal nil for all four public sets, at two 66 to 78 % for three of them."""
    assert [significance.share_unattainable(1, queries) for queries in (2228, 3368, 11659, 2210)] == [
        0,
        0,
        0,
        0,
    ]
    for queries in (2228, 3368, 2210):
        shown = {round(Fraction(100 * right, queries), 2) for right in range(queries + 1)}
        unseen = 1 - len(shown) / 10001
        assert significance.share_unattainable(2, queries) == pytest.approx(unseen, abs=1e-9)
        assert 0.66 < unseen < 0.78
    assert significance.share_unattainable(2, 11659) == 0


def test_the_deviation_of_a_mean_difference_is_where_student_s_p_is_05():
    deviation = significance.largest_deviation(0.4, 3368)
    draw = np.random.default_rng(0).normal(size=3368)
    draw = 0.4 + deviation * (draw - draw.mean()) / draw.std(ddof=1)
    assert stats.ttest_1samp(draw, 0).pvalue == pytest.approx(0.05, abs=1e-9)


def test_a_least_detectable_gain_is_found_four_times_in_five():
    """Rank-1: only won queries, significant from six on. A mean: significant by Student's t."""
    draw = np.random.default_rng(0)
    gain = significance.least_detectable_rank(2228)
    assert (draw.binomial(2228, gain / 100, 20_000) >= 6).mean() == pytest.approx(0.8, abs=0.01)
    gain = significance.least_detectable_mean(10, 300, design_effect=2.0)
    sample = draw.normal(gain, 10 * 2**0.5, (4000, 300))
    assert (stats.ttest_1samp(sample, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.02)
    assert significance.least_detectable_rank(5) == np.inf


def test_a_design_effect_divides_the_discordant_queries_and_leaves_no_more_than_the_difference():
    assert significance.clustered(396, 40, 3.17) == 124
    assert significance.clustered(37, 13, 4.5) is None
    assert significance.clustered(None, 4, 1.0) is None

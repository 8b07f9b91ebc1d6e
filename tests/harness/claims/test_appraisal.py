"""The paper's figures: what its tables can support, computed here by other code, and what its tables contradict."""

from fractions import Fraction
from statistics import NormalDist

import pytest
from scipy.stats import binomtest

from harness.claims.appraisal import appraise
from harness.claims.datasets import known_datasets, parse_own
from harness.claims.paper import paper_tables
from harness.claims.reading import read_tables
from harness.claims.report import all_findings
from harness.claims.sentences import sentence
from pivl.errors import UserError

PAPER = appraise(paper_tables(), {})


def contrast(table, method, over, metric):
    (found,) = [
        one
        for one in PAPER.contrasts
        if (one.table, one.method, one.over, one.column.metric) == (table, method, over, metric)
    ]
    return found


def queries_between(high, low, queries):
    """The fewest and most queries that the difference of two figures at one decimal may be, by whole numbers."""
    right = [
        [
            n
            for n in range(queries + 1)
            if abs(Fraction(100 * n, queries) - Fraction(str(value))) <= Fraction(1, 20)
        ]
        for value in (high, low)
    ]
    return right[0][0] - right[1][-1], right[0][-1] - right[1][0]


def most_discordant(difference):
    """The most discordant queries with p < .05, by trying them one after another."""
    found = None
    for discordant in range(difference, 1000, 2):
        if binomtest((discordant + difference) // 2, discordant).pvalue >= 0.05:
            break
        found = discordant
    return found


@pytest.mark.parametrize(
    ("table", "method", "over", "values", "queries", "between", "at_most"),
    [
        ("Table 3", "+ part labels", "CLIP-ReID", (90.2, 89.4), 2228, (17, 19), 74),
        ("Table 3", "PI-VL", "CLIP-ReID", (91.2, 89.4), 2228, (39, 42), 396),
        ("Table 5", "PI-VL as teacher", "CLIP-ReID as teacher", (87.1, 86.2), 3368, (28, 33), 218),
    ],
)
def test_the_paper_s_rank_1_gains_in_queries(table, method, over, values, queries, between, at_most):
    found = contrast(table, method, over, "Rank-1").discordance
    assert (found.least, found.most) == queries_between(*values, queries) == between
    nearest = round((values[0] - values[1]) * queries / 100)
    assert found.allowed == most_discordant(nearest) == at_most
    assert found.allowed_least == min(map(most_discordant, between))
    assert found.allowed_most == max(map(most_discordant, between))


def test_fusion_s_rank_1_gain_is_significant_only_if_all_of_six_queries_disagree_one_way():
    fusion = contrast("Table 3", "PI-VL", "+ identity-aware part prompts", "Rank-1")
    found = fusion.discordance
    assert (found.least, found.most) == queries_between(91.2, 91.0, 2228) == (3, 6)
    assert [most_discordant(n) for n in (3, 4, 5, 6)] == [None, None, None, 6]
    assert (found.allowed, found.allowed_most) == (None, 6)
    assert "3 to 6 of 2,228 queries" in sentence(fusion)
    assert "only if all of at least 6 queries disagree one way" in sentence(fusion)


def test_the_paper_s_market_gain_of_mean_average_precision_needs_a_small_deviation():
    found = contrast("Table 5", "PI-VL", "CLIP-ReID", "mAP").spread
    by_hand = 0.4 * 3368**0.5 / NormalDist().inv_cdf(0.975)
    assert round(found.allowed, 1) == round(by_hand, 1) == 11.8
    assert found.alike == pytest.approx(by_hand / (3368 / 750) ** 0.5, rel=1e-3)
    assert found.powered == pytest.approx(by_hand * 1.96 / 2.8016, rel=1e-3)


def test_counts_of_queries_are_the_public_sets_own():
    assert {one.title: one.queries for one in PAPER.datasets} == {
        "DukeMTMC-reID": 2228, "Market-1501": 3368, "MSMT17": 11659, "Occluded-Duke": 2210,
    }  # fmt: skip


def test_figures_that_the_paper_prints_twice_are_found_beside_the_steps_claimed():
    said = {one.where: one.reason for one in all_findings(PAPER)}
    assert said["CLIP-ReID, DukeMTMC-reID Rank-1"].startswith("90.0 in Table 2, 89.4 in Table 3")
    assert said["CLIP-ReID, DukeMTMC-reID mAP"].startswith("80.7 in Table 2, 80.8 in Table 3")
    assert said["PI-VL, DukeMTMC-reID mAP"] == (
        "81.3 in Table 2, 81.6 in Table 3: 0.3 apart; the steps claimed with it are 0.3 to 0.8"
    )
    assert len(said) == 3


def test_no_p_value_is_printed_of_a_table_but_the_level():
    from harness.claims.report import PRINTERS

    assert "p =" not in PRINTERS["markdown"](PAPER)


def test_without_parents_the_last_row_is_compared_with_the_best_of_each_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("method,mine R1,mine mAP\nA,80.0,70.0\nB,82.0,60.0\nC,81.0,71.0\n", encoding="utf-8")
    own = parse_own(("mine=1000",))
    tables = read_tables(path, own)
    found = appraise(tables, own).contrasts
    assert [(one.method, one.over, float(one.gain)) for one in found] == [("C", "B", -1.0), ("C", "A", 1.0)]
    assert found[0].discordance.printed == -10
    assert found[0].discordance.alike is None  # people are not counted
    found = appraise(tables, own, baseline="a").contrasts
    assert [(one.method, one.over) for one in found] == [("B", "A"), ("C", "A")] * 2
    with pytest.raises(UserError, match=r"--baseline: unknown row 'D'"):
        appraise(tables, own, baseline="D")


def test_one_data_set_alone_can_be_asked_for():
    duke = known_datasets()["dukemtmc"]
    assert {one.dataset for one in appraise(paper_tables(), {}, duke).contrasts} == {duke}
    with pytest.raises(UserError, match="the tables have no figure of it"):
        appraise(paper_tables(), {}, parse_own(("mine=100",))["mine"])

"""Average ranks, Friedman's test and the critical difference: Demsar's own example, cases by hand, and scipy."""

import csv
import json
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from harness.claims.appraisal import appraise
from harness.claims.datasets import parse_own
from harness.claims.paper import paper_tables
from harness.claims.ranks.across import critical_difference, find_rankings, rank
from harness.claims.ranks.figure import draw_ranks
from harness.claims.ranks.report import NO_RANKING
from harness.claims.reading import read_tables
from harness.claims.report import PRINTERS
from harness.report.figures.plate import keep
from pivl.errors import UserError

# Demsar 2006, Table 6: areas under the curve of C4.5 and three variants on 14 data sets, times 1000. Two that are equal
# as printed have the ranks 2 and 3 there (voting), so half a unit is taken from the second.
C45 = np.array(
    [
        [763, 768, 771, 798], [599, 591, 590, 569], [954, 971, 968, 967], [628, 661, 654, 657], [882, 888, 886, 898],
        [936, 931, 916, 931], [661, 668, 609, 685], [583, 583, 563, 625], [775, 838, 866, 875], [1000, 1000, 1000, 1000],
        [940, 962, 965, 962], [619, 666, 614, 669], [972, 981, 975, 974.5], [957, 978, 946, 970],
    ]
)  # fmt: skip
SETS = tuple(f"set {number}" for number in range(14))


def test_demsar_s_example_has_his_ranks_and_his_critical_difference():
    found = rank("Table 6", "AUC", SETS, ("C4.5", "m", "cf", "m+cf"), C45)
    assert found.methods == ("m+cf", "m", "cf", "C4.5")
    assert [round(one, 3) for one in found.ranks] == [1.964, 2.0, 2.893, 3.143]
    assert round(found.difference, 2) == 1.25
    by_hand = 12 * 14 / (4 * 5) * (sum(one**2 for one in found.ranks) - 4 * 25 / 4)
    assert by_hand == pytest.approx(9.28, abs=0.01)  # as he prints it, without a correction for ties
    ties = 1 - (3 * 6 + 60) / (14 * 4 * 15)  # three pairs, and all four alike once: sum of t^3 - t
    assert found.statistic == pytest.approx(by_hand / ties)
    assert (found.statistic, found.p) == pytest.approx(tuple(stats.friedmanchisquare(*C45.T)))
    assert found.alike == [(0, 3)]  # m+cf and C4.5 lie 1.18 apart
    assert not found.are_few


@pytest.mark.parametrize(
    ("methods", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)]
)
def test_quantiles_are_those_of_demsar_s_table(methods, quantile):
    assert critical_difference(7, methods) == pytest.approx(
        quantile * (methods * (methods + 1) / 42) ** 0.5, abs=1.5e-3
    )


def test_the_smallest_p_is_that_of_sets_that_all_agree():
    found = rank("t", "mAP", ("a", "b", "c"), ("x", "y", "z"), np.array([[1, 2, 3]] * 3))
    assert found.ranks == (1.0, 2.0, 3.0)
    assert found.methods == ("z", "y", "x")
    assert found.p == pytest.approx(found.least_p)
    orders = list(permutations((1, 2, 3)))
    alike = sum(one == other == third for one in orders for other in orders for third in orders)
    assert found.least_exact == pytest.approx(alike / len(orders) ** 3)


def test_methods_that_are_equal_everywhere_have_no_order():
    found = rank("t", "mAP", ("a", "b"), ("x", "y", "z"), np.full((2, 3), 50.0))
    assert (found.statistic, found.p, found.ranks) == (0.0, 1.0, (2.0, 2.0, 2.0))
    assert found.alike == [(0, 2)]


@pytest.fixture
def read(tmp_path):
    def read_(text):
        path = tmp_path / "t.csv"
        path.write_text(text, encoding="utf-8")
        own = parse_own(("a=1000", "b=1000"))
        return appraise(read_tables(path, own), own)

    return read_


def test_a_method_without_a_figure_is_left_out_and_named(read):
    found = read(
        "method,a mAP,b mAP,a R1\nx,80.0,70.0,90.0\ny,82.0,60.0,91.0\nz,81.0,71.0,92.0\nw,99.9,-,1.0\n"
    )
    (ranking,) = found.rankings
    assert (ranking.metric, ranking.left_out) == ("mAP", ("w",))
    assert dict(zip(ranking.methods, ranking.ranks, strict=True)) == {"x": 2.5, "y": 2.0, "z": 1.5}
    told = PRINTERS["markdown"](found)
    assert "Left out, without a figure on every one of them: w." in told
    assert "**2 data sets are few**" in told
    assert "no two methods can be told apart" in told  # 2.34 ranks, where 2 are the most
    (document,) = json.loads(PRINTERS["json"](found))["across_datasets"]
    assert (document["left_out"], document["ranks"]) == (["w"], [1.5, 2.0, 2.5])
    assert "2 data sets are few" in document["warning"]


def test_two_methods_or_one_data_set_are_not_ranked(read):
    for text in ("method,a mAP,b mAP\nx,1.0,2.0\ny,2.0,3.0\n", "method,a mAP\nx,1.0\ny,2.0\nz,3.0\n"):
        found = read(text)
        assert found.rankings == ()
        assert NO_RANKING in PRINTERS["markdown"](found)
    with pytest.raises(UserError, match="--figure: no table has three methods"):
        draw_ranks(())


def test_the_paper_s_table_2_has_few_complete_rows_of_several_backbones(tmp_path):
    by_rank, by_map = find_rankings(paper_tables())
    assert (by_rank.metric, by_map.metric) == ("Rank-1", "mAP")
    assert by_map.methods[0] == "PI-VL (ViT)"
    assert by_map.ranks[0] == 1.0
    assert len(by_map.left_out) == 16
    told = PRINTERS["markdown"](appraise(paper_tables(), {}))
    assert "**4 data sets are few**" in told
    assert "these two count as less than two" in told
    assert "Methods of several backbones (CNN, ViT)" in told
    written = keep(draw_ranks((by_rank, by_map)), [tmp_path / "cd.svg"])
    lines = list(csv.DictReader(written[1].read_text(encoding="utf-8").splitlines()))
    assert [float(one["average_rank"]) for one in lines] == [*by_rank.ranks, *by_map.ranks]
    assert "4 data sets are few" in written[2].read_text(encoding="utf-8")

"""Kendall's tau of the paper's order and a measured one: scipy's where that is exact, and ties counted out."""

import json
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from harness.claims.appraisal import appraise
from harness.claims.datasets import known_datasets
from harness.claims.paper import paper_tables
from harness.claims.ranks.orders import committed, exact_p, find_orders
from harness.claims.report import PRINTERS
from harness.store.kept_tables import NOTE
from pivl.errors import UserError
from studies import published

TABLE_3 = (
    published.TABLE_3_CLIP_REID, published.TABLE_3_PART_LABELS, published.TABLE_3_IDENTITY_PARTS, published.TABLE_3_PI_VL,
)  # fmt: skip


@pytest.mark.parametrize("rows", [3, 4, 5, 6])
def test_p_is_scipy_s_exact_one(rows):
    for drawn in range(5):
        one, other = np.random.default_rng([rows, drawn]).permuted([range(rows)] * 2, axis=1)
        assert exact_p(one, other) == pytest.approx(stats.kendalltau(one, other, method="exact").pvalue)


def test_ties_are_counted_out():
    one, other = (1, 2, 3), (5, 5, 9)
    extreme = sum(order in {(5, 5, 9), (9, 5, 5)} for order in permutations(other))  # two pairs all one way
    assert exact_p(one, other) == pytest.approx(extreme / 6)


def write(path, measured, not_learned=()):
    rows = [
        {
            "title": one.method, "paper": {"rank1": one.rank1, "map": one.mean_ap, "dataset": one.dataset},
            "map": None if value is None else {"mean": value}, "rank1": None, "not_learned": list(not_learned),
        }
        for one, value in zip(TABLE_3, measured, strict=True)
    ]  # fmt: skip
    path.write_text(json.dumps({"dataset": "here", "rows": rows}), encoding="utf-8")
    return path


def test_the_paper_s_own_order_has_tau_1_and_still_is_not_significant(tmp_path):
    (found,) = find_orders([write(tmp_path / "t.json", (1.0, 2.0, 3.0, 4.0))])
    assert (found.tau, found.same, found.other) == (1.0, 6, 0)
    assert found.published == (80.8, 80.9, 81.3, 81.6)
    assert found.p == found.least_p == pytest.approx(2 / 24)
    (found,) = find_orders([write(tmp_path / "t.json", (2.0, 1.0, 4.0, 3.0))])
    assert (found.same, found.other) == (4, 2)
    assert found.tau == pytest.approx(1 / 3)
    assert found.p == pytest.approx(stats.kendalltau((1, 2, 3, 4), (2, 1, 4, 3), method="exact").pvalue)


def test_a_row_that_is_missing_or_did_not_learn_is_no_silent_part_of_it(tmp_path):
    (found,) = find_orders([write(tmp_path / "t.json", (1.0, None, 3.0, 4.0), ["texts"])])
    assert len(found.rows) == 3
    told = PRINTERS["markdown"](appraise(paper_tables(), {}, measured=[tmp_path / "t.json"]))
    assert "With 3 rows nothing can be significant: even the same order, tau = 1, has p 0.333" in told
    assert "not learned: CLIP-ReID, + identity-aware part prompts, PI-VL" in told
    assert find_orders([write(tmp_path / "t.json", (1.0, None, None, 4.0))]) == ()


def test_all_alike_is_no_order_and_valid_json(tmp_path):
    place = write(tmp_path / "t.json", (1.0, 1.0, 1.0, 1.0))
    document = json.loads(PRINTERS["json"](appraise(paper_tables(), {}, measured=[place])))
    assert [(one["tau"], one["p"]) for one in document["orders"]] == [(None, 1.0)]


def test_the_committed_ablations_are_ordered_and_a_data_set_is_chosen():
    found = find_orders(committed())
    assert [one.metric for one in found] == ["mAP", "Rank-1"] * 3
    for one in found:
        expected = stats.kendalltau(one.published, one.measured, method="exact")
        assert (one.tau, one.p) == pytest.approx((expected.statistic, expected.pvalue))
        assert one.same + one.other == 6
    assert find_orders(committed(), known_datasets()["market1501"]) == ()


def test_a_results_folder_has_its_tables_and_what_is_none_is_said_in_a_line(tmp_path):
    with pytest.raises(UserError, match="no table in it; name a table that"):
        find_orders([tmp_path])
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / NOTE).write_text("{}", encoding="utf-8")
    write(tmp_path / "tables" / "ablation.json", (1.0, 2.0, 3.0, 4.0))
    assert [one.source for one in find_orders([tmp_path])] == ["ablation (here)"]
    for text in ("{", "[]", '{"rows": [{"title": "x"}]}'):
        (tmp_path / "bad.json").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=r"bad\.json: no table of ours"):
            find_orders([tmp_path / "bad.json"])

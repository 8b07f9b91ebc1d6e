"""What measured runs add: correlations and design effects equal written-out ones, and are never a test."""

import numpy as np
import pytest

from harness.claims import carried
from harness.claims.appraisal import appraise
from harness.claims.paper import paper_tables
from harness.claims.report import PRINTERS
from harness.claims.table import Dataset
from tests.support.scored_runs import PEOPLE, outcomes_of

MEASURED = carried.Carried("a study", 3, 0.5, 12.0, 0.2, 0.1)
PAPER = appraise(paper_tables(), {}, carried=MEASURED)


def test_the_correlation_within_people_is_that_of_a_one_way_layout():
    draw = np.random.default_rng(0)
    people = np.repeat(np.arange(4000), 4)
    scores = draw.normal(size=4000)[people] + 2 * draw.normal(size=16_000)
    assert carried.within(scores, people) == pytest.approx(1 / 5, abs=0.02)
    assert carried.within(draw.normal(size=16_000), people) < 0.02
    assert carried.within(np.repeat([1.0, 3.0], 4), np.repeat([0, 1], 4)) == 1


def test_what_is_carried_over_is_measured_on_runs_of_one_seed():
    runs = outcomes_of(clip_reid=0.0, pi_vl=0.05)
    found = carried.measure("drawn", runs, "clip-reid")
    pairs = [(runs["pi-vl"][seed].queries, runs["clip-reid"][seed].queries) for seed in (0, 1, 2)]
    hits = [[(queries["first_match"] == 0).astype(float) for queries in pair] for pair in pairs]
    assert found.pairs == 3
    assert found.error_correlation == pytest.approx(np.mean([np.corrcoef(*pair)[0, 1] for pair in hits]))
    gaps = [one["average_precision"] - other["average_precision"] for one, other in pairs]
    assert found.deviation == pytest.approx(100 * np.mean([gap.std() for gap in gaps]))
    assert found.ap_within == pytest.approx(np.mean([carried.within(gap, PEOPLE) for gap in gaps]))
    assert carried.measure("drawn", {"clip-reid": runs["clip-reid"]}, "clip-reid") is None


def test_the_design_effect_is_kish_s():
    assert carried.design_effect(0.25, Dataset("mine", 500, 100)) == 2
    assert carried.design_effect(0.25, Dataset("mine", 500)) == 1


def test_expected_discordant_queries_are_those_of_correlated_errors():
    """Simulated: two sets of errors with the printed rates and the measured correlation."""
    one = next(
        one for one in PAPER.contrasts if one.table == "Table 3" and one.method == "PI-VL" and one.gain > 1
    )
    right = np.array([0.912, 0.894])
    both = MEASURED.error_correlation * np.sqrt(np.prod(right * (1 - right))) + right.prod()
    table = [both, right[0] - both, right[1] - both, 1 - right.sum() + both]
    draw = np.random.default_rng(0).multinomial(2228, table, 2000)
    found = carried.expect(one, MEASURED)
    assert found.discordant == pytest.approx((draw[:, 1] + draw[:, 2]).mean(), rel=0.01)
    assert found.design_effect == pytest.approx(1 + (2228 / 702 - 1) * 0.2)
    assert found.allowed == int(396 / found.design_effect)


def test_the_report_labels_it_as_no_test():
    assert "## Sensitivity analysis, not a test" in PRINTERS["markdown"](PAPER)
    assert "Sensitivity" not in PRINTERS["markdown"](appraise(paper_tables(), {}))

"""The footer says in one line what the variance of a table's gains is made of."""

import json

from harness.analysis.pairs import components_of
from harness.report.markdown import PRINTERS
from studies.study import Contrast
from tests.support.scored_runs import PEOPLE, build, scored_run, whole_ablation


def test_the_split_of_variance_is_that_of_the_gains_components():
    outcomes = whole_ablation()
    shares = [
        components_of(Contrast(row, "clip-reid"), outcomes, "mAP", PEOPLE).retraining_share
        for row in outcomes
        if row != "clip-reid"
    ]
    told = PRINTERS["markdown"](build(outcomes))
    (line,) = [line for line in told.splitlines() if line.startswith("- **Variance of gains**")]
    assert f"{100 * min(shares):.0f} to {100 * max(shares):.0f} % in mAP" in line
    document = json.loads(PRINTERS["json"](build(outcomes)))
    assert document["footer"]["retraining_shares"]["map"] == [round(share, 6) for share in shares]


def test_one_seed_splits_nothing():
    outcomes = {"clip-reid": {0: scored_run(0)}, "pi-vl": {0: scored_run(0, 0.05)}}
    assert "Variance of gains" not in PRINTERS["markdown"](build(outcomes))

"""Too few people for statistics: no verdict, and no bound that is not possible."""

import re

import numpy as np
import pytest

from harness.analysis.outcomes import Outcome, Outcomes
from harness.analysis.table import MEAN_AP, RANK1
from harness.report import markdown
from tests.support.scored_runs import (
    ABLATION,
    METRICS,
    SEEDS,
    build,
    json_rows,
    named_cells,
    scored_run,
    whole_ablation,
)


def _of_people(count: int, **gains: float) -> Outcomes:
    """Runs over one query each of so many people."""
    people = np.arange(count)
    return {
        name.replace("_", "-"): {seed: scored_run(seed, gain, people=people) for seed in SEEDS}
        for name, gain in gains.items()
    }


@pytest.mark.parametrize(
    ("people", "verdict"), [(2, "too few identities"), (9, "too few identities"), (10, "equivalent")]
)
def test_few_people_give_no_verdict(people: int, verdict: str) -> None:
    table = build(_of_people(people, clip_reid=0.0, pi_vl=0.0))
    line = table.lines[3]
    assert (line.verdict, line.gains[MEAN_AP].verdict) == (verdict, verdict)
    assert ("fewer than 10 identities with scored queries give no verdict" in markdown.markdown(table)) == (
        people < 10
    )


def test_two_people_with_a_query_each_have_bounds_within_what_is_possible() -> None:
    """Rank-1 66.7 [-356.9, 490.2] is what an interval over two people comes to."""
    outcomes: dict[str, dict[int, Outcome]] = {}
    for name, right in (("clip-reid", (1, 0, 1, 1, 0, 1)), ("pi-vl", (1, 0, 0, 1, 1, 1))):
        for seed in SEEDS:
            run = scored_run(seed, people=np.array([4, 7]))
            hits = np.array(right[2 * seed : 2 * seed + 2])
            run.queries["first_match"] = 1 - hits
            run.queries["average_precision"] = np.where(hits, 1.0, 0.5)
            outcomes.setdefault(name, {})[seed] = run
    table = build(outcomes)
    for line in (table.lines[0], table.lines[3]):
        for estimate in line.means.values():
            assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 100
    assert table.lines[0].means[RANK1].mean == pytest.approx(200 / 3)
    shown = named_cells(markdown.markdown(table), "CLIP-ReID")
    assert shown["Ours, synthped: Rank-1"] == "66.7 [0.0, 100.0]"
    gain = table.lines[3].gains[RANK1].comparison.gain
    assert (gain.low, gain.high) == (-100, 100)
    assert table.lines[3].verdict == "too few identities"
    assert not table.lines[3].gains[MEAN_AP].marked
    assert "Minimum detectable effect" not in markdown.markdown(table)


def test_one_person_has_means_without_an_interval_and_no_verdict() -> None:
    outcomes = _of_people(1, clip_reid=0.0, pi_vl=0.1)
    text = markdown.markdown(build(outcomes))
    shown = named_cells(text, "CLIP-ReID")["Ours, synthped: mAP"]
    assert re.fullmatch(r"\d+\.\d \(1 identity\)", shown)
    row = named_cells(text, ABLATION.rows[3].title)
    gain, other = (f"{metric} gain over CLIP-ReID" for metric in ("mAP", "Rank-1"))
    assert [row[name] for name in (gain, other, "Verdict", "Seeds")] == ["-", "-", "too few identities", "3"]
    assert json_rows(build(outcomes))["clip-reid"]["map"]["low"] is None


def test_a_share_has_bounds_within_0_and_100_and_a_cosine_its_own() -> None:
    outcomes = whole_ablation()
    for seed, value in enumerate((1.0, 99.0, 50.0)):
        metrics = {**METRICS, "part_accuracy": value, "part_margin": value}
        outcomes["pi-vl"][seed] = scored_run(seed, 0.05, metrics=metrics)
    found = build(outcomes).lines[3].consistency
    assert (found["part_accuracy"].low, found["part_accuracy"].high) == (0, 100)
    assert found["part_margin"].low < 0

"""The power of a study is that of the components of its contrasts, in words, table, JSON and figure."""

import json

import numpy as np
import pytest

from harness.analysis.components import decompose
from harness.power import forecast as forecast_module
from harness.power import report
from harness.power.figure import draw_power
from harness.power.planning import Design, detectable, foresee, seeds_needed
from harness.store.records import Finished, Results
from tests.support.recorded_runs import complain, draw_run, write_stage
from tests.support.scored_runs import PEOPLE, build, scored_run, whole_ablation

OUTCOMES = whole_ablation()
QUESTIONS = [("part-labels", "clip-reid"), ("identity-parts", "part-labels"), ("pi-vl", "identity-parts")]


@pytest.fixture
def foresee_all(tmp_path):
    results = Results(tmp_path, complain)

    def foresee_outcomes(outcomes, **options):
        return forecast_module.forecast(build(outcomes), outcomes, results, **{"planned": 4, **options})

    return foresee_outcomes


def test_contrasts_are_the_question_s_and_those_with_the_baseline_each_once(foresee_all):
    found = foresee_all(OUTCOMES)
    named = [(one.measured.contrast.row, one.measured.contrast.against) for one in found.outlooks]
    expected = [*QUESTIONS, ("identity-parts", "clip-reid"), ("pi-vl", "clip-reid")]
    assert named == [pair for pair in expected for _ in ("Rank-1", "mAP")]
    assert found.seeds == (3, 4, 5, 10, 20)


def test_an_outlook_says_what_seeds_and_people_are_worth(foresee_all):
    found = foresee_all(OUTCOMES, gain=0.5)
    outlook = next(one for one in found.outlooks if one.measured.metric == "mAP")
    precision = [
        np.stack([OUTCOMES[row][seed].queries["average_precision"] for seed in (0, 1, 2)])
        for row in ("part-labels", "clip-reid")
    ]
    known = decompose(precision[0] - precision[1], PEOPLE)
    reaches = [foresee(known, design).reach for design in (Design(3), Design(6), Design(3, 2.0))]
    said = report.sentence(outlook, found.clusters)
    assert f"retraining noise is {100 * known.retraining_share:.0f} % of this gain's variance" in said
    assert (
        "3 more seeds shorten the interval from ±{:.2f} to ±{:.2f}, twice the identities to ±{:.2f}".format(
            *reaches
        )
        in said
    )
    assert f"+0.5 is found with 80 % power by {seeds_needed(known, 0.5)} seeds" in said
    assert outlook.detectable[Design(10, 2.0)] == detectable(known, Design(10, 2.0))


def test_rows_without_a_seed_in_common_and_a_single_seed_are_said(foresee_all):
    lonely = {"clip-reid": {0: scored_run(0)}, "pi-vl": {1: scored_run(1)}}
    found = foresee_all(lonely)
    assert [(one.row, one.against) for one in found.absent] == [("pi-vl", "clip-reid")]
    assert "nothing is known of pi-vl over clip-reid" in report.markdown([found])
    same = {"clip-reid": OUTCOMES["clip-reid"], "pi-vl": OUTCOMES["clip-reid"]}
    assert "the two rows never differed" in report.markdown([foresee_all(same)])
    single = {"clip-reid": {0: scored_run(0)}, "pi-vl": {0: scored_run(0, 0.05)}}
    assert "1 seed and no variance of retraining; run it with 3 or more." in report.markdown(
        [foresee_all(single)]
    )


def test_a_seed_costs_its_runs_and_each_stage_once(tmp_path):
    """Both rows start from one stage; another row has one of its own, and one record has no cost."""
    results, run = Results(tmp_path, complain), draw_run("pi-vl")
    stages = {stage: write_stage(results, run, stage).name for stage in run.recipe.stages()[:2]}
    first, second = stages.values()

    def finished(seconds, *of):
        record = {"cost": {"seconds": seconds}, "stages": dict(zip("ab", of, strict=False))}
        return Finished("id", 0, {}, "", None, "", "", record if seconds else {"stages": {}})

    def cost(*pair):
        return forecast_module._seconds([pair], results)

    assert cost(finished(10, first), finished(20, first)) == 10 + 20 + 3.5
    assert cost(finished(10, first), finished(20, first, second)) == 10 + 20 + 2 * 3.5
    assert cost(finished(10, first), finished(None)) is None


def test_json_and_table_and_figure_have_the_same_figures(foresee_all, tmp_path):
    found = foresee_all(OUTCOMES, gain=0.5)
    (study,) = json.loads(report.to_json([found]))["studies"]
    told = report.markdown([found])
    first = study["contrasts"][0]
    assert first["row"] == "part-labels"
    assert first["sentence"] in told.replace("**", "")
    points = {(one["seeds"], one["people_times"]): one["points"] for one in first["minimum_detectable"]}
    cells = " ".join(told.split())
    assert f"| Rank-1 | 40 | {points[3, 1.0]:.2f} | {points[4, 1.0]:.2f} |" in cells
    assert f"| Rank-1 | 80 | {points[3, 2.0]:.2f} | {points[4, 2.0]:.2f} |" in cells
    for name in ("a.png", "b.png"):
        draw_power(found, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

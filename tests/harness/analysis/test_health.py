"""The health of rows in a table: what the recipe of before says of itself, thresholds, and runs without figures."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis.health import LEAST_SKILL, MOST_LOST, find_faults, gather
from harness.report import markdown as printers
from tests.support.scored_runs import SEEDS, build, cells, json_rows, scored_run, whole_ablation

OLD = json.loads((Path(__file__).parents[2] / "data" / "health_old_recipe.json").read_text(encoding="utf-8"))
LEARNED = {
    "text_identity_top1": 99.4, "text_used_top1": 99.0, "skill": 0.5, "alignment_loss": 0.4, "alignment_constant": 0.8,
}  # fmt: skip


def measured(run, health, **recipe):
    return replace(run, record={**run.record, "recipe": run.record["recipe"] | recipe, "health": health})


def table_of(**healths):
    """The whole ablation, rows with the health that is named for them, the others with what was learned."""
    outcomes = {
        row: {seed: measured(run, healths.get(row.replace("-", "_"), LEARNED)) for seed, run in seeds.items()}
        for row, seeds in whole_ablation().items()
    }
    return build(outcomes)


def said(table, form="markdown"):
    return printers.PRINTERS[form](table)


def test_the_recipe_of_before_says_by_itself_that_texts_lost_34_points_and_that_row_4_learned_nothing():
    table = table_of(clip_reid=OLD["clip-reid"], pi_vl=OLD["pi-vl"])
    text = said(table)
    title = "+ hierarchical fusion (PI-VL)"
    assert "not learned (better)" in cells(text, title)
    assert f"**Did it take hold?** {title}: not learned." in text
    answer = next(line for line in text.splitlines() if line.startswith("**In plain words**"))
    assert answer.endswith('not learned, which says nothing of the method: "hierarchical fusion (PI-VL)".')
    assert answer.count("hierarchical fusion") == 1
    assert f"- **{title}**: the texts of identities that stage 2 uses lost 34.2 points of top-1" in text
    assert (
        f"- **{title}**: the aligned map has skill 0.00, below 0.2: alignment loss 0.867, of the best constant 0.868"
        in text
    )
    assert "--set global_text=before-parts" in text
    assert "baseline" in cells(text, "CLIP-ReID")
    row = json_rows(table)["pi-vl"]
    assert row["health"]["skill"]["mean"] == pytest.approx(0.001)
    assert row["verdict"] == "not learned (better)"
    assert len(row["not_learned"]) == 2
    line = next(one for one in csv.DictReader(io.StringIO(said(table, "csv"))) if one["row"] == "pi-vl")
    assert float(line["skill"]) == pytest.approx(0.001)
    assert line["not_learned"].startswith("the texts of identities")


def test_a_contrast_with_a_row_that_did_not_learn_is_in_brackets():
    table = table_of(pi_vl=OLD["pi-vl"])
    doubtful = {line.contrast for line in table.contrasts if line.standing.startswith("not learned (")}
    assert doubtful == {
        line.contrast for line in table.contrasts if "pi-vl" in (line.contrast.row, line.contrast.against)
    }
    assert doubtful


def test_rows_that_learned_keep_their_verdict():
    text = said(table_of())
    assert "**Did it take hold?** Yes, in all rows" in text
    assert cells(text, "+ hierarchical fusion (PI-VL)")[-2] == "better"


@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        ({}, 0),
        ({"text_used_top1": 99.4 - MOST_LOST + 0.01}, 0),
        ({"text_used_top1": 99.4 - MOST_LOST - 0.01}, 1),
        ({"skill": LEAST_SKILL}, 0),
        ({"skill": LEAST_SKILL - 0.01}, 1),
        ({"text_used_top1": 0.0, "skill": -2.0}, 2),
    ],
)
def test_thresholds(changed, faults):
    runs = [measured(scored_run(seed), LEARNED | changed) for seed in SEEDS]
    assert len(find_faults(runs, gather(runs))) == faults


def test_a_control_that_replaces_texts_is_not_told_that_it_lost_them():
    runs = [measured(scored_run(0), LEARNED | {"text_used_top1": 1.0}, global_targets="random")]
    assert find_faults(runs, gather(runs)) == ()


def test_a_row_whose_alignment_has_no_weight_is_not_asked_for_skill():
    runs = [measured(scored_run(0), LEARNED | {"skill": 0.0}, align_weight=0.0)]
    assert find_faults(runs, gather(runs)) == ()


def test_a_row_without_alignment_or_texts_has_dashes_and_no_fault():
    table = table_of(clip_reid={"part_balanced": 20.0})
    assert not table.lines[0].faults
    skills = [line for line in said(table).splitlines() if line.startswith("| CLIP-ReID ")]
    assert any(set(cells("\n".join([line]), "CLIP-ReID")[1:]) == {"-"} for line in skills)


def test_runs_of_before_say_that_they_were_not_measured():
    table = build(whole_ablation())
    assert "Not measured" in said(table)
    assert "pivl-bench results measure" in said(table)
    assert json_rows(table)["pi-vl"]["health"] is None
    assert json_rows(table)["pi-vl"]["not_learned"] == []


def test_a_row_that_was_not_measured_beside_others_is_named():
    outcomes = {row: dict(seeds) for row, seeds in whole_ablation().items()}
    outcomes["pi-vl"] = {seed: measured(run, LEARNED) for seed, run in outcomes["pi-vl"].items()}
    assert "Not measured: CLIP-ReID, + part labels, + identity-aware part prompts." in said(build(outcomes))


def test_a_figure_that_one_seed_does_not_have_is_none():
    runs = [measured(scored_run(0), LEARNED), measured(scored_run(1), LEARNED | {"skill": None})]
    assert "skill" not in gather(runs)
    assert gather(runs)["text_used_top1"].mean == pytest.approx(99.0)

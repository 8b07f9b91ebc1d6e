"""Tables say what was measured and what was not, the same way each time, in every format."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis import comparison, statistics
from harness.analysis.outcomes import Missing, Outcome, Problem
from harness.analysis.table import MEAN_AP, RANK1
from harness.report import markdown as printers
from harness.store.records import Failed, Finished
from pivl.errors import UserError
from studies.catalog import PRESETS, STUDIES
from tests.support.scored_runs import (
    ABLATION,
    METRICS,
    PEOPLE,
    SEEDS,
    SIGNATURE,
    build,
    cells,
    json_rows,
    named_cells,
    outcomes_of,
    scored_run,
    whole_ablation,
)

CONTROLS = STUDIES["controls"]
GAINS = ("mAP gain over CLIP-ReID", "p, mAP", "Rank-1 gain over CLIP-ReID", "p, Rank-1")
PAPER = ("Paper, DukeMTMC-reID: Rank-1", "Paper, DukeMTMC-reID: mAP")
MEANS = ("Ours, synthped: Rank-1", "Ours, synthped: mAP")


def some(text, title, *headings):
    """The cells of a row under `headings`."""
    found = named_cells(text, title)
    return [found[one] for one in headings]


def test_means_and_gains_are_those_of_the_queries() -> None:
    outcomes = whole_ablation()
    line = build(outcomes).lines[3]
    runs = [run for run in outcomes["pi-vl"].values() if isinstance(run, Finished)]
    base = [run for run in outcomes["clip-reid"].values() if isinstance(run, Finished)]
    precision = np.mean([run.queries["average_precision"] for run in runs])
    hits = np.mean([run.queries["first_match"] == 0 for run in runs])
    assert line.means[MEAN_AP].mean == pytest.approx(100 * precision)
    assert line.means[RANK1].mean == pytest.approx(100 * hits)
    gain = precision - np.mean([run.queries["average_precision"] for run in base])
    assert line.gains[MEAN_AP].comparison.gain.mean == pytest.approx(100 * gain)
    assert line.means[MEAN_AP].low < line.means[MEAN_AP].mean < line.means[MEAN_AP].high


def test_verdicts_stand_in_the_table_and_only_marked_gains_are_bold() -> None:
    text = printers.markdown(build(whole_ablation()))
    verdicts = [named_cells(text, row.title)["Verdict"] for row in ABLATION.rows]
    assert verdicts == ["baseline", "equivalent", "worse", "better"]
    bold = [("**" in named_cells(text, row.title)["mAP gain over CLIP-ReID"]) for row in ABLATION.rows]
    assert bold == [False, False, True, True]
    baseline = named_cells(text, "CLIP-ReID")
    assert [baseline[name] for name in GAINS] == ["", "", "", ""]


def test_the_paper_has_a_grid_of_its_own_that_names_its_data_set() -> None:
    text = printers.markdown(build(whole_ablation()))
    headings = [line for line in text.splitlines() if line.startswith("| Row ")]
    paper = next(line for line in headings if "Paper" in line)
    assert all(name in paper for name in PAPER)
    assert "Ours" not in paper
    assert some(text, "+ identity-aware part prompts", *PAPER) == ["91.0", "81.3"]
    assert "Another data set" in text
    controls = printers.markdown(comparison.build(CONTROLS, "synthped", outcomes_of(no_text=0.0)))
    assert some(controls, "CLIP-ReID without text", *PAPER) == ["-", "-"]


@pytest.mark.parametrize("name", STUDIES)
def test_no_line_of_a_grid_is_longer_than_a_page_has_room_for(name: str) -> None:
    rows = {row.name.replace("-", "_"): 0.05 * place for place, row in enumerate(STUDIES[name].rows)}
    text = printers.markdown(comparison.build(STUDIES[name], "synthped", outcomes_of(**rows)))
    assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= printers.MOST
    for row in STUDIES[name].rows:
        assert {"Verdict", "Seeds"} <= named_cells(text, row.title).keys()


def test_the_table_leads_with_a_sentence_in_plain_words() -> None:
    table = build(whole_ablation())
    gain = table.lines[3].gains[MEAN_AP].comparison.gain.mean
    title, question, first, *_ = printers.markdown(table).split("\n\n")
    assert (title[:4], question.startswith(table.study.question)) == ("### ", True)
    assert first.startswith("**In plain words**: ")
    assert f'"hierarchical fusion (PI-VL)" scores {gain:.1f} points of mAP more than CLIP-ReID' in first
    assert 'no difference that matters, none of 0.5 points of mAP, is made by "part labels"' in first
    assert first.count(". ") == 0  # one sentence


@pytest.mark.parametrize("name", printers.PRINTERS)
def test_the_same_records_give_the_same_bytes_in_whatever_order(name: str) -> None:
    outcomes = whole_ablation()
    turned = {row: dict(reversed(seeds.items())) for row, seeds in reversed(outcomes.items())}
    first = printers.PRINTERS[name](build(outcomes))
    assert printers.PRINTERS[name](build(turned)) == first
    assert first.endswith("\n")
    assert not first.endswith("\n\n")


def test_a_failure_and_a_gap_are_said_where_the_numbers_would_be() -> None:
    outcomes = whole_ablation()
    error = "the loss is not finite\nin epoch 3: identity nan | triplet 0.2"
    outcomes["pi-vl"][1], reason = Failed("drawn", 1, error, ()), f"failed: {error}"
    del outcomes["identity-parts"]
    table = build(outcomes)
    text = printers.markdown(table)
    pi_vl, absent = ABLATION.rows[3].title, ABLATION.rows[2].title
    assert some(text, pi_vl, "Verdict", "Seeds") == ["too few seeds", "2 of 3; seed 1 failed"]
    assert f"- **{pi_vl}**: seed 1 {' '.join(reason.split())}.\n" in text
    assert some(text, absent, *MEANS, *GAINS) == ["-"] * 6
    assert some(text, absent, "Verdict", "Seeds") == ["no result", "0 of 3; missing"]
    rows = json_rows(table)
    assert rows["pi-vl"]["problems"] == [f"seed 1 {reason}"]
    assert (rows["identity-parts"]["map"], rows["identity-parts"]["seeds"]) == (None, 0)
    flat = {row["row"]: row for row in csv.DictReader(io.StringIO(printers.PRINTERS["csv"](table)))}
    assert (flat["identity-parts"]["map"], flat["identity-parts"]["problems"]) == ("", "missing")


def test_reasons_are_said_once() -> None:
    everywhere: dict[int, Outcome] = {seed: Failed(f"run {seed}", seed, "no memory", ()) for seed in SEEDS}
    failed: dict[int, Outcome] = {**everywhere, 2: Missing()}
    table = build({**whole_ablation(), "pi-vl": failed, "identity-parts": everywhere})
    assert table.lines[3].problems == (
        Problem("failed", (0, 1), "no memory"),
        Problem("missing", (2,)),
    )
    assert table.lines[2].problems == (Problem("failed", (), "no memory"),)
    assert [one.text for one in table.lines[3].problems] == ["seeds 0, 1 failed: no memory", "seed 2 missing"]


def test_gains_are_over_the_seeds_in_common_with_the_reference() -> None:
    outcomes = whole_ablation()
    outcomes["clip-reid"][2] = Missing()
    line = build(outcomes).lines[3]
    assert (line.finished, line.gains[MEAN_AP].comparison.seeds, line.verdict) == (3, 2, "too few seeds")
    assert line.problems == (Problem("compared on 2 of them, those that the baseline has"),)


@pytest.mark.parametrize("left_out", [True, False])
def test_without_its_reference_a_study_has_means_alone(left_out: bool) -> None:
    study = replace(ABLATION, rows=ABLATION.rows[1:]) if left_out else ABLATION
    table = comparison.build(study, "synthped", outcomes_of(pi_vl=0.05))
    text = printers.markdown(table)
    title, gains = (
        "+ hierarchical fusion (PI-VL)",
        [one.replace("CLIP-ReID", table.reference) for one in GAINS],
    )
    shown = some(text, title, *gains, "Verdict", "Seeds")
    assert shown == ["-", "-", "-", "-", "no baseline", "3"]
    assert (table.lines[0].finished, table.lines[0].gains) == (0, {})


def test_a_study_that_has_not_begun_prints() -> None:
    text = printers.markdown(build({}))
    shown = some(text, "CLIP-ReID", *MEANS, *GAINS, "Verdict", "Seeds")
    assert shown == ["-", "-", "", "", "", "", "baseline", "0; missing"]
    assert "No complete run yet" in text
    assert json.loads(printers.PRINTERS["json"](build({})))["rows"][0]["map"] is None


def test_rows_left_out_change_no_p_but_the_adjusted_one() -> None:
    whole = build(outcomes_of(clip_reid=0.0, part_labels=0.001, pi_vl=0.002))
    fewer = build(outcomes_of(clip_reid=0.0, pi_vl=0.002))
    for metric in (MEAN_AP, RANK1):
        one, other = whole.lines[3].gains[metric], fewer.lines[3].gains[metric]
        assert one.comparison == other.comparison
        assert one.adjusted_p >= other.adjusted_p
        assert 0.001 < one.comparison.p < 1  # a p that other flips would change


def test_numbers_of_two_signatures_share_no_table() -> None:
    outcomes = whole_ablation()
    outcomes["pi-vl"][1] = scored_run(1, 0.05, signature=SIGNATURE.replace("3fa9c1", "ffffff"))
    with pytest.raises(
        UserError, match=r"run-0-0 and run-0\.05-1 cannot share a table, .*3fa9c1.* is not .*ffffff"
    ):
        build(outcomes)


def test_other_queries_under_one_signature_are_noticed() -> None:
    outcomes = whole_ablation()
    outcomes["pi-vl"][1] = scored_run(1, 0.05, people=PEOPLE[::-1])
    with pytest.raises(UserError, match="other queries"):
        build(outcomes)


def test_a_smoke_run_says_so_above_and_below() -> None:
    table = comparison.build(ABLATION, "synthped-mini", whole_ablation(), PRESETS["smoke"].warning)
    lines = printers.markdown(table).splitlines()
    last_row = max(number for number, line in enumerate(lines) if line.startswith("|"))
    assert "SMOKE" in lines[0]
    assert any("SMOKE" in line for line in lines[last_row:])
    assert "SMOKE" in json.loads(printers.PRINTERS["json"](table))["footer"]["warning"]
    assert "SMOKE" in printers.PRINTERS["csv"](table)
    assert "SMOKE" not in printers.markdown(build(whole_ablation()))


def test_json_is_strict_and_csv_has_its_numbers() -> None:
    table = build({**whole_ablation(), "pi-vl": {0: scored_run(0, 0.05)}})
    flat = list(csv.DictReader(io.StringIO(printers.PRINTERS["csv"](table))))
    rows = json_rows(table)
    assert "NaN" not in printers.PRINTERS["json"](table)
    assert [row["row"] for row in flat] == list(rows)
    for line in flat:
        row = rows[line["row"]]
        assert float(line["map"]) == row["map"]["mean"]
        assert float(line["rank1_high"]) == row["rank1"]["high"]
        assert float(line["paper_map"]) == row["paper"]["map"]
        assert line["verdict"] == row["verdict"]
        if row["map_gain"]:
            assert float(line["map_gain_adjusted_p"]) == row["map_gain"]["adjusted_p"]


def test_consistency_is_a_block_of_its_own_with_intervals_over_seeds() -> None:
    values = [38.0, 39.0, 42.0]
    outcomes = whole_ablation()
    outcomes["pi-vl"] = {
        seed: scored_run(seed, 0.05, metrics={**METRICS, "part_accuracy": value, "fused_part_majority": 27.2})
        for seed, value in enumerate(values)
    }
    outcomes["clip-reid"] = {
        seed: scored_run(seed, metrics={**METRICS, "part_margin_across": float("nan")}) for seed in SEEDS
    }
    outcomes["part-labels"] = {0: scored_run(0, 0.003)}
    table = build(outcomes)
    block = printers.markdown(table).split("**Within-part consistency**")[1]
    interval = statistics.estimate_over_seeds(values)
    assert table.lines[3].consistency["part_accuracy"] == interval
    shown = some(block, ABLATION.rows[3].title, "Part accuracy, %")
    assert shown == [f"39.7 [{interval.low:.1f}, {interval.high:.1f}]"]
    assert some(block, "CLIP-ReID", "Cosine margin across identities") == ["-"]
    assert cells(block, "+ part labels")[1] == "39.0 (1 seed)"
    assert "(the commonest part everywhere) of its grid: tokens 28.4 %, fused map 27.2 %." in block
    bare = {"clip-reid": {seed: scored_run(seed, metrics={}) for seed in SEEDS}}
    assert "consistency" not in printers.markdown(build(bare))


def test_the_fused_map_has_columns_where_a_row_has_one() -> None:
    fused = {**METRICS, "fused_part_accuracy": 44.0, "fused_part_margin_across": 0.3}
    outcomes = {**whole_ablation(), "pi-vl": {seed: scored_run(seed, 0.05, metrics=fused) for seed in SEEDS}}
    block = printers.markdown(build(outcomes)).split("**Within-part consistency**")[1]
    fused_map = ("Fused map: part accuracy, %", "Fused map: cosine margin across identities")
    assert some(block, ABLATION.rows[3].title, *fused_map) == ["44.0 [44.0, 44.0]", "0.300 [0.300, 0.300]"]
    assert some(block, "CLIP-ReID", *fused_map) == ["-", "-"]
    assert "Fused map" not in printers.markdown(build(whole_ablation()))


def test_the_footer_says_where_the_numbers_come_from() -> None:
    outcomes = whole_ablation()
    footer = build(outcomes).footer
    assert footer is not None
    assert footer.signature == f"{SIGNATURE}|ap:step"  # records of before had it without naming it
    assert (footer.queries, footer.people, footer.seeds) == (120, 40, SEEDS)
    assert (footer.devices, footer.commits) == (("cpu (test) in fp32",), ("abc1234",))
    assert footer.dates == ("2026-11-20", "2026-11-21", "2026-11-22")
    gains = [line.gains[MEAN_AP].comparison.gain for line in build(outcomes).lines[1:]]
    assert footer.minimum_detectable[MEAN_AP] == max(gain.minimum_detectable for gain in gains)
    text = printers.markdown(build(outcomes))
    for fact in (
        f"`{SIGNATURE}|ap:step`",
        "120 queries of 40 identities",
        "cpu (test)",
        "commit abc1234",
        "±0.5",
    ):
        assert fact in text


def test_every_line_of_a_grid_has_its_columns() -> None:
    outcomes = whole_ablation()
    first, *others = ABLATION.rows
    study = replace(ABLATION, rows=(replace(first, title="one | other"), *others))
    table = comparison.build(study, "synthped", outcomes)
    grids = re.findall(r"(?:^\|.*\n?)+", printers.markdown(table), flags=re.M)
    for grid in grids:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in grid.splitlines()}) == 1
        assert len({len(line) for line in grid.splitlines()}) == 1
    assert sum(grid.count("one \\| other") for grid in grids) >= 3


def test_no_number_is_minus_zero() -> None:
    table = build(outcomes_of(clip_reid=0.0, part_labels=-1e-9))
    assert not re.search(r"-0\.0+\b", printers.markdown(table).split("Within-part")[0])

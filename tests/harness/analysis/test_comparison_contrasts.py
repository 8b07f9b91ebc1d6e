"""What a study's question compares is compared, judged as one family, and named in every format."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis import comparison, significance
from harness.analysis.outcomes import Outcome
from harness.analysis.table import MEAN_AP, METRICS, RANK1, Table
from harness.report import markdown as printers
from studies.catalog import STUDIES
from studies.study import Contrast
from tests.support.scored_runs import (
    ABLATION,
    PEOPLE,
    SEEDS,
    build,
    named_cells,
    outcomes_of,
    scored_run,
    whole_ablation,
)

TRANSFER = STUDIES["transfer"]
STEPS = ("part labels over CLIP-ReID", "identity-aware part prompts over part labels")
PAIRS = "Discordant pairs"


def _block(table: Table) -> str:
    return printers.markdown(table).split("**Contrasts**")[1].split("**Within-part")[0]


def _document(table: Table) -> dict:
    return json.loads(printers.PRINTERS["json"](table))


def _in_families(outcomes: dict[str, dict[int, Outcome]]) -> dict[str, dict[int, Outcome]]:
    return {
        row: {
            seed: replace(run, queries=run.queries.assign(cluster=500 + PEOPLE // 4))
            for seed, run in of.items()
        }
        for row, of in outcomes.items()
    }


def test_each_step_of_table_3_is_compared_with_the_row_above_it() -> None:
    table = build(whole_ablation())
    assert [(line.contrast.row, line.contrast.against) for line in table.contrasts] == [
        ("part-labels", "clip-reid"),
        ("identity-parts", "part-labels"),
        ("pi-vl", "identity-parts"),
    ]
    steps = [line.gains[MEAN_AP].comparison.gain.mean for line in table.contrasts]
    assert sum(steps) == pytest.approx(table.lines[3].gains[MEAN_AP].comparison.gain.mean)
    assert [line.verdict for line in table.contrasts][1:] == ["worse", "better"]


def test_the_contrasts_of_a_study_are_one_family_apart_from_the_gains_over_the_baseline() -> None:
    table = build(outcomes_of(clip_reid=0.0, part_labels=0.002, identity_parts=0.004, pi_vl=0.001))
    for metric in METRICS:
        found = [line.gains[metric] for line in table.contrasts]
        larger = [max(one.comparison.p, one.comparison.gain.p) for one in found]
        assert [one.adjusted_p for one in found] == pytest.approx(significance.holm(larger))
    step, gain = table.contrasts[0].gains[MEAN_AP], table.lines[1].gains[MEAN_AP]
    assert step.comparison == gain.comparison  # of the same two rows


def test_contrasts_have_a_section_that_names_both_rows_with_interval_p_verdict_and_discordant_pairs() -> None:
    table = build(whole_ablation())
    block, line = _block(table), table.contrasts[1]
    printed = named_cells(block, STEPS[1])
    gain, hits = line.gains[MEAN_AP].comparison.gain, line.gains[RANK1].comparison
    assert printed["mAP gain"] == f"**{gain.mean:+.2f}** [{gain.low:+.2f}, {gain.high:+.2f}]"
    assert printed["p"] == "< 0.001"
    assert printed[PAIRS] == f"{hits.row_alone} : {hits.reference_alone}"
    assert (printed["Verdict"], printed["Seeds"]) == ("worse", "3")
    assert table.contrasts[0].title == f"Gain of {STEPS[0]}"
    assert "adjusted by Holm within these contrasts" in block
    bare = comparison.build(replace(ABLATION, contrasts=()), "synthped", whole_ablation())
    assert "Contrasts" not in printers.markdown(bare)


def test_json_and_csv_name_what_every_gain_is_over() -> None:
    table = build(whole_ablation())
    document, line = _document(table), table.contrasts[2]
    found = document["contrasts"][2]
    assert (found["row"], found["against"], found["verdict"]) == ("pi-vl", "identity-parts", "better")
    assert found["map_gain"]["mean"] == round(line.gains[MEAN_AP].comparison.gain.mean, 6)
    assert found["rank1_gain"]["row_alone"] == line.gains[RANK1].comparison.row_alone
    assert [row["gain_over"] for row in document["rows"]] == [None, "clip-reid", "clip-reid", "clip-reid"]
    flat = {row["row"]: row for row in csv.DictReader(io.StringIO(printers.PRINTERS["csv"](table)))}
    for row, line in flat.items():
        assert (line["verdict_over_identity-parts"] == "better") == (row == "pi-vl")
    assert flat["pi-vl"]["gain_over"] == "clip-reid"
    assert float(flat["pi-vl"]["map_gain_over_identity-parts_high"]) == found["map_gain"]["high"]
    assert float(flat["pi-vl"]["map_gain_over_identity-parts_adjusted_p"]) == found["map_gain"]["adjusted_p"]
    assert int(flat["pi-vl"]["rank1_alone_over_identity-parts"]) == found["rank1_gain"]["row_alone"]
    assert flat["clip-reid"]["map_gain_over_identity-parts"] == ""


def test_a_row_that_is_missing_or_left_out_is_said_or_left_out() -> None:
    outcomes = whole_ablation()
    del outcomes["identity-parts"]
    assert [line.standing for line in build(outcomes).contrasts][1:] == ["no result", "no result"]
    absent = named_cells(_block(build(outcomes)), STEPS[1])
    assert [absent[name] for name in ("mAP gain", "Rank-1 gain", PAIRS, "Verdict", "Seeds")] == [
        "-", "-", "-", "no result", "-",
    ]  # fmt: skip
    outcomes["identity-parts"] = {9: scored_run(9)}
    assert build(outcomes).contrasts[1].standing == "no seed in common"
    fewer = replace(ABLATION, rows=ABLATION.rows[:2])
    assert len(comparison.build(fewer, "synthped", whole_ablation()).contrasts) == 1


def test_teachers_stand_beside_students_without_a_gain_or_a_verdict() -> None:
    gains = {
        "clip_reid": 0.2,
        "pi_vl": 0.21,
        "student": 0.0,
        "student_clip_reid": 0.01,
        "student_pi_vl": 0.03,
    }
    table = comparison.build(TRANSFER, "synthped", outcomes_of(**gains))
    assert [line.standing for line in table.lines[:2]] == ["not compared"] * 2
    assert [line.gains for line in table.lines[:2]] == [{}, {}]
    assert all(line.means for line in table.lines)
    assert [line.verdict for line in table.lines[3:]] == ["better"] * 2
    assert table.contrasts[0].contrast == Contrast("student-pi-vl", "student-clip-reid")
    assert table.contrasts[0].verdict == "better"


def test_a_table_says_by_what_queries_hang_together() -> None:
    people, families = build(whole_ablation()), build(_in_families(whole_ablation()))
    assert (_document(people)["clusters"], _document(families)["clusters"]) == ("person", "family")
    assert _document(families)["footer"]["clusters"] == 10
    text = printers.markdown(families)
    assert "120 queries of 40 identities in 10 families;" in text
    assert "[95 % interval over retraining and families]" in text
    assert "sign-flip randomisation test over families" in text
    assert "famil" not in printers.markdown(people)
    mean, other = (table.lines[0].means[MEAN_AP] for table in (people, families))
    assert mean.mean == other.mean
    assert mean.standard_error != other.standard_error
    one = {
        seed: replace(run, queries=run.queries.assign(cluster=7))
        for seed, run in whole_ablation()["pi-vl"].items()
    }
    shown = named_cells(printers.markdown(build({"pi-vl": one})), ABLATION.rows[3].title)
    assert shown["Ours, synthped: mAP"].endswith("(1 family)")


def test_nine_families_of_many_people_are_too_few() -> None:
    outcomes = {
        row: {
            seed: replace(run, queries=run.queries.assign(cluster=np.minimum(PEOPLE // 4, 8)))
            for seed, run in of.items()
        }
        for row, of in whole_ablation().items()
    }
    table = build(outcomes)
    assert [line.standing for line in table.lines[1:]] == ["too few identities"] * 3
    assert [line.standing for line in table.contrasts] == ["too few identities"] * 3
    assert "fewer than 10 families with scored queries give no verdict" in printers.markdown(table)
    assert table.footer is not None
    assert table.footer.minimum_detectable == {}


def test_the_footer_says_what_is_adjusted_and_what_the_interval_covers() -> None:
    text = printers.markdown(build(whole_ablation()))
    assert "Intervals are not adjusted" in text
    gains = [
        line.gains[metric].comparison.gain for line in build(whole_ablation()).lines[1:] for metric in METRICS
    ]
    degrees = sorted(gain.degrees for gain in gains)
    assert f"here {degrees[0]:.1f} to {degrees[-1]:.1f}; in simulation" in text
    assert "at least 93 % with 3 seeds and 94 % with 5 seeds" in text
    assert SEEDS == (0, 1, 2)

"""Published figures beside ours: differences where data set and backbone are the paper's, and nothing more than that."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from harness.analysis import comparison
from harness.analysis.table import MEAN_AP, RANK1, Setting
from harness.report import markdown
from harness.store.records import Finished
from studies.catalog import STUDIES
from studies.published import DUKE, MARKET
from tests.support.scored_runs import named_cells

ABLATION, COMPARISON = STUDIES["ablation"], STUDIES["comparison"]


def outcomes(study, hits):
    """Runs of every usual row at two seeds: of 10 queries `hits` are right at once, with average precision 1, else 0."""
    right = np.arange(10) < hits
    queries = pd.DataFrame(
        {
            "person": np.arange(10),
            "average_precision": right.astype(float),
            "first_match": np.where(right, 0, 3),
        }
    )
    record = {"date": "2026-11-24", "recipe": {"precision": "fp32"}}
    return {
        row.name: {
            seed: Finished(f"{row.name}-{seed}", seed, {}, "one", queries, "cpu", "abc", record)
            for seed in (0, 1)
        }
        for row in study.rows
        if row.default
    }


def build(study, setting):
    return comparison.build(study, "somewhere", outcomes(study, 9), setting=setting)


def test_each_table_is_compared_with_its_own_numbers():
    """Of CLIP-ReID on DukeMTMC-reID Table 3 says 89.4 and 80.8, Table 2 says 90.0 and 80.7."""
    duke = Setting(DUKE, ("RN50", "CNN"))
    line = build(ABLATION, duke).lines[0]
    assert line.differences == {RANK1: pytest.approx(90 - 89.4), MEAN_AP: pytest.approx(90 - 80.8)}
    line = build(COMPARISON, duke).lines[0]
    assert line.differences == {RANK1: pytest.approx(90 - 90.0), MEAN_AP: pytest.approx(90 - 80.7)}
    for study in (ABLATION, COMPARISON):
        assert "Contradiction in the paper, CLIP-ReID on DukeMTMC-reID" in markdown.markdown(
            build(study, duke)
        )


@pytest.mark.parametrize(
    "setting", [Setting(MARKET, ("RN50", "CNN")), Setting(DUKE, ("ViT",)), Setting(DUKE), Setting()]
)
def test_figures_of_other_data_or_backbones_are_shown_and_not_compared(setting):
    table = build(ABLATION, setting)
    assert all(not line.differences for line in table.lines)
    text = markdown.markdown(table)
    assert "ours minus paper" not in text
    assert "compare signs, not sizes" in text
    assert "Contradiction" not in text


def test_all_22_published_rows_stand_beside_ours():
    table = build(COMPARISON, Setting(MARKET, ("ViT",), backbone="vit-b-16"))
    text = markdown.markdown(table)
    assert "| PI-VL                   | ViT " in text
    found = re.findall(r"^\| ([^|]+) \| (CNN|ViT) ", text, flags=re.M)
    assert len(set(found)) == 22
    ours = named_cells(text, "PI-VL, trained here")
    assert ours.pop("Backbone") == "vit-b-16"
    assert [cell for name, cell in ours.items() if " / " in name] == ["90.0 / 90.0", "-", "-", "-"]
    assert named_cells(text, "PI-VL")["mAP, ours minus paper"] == "-1.2"  # 90.0 less 91.2
    assert "a difference to them has no p-value" in text


def test_programs_get_the_differences_and_the_published_rows():
    table = build(COMPARISON, Setting(MARKET, ("ViT",), "rows differ otherwise"))
    document = json.loads(markdown.PRINTERS["json"](table))
    assert len({(item["method"], item["backbone"]) for item in document["published"]}) == 22
    assert document["rows"][1]["map_less_paper"] == pytest.approx(-1.2)
    assert document["footer"]["rows_also_differ"] == "rows differ otherwise"
    first, second = csv.DictReader(io.StringIO(markdown.PRINTERS["csv"](table)))
    assert float(second["map_less_paper"]) == pytest.approx(-1.2)
    assert first["row"] == "clip-reid"
    alone = json.loads(markdown.PRINTERS["json"](build(ABLATION, Setting())))
    assert (alone["published"], alone["rows"][0]["map_less_paper"]) == ([], None)


def test_a_note_on_rows_that_differ_otherwise_is_printed():
    assert "**Rows**: by more than their titles." in markdown.markdown(
        build(ABLATION, Setting(note="by more than their titles"))
    )

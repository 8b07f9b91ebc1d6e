"""Tables of documents: cells computed by hand, places between comments, and tables that are not there."""

import json

import pytest

from harness.report.documents.tables import contrasts_grid, gains_grid, insert
from pivl.errors import UserError
from tests.support.committed import commit, committed_table


def cells(grid):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in grid.splitlines()]


def test_a_row_has_score_gain_and_verdict():
    heading, _, baseline, worse, unlearned = cells(gains_grid(committed_table()))
    assert heading == ["Row", "mAP, %", "mAP gain over CLIP-ReID", "Verdict"]
    assert baseline == ["CLIP-ReID", "56.8", "-", "baseline"]
    assert worse == ["+ part labels", "55.6", "**-1.21** [-1.89, -0.52]", "worse"]
    assert unlearned[2:] == ["+0.52 [-0.36, +1.41]", "not learned (inconclusive)"]


def test_a_row_that_is_not_there_yet_has_dashes():
    table = committed_table()
    table["rows"][1] |= {"map": None, "map_gain": None, "verdict": "-"}
    assert cells(gains_grid(table))[3] == ["+ part labels", "-", "-", "-"]


def test_a_contrast_has_its_own_p():
    assert cells(contrasts_grid(committed_table()))[2] == [
        "part labels over CLIP-ReID",
        "**-1.21** [-1.89, -0.52]",
        "0.010",
        "worse",
    ]


def test_a_p_that_three_decimals_do_not_show_is_said_to_be_below_them():
    table = json.loads(json.dumps(committed_table()))
    table["contrasts"][0]["map_gain"]["adjusted_p"] = 0.0004
    assert cells(contrasts_grid(table))[2][2] == "< 0.001"


def test_what_stands_between_the_comments_is_replaced_and_nothing_else(tmp_path):
    commit(committed_table(), "some", tmp_path)
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(
        "before\n<!-- table: some -->\nold\n<!-- end -->\nafter\n<!-- output: some -->\n<!-- end -->"
    )
    text = insert(page, tmp_path)
    assert text.startswith("before\n<!-- table: some -->\n\n| Row")
    assert "old" not in text
    assert (
        "5 seeds; synthped-v2; 1200 queries of 200 identities in 50 families; cpu; commit abc; 2026-11-27."
        in text
    )
    assert "(../results/reference/some.md)" in text
    assert "\n> **In plain words**: nothing.\n>\n> - **Measured** with little.\n" in text
    page.write_text(text)
    assert insert(page, tmp_path) == text


@pytest.mark.parametrize("content", [None, "{"])
def test_a_table_that_cannot_be_read_is_named(tmp_path, content):
    page = tmp_path / "page.md"
    page.write_text("<!-- table: absent -->\n<!-- end -->")
    if content is not None:
        (tmp_path / "results" / "reference").mkdir(parents=True)
        (tmp_path / "results" / "reference" / "absent.json").write_text(content)
    with pytest.raises(UserError, match=r"absent\.json.*copy it from results/tables"):
        insert(page, tmp_path)


@pytest.mark.parametrize("name", ["choices", "ablation-long"])
def test_a_study_without_a_table_says_so(tmp_path, name):
    page = tmp_path / "page.md"
    page.write_text(f"<!-- table: {name} -->\n<!-- end -->")
    assert insert(page, tmp_path) == f"<!-- table: {name} -->\n\nNot measured yet.\n\n<!-- end -->"


def test_a_table_of_before_has_no_contrasts(tmp_path):
    table = committed_table()
    del table["contrasts"]
    commit(table, "some", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("<!-- contrasts: some -->\n<!-- end -->")
    assert "Not measured yet." in insert(page, tmp_path)


def test_a_contrast_with_a_row_that_did_not_learn_says_so():
    table = json.loads(json.dumps(committed_table()))
    table["contrasts"][0]["verdict"] = "not learned (better)"
    assert cells(contrasts_grid(table))[2][-1] == "not learned (better)"


def test_a_table_of_before_has_map_as_its_primary_metric():
    table = json.loads(json.dumps(committed_table()))
    del table["footer"]["primary_metric"]
    assert gains_grid(table) == gains_grid(committed_table())

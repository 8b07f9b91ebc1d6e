"""`--row`: a row by what it changes in another, named wherever its table is; what is none is one line."""

import json

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve, resolve_all
from harness.plan.departures import name_files
from harness.store.records import Results
from pivl.errors import UserError
from studies.study import Contrast
from tests.support.commands import run_main
from tests.support.recorded_experiments import drawn_cells, record_all
from tests.support.recorded_runs import complain

MINE = "mine=pi-vl,align_weight=0.2,epochs=3"


def test_a_row_of_ones_own_is_another_with_its_changes_and_a_run_of_its_own():
    experiment = resolve(Request("ablation", own_rows=(MINE,)), device="cpu")
    rows = {row.name: row for row in experiment.study.rows}
    assert experiment.rows == (*resolve(Request("ablation"), device="cpu").rows, "mine")
    mine, base = (experiment.recipe(rows[name]) for name in ("mine", "pi-vl"))
    assert (mine.align_weight, mine.epochs) == (0.2, 3)
    changed = {name for name, value in mine.choices().items() if value != base.choices()[name]}
    assert changed == {"align_weight", "epochs"}
    assert rows["mine"].title == "mine: + hierarchical fusion (PI-VL) with align_weight=0.2, epochs=3"
    ours = resolve(Request("ablation"), device="cpu").study.contrasts
    assert experiment.study.contrasts == (*ours, Contrast("mine", "pi-vl"))
    baseline = resolve(Request("ablation", own_rows=("mine=clip-reid,epochs=3",)), device="cpu").study
    assert baseline.contrasts == ours  # its gain over the baseline stands in the table
    beside = resolve(Request("ablation", own_rows=(MINE,), rows="clip-reid"), device="cpu")
    assert beside.shown == ("clip-reid", "mine")  # a row that was typed is wanted, whatever else --rows names
    later = resolve(Request("ablation", own_rows=(MINE, "more=mine,rate=1e-4")), device="cpu")
    assert later.recipe(later.study.rows[-1]).align_weight == 0.2


def test_it_is_named_in_title_footer_json_and_file(tmp_path, capsys):
    results = Results(tmp_path / "results", complain)
    experiment = resolve(Request("ablation", own_rows=(MINE,)))
    record_all([experiment], results)
    assert (
        run_main("table", "ablation", "--row", MINE, "--results", str(results.root), "--format", "json") == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["rows"][-1]["title"].endswith("with align_weight=0.2, epochs=3")
    assert document["departures"]["Rows of one's own, by --row"] == MINE
    cells = drawn_cells(experiment, results)
    assert "row=mine" in name_files(experiment, cells, results)
    assert run_main("table", "ablation", "--row", MINE, "--results", str(results.root)) == 0
    assert f"**Rows of one's own, by --row**: {MINE}." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("mine", "write NAME=ROW,FIELD=VALUE"),
        ("mine=pi-vl", "write NAME=ROW,FIELD=VALUE"),
        ("Mine=pi-vl,epochs=3", "the name in small letters"),
        ("pi-vl=clip-reid,epochs=3", "another row is called pi-vl"),
        ("mine=pivl,epochs=3", "--row mine: unknown row 'pivl'"),
        ("mine=pi-vl,epoch=3", "--row mine: unknown recipe field 'epoch'"),
        ("mine=pi-vl,epochs=many", "--row mine: epochs=many: epochs takes a whole number"),
    ],
)
def test_what_is_no_row_is_one_line(typed, said):
    with pytest.raises(UserError) as refused:
        resolve(Request("ablation", own_rows=(typed,)), device="cpu")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match="each study of all has rows of its own"):
        resolve_all(Request("all", own_rows=(MINE,)))

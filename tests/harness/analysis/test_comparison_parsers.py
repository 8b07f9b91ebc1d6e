"""Table 4: which of its runs are other tables' too, how good maps are, folders of a user's, and the figure below it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness.analysis import comparison
from harness.display.progress import Progress
from harness.experiment.request import Request
from harness.experiment.resolve import resolve, resolve_all
from harness.plan.planner import cells_of, make_plan
from harness.report import markdown, study_table
from harness.report.gain_plot import draw_gains, points_of
from harness.store.records import Finished, Results
from pivl.errors import UserError
from studies.parsers import DOSE_RESPONSE, PARSERS
from studies.study import Contrast
from tests.support.recorded_experiments import found_of, record_all
from tests.support.recorded_runs import complain

ON_DISK = {"dataset": "dukemtmc", "precision": "fp32", "weights": "w.pt"}


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


def cells(experiment, found):
    return {
        cell.row: cell
        for cell in cells_of(experiment, experiment.rows, found, "f" * 64)
        if cell.run.seed == 0
    }


def test_its_baseline_and_exact_maps_are_the_runs_of_table_3_and_stage_1a_is_shared_by_all():
    experiment, ablation = resolve(Request("parsers")), resolve(Request("ablation"))
    ours, theirs = cells(experiment, found_of(experiment)), cells(ablation, found_of(ablation))
    assert ours["clip-reid"].run.id == theirs["clip-reid"].run.id
    assert ours["renderer"].run.id == theirs["pi-vl"].run.id
    assert len({cell.run.id for cell in ours.values()}) == len(PARSERS.rows)
    assert len({cell.run.stage_id("identity-prompts") for cell in ours.values()}) == 1
    aligned = [cell.run for cell in ours.values() if cell.run.recipe.part_text != "none"]
    assert len({run.stage_id("part-prompts") for run in aligned}) == len(PARSERS.rows) - 1
    assert ours["parser-m"].inputs.part_maps == "parser-m"


def test_what_it_shares_with_the_ablation_is_planned_once(results):
    asked = [resolve(Request(name, seeds="0")) for name in ("ablation", "parsers")]
    together = [cell for one in asked for cell in cells_of(one, one.rows, found_of(one), "f" * 64)]
    tasks = make_plan(together, results, False).tasks
    assert sum(task.stage == "identity-prompts" for task in tasks) == 1
    assert sum(task.is_run for task in tasks) == 4 + len(PARSERS.rows) - 2


def test_on_a_users_data_the_rows_are_the_folders_that_were_named(tmp_path):
    folders = (f"schp={tmp_path / 'a'}", "mine=maps/b")
    experiment = resolve(Request("parsers", **ON_DISK, parser_maps=folders))
    assert experiment.rows == ("clip-reid", "schp", "mine")
    assert experiment.study.contrasts == (Contrast("mine", "schp"),)
    row = {row.name: row for row in experiment.study.rows}
    assert experiment.inputs_of(row["schp"]).part_maps == str(tmp_path / "a")
    assert experiment.inputs_of(row["mine"]).part_maps.endswith("/maps/b")
    assert experiment.inputs_of(row["clip-reid"]).part_maps is None
    assert (row["schp"].published.mean_ap, row["mine"].published) == (81.6, None)
    named = [one.study.name for one in resolve_all(Request("all", **ON_DISK, parser_maps=folders))]
    assert "parsers" in named
    assert [one.study.name for one in resolve_all(Request("all", **ON_DISK))] == [
        n for n in named if n != "parsers"
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"parser_maps": ("a=b",)}, "synthped has parsers of its own"),
        ({**ON_DISK}, "name each with --parser-maps NAME=FOLDER"),
        ({**ON_DISK, "parser_maps": ("maps/a",)}, "write NAME=FOLDER"),
        ({**ON_DISK, "parser_maps": ("a=b", "a=c")}, "another row is called a"),
        ({**ON_DISK, "parser_maps": ("clip-reid=b",)}, "another row is called clip-reid"),
        ({"study": "ablation", **ON_DISK, "parser_maps": ("a=b",)}, "name it with --part-maps"),
    ],
)
def test_what_does_not_agree_is_one_line(typed, said):
    with pytest.raises(UserError) as refused:
        resolve(Request(**{"study": "parsers", **typed}))
    assert said in str(refused.value)


def table_of(results, experiment):
    """The table of drawn runs."""
    record_all([experiment], results)
    recorded = study_table.read_outcomes(experiment, results, Progress.on_stderr(quiet=True))
    return study_table.make_table(experiment, recorded, results)


def test_how_good_its_maps_are_stands_beside_each_row(results):
    table = table_of(results, resolve(Request("parsers")))
    text = markdown.markdown(table)
    head, below = text.split(f"**{DOSE_RESPONSE}**")
    assert "mIoU, %" in head
    assert "50.0 [40.0, 60.0]" in head
    assert "| outlines bent by 3 pixels" in below
    assert "| outlines bent by 3 pixels" not in head  # the table's answer names it
    assert "PI-VL, SCHP" in text
    assert "59.36" in text
    assert "the column cannot rank the parsers" in text
    columns = {row["row"]: row["miou"] for row in json.loads(markdown.PRINTERS["json"](table))["rows"]}
    assert columns["clip-reid"] is None
    assert columns["parser-s"]["high"] == 60


def outcomes_of(rows):
    """A run of every row and seed, each a little better or worse than the baseline, as chance has it."""
    draw, found = np.random.default_rng(0), {}
    for number, row in enumerate(rows):
        found[row.name] = {}
        for seed in range(3):
            precision = np.clip(np.linspace(0.3, 0.6, 60) + draw.normal(0.003 * number, 0.02, 60), 0, 1)
            queries = pd.DataFrame(
                {
                    "person": np.arange(60) // 2,
                    "average_precision": precision,
                    "first_match": draw.integers(0, 2, 60),
                }
            )
            record = {"date": "2026-11-25", "recipe": {"precision": "fp32"}}
            found[row.name][seed] = Finished(
                f"{row.name}-{seed}", seed, {}, "one", queries, "cpu", "abc", record
            )
    return found


def test_rows_of_a_section_are_adjusted_among_themselves():
    outcomes = outcomes_of(PARSERS.rows)
    above = replace(PARSERS, rows=tuple(row for row in PARSERS.rows if not row.section))
    one_table = replace(PARSERS, rows=tuple(replace(row, section="") for row in PARSERS.rows))

    def adjusted(study):
        lines = comparison.build(study, "synthped", outcomes).lines[1:5]
        return [line.gains["mAP"].adjusted_p for line in lines]

    assert adjusted(PARSERS) == adjusted(above) != adjusted(one_table)


def test_the_figure_has_a_point_for_every_gain_and_the_same_bytes_each_time(results, tmp_path):
    table = table_of(results, resolve(Request("parsers")))
    assert {line.row.name for _, line in points_of(table)} == {row.name for row in PARSERS.rows} - {
        "clip-reid"
    }
    draw_gains(table, tmp_path / "a.png")
    draw_gains(table, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert np.asarray(Image.open(tmp_path / "a.png").convert("L")).std() > 5


@pytest.mark.parametrize("asked", [{"seeds": "0"}, {"rows": "clip-reid"}])
def test_the_figure_is_drawn_of_gains_without_an_interval_and_of_none(asked, results, tmp_path):
    draw_gains(table_of(results, resolve(Request("parsers", **asked))), tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png").convert("L")).std() > 5

"""Table 5: its rows, what it shares with Table 3, what it says of starts and costs, and that PI-VL costs nothing more."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.analysis import costs
from harness.analysis.comparison import build
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import student_weights as students
from harness.inputs.spec import DataIdentity, Inputs
from harness.plan.planner import cells_of, make_plan
from harness.report import markdown
from harness.report.study_table import make_table
from harness.store.records import Results
from pivl.errors import UserError
from pivl.evaluation.inference_cost import measure_inference
from pivl.synthped.names import STUDENT_WEIGHTS
from pivl.synthped.recipe import EMBEDDED
from pivl.towers.student import build_student
from studies.backbones import BACKBONES
from studies.catalog import STUDIES
from tests.support.recorded_runs import complain, draw_run, write_finished
from tests.support.tiny_models import PI_VL, RECIPE, RESNET, SIZE, VIT, tiny_trainer

TRANSFER, FOUND = STUDIES["transfer"], DataIdentity("0" * 12, "")
STUDENT = "mobilenetv2-0.25"


def all_cells(experiment, student_weights: str):
    """The cells of a experiment's rows, on data that do not exist."""
    found = dict.fromkeys(experiment.all_inputs(experiment.rows), FOUND)
    return cells_of(experiment, experiment.rows, found, "f" * 64, student_weights)


def cells(*studies: str, student: str = "5" * 64, **typed: object):
    return [
        cell
        for study in studies
        for experiment in [resolve(Request(study, seeds="0", **typed))]
        for cell in all_cells(experiment, student)
    ]


def test_the_rows_are_the_papers() -> None:
    rows = {row.name: row for row in TRANSFER.rows}
    assert [(row.published.source, row.student) for row in rows.values()] == [
        ("Table 5, row 1", False),
        ("Table 5, row 2", False),
        ("Table 5, row 3", True),
        ("Table 5, row 4", True),
        ("Table 5, row 5", True),
    ]
    experiment = resolve(Request("transfer"))
    recipes = {name: experiment.recipe(row) for name, row in rows.items()}
    alone, of_clip, of_pi_vl = (recipes[name] for name in ("student", "student-clip-reid", "student-pi-vl"))
    assert replace(alone, image_to_text_weight=1.0) == of_clip
    assert replace(of_clip, part_text="identity+label", fusion="pyramid") == of_pi_vl
    assert alone.stages() == ("image-tower",)
    assert recipes["clip-reid"].student == "" != alone.student == STUDENT


def test_teachers_are_the_runs_of_table_3_and_nothing_is_trained_twice(tmp_path: Path) -> None:
    both, results = cells("ablation", "transfer"), Results(tmp_path, complain)
    assert len({cell.run.id for cell in both}) == 4 + 3  # the rows of Table 3, and three students
    plan = make_plan(both, results, retry_failed=False)
    assert sorted(task.stage for task in plan.tasks if not task.is_run) == [
        "identity-prompts",
        "part-prompts",
    ]


def test_the_student_alone_is_never_left_out() -> None:
    assert resolve(Request("transfer", rows="student-pi-vl")).rows == ("student", "student-pi-vl")
    assert resolve(Request("transfer", rows="clip-reid")).rows == ("clip-reid", "student")


def test_only_a_student_s_run_is_named_by_its_weights() -> None:
    """The id of a run without a student is what it was before students came (main at 516dcf7)."""
    ids = [
        {cell.row: (cell.run.id, cell.run.stage_id("part-prompts")) for cell in cells("transfer", student=of)}
        for of in ("5" * 64, "")
    ]
    for row in TRANSFER.rows:
        (one, stage), (other, same) = ids[0][row.name], ids[1][row.name]
        assert (one == other) != row.student
        assert stage == same
    then = {"depth_wise_start": "unit", "background": "class", "align_weight": 1.0, "head_rate": 1.5e-3}
    assert draw_run("clip-reid", **then).id == "958b26e03e472d90"


def test_a_student_is_trained_as_its_base_says_and_as_is_typed() -> None:
    experiment = resolve(Request("transfer", overrides=("rate=0.5",)))
    rows = {row.name: experiment.recipe(row) for row in TRANSFER.rows}
    students = BACKBONES["tiny"].students
    assert students["epochs"] != EMBEDDED.epochs
    assert rows["student"].epochs == students["epochs"]
    assert rows["clip-reid"].epochs == EMBEDDED.epochs
    assert rows["student"].rate == rows["clip-reid"].rate == 0.5
    with pytest.raises(UserError, match="student"):
        resolve(Request("transfer", overrides=("student=timm:resnet18",)))


def test_students_are_an_option_of_the_study_that_has_them() -> None:
    experiment = resolve(Request("transfer", student="timm:resnet18"))
    assert experiment.recipe(TRANSFER.rows[2]).student == "timm:resnet18"
    assert experiment.name == "transfer-timm-resnet18"
    assert resolve(Request("transfer", student=STUDENT)).name == "transfer"
    with pytest.raises(UserError, match="--student: ablation has no students"):
        resolve(Request("ablation", student="timm:resnet18"))
    with pytest.raises(UserError, match="--student-weights: controls has no students"):
        resolve(Request("controls", student_weights="a.pth"))
    with pytest.raises(UserError, match="no student is called 'resnet18'"):
        resolve(Request("transfer", student="resnet18"))


def test_published_figures_of_the_student_count_on_their_data_with_their_networks_only() -> None:
    paper = Request("transfer", dataset="market1501", backbone="rn50")
    assert resolve(paper).printed == ("RN50", "CNN", "MobileNetV2(0.25)")
    assert resolve(replace(paper, student="mobilenetv2-0.5")).printed == ("RN50", "CNN")
    assert resolve(Request("transfer")).printed == ()


def test_what_a_student_starts_from(tmp_path: Path) -> None:
    """The shipped file on embedded sets, a person's own, or nothing; noted for tables that name none."""
    embedded, market = Inputs("synthped"), Inputs("market1501", backbone="rn50")
    assert students.find_weights(embedded, STUDENT) == STUDENT_WEIGHTS
    assert students.find_weights(embedded, "mobilenetv2-0.5") is None
    assert students.find_weights(market, STUDENT) is None
    own, results = tmp_path / "own.pth", Results(tmp_path, complain)
    own.write_bytes(b"weights")
    named = replace(market, student_weights=str(own))
    digest = students.weights_digest(named, STUDENT, results)
    assert (len(digest), students.weights_digest(market, STUDENT, results)) == (64, "")
    students.note(named, STUDENT, results)
    assert students.weights_digest(market, STUDENT, results) == digest
    assert students.weights_digest(market, "mobilenetv2-0.5", results) == ""
    students.check(named, STUDENT, results)
    with pytest.raises(UserError, match="name it with --student-weights"):
        students.check(market, STUDENT, results)
    afresh = replace(market, student_weights="random")
    students.check(afresh, STUDENT, results)
    assert students.weights_digest(afresh, STUDENT, results) == ""
    with pytest.raises(UserError, match=r"none\.pth: no such weights file"):
        students.weights_digest(replace(market, student_weights="none.pth"), STUDENT, results)


@pytest.mark.parametrize(("vision", "student"), [(RESNET, ""), (VIT, ""), (RESNET, STUDENT)])
def test_pi_vl_adds_nothing_to_the_cost_of_the_descriptor(vision, student) -> None:
    """Exactly zero parameters and zero operations, though its head was trained and is there."""
    device, found = torch.device("cpu"), {}
    for name, recipe in {"clip-reid": RECIPE, "pi-vl": PI_VL}.items():
        trained = tiny_trainer(replace(recipe, student=student), vision).fresh()
        found[name] = measure_inference(trained.model.eval(), SIZE, device)
        assert found[name].images_per_second > 0
    assert found["pi-vl"].parameters == found["clip-reid"].parameters > 0
    assert found["pi-vl"].macs == found["clip-reid"].macs > 0


def test_costs_are_those_counted_by_hand() -> None:
    """A student's projection, necks and classifiers are training's alone; a pointwise convolution costs what it costs."""
    model = tiny_trainer(replace(RECIPE, student=STUDENT)).fresh().model.eval()
    cost = measure_inference(model, SIZE, torch.device("cpu"))
    net = model.tower.net
    assert cost.parameters == sum(value.numel() for value in net.parameters())
    counted = []
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(
                lambda conv, _, out: counted.append(out[0, 0].numel() * conv.weight.numel())
            )
    model.embed(torch.zeros(1, 3, *SIZE))
    assert cost.macs == sum(counted)


def test_mobilenet_of_a_quarter_width_has_the_parameters_that_it_is_known_for() -> None:
    """1,519,112 with the classifier of 1000 classes (method.md 5)."""
    tower = build_student(STUDENT, (64, 32), 8, torch.Generator().manual_seed(0))
    assert sum(one.numel() for one in tower.net.parameters()) + 1280 * 1000 + 1000 == 1_519_112


def finished(results: Results, student_weights: str = "", inference: bool = True) -> dict:
    """Every row of the study with drawn scores at two seeds, read back."""
    experiment, outcomes = resolve(Request("transfer", seeds="0,1")), {}
    for place, cell in enumerate(all_cells(experiment, student_weights)):
        extra = {"student_weights": cell.run.student_weights} if cell.run.recipe.student else {}
        if inference:
            cost = {"parameters": 238112, "macs": 5864704, "images_per_second": 100.0 + place}
            extra["inference"] = cost
        write_finished(results, cell.run, seed=place, **extra)
        outcomes.setdefault(cell.row, {})[cell.run.seed] = results.read_run(cell.run.id)
    return outcomes


def test_the_table_has_costs_and_says_where_students_start(tmp_path: Path) -> None:
    results, experiment = Results(tmp_path, complain), resolve(Request("transfer", seeds="0,1"))
    outcomes = finished(results)
    text = markdown.markdown(make_table(experiment, outcomes, results))
    assert "| Student alone " in text
    assert "Rank-1 gain over Student alone" in text
    assert re.search(r"\| Student with PI-VL's prompts +\| +0.238 \| +5.9 \| +108 \| cpu \(drawn\) +\|", text)
    assert "students start from random weights" in text
    assert (
        markdown.markdown(make_table(experiment, outcomes, results)) == text
    )  # from records alone, to the byte
    shipped = markdown.markdown(make_table(experiment, finished(results, "5" * 64), results))
    assert "random weights" not in shipped
    document = json.loads(markdown.PRINTERS["json"](make_table(experiment, outcomes, results)))
    assert document["rows"][4]["cost"]["macs"] == 5864704
    assert (
        "images_per_second"
        in markdown.PRINTERS["csv"](make_table(experiment, outcomes, results)).splitlines()[0]
    )


def test_records_from_before_costs_were_counted_leave_a_dash(tmp_path: Path) -> None:
    outcomes = finished(Results(tmp_path, complain), inference=False)
    table = build(TRANSFER, "drawn", outcomes)
    assert [line.cost for line in table.lines] == [None] * 5
    assert costs.NOTE not in markdown.markdown(table)
    assert costs.rows([("Student alone", None)]) == [["Student alone", "-", "-", "-", "-"]]


def test_costs_stand_in_no_other_table(tmp_path: Path) -> None:
    assert [name for name, study in STUDIES.items() if study.costs] == ["transfer"]

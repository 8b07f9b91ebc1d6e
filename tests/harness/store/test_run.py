"""Ids outlive the code that made them: literal ones of today, and a new choice at its default changes none."""

from dataclasses import asdict, field, fields, make_dataclass

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.run import Run
from pivl.recipe import SCHEMA_1, STAGES, Recipe
from pivl.synthped.recipe import EMBEDDED

CLIP_REID = ("1f7b5e7616c41eed", ["819cd2a47d7f99e2"])
PI_VL = ("44384b1ee7bff4c4", ["819cd2a47d7f99e2", "47f6e44df8623eac"])
IDS = {  # of the run and of the stages before it, as they were when records were first published
    ("ablation", "clip-reid"): CLIP_REID,
    ("ablation", "part-labels"): ("ed6f25e294f58b5d", ["819cd2a47d7f99e2"]),
    ("ablation", "identity-parts"): ("a62cc156efcda28a", ["819cd2a47d7f99e2", "47f6e44df8623eac"]),
    ("ablation", "pi-vl"): PI_VL,
    ("ablation", "pi-vl-joint"): ("0f8ccc530f63bb1f", ["b2076af306e53f37"]),
    ("ablation", "pi-vl-v2"): ("3ff94ad24749abe9", ["b2076af306e53f37"]),
    ("controls", "clip-reid"): CLIP_REID,
    ("controls", "pi-vl"): PI_VL,
    ("controls", "random-targets"): ("394d0e9afcce7a5a", ["819cd2a47d7f99e2", "47f6e44df8623eac"]),
    ("controls", "permuted-texts"): ("caa57da48a6a37b7", ["819cd2a47d7f99e2", "47f6e44df8623eac"]),
    ("transfer", "student"): ("6c0b8668c080d905", []),
    ("transfer", "student-clip-reid"): ("8b46a77eb07d802c", ["819cd2a47d7f99e2"]),
    ("transfer", "student-pi-vl"): ("e2024ec343c5f2c0", ["819cd2a47d7f99e2", "47f6e44df8623eac"]),
}
THEN = (  # as it was then
    "global_text=tuned", "depth_wise_start=unit", "background=class", "align_weight=1", "head_rate=0.0015",
)  # fmt: skip
ON_VIT = {
    "clip-reid": ("990bbf19ca8ad68f", ["99fce531c79cd892"]),
    "pi-vl": ("7d931ff41e33ca19", ["1c3537c2c114a43b", "2d3638ef57a68523"]),
}
WIDER = make_dataclass(
    "Wider",
    [("consistency_weight", float, field(default=0.0, metadata={"stage": "part-prompts"}))],
    bases=(Recipe,),
    frozen=True,
)


def run_of(study, row, kind=Recipe, maps="", overrides=THEN, **typed):
    experiment = resolve(Request(study, precision="fp32", overrides=overrides, **typed))
    recipe = next(experiment.recipe(one) for one in experiment.study.rows if one.name == row)
    recipe = kind(**asdict(recipe))
    start = "e" * 64 if recipe.student else ""
    return Run(recipe, "x", "0" * 12, "f" * 64, 3, maps=maps, student_weights=start)


def ids(run):
    return run.id, [run.stage_id(stage) for stage in run.recipe.stages()[:-1]]


@pytest.mark.parametrize("kind", [Recipe, WIDER], ids=["as it is", "with a field more"])
def test_ids_are_those_of_the_first_records(kind):
    for (study, row), wanted in IDS.items():
        assert ids(run_of(study, row, kind)) == wanted, (study, row)
    vit = {"dataset": "market1501", "backbone": "vit-b-16-sie-olp", "maps": "abc", "overrides": THEN[:2]}
    for row, wanted in ON_VIT.items():
        assert ids(run_of("comparison", row, kind, **vit)) == wanted, row


def test_a_new_choice_off_its_default_is_part_of_the_ids_from_its_stage_on():
    run, other = (
        Run(WIDER(**asdict(EMBEDDED), consistency_weight=weight), "x", "0" * 12, "f" * 64, 3)
        for weight in (0.0, 0.5)
    )
    assert run.id != other.id
    changed = {stage: run.stage_id(stage) != other.stage_id(stage) for stage in STAGES}
    assert changed == {"identity-prompts": False, "part-prompts": True, "image-tower": True}


def test_no_field_enters_the_set_of_those_that_always_name_runs():
    later = {item.name for item in fields(Recipe)} - SCHEMA_1
    assert len(SCHEMA_1) == 46
    assert later >= {"part_schedule", "align_pixels", "channel_alignment", "student"}
    assert {item.name for item in fields(Recipe)} >= SCHEMA_1


def test_a_run_that_was_written_before_the_field_is_read_as_the_same():
    run = run_of("ablation", "pi-vl")
    assert Run.from_json(asdict(run)) == run

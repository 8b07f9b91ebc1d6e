"""A recipe: closed choices, the stages it needs, and what each stage depends on."""

from dataclasses import fields, replace

import pytest

from pivl.recipe import EMBEDDED, RECIPES, STAGES, Recipe


def test_a_value_outside_a_closed_choice_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match="part_text is 'labels'; it must be one of 'none', 'label', 'identity"
    ):
        Recipe(part_text="labels")  # type: ignore[arg-type]


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="align_weight is -1"):
        Recipe(align_weight=-1)


def test_the_defaults_are_clip_reids_cnn():
    # cnn_clipreid.yml as written down in method.md 1.1
    recipe = Recipe()
    assert (recipe.identity_epochs, recipe.prompt_batch, recipe.prompt_rate, recipe.prompt_weight_decay) == (
        60, 64, 3.5e-4, 1e-4,
    )  # fmt: skip
    assert (recipe.epochs, recipe.rate, recipe.weight_decay, recipe.bias_rate_factor) == (
        120,
        3.5e-4,
        5e-4,
        2.0,
    )
    assert (recipe.milestones, recipe.warmup_epochs, recipe.warmup_factor) == ((40, 70), 10, 0.01)
    assert (recipe.identity_weight, recipe.triplet_weight, recipe.image_to_text_weight) == (1.0, 1.0, 1.0)
    assert recipe.part_text == "none"


def test_clip_reids_vit_differs_from_its_cnn_where_method_1_1_says_so():
    def differences(name, base):
        return {
            item.name: getattr(RECIPES[name], item.name)
            for item in fields(Recipe)
            if getattr(RECIPES[name], item.name) != getattr(RECIPES[base], item.name)
        }

    assert RECIPES["clip-reid-cnn"] == Recipe()
    assert differences("clip-reid-vit", "clip-reid-cnn") == {
        "backbone": "vit-b-16",
        "normalization": "half",
        "identity_epochs": 120,
        "identity_weight": 0.25,
        "rate": 5e-6,
        "weight_decay": 1e-4,
        "warmup_factor": 0.1,
        "milestones": (30, 50),
        "epochs": 60,
    }
    assert differences("clip-reid-vit-sie-olp", "clip-reid-vit") == {
        "patch_stride": 12,
        "camera_embedding": 1.0,
    }


def test_only_the_stages_that_a_recipe_uses_are_run():
    recipe = EMBEDDED
    assert replace(recipe, image_to_text_weight=0).stages() == ("image-tower",)
    assert recipe.stages() == ("identity-prompts", "image-tower")
    assert replace(recipe, part_text="label").stages() == ("identity-prompts", "image-tower")
    assert replace(recipe, part_text="identity+label").stages() == STAGES


def test_stages_are_shared_by_recipes_that_differ_only_later():
    other = replace(EMBEDDED, fusion="pyramid", epochs=3, part_temperature=0.2)
    assert other.stage_choices("identity-prompts") == EMBEDDED.stage_choices("identity-prompts")
    assert other.stage_choices("part-prompts") != EMBEDDED.stage_choices("part-prompts")
    assert replace(EMBEDDED, fusion="pyramid").stage_choices("part-prompts") == EMBEDDED.stage_choices(
        "part-prompts"
    )


def test_the_last_stage_depends_on_every_choice():
    recipe = replace(
        EMBEDDED,
        part_schedule="joint",
        align_pixels="confidence",
        channel_alignment="point-wise",
        student="mobilenetv2-0.25",
    )
    assert set(recipe.stage_choices("image-tower")) == {item.name for item in fields(Recipe)}


def test_a_later_choice_at_its_default_is_no_part_of_ids():
    """So that records from before it was there keep their ids."""
    later = {item.name for item in fields(Recipe) if item.metadata.get("later")}
    assert later == {"part_schedule", "align_pixels", "channel_alignment", "student"}
    assert set(EMBEDDED.choices()) == {item.name for item in fields(Recipe)} - later
    assert EMBEDDED.stage_choices("image-tower") == EMBEDDED.choices()
    assert replace(EMBEDDED, part_schedule="joint").choices()["part_schedule"] == "joint"


def test_joint_tuning_has_no_tokens_before_parts():
    recipe = replace(EMBEDDED, part_text="identity+label", part_schedule="joint")
    assert recipe.stages() == ("part-prompts", "image-tower")
    with pytest.raises(ValueError, match="leaves no tokens before parts"):
        replace(recipe, global_text="before-parts")

"""A recipe: closed choices, the stages it needs, and what each stage depends on."""

import re
from dataclasses import fields, replace

import pytest

from pivl.recipe import CLIP_REID_CNN, CLIP_REID_VIT, CLIP_REID_VIT_SIE_OLP, STAGES, Recipe
from pivl.synthped.recipe import EMBEDDED


def test_a_value_outside_a_closed_choice_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match="part_text is 'labels'; it must be one of 'none', 'label', 'identity"
    ):
        Recipe(part_text="labels")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("align_weight", -1, "align_weight is -1; it must be at least 0"),
        ("epochs", 0, "epochs is 0; it must be at least 1"),
        ("identity_epochs", 10**30, "identity_epochs is 1000000000000000000000000000000; it must be at most 100000"),
        ("people_per_batch", 0, "people_per_batch is 0; it must be at least 2"),
        ("people_per_batch", 1, "people_per_batch is 1; it must be at least 2"),
        ("people_per_batch", 8.0, "people_per_batch is 8.0; it must be a whole number"),
        ("images_per_person", 0, "images_per_person is 0; it must be at least 1"),
        ("prompt_batch", 0, "prompt_batch is 0; it must be at least 2"),
        ("epochs", True, "epochs is True; it must be a whole number"),
        ("rate", False, "rate is False; it must be a number"),
        ("rate", "fast", "rate is 'fast'; it must be a number"),
        ("rate", float("nan"), "rate is nan; it must be a finite number"),
        ("warmup_epochs", float("inf"), "warmup_epochs is inf; it must be a finite number"),
        ("prompt_rate", 0, "prompt_rate is 0; it must be at least 1e-15"),
        ("part_temperature", 0.0, "part_temperature is 0.0; it must be at least 0.0001"),
        ("label_smoothing", 1.5, "label_smoothing is 1.5; it must be at most 1"),
        ("flip_probability", 2, "flip_probability is 2; it must be at most 1"),
        ("image_size", (0, 64), "image_size is (0, 64); it must be at least 1"),
        ("image_size", (128,), "image_size is (128,); it must be 2 whole numbers"),
        ("image_size", [128, 64], "image_size is [128, 64]; it must be 2 whole numbers"),
        ("image_size", (10**9, 64), "image_size is (1000000000, 64); it must be at most 4096"),
        ("milestones", (70, 40), "milestones is (70, 40); they must rise"),
        ("milestones", (0, 40), "milestones is (0, 40); it must be at least 1"),
        ("align_stride", 0, "align_stride is 0; it must be at least 1"),
        ("align_stride", 200, "align_stride is 200; image_size has a side of fewer pixels"),
        ("patch_stride", -1, "patch_stride is -1; it must be at least 0"),
        ("identity_tokens", 78, "identity_tokens is 78; it must be at most 32"),
        ("fusion", 3, "fusion is 3; it must be one of 'last', 'pyramid'"),
        ("backbone", 50, "backbone is 50; it must be a name"),
    ],
)  # fmt: skip
def test_a_value_out_of_its_range_is_refused_with_the_range(field, value, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        Recipe(**{field: value})


def test_a_long_value_is_shortened_in_its_message():
    with pytest.raises(ValueError, match=r"^epochs is 1{40}\.\.\.; it must be at most 100000$"):
        Recipe(epochs=int("1" * 4000))


def test_every_number_has_a_range_that_holds_its_default_and_every_recipe():
    for item in fields(Recipe):
        is_number = isinstance(item.default, int | float | tuple)
        assert (item.metadata["range"] is not None) == is_number, item.name
    Recipe(
        epochs=1, people_per_batch=2, prompt_rate=1e-12, warmup_epochs=1000, milestones=()
    )  # the edges pass


def test_a_triplet_needs_a_second_picture():
    with pytest.raises(
        ValueError, match="images_per_person is 1; it must be at least 2 where triplet_weight"
    ):
        Recipe(images_per_person=1)
    assert Recipe(images_per_person=1, triplet_weight=0).images_per_person == 1


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
    def differences(one, base):
        return {
            item.name: getattr(one, item.name)
            for item in fields(Recipe)
            if getattr(one, item.name) != getattr(base, item.name)
        }

    assert Recipe() == CLIP_REID_CNN
    assert differences(CLIP_REID_VIT, CLIP_REID_CNN) == {
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
    assert differences(CLIP_REID_VIT_SIE_OLP, CLIP_REID_VIT) == {
        "patch_stride": 12,
        "camera_embedding": 1.0,
    }


def test_only_the_stages_that_a_recipe_uses_are_run():
    recipe = EMBEDDED
    assert replace(recipe, image_to_text_weight=0).stages() == ("image-tower",)
    assert recipe.stages() == ("identity-prompts", "image-tower")
    assert replace(recipe, part_text="label").stages() == ("identity-prompts", "image-tower")
    assert replace(recipe, part_text="description").stages() == ("identity-prompts", "image-tower")
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
        global_text="tuned",
        align_pixels="confidence",
        channel_alignment="point-wise",
        student="mobilenetv2-0.25",
        prompt_cosine="one",
        part_template="comma",
        part_wording="hyphens",
        part_similarity="dot",
        part_sampling="shuffle",
        part_warmup_epochs=0,
        global_targets="random",
        fused_stages="4",
        fuse="levels",
        align_loss="raw",
        cell_targets="shares",
        depth_wise_start="channels",
        part_text="identity+label",
        fusion="pyramid",
        own_loss="loss-0",
        own_loss_weight=2.0,
        own_head="Head-0",
        erased_labels="keep",
        image_normalization="half",
    )
    assert set(recipe.stage_choices("image-tower")) == {item.name for item in fields(Recipe)}


def test_a_student_may_be_normalised_unlike_its_teacher():
    recipe = replace(EMBEDDED, image_normalization="imagenet")
    assert [recipe.normalization_of(stage) for stage in STAGES] == ["clip", "clip", "imagenet"]
    assert {EMBEDDED.normalization_of(stage) for stage in STAGES} == {"clip"}
    assert recipe.stage_choices("part-prompts") == EMBEDDED.stage_choices("part-prompts")


def test_cells_are_weighted_once():
    with pytest.raises(ValueError, match="both weight cells; drop one"):
        replace(EMBEDDED, background="balanced", align_pixels="confidence")


def test_joint_tuning_has_no_tokens_before_parts():
    recipe = replace(EMBEDDED, part_text="identity+label", part_schedule="joint", global_text="tuned")
    assert recipe.stages() == ("part-prompts", "image-tower")
    with pytest.raises(ValueError, match="leaves no tokens before parts; global_text must be tuned"):
        replace(recipe, global_text="before-parts")


def test_texts_that_nothing_moved_have_one_name():
    """Without stage 1b `global_text` decides nothing: ids from before its default changed are still found."""
    plain = Recipe()
    assert plain.choices()["global_text"] == "tuned"
    assert replace(plain, global_text="tuned").choices() == plain.choices()
    moved = replace(plain, part_text="identity+label")
    assert moved.choices()["global_text"] == "before-parts"
    assert replace(moved, global_text="tuned").choices() != moved.choices()

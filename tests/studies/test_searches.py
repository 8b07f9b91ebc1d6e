"""Search spaces are data: fields of the recipe, ranges around what each backbone has, and nothing that makes the row."""

from dataclasses import replace

import pytest

from harness.search.space import around, confirmation
from pivl.recipe import Recipe, fields_before
from studies.backbones import BACKBONES
from studies.searches import (
    LOSS_WEIGHTS,
    RATES,
    SEARCH_PRESETS,
    SEARCHES,
    Choice,
    Float,
    Space,
)


def base_recipes(space: Space) -> list[Recipe]:
    return [
        replace(base.recipes[space.base.start], **{**preset.changes, **space.base.changes})
        for base in BACKBONES.values()
        for preset in SEARCH_PRESETS.values()
    ]


@pytest.mark.parametrize("space", SEARCHES.values(), ids=SEARCHES)
def test_every_backbones_own_recipe_lies_in_every_space(space):
    """It is the first trial of every search."""
    for recipe in base_recipes(space):
        for name, one in around(space, recipe).items():
            usual = getattr(recipe, name)
            if isinstance(one, Choice):
                assert usual in one.values
                assert all(replace(recipe, **{name: value}) for value in one.values)
            else:
                assert one.low <= usual <= one.high, (name, usual)
                assert all(replace(recipe, **{name: value}) for value in (one.low, one.high))
                assert one.low > 0 or not one.log


def test_the_spaces_are_those_that_the_issue_names():
    assert {name: space.name for name, space in SEARCHES.items()} == {name: name for name in SEARCHES}
    logarithmic = {name for name, one in LOSS_WEIGHTS.parameters.items() if one.log}
    assert logarithmic == {"align_weight", "part_temperature"}
    assert set(LOSS_WEIGHTS.parameters) - logarithmic == {
        "identity_weight",
        "triplet_weight",
        "image_to_text_weight",
    }
    assert set(SEARCHES["lambda"].parameters) == {"align_weight"}
    assert SEARCHES["lambda"].parameters["align_weight"].log
    assert set(SEARCHES["fusion-head"].parameters) == {"head_rate", "channel_alignment", "background"}


def test_clip_reid_is_searched_alike_with_and_without_text():
    """One of two rows that is tuned less loses by that alone."""
    with_text, without = SEARCHES["clip-reid"], SEARCHES["no-text"]
    assert with_text.parameters == without.parameters
    assert (with_text.base.name, without.base.name) == ("clip-reid", "no-text")


def test_what_a_space_leaves_alone_says_which_stages_its_trials_share():
    shared = {
        name: {
            stage
            for stage in ("identity-prompts", "part-prompts")
            if not fields_before(stage) & {*space.parameters}
        }
        for name, space in SEARCHES.items()
    }
    assert shared == {
        "loss-weights": {"identity-prompts"},
        "lambda": {"identity-prompts", "part-prompts"},
        "fusion-head": {"identity-prompts"},
        "rates": set(),
        "clip-reid": {"identity-prompts", "part-prompts"},
        "no-text": {"identity-prompts", "part-prompts"},
        "label-skill": {"identity-prompts"},
        "part-skill": {"identity-prompts"},
        "fusion-skill": {"identity-prompts"},
    }


def test_a_factor_is_a_range_around_the_recipes_own_value():
    vit = replace(BACKBONES["vit-b-16"].recipes["paper"])
    assert around(RATES, vit)["rate"] == Float(5e-6 / 10, 5e-6 * 10, log=True)


def test_a_space_may_not_vary_what_makes_its_row():
    with pytest.raises(ValueError, match="mine: fusion are what makes the row"):
        around(
            Space("mine", "Mine", {"fusion": Choice(("last", "pyramid"))}), BACKBONES["tiny"].recipes["paper"]
        )


def test_a_confirmation_compares_the_recipe_as_it_is_with_the_setting_that_was_found():
    study = confirmation(LOSS_WEIGHTS, {"align_weight": 0.3}, "Trial 7.")
    usual, tuned = study.rows
    assert study.reference == usual.name == "pi-vl"
    assert {**usual.changes, "align_weight": 0.3} == tuned.changes
    assert usual.method == tuned.method

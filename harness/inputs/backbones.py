"""Backbones by name: those that studies define, every other CLIP that has a name, and any CLIP of a kind."""

from dataclasses import replace
from functools import cache
from typing import Any

from harness.inputs.choices import choose
from pivl.towers.clip_catalog import named_clips, plain_name
from studies.backbones import BACKBONES, BY_KIND, Backbone

THE_PATCH = 0  # as a stride: patches side by side, whatever their size


def backbones() -> list[str]:
    """The name of every backbone."""
    return list(dict.fromkeys([*BACKBONES, *BY_KIND, *named_clips()]))


def choose_backbone(name: str) -> str:
    """The backbone that was typed in any spelling; UserError with the known names and the nearest."""
    return choose("backbone", plain_name(name), backbones())


@cache
def find_backbone(backbone: str) -> Backbone:
    """The backbone of the name in `backbones`, with the recipes of its kind and its own patch size."""
    if backbone in BACKBONES:
        return BACKBONES[backbone]
    if backbone in BY_KIND:
        return _like(BY_KIND[backbone], backbone, None, THE_PATCH)
    vision = named_clips()[backbone].architecture.vision
    return _like(BY_KIND[vision.kind], backbone, backbone, vision.patch)


def _like(base: Backbone, backbone: str, clip: str | None, patch_stride: int | None) -> Backbone:
    """`base` for another backbone of its kind, which the paper has no figures of."""
    own: dict[str, Any] = {"backbone": backbone}
    own |= {"patch_stride": patch_stride} if base.kind == "vit" else {}
    recipes = {method: replace(recipe, **own) for method, recipe in base.recipes.items()}
    return Backbone(base.kind, recipes, clip, students=base.students)

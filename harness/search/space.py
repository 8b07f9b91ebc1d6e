"""Applies a space of studies.searches to a recipe; the study that confirms its best setting."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pivl.recipe import Recipe
from studies.searches import Choice, Factor, Float, Space
from studies.study import Study


def around(space: Space, recipe: Recipe) -> dict[str, Float | Choice]:
    """The ranges and choices of each field of `space`, for a base row whose recipe this is.

    Raises ValueError for fields that are what makes the row.
    """
    if known := set(space.parameters) & set(space.base.changes):
        raise ValueError(
            f"{space.name}: {', '.join(sorted(known))} are what makes the row, and cannot be varied"
        )
    return {name: _around(one, getattr(recipe, name)) for name, one in space.parameters.items()}


def _around(one: Float | Factor | Choice, usual: Any) -> Float | Choice:
    """The absolute range as it is, or the range of factors times the recipe's `usual` value."""
    return Float(usual / one.most, usual * one.most, log=True) if isinstance(one, Factor) else one


def confirmation(space: Space, setting: Mapping[str, Any], found_by: str) -> Study:
    """The study that compares `setting`, the best of a search, with the default settings on the test identities."""
    changes = {**space.base.changes, **setting}
    tuned = replace(
        space.base, name="tuned", title=f"{space.base.title}, tuned", changes=changes, published=None
    )
    return Study(
        name=f"confirm-{space.name}",
        title=f"Confirmation: {space.title}",
        question="Is the best setting, chosen on held-out training identities, better on the test identities?",
        rows=(space.base, tuned),
        reference=space.base.name,
        caption=found_by,
        dataset=space.dataset,
    )

"""The texts that stage 2 aims at, of people and of their parts, and the control rows' substitutes (method.md 1.7)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pivl.prompts import Prompts
from pivl.recipe import Recipe

CHUNK = 64  # people at a time whose parts are encoded


@dataclass(frozen=True)
class Texts:
    """The targets of stage 2, fixed throughout: texts of people [P, D] and of their parts [P, parts, D], or None."""

    people: Tensor | None
    parts: Tensor | None


@torch.no_grad()
def target_texts(
    recipe: Recipe,
    prompts: Prompts,
    people: int,
    after_identity: Tensor | None,
    after_parts: Tensor | None,
    generator: torch.Generator,
) -> Texts:
    """Returns the texts of `people` by the tokens [P, M, W] after stage 1a and, where it ran, after stage 1b.

    `generator` draws the part texts of a control row. Raises ValueError where a stage's tokens lack.
    """
    device = prompts.start.device
    tuned = after_identity if after_parts is None or recipe.global_text == "before-parts" else after_parts
    whole = None
    if recipe.image_to_text_weight > 0:
        if tuned is None:
            raise ValueError("image-to-text supervision needs the tokens of stage 1a")
        whole = torch.cat([prompts.people(some) for some in tuned.to(device).split(256)])
    if recipe.part_text == "none":
        return Texts(whole, None)
    if recipe.part_text == "label":
        return Texts(whole, prompts.part_labels()[None].expand(people, -1, -1))
    if after_parts is None:
        raise ValueError("identity-aware part texts need the tokens of stage 1b")
    return Texts(whole, _substitute(recipe, part_texts(prompts, after_parts.to(device)), generator))


def part_texts(prompts: Prompts, tokens: Tensor) -> Tensor:
    """Returns the texts of every part of every person with tokens [P, M, W]: [P, parts, D]."""
    parts = len(prompts.part_lengths)
    every = torch.arange(len(tokens) * parts, device=tokens.device)
    rows = [prompts.parts(tokens, some // parts, some % parts) for some in every.split(CHUNK * parts)]
    return torch.cat(rows).unflatten(0, (-1, parts))


def _substitute(recipe: Recipe, table: Tensor, generator: torch.Generator) -> Tensor:
    """Returns the part texts [P, parts, D] themselves, or a control row's substitute."""
    if recipe.part_targets == "random":
        return torch.randn(table.shape, generator=generator).to(table)
    if recipe.part_targets == "permuted":
        flat = table.flatten(0, 1)
        return flat[torch.randperm(len(flat), generator=generator).to(flat.device)].view_as(table)
    return table

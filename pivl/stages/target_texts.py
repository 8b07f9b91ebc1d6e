"""The texts that stage 2 aims at, of people and of their parts, and what controls put in their place (method.md 1.7)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.pictures import Descriptions
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
    descriptions: Descriptions | None = None,
) -> Texts:
    """Returns the texts of `people` by the tokens [P, M, W] after stage 1a and, where it ran, after stage 1b.

    `descriptions`: of every part of everybody, for the recipe that takes these. Raises ValueError where they or a
    stage's tokens lack.
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
    labels = prompts.part_labels()[None].expand(people, -1, -1)
    if recipe.part_text == "label":
        return Texts(whole, labels)
    if recipe.part_text == "description":
        if descriptions is None:
            raise ValueError("exact descriptions of parts exist for rendered people alone")
        return Texts(whole, _described(prompts, labels, descriptions))
    if after_parts is None:
        raise ValueError("identity-aware part texts need the tokens of stage 1b")
    return Texts(whole, part_texts(prompts, after_parts.to(device)))


def substitute(
    recipe: Recipe, texts: Texts, streams: Callable[[str], torch.Generator], images: Callable[[], Tensor]
) -> Texts:
    """Returns the texts themselves, or what a control row has in their place.

    `streams` opens the random stream of a name; `images` gives a mean image feature [P, D] of everybody.
    """
    people, parts = texts.people, texts.parts
    if people is not None and recipe.global_targets != "text":
        drawn = streams("global-targets")
        wanted = images() if recipe.global_targets == "images" else _no_text(recipe, people, drawn)
        lengths = people.norm(dim=1, keepdim=True)
        people = functional.normalize(wanted.to(people), dim=1) * lengths
    if parts is not None and recipe.part_targets != "text":
        drawn = streams("part-targets")
        if recipe.part_targets == "random":
            parts = torch.randn(parts.shape, generator=drawn).to(parts)
        else:
            flat = parts.flatten(0, 1)
            parts = flat[torch.randperm(len(flat), generator=drawn).to(flat.device)].view_as(parts)
    return Texts(people, parts)


def _no_text(recipe: Recipe, people: Tensor, drawn: torch.Generator) -> Tensor:
    """Returns vectors [P, D] that say nothing of the people: drawn ones, other people's texts, or one-hot ones.

    The latter are P orthogonal axes, in a random direction since those of CLIP's space have meanings; where D < P, these
    axes seen from a random subspace of D dimensions, the nearest to orthogonal that there is.
    """
    if recipe.global_targets == "permuted":
        return people[torch.randperm(len(people), generator=drawn).to(people.device)]
    noise = torch.randn(people.shape, generator=drawn)
    if recipe.global_targets == "random":
        return noise
    return torch.linalg.qr(noise.T)[0].T if len(noise) <= noise.shape[1] else torch.linalg.qr(noise)[0]


def part_texts(prompts: Prompts, tokens: Tensor) -> Tensor:
    """Returns the texts of every part of every person with tokens [P, M, W]: [P, parts, D]."""
    parts = len(prompts.part_lengths)
    every = torch.arange(len(tokens) * parts, device=tokens.device)
    rows = [prompts.parts(tokens, some // parts, some % parts) for some in every.split(CHUNK * parts)]
    return torch.cat(rows).unflatten(0, (-1, parts))


def _described(prompts: Prompts, labels: Tensor, descriptions: Descriptions) -> Tensor:
    """Returns `labels` [P, parts, D] with the texts of the parts that are described in their places."""
    texts = sorted({text for own in descriptions for text in own if text is not None})
    encoded = dict(zip(texts, prompts.written(texts), strict=True))
    table = labels.clone()
    for person, own in enumerate(descriptions):
        for part, text in enumerate(own):
            if text is not None:
                table[person, part] = encoded[text]
    return table

"""Stage 1: a person's prompt tokens, tuned against the frozen CLIP's features (Eq. 2, 7, 8)."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from pivl.data.part_maps.labels import IGNORE
from pivl.loop import Fit, Schedule, autocast, only_trainable, warm_cosine
from pivl.losses import balance_parts, contrast, dense_contrast
from pivl.prompts import Prompts
from pivl.recipe import Recipe, Stage
from pivl.stages.training_data import PromptData, Similarity
from pivl.system import data_parallel

Terms = Callable[[Tensor], dict[str, Tensor]]  # from the indices of a batch to its named terms


def tune_prompts(
    stage: Stage, recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, data: PromptData
) -> Fit[Tensor]:
    """Returns the training of tokens [P, M, W] in stage 1a or 1b, or in both at once (version 2 of the paper, Eq. 7).

    Only the tokens train. Stage 1a compares pictures with texts of people, stage 1b pixels with texts of their parts; an
    anchored one goes on with what 1a does, on the same batches.
    """
    chosen, rate, epochs = [identity_terms, part_terms], recipe.part_rate, recipe.part_epochs
    if stage == "identity-prompts":
        chosen, rate, epochs = [identity_terms], recipe.prompt_rate, recipe.identity_epochs
    elif recipe.part_schedule == "joint":
        rate, epochs = recipe.prompt_rate, recipe.identity_epochs + recipe.part_epochs
    elif recipe.part_schedule == "after":
        chosen = [part_terms]
    only_trainable([tokens], prompts)
    built = [make(recipe, prompts, tokens, data) for make in chosen]

    def terms(index: Tensor) -> dict[str, Tensor]:
        return {name: value for some in built for name, value in some(index).items()}

    optimizer = torch.optim.Adam([tokens], lr=rate, weight_decay=recipe.prompt_weight_decay)
    return Fit(epochs, data.batches, terms, optimizer, prompt_schedule(recipe, stage), recipe.precision)


def identity_terms(recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, data: PromptData) -> Terms:
    """Returns the contrast of pictures and people, both ways (Eq. 2). Each person of a batch is encoded once."""
    assert data.image is not None
    similarity, image = data.similarity, data.similarity.prepare(data.image)

    def terms(index: Tensor) -> dict[str, Tensor]:
        people, place = data.person[index].unique(return_inverse=True)
        with _autocast_texts(tokens.device, recipe.precision):
            encoded = data_parallel.spread(lambda some: prompts.people(tokens[some]), people)
        text = similarity.prepare(encoded)[place]
        positives = place[:, None] == place[None]
        return {
            "image_to_text": contrast(image[index], text, positives, similarity.temperature),
            "text_to_image": contrast(text, image[index], positives, similarity.temperature),
        }

    return terms


def part_terms(recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, data: PromptData) -> Terms:
    """Returns the contrast of pixels and parts of people, both ways (Eq. 7-8).

    The texts are the unique (person, part) pairs of the batch, compared in both directions with all its labelled pixels;
    positives share person and part. `background` balanced weights pixels; every pair counts the same as it is.
    """
    assert data.dense is not None
    assert data.labels is not None
    person, dense, labels, parts = data.person, data.dense, data.labels, len(prompts.part_lengths)
    prepare = Similarity(recipe.part_similarity == "cosine", recipe.part_temperature).prepare

    def terms(index: Tensor) -> dict[str, Tensor]:
        label = labels[index]
        labelled = label != IGNORE
        pixels = prepare(dense[index].permute(0, 2, 3, 1)[labelled])
        pair = (person[index, None, None] * parts + label)[labelled]
        pairs, place = pair.unique(return_inverse=True)
        with _autocast_texts(tokens.device, recipe.precision):
            texts = data_parallel.spread(
                lambda some: prompts.parts(tokens, some // parts, some % parts), pairs
            )
        shares = balance_parts(label.flatten(1), parts).view_as(label)[labelled]
        weights = shares if recipe.background == "balanced" else None
        to_pixel, to_text = dense_contrast(prepare(texts), pixels, place, recipe.part_temperature, weights)
        return {"text_to_pixel": to_pixel, "pixel_to_text": to_text}

    return terms


def _autocast_texts(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """`autocast` for prompts, but none on a CPU: its casts made stage 1 of the embedded benchmark 1.7 times as long."""
    return autocast(device, "fp32" if device.type == "cpu" else precision)


def prompt_schedule(recipe: Recipe, stage: Stage) -> Schedule:
    """Returns the learning-rate schedule of stage 1a or 1b: a warm cosine each, or its part of one through both.

    Only the schedule of one cosine goes on in 1b; the moments of Adam begin anew.
    """
    before, warmup = recipe.identity_epochs, recipe.prompt_warmup_epochs
    one = recipe.part_schedule == "joint" or recipe.prompt_cosine == "one"
    if stage == "part-prompts" and not one and recipe.part_warmup_epochs >= 0:
        warmup = recipe.part_warmup_epochs
    own = before if stage == "identity-prompts" else recipe.part_epochs
    epochs = before + recipe.part_epochs if one else own
    rates = recipe.prompt_rate, recipe.prompt_warmup_rate, recipe.prompt_least_rate
    whole = warm_cosine(epochs, rates[0], warmup, *rates[1:])
    if stage == "part-prompts" and recipe.prompt_cosine == "one" and recipe.part_schedule != "joint":
        return lambda epoch, share: whole(before + epoch, share)
    return whole

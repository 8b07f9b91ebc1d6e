"""Stage 1: a person's prompt tokens, tuned against the frozen CLIP's features (Eq. 2, 7, 8)."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional

from pivl.data.part_maps.labels import IGNORE
from pivl.loop import Fit, Schedule, autocast, only_trainable, warm_cosine
from pivl.losses import contrast, dense_contrast
from pivl.prompts import Prompts
from pivl.recipe import Recipe, Stage
from pivl.stages.training_data import PromptData
from pivl.system import data_parallel

Terms = Callable[[Tensor], dict[str, Tensor]]  # from the indices of a batch to its named terms


def tune_prompts(
    stage: Stage, recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, data: PromptData
) -> Fit[Tensor]:
    """Returns the training of tokens [P, M, W] in stage 1a or 1b, or in both at once (version 2 of the paper, Eq. 7).

    Only the tokens train. Stage 1a compares pictures with texts of people, stage 1b pixels with texts of their parts.
    """
    if stage == "identity-prompts":
        chosen, rate, epochs = [identity_terms], recipe.prompt_rate, recipe.identity_epochs
    elif recipe.part_schedule == "joint":
        chosen, rate = [identity_terms, part_terms], recipe.prompt_rate
        epochs = recipe.identity_epochs + recipe.part_epochs
    else:
        chosen, rate, epochs = [part_terms], recipe.part_rate, recipe.part_epochs
    only_trainable([tokens], prompts)
    built = [make(recipe, prompts, tokens, data) for make in chosen]

    def terms(index: Tensor) -> dict[str, Tensor]:
        return {name: value for some in built for name, value in some(index).items()}

    optimizer = torch.optim.Adam([tokens], lr=rate, weight_decay=recipe.prompt_weight_decay)
    return Fit(epochs, data.batches, terms, optimizer, prompt_schedule(recipe, epochs), recipe.precision)


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

    The texts are the unique (person, part) pairs of the batch, compared in both directions with all its labelled pixels
    by cosine; positives share person and part.
    """
    assert data.dense is not None
    assert data.labels is not None
    person, dense, labels, parts = data.person, data.dense, data.labels, len(prompts.part_lengths)

    def terms(index: Tensor) -> dict[str, Tensor]:
        label = labels[index]
        labelled = label != IGNORE
        pixels = functional.normalize(dense[index].float().permute(0, 2, 3, 1)[labelled], dim=1)
        pair = (person[index, None, None] * parts + label)[labelled]
        pairs, place = pair.unique(return_inverse=True)
        with _autocast_texts(tokens.device, recipe.precision):
            texts = data_parallel.spread(
                lambda some: prompts.parts(tokens, some // parts, some % parts), pairs
            )
        texts = functional.normalize(texts.float(), dim=1)
        to_pixel, to_text = dense_contrast(texts, pixels, place, recipe.part_temperature)
        return {"text_to_pixel": to_pixel, "pixel_to_text": to_text}

    return terms


def _autocast_texts(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """`autocast` for prompts, but none on a CPU: its casts made stage 1 of the embedded benchmark 1.7 times as long."""
    return autocast(device, "fp32" if device.type == "cpu" else precision)


def prompt_schedule(recipe: Recipe, epochs: int) -> Schedule:
    """Returns the learning-rate schedule of stage 1 over its `epochs`."""
    return warm_cosine(
        epochs,
        recipe.prompt_rate,
        recipe.prompt_warmup_epochs,
        recipe.prompt_warmup_rate,
        recipe.prompt_least_rate,
    )

"""The three stages of training: who trains, on what, by which terms (Sec. 3.1, 3.3, 3.4; method.md 1.6, 1.7).

Each stage is a pivl.loop.Fit, to be iterated over; its terms are named and already weighted, their sum is the loss.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from pivl.data.part_maps.confidence import cell_confidence
from pivl.data.part_maps.labels import IGNORE
from pivl.data.part_maps.voting import BACKGROUND, Patches, vote
from pivl.data.store import Batch
from pivl.loop import Fit, Schedule, autocast, only_trainable, smooth_cosine, warm_cosine, warm_steps
from pivl.losses import alignment, contrast, dense_contrast, hard_triplet, identity_loss
from pivl.model import ReIDModel
from pivl.prompts import Prompts
from pivl.recipe import Recipe
from pivl.system import data_parallel
from pivl.towers.features import Features
from pivl.towers.student import Tower

Batches = Callable[[int], Sequence[Tensor]]  # from the epoch to its batches of picture indices
Terms = Callable[[Tensor], dict[str, Tensor]]  # from the indices of a batch to its named terms


@dataclass(frozen=True)
class Similarity:
    """How image and text features are compared: by raw dot products, or by cosines times CLIP's own scale."""

    normalized: bool
    temperature: float

    def prepare(self, features: Tensor) -> Tensor:
        """Features [N, D] in float32, of unit length where cosines are compared."""
        return functional.normalize(features.float(), dim=-1) if self.normalized else features.float()


def tune_identity_prompts(
    recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, image: Tensor, person: Tensor, batches: Batches,
    similarity: Similarity,
) -> Fit[Tensor]:  # fmt: skip
    """Stage 1a: identity tokens [P, M, W] against cached image features [N, D] of people [N] (Eq. 2).

    Only the tokens train. Each person of a batch is encoded once.
    """
    only_trainable([tokens], prompts)
    terms = identity_terms(recipe, prompts, tokens, image, person, similarity)
    optimizer = torch.optim.Adam([tokens], lr=recipe.prompt_rate, weight_decay=recipe.prompt_weight_decay)
    epochs = recipe.identity_epochs
    return Fit(epochs, batches, terms, optimizer, prompt_schedule(recipe, epochs), recipe.precision)


def tune_part_prompts(
    recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, dense: Tensor, labels: Tensor, person: Tensor,
    batches: Batches,
) -> Fit[Tensor]:  # fmt: skip
    """Stage 1b: the same tokens against cached dense features [N, D, h, w] with part ids [N, h, w] (Eq. 7-8).

    Only the tokens train. The texts are the unique (person, part) pairs of the batch, compared in both directions with
    all its labelled pixels by cosine; positives share person and part.
    """
    only_trainable([tokens], prompts)
    terms = part_terms(recipe, prompts, tokens, dense, labels, person)
    optimizer = torch.optim.Adam([tokens], lr=recipe.part_rate, weight_decay=recipe.prompt_weight_decay)
    epochs = recipe.part_epochs
    return Fit(epochs, batches, terms, optimizer, prompt_schedule(recipe, epochs), recipe.precision)


def tune_jointly(
    recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, batches: Batches, *both: Terms
) -> Fit[Tensor]:
    """Stage 1 of the paper's version 2 (its Eq. 7): the tokens by `both` terms at once, for the epochs of 1a and 1b."""
    only_trainable([tokens], prompts)

    def terms(index: Tensor) -> dict[str, Tensor]:
        return {name: value for some in both for name, value in some(index).items()}

    optimizer = torch.optim.Adam([tokens], lr=recipe.prompt_rate, weight_decay=recipe.prompt_weight_decay)
    epochs = recipe.identity_epochs + recipe.part_epochs
    return Fit(epochs, batches, terms, optimizer, prompt_schedule(recipe, epochs), recipe.precision)


def identity_terms(
    recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, image: Tensor, person: Tensor, similarity: Similarity
) -> Terms:  # fmt: skip
    """The contrast of pictures and people, both ways (Eq. 2); arguments as in tune_identity_prompts."""
    image = similarity.prepare(image)

    def terms(index: Tensor) -> dict[str, Tensor]:
        people, place = person[index].unique(return_inverse=True)
        with _autocast_texts(tokens.device, recipe.precision):
            encoded = data_parallel.spread(lambda some: prompts.people(tokens[some]), people)
        text = similarity.prepare(encoded)[place]
        positives = place[:, None] == place[None]
        return {
            "image_to_text": contrast(image[index], text, positives, similarity.temperature),
            "text_to_image": contrast(text, image[index], positives, similarity.temperature),
        }

    return terms


def part_terms(
    recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, dense: Tensor, labels: Tensor, person: Tensor
) -> Terms:
    """The contrast of pixels and parts of people, both ways (Eq. 7-8); arguments as in tune_part_prompts."""
    parts = len(prompts.part_lengths)

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


@dataclass(frozen=True)
class Texts:
    """What stage 2 aims at, fixed throughout: texts of people [P, D] and of their parts [P, parts, D], or None."""

    people: Tensor | None
    parts: Tensor | None


@dataclass(frozen=True)
class BatchSource:
    """The training pictures of stage 2: the batches of each epoch, and how this rank's share of one is fetched."""

    batches: Batches
    fetch: Callable[[Tensor], Batch]


def align_images(
    recipe: Recipe,
    model: ReIDModel,
    head: nn.Module,
    texts: Texts,
    similarity: Similarity,
    supply: BatchSource,
) -> Fit[Tensor]:
    """Stage 2: the image tower, necks, classifiers and fusion head by Eq. 12; texts stay as they are.

    Terms: identity and triplet (Eq. 3-4), image_to_text where there are texts of people, alignment (Eq. 11) where
    there are texts of parts and the batch has part maps.
    """
    only_trainable([*model.trained_parameters(), *head.parameters()], model, head)
    model.train()
    head.train()
    people = None if texts.people is None else similarity.prepare(texts.people)

    def terms(index: Tensor) -> dict[str, Tensor]:
        batch = supply.fetch(index)
        with autocast(batch.image.device, recipe.precision):
            features = model.tower(batch.image, batch.camera)
            logits = model.logits(features)
            pixels = None if texts.parts is None else head(features)
        whole = partial(data_parallel.gather, whole=len(index))
        pooled = {name: whole(getattr(features, name)) for name in ("last", "feat", "proj")}
        losses = picture_losses(
            recipe, replace(features, **pooled), [whole(some) for some in logits], whole(batch.person), people,
            similarity,
        )  # fmt: skip
        named = {
            "identity": recipe.identity_weight * losses.identity.sum(),
            "triplet": recipe.triplet_weight * losses.triplet.sum(),
        }
        if losses.image_to_text is not None:
            named["image_to_text"] = recipe.image_to_text_weight * losses.image_to_text
        if texts.parts is not None and pixels is not None:
            labels = cell_labels(recipe, model.tower, batch.part_map, pixels.shape[-2:], texts.parts.shape[1])
            sure = None
            if recipe.align_pixels == "confidence":
                sure = cell_confidence(batch.confidence, pixels.shape[-2:])
            loss = alignment(pixels, texts.parts[batch.person], labels, sure)
            counted = (labels != IGNORE).flatten(1)
            named["alignment"] = recipe.align_weight * data_parallel.mean(
                loss, counted.sum() if sure is None else counted.any(dim=1).sum()
            )
        return named

    optimizer = image_optimizer(recipe, model, head)
    return Fit(recipe.epochs, supply.batches, terms, optimizer, image_schedule(recipe), recipe.precision)


@dataclass(frozen=True)
class PictureLosses:
    """CLIP-ReID's losses of one batch before their weights: identity [2 heads], triplet [3 features], scalar or None."""

    identity: Tensor
    triplet: Tensor
    image_to_text: Tensor | None


def picture_losses(
    recipe: Recipe, features: Features, logits: Sequence[Tensor], person: Tensor, people: Tensor | None,
    similarity: Similarity,
) -> PictureLosses:  # fmt: skip
    """The losses of pictures of `person` [B] as a whole (Eq. 3-4); `people` [P, D] are prepared texts, or None."""
    smoothing, pooled = recipe.label_smoothing, (features.last, features.feat, features.proj)
    to_text = None
    if people is not None:
        scores = similarity.prepare(features.proj) @ people.T / similarity.temperature
        to_text = identity_loss(scores, person, smoothing)
    return PictureLosses(
        torch.stack([identity_loss(scores, person, smoothing) for scores in logits]),
        torch.stack([hard_triplet(feature, person, recipe.triplet_margin) for feature in pooled]),
        to_text,
    )


def image_optimizer(recipe: Recipe, model: ReIDModel, head: nn.Module) -> torch.optim.Optimizer:
    """Adam over model and head: biases at a rate of their own, as in CLIP-ReID's make_optimizer.py, and so the head."""
    trained = {id(parameter) for parameter in model.trained_parameters()}
    named = [(name, parameter) for name, parameter in model.named_parameters() if id(parameter) in trained]
    groups = [
        {"params": [parameter for name, parameter in named if "bias" not in name], "lr": recipe.rate},
        {
            "params": [parameter for name, parameter in named if "bias" in name],
            "lr": recipe.rate * recipe.bias_rate_factor,
        },
        {"params": list(head.parameters()), "lr": recipe.head_rate},
    ]
    filled = [group for group in groups if group["params"]]
    return torch.optim.Adam(filled, weight_decay=recipe.weight_decay, fused=True)


def cell_labels(
    recipe: Recipe, tower: Tower, part_map: Tensor | None, grid: Sequence[int], parts: int
) -> Tensor:
    """The part of every cell of `grid`, int64 [B, h, w], by the recipe's vote; IGNORE where no text applies.

    A ViT's own tokens are windows of its patch, which may overlap; every other grid parts the image evenly.
    Raises ValueError without part maps, which alignment and part prompts need.
    """
    if part_map is None:
        raise ValueError("part texts need part maps; the data set has none")
    overlapping = tower.overlapping_patches(tuple(grid))
    windows = Patches(*overlapping) if overlapping else None
    labels = vote(part_map, (grid[0], grid[1]), parts, recipe.label_vote, windows)
    return labels.masked_fill(labels == BACKGROUND, IGNORE) if recipe.background == "ignore" else labels


def prompt_schedule(recipe: Recipe, epochs: int) -> Schedule:
    """The schedule of stage 1a or 1b over its `epochs`."""
    return warm_cosine(
        epochs,
        recipe.prompt_rate,
        recipe.prompt_warmup_epochs,
        recipe.prompt_warmup_rate,
        recipe.prompt_least_rate,
    )


def image_schedule(recipe: Recipe) -> Schedule:
    """The schedule of stage 2."""
    if recipe.schedule == "steps":
        return warm_steps(recipe.milestones, recipe.warmup_epochs, recipe.warmup_factor)
    return smooth_cosine(recipe.epochs, recipe.warmup_epochs, recipe.warmup_factor)

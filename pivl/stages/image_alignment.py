"""Stage 2: the image tower, trained against fixed texts of people and of their parts (Eq. 3, 4, 11, 12)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from pivl.fusion import Head
from pivl.loop import (
    Fit,
    Schedule,
    autocast,
    gradient_norms,
    only_trainable,
    smooth_cosine,
    warm_steps,
)
from pivl.losses import (
    CellErrors,
    TextErrors,
    alignment,
    class_errors,
    class_errors_to_all,
    hard_triplet,
    identity_loss,
    raw_errors,
    raw_errors_to_all,
    soft_alignment,
    unit_errors,
    unit_errors_to_all,
)
from pivl.model import ReIDModel
from pivl.recipe import Recipe
from pivl.stages.own_code import LossInput, OwnLoss, own_term
from pivl.stages.target_texts import Texts
from pivl.stages.training_data import BatchSource, Similarity, aim_cells
from pivl.system import data_parallel
from pivl.towers.features import Features


def align_images(
    recipe: Recipe,
    model: ReIDModel,
    head: Head,
    texts: Texts,
    similarity: Similarity,
    data: BatchSource,
    own_loss: OwnLoss | None = None,
) -> Fit[Tensor]:
    """Returns the training of image tower, necks, classifiers and fusion head by Eq. 12; texts stay as they are.

    Terms: identity and triplet (Eq. 3-4), image_to_text where there are texts of people, alignment (Eq. 11) where
    there are texts of parts and the batch has part maps, own where there is an `own_loss`. The gradients of terms are
    measured where the tower's outputs part (Features.shared), which costs a hundredth of an epoch of 18 steps: of the
    last map of a ResNet and not of its weights, at which the terms have the same shares and the way back is three times
    as long.
    """
    only_trainable([*model.trained_parameters(), *head.parameters()], model, head)
    model.train()
    head.train()
    people = None if texts.people is None else similarity.prepare(texts.people)
    seen: list[Tensor] = []

    def terms(index: Tensor) -> dict[str, Tensor]:
        batch = data.fetch(index)
        fit.observe("input")
        with autocast(batch.image.device, recipe.precision):
            features = model.tower(batch.image, batch.camera)
            logits = model.logits(features)
            levels = () if texts.parts is None else head.levels(features)
        seen[:] = [features.shared]
        fit.observe("forward")
        whole = partial(data_parallel.gather, whole=len(index))
        pooled = {name: whole(getattr(features, name)) for name in ("last", "feat", "proj")}
        scores, person = tuple(whole(some) for some in logits), whole(batch.person)
        losses = picture_losses(recipe, replace(features, **pooled), scores, person, people, similarity)
        named = {
            "identity": recipe.identity_weight * losses.identity.sum(),
            "triplet": recipe.triplet_weight * losses.triplet.sum(),
        }
        if losses.image_to_text is not None:
            named["image_to_text"] = recipe.image_to_text_weight * losses.image_to_text
        labels = None
        if texts.parts is not None:
            parts = texts.parts.shape[1]
            labels, weights = aim_cells(recipe, model.tower, batch, levels[0].shape[-2:], parts)
            named["alignment"] = recipe.align_weight * level_alignment(
                recipe, levels, texts.parts[batch.person], labels, weights
            )
        if own_loss is not None:
            step = LossInput(
                **{name: one.float() for name, one in pooled.items()},
                logits=scores, person=person, camera=whole(batch.camera), person_texts=texts.people,
                maps=tuple(whole(one).float() for one in levels),
                part_texts=None if texts.parts is None else texts.parts[person],
                cells=None if labels is None else whole(labels),
            )  # fmt: skip
            named["own"] = recipe.own_loss_weight * own_term(own_loss, step)
        return named

    optimizer = image_optimizer(recipe, model, head)
    fit = Fit(recipe.epochs, data.batches, terms, optimizer, image_schedule(recipe), recipe.precision)
    fit.gradients = lambda named: gradient_norms(named, seen.pop())
    return fit


def level_alignment(
    recipe: Recipe, levels: Sequence[Tensor], texts: Tensor, labels: Tensor, weights: Tensor
) -> Tensor:
    """Returns the alignment of maps [B, D, h, w], their mean, with the texts [B, parts, D] of their people (Eq. 11).

    All maps have one grid, whose cells have `labels` [B, h, w] and count `weights` [B, h*w] or, for targets by shares,
    [B, h*w, parts]. Every rank has the mean over all ranks.
    """
    if recipe.cell_targets == "shares":
        to_all: dict[str, TextErrors] = {
            "unit": unit_errors_to_all,
            "raw": raw_errors_to_all,
            "classes": partial(class_errors_to_all, temperature=recipe.part_temperature),
        }
        soft = [soft_alignment(one, texts, weights, to_all[recipe.align_loss]) for one in levels]
        return data_parallel.mean(torch.stack(soft).mean(), weights.sum())
    errors: dict[str, CellErrors] = {
        "unit": unit_errors,
        "raw": raw_errors,
        "classes": partial(class_errors, temperature=recipe.part_temperature),
    }
    losses = [alignment(one, texts, labels, weights, errors[recipe.align_loss]) for one in levels]
    return data_parallel.mean(torch.stack(losses).mean(), weights.sum())


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
    """Returns the losses of pictures of `person` [B] as a whole (Eq. 3-4); `people` [P, D]: prepared texts or None."""
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
    """Returns Adam over model and head: a rate each for weights, biases (CLIP-ReID's make_optimizer.py) and head."""
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


def image_schedule(recipe: Recipe) -> Schedule:
    """Returns the learning-rate schedule of stage 2."""
    if recipe.schedule == "steps":
        return warm_steps(recipe.milestones, recipe.warmup_epochs, recipe.warmup_factor)
    return smooth_cosine(recipe.epochs, recipe.warmup_epochs, recipe.warmup_factor)

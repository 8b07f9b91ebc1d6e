"""Health of a trained run: whether each part of the method took hold, as named figures on training pictures.

Texts: do pictures, as the frozen CLIP sees them, find the text of their person after each stage, and among the texts
that stage 2 aims at? Part prompts: do its cells find the text of their part? Alignment: is the trained map nearer to its
targets than the bounds of `alignment_bounds`? Shares are in percent, cross-entropy in nats, losses as Eq. 11 has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.normalization import NORMALIZATIONS
from pivl.data.part_maps.labels import IGNORE
from pivl.data.part_maps.voting import BACKGROUND
from pivl.data.pictures import Split
from pivl.data.store import Store, plain
from pivl.evaluation.alignment_bounds import AlignmentBounds
from pivl.evaluation.confusion import Confusion
from pivl.evaluation.text_fit import TextFit, mean_cosine
from pivl.loop import autocast
from pivl.model import Trained
from pivl.recipe import Recipe, Stage
from pivl.stages.image_alignment import level_alignment
from pivl.stages.target_texts import Texts, part_texts
from pivl.stages.training_data import aim_cells, cell_labels, evenly_spaced, similarity
from pivl.towers.clip import Clip
from pivl.train import Trainer

PICTURES = 512  # training pictures for texts, evenly spaced: a top-1 of 65 % is known to 2 points, one of 99 % to 0.5
ALIGNED = 256  # training pictures for the alignment loss: 130,000 cells of the embedded benchmark
BATCH = 64

SHORT: Mapping[Stage, str] = {"identity-prompts": "identity", "part-prompts": "parts"}

Tokens = Mapping[Stage, Tensor]
"""The identity tokens [P, M, W] that a stage of prompts left, by stage."""


@dataclass(frozen=True)
class FrozenView:
    """The sampled training pictures as the frozen CLIP describes them: image [N, D] and dense tokens [N, D, h, w]."""

    image: Tensor
    dense: Tensor


@torch.no_grad()
def view_frozen(recipe: Recipe, split: Split, clip: Clip, device: torch.device) -> FrozenView:
    """Returns the frozen CLIP's view of the sampled training pictures; rows of one CLIP and data can share it."""
    store, vision = _sample(split, PICTURES, device), clip.vision.to(device).eval()
    normalization = NORMALIZATIONS[recipe.normalization]
    image, dense = [], []
    for index in torch.arange(len(store)).split(BATCH):
        with autocast(device, recipe.precision):
            features = vision(plain(store.gather(index), normalization).image)
            image.append(features.proj)
            dense.append(features.tokens)
    return FrozenView(torch.cat(image), torch.cat(dense))


@torch.no_grad()
def measure_health(
    trainer: Trainer, trained: Trained, tokens: Tokens, texts: Texts, seen: FrozenView
) -> dict[str, float]:
    """Returns the named figures of a run; those of stages and terms that its recipe does not have are left out."""
    store = _sample(trainer.split, PICTURES, trainer.device)
    found = _measure_texts(trainer, tokens, texts, seen, store.person)
    if "part-prompts" in tokens:
        found |= _measure_part_prompts(trainer, tokens["part-prompts"], seen, store)
    if texts.parts is not None:
        some = _sample(trainer.split, ALIGNED, trainer.device)
        found |= _measure_alignment(trainer, trained, texts.parts, some)
    return found


def _sample(split: Split, most: int, device: torch.device) -> Store:
    """At most `most` training pictures, evenly spaced, on `device`."""
    taken = Store.hold(split.train, "cpu").gather(evenly_spaced(len(split.train), most))
    planes = (None if plane is None else plane.to(device) for plane in (taken.part_map, taken.confidence))
    return Store(taken.image.to(device), taken.person.to(device), taken.camera.to(device), *planes)


def _measure_texts(
    trainer: Trainer, tokens: Tokens, texts: Texts, seen: FrozenView, person: Tensor
) -> dict[str, float]:
    """The fit of the texts of people after stages 1a and 1b, and of those that stage 2 uses, and how far they moved."""
    compared, prompts = similarity(trainer.recipe, trainer.clip), trainer.prompts()
    named = {
        SHORT[stage]: torch.cat([prompts.people(some) for some in tuned.to(trainer.device).split(256)])
        for stage, tuned in tokens.items()
    }
    if texts.people is not None:
        named["used"] = texts.people
    found = {}
    for short, people in named.items():
        fit = TextFit.of(seen.image, person, people, compared)
        found[f"text_{short}_top1"] = 100 * fit.top1
        found[f"text_{short}_cross_entropy"] = fit.cross_entropy
        found[f"text_{short}_length"] = fit.length
        if short != "identity" and "identity" in named:
            found[f"text_{short}_cosine"] = mean_cosine(named["identity"], people)
    return found


def _measure_part_prompts(
    trainer: Trainer, tokens: Tensor, seen: FrozenView, store: Store
) -> dict[str, float]:
    """How cells of the frozen tower name their part among the texts of their own person's parts after stage 1b."""
    prompts, classes = trainer.prompts(), len(trainer.split.labels.parts)
    grid = seen.dense.shape[-2:]
    labels = cell_labels(trainer.recipe, trainer.clip.vision, store.part_map, grid, classes).flatten(1)
    people, place = store.person.unique(return_inverse=True)
    texts = part_texts(prompts, tokens.to(trainer.device)[people]).float()
    if trainer.recipe.part_similarity == "cosine":
        texts = functional.normalize(texts, dim=2)
    nothing = torch.zeros(classes, classes, dtype=torch.int64)
    found = Confusion(nothing)
    for index in torch.arange(len(place)).split(BATCH):
        cells = seen.dense[index].float().flatten(2).transpose(1, 2)
        answer = (cells @ texts[place[index]].transpose(1, 2)).argmax(2)
        labelled = labels[index] != IGNORE
        found += Confusion.of(labels[index][labelled], answer[labelled], classes)
    found = found.merged(trainer.split.labels.flip_pairs)
    return {
        "prompt_part_accuracy": 100 * found.balanced,
        "prompt_part_chance": 100 * found.balanced_chance,
    }


def _measure_alignment(trainer: Trainer, trained: Trained, texts: Tensor, store: Store) -> dict[str, float]:
    """The alignment loss of the trained map beside the bounds for the same targets, and the share of background."""
    recipe, tower = trainer.recipe, trained.model.tower
    normalization = NORMALIZATIONS[recipe.normalization_of("image-tower")]
    weights, total = torch.zeros(texts.shape[:2], dtype=torch.float64, device=trainer.device), 0.0
    background = cells = 0
    for index in torch.arange(len(store)).split(BATCH):
        batch = plain(store.gather(index), normalization)
        with autocast(trainer.device, recipe.precision):
            levels = trained.head.levels(tower(batch.image, batch.camera))
        grid = levels[0].shape[-2:]
        every = cell_labels(replace(recipe, background="class"), tower, batch.part_map, grid, texts.shape[1])
        background += int((every == BACKGROUND).sum())
        cells += int((every != IGNORE).sum())
        labels, weight = aim_cells(recipe, tower, batch, grid, texts.shape[1])
        mean = level_alignment(recipe, levels, texts[batch.person], labels, weight)
        total += float(mean) * float(weight.sum())
        if weight.dim() == 3:
            weights.index_add_(0, batch.person, weight.double().sum(1))
            continue
        person = batch.person[:, None].expand_as(weight)
        kind = labels.flatten(1).masked_fill(weight == 0, 0)
        weights.index_put_((person, kind), weight.double(), accumulate=True)
    counted = float(weights.sum())
    bounds = AlignmentBounds.of(texts, weights, recipe.align_loss)
    loss = total / counted if counted else float("nan")
    return {
        "alignment_loss": loss,
        "alignment_constant": bounds.constant,
        "alignment_per_part": bounds.per_part,
        "alignment_per_person": bounds.per_person,
        "skill": bounds.skill(loss),
        "skill_beyond_parts": bounds.skill_beyond_parts(loss),
        "background_share": 100 * background / max(1, cells),
    }

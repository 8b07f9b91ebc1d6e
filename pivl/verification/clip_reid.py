"""The figures of the original CLIP-ReID, computed again by the code that `run` uses (shared/reference/README.md).

Towers, prompts, losses, stages, the optimisation loop and the recipes are the production ones; only what the original
kept as a figure (maps inside a tower, features of a step) is read here through forward hooks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pivl.data.part_maps.labels import LIP
from pivl.data.store import Batch
from pivl.fusion import LastTokens
from pivl.loop import Fit, Schedule, Step
from pivl.model import ReIDModel
from pivl.prompts import Prompts
from pivl.recipe import CLIP_REID_CNN, CLIP_REID_VIT, Recipe
from pivl.stages.image_alignment import align_images, image_schedule, picture_losses
from pivl.stages.prompt_tuning import prompt_schedule, tune_prompts
from pivl.stages.target_texts import Texts
from pivl.stages.training_data import BatchSource, PromptData, Similarity
from pivl.towers.clip import ImageTower
from pivl.towers.resnet import ResNetTower
from pivl.towers.student import StudentTower
from pivl.verification.reference_file import (
    AFTER_FEW,
    AFTER_STEPS,
    FORWARD,
    ONE_ROUNDING,
    RATES,
    Figures,
    Measure,
    Recomputed,
)
from pivl.verification.reference_inputs import Drawing

Progress = Callable[[str], None]
Passes = list[tuple[tuple[Any, ...], Any]]  # inputs and output of a module, pass by pass
FIRST = 4  # pictures of which, and people of whom, the files keep the large figures
KEPT = 2048  # about as many numbers of a large map are kept per picture
PEOPLE = 12  # whose texts they keep at least, if there are as many
STAGE_1_STEPS = 5
STEPS = 2**7  # of stage 2 at most
OF_SQUARES = 8  # roundings, see triplet_measure
RAW = Similarity(normalized=False, temperature=1.0)


def recompute(figures: Figures, progress: Progress, nudge: int = 0) -> Iterator[Recomputed]:
    """Yields every figure of a clip-reid file, in the order of its stages, from inputs moved by a `nudge` (Drawing.read).

    UserError where its meta describes no CLIP.
    """
    drawing = Drawing.read(figures, nudge)
    recipe = CLIP_REID_CNN if drawing.backbone == "resnet" else CLIP_REID_VIT
    yield from learning_rates(recipe)
    progress("drawing the weights")
    clip = drawing.clip(str(figures.path))
    model = reference_model(drawing, clip.vision)
    prompts = Prompts(clip.text, clip.vocabulary, LIP).eval()
    progress("one pass through the towers")
    yield from tower_figures(drawing, figures, model)
    tokens = nn.Parameter(drawing.identity_tokens())
    with torch.no_grad():
        image = model.tower(drawing.images()).proj
        text = torch.cat([prompts.people(some) for some in tokens.split(256)])
    shown = max(PEOPLE, len(np.atleast_1d(figures.values.get("text.identity", ()))))
    yield Recomputed("text.identity", text[:shown], FORWARD)
    yield Recomputed("stage1.image", image, FORWARD)
    still = hold_rates(recipe, figures)
    yield from stage_1(drawing, still, prompts, tokens, image, progress)
    with torch.no_grad():
        texts = Texts(torch.cat([prompts.people(some) for some in tokens.split(256)]), None)
    yield from stage_2(drawing, still, model, texts, progress)


def hold_rates(recipe: Recipe, figures: Figures) -> Recipe:
    """`recipe` for the few steps of a file, an epoch each: without warm-up, and with no decay to come."""
    return replace(
        recipe,
        prompt_warmup_epochs=0,
        prompt_least_rate=recipe.prompt_rate,
        identity_epochs=STAGE_1_STEPS,
        epochs=figures.whole("stage2_steps", most=STEPS),
        warmup_epochs=0,
        milestones=(),
    )


def learning_rates(recipe: Recipe) -> Iterator[Recomputed]:
    """lr.*: what the loop sets in every epoch of the recipe's stages."""
    stages = {
        "lr.stage1": (
            recipe.identity_epochs,
            recipe.prompt_rate,
            prompt_schedule(recipe, "identity-prompts"),
        ),
        "lr.stage2": (recipe.epochs, recipe.rate, image_schedule(recipe)),
    }
    for key, (epochs, rate, schedule) in stages.items():
        yield Recomputed(key, rates_of(epochs, rate, schedule), RATES)


def rates_of(epochs: int, rate: float, schedule: Schedule) -> Tensor:
    """float64 [epochs]: the rates that `fit` gives an optimizer over epochs of one step."""
    weight = nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([weight], lr=rate)
    steps = Fit(epochs, lambda _: [torch.zeros(1)], lambda _: {"nothing": 0 * weight}, optimizer, schedule)
    return torch.tensor([optimizer.param_groups[0]["lr"] for _ in steps], dtype=torch.float64)


def reference_model(drawing: Drawing, tower: ImageTower) -> ReIDModel:
    """Returns the model over the file's identities, with the file's classifiers, in evaluation mode."""
    model = ReIDModel(tower, drawing.identities, torch.Generator())
    with torch.no_grad():
        for name, layer in (("classifier", model.classifier), ("classifier_proj", model.classifier_proj)):
            layer.weight.copy_(drawing.classifier(name, layer.in_features))
    return model.eval()


@torch.no_grad()
def tower_figures(drawing: Drawing, figures: Figures, model: ReIDModel) -> Iterator[Recomputed]:
    """visual.* and eval.embedding of the first pictures."""
    image, tower = drawing.images()[:FIRST], model.tower
    assert not isinstance(tower, StudentTower)  # the original code has none
    with seen(last_stage(tower)) as passed:
        features = tower(image)
    (last, *_), feat = passed[0]
    proj = torch.cat([features.proj[:, None], features.tokens.flatten(2).transpose(1, 2)], dim=1)
    if isinstance(tower, ResNetTower):
        proj = proj.transpose(0, 1)  # the original's attention pool puts the token first
    else:
        feat = tower.net.ln_post(feat)
    for key, ours in (("visual.last", last), ("visual.feat", feat), ("visual.proj", proj)):
        if key in figures.values and figures.values[key].ndim == 2:
            ours = ours.flatten(1)
            ours = ours[:, :: max(1, ours.shape[1] // KEPT)]
        yield Recomputed(key, ours, FORWARD)
    yield Recomputed("eval.embedding", model.embed(image), FORWARD)


def last_stage(tower: ImageTower) -> nn.Module:
    """Returns the part of a tower whose input is `last` and whose output is `feat`, before pooling and norm."""
    return tower.net.layer4 if isinstance(tower, ResNetTower) else tower.net.transformer.resblocks[-1]


@contextmanager
def seen(*modules: nn.Module) -> Iterator[Passes]:
    """Yields the inputs and the output of every pass through `modules`, as they happen."""
    passed: Passes = []
    handles = [
        module.register_forward_hook(lambda _, inputs, output: passed.append((inputs, output)))
        for module in modules
    ]
    try:
        yield passed
    finally:
        for handle in handles:
            handle.remove()


def stage_1(
    drawing: Drawing, recipe: Recipe, prompts: Prompts, tokens: nn.Parameter, image: Tensor, progress: Progress
) -> Iterator[Recomputed]:  # fmt: skip
    """stage1.*: the losses of every step on all pictures at once; `tokens` are tuned."""
    everything = torch.arange(len(image))
    steps: list[Step] = []
    data = PromptData(drawing.person(), lambda _: [everything], RAW, image)
    for step in tune_prompts("identity-prompts", recipe, prompts, tokens, data):
        steps.append(step)
        progress(f"stage 1, step {step.epoch} of {step.epochs}")
    yield Recomputed("stage1.i2t", steps[0].terms["image_to_text"], FORWARD)
    yield Recomputed("stage1.t2i", steps[0].terms["text_to_image"], FORWARD)
    yield Recomputed("stage1.losses", totals(steps), AFTER_FEW)
    yield Recomputed("stage1.cls_ctx_after", tokens.detach()[:FIRST].clone(), AFTER_STEPS)


def stage_2(
    drawing: Drawing, recipe: Recipe, model: ReIDModel, texts: Texts, progress: Progress
) -> Iterator[Recomputed]:
    """stage2.*: the losses and features of the first step, the losses of all, the descriptor after them."""
    images, person = drawing.images(), drawing.person()
    everything, camera = torch.arange(len(images)), torch.zeros_like(person)
    data = BatchSource(
        lambda _: [everything], lambda index: Batch(images[index], person[index], camera[index], None)
    )
    steps: list[Step] = []
    with seen(model.tower, model.classifier, model.classifier_proj) as passed:
        for step in align_images(recipe, model, LastTokens(), texts, RAW, data):
            if not steps:
                yield from first_step(recipe, passed, person, texts)
            passed.clear()
            steps.append(step)
            progress(f"stage 2, step {step.epoch} of {step.epochs}")
    yield Recomputed("stage2.losses", totals(steps), AFTER_FEW)
    with torch.no_grad():
        embedding = model.eval().embed(images[:FIRST])
    yield Recomputed("stage2.embedding_after", embedding, AFTER_STEPS)


@torch.no_grad()
def first_step(recipe: Recipe, passed: Passes, person: Tensor, texts: Texts) -> list[Recomputed]:
    """stage2.first.* and stage2.train_*: from what tower and classifiers gave; the text is that after stage 1's steps."""
    (_, features), (_, logits), (_, logits_proj) = passed
    losses = picture_losses(recipe, features, (logits, logits_proj), person, texts.people, RAW)
    if losses.image_to_text is None:
        raise ValueError("stage 2 had no texts to compare with")
    triplets = zip(losses.triplet, (features.last, features.feat, features.proj), strict=True)
    return [
        *(
            Recomputed(f"stage2.first.id{number}", loss, FORWARD)
            for number, loss in enumerate(losses.identity)
        ),
        *(
            Recomputed(f"stage2.first.tri{number}", loss, triplet_measure(loss, compared, person))
            for number, (loss, compared) in enumerate(triplets)
        ),
        Recomputed("stage2.first.i2t", losses.image_to_text, AFTER_FEW),
        Recomputed("stage2.train_feats", features.feat, FORWARD),
        Recomputed("stage2.train_proj", features.proj, FORWARD),
    ]


def triplet_measure(loss: Tensor, features: Tensor, person: Tensor) -> Measure:
    """How far a hard triplet `loss` of features [B, D] may be: as one pass is, or by eight roundings of the squares.

    The square of a distance d is |a|^2 + |b|^2 - 2ab. Its three sums and the two that join them round by some four times
    2^-24 of |a|^2 in all, so d does by half of that over d, and the loss is of two distances: four, and three were seen.
    Where pictures look alike to a tower, as to one of random weights, |a|^2 is hundreds of times d. Never more than half
    a thousandth, so that a loss that is off by one is seen.
    """
    features = features.double()
    strangers = torch.cdist(features, features)[person[:, None] != person[None]]
    rounding = ONE_ROUNDING * features.square().sum(dim=1).max() / strangers.min()
    return Measure(min(max(FORWARD.tolerance, float(OF_SQUARES * rounding / loss)), 5e-4))


def totals(steps: list[Step]) -> Tensor:
    """[steps]: the loss of each."""
    return torch.stack([torch.stack(list(step.terms.values())).sum() for step in steps])

"""Our stages are CLIP-ReID's: losses, tokens and descriptors of the original code, met by the code that `run` uses."""

import dataclasses

import pytest
import torch
from torch import nn

from pivl.data.labels import LIP
from pivl.data.store import Batch
from pivl.fusion import LastTokens
from pivl.loop import warm_cosine, warm_steps
from pivl.losses import contrast
from pivl.model import ReIDModel
from pivl.prompts import Prompts
from pivl.recipe import Recipe
from pivl.stages import Similarity, Supply, Texts, align_images, tune_identity_prompts
from tests.reference import Case, case, relative_deviation

ONE_PASS, AFTER_STEPS = 1e-5, 1e-3  # what reference/README.md expects
RAW = Similarity(normalized=False, temperature=1.0)
# Learning rates held still, as the reference's few steps were: no warm-up, and no decay to come.
STILL = Recipe(
    prompt_warmup_epochs=0,
    prompt_least_rate=3.5e-4,
    identity_epochs=5,
    epochs=3,
    warmup_epochs=0,
    milestones=(),
)
RECIPES = {
    "clipreid_rn_tiny": STILL,
    "clipreid_vit_tiny": dataclasses.replace(STILL, rate=5e-6, weight_decay=1e-4, identity_weight=0.25),
}
SCHEDULES = {
    "clipreid_rn_tiny": (warm_cosine(60, 3.5e-4, 5, 1e-5, 1e-6), 3.5e-4, warm_steps((40, 70), 10, 0.01)),
    "clipreid_vit_tiny": (warm_cosine(120, 3.5e-4, 5, 1e-5, 1e-6), 5e-6, warm_steps((30, 50), 10, 0.1)),
}


@pytest.fixture(params=sorted(RECIPES))
def name(request):
    return request.param


def _everything(_):
    return [torch.arange(16)]


def _tune(reference: Case, recipe: Recipe):
    clip = reference.clip()
    tokens = nn.Parameter(reference.identity_tokens())
    image = clip.vision(reference.images()).proj.detach()
    prompts = Prompts(clip.text, clip.vocabulary, LIP)
    steps = list(tune_identity_prompts(recipe, prompts, tokens, image, reference.labels(), _everything, RAW))
    return clip, prompts, tokens.detach(), steps


def test_the_two_contrastive_losses(name):
    reference = case(name)
    clip, person = reference.clip(), reference.labels()
    with torch.no_grad():
        image = clip.vision(reference.images()).proj
        text = Prompts(clip.text, clip.vocabulary, LIP).people(reference.identity_tokens()[person])
    positives = person[:, None] == person[None]
    for key, loss in {
        "stage1.i2t": contrast(image, text, positives, 1.0),
        "stage1.t2i": contrast(text, image, positives, 1.0),
    }.items():
        assert relative_deviation(loss, reference.figures[key]) < ONE_PASS


def test_five_steps_of_identity_prompts(name):
    reference = case(name)
    _, _, tokens, steps = _tune(reference, RECIPES[name])
    losses = torch.stack([sum(step.terms.values()) for step in steps])
    assert relative_deviation(losses, reference.figures["stage1.losses"]) < AFTER_STEPS
    assert relative_deviation(tokens[:4], reference.figures["stage1.cls_ctx_after"]) < AFTER_STEPS


def test_three_steps_of_the_image_tower(name):
    reference, recipe = case(name), RECIPES[name]
    clip, prompts, tokens, _ = _tune(reference, recipe)
    model = ReIDModel(clip.vision, len(tokens), torch.Generator())
    with torch.no_grad():
        for layer, weight in zip(
            (model.classifier, model.classifier_proj), reference.classifiers(), strict=True
        ):
            layer.weight.copy_(weight)
        texts = Texts(prompts.people(tokens), None)
    images, person = reference.images(), reference.labels()
    supply = Supply(
        _everything, lambda index: Batch(images[index], person[index], torch.zeros(16).long(), None)
    )
    steps = list(align_images(recipe, model, LastTokens(), texts, RAW, supply))

    figures = reference.figures
    first = {
        "identity": recipe.identity_weight * (figures["stage2.first.id0"] + figures["stage2.first.id1"]),
        "triplet": sum(figures[f"stage2.first.tri{number}"] for number in range(3)),
        "image_to_text": figures["stage2.first.i2t"],
    }
    assert set(steps[0].terms) == set(first)
    for term, expected in first.items():
        assert (
            relative_deviation(steps[0].terms[term], expected) < ONE_PASS * 10
        )  # text after 5 steps of ours
    losses = torch.stack([sum(step.terms.values()) for step in steps])
    assert relative_deviation(losses, figures["stage2.losses"]) < AFTER_STEPS
    with torch.no_grad():
        embedding = model.eval().embed(images[:4])
    assert relative_deviation(embedding, figures["stage2.embedding_after"]) < AFTER_STEPS


def test_the_features_of_a_training_step(name):
    reference = case(name)
    with torch.no_grad():
        features = reference.clip().vision.train()(reference.images())
    assert relative_deviation(features.feat, reference.figures["stage2.train_feats"]) < ONE_PASS
    assert relative_deviation(features.proj, reference.figures["stage2.train_proj"]) < ONE_PASS


def test_every_epochs_learning_rates(name):
    prompt_schedule, rate, schedule = SCHEDULES[name]
    figures = case(name).figures
    for key, base, factor in (("lr.stage1", 3.5e-4, prompt_schedule), ("lr.stage2", rate, schedule)):
        for epoch, expected in enumerate(figures[key], start=1):
            assert base * factor(epoch, 0.0) == pytest.approx(expected, rel=1e-9)

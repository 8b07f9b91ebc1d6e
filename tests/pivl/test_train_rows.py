"""Rows of one seed: bit for bit repeatable, unlike only in what they claim, and alike at inference."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from pivl.data.normalization import NORMALIZATIONS
from pivl.data.part_maps.labels import LIP
from pivl.fusion import make_head
from pivl.prompts import draw_identity_tokens
from pivl.stages.target_texts import Texts, substitute
from pivl.system.random_streams import torch_stream
from tests.support.tiny_models import (
    PI_VL,
    RECIPE,
    RESNET,
    SIZE,
    VIT,
    tiny_clip,
    tiny_split,
    tiny_trainer,
    train,
)


@pytest.mark.parametrize("vision", [RESNET, VIT], ids=["cnn", "vit"])
@pytest.mark.parametrize(
    ("part_text", "fusion"),
    [("none", "last"), ("label", "last"), ("identity+label", "last"), ("identity+label", "pyramid")],
)
def test_every_row_trains_with_either_tower(part_text, fusion, vision):
    terms: dict[str, float] = {}
    recipe = replace(RECIPE, part_text=part_text, fusion=fusion)
    trained = train(tiny_trainer(recipe, vision, report=lambda stage, step: terms.update(step.terms)))
    assert ("alignment" in terms) == (part_text != "none")
    assert all(torch.isfinite(value).all() for value in trained.model.state_dict().values())


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    one, again, other = (train(tiny_trainer(PI_VL, seed=seed)).model.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.skipif("OTHER_KERNELS" in os.environ, reason="another process has this processor's own kernels")
def test_another_process_gives_the_same_bits():
    code = (
        "from tests.pivl.test_train_rows import _digest\n"
        "from tests.support.tiny_models import PI_VL, tiny_trainer, train\n"
        "import torch; torch.set_num_threads(1)\n"
        "print(_digest(train(tiny_trainer(PI_VL)).model))"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert found.stdout.strip() == _digest(train(tiny_trainer(PI_VL)).model)
    finally:
        torch.set_num_threads(threads)


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def test_rows_of_a_seed_see_the_same_pictures_and_start_from_the_same_classifiers():
    first: dict[str, list[dict[str, float]]] = {}
    for recipe, name in ((RECIPE, "clip-reid"), (PI_VL, "pi-vl")):

        def note(stage, step, name=name):
            if stage == "image-tower":
                first.setdefault(name, []).append({key: float(value) for key, value in step.terms.items()})

        train(tiny_trainer(recipe, report=note))
    # before the first update only the tower, the classifiers, the batch and its augmentation decide these two
    for term in ("identity", "triplet"):
        assert first["clip-reid"][0][term] == first["pi-vl"][0][term]
    assert first["clip-reid"][1]["identity"] != first["pi-vl"][1]["identity"]


def test_inference_adds_nothing():
    baseline, informed = train(tiny_trainer(RECIPE)), train(tiny_trainer(PI_VL))
    assert list(informed.head.parameters())
    assert not list(baseline.head.parameters())
    shapes = {name: value.shape for name, value in baseline.model.state_dict().items()}
    assert shapes == {name: value.shape for name, value in informed.model.state_dict().items()}
    baseline.model.load_state_dict(informed.model.state_dict())
    image = torch.randn(2, 3, *SIZE)
    torch.testing.assert_close(baseline.model.embed(image), informed.model.embed(image))
    assert _flops(baseline.model, image) == _flops(informed.model, image)


def _flops(model, image):
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.embed(image)
    return counter.get_total_flops()


def test_label_texts_are_the_same_for_everybody_and_identity_texts_are_not():
    trainer = tiny_trainer(replace(RECIPE, part_text="label"))
    tokens = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    labels = trainer.texts(tokens, None).parts
    assert torch.equal(labels[0], labels[7])
    parts = tiny_trainer(PI_VL).texts(tokens, tokens).parts
    assert not torch.equal(parts[0], parts[7])


def test_global_text_comes_from_the_tokens_that_the_recipe_names():
    before = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    after = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(1))
    base = tiny_trainer(RECIPE).texts(before, None).people
    torch.testing.assert_close(tiny_trainer(PI_VL).texts(before, after).people, base)
    tuned = tiny_trainer(replace(PI_VL, global_text="tuned"))
    assert not torch.allclose(tuned.texts(before, after).people, base)


def test_controls_replace_only_the_targets():
    tokens = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    right, permuted, random = (
        tiny_trainer(replace(PI_VL, part_targets=targets)).texts(tokens, tokens)
        for targets in ("text", "permuted", "random")
    )
    assert torch.equal(right.people, permuted.people)
    assert torch.equal(right.people, random.people)
    same_rows = torch.equal(
        right.parts.flatten(0, 1).sort(dim=0).values, permuted.parts.flatten(0, 1).sort(dim=0).values
    )
    assert same_rows
    assert not torch.equal(right.parts, permuted.parts)
    assert not torch.equal(right.parts, random.parts)


@pytest.mark.parametrize("targets", ["random", "permuted", "one-hot", "images"])
def test_what_stands_for_texts_of_people_is_as_long_as_they_are_and_changes_no_other_text(targets):
    tokens = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    right = tiny_trainer(PI_VL).texts(tokens, tokens)
    made = tiny_trainer(replace(PI_VL, global_targets=targets))
    found = made.texts(tokens, tokens)
    assert torch.equal(found.parts, right.parts)
    torch.testing.assert_close(found.people.norm(dim=1), right.people.norm(dim=1))
    assert torch.equal(found.people, made.texts(tokens, tokens).people)
    unit = functional.normalize(found.people, dim=1)
    cosines = unit @ functional.normalize(right.people, dim=1).T
    if targets == "permuted":
        torch.testing.assert_close(cosines.max(dim=1).values, torch.ones(8))
        assert sorted(cosines.argmax(dim=1).tolist()) == list(range(8))
        assert cosines.argmax(dim=1).tolist() != list(range(8))
    if targets == "one-hot":
        torch.testing.assert_close(unit @ unit.T, torch.eye(8), atol=1e-5, rtol=0)
    if targets == "images":
        train, vision = made.split.train, made.clip.vision
        normalized = NORMALIZATIONS[made.recipe.normalization].normalize(train.image)
        with torch.no_grad():
            features = vision(normalized).proj
        means = torch.stack([features[train.person == person].mean(dim=0) for person in range(8)])
        torch.testing.assert_close(unit, functional.normalize(means, dim=1), atol=1e-5, rtol=1e-4)


def test_more_people_than_dimensions_have_one_hot_vectors_that_are_nearly_orthogonal():
    """Welch's bound on the mean square of P unit vectors' cosines in D dimensions is reached by a tight frame."""
    people = torch.randn(80, 32, generator=torch.Generator().manual_seed(0))
    made = replace(PI_VL, global_targets="one-hot")
    found = substitute(made, Texts(people, None), lambda name: torch_stream(0, name), lambda: people).people
    unit = functional.normalize(found, dim=1)
    square = (unit @ unit.T).square().mean()
    assert float(square) == pytest.approx(1 / 32, rel=0.05)


def test_described_parts_have_their_sentences_and_the_others_their_names():
    split = tiny_split()
    described = tuple(
        tuple("A photo of a person's hat." if part == 5 and person else None for part in range(20))
        for person in range(8)
    )
    recipe = replace(PI_VL, part_text="description")
    tokens = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    found = tiny_trainer(recipe, split=replace(split, descriptions=described)).texts(tokens, None).parts
    labels = tiny_trainer(replace(PI_VL, part_text="label")).texts(tokens, None).parts
    assert torch.equal(found[0], labels[0])
    torch.testing.assert_close(found[3, 5], labels[3, LIP.parts.index("hat")])
    others = [part for part in range(20) if part != 5]
    assert torch.equal(found[3, others], labels[3, others])
    with pytest.raises(ValueError, match="exist for rendered people alone"):
        tiny_trainer(recipe).texts(tokens, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"align_loss": "raw"},
        {"align_loss": "classes", "part_text": "label"},
        {"fuse": "levels"},
        {"cell_targets": "shares", "part_template": "of"},
        {"fuse": "concat", "fused_stages": "2-5"},
        {"background": "balanced"},
        {"part_schedule": "anchored"},
        {"global_targets": "images", "erased_labels": "keep"},
        {"part_similarity": "dot", "part_sampling": "shuffle", "prompt_cosine": "one"},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_every_choice_trains(changes):
    terms: dict[str, float] = {}
    train(tiny_trainer(replace(PI_VL, **changes), report=lambda stage, step: terms.update(step.terms)))
    assert all(torch.isfinite(value) for value in terms.values())
    assert float(terms["alignment"]) > 0


def test_without_text_there_is_no_stage_one_and_no_text():
    recipe = replace(RECIPE, image_to_text_weight=0.0)
    assert recipe.stages() == ("image-tower",)
    texts = tiny_trainer(recipe).texts(None, None)
    assert texts.people is None
    assert texts.parts is None


def test_a_head_that_is_drawn_or_not_changes_no_other_draw():
    tower = tiny_clip().vision
    stream = torch.Generator().manual_seed(0)
    make_head(PI_VL, tower, stream)
    used = stream.get_state()
    make_head(RECIPE, tower, stream)
    assert torch.equal(used, stream.get_state())

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

from pivl.fusion import make_head
from pivl.prompts import draw_identity_tokens
from tests.support.tiny_models import PI_VL, RECIPE, RESNET, SIZE, VIT, tiny_clip, tiny_trainer, train


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

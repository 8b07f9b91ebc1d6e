"""Who trains in each stage, on what, and that rows of one seed differ only by what they claim."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from pivl.data.labels import IGNORE, LIP
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.recipe import EMBEDDED
from pivl.stages import (
    Similarity,
    assign_parts,
    cell_labels,
    image_optimizer,
    tune_identity_prompts,
    tune_part_prompts,
)
from pivl.towers.clip import ImageInput, build_vision
from pivl.train import Trainer, make_head
from tests.tiny import RESNET, SIZE, VIT, tiny_clip, tiny_split

RECIPE = replace(
    EMBEDDED,
    image_size=SIZE,
    identity_epochs=3,
    part_epochs=3,
    epochs=2,
    prompt_batch=16,
    people_per_batch=4,
    padding=2,
)
PI_VL = replace(RECIPE, part_text="identity+label", fusion="pyramid")


def _trainer(recipe=RECIPE, vision=RESNET, seed=0, report=lambda stage, step: None):
    return Trainer(recipe, tiny_split(), tiny_clip(vision), seed, torch.device("cpu"), report)


def _train(recipe, seed=0, vision=RESNET, report=lambda stage, step: None):
    trainer = _trainer(recipe, vision, seed, report)
    identity = trainer.tune_identity_prompts() if "identity-prompts" in recipe.stages() else None
    parts = trainer.tune_part_prompts(identity) if "part-prompts" in recipe.stages() else None
    return trainer.align_images(trainer.texts(identity, parts))


def _bits(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_stage_one_moves_tokens_and_nothing_else():
    trainer = _trainer(PI_VL)
    vision, text = _bits(trainer.clip.vision), _bits(trainer.clip.text)
    identity = trainer.tune_identity_prompts()
    parts = trainer.tune_part_prompts(identity)
    assert not torch.equal(identity, parts)
    for before, module in ((vision, trainer.clip.vision), (text, trainer.clip.text)):
        for name, value in module.state_dict().items():
            assert torch.equal(before[name], value), name  # batch-norm statistics too


def test_stage_one_learns_texts_that_tell_people_and_parts_apart():
    """Eight well separated people of two parts each: chance is log 16 and log 64 a direction, tuning goes far below."""
    clip, person = tiny_clip(), torch.arange(8).repeat_interleave(2)
    prompts = Prompts(clip.text, clip.vocabulary, LIP)
    tokens = nn.Parameter(draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0)))
    centres = torch.randn(8, 2, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([2, 5]).expand(16, 1, 2)
    recipe = replace(RECIPE, identity_epochs=60, part_epochs=60)

    def batches(_):
        return [torch.arange(16)]

    identity = list(
        tune_identity_prompts(
            recipe, prompts, tokens, centres.sum(1)[person], person, batches, Similarity(True, 0.07)
        )
    )
    dense = centres[person].permute(0, 2, 1)[:, :, None]
    part = list(tune_part_prompts(recipe, prompts, tokens, dense, labels, person, batches))
    for steps in (identity, part):
        first, last = (float(sum(step.terms.values())) for step in (steps[0], steps[-1]))
        assert last < 0.7 * first


def test_stage_two_leaves_the_frozen_clip_and_the_necks_biases_alone():
    trainer = _trainer(PI_VL)
    identity = trainer.tune_identity_prompts()
    parts = trainer.tune_part_prompts(identity)
    vision, text = _bits(trainer.clip.vision), _bits(trainer.clip.text)
    trained = trainer.align_images(trainer.texts(identity, parts))
    for before, module in ((vision, trainer.clip.vision), (text, trainer.clip.text)):
        assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not trained.model.neck.bias.any()
    assert not trained.model.neck_proj.bias.any()
    moved = dict(trained.model.tower.named_parameters())
    for name, value in trainer.clip.vision.named_parameters():
        # softmax drops a bias of all keys alike, so there is nothing to learn for it without dense tokens
        assert name.endswith("k_proj.bias") or not torch.equal(moved[name], value), name


@pytest.mark.parametrize("vision", [RESNET, VIT], ids=["cnn", "vit"])
@pytest.mark.parametrize(
    ("part_text", "fusion"),
    [("none", "last"), ("label", "last"), ("identity+label", "last"), ("identity+label", "pyramid")],
)
def test_every_row_trains_with_either_tower(part_text, fusion, vision):
    terms: dict[str, float] = {}
    recipe = replace(RECIPE, part_text=part_text, fusion=fusion)
    trained = _train(recipe, vision=vision, report=lambda stage, step: terms.update(step.terms))
    assert ("alignment" in terms) == (part_text != "none")
    assert all(torch.isfinite(value).all() for value in trained.model.state_dict().values())


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    one, again, other = (_train(PI_VL, seed).model.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_another_process_gives_the_same_bits():
    code = (
        "from tests.test_stages import PI_VL, _digest, _train\n"
        "import torch; torch.set_num_threads(1)\n"
        "print(_digest(_train(PI_VL).model))"
    )
    root = Path(__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert found.stdout.strip() == _digest(_train(PI_VL).model)
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

        _train(recipe, report=note)
    # before the first update only the tower, the classifiers, the batch and its augmentation decide these two
    for term in ("identity", "triplet"):
        assert first["clip-reid"][0][term] == first["pi-vl"][0][term]
    assert first["clip-reid"][1]["identity"] != first["pi-vl"][1]["identity"]


def test_inference_adds_nothing():
    baseline, informed = _train(RECIPE), _train(PI_VL)
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
    trainer = _trainer(replace(RECIPE, part_text="label"))
    tokens = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    labels = trainer.texts(tokens, None).parts
    assert torch.equal(labels[0], labels[7])
    parts = _trainer(PI_VL).texts(tokens, tokens).parts
    assert not torch.equal(parts[0], parts[7])


def test_global_text_comes_from_the_tokens_that_the_recipe_names():
    before = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    after = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(1))
    base = _trainer(RECIPE).texts(before, None).people
    torch.testing.assert_close(
        _trainer(replace(PI_VL, global_text="before-parts")).texts(before, after).people, base
    )
    assert not torch.allclose(_trainer(PI_VL).texts(before, after).people, base)


def test_controls_replace_only_the_targets():
    tokens = draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0))
    right, permuted, random = (
        _trainer(replace(PI_VL, part_targets=targets)).texts(tokens, tokens)
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
    texts = _trainer(recipe).texts(None, None)
    assert texts.people is None
    assert texts.parts is None


def test_the_dense_contrast_pairs_same_person_and_same_part_by_hand():
    """One step at rate 0 gives the loss of the drawn tokens, compared with a loop over texts and pixels."""
    clip = tiny_clip()
    prompts = Prompts(clip.text, clip.vocabulary, LIP)
    tokens = nn.Parameter(draw_identity_tokens(2, 4, 32, torch.Generator().manual_seed(0)))
    dense = torch.randn(2, 32, 1, 3, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[[2, 2, 5]], [[2, IGNORE, 5]]])
    recipe = replace(RECIPE, part_epochs=1, part_rate=1e-12, prompt_warmup_epochs=0)
    (step,) = tune_part_prompts(
        recipe, prompts, tokens, dense, labels, torch.tensor([0, 1]), lambda _: [torch.tensor([0, 1])]
    )

    pixels = [
        (person, int(labels[person, 0, x]), dense[person, :, 0, x]) for person in (0, 1) for x in range(3)
    ]
    pixels = [pixel for pixel in pixels if pixel[1] != IGNORE]
    pairs = sorted({pixel[:2] for pixel in pixels})
    drawn = tokens.detach()
    texts = [prompts.parts(drawn[[person]], torch.tensor([part]))[0] for person, part in pairs]
    cosine = torch.tensor(
        [
            [float(nn.functional.cosine_similarity(text, pixel[2], dim=0)) for pixel in pixels]
            for text in texts
        ]
    )
    scaled = cosine / recipe.part_temperature
    match = torch.tensor([[pair == pixel[:2] for pixel in pixels] for pair in pairs])
    to_pixel = -torch.stack(
        [scaled.log_softmax(1)[row][match[row]].mean() for row in range(len(pairs))]
    ).mean()
    to_text = -scaled.log_softmax(0)[match].mean()
    assert float(step.terms["text_to_pixel"]) == pytest.approx(float(to_pixel), rel=1e-4)
    assert float(step.terms["pixel_to_text"]) == pytest.approx(float(to_text), rel=1e-4)


def test_cells_are_assigned_to_their_persons_part():
    part_map = torch.full((2, 32, 16), IGNORE, dtype=torch.uint8)
    part_map[0, :16], part_map[1, 16:] = 5, 0
    person, tower = torch.tensor([3, 1]), tiny_clip().vision
    labels = cell_labels(RECIPE, tower, part_map, (2, 1), 20)
    assert assign_parts(labels, person, 20).flatten().tolist() == [65, -1, -1, 20]
    labels = cell_labels(replace(RECIPE, background="ignore"), tower, part_map, (2, 1), 20)
    assert assign_parts(labels, person, 20).flatten().tolist() == [65, -1, -1, -1]


def test_overlapping_patches_are_labelled_by_their_own_windows():
    """Patches of 8 pixels every 4: the second of a column looks at rows 4 to 11, which even cells do not."""
    part_map = torch.zeros(1, 32, 16, dtype=torch.uint8)
    part_map[:, 4:12] = 5
    tower = build_vision(VIT, ImageInput(SIZE, stride=4))
    assert tower.grid == (7, 3)
    labels = cell_labels(RECIPE, tower, part_map, tower.grid, 20)
    assert labels[0, :, 0].tolist() == [
        5,
        5,
        5,
        0,
        0,
        0,
        0,
    ]  # halves of the first and third, all of the second
    assert labels.shape == (1, 7, 3)


def test_without_part_maps_part_texts_are_refused():
    with pytest.raises(ValueError, match="part texts need part maps"):
        cell_labels(RECIPE, tiny_clip().vision, None, (2, 1), 20)


def test_a_camera_embedding_is_drawn_for_a_vit_and_trained():
    recipe = replace(RECIPE, camera_embedding=1.0)
    trained = _train(recipe, vision=VIT)
    embedding = trained.model.tower.camera_embedding
    assert embedding is not None
    assert embedding.shape == (4, 32)  # cameras 0..3 of the training pictures
    fresh = _trainer(recipe, VIT).fresh().model.tower.camera_embedding
    assert not torch.equal(embedding, fresh)
    assert torch.equal(fresh, _trainer(recipe, VIT).fresh().model.tower.camera_embedding)


def test_biases_and_the_head_train_at_rates_of_their_own():
    recipe = replace(PI_VL, rate=1e-3, bias_rate_factor=2.0, head_rate=5e-3)
    trained = _train(recipe)
    optimizer = image_optimizer(recipe, trained.model, trained.head)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 2e-3, 5e-3]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(
        trained.model.trained_parameters()
    ) + len(list(trained.head.parameters()))


def test_a_head_that_is_drawn_or_not_changes_no_other_draw():
    tower = tiny_clip().vision
    stream = torch.Generator().manual_seed(0)
    make_head(PI_VL, tower, stream)
    used = stream.get_state()
    make_head(RECIPE, tower, stream)
    assert torch.equal(used, stream.get_state())

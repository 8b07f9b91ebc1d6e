"""Who trains in each stage, on what, and by which targets."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pivl.data.part_maps.labels import IGNORE, LIP
from pivl.data.store import Store, plain
from pivl.evaluation.assessment import assess, restore
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.stages import (
    Similarity,
    cell_labels,
    identity_terms,
    image_optimizer,
    part_terms,
    tune_identity_prompts,
    tune_part_prompts,
)
from pivl.system.random_streams import Streams, torch_stream
from pivl.towers.clip import ImageInput, build_vision
from pivl.train import NORMALIZATIONS, run_stage
from tests.support.tiny_models import PI_VL, RECIPE, SIZE, VIT, tiny_clip, tiny_split, tiny_trainer, train


def _bits(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_stage_one_moves_tokens_and_nothing_else():
    trainer = tiny_trainer(PI_VL)
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
    trainer = tiny_trainer(PI_VL)
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


def test_a_look_at_every_epoch_of_stage_two_leaves_no_trace():
    """Scoring the model after each epoch, as pruning does, changes neither random streams nor batch-norm statistics."""
    trainer = tiny_trainer(PI_VL)
    texts = trainer.texts(tokens := trainer.tune_identity_prompts(), tokens)
    seen = []

    def look(epoch, trained):
        assert not any(module.training for module in (*trained.model.modules(), *trained.head.modules()))
        seen.append((epoch, assess(trainer, trained).retrieval.map))

    alone, watched = (
        trainer.align_images(texts).state(),
        replace(trainer, after_epoch=look).align_images(texts),
    )
    assert all(torch.equal(value, alone[name]) for name, value in watched.state().items())
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert seen[-1][1] == assess(trainer, watched).retrieval.map  # the last epoch's model is the one returned


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
    texts = [prompts.parts(drawn, torch.tensor([person]), torch.tensor([part]))[0] for person, part in pairs]
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


def test_cells_are_named_by_their_part():
    part_map = torch.full((2, 32, 16), IGNORE, dtype=torch.uint8)
    part_map[0, :16], part_map[1, 16:] = 5, 0
    tower = tiny_clip().vision
    labels = cell_labels(RECIPE, tower, part_map, (2, 1), 20)
    assert labels.flatten().tolist() == [5, IGNORE, IGNORE, 0]
    labels = cell_labels(replace(RECIPE, background="ignore"), tower, part_map, (2, 1), 20)
    assert labels.flatten().tolist() == [5, IGNORE, IGNORE, IGNORE]


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


def test_a_camera_that_training_never_saw_has_the_mean_of_the_others():
    """Whatever else is in the split, the weights are those of training without it."""
    recipe = replace(RECIPE, camera_embedding=1.0)
    split = tiny_split()
    cameras = len(split.train.camera.unique())
    assert split.train.camera.max() == cameras - 1
    far = replace(split, query=replace(split.query, camera=split.query.camera + cameras + 1))
    assessed = []
    alone, trained = train(tiny_trainer(recipe, VIT)), train(
        replace(
            tiny_trainer(recipe, VIT, split=far),
            after_epoch=lambda epoch, now: assessed.append(now.model.tower.camera_embedding.detach().clone()),
        )
    )  # fmt: skip
    embedding = trained.model.tower.camera_embedding
    assert len(embedding) == cameras + 4
    for table in (*assessed, embedding):
        assert torch.equal(table[cameras:], table[:cameras].mean(dim=0).expand(4, -1))
    assert len(assessed) == recipe.epochs
    for name, value in alone.model.state_dict().items():
        ours = trained.model.state_dict()[name]
        assert torch.equal(ours[:cameras] if name.endswith("camera_embedding") else ours, value), name
    stored = {name: value.clone() for name, value in trained.state().items()}
    again = restore(tiny_trainer(recipe, VIT, split=far), stored).model.tower.camera_embedding
    assert torch.equal(again, embedding)
    assert not torch.equal(embedding[0], embedding[-1])


def test_a_camera_embedding_is_drawn_for_a_vit_and_trained():
    recipe = replace(RECIPE, camera_embedding=1.0)
    trained = train(tiny_trainer(recipe, VIT))
    embedding = trained.model.tower.camera_embedding
    assert embedding is not None
    assert embedding.shape == (4, 32)  # cameras 0..3 of the training pictures
    fresh = tiny_trainer(recipe, VIT).fresh().model.tower.camera_embedding
    assert not torch.equal(embedding, fresh)
    assert torch.equal(fresh, tiny_trainer(recipe, VIT).fresh().model.tower.camera_embedding)


def test_biases_and_the_head_train_at_rates_of_their_own():
    recipe = replace(PI_VL, rate=1e-3, bias_rate_factor=2.0, head_rate=5e-3)
    trained = train(tiny_trainer(recipe))
    optimizer = image_optimizer(recipe, trained.model, trained.head)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 2e-3, 5e-3]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(
        trained.model.trained_parameters()
    ) + len(list(trained.head.parameters()))


def test_joint_tuning_steps_on_both_losses_from_fresh_tokens():
    """Its first step has the terms of a first step of 1a and of one of 1b from the same fresh tokens, on one batch."""
    recipe = replace(
        PI_VL, part_schedule="joint", prompt_sampling="identity", identity_epochs=2, part_epochs=1
    )
    steps = []
    trainer = tiny_trainer(recipe, report=lambda stage, step: steps.append((stage, step)))
    state = run_stage(trainer, "part-prompts", {})
    assert {stage for stage, _ in steps} == {"part-prompts"}
    assert steps[-1][1].epochs == 3
    store = Store.hold(trainer.split.train, trainer.device)
    fresh = draw_identity_tokens(8, 4, 32, torch_stream(trainer.seed, "identity-tokens"))
    (index, *_) = trainer._prompt_batches(Streams(trainer.seed), "part-prompts")(1)
    features = trainer.clip.vision(plain(store.gather(index), NORMALIZATIONS[recipe.normalization]).image)
    prompts, person = trainer._prompts(), store.person[index]
    labels = cell_labels(recipe, trainer.clip.vision, store.part_map[index], features.tokens.shape[-2:], 20)
    everything = torch.arange(len(index))
    wanted = {
        **identity_terms(recipe, prompts, fresh, features.proj, person, trainer.similarity())(everything),
        **part_terms(recipe, prompts, fresh, features.tokens, labels, person)(everything),
    }
    assert set(steps[0][1].terms) == set(wanted)
    for name, value in wanted.items():
        assert float(steps[0][1].terms[name]) == pytest.approx(float(value.detach()), rel=1e-5), name
    texts = trainer.texts(None, state["tokens"])
    assert texts.people is not None
    assert texts.parts is not None

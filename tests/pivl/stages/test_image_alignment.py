"""The training of the image tower: what trains, and what leaves no trace."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pivl.evaluation.assessment import assess, restore
from pivl.stages import image_alignment
from pivl.stages.image_alignment import image_optimizer
from tests.support.tiny_models import PI_VL, RECIPE, RESNET, VIT, tiny_split, tiny_trainer, train


def _bits(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_stage_two_leaves_the_frozen_clip_and_the_necks_biases_alone():
    trainer = tiny_trainer(PI_VL)
    identity = trainer.tune_prompts("identity-prompts")
    parts = trainer.tune_prompts("part-prompts", identity)
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
    texts = trainer.texts(tokens := trainer.tune_prompts("identity-prompts"), tokens)
    seen = []

    def look(epoch, trained):
        assert not any(module.training for module in (*trained.model.modules(), *trained.head.modules()))
        seen.append((epoch, assess(trainer, trained).retrieval.map))

    alone, watched = (
        trainer.align_images(texts).state(),
        trainer.align_images(texts, after_epoch=look),
    )
    assert all(torch.equal(value, alone[name]) for name, value in watched.state().items())
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert seen[-1][1] == assess(trainer, watched).retrieval.map  # the last epoch's model is the one returned


@pytest.mark.parametrize("vision", [RESNET, VIT], ids=["cnn", "vit"])
def test_every_term_is_measured_at_the_tower_once_an_epoch_and_that_leaves_no_trace(vision, monkeypatch):
    steps = []
    trainer = tiny_trainer(PI_VL, vision, report=lambda stage, step: steps.append(step))
    fresh = trainer._fresh_tokens()
    texts = trainer.texts(fresh, fresh)
    watched = trainer.align_images(texts).state()
    first = [step for step in steps if step.step == 1]
    assert [step.epoch for step in steps if step.gradients] == [1, 2] == [step.epoch for step in first]
    for step in first:
        assert set(step.gradients) == set(step.terms) == {"identity", "triplet", "image_to_text", "alignment"}
        assert all(norm > 0 for norm in step.gradients.values())
    monkeypatch.setattr(image_alignment, "gradient_norms", lambda terms, shared: {})
    alone = trainer.align_images(texts).state()
    assert all(torch.equal(value, alone[name]) for name, value in watched.items())


def test_a_camera_that_training_never_saw_has_the_mean_of_the_others():
    """Whatever else is in the split, the weights are those of training without it."""
    recipe = replace(RECIPE, camera_embedding=1.0)
    split = tiny_split()
    cameras = len(split.train.camera.unique())
    assert split.train.camera.max() == cameras - 1
    far = replace(split, query=replace(split.query, camera=split.query.camera + cameras + 1))
    assessed = []

    def note(epoch, now):
        assessed.append(now.model.tower.camera_embedding.detach().clone())

    alone = train(tiny_trainer(recipe, VIT))
    trainer = tiny_trainer(recipe, VIT, split=far)
    texts = trainer.texts(trainer.tune_prompts("identity-prompts"), None)
    trained = trainer.align_images(texts, after_epoch=note)
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

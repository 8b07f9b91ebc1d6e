"""The health of a trained run on the tiny models: what stages leave, and what maps that know nothing or all score."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pivl.data.normalization import NORMALIZATIONS
from pivl.data.part_maps.labels import IGNORE
from pivl.data.store import Store, plain
from pivl.evaluation import health
from pivl.evaluation.health import measure_health, view_frozen
from pivl.model import Trained
from pivl.stages.image_alignment import level_alignment
from pivl.stages.target_texts import Texts
from pivl.stages.training_data import aim_cells, cell_labels
from tests.support.tiny_models import PI_VL, RECIPE, tiny_trainer


class Everywhere(nn.Module):
    """A head whose map is one vector in every cell of 8 x 4."""

    def __init__(self, vector):
        super().__init__()
        self.vector = vector

    def forward(self, features):
        return self.vector[:, None, None].expand(len(features.feat), -1, 8, 4)

    def levels(self, features):
        return (self(features),)


def prompts_of(trainer):
    """Tokens after both stages of prompts, drawn and not tuned."""
    first = trainer._fresh_tokens()
    moved = torch.randn(first.shape, generator=torch.Generator().manual_seed(4))
    return {"identity-prompts": first, "part-prompts": first + 0.5 * moved}


def measured(recipe, tokens=None, head=None, texts=None):
    trainer = tiny_trainer(recipe)
    tokens = prompts_of(trainer) if tokens is None else tokens
    texts = texts or trainer.texts(tokens.get("identity-prompts"), tokens.get("part-prompts"))
    trained = trainer.fresh().set_training(False)
    trained = Trained(trained.model, head or trained.head)
    seen = view_frozen(recipe, trainer.split, trainer.clip, trainer.device)
    return measure_health(trainer, trained, tokens, texts, seen), trainer, trained, texts


@torch.no_grad()
@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"align_loss": "raw"},
        {"align_loss": "classes"},
        {"fuse": "levels"},
        {"background": "balanced"},
        {"cell_targets": "shares"},
    ],
    ids=lambda choices: " ".join(choices.values()) or "default",
)
def test_the_loss_is_that_of_training_on_all_plain_pictures_at_once(choices, monkeypatch):
    monkeypatch.setattr(health, "BATCH", 5)
    recipe = replace(PI_VL, **choices)
    found, trainer, trained, texts = measured(recipe)
    store = Store.hold(trainer.split.train, "cpu")
    batch = plain(store.gather(torch.arange(len(store))), NORMALIZATIONS[recipe.normalization])
    levels = trained.head.levels(trained.model.tower(batch.image))
    labels, weights = aim_cells(recipe, trained.model.tower, batch, levels[0].shape[-2:], 20)
    loss = level_alignment(recipe, levels, texts.parts[batch.person], labels, weights)
    assert found["alignment_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert found["skill"] == pytest.approx(1 - float(loss) / found["alignment_constant"], rel=1e-4)
    assert found["background_share"] == pytest.approx(100 * float((labels == 0).float().mean()))


def test_a_map_that_is_the_best_constant_has_no_skill():
    found, trainer, _, texts = measured(PI_VL)
    labels = cell_labels(PI_VL, trainer.clip.vision, trainer.split.train.part_map, (8, 4), 20)
    person = trainer.split.train.person[:, None, None].expand_as(labels)
    targets = nn.functional.normalize(texts.parts, dim=2)[person[labels != IGNORE], labels[labels != IGNORE]]
    constant, *_ = measured(PI_VL, head=Everywhere(targets.mean(0)))
    assert constant["skill"] == pytest.approx(0, abs=1e-4)
    assert constant["alignment_constant"] == pytest.approx(constant["alignment_loss"], rel=1e-4)
    assert constant["skill_beyond_parts"] < 0
    assert found["skill"] < 0  # a fresh head is worse than any constant


def test_a_map_of_the_targets_has_all_the_skill():
    one = torch.randn(32, generator=torch.Generator().manual_seed(3))
    trainer = tiny_trainer(PI_VL)
    people = trainer.texts(*prompts_of(trainer).values()).people
    found, *_ = measured(PI_VL, head=Everywhere(one), texts=Texts(people, _nearly(one)))
    assert found["alignment_loss"] == pytest.approx(0, abs=0.02)


def _nearly(one):
    return one.expand(8, 20, -1) + 0.01 * torch.randn(8, 20, 32, generator=torch.Generator().manual_seed(5))


def test_tokens_that_no_stage_moved_leave_texts_where_they_were():
    trainer = tiny_trainer(PI_VL)
    first = trainer._fresh_tokens()
    found, *_ = measured(PI_VL, {"identity-prompts": first, "part-prompts": first})
    assert found["text_parts_cosine"] == pytest.approx(1, abs=1e-5)
    assert found["text_used_top1"] == found["text_parts_top1"] == found["text_identity_top1"]


@pytest.mark.parametrize(("kept", "same_as"), [("before-parts", "identity"), ("tuned", "parts")])
def test_the_texts_that_stage_2_uses_are_those_that_the_recipe_says(kept, same_as):
    found, *_ = measured(replace(PI_VL, global_text=kept))
    assert found["text_used_cross_entropy"] == found[f"text_{same_as}_cross_entropy"]
    assert found["text_identity_cross_entropy"] != found["text_parts_cross_entropy"]


def test_what_a_recipe_does_not_have_is_left_out():
    first = tiny_trainer(RECIPE)._fresh_tokens()
    bare, *_ = measured(RECIPE, {"identity-prompts": first})
    assert not {"skill", "text_parts_top1", "prompt_part_accuracy"} & set(bare)
    labels, *_ = measured(replace(RECIPE, part_text="label"), {"identity-prompts": first})
    assert "skill" in labels
    assert "prompt_part_accuracy" not in labels
    nothing, *_ = measured(replace(RECIPE, image_to_text_weight=0.0), {})
    assert nothing == {}


def test_part_prompts_are_held_to_one_part_in_as_many_as_there_are():
    found, trainer, *_ = measured(PI_VL)
    labels = cell_labels(PI_VL, trainer.clip.vision, trainer.split.train.part_map, (2, 1), 20)
    assert found["prompt_part_chance"] == pytest.approx(100 / len(labels.unique()))
    assert 0 <= found["prompt_part_accuracy"] <= 100

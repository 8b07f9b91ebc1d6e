"""Maps of scores add up to the scores they are of: logits and cosines of ResNets; a ViT has gradients."""

import math

import pytest
import torch
from torch.nn import functional

from pivl.evaluation.attribution import (
    class_shares,
    cosine_shares,
    evenness,
    gradient_map,
    mean_shares,
    part_shares,
    pool_shares,
    projected_class_shares,
    relevance,
)
from pivl.model import ReIDModel
from pivl.towers.attention import pool_first, pool_input
from tests.support.tiny_models import RESNET, SIZE, VIT, tiny_clip

PEOPLE = 5


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[RESNET, VIT], ids=["resnet", "vit"])
def any_model(request):
    return model_of(request.param)


def model_of(architecture):
    """A model whose necks have statistics, scales and biases of their own, in evaluation mode and float64."""
    model = (
        ReIDModel(tiny_clip(architecture).vision, PEOPLE, torch.Generator().manual_seed(1)).double().eval()
    )
    with torch.no_grad():
        for place, neck in enumerate((model.neck, model.neck_proj)):
            for number, tensor in enumerate((neck.running_mean, neck.weight, neck.bias)):
                tensor.copy_(drawn(len(tensor), seed=10 * place + number))
            neck.running_var.copy_(drawn(len(neck.running_var), seed=7).square() + 0.1)
    return model


@pytest.fixture
def model():
    return model_of(RESNET)


def pictures(count=3):
    return drawn(count, 3, *SIZE, seed=3).double()


def test_a_class_activation_map_and_its_constant_are_the_logit(model):
    person = torch.tensor([0, 4, 2])
    with torch.no_grad():
        features = model.tower(pictures())
        logits, projected = model.logits(features)
        for shares, of in (
            (class_shares(model, features.deepest, person), logits),
            (projected_class_shares(model, features.deepest, person), projected),
        ):
            assert shares.map.shape == (3, *model.tower.grid)
            torch.testing.assert_close(shares.total, of[torch.arange(3), person], rtol=1e-9, atol=1e-9)
            assert shares.map.std() > 0


def test_a_position_of_the_mean_has_what_the_mean_loses_without_it():
    features, direction = drawn(2, 6, 4, 3).double(), drawn(2, 6).double()
    shares = mean_shares(features, direction)
    without = features.clone()
    without[:, :, 2, 1] = 0
    lost = ((features - without).mean(dim=(2, 3)) * direction).sum(dim=1)
    torch.testing.assert_close(shares.map[:, 2, 1], lost)


def test_a_position_of_the_attention_pool_has_what_is_lost_without_it_at_the_same_attention(model):
    """Written out: the pool with the attention weights held, and the token of a cell set to nothing."""
    pool = model.tower.net.attnpool
    with torch.no_grad():
        found = model.tower(pictures()).deepest
        direction = drawn(3, 32, seed=9).double()
        shares = pool_shares(pool, found, direction)
        _, tokens = pool_input(pool, found)
        projected = (pool_first(pool, tokens) * direction).sum(dim=1)
        torch.testing.assert_close(shares.total, projected, rtol=1e-9, atol=1e-9)
        heads = pool.num_heads
        query, key = (
            layer(tokens).unflatten(-1, (heads, -1)).transpose(1, 2) for layer in (pool.q_proj, pool.k_proj)
        )
        attention = (query[:, :, :1] @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=-1)

        def read(of):
            value = pool.v_proj(of).unflatten(-1, (heads, -1)).transpose(1, 2)
            return (pool.c_proj((attention @ value).transpose(1, 2).flatten(2))[:, 0] * direction).sum(dim=1)

        place = 1
        without = tokens.clone()
        without[:, 1 + place] = 0
        without[:, 0] -= found.flatten(2)[:, :, place] / (tokens.shape[1] - 1)
        lost = read(tokens) - read(without)
        torch.testing.assert_close(shares.map.flatten(1)[:, place], lost, rtol=1e-9, atol=1e-9)


def test_shares_of_a_similarity_add_up_to_the_cosine(model):
    with torch.no_grad():
        ours, others = pictures(4)[:2], pictures(4)[2:]
        described, theirs = model.embed(ours), model.embed(others)
        shares = cosine_shares(model.tower, model.tower(ours).deepest, theirs)
        expected = functional.cosine_similarity(described, theirs)
    torch.testing.assert_close(shares.total, expected, rtol=1e-9, atol=1e-9)


def test_gradients_of_a_vit_are_those_of_its_own_forward():
    """Grad-CAM by torch's own backward through the whole tower; patches of the last block's output have none."""
    model, image = model_of(VIT), pictures(2)
    direction = drawn(model.embed(image).shape[1], seed=8).double()
    found = gradient_map(model.tower, image, None, lambda described: described @ direction)
    kept = {}
    blocks = model.tower.net.transformer.resblocks
    hooks = [
        blocks[-1].register_forward_pre_hook(lambda _, given: kept.update(before=given[0])),
        blocks[-1].register_forward_hook(lambda _, given, made: kept.update(after=made)),
    ]
    features = model.tower(image)
    for hook in hooks:
        hook.remove()
    value = (torch.cat([features.feat, features.proj], dim=1) @ direction).sum()
    slope, after = torch.autograd.grad(value, [kept["before"], kept["after"]])
    assert not after[:, 1:].any()
    for one in range(2):
        weight = slope[one, 1:].mean(dim=0)
        cam = (kept["before"][one, 1:] @ weight).clamp(min=0)
        torch.testing.assert_close(found[one].flatten(), cam.detach())
    assert found.shape == (2, *model.tower.grid)


def test_relevance_is_none_for_a_score_that_depends_on_nothing_and_else_not_negative():
    model, image = model_of(VIT), pictures(2)
    assert not relevance(model.tower, image, None, lambda described: 0 * described.sum(dim=1)).any()
    found = relevance(model.tower, image, None, lambda described: described[:, 0])
    assert found.shape == (2, *model.tower.grid)
    assert (found >= 0).all()
    assert found.any()


def test_shares_of_parts_are_of_the_positive_part_of_the_map():
    found = torch.tensor([[[1.0, -5.0], [2.0, 1.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    part = torch.tensor([[[0, 0], [2, 255]], [[0, 1], [2, 2]]])
    shares = part_shares(found, part, 3)
    torch.testing.assert_close(shares[0], torch.tensor([1 / 3, 0, 2 / 3], dtype=torch.double))
    assert shares[1].isnan().all()


def test_evenness_is_1_on_parts_of_equal_mean_and_0_on_one_part():
    areas = torch.tensor([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    shares = torch.tensor([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.75, 0.25, 0.0], [1.0, 0.0, 0.0]])
    found = evenness(shares.double(), areas.double())
    by_hand = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    torch.testing.assert_close(found[:3], torch.tensor([1.0, 0.0, by_hand], dtype=torch.double))
    assert found[3].isnan()

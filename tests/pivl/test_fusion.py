"""Hierarchical fusion in both forms: shapes, channel alignment, resampling and gradients (Eq. 9-10)."""

from dataclasses import replace

import pytest
import torch

from pivl.fusion import CnnForm, CnnFusion, DepthWise, LastTokens, VitFusion, _resample, make_head
from pivl.towers.features import Features
from tests.support.tiny_models import PI_VL, SIZE, tiny_clip


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _features(maps: tuple[torch.Tensor, ...]) -> Features:
    pooled = torch.zeros(2, 4)
    return Features(pooled, pooled, pooled, maps, lambda: torch.ones(2, 4, 2, 1), maps[-1])


def _cnn_maps() -> tuple[torch.Tensor, ...]:
    return (torch.randn(2, 8, 16, 8), torch.randn(2, 16, 8, 4), torch.randn(2, 32, 4, 2))


def test_cnn_fusion_gives_the_grid_whatever_the_stages():
    for grid in ((16, 8), (8, 4), (4, 2), (5, 3)):
        assert CnnFusion((8, 16, 32), 16, grid, _generator())(_features(_cnn_maps())).shape == (2, 16, *grid)


def test_channels_are_aligned_depth_wise_where_they_divide():
    head = CnnFusion((256, 512, 1024), 1024, (32, 16), _generator())
    # method.md 2.3: a grouped 1x1 convolution has 1024 weights and 1024 biases per level
    assert [sum(p.numel() for p in level.parameters()) for level in head.project] == [2048, 2048, 2048]
    assert CnnFusion((24,), 16, (4, 2), _generator()).project[0].groups == 1
    mixing = CnnFusion((256, 512, 1024), 1024, (32, 16), _generator(), CnnForm(depth_wise=False))
    assert [sum(p.numel() for p in level.parameters()) for level in mixing.project] == [
        1024 * width + 1024 for width in (256, 512, 1024)
    ]


def test_a_depth_wise_layer_is_torchs_grouped_convolution_but_for_how_it_rounds():
    """One product and one sum: each rounds by 2^-24 of its result at most, or, in one instruction, both together."""
    layer, image = DepthWise(3, 6), torch.randn(2, 3, 4, 5, generator=_generator())
    plain, large = (
        torch.nn.functional.conv2d(image, weight, bias, groups=3)
        for image, weight, bias in (
            (image, layer.weight, layer.bias),
            (image.abs(), layer.weight.abs(), layer.bias.abs()),
        )
    )
    assert ((layer(image) - plain).abs() <= 4 * 2**-24 * large).all()


def test_cnn_fusion_is_the_sum_of_resampled_projections_by_hand():
    head = CnnFusion((1, 1), 1, (2, 1), _generator())
    with torch.no_grad():
        for level, scale in zip(head.project, (1.0, 10.0), strict=True):
            level.weight.fill_(scale)
    fine = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(1, 1, 4, 1).expand(1, 1, 4, 2)
    coarse = torch.tensor([[[[2.0], [4.0]]]])
    fused = head(_features((fine, coarse)))
    torch.testing.assert_close(fused.flatten(), torch.tensor([2.0 + 20.0, 6.0 + 40.0]))  # averages 2 and 6


@pytest.mark.parametrize("form", ["cnn", "vit"])
def test_fused_maps_are_their_levels_put_together_as_is_said(form):
    def build(fuse):
        return (
            CnnFusion((8, 16, 32), 16, (8, 4), _generator(), CnnForm(fuse=fuse))
            if form == "cnn"
            else VitFusion(32, 16, (8, 4), _generator(), fuse)
        )

    features = _features(_cnn_maps() if form == "cnn" else (torch.randn(2, 32, 4, 2),))
    levels = build("levels").levels(features)
    assert len(levels) == (3 if form == "cnn" else 4)
    total = torch.stack(levels).sum(dim=0)
    for fuse, wanted in (("sum", total), ("levels", total), ("mean", total / len(levels))):
        torch.testing.assert_close(build(fuse)(features), wanted)
    mixed = build("concat")
    weight = mixed.fusion.mix.weight[:, :, 0, 0]
    written_out = torch.einsum("dc,bchw->bdhw", weight, torch.cat(levels, dim=1))
    torch.testing.assert_close(mixed(features), written_out, rtol=1e-4, atol=1e-4)
    for fuse in ("sum", "mean", "concat"):
        (only,) = build(fuse).levels(features)
        assert torch.equal(only, build(fuse)(features))


def test_a_head_takes_the_stages_that_its_recipe_names():
    tower = tiny_clip().vision
    features = tower(torch.randn(2, 3, *SIZE))
    maps = (*features.maps, features.deepest)
    for named, places in (("2-4", (0, 1, 2)), ("2-5", (0, 1, 2, 3)), ("3-4", (1, 2)), ("4", (2,))):
        head = make_head(replace(PI_VL, fused_stages=named, fuse="levels"), tower, _generator())
        assert [level.in_channels for level in head.project] == [maps[place].shape[1] for place in places]
        resampled = [
            _resample(level(maps[place]), head.grid)
            for level, place in zip(head.project, places, strict=True)
        ]
        for one, other in zip(head.levels(features), resampled, strict=True):
            assert torch.equal(one, other)


def test_a_depth_wise_layer_starts_at_unit_spread_or_as_a_point_wise_one_which_starts_as_ever():
    unit, channels = (
        CnnFusion((256, 24), 1024, (8, 4), _generator(), CnnForm(depth_wise_start=start))
        for start in ("unit", "channels")
    )
    assert float(unit.project[0].weight.detach().std()) == pytest.approx(1, rel=0.1)
    torch.testing.assert_close(unit.project[0].weight / 16, channels.project[0].weight)
    torch.testing.assert_close(unit.project[1].weight, channels.project[1].weight)
    assert float(unit.project[1].weight.detach().std()) == pytest.approx(24**-0.5, rel=0.1)


def test_vit_fusion_gives_the_grid_also_where_no_scale_fits_it():
    for height, width in ((16, 8), (21, 10)):  # stride 16, and overlapping patches
        head = VitFusion(16, 8, (32, 16), _generator())
        assert head(_features((torch.randn(2, 16, height, width),))).shape == (2, 8, 32, 16)


@pytest.mark.parametrize("form", ["cnn", "vit"])
def test_every_parameter_of_a_head_gets_a_gradient_and_is_drawn_from_its_generator(form):
    def build(generator):
        return (
            CnnFusion((8, 16, 32), 16, (8, 4), generator)
            if form == "cnn"
            else VitFusion(32, 8, (8, 4), generator)
        )

    maps = _cnn_maps() if form == "cnn" else (torch.randn(2, 32, 4, 2),)
    head, again = build(_generator()), build(_generator())
    head(_features(maps)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())
    for one, other in zip(head.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_without_fusion_the_tokens_pass_and_nothing_is_added():
    features = _features(_cnn_maps())
    assert LastTokens()(features) is features.tokens
    assert list(LastTokens().parameters()) == []

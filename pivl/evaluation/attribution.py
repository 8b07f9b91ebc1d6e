"""Where in a picture a score comes from: activation maps, exact shares of positions, gradients for a ViT (Fig. 5).

Maps are [B, h, w] on the tower's grid, and signed. Where a pooled feature is a sum over positions, the map and a constant
that belongs to no position add up to the score itself; a ViT's class token is none, and has gradients instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pivl.towers.attention import pool_first, pool_input
from pivl.towers.resnet import ResNetTower
from pivl.towers.vit import VisionTower


@dataclass(frozen=True)
class Shares:
    """A score by position: map [B, h, w] and constant [B], whose sum over positions is `total`."""

    map: Tensor
    constant: Tensor

    @property
    def total(self) -> Tensor:
        """The score [B]."""
        return self.map.flatten(1).sum(dim=1) + self.constant

    def __add__(self, other: "Shares") -> "Shares":
        return Shares(self.map + other.map, self.constant + other.constant)

    def over(self, scale: Tensor) -> "Shares":
        """The shares of the score divided by `scale` [B]."""
        return Shares(self.map / scale[:, None, None], self.constant / scale)


def direction_of(neck: nn.BatchNorm1d, weight: Tensor) -> tuple[Tensor, Tensor]:
    """A class's logit as direction.feature + constant: `weight` [B, C] of its classifier, behind `neck` in eval mode."""
    assert neck.running_mean is not None
    assert neck.running_var is not None
    scale = neck.weight / (neck.running_var + neck.eps).sqrt()
    return weight * scale, (weight * (neck.bias - neck.running_mean * scale)).sum(dim=1)


def mean_shares(feature_map: Tensor, direction: Tensor) -> Shares:
    """direction.mean(feature_map) by position: [B, C, h, w] and [B, C]; Zhou et al. 2016, over the number of cells."""
    cells = feature_map.shape[2] * feature_map.shape[3]
    found = torch.einsum("bchw,bc->bhw", feature_map, direction) / cells
    return Shares(found, found.new_zeros(len(found)))


def pool_shares(pool: Any, feature_map: Tensor, direction: Tensor) -> Shares:
    """direction.proj by position, of CLIP's attention pool [B, C, h, w] and [B, D], exact with the attention as it is.

    A position has what is read of its own token and its part of token 0, which is the mean of all cells; the embedding of
    position 0 and biases are the constant.
    """
    heads, channels = pool.num_heads, feature_map.shape[1]
    size, grid = channels // heads, feature_map.shape[2:]
    mean, tokens = pool_input(pool, feature_map)
    cells = feature_map.flatten(2).transpose(1, 2)
    query = pool.q_proj(tokens[:, 0]).unflatten(-1, (heads, size)) * size**-0.5
    key = pool.k_proj(tokens).unflatten(-1, (heads, size))
    attention = torch.einsum("bhd,blhd->bhl", query, key).softmax(dim=-1)
    out = (direction @ pool.c_proj.weight).unflatten(-1, (heads, size))  # what each head's value is read by
    read = torch.einsum("bhd,hdc->bhc", out, pool.v_proj.weight.view(heads, size, channels))
    own = torch.einsum("bhc,blc,bhl->bl", read, tokens[:, 1:], attention[:, :, 1:])
    mean_part = torch.einsum("bhc,blc,bh->bl", read, cells, attention[:, :, 0]) / cells.shape[1]
    position = torch.einsum("bhc,bc,bh->b", read, tokens[:, 0] - mean, attention[:, :, 0])
    bias = pool.c_proj(pool.v_proj.bias)
    return Shares((own + mean_part).unflatten(1, grid), position + direction @ bias)


def class_shares(model: Any, feature_map: Tensor, person: Tensor) -> Shares:
    """The identity logit behind the average pool by position: a class activation map, and its constant.

    `model`: a ReIDModel whose feat is the mean of `feature_map`; person int64 [B], of the training set.
    """
    direction, constant = direction_of(model.neck, model.classifier.weight[person])
    shares = mean_shares(feature_map, direction)
    return Shares(shares.map, shares.constant + constant)


def projected_class_shares(model: Any, feature_map: Tensor, person: Tensor) -> Shares:
    """The identity logit behind a ResNet's attention pool by position, exact with the attention as it is."""
    direction, constant = direction_of(model.neck_proj, model.classifier_proj.weight[person])
    shares = pool_shares(model.tower.net.attnpool, feature_map, direction)
    return Shares(shares.map, shares.constant + constant)


def cosine_shares(tower: ResNetTower, feature_map: Tensor, others: Tensor) -> Shares:
    """The cosine of pictures with others' descriptors [B, C + D] by position (Stylianou et al. 2019, both pools).

    feature_map [B, C, h, w]: layer4 of the pictures.
    """
    channels = feature_map.shape[1]
    shares = mean_shares(feature_map, others[:, :channels])
    shares = shares + pool_shares(tower.net.attnpool, feature_map, others[:, channels:])
    mean, tokens = pool_input(tower.net.attnpool, feature_map)
    own = torch.cat([mean, pool_first(tower.net.attnpool, tokens)], dim=1)
    return shares.over(own.norm(dim=1) * others.norm(dim=1))


Score = Callable[[Tensor], Tensor]  # from descriptors [B, C + D] to scores [B]


def gradient_map(tower: VisionTower, image: Tensor, camera: Tensor | None, score: Score) -> Tensor:
    """Grad-CAM [B, h, w] of a score at the patches that the last block reads (Selvaraju et al. 2017).

    That layer, since only the class token of the last block's output is read: its patches have no gradient.
    """
    before = tower.before_last_block(image, camera).detach().requires_grad_()
    after = tower.net.transformer.resblocks[-1](before)
    feat = tower.net.ln_post(after[:, 0])
    value = score(torch.cat([feat, feat @ tower.net.proj], dim=1)).sum()
    (slope,) = torch.autograd.grad(value, before)
    weights = slope[:, 1:].mean(dim=1, keepdim=True)
    return (before[:, 1:] * weights).sum(dim=2).clamp(min=0).detach().unflatten(1, tower.grid)


def relevance(tower: VisionTower, image: Tensor, camera: Tensor | None, score: Score) -> Tensor:
    """The relevance [B, h, w] of each patch for the class token (Chefer et al. 2021, Eq. 5-6 for self-attention)."""
    tokens, attentions = tower.first_tokens(image, camera).detach().requires_grad_(), []
    for block in tower.net.transformer.resblocks:
        attended, attention = _attend(block.attn, block.ln_1(tokens))
        attentions.append(attention)
        tokens = tokens + attended
        tokens = tokens + block.mlp(block.ln_2(tokens))
    feat = tower.net.ln_post(tokens[:, 0])
    value = score(torch.cat([feat, feat @ tower.net.proj], dim=1)).sum()
    slopes = torch.autograd.grad(value, attentions)
    count = tokens.shape[1]
    found = torch.eye(count, dtype=tokens.dtype, device=tokens.device).expand(len(tokens), count, count)
    for attention, slope in zip(attentions, slopes, strict=True):
        found = found + (attention * slope).clamp(min=0).mean(dim=1).detach() @ found
    return found[:, 0, 1:].unflatten(1, tower.grid)


def _attend(attn: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The output of torch's multi-head attention [B, L, W], and its weights [B, heads, L, L] as what it is made of."""
    projected = functional.linear(tokens, attn.in_proj_weight, attn.in_proj_bias)
    query, key, value = (
        one.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2) for one in projected.chunk(3, dim=-1)
    )
    weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=-1)
    return attn.out_proj((weights @ value).transpose(1, 2).flatten(2)), weights


def part_shares(found: Tensor, part: Tensor, parts: int) -> Tensor:
    """The share of each part in the positive part of maps [B, h, w], by the part of each cell, int64: [B, parts].

    Cells of other numbers, as IGNORE, count in no part; a map without a positive cell has NaN.
    """
    mass = found.clamp(min=0).flatten(1).double()
    label = part.flatten(1)
    known = (label >= 0) & (label < parts)
    sums = mass.new_zeros(len(mass), parts).scatter_add_(1, label.clamp(0, parts - 1), mass * known)
    return sums / sums.sum(dim=1, keepdim=True)


def evenness(shares: Tensor, areas: Tensor) -> Tensor:
    """How evenly a map lies over the parts that a picture has, whatever their size: [B], in [0, 1].

    shares, areas [B, parts]: of the map and of the cells. The entropy of share / area over that of equal ones: 1 where
    the mean of the map is the same on every part, 0 where it lies on one; NaN where a picture has fewer than two parts.
    """
    present = areas > 0
    density = torch.where(present, shares / areas.clamp(min=1e-12), 0.0)
    density = density / density.sum(dim=1, keepdim=True)
    entropy = torch.special.entr(density).sum(dim=1)
    count = present.sum(dim=1)
    return torch.where(count > 1, entropy / count.clamp(min=2).double().log(), torch.nan)

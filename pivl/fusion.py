"""Hierarchical fusion: one dense map at a fixed stride from the stages of a tower (Sec. 3.4, Eq. 9-10, Fig. 4).

The heads exist in training only: inference never calls them, so the deployed descriptor costs what CLIP-ReID's does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pivl.recipe import Recipe
from pivl.towers.features import Features
from pivl.towers.student import Tower

Fuse = Literal["sum", "mean", "concat", "levels"]
DepthWiseStart = Literal["unit", "channels"]


class LastTokens(nn.Module):
    """No fusion: the tower's last projected tokens [B, D, h, w] at their own stride; no parameters (Table 3, row 3)."""

    def forward(self, features: Features) -> Tensor:
        return features.tokens

    def levels(self, features: Features) -> tuple[Tensor, ...]:
        """Returns the maps that are aligned: the tokens alone."""
        return (self(features),)


class Fusion(nn.Module):
    """One map [B, D, h, w] of several of its size: their sum, their mean, or a 1x1 convolution of all their channels.

    Fused as "levels", each of them is aligned by itself, and their sum is only looked at.
    """

    def __init__(self, fuse: Fuse, maps: int, dim: int) -> None:
        super().__init__()
        self.fuse, self.count = fuse, maps
        self.mix = nn.Conv2d(maps * dim, dim, 1) if fuse == "concat" else None

    def forward(self, maps: Iterator[Tensor]) -> Tensor:
        if self.mix is not None:
            mixed: Tensor = self.mix(torch.cat(list(maps), dim=1))
            return mixed
        return _add_up(maps) / self.count if self.fuse == "mean" else _add_up(maps)

    def levels(self, maps: Iterator[Tensor]) -> tuple[Tensor, ...]:
        """Returns the maps that are aligned: each by itself, or what became of them all."""
        return tuple(maps) if self.fuse == "levels" else (self(maps),)


@dataclass(frozen=True)
class CnnForm:
    """The choices of a CnnFusion. It takes the maps `first` to `last`, excluded, of conv2 to conv5, from 0."""

    depth_wise: bool = True
    fuse: Fuse = "sum"
    first: int = 0
    last: int = 3
    depth_wise_start: DepthWiseStart = "unit"


class CnnFusion(nn.Module):
    """conv2..4 maps, each by a 1x1 convolution to D channels and resampled to `grid`, fused to [B, D, h, w] (Eq. 9-10).

    `channels` of each map taken. The convolution is point-wise, or with `depth_wise` so where the channel count divides D
    (method.md 0).
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        dim: int,
        grid: tuple[int, int],
        generator: torch.Generator,
        form: CnnForm = CnnForm(),
    ) -> None:
        super().__init__()
        self.grid, self.taken = grid, slice(form.first, form.last)
        self.project = nn.ModuleList(
            DepthWise(width, dim) if form.depth_wise and dim % width == 0 else nn.Conv2d(width, dim, 1)
            for width in channels
        )
        self.fusion = Fusion(form.fuse, len(channels), dim)
        _initialise(self, generator, form.depth_wise_start)

    def forward(self, features: Features) -> Tensor:
        return self.fusion(self._maps(features))

    def levels(self, features: Features) -> tuple[Tensor, ...]:
        """Returns the maps that are aligned."""
        return self.fusion.levels(self._maps(features))

    def _maps(self, features: Features) -> Iterator[Tensor]:
        deepest = () if features.deepest is None else (features.deepest,)
        taken = (*features.maps, *deepest)[self.taken]
        return (
            _resample(project(image), self.grid) for project, image in zip(self.project, taken, strict=True)
        )


class DepthWise(nn.Conv2d):
    """A depth-wise 1x1 convolution to a multiple of the channels: [B, C, h, w] -> [B, k C, h, w].

    On a CPU the input is repeated first: libraries know a layer as depth-wise where each channel gives one, and that of
    k = 2 took the embedded benchmark 34 ms a step as it stood and takes 20 ms so, with the same numbers.

    Its fan-in is 1, so that weights drawn by it have unit spread, and Adam moves them by its rate a step: over the 24,000
    steps of the paper's RN50 by about 2, over the embedded benchmark's 145 by 0.06, which leaves the head what it was
    drawn as. There weights start at C^-0.5, as those of the point-wise layer would. On training people alone (seed 0) the
    alignment loss then falls from 0.868, where the best constant vector has 0.867, to 0.836.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__(channels, dim, 1, groups=channels)

    def forward(self, image: Tensor) -> Tensor:
        times = self.out_channels // self.in_channels
        if times == 1 or image.device.type != "cpu":
            return super().forward(image)
        last = image.permute(0, 2, 3, 1)
        repeated = torch.stack([last] * times, dim=-1).flatten(3).permute(0, 3, 1, 2)
        return functional.conv2d(repeated, self.weight, self.bias, groups=self.out_channels)


class VitFusion(nn.Module):
    """Simple feature pyramid on the last block's patch map, scales 4, 2, 1 and 1/2, resampled to `grid` and fused.

    Li et al. (ViTDet) give the branches, which have no fusion of their own; fusing them is PI-VL's (method.md 2.4).
    """

    def __init__(
        self, width: int, dim: int, grid: tuple[int, int], generator: torch.Generator, fuse: Fuse = "sum"
    ) -> None:
        super().__init__()
        self.grid = grid
        scales: tuple[tuple[nn.Module, int], ...] = (
            (_enlarge_fourfold(width), width // 4),
            (nn.ConvTranspose2d(width, width // 2, 2, stride=2), width // 2),
            (nn.Identity(), width),
            (nn.MaxPool2d(2), width),
        )
        self.branches = nn.ModuleList(
            nn.Sequential(scale, *_project(channels, dim)) for scale, channels in scales
        )
        self.fusion = Fusion(fuse, len(self.branches), dim)
        _initialise(self, generator)

    def forward(self, features: Features) -> Tensor:
        return self.fusion(self._maps(features))

    def levels(self, features: Features) -> tuple[Tensor, ...]:
        """Returns the maps that are aligned."""
        return self.fusion.levels(self._maps(features))

    def _maps(self, features: Features) -> Iterator[Tensor]:
        (patches,) = features.maps
        return (_resample(branch(patches), self.grid) for branch in self.branches)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of [B, C, h, w]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, image: Tensor) -> Tensor:
        return self.norm(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class OwnHead(nn.Module):
    """A head of one's own: `fuse` makes a map [B, D, h, w] of a batch's Features; no other module has its weights."""

    def __init__(self, fuse: nn.Module) -> None:
        super().__init__()
        self.fuse = fuse

    def forward(self, features: Features) -> Tensor:
        fused: Tensor = self.fuse(features)
        return fused

    def levels(self, features: Features) -> tuple[Tensor, ...]:
        """Returns the maps that are aligned: its own alone."""
        return (self(features),)


Head = LastTokens | CnnFusion | VitFusion | OwnHead
MakeHead = Callable[[Recipe, Tower, torch.Generator], nn.Module]
"""From the recipe, the tower whose maps are fused and the generator of the weights to the module of an OwnHead."""


def make_own_head(make: MakeHead, recipe: Recipe, tower: Tower, generator: torch.Generator) -> OwnHead:
    """Returns the head that `make` makes; what it draws of torch's global generator is drawn by `generator`'s seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        return OwnHead(make(recipe, tower, generator))


def make_head(recipe: Recipe, tower: Tower, generator: torch.Generator) -> Head:
    """Returns the module that gives stage 2 its dense map: fusion at `align_stride` or the tower's own last tokens."""
    if recipe.fusion == "last":
        return LastTokens()
    height, width = recipe.image_size
    grid = (height // recipe.align_stride, width // recipe.align_stride)
    if not tower.convolutional:
        return VitFusion(tower.map_channels[0], tower.dims[2], grid, generator, recipe.fuse)
    first, _, last = recipe.fused_stages.partition("-")
    form = CnnForm(
        recipe.channel_alignment == "depth-wise",
        recipe.fuse,
        int(first) - 2,
        int(last or first) - 1,
        recipe.depth_wise_start,
    )
    channels = (*tower.map_channels, tower.dims[1])[form.first : form.last]
    return CnnFusion(channels, tower.dims[2], grid, generator, form)


def _enlarge_fourfold(width: int) -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(width, width // 2, 2, stride=2),
        ChannelNorm(width // 2),
        nn.GELU(),
        nn.ConvTranspose2d(width // 2, width // 4, 2, stride=2),
    )


def _project(channels: int, dim: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels, dim, 1, bias=False),
        ChannelNorm(dim),
        nn.Conv2d(dim, dim, 3, padding=1, bias=False),
        ChannelNorm(dim),
    )


def _add_up(maps: Iterator[Tensor]) -> Tensor:
    """Returns the sum of maps [B, D, h, w], into the first of them: these are the largest tensors of a step."""
    total = next(maps)
    for one in maps:
        total += one
    return total


def _resample(image: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average down where both sides shrink by whole factors, else bilinear (Eq. 10); by size, never by factor."""
    height, width = image.shape[-2:]
    if (height, width) == grid:
        return image
    if height % grid[0] == 0 and width % grid[1] == 0:
        return functional.avg_pool2d(image, (height // grid[0], width // grid[1]))
    return functional.interpolate(image, size=grid, mode="bilinear", align_corners=False)


def _initialise(head: nn.Module, generator: torch.Generator, depth_wise: DepthWiseStart = "unit") -> None:
    """Draw every convolution from `generator`, scaled by its fan-in, so that no global random state is used."""
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            fan_in = layer.weight[0].numel()
            if isinstance(layer, DepthWise) and depth_wise == "channels":
                fan_in = layer.in_channels
            with torch.no_grad():
                layer.weight.normal_(0, fan_in**-0.5, generator=generator)
                if layer.bias is not None:
                    layer.bias.zero_()

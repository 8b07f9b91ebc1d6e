"""Hierarchical fusion: one dense map at a fixed stride from the stages of a tower (Sec. 3.4, Eq. 9-10, Fig. 4).

The heads exist in training only: inference never calls them, so the deployed descriptor costs what CLIP-ReID's does.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from pivl.recipe import Recipe
from pivl.towers.features import Features
from pivl.towers.student import Tower


class LastTokens(nn.Module):
    """No fusion: the tower's last projected tokens [B, D, h, w] at their own stride; no parameters (Table 3, row 3)."""

    def forward(self, features: Features) -> Tensor:
        return features.tokens


class CnnFusion(nn.Module):
    """conv2..4 maps, each by a 1x1 convolution to D channels and resampled to `grid`, summed to [B, D, h, w] (Eq. 9-10).

    The convolution is point-wise, or with `depth_wise` so where the channel count divides D (method.md 0).
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        dim: int,
        grid: tuple[int, int],
        generator: torch.Generator,
        depth_wise: bool = True,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.project = nn.ModuleList(
            DepthWise(width, dim) if depth_wise and dim % width == 0 else nn.Conv2d(width, dim, 1)
            for width in channels
        )
        _initialise(self, generator)

    def forward(self, features: Features) -> Tensor:
        maps = (
            _resample(project(image), self.grid)
            for project, image in zip(self.project, features.maps, strict=True)
        )
        return _add_up(maps)


class DepthWise(nn.Conv2d):
    """A depth-wise 1x1 convolution to a multiple of the channels: [B, C, h, w] -> [B, k C, h, w].

    On a CPU the input is repeated first: libraries know a layer as depth-wise where each channel gives one, and that of
    k = 2 took the embedded benchmark 34 ms a step as it stood and takes 20 ms so, with the same numbers.
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
    """Simple feature pyramid on the last block's patch map, scales 4, 2, 1 and 1/2, resampled to `grid` and summed.

    Li et al. (ViTDet) give the branches, which have no fusion of their own; the sum is PI-VL's (method.md 2.4).
    """

    def __init__(self, width: int, dim: int, grid: tuple[int, int], generator: torch.Generator) -> None:
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
        _initialise(self, generator)

    def forward(self, features: Features) -> Tensor:
        (patches,) = features.maps
        return _add_up(_resample(branch(patches), self.grid) for branch in self.branches)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of [B, C, h, w]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, image: Tensor) -> Tensor:
        return self.norm(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def make_head(recipe: Recipe, tower: Tower, generator: torch.Generator) -> nn.Module:
    """Returns the module that gives stage 2 its dense map: fusion at `align_stride` or the tower's own last tokens."""
    if recipe.fusion == "last":
        return LastTokens()
    height, width = recipe.image_size
    grid = (height // recipe.align_stride, width // recipe.align_stride)
    if not tower.convolutional:
        return VitFusion(tower.map_channels[0], tower.dims[2], grid, generator)
    depth_wise = recipe.channel_alignment == "depth-wise"
    return CnnFusion(tower.map_channels, tower.dims[2], grid, generator, depth_wise)


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


def _initialise(head: nn.Module, generator: torch.Generator) -> None:
    """Draw every convolution from `generator`, scaled by its fan-in, so that no global random state is used."""
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            fan_in = layer.weight[0].numel()
            with torch.no_grad():
                layer.weight.normal_(0, fan_in**-0.5, generator=generator)
                if layer.bias is not None:
                    layer.bias.zero_()

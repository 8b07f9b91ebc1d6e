"""Part maps: read from disk, and brought to the grid of a feature map (Eq. 5 and Sec. 3.3; method.md 3.5).

The paper says only "downsampling"; a majority vote per cell is its reading with the least noise, and other
rules are values.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pivl.data.part_maps.labels import IGNORE

Rule = Literal["majority", "nearest", "foreground"]

# Rule "foreground": the share of a cell's labelled pixels, background left out, at which the cell belongs to
# a part. At a quarter a strip half as wide as a cell (an arm, a shoe) is kept wherever it falls: the worst
# case is a strip across the border of two cells, which covers a quarter of each.
FOREGROUND_SHARE = 0.25
BACKGROUND = 0  # in every label set
CHUNK = (
    256  # maps voted on at a time: counting takes 12 bytes a pixel, too much for a whole benchmark at once
)


@dataclass(frozen=True)
class Patches:
    """Cells that are windows of `size` pixels, `stride` apart, from the top left: a ViT's patches."""

    size: int
    stride: int


def vote(
    part_map: Tensor,
    grid: tuple[int, int],
    classes: int,
    rule: Rule = "majority",
    patches: Patches | None = None,
) -> Tensor:
    """Returns the class of every cell of a feature grid (h, w): uint8 [B, H, W] to int64 [B, h, w].

    "majority": the commonest class among the cell's labelled pixels; a tie goes to the smallest id.
    "foreground": the commonest class other than background where at least FOREGROUND_SHARE of the labelled
    pixels are such, else background; a plain majority deletes parts narrower than a cell.
    "nearest": the pixel at the cell's centre (of the four about it, the lower right one).

    A cell without any labelled pixel is IGNORE, and so is "nearest" on an unlabelled pixel; ids from
    `classes` upward count as unlabelled. The cells part the image evenly, each pixel in one cell; with
    `patches` they are those windows, which may overlap or leave out a border.
    """
    return torch.cat([_vote(maps, grid, classes, rule, patches) for maps in part_map.split(CHUNK)])


def _vote(
    part_map: Tensor, grid: tuple[int, int], classes: int, rule: Rule, patches: Patches | None
) -> Tensor:
    if rule == "nearest":
        rows, columns = (_centres(*axis, patches) for axis in zip(part_map.shape[1:], grid, strict=True))
        centre = _pixels(part_map, rows, columns).long()
        return centre.masked_fill(centre >= classes, IGNORE)
    counts = _class_counts(part_map, grid, classes, patches)
    labelled = counts.sum(-1)
    winner = counts.argmax(-1)  # the first of equals
    if rule == "foreground":
        foreground = counts[..., BACKGROUND + 1 :]
        enough = foreground.sum(-1) >= FOREGROUND_SHARE * labelled
        winner = torch.where(enough, foreground.argmax(-1) + BACKGROUND + 1, BACKGROUND)
    return winner.masked_fill(labelled == 0, IGNORE)


def pool_weights(
    part_map: Tensor, grid: tuple[int, int], classes: int, patches: Patches | None = None
) -> Tensor:
    """Returns the share of each cell's pixels that each class covers, float32 [B, classes, h, w] in [0, 1].

    The shares of one cell sum to 1 less its unlabelled share. Map and cells as in `vote`.
    """
    rows, columns = (_windows(*axis, patches) for axis in zip(part_map.shape[1:], grid, strict=True))
    area = (rows >= 0).sum(1)[:, None] * (columns >= 0).sum(1)
    counts = _class_counts(part_map, grid, classes, patches).permute(0, 3, 1, 2)
    return (counts / area.to(counts.device)).contiguous()


def part_presence(part_map: Tensor, classes: int, minimum: int = 1) -> Tensor:
    """bool [B, classes]: whether at least `minimum` pixels of the map, uint8 [B, H, W], carry the class."""
    return _class_counts(part_map, (1, 1), classes, None).flatten(1) >= minimum


def _windows(length: int, count: int, patches: Patches | None) -> Tensor:
    """Returns the pixels of each of `count` cells along an axis: int64 [count, widest], -1 where a cell has fewer."""
    cells = torch.arange(count)
    if patches is None:
        start = cells * length // count
        stop = ((cells + 1) * length // count).maximum(start + 1)  # a cell narrower than a pixel repeats it
    else:
        start = cells * patches.stride
        stop = (start + patches.size).clamp(max=length)
    pixels = start[:, None] + torch.arange(int((stop - start).max()))
    return torch.where(pixels < stop[:, None], pixels, -1)


def _centres(length: int, count: int, patches: Patches | None) -> Tensor:
    """Returns the middle pixel of each cell along an axis, int64 [count]."""
    windows = _windows(length, count, patches)
    return windows[:, 0] + (windows >= 0).sum(1) // 2


def _pixels(part_map: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """part_map [B, H, W] at the given rows and columns: [B, len(rows), len(columns)]."""
    return part_map[:, rows.to(part_map.device)][:, :, columns.to(part_map.device)]


def _class_counts(part_map: Tensor, grid: tuple[int, int], classes: int, patches: Patches | None) -> Tensor:
    """Returns how many pixels of each cell carry each class: int64 [B, h, w, classes]."""
    rows, columns = (_windows(*axis, patches) for axis in zip(part_map.shape[1:], grid, strict=True))
    pixels = part_map
    if patches is not None or part_map.shape[1:] != (rows.numel(), columns.numel()):
        pixels = _pixels(part_map, rows.flatten().clamp(min=0), columns.flatten().clamp(min=0))
        absent = (rows.flatten() < 0)[:, None] | (columns.flatten() < 0)
        pixels = pixels.masked_fill(absent.to(pixels.device), IGNORE)
    bins = classes + 1  # the last one for pixels without a label
    cell = torch.arange(len(part_map) * grid[0] * grid[1], dtype=torch.int32, device=part_map.device) * bins
    cell = cell.view(len(part_map), grid[0], 1, grid[1], 1)
    pixels = pixels.reshape(len(part_map), grid[0], rows.shape[1], grid[1], columns.shape[1])
    index = (pixels.int().clamp(max=classes) + cell).flatten()
    counts = torch.bincount(index, minlength=cell.numel() * bins)
    return counts.view(len(part_map), *grid, bins)[..., :classes]

"""Augmentation of a whole batch at once, by the source of every pixel: what a GPU does well.

On a CPU pivl.data.augmentation.on_cpu gives the same bits.
"""

import math

import torch
from torch import Tensor

from pivl.data.augmentation.draws import Augmentation, AugmentationParams
from pivl.data.normalization import Normalization
from pivl.data.part_maps.labels import IGNORE
from pivl.data.store import Batch, Decoded


def apply_by_index(
    decoded: Decoded,
    moves: AugmentationParams,
    augmentation: Augmentation,
    normalization: Normalization,
    mirror_table: Tensor,
) -> Batch:
    """Returns the pictures after their `moves`, normalised; arguments as in pivl.data.augmentation.augment.augment."""
    size = (decoded.image.shape[-2], decoded.image.shape[-1])
    source, inside = _source_pixels(moves, size, augmentation.padding)
    erased = _rectangles(moves, size)
    image = normalization.normalize(_take(decoded.image, source, inside, 0))
    _erase(image, erased, moves.noise)
    unlabelled = erased & augmentation.erase_labels
    part_map = decoded.part_map
    if part_map is not None:
        table = mirror_table.to(part_map.device)
        swapped = table.index_select(0, part_map.flatten().int()).view_as(part_map)
        part_map = torch.where(moves.mirrored.bool().view(-1, 1, 1), swapped, part_map)
        part_map = _take(part_map.unsqueeze(1), source, inside, IGNORE).squeeze(1)
        part_map.masked_fill_(unlabelled, IGNORE)
    confidence = decoded.confidence
    if confidence is not None:
        confidence = _take(confidence.unsqueeze(1), source, inside, 0).squeeze(1).masked_fill_(unlabelled, 0)
    return Batch(image, decoded.person, decoded.camera, part_map, confidence)


def _source_pixels(moves: AugmentationParams, size: tuple[int, int], padding: int) -> tuple[Tensor, Tensor]:
    """For each pixel of the crop its source pixel's flat index, and whether it has one: [B, H, W] each."""
    device = moves.row.device
    row = torch.arange(size[0], device=device) + (moves.row - padding)[:, None]
    column = torch.arange(size[1], device=device) + (moves.column - padding)[:, None]
    inside = ((row >= 0) & (row < size[0]))[:, :, None] & ((column >= 0) & (column < size[1]))[:, None, :]
    column = torch.where(moves.mirrored.bool()[:, None], size[1] - 1 - column, column)
    source = row.clamp(0, size[0] - 1)[:, :, None] * size[1] + column.clamp(0, size[1] - 1)[:, None, :]
    return source, inside


def _take(planes: Tensor, source: Tensor, inside: Tensor, fill: int) -> Tensor:
    """Planes uint8 [B, C, H, W] read at `source`; `fill` where it is not `inside`."""
    index = source.flatten(1)[:, None].expand(-1, planes.shape[1], -1)
    taken = planes.flatten(2).gather(2, index).view_as(planes)
    return taken.masked_fill_(~inside[:, None], fill)


def _rectangles(moves: AugmentationParams, size: tuple[int, int]) -> Tensor:
    """bool [B, H, W]: the pixels of each image's erased rectangle."""
    row = torch.arange(size[0], device=moves.top.device) - moves.top[:, None]
    column = torch.arange(size[1], device=moves.top.device) - moves.left[:, None]
    rows, columns = (
        (row >= 0) & (row < moves.height[:, None]),
        (column >= 0) & (column < moves.width[:, None]),
    )
    return rows[:, :, None] & columns[:, None, :]


def _erase(image: Tensor, erased: Tensor, seed: Tensor) -> None:
    """Write independent N(0, 1) values over the erased pixels of image float32 [B, C, H, W], in place."""
    sample, row, column = erased.nonzero(as_tuple=True)
    channel = torch.arange(image.shape[1], device=image.device)
    pixel = (row * image.shape[3] + column)[:, None] * image.shape[1] + channel
    noise = standard_normal(seed[sample][:, None], pixel)
    image[sample[:, None], channel, row[:, None], column[:, None]] = noise


def standard_normal(seed: Tensor, counter: Tensor) -> Tensor:
    """N(0, 1) values, float32, by nothing but (seed, counter), int64 in [0, 2**32); the two broadcast.

    A generator would have to draw a number for every pixel of the batch to give each sample a fixed share;
    hashing the position costs only the erased ones, and needs no transfer to the device.
    """
    hashed = _scramble(_scramble(seed) ^ counter)
    return as_normal(hashed >> 9)


def as_normal(bits: Tensor) -> Tensor:
    """N(0, 1) values, float32, from uniform integers of 23 bits."""
    uniform = (bits.float() + 0.5) * 2**-23  # never 0 or 1
    return torch.erfinv(uniform * 2 - 1) * math.sqrt(2)


def _scramble(value: Tensor) -> Tensor:
    """Returns a bijective mix of 32-bit integers (multiply and xor-shift), held in int64."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFF
    return value ^ (value >> 16)

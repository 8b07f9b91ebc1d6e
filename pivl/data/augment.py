"""CLIP-ReID's training augmentation of whole batches: flip, pad, crop, normalise, erase (method.md 1.9).

Image and part map take one path. Every sample uses one fixed row of random numbers, with or without a map
and whatever is done with them, so training runs of one seed see identical images.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pivl.data.labels import IGNORE
from pivl.data.store import Batch, Decoded, Normalization

ERASE_ATTEMPTS = 10  # rectangles tried before an image is left whole, as in timm
SINGLE_DRAWS = 7  # flip, crop row, crop column, erase, top, left, noise seed
ROW = SINGLE_DRAWS + 2 * ERASE_ATTEMPTS  # random numbers of one sample


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training image; the defaults are CLIP-ReID's for 256 x 128 pixels.

    flip_probability, erase_probability in [0, 1]; padding in pixels on each side; erase_area as shares of
    the image's area and erase_aspect as height / width, each (lowest, highest).
    """

    flip_probability: float = 0.5
    padding: int = 10
    erase_probability: float = 0.5
    erase_area: tuple[float, float] = (0.02, 1 / 3)
    erase_aspect: tuple[float, float] = (0.3, 3.3)


@dataclass(frozen=True)
class Moves:
    """What befalls each of B images, int64 [B] each: mirrored (0 or 1); row and column of the padded image
    where the crop begins; the erased rectangle (height 0 where none); the seed of its noise.
    """

    mirrored: Tensor
    row: Tensor
    column: Tensor
    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    noise: Tensor


def augment(
    decoded: Decoded,
    augmentation: Augmentation,
    normalization: Normalization,
    mirror_table: Tensor,
    generator: torch.Generator,
) -> Batch:
    """Flip, zero-pad, crop back to size, normalise and erase every picture; all tensors new.

    `mirror_table` uint8 [256] gives the class id that an id becomes in a mirrored image
    (LabelSet.mirror_table); padded and erased pixels of the map become IGNORE, of its confidence 0.
    `generator` lives on the CPU and is advanced by B * ROW numbers.
    """
    size = (decoded.image.shape[-2], decoded.image.shape[-1])
    device = decoded.image.device
    draws = torch.rand(len(decoded.image), ROW, generator=generator, dtype=torch.float64)
    moves = draw_moves(draws, size, augmentation, device)
    source, inside = _source_pixels(moves, size, augmentation.padding)
    erased = _rectangles(moves, size)

    image = normalization.normalize(_take(decoded.image, source, inside, 0))
    _erase(image, erased, moves.noise)
    part_map = decoded.part_map
    if part_map is not None:
        swapped = mirror_table.to(device).index_select(0, part_map.flatten().int()).view_as(part_map)
        part_map = torch.where(moves.mirrored.bool().view(-1, 1, 1), swapped, part_map)
        part_map = _take(part_map.unsqueeze(1), source, inside, IGNORE).squeeze(1)
        part_map.masked_fill_(erased, IGNORE)
    confidence = decoded.confidence
    if confidence is not None:
        confidence = _take(confidence.unsqueeze(1), source, inside, 0).squeeze(1).masked_fill_(erased, 0)
    return Batch(image, decoded.person, decoded.camera, part_map, confidence)


def draw_moves(
    draws: Tensor, size: tuple[int, int], augmentation: Augmentation, device: torch.device
) -> Moves:
    """Turn uniform numbers, float64 [B, ROW] on the CPU, into the moves of images of `size` (H, W)."""
    flip, row, column, erase, top, left, noise = draws[:, :SINGLE_DRAWS].unbind(1)
    offsets = 2 * augmentation.padding + 1
    height, width = _rectangle_sizes(draws[:, SINGLE_DRAWS:], size, augmentation)
    height = height * (erase < augmentation.erase_probability)
    moves = (
        (flip < augmentation.flip_probability).long(),
        (row * offsets).long(),
        (column * offsets).long(),
        (top * (size[0] - height + 1)).long(),
        (left * (size[1] - width + 1)).long(),
        height,
        width,
        (noise * 2**32).long(),
    )
    return Moves(*torch.stack(moves).to(device))  # one transfer


def _rectangle_sizes(
    draws: Tensor, size: tuple[int, int], augmentation: Augmentation
) -> tuple[Tensor, Tensor]:
    """Height and width, int64 [B], of the first rectangle tried that is smaller than the image; else 0."""
    low, high = augmentation.erase_area
    flat, tall = (math.log(aspect) for aspect in augmentation.erase_aspect)
    area = (low + draws[:, :ERASE_ATTEMPTS] * (high - low)) * (size[0] * size[1])
    aspect = torch.exp(flat + draws[:, ERASE_ATTEMPTS:] * (tall - flat))
    height, width = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (height < size[0]) & (width < size[1])
    first = fits.int().argmax(1, keepdim=True)
    found = fits.gather(1, first).squeeze(1)
    return height.gather(1, first).squeeze(1) * found, width.gather(1, first).squeeze(1) * found


def _source_pixels(moves: Moves, size: tuple[int, int], padding: int) -> tuple[Tensor, Tensor]:
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


def _rectangles(moves: Moves, size: tuple[int, int]) -> Tensor:
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
    uniform = ((hashed >> 9).float() + 0.5) * 2**-23  # 23 bits: never rounds to 0 or 1
    return torch.erfinv(uniform * 2 - 1) * math.sqrt(2)


def _scramble(value: Tensor) -> Tensor:
    """A bijective mix of 32-bit integers (multiply and xor-shift), held in int64."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFF
    return value ^ (value >> 16)

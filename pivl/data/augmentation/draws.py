"""Draws the augmentation parameters of a batch from one fixed row of random numbers a picture (method.md 1.9).

The row is used whatever is done with it, so training runs of one seed see identical images, with or without part maps.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ERASE_ATTEMPTS = 10  # rectangles tried before an image is left whole, as in timm
SINGLE_DRAWS = 7  # flip, crop row, crop column, erase, top, left, noise seed
ROW = SINGLE_DRAWS + 2 * ERASE_ATTEMPTS  # random numbers of one sample


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of a training image; the defaults are CLIP-ReID's for 256 x 128 pixels.

    flip_probability, erase_probability in [0, 1]; padding in pixels on each side; erase_area as shares of
    the image's area and erase_aspect as height / width, each (lowest, highest). erase_labels: erased pixels of a part map
    lose their label and its confidence, too.
    """

    flip_probability: float = 0.5
    padding: int = 10
    erase_probability: float = 0.5
    erase_area: tuple[float, float] = (0.02, 1 / 3)
    erase_aspect: tuple[float, float] = (0.3, 3.3)
    erase_labels: bool = True


@dataclass(frozen=True)
class AugmentationParams:
    """The augmentation parameters of B images, int64 [B] each: mirrored (0 or 1); row and column of the padded image
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


def draw_rows(count: int, generator: torch.Generator) -> Tensor:
    """Returns the random numbers of `count` samples, float64 [count, ROW]; `generator` lives on the CPU."""
    return torch.rand(count, ROW, generator=generator, dtype=torch.float64)


def draw_params(
    draws: Tensor, size: tuple[int, int], augmentation: Augmentation, device: torch.device
) -> AugmentationParams:
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
    return AugmentationParams(*torch.stack(moves).to(device))  # one transfer


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

"""A background control: test pictures whose surroundings are exchanged, so that only the person can be recognised.

A model that knows people by the street behind them loses mAP under it, and one that looks at people does not.
"""

from dataclasses import replace

import torch
from torch import Tensor

from pivl.data.part_maps.voting import BACKGROUND
from pivl.data.pictures import Pictures


def swap_backgrounds(pictures: Pictures, generator: torch.Generator) -> Pictures:
    """Returns `pictures` with the surroundings of each taken from another of them, by their exact part maps.

    The other's person is painted over, row by row, in the mean colour of its surroundings. What has no label (bags,
    things in front) counts as surroundings. Part maps stay. Raises ValueError without part maps.
    """
    if pictures.part_map is None:
        raise ValueError("backgrounds can be exchanged only where part maps say where they are")
    around = (pictures.part_map == BACKGROUND)[:, None]
    partner = _derangement(len(pictures), generator)
    street = paint_over(pictures.image, around)[partner]
    return replace(pictures, image=torch.where(around, street, pictures.image))


def paint_over(image: Tensor, around: Tensor) -> Tensor:
    """Returns uint8 [N, 3, H, W] with all that is not `around` (bool [N, 1, H, W]) in its row's mean colour.

    A row without any surroundings takes the picture's mean, and that is black where nothing is.
    """
    kept = image.float() * around
    per_row, per_picture = (
        kept.sum(dim=over, keepdim=True) / around.sum(dim=over, keepdim=True).clamp(min=1)
        for over in (3, (2, 3))
    )
    fill = torch.where(around.any(dim=3, keepdim=True), per_row, per_picture)
    return torch.where(around, image, fill.round().to(torch.uint8))


def _derangement(count: int, generator: torch.Generator) -> Tensor:
    """Returns int64 [count], a random cycle through all: nothing stays in its place unless it is alone."""
    order = torch.randperm(count, generator=generator)
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)
    return partner

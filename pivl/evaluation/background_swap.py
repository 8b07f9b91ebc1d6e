"""A background control: test pictures whose surroundings are exchanged, so that only the person can be recognised.

A model that knows people by the street behind them loses mAP under it, and one that looks at people does not. With its
own surroundings a picture stays as it is, to the bit; those of another one change it by the cut-out outline and, where
another camera saw them, by strange colours. So they come from a picture by the same camera.
"""

from dataclasses import replace

import torch
from torch import Tensor

from pivl.data.part_maps.voting import BACKGROUND
from pivl.data.pictures import Pictures


def draw_sources(pictures: Pictures, generator: torch.Generator) -> Tensor | None:
    """Returns int64 [N]: the picture from which each gets its surroundings, of another person by the same camera.

    None where a picture has no such one.
    """
    found = torch.empty(len(pictures), dtype=torch.int64)
    for camera in pictures.camera.unique():
        pool = (pictures.camera == camera).nonzero().flatten()
        person = pictures.person[pool]
        theirs, order = person.sort(stable=True)
        begin, end = (torch.searchsorted(theirs, person, right=right) for right in (False, True))
        others = len(pool) - (end - begin)
        if not bool((others > 0).all()):
            return None
        further = (torch.rand(len(pool), generator=generator, dtype=torch.float64) * others).long()
        found[pool] = pool[order[(end + further) % len(pool)]]
    return found


def swap_backgrounds(pictures: Pictures, sources: Tensor) -> Pictures:
    """Returns `pictures` with the surroundings of their `sources` (int64 [N]), by their exact part maps.

    The source's person is painted over, row by row, in the mean colour of its surroundings. What has no label (bags,
    things in front) counts as surroundings. Part maps stay. Raises ValueError without part maps.
    """
    if pictures.part_map is None:
        raise ValueError("backgrounds can be exchanged only where part maps say where they are")
    around = (pictures.part_map == BACKGROUND)[:, None]
    street = paint_over(pictures.image, around)[sources]
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

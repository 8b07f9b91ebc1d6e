"""Exact part maps made worse in ways that parsers fail, by a level: the dose of the dose-response below Table 4.

`boundary-P`: outlines bent by a smooth displacement, P pixels on average along each axis. `confusion-S`: each class of
a picture is, with a probability of S %, taken for another that is worn in its place. `blocks-S`: S % of the blocks of
16 x 16 pixels are taken for background. Every picture has a stream of its own, named by the picture.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pivl.data.part_maps.labels import LIP
from pivl.errors import UserError
from pivl.system.random_streams import numpy_stream

BLOCK = 16  # pixels a side
BENDS = (8, 4)  # rows and columns of free displacements, between which it is bilinear
WORN_IN_ONE_PLACE = (
    ("hat", "hair", "sunglasses", "face"),
    ("upper clothes", "dress", "coat", "jumpsuits", "scarf"),
    ("glove", "left arm", "right arm"),
    ("pants", "skirt", "socks", "left leg", "right leg"),
    ("left shoe", "right shoe"),
)

Degradation = Callable[[Tensor, float, Sequence[np.random.Generator]], Tensor]


def degrade(part_map: Tensor, names: Sequence[str], kind: str) -> Tensor:
    """The LIP maps uint8 [N, H, W] of the pictures `names`, degraded by `kind`, as `boundary-2`; the same each time.

    Raises UserError for a kind or level that does not exist.
    """
    name, _, level = kind.partition("-")
    if name not in KINDS or not level.isdigit():
        raise UserError(f"no degradation {kind!r}; write KIND-LEVEL with KIND one of {', '.join(KINDS)}")
    draws = [numpy_stream(0, f"degraded:{kind}/{picture}") for picture in names]
    return KINDS[name](part_map, float(level), draws)


def bend(part_map: Tensor, pixels: float, draws: Sequence[np.random.Generator]) -> Tensor:
    """Returns every pixel takes the class of one some `pixels` away, rows and columns apart; the border's repeat."""
    height, width = part_map.shape[1:]
    free = np.stack([draw.normal(0, pixels * np.sqrt(np.pi / 2), (2, *BENDS)) for draw in draws])
    shift = F.interpolate(torch.from_numpy(free), (height, width), mode="bilinear", align_corners=True)
    rows = (torch.arange(height)[:, None] + shift[:, 0].round().long()).clamp(0, height - 1)
    columns = (torch.arange(width) + shift[:, 1].round().long()).clamp(0, width - 1)
    return part_map.flatten(1).gather(1, (rows * width + columns).flatten(1)).view_as(part_map)


def confuse(part_map: Tensor, share: float, draws: Sequence[np.random.Generator]) -> Tensor:
    """Each class of a picture becomes another that is worn in its place, with a probability of `share` percent."""
    tables = np.stack([_confusion(share / 100, draw) for draw in draws])
    return torch.from_numpy(tables).gather(1, part_map.flatten(1).long()).view_as(part_map)


def lose_blocks(part_map: Tensor, share: float, draws: Sequence[np.random.Generator]) -> Tensor:
    """Blocks become background, each with a probability of `share` percent."""
    height, width = part_map.shape[1:]
    grid = -(-height // BLOCK), -(-width // BLOCK)
    lost = torch.from_numpy(np.stack([draw.random(grid) < share / 100 for draw in draws]))
    lost = lost.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)
    return part_map.masked_fill(lost[:, :height, :width], LIP.parts.index("background"))


def _confusion(probability: float, draw: np.random.Generator) -> np.ndarray:
    """uint8 [256]: the class that each class of one picture is taken for."""
    table = np.arange(256, dtype=np.uint8)
    for place in WORN_IN_ONE_PLACE:
        classes = [LIP.parts.index(part) for part in place]
        for number, taken in enumerate(classes):
            other = classes[(number + draw.integers(1, len(classes))) % len(classes)]
            if draw.random() < probability:
                table[taken] = other
    return table


KINDS: dict[str, Degradation] = {"boundary": bend, "confusion": confuse, "blocks": lose_blocks}

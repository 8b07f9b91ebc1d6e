"""Crops of pictures with their part maps: close-ups of one part, and zooms on a piece of a person.

The tiny CLIP learns small parts from them; whole pictures name a shoe with twenty other things (shared/embedded.md).
Boxes are float32 [N, 4]: top, left, height, width in pixels, and keep the picture's proportions.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.part_maps.labels import IGNORE

CLOSE_UP = (1.15, 2.2)  # a close-up's height over that of the part's tight box
LEAST_HEIGHT = 0.25  # of a close-up, as a share of the picture's: below, there are only blurred pixels
ZOOM = (0.3, 0.75)  # a zoom's height as a share of the picture's


def close_up_boxes(part_map: Tensor, part: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes around `part` int64 [N], shown by every map of uint8 [N, H, W]: loosely, a little off its centre."""
    height, width = part_map.shape[1:]
    shown = part_map == part[:, None, None]
    top, bottom = _extent(shown.any(dim=2))
    left, right = _extent(shown.any(dim=1))
    tight = torch.maximum(bottom - top, (right - left) * height / width)
    draws = torch.rand(len(part_map), 3, generator=generator)
    tall = (tight * (CLOSE_UP[0] + draws[:, 0] * (CLOSE_UP[1] - CLOSE_UP[0]))).clamp(
        LEAST_HEIGHT * height, height
    )
    slack = (tall - tight).clamp(min=0)
    middle = (top + bottom) / 2 + (draws[:, 1] - 0.5) * 0.7 * slack
    centre = (left + right) / 2 + (draws[:, 2] - 0.5) * 0.7 * slack * width / height
    return _boxes(middle, centre, tall, (height, width))


def zoom_boxes(part_map: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes of random height around a random pixel of the person; every map of uint8 [N, H, W] must show one."""
    height, width = part_map.shape[1:]
    person = ((part_map > 0) & (part_map != IGNORE)).flatten(1).float()
    pixel = torch.multinomial(person, 1, generator=generator).squeeze(1)
    share = torch.rand(len(part_map), generator=generator)
    tall = height * (ZOOM[0] + share * (ZOOM[1] - ZOOM[0]))
    return _boxes(pixel // width + 0.5, pixel % width + 0.5, tall, (height, width))


def crop(image: Tensor, part_map: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Returns what the boxes hold, at the pictures' own size, of image [N, 3, H, W] and part_map uint8 [N, H, W].

    The image comes back as float32 in 0..255.
    Pixels outside of a picture repeat its border and have no label.
    """
    height, width = part_map.shape[1:]
    grid = _sampling_grid(box, (height, width))
    pixels = functional.grid_sample(image.float(), grid, padding_mode="border", align_corners=False)
    labels = functional.grid_sample(
        part_map[:, None].float() - IGNORE, grid, mode="nearest", align_corners=False
    )
    return pixels, (labels[:, 0] + IGNORE).round().to(torch.uint8)


def mirror(image: Tensor, part_map: Tensor, chosen: Tensor, mirror_table: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror the pictures of `chosen` bool [N], left and right parts changing names by `mirror_table` uint8 [256]."""
    flipped = mirror_table[part_map.flip(2).int()]
    return (
        torch.where(chosen[:, None, None, None], image.flip(3), image),
        torch.where(chosen[:, None, None], flipped, part_map),
    )


def _extent(shown: Tensor) -> tuple[Tensor, Tensor]:
    """First and one past the last place, float32 [N] each, where bool [N, L] is true."""
    values = shown.to(torch.uint8)
    return values.argmax(1).float(), (shown.shape[1] - values.flip(1).argmax(1)).float()


def _boxes(middle: Tensor, centre: Tensor, tall: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes of height `tall` about a point, pushed inside the picture."""
    wide = tall * size[1] / size[0]
    top, left = middle - tall / 2, centre - wide / 2
    top = torch.minimum(top.clamp(min=0), size[0] - tall)
    left = torch.minimum(left.clamp(min=0), size[1] - wide)
    return torch.stack([top, left, tall, wide], dim=1).float()


def _sampling_grid(box: Tensor, size: tuple[int, int]) -> Tensor:
    """float32 [N, H, W, 2]: where each output pixel's centre lies, in grid_sample's coordinates of -1..1."""
    rows = (torch.arange(size[0]) + 0.5) / size[0]
    columns = (torch.arange(size[1]) + 0.5) / size[1]
    y = 2 * (box[:, :1] + rows * box[:, 2:3]) / size[0] - 1
    x = 2 * (box[:, 1:2] + columns * box[:, 3:]) / size[1] - 1
    return torch.stack([x[:, None, :].expand(-1, size[0], -1), y[:, :, None].expand(-1, -1, size[1])], dim=3)

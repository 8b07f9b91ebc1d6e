"""From a picture to its part map as SCHP's simple_extractor.py goes (method.md 3.2), without OpenCV.

The whole picture, centred in a square as large as its longer side, is brought to the input size, and the logits go the
same way back. Nothing turns, so either warp is bilinear along rows and columns apart: a product with one matrix each.
Departs: OpenCV 4 rounds positions to 1/32 of a pixel; these are exact, as in OpenCV 5. The reference agrees: its logits
are met to 6e-5 this way, to 1.3e-3 the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from pivl.data.part_maps.labels import ATR, LIP, PASCAL, LabelSet
from pivl.parsers.logits import check_logits
from pivl.parsers.schp import AugmentCE2P

TRAINED: dict[int, tuple[LabelSet, int]] = {
    len(labels.parts): (labels, size) for labels, size in ((LIP, 473), (ATR, 512), (PASCAL, 512))
}  # label set and input size of the official checkpoints, by their number of classes
BLUE_GREEN_RED_MEAN = (0.406, 0.456, 0.485)
BLUE_GREEN_RED_STD = (0.225, 0.224, 0.229)
SCHP = Path("SCHP")  # as messages call a network that comes from no file
BAND = 64  # rows of a picture that are labelled at a time: its logits take 4 bytes per class and pixel


@dataclass(frozen=True, eq=False)
class Parsed:
    """A part map, uint8 [H, W], and the softmax of its class at every pixel, float32 [H, W]; both on the CPU."""

    part_map: Tensor
    confidence: Tensor


@torch.inference_mode()
def parse_images(
    network: AugmentCE2P, images: Sequence[Tensor], input_size: int, mixed: bool = False, source: Path = SCHP
) -> list[Parsed]:
    """Returns the part maps of RGB pictures, uint8 [H, W, 3] of any sizes, which are one batch on the network's device.

    mixed: half precision inside the network, where that device is a GPU. Raises NotFinite that names `source` where
    its logits are no numbers.
    """
    device = network.conv1.weight.device
    batch = torch.stack([to_input(image, input_size) for image in images]).to(device)
    with torch.autocast("cuda", torch.float16, enabled=mixed and device.type == "cuda"):
        logits = check_logits(
            network(batch), len(images), network.classes, source, "of SCHP; name its weights"
        )
    return [
        label(some, (image.shape[0], image.shape[1]), input_size)
        for some, image in zip(logits, images, strict=True)
    ]


def to_input(image: Tensor, input_size: int) -> Tensor:
    """Returns a RGB picture, uint8 [H, W, 3], as the network takes it: float32 [3, S, S], blue first, black beside it."""
    height, width, _ = image.shape
    rows = interpolation(into_square(height, (height, width), input_size), height)
    columns = interpolation(into_square(width, (height, width), input_size), width)
    pixels = image.flip(2).permute(2, 0, 1).double()
    warped = (rows @ pixels @ columns.T).round().float() / 255  # to whole values, as a warp of bytes gives
    mean, std = (torch.tensor(values)[:, None, None] for values in (BLUE_GREEN_RED_MEAN, BLUE_GREEN_RED_STD))
    return (warped - mean) / std


def label(logits: Tensor, size: tuple[int, int], input_size: int) -> Parsed:
    """Returns the part map of a picture of `size` (height, width) from its fused logits [C, h, w]."""
    return strongest(bands(logits, size, input_size))


def strongest(logits: Iterable[Tensor]) -> Parsed:
    """Returns the part map of a picture whose logits come as bands [C, some rows, W] from the top down."""
    part_map, confidence = [], []
    for band in logits:
        largest, part = band.max(dim=0)
        part_map.append(part.byte().cpu())
        confidence.append((largest - band.logsumexp(dim=0)).exp().cpu())
    return Parsed(torch.cat(part_map), torch.cat(confidence))


def bands(logits: Tensor, size: tuple[int, int], input_size: int) -> Iterator[Tensor]:
    """Fused logits [C, h, w] on the picture, [C, up to BAND, W] from the top down.

    The original enlarges them to the input size, corners on corners, and warps that back to the picture.
    """
    rows, columns = (
        (
            interpolation(out_of_square(length, size, input_size), input_size)
            @ interpolation(on_corners(input_size, cells), cells)
        ).to(logits)
        for length, cells in zip(size, logits.shape[1:], strict=True)
    )
    across = logits @ columns.T
    return (some @ across for some in rows.split(BAND))


def into_square(length: int, size: tuple[int, int], input_size: int) -> Tensor:
    """Where the pixels of the input lie in a picture of `size`, along its side of `length`: float64 [input_size]."""
    return centred(input_size) * longer_side(size) / (input_size - 1) + (length - 1) / 2


def out_of_square(length: int, size: tuple[int, int], input_size: int) -> Tensor:
    """Returns where the pixels of a picture lie in the input: the inverse of `into_square`, float64 [length]."""
    return centred(length) * (input_size - 1) / longer_side(size) + (input_size - 1) / 2


def on_corners(length: int, cells: int) -> Tensor:
    """Returns where `length` pixels lie among `cells`, the first and last on the first and last: float64 [length]."""
    return torch.arange(length, dtype=torch.float64) * (cells - 1) / (length - 1)


def centred(length: int) -> Tensor:
    """Distances of pixels from the middle of a side, float64 [length]."""
    return torch.arange(length, dtype=torch.float64) - (length - 1) / 2


def longer_side(size: tuple[int, int]) -> int:
    """From the first pixel's centre to the last's; 1 in a picture of one pixel, which has no extent."""
    return max(*size, 2) - 1


def interpolation(positions: Tensor, length: int) -> Tensor:
    """Linear interpolation at `positions` of a row of `length`, zero beyond it: float64 [len(positions), length]."""
    return F.relu(1 - (positions[:, None] - torch.arange(length, dtype=torch.float64)).abs())

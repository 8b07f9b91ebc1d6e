"""Picture files to pixels, in worker processes: no torch here, so that a worker starts at once.

Resized as CLIP-ReID does, by Pillow: training pictures bicubic, query and gallery bilinear (method.md 1.9).
Departs: CLIP-ReID's stage 1 sees training pictures resized bilinear, ours the bicubic ones, so that each picture is
stored once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pivl.data.benchmarks import SetName
from pivl.data.picture_file import read_rgb
from pivl.errors import UserError

RESAMPLING: Mapping[SetName, Image.Resampling] = {
    "train": Image.Resampling.BICUBIC,
    "query": Image.Resampling.BILINEAR,
    "gallery": Image.Resampling.BILINEAR,
}


def write_pictures(
    target: Path, offset: int, paths: Sequence[Path], size: tuple[int, int], resampling: Image.Resampling
) -> int:
    """Put the pictures at `paths`, uint8 [3, H, W] each at `size` (height, width), into `target` from byte `offset` on.

    Returns how many there were. Raises UserError as read_rgb does.
    """
    with open(target, "r+b") as file:
        file.seek(offset)
        for path in paths:
            resized = read_rgb(path).resize(size[::-1], resampling)
            file.write(np.asarray(resized).transpose(2, 0, 1).tobytes())
    return len(paths)


def find_unreadable(paths: Sequence[Path]) -> list[str]:
    """Returns the message of each of `paths` that read_rgb refuses."""
    found = []
    for path in paths:
        try:
            read_rgb(path)
        except UserError as error:
            found.append(str(error))
    return found

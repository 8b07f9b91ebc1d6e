"""How sure a parser was of each pixel: read from beside the part maps, and brought to a grid (version 2, Eq. 8).

A part map `a.png` may have `a.npz` beside it: one array [H, W] of the largest class probability, in [0, 1].
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional

from pivl.data.listing import Line
from pivl.data.part_maps.files import MapFiles
from pivl.data.picture_file import PNG, read_size
from pivl.errors import Unreadable, UserError
from pivl.system.numpy_files import read_arrays

WIDEST = np.dtype(np.longdouble).itemsize  # bytes of a fraction, at most


def beside(part_map: Path) -> Path:
    """Returns where the confidence of a part map lies."""
    return part_map.with_suffix(".npz")


def confidence_lines(maps: MapFiles) -> Iterator[Line]:
    """What the confidence of `maps` adds to a fingerprint: names and digests. Raises UserError where a map has none."""
    names = [file.name for file in maps.found if file is not None]
    files = [beside(Path(name)).as_posix() for name in names]
    for name, file, digest in zip(names, files, maps.identify(maps.folder, files), strict=True):
        if not digest and not (maps.folder / file).exists():
            raise UserError(
                f"no confidence {maps.folder / file} beside its part map; have the parser write it, or leave out rows "
                "that weight pixels by it"
            )
        yield "confidence", name, digest


def write_confidence(target: Path, offset: int, sources: Sequence[Path | None], size: tuple[int, int]) -> int:
    """Put the confidence of part maps, uint8 [H, W] at `size` in 255ths, into `target` from byte `offset` on.

    A picture without a map (None) has 0 everywhere. Returns how many there were; raises UserError as read_confidence.
    """
    with open(target, "r+b") as file:
        file.seek(offset)
        for path in sources:
            pixels = np.zeros(size, np.float32)
            if path is not None:
                whole = Image.fromarray(read_confidence(path))
                pixels = np.asarray(whole.resize(size[::-1], Image.Resampling.BILINEAR))
            file.write(np.rint(255 * pixels).clip(0, 255).astype(np.uint8).tobytes())
    return len(sources)


def read_confidence(part_map: Path) -> np.ndarray:
    """The confidence of a part map, float32 [H, W] of its size; UserError, one line with the file, if it is not that."""
    path, size = beside(part_map), read_size(part_map, PNG)
    try:
        arrays = list(read_arrays(path, limit=size[0] * size[1] * WIDEST).values())
    except Unreadable as error:
        raise UserError(
            f"{path}: not one readable array in an .npz file ({error.reason}); write it again"
        ) from error
    if len(arrays) != 1:
        raise UserError(f"{path}: not one readable array in an .npz file but {len(arrays)}; write it again")
    (values,) = arrays
    if values.shape != size or values.dtype.kind != "f":
        raise UserError(
            f"{path}: {values.dtype} {values.shape}, not fractions of its map's size {size}; write it again"
        )
    if not (values.min() >= 0 and values.max() <= 1):
        raise UserError(f"{path}: not all values lie from 0 to 1; save the largest class probability")
    return values.astype(np.float32)


def cell_confidence(confidence: Tensor | None, grid: Sequence[int]) -> Tensor:
    """Returns the mean confidence of every cell of a grid: uint8 [B, H, W] in 255ths to float32 [B, h, w] in [0, 1].

    Raises ValueError where the pictures have none.
    """
    if confidence is None:
        raise ValueError("pixels are to be weighted by confidence; the data set has none")
    return functional.adaptive_avg_pool2d(confidence.float() / 255, (grid[0], grid[1]))

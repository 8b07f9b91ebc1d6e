"""Augmentation on a CPU: every picture is cut by slices of arrays, which move whole rows and stay in the core's cache.

An index for every pixel, as a GPU likes it, costs ten times the pictures' bytes in index arithmetic: on one core that was
slower than Pillow picture by picture. Both ways give the same bits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pivl.data.augmentation.draws import Augmentation, AugmentationParams
from pivl.data.augmentation.on_gpu import as_normal
from pivl.data.normalization import Normalization
from pivl.data.part_maps.labels import IGNORE
from pivl.data.store import Batch, Decoded

Area = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Crop:
    """The moves of one picture: what is taken of the source, mirrored or not, its place, what is erased and its noise."""

    mirrored: bool
    source: Area
    place: Area
    erased: Area
    seed: int

    def take(self, plane: Tensor) -> NDArray[np.uint8]:
        """Returns the area of a plane uint8 [..., H, W] that stays in the picture."""
        return (plane.flip(-1) if self.mirrored else plane).numpy()[(..., *self.source)]


def apply_by_slices(
    decoded: Decoded,
    moves: AugmentationParams,
    augmentation: Augmentation,
    normalization: Normalization,
    mirror_table: Tensor,
) -> Batch:
    """Returns what pivl.data.augmentation.on_gpu.apply_by_index gives, for pictures on the CPU."""
    size = (decoded.image.shape[-2], decoded.image.shape[-1])
    cuts = list(_crops(moves, size, augmentation.padding))
    image, (scale, shift) = torch.empty(decoded.image.shape), normalization.factors(decoded.image.device)
    noises = _noises(cuts, image.shape[1:])
    for one, source, cut, noise in zip(image, decoded.image, cuts, noises, strict=True):
        one.zero_().numpy()[(..., *cut.place)] = cut.take(source)
        one.mul_(scale).sub_(shift)
        one[(..., *cut.erased)] = noise
    kept = torch.arange(256, dtype=torch.uint8)
    part_map, confidence = (
        None if planes is None else _move_plane(planes, cuts, fill, mirrored.cpu().numpy(), augmentation)
        for planes, fill, mirrored in (
            (decoded.part_map, IGNORE, mirror_table),
            (decoded.confidence, 0, kept),
        )
    )
    return Batch(image, decoded.person, decoded.camera, part_map, confidence)


def _crops(moves: AugmentationParams, size: tuple[int, int], padding: int) -> Iterator[Crop]:
    fields = (moves.mirrored, moves.row, moves.column, moves.top, moves.left, moves.height, moves.width)
    for values, seed in zip(zip(*map(Tensor.tolist, fields), strict=True), moves.noise.tolist(), strict=True):
        mirrored, row, column, top, left, height, width = values
        (rows, from_rows), (columns, from_columns) = (
            _overlap(start - padding, length) for start, length in zip((row, column), size, strict=True)
        )
        erased = slice(top, top + height), slice(left, left + width)
        yield Crop(bool(mirrored), (from_rows, from_columns), (rows, columns), erased, seed)


def _overlap(start: int, length: int) -> tuple[slice, slice]:
    """Returns where `length` pixels from `start` on lie in the crop, and in the picture, which has as many from 0 on."""
    kept = length - abs(start)
    return slice(max(0, -start), max(0, -start) + kept), slice(max(0, start), max(0, start) + kept)


def _move_plane(
    planes: Tensor, cuts: Sequence[Crop], fill: int, mirrored: NDArray[np.uint8], augmentation: Augmentation
) -> Tensor:
    """Planes uint8 [B, H, W], `fill` where they have no pixel or no label; `mirrored`: values in a mirrored one."""
    moved = np.full(planes.shape, fill, np.uint8)
    for one, source, cut in zip(moved, planes, cuts, strict=True):
        taken = cut.take(source)
        one[cut.place] = mirrored[taken] if cut.mirrored else taken
        if augmentation.erase_labels:
            one[cut.erased] = fill
    return torch.from_numpy(moved)


def _noises(cuts: Sequence[Crop], shape: Sequence[int]) -> Iterator[Tensor]:
    """N(0, 1) values [C, h, w] for the erased area of each picture [C, H, W]: those of gathered.standard_normal."""
    channel = np.arange(shape[0], dtype=np.uint32)[:, None, None]
    keys = []
    for cut in cuts:
        row, column = (np.arange(area.start, area.stop, dtype=np.uint32) for area in cut.erased)
        counter = (row[:, None] * np.uint32(shape[2]) + column) * np.uint32(shape[0]) + channel
        keys.append(counter ^ _scramble(np.array([cut.seed], dtype=np.uint32)))
    bits = _scramble(np.concatenate([key.ravel() for key in keys])) >> np.uint32(9)
    normal = as_normal(torch.from_numpy(bits.view(np.int32)))
    for key, values in zip(keys, normal.split([key.size for key in keys]), strict=True):
        yield values.view(key.shape)


def _scramble(value: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """gathered._scramble, where 32-bit integers wrap by themselves."""
    value = value.copy()
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value ^= value >> np.uint32(shift)
        value *= np.uint32(factor)
    value ^= value >> np.uint32(16)
    return value
